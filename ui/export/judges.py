"""Who judged, without a name: the people of a run as "judge 1", "judge 2", in order of appearance.

A rule in the program keeps its name, since a reader must not take it for a person.
"""

from __future__ import annotations

from collections.abc import Iterable

from rlhf_core.judging.preferences import EXPLOIT
from rlhf_core.session.judged import is_scripted


def pseudonyms(annotators: Iterable[str]) -> dict[str, str]:
    """Annotator -> what a reader is told."""
    found: dict[str, str] = {}
    people = 0
    for name in annotators:
        if name in found:
            continue
        if is_scripted(name):
            found[name] = "scripted rater (a rule in the program, no person)"
        elif name == EXPLOIT:
            found[name] = "texts written to fool the reward model, rejected"
        else:
            people += 1
            found[name] = f"judge {people}"
    return found
