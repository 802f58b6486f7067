"""Judgements from files, taken into a session and given back: what "Use these" and "Undo" do.

Reading a file is ``label_studio``'s and ``spreadsheets``' business; here is what a session makes of
the judgements in it. Knows nothing about models.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlhf_core.common.errors import InputError
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.label_studio import import_any
from rlhf_core.judging.briefs import PRESETS, Brief
from rlhf_core.judging.near_prompts import readable
from rlhf_core.judging.preferences import MAX_ROWS, Pair
from rlhf_core.judging.typed import MAX_PROMPT
from rlhf_core.lm.model_list import BUNDLED
from rlhf_core.session import judged
from rlhf_core.session.state import YOU, Session

MOST_REASON, MOST_REASONS = 200, 20  # letters of a reason, and reasons, that are kept of a file
LOOKED_AT = 100  # prompts, for whether the model can write about them: each takes a millisecond
# Annotators that say nothing once files of several people are put together.
NAMELESS = (YOU, "unknown")


def read(
    data: bytes,
    filename: str,
    *,
    fields: Sequence[str] = (),
    buckets: Sequence[str] = (),
    choice_map: Mapping[str, str] | None = None,
    question: str = "",
) -> ImportReport:
    """What is in a file, whatever tool it came from.

    The arguments are those of ``label_studio.import_annotations``. Raises ImportRefused, in one
    sentence; ChoiceUnclear where the choice column has to be explained, SeveralFit where a question
    has to be picked.
    """
    report = import_any(
        data, filename, fields=fields, buckets=buckets, choice_map=choice_map, question=question
    )
    return report.checked()


def nameless(pairs: Sequence[Pair]) -> bool:
    """Is there a judgement that does not say whose it is?"""
    return any(pair.annotator in NAMELESS for pair in pairs)


def named(pairs: Sequence[Pair], name: str) -> list[Pair]:
    """``pairs``, with ``name`` where nobody is named."""
    return (
        [replace(pair, annotator=name) if pair.annotator in NAMELESS else pair for pair in pairs]
        if name.strip()
        else list(pairs)
    )


def sift(session: Session, pairs: Sequence[Pair]) -> tuple[list[Pair], list[str]]:
    """Which of ``pairs`` a session would take, and what there is to know, a sentence each.

    What the session holds already, by the same person, is not taken a second time: it would count
    double.
    """
    here = Counter(map(_said, judged.pairs(session)))
    fresh, again, long = [], 0, 0
    for pair in pairs:
        if here[_said(pair)] > 0:
            here[_said(pair)] -= 1
            again += 1
        elif len(pair.prompt) > MAX_PROMPT:
            long += 1
        else:
            fresh.append(pair)
    words = []
    if again:
        words.append(
            f"{again:,} of {len(pairs):,} comparisons are in this session already, by the same"
            " person: they are not taken a second time."
        )
    if long:
        words.append(
            f"{long:,} of {len(pairs):,} comparisons have a prompt of more than {MAX_PROMPT}"
            " characters, which is longer than the model here reads: left out."
        )
    kept = sum(pair.prompt in session.asked.brief.evaluation_prompts for pair in fresh)
    if kept:
        words.append(
            f"{kept:,} are about prompts that are kept for the final verdict: they are put on"
            " record, and nothing is trained on them."
        )
    words += about_the_brief(fresh, session.asked.brief, session.model_name == BUNDLED)
    others = Counter(
        pair.brief for pair in fresh if pair.brief and pair.brief != session.asked.brief.slug
    )
    for slug, count in others.most_common(3):
        title = PRESETS[slug].title if slug in PRESETS else slug
        words.append(
            f"{count:,} were judged under the brief “{title}”, not under"
            f" “{session.asked.brief.title}”,"
            " which this session works on: two tastes may get mixed."
        )
    silent = sum(pair.target is None for pair in fresh)
    if silent:
        words.append(
            f"{silent:,} say “both bad” or were skipped: they are kept, and teach the reward model"
            " nothing."
        )
    return fresh, words


def about_the_brief(pairs: Sequence[Pair], brief: Brief, bundled: bool) -> list[str]:
    """What there is to know before anybody trains on ``pairs``, a sentence each: prompts that have
    nothing to do with the brief, or that the bundled model cannot write about.
    """
    prompts = dict.fromkeys(pair.prompt.strip() for pair in pairs)
    known = {prompt.strip() for prompt in (*brief.training_prompts, *brief.evaluation_prompts)}
    words = []
    if prompts and known and not set(prompts) & known:
        words.append(
            f"None of the {len(prompts):,} prompts belongs to the brief “{brief.title}”: the"
            " verdict is measured on the brief's prompts, about which these judgements may say"
            " nothing."
        )
    some = list(prompts)[:LOOKED_AT] if bundled else []
    strange = sum(not readable(prompt) for prompt in some)
    if strange and 2 * strange >= len(some):
        words.append(
            f"{strange:,} of {len(some):,} prompts are about things that the bundled model"
            " cannot write about: it was trained on short everyday English, and answers them with"
            " noise."
        )
    return words


def _said(pair: Pair) -> tuple:
    """The same for two judgements of one person that say the same about the same texts.

    Whichever side the texts were on.
    """
    better = {"a": pair.a, "b": pair.b}.get(pair.choice, pair.choice)
    return pair.annotator, pair.brief, pair.prompt, frozenset((pair.a, pair.b)), better


def about_file(data: bytes, report: dict) -> dict:
    """What the paper trail keeps of a file beside its name: checksum, size, what it was taken for,
    and how many of its rows were repaired or left out, by the reason. ``report``: of
    ``ImportReport.to_dict``.
    """
    found = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    found |= {"format": report["format"], "read": report["read"]}
    for name in ("repaired", "left_out"):
        reasons = Counter(str(row["why"])[:MOST_REASON] for row in report[name])
        found[name] = dict(reasons.most_common(MOST_REASONS))
    return found


def not_taken(about: dict, pairs: Sequence[Pair], fresh: Sequence[Pair]) -> dict:
    """``about`` of a file of which ``sift`` took only ``fresh``."""
    missing = len(pairs) - len(fresh)
    why = "in this session already, or of a prompt too long for the model here"
    return {**about, "left_out": {**about["left_out"], **({why: missing} if missing else {})}}


def take_in(
    session: Session, pairs: Sequence[Pair], filename: str, about: dict | None = None
) -> int:
    """Add ``pairs``, already sifted, to what the session learns from; returns how many.
    ``about``: of ``about_file``.

    Raises InputError where they are too many, or none.
    """
    if not pairs:
        raise InputError(f"There is nothing new in {filename}.")
    with session.change():
        total = len(session.judged.imported) + len(pairs)
        if total > MAX_ROWS:
            raise InputError(
                f"With {filename} this session would hold {total:,} imported comparisons; at most"
                f" {MAX_ROWS:,} fit. Take a smaller file."
            )
        session.judged.imported = [*session.judged.imported, *pairs]
        row = {"file": filename, "pairs": len(pairs), **(about or {})}
        session.judged.imports = [*session.judged.imports, row]
    return len(pairs)


def give_back(session: Session) -> dict | None:
    """Take the newest import out again; {"file", "pairs"} of it, or None where there is none."""
    with session.change():
        log = session.judged.imports
        if not log:
            return None
        last = log[-1]
        session.judged.imported = session.judged.imported[
            : len(session.judged.imported) - last["pairs"]
        ]
        session.judged.imports = log[:-1]
    return last
