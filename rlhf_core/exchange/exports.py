"""Judged pairs for other tools.

Hugging Face preference rows (TRL), Argilla-style records, a spreadsheet; each with what it cannot
hold.

Files come back through ``spreadsheets.import_preferences``. Knows nothing about models; the dataset
card of a run is ``store.card``'s. Label Studio is ``label_studio``'s.

Sources: TRL's dataset formats, preference with explicit prompt; Argilla 2's
``to_list(flatten=True)``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

from rlhf_core.exchange import formulas
from rlhf_core.judging.measure import counted
from rlhf_core.judging.preferences import Pair, Ranking
from rlhf_core.judging.thumbs import thumbs_from_pairs, thumbs_from_rankings
from rlhf_core.store.formats import to_lines

FORMATS = {
    "trl": "Hugging Face preference rows (TRL)",
    "trl-chat": "the same as conversations",
    "argilla": "Argilla-style records",
    "csv": "a spreadsheet (CSV)",
}
_COLUMNS = (
    "prompt",
    "a",
    "b",
    "choice",
    "weight",
    "seconds",
    "annotator",
    "brief",
    "brief_version",
)


def export_pairs(pairs: list[Pair], kind: str) -> tuple[bytes, list[str]]:
    """The file and what it cannot hold, a sentence each.

    ``kind``: a key of FORMATS, else ValueError.
    """
    if kind not in FORMATS:
        raise ValueError(f"kind must be one of {', '.join(FORMATS)}, not {kind!r}")
    unread = not_read_back(pairs)
    if kind == "csv":
        return _csv(pairs), unread
    if kind == "argilla":
        return _argilla(pairs), [*_without(pairs, "Argilla", ("weight", "seconds")), *unread]
    rows, lost = (
        [],
        _without(pairs, "A preference row", ("weight", "seconds", "annotator", "brief")),
    )
    for pair in pairs:
        if pair.choice in ("a", "b"):
            chosen, rejected = (pair.a, pair.b) if pair.choice == "a" else (pair.b, pair.a)
            rows.append(
                {"prompt": pair.prompt, "chosen": chosen, "rejected": rejected}
                if kind == "trl"
                else _conversation(pair.prompt, chosen, rejected)
            )
    for choice, name in (
        ("tie", "ties"),
        ("both_bad", "pairs of which both are bad"),
        ("skip", "skipped pairs"),
    ):
        if count := sum(pair.choice == choice for pair in pairs):
            lost.append(f"A preference row prefers one of two: {count:,} {name} are left out.")
    if rows:
        lost.append("Which text was on the left: chosen comes first whatever the side.")
    return to_lines(rows), [*lost, *unread]


def not_read_back(pairs: Sequence[Pair]) -> list[str]:
    """Which of ``pairs`` no import takes, ours included; a sentence, or none."""
    empty = sum(not all(text.strip() for text in (p.prompt, p.a, p.b)) for p in pairs)
    same = sum(p.a == p.b and bool(p.a.strip()) for p in pairs)
    kinds = ((empty, "with an empty text"), (same, "of a text with itself"))
    found = [f"{counted(count, 'comparison')} {what}" for count, what in kinds if count]
    if not found:
        return []
    return [f"{' and '.join(found)}: in the file, but an import leaves such rows out."]


def export_thumbs(
    pairs: list[Pair], rankings: list[Ranking], kept_out: Sequence[str] = ()
) -> tuple[bytes, list[str]]:
    """Single answers, good or bad, as TRL's unpaired preference rows (KTO), and what they cannot
    hold.

    Args:
        pairs, rankings: what they come from (``judging.thumbs``).
        kept_out: prompts whose answers stay out, since policies are measured on them.
    """
    every = [*thumbs_from_pairs(pairs), *thumbs_from_rankings(rankings)]
    thumbs = [thumb for thumb in every if thumb.prompt not in kept_out]
    pairs = [pair for pair in pairs if pair.prompt not in kept_out]
    rankings = [ranking for ranking in rankings if ranking.prompt not in kept_out]
    lost = ["Who judged, how long it took, and under which brief."] if thumbs else []
    if thumbs:
        lost.append("The way back: a single answer is no comparison, so no import here reads it.")
    if light := sum(thumb.weight != 1 for thumb in thumbs):
        lost.append(f"Weights: {counted(light, 'answer')} that should weigh otherwise count as 1.")
    if derived := _derived(pairs, rankings):
        lost.append(
            f"Which rows nobody called good or bad: there are also {', '.join(derived)}, and no row"
            " says so."
        )
    if any(len(ranking.groups) > 2 for ranking in rankings):
        lost.append("What stands between: of a list in order only the best and the last are here.")
    silent = sum(not thumbs_from_pairs([pair]) for pair in pairs)
    silent += sum(not thumbs_from_rankings([ranking]) for ranking in rankings)
    if silent:
        lost.append(f"No answer is good or bad in {counted(silent, 'judgement')}: left out.")
    if out := len(every) - len(thumbs):
        lost.append(f"{counted(out, 'answer')} to prompts that are kept for the verdict: left out.")
    rows = [
        {"prompt": thumb.prompt, "completion": thumb.text, "label": thumb.good} for thumb in thumbs
    ]
    return to_lines(rows), lost


def _derived(pairs: list[Pair], rankings: list[Ranking]) -> list[str]:
    """Where thumbs come from that were not given as thumbs, with how often."""
    kinds = {
        "both sides of {} that came as a pair": sum(bool(thumbs_from_pairs([p])) for p in pairs),
        "the best and the last of {} put in order": sum(
            r.good is None and len(r.groups) > 1 for r in rankings
        ),
        "all answers of {} called bad together": sum(r.verdict == "both_bad" for r in rankings),
        "the ideal answer of {}": sum(bool(r.ideal) for r in rankings),
    }
    return [words.format(counted(count, "judgement")) for words, count in kinds.items() if count]


def kept_in_the_bundle(rankings: list[Ranking]) -> list[str]:
    """What a pair has no place for in any of these files; a run's rankings.jsonl has it.

    A sentence, or none.
    """
    kinds = {
        "reasons": any(r.reason for r in rankings),
        "which text was written as the ideal answer": any(r.ideal for r in rankings),
        "what was said before a change": any(r.first for r in rankings),
        "which answers were called good or bad one by one": any(
            r.good is not None for r in rankings
        ),
        "which lists the pairs come from": any(len(r.candidates) > 2 for r in rankings),
        "which pairs were hidden checks": any(r.asked in ("repeat", "gold") for r in rankings),
    }
    found = [kind for kind, there in kinds.items() if there]
    return [f"Kept in the session's own rankings.jsonl only: {', '.join(found)}."] if found else []


def _conversation(prompt: str, chosen: str, rejected: str) -> dict:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        **{
            name: [{"role": "assistant", "content": text}]
            for name, text in (("chosen", chosen), ("rejected", rejected))
        },
    }


def _csv(pairs: list[Pair]) -> bytes:
    """With a byte-order mark: Excel takes a file without one for Windows-1252. What a program would
    run as a formula is disarmed, and comes back as it was.
    """
    text = io.StringIO(newline="")
    rows = [[_cell(getattr(pair, name)) for name in _COLUMNS] for pair in pairs]
    csv.writer(text).writerows(formulas.table(_COLUMNS, rows))
    return text.getvalue().encode("utf-8-sig", "replace")


def _cell(value: object) -> object:
    """Numbers without an exponent, which a spreadsheet's column of seconds does not have."""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return "" if value is None else value


def _argilla(pairs: list[Pair]) -> bytes:
    """One record for each two texts, with everybody's answers.

    A skipped one is a discarded response.
    """
    records: dict[tuple, dict] = {}
    for pair in pairs:
        record = records.setdefault(
            (pair.prompt, pair.a, pair.b, pair.brief, pair.brief_version),
            {
                "id": str(len(records)),
                "status": "completed",
                "prompt": pair.prompt,
                "response1": pair.a,
                "response2": pair.b,
                "brief": pair.brief,
                "brief_version": pair.brief_version,
                "preference.responses": [],
                "preference.responses.users": [],
                "preference.responses.status": [],
            },
        )
        record["preference.responses"].append(
            {"a": "response1", "b": "response2"}.get(
                pair.choice, pair.choice if pair.choice != "skip" else None
            )
        )
        record["preference.responses.users"].append(pair.annotator)
        record["preference.responses.status"].append(
            "discarded" if pair.choice == "skip" else "submitted"
        )
    return to_lines(list(records.values()))


def _without(pairs: list[Pair], what: str, fields: tuple[str, ...]) -> list[str]:
    """One sentence naming those of ``fields`` that some pair makes use of."""
    plain = Pair("", "", "", "a")
    used = [
        name
        for name in fields
        if any(getattr(pair, name) != getattr(plain, name) for pair in pairs)
    ]
    words = {
        "weight": "weights within a ranking",
        "seconds": "seconds",
        "annotator": "who judged",
        "brief": "the brief and its version",
    }
    return [f"{what} has no place for: {', '.join(words[name] for name in used)}."] if used else []
