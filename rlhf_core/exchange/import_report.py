"""The report that says what became of every row of a file of judgements.

Knows nothing about files (``file_rows``) and what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from rlhf_core.common.errors import PreferenceError
from rlhf_core.judging.long_rankings import MOST_WHOLE, pairs_of
from rlhf_core.judging.preferences import MAX_ROWS, Pair, Ranking

MAX_EXCERPT = 80  # letters of a row that the report shows


class ImportRefused(PreferenceError):
    """A file from which nothing can be taken; the message names it and what is wrong."""


class SeveralFit(ImportRefused):
    """Several questions could be the preference, and a person has to say which.

    Attributes: found: the first half of the sentence; names: of the questions.
    """

    def __init__(self, filename: str, kind: str, names: Sequence[str]):
        self.names = list(names)
        self.found = (
            f"{filename} has several {kind} that could say which answer is better:"
            f" {excerpt(', '.join(map(repr, names)), 200)}."
        )
        super().__init__(f"{self.found} Say which one counts: --question NAME.")


@dataclass(frozen=True)
class ReportRow:
    """One row of the file that was left out, or was used after a repair.

    Attributes:
        row: its number, counted as ``ImportReport.counted`` says.
        what: what stood there, cut short.
        why: why it was left out, or how it was read.
    """

    row: int
    what: str
    why: str


@dataclass
class ImportReport:
    """What became of a file: ``used + len(left_out)`` is ``read``, so every judgement counts.

    Attributes:
        format: what the file was taken for, in words; counted: what a row number counts, in words.
        pairs: the judgements that were used, as rows of ``preferences.jsonl``; of a ranking, all
        its pairs.
        rankings: those of them that rank a whole list, as they were made.
        unjudged: {"prompt", "texts"} of what the file asks and nobody has answered.
        read, used: judgements (not pairs) found, and taken.
        lost: what the file holds and a row of preferences has no place for, or the other way round;
        a sentence each.
        notes: how the file was read: encoding, delimiter, column names; a sentence each.
        questions: those that could be the preference, where a person has to pick; ``question``: the
        one that was picked.
        choices: {"value", "count", "means"} of the choice column, where it has words or numbers of
        its own.
    """

    filename: str
    format: str = ""
    counted: str = "row"
    pairs: list[Pair] = field(default_factory=list)
    rankings: list[Ranking] = field(default_factory=list)
    unjudged: list[dict] = field(default_factory=list)
    read: int = 0
    used: int = 0
    left_out: list[ReportRow] = field(default_factory=list)
    repaired: list[ReportRow] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    choices: list[dict] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    question: str = ""

    @property
    def summary(self) -> str:
        """One sentence for a page or a terminal."""
        parts = [f"{self.used:,} of {self.read:,} judgements used"]
        if self.repaired:
            parts.append(f"{len(self.repaired):,} of them after a repair")
        if self.left_out:
            parts.append(f"{len(self.left_out):,} left out")
        return f"{self.filename} ({self.format}): {', '.join(parts)}."

    def leave_out(self, row: int, what: object, why: str) -> None:
        """Count a judgement that is not taken."""
        self.read += 1
        self.left_out.append(ReportRow(row, excerpt(what), why))

    def take(
        self,
        row: int,
        what: object,
        judgement: Pair | Ranking,
        pairs: list[Pair],
        repairs: list[str],
    ) -> None:
        """Count a judgement that is taken; ``repairs`` say what was not read as it was written."""
        if len(self.pairs) + len(pairs) > MAX_ROWS:
            raise ImportRefused(
                f"{self.filename} makes more than {MAX_ROWS:,} pairs; at most so many are taken."
                " Split it."
            )
        self.read += 1
        self.used += 1
        self.pairs += pairs
        if isinstance(judgement, Ranking):
            self.rankings.append(judgement)
        if repairs:
            self.repaired.append(ReportRow(row, excerpt(what), "; ".join(repairs)))

    def take_judgement(
        self, row: int, what: object, judgement: Pair | Ranking, repairs: list[str]
    ) -> None:
        """``take`` with all pairs of a ranking; of a long one with a part of them, and says so."""
        pairs, every = ([judgement], 1) if isinstance(judgement, Pair) else pairs_of(judgement)
        if len(pairs) < every:
            self.say(
                "notes",
                f"A ranking of more than {MOST_WHOLE} outputs is trained on by {len(pairs):,} of"
                " its pairs, neighbours among them; they weigh 1 together, as all of them would.",
            )
        self.take(row, what, judgement, pairs, repairs)

    def say(self, kind: str, sentence: str) -> None:
        """Add a sentence to ``lost`` or ``notes``, once."""
        sentences = getattr(self, kind)
        if sentence not in sentences:
            sentences.append(sentence)

    def pick(self, kind: str, fit: Sequence[str], question: str) -> str:
        """The one of ``fit`` that counts: the only one, or ``question``, which a person named.

        Raises SeveralFit; ImportRefused where ``question`` is none of them.
        """
        if question and question not in fit:
            raise ImportRefused(
                f"{self.filename} has no {question!r} among its {kind} that say which answer is"
                f" better: {excerpt(', '.join(map(repr, fit)), 200) or 'there are none'}."
            )
        if len(fit) > 1 and not question:
            raise SeveralFit(self.filename, kind, fit)
        if len(fit) > 1:
            self.questions, self.question = list(fit), question
            self.say("notes", f"{question!r} was read as the preference, as was said.")
        return question or (fit[0] if fit else "")

    def to_dict(self) -> dict:
        """Plain data: the whole report, without the judgements themselves."""
        return {
            "file": self.filename,
            "format": self.format,
            "summary": self.summary,
            "read": self.read,
            "used": self.used,
            "pairs": len(self.pairs),
            "rankings": len(self.rankings),
            "unjudged": len(self.unjudged),
            "counted": self.counted,
            "left_out": [vars(row) for row in self.left_out],
            "repaired": [vars(row) for row in self.repaired],
            "lost": self.lost,
            "notes": self.notes,
            "choices": self.choices,
            "questions": self.questions,
            "question": self.question,
        }

    def checked(self) -> ImportReport:
        """This report. Raises ImportRefused where nothing could be used, with the first reason."""
        if not self.used:
            if not self.read:
                raise ImportRefused(
                    f"{self.filename} ({self.format}) holds no judgement: nobody has answered yet."
                )
            more = f" (and {len(self.left_out) - 1:,} more)" if len(self.left_out) > 1 else ""
            first = self.left_out[0]
            why = first.why + more
            why += " Change that in the file." if why.endswith("?") else "."
            raise ImportRefused(
                f"Nothing in {self.filename} can be used. {self.counted.capitalize()}"
                f" {first.row}: {why}"
            )
        return self


def ended(sentence: str) -> str:
    """With its full stop, unless it asks."""
    return sentence if sentence.endswith("?") else f"{sentence}."


def excerpt(value: object, most: int = MAX_EXCERPT) -> str:
    """``value`` on one line, cut short."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(value.split())
    return text if len(text) <= most else text[: most - 1] + "…"
