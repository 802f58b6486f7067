"""What a stranger's session may hold, before it becomes a session of one's own: numbers where
numbers belong, so many rows and no more, and no sentence that a page would draw as a link or a
picture.

What people and models wrote is untrusted on every page anyway. Here is what the engine itself
writes and pages draw as they find it: findings of the labs, verdicts, summaries. Knows nothing
about files. Imports no torch.
"""

from __future__ import annotations

import math
import re
from typing import Any

from rlhf_core.common.errors import BundleError
from rlhf_core.common.untrusted import straight, unlinked
from rlhf_core.judging.preferences import MAX_ROWS, MAX_TEXT
from rlhf_core.lm import model_list
from rlhf_core.session import weights
from rlhf_core.session.asked import MAX_BRIEFS, MAX_USER_PROMPTS
from rlhf_core.session.state import History, Learned, Session, Tuned

MOST_STEPS, MOST_SAMPLES, MOST_SETS, MOST_ROUNDS = 5_000, 50_000, 20_000, 500
MOST_VALUES, DEEPEST = 1_000_000, 40  # in what the labs found
_DRAWN = re.compile(r"(!(?=\[)|\](?=\()|<(?=[A-Za-z/!?]))")
NUMBERS = ("reward_mean", "reward_std", "kl_to_reference", "entropy", "clip_fraction", "beta")


def check(session: Session) -> list[str]:
    """Raises BundleError for what no run of this app holds; else makes harmless what has to be, and
    says what was changed, a sentence each.
    """
    _check_counts(session)
    _check_numbers(session)
    _check_shelf(session)
    for name in ("settings", "labs", "shelf"):
        setattr(session, name, plain(getattr(session, name)))
    part = session.tuned
    part.evaluation, part.broke = plain(part.evaluation), plain(part.broke)
    session.learned.summary = plain(session.learned.summary)
    session.learned.fit_records = plain(session.learned.fit_records)
    for name in ("rounds", "branches", "predictions"):
        setattr(session.history, name, plain(getattr(session.history, name)))
    session.judged.imports = plain(session.judged.imports)
    names = weights.in_use(session)  # each may become a part of a path
    if not all(isinstance(name, str) for name in names):
        raise BundleError("It names weights by something that is no name.")
    return _model(session)


def _check_shelf(session: Session) -> None:
    """What was put away comes back as parts, and a run's name becomes a part of a path."""
    kept = {}
    for key, row in session.shelf.items():
        Learned.from_dict(row["learned"])
        History.from_dict(row["history"])
        part = Tuned.from_dict({**row["tuned"], "run": "0" * 8})
        check_steps({"metrics": part.metrics, "samples": part.samples})
        _check_sets(row["sets"])
        told = row["tuned"].get("run")
        run = told if isinstance(told, str) and re.fullmatch("[0-9a-f]{8}", told) else Tuned().run
        kept[str(key)] = {**row, "tuned": {**row["tuned"], "run": run}}
    session.shelf = kept


def _check_sets(sets: list) -> None:
    if len(sets) > MOST_SETS:
        raise BundleError(f"It holds {len(sets):,} written sets; a run here has {MOST_SETS:,}.")
    texts = (text for row in sets for text in (row["prompt"], *row["texts"], row["id"]))
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
        raise BundleError("A written set in it holds something else than texts.")


def _check_counts(session: Session) -> None:
    part = session.judged
    counted = (
        (part.rankings, MAX_ROWS, "rankings"),
        (part.imported, MAX_ROWS, "imported pairs"),
        (part.exploits, MAX_ROWS, "rejected exploits"),
        (part.votes, MAX_ROWS, "blind votes"),
        (session.asked.briefs, MAX_BRIEFS, "briefs"),
        (session.asked.user_prompts, MAX_USER_PROMPTS, "prompts of one's own"),
        (session.tuned.metrics, MOST_STEPS, "steps"),
        (session.tuned.samples, MOST_SAMPLES, "samples"),
        (session.history.rounds, MOST_ROUNDS, "rounds"),
        (session.history.branches, MOST_ROUNDS, "branches"),
        (session.shelf, 12, "briefs on its shelf"),
    )
    for rows, most, what in counted:
        if len(rows) > most:
            raise BundleError(f"It holds {len(rows):,} {what}; a run here has at most {most:,}.")
    _check_sets(session.asked.candidate_sets)
    if not all(isinstance(one, str) and len(one) <= MAX_TEXT for one in session.asked.user_prompts):
        raise BundleError("A prompt in it is no text, or far too long.")
    for ranking in part.rankings:
        if any(len(text) > MAX_TEXT for text in (ranking.prompt, *ranking.candidates)):
            raise BundleError(f"A ranking in it has a text of more than {MAX_TEXT:,} characters.")
    if not all(isinstance(name, str) and len(name) <= 60 for name in (*part.people, part.sitting)):
        raise BundleError("A name in it is no text, or far too long.")


def check_steps(contents: dict) -> None:
    """The steps and samples of a bundle, as ``store.bundle.read_bundle`` gives them, before a
    session makes anything of them. Raises BundleError.
    """
    last = -1
    for row in contents["metrics"]:
        step = row.get("step")
        if isinstance(step, bool) or not isinstance(step, int) or not last < step <= MOST_STEPS:
            raise BundleError(f"Its metrics.csv has steps that do not rise one by one ({step!r}).")
        last = step
        for name, value in row.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name in NUMBERS and value is not None and not (number and math.isfinite(value)):
                raise BundleError(f"Its metrics.csv has no number as {name} of step {step}.")
    for row in contents["samples"]:
        if not all(isinstance(row.get(name), str) for name in ("prompt", "text")):
            raise BundleError("A row of its samples.jsonl has no prompt and text.")


def _check_numbers(session: Session) -> None:
    number = session.history.current_round
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_ROUNDS:
        raise BundleError(f"It says that it is in round {number!r:.20}.")
    if not 0 <= session.seed < 2**63:
        raise BundleError("Its seed is no number that a run here has.")


def _model(session: Session) -> list[str]:
    """A model that this server offers to everybody; another one's name may be a path on it."""
    name = session.model_name
    if isinstance(name, str) and name in (
        model_list.BUNDLED,
        *model_list.PACKAGED,
        *model_list.HUB,
    ):
        return []
    session.model_name = model_list.BUNDLED
    session.model_hash = session.model_hash or "of another model"  # its weights fit no model here
    return [
        "it was made with a model that is not on this server's list, so its weights are put away"
        " here and its judgements and numbers can be read"
    ]


def plain(value: object) -> Any:
    """``value`` with sentences in it that no page draws as a link, a picture or HTML. Raises
    BundleError: far too much, or nested far too deeply.
    """
    left = [MOST_VALUES]

    def walk(one: object, depth: int) -> object:
        left[0] -= 1
        if left[0] < 0 or depth > DEEPEST:
            raise BundleError("It holds more findings of the labs than any run has.")
        if isinstance(one, str):
            return _DRAWN.sub("\\1\u2060", unlinked(straight(one)))[: 4 * MAX_TEXT]
        if isinstance(one, dict):
            return {str(key): walk(inner, depth + 1) for key, inner in one.items()}
        if isinstance(one, list):
            return [walk(inner, depth + 1) for inner in one]
        return one

    return walk(value, 0)
