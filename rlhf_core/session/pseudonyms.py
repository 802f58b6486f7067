"""Who judged, under names that give nobody away: what of a run may be published.

The author's own judgements are "author"'s; a rule stays a rule; everybody else is judge-1, judge-2,
... in the order of appearance. A "you" in a file is whoever wrote that file, and nobody knows who
that was: in each file another judge. Knows nothing about models.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from rlhf_core.judging.preferences import EXPLOIT, Pair, Ranking
from rlhf_core.session import judged
from rlhf_core.session.state import SCRIPTED, YOU, Session

AUTHOR, AUTHORS_EXPLOIT, FIRST = "author", "author (exploit)", "first-author"
OPENED = "opened"  # where a session keeps what it was opened from: ``session.settings["opened"]``
NOBODY = ("", "unknown")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


class Judge(NamedTuple):
    """One who judged.

    Attributes:
        name: the pseudonym. kind: "author", "exploit", "rule", "person" (at this screen), "file"
            (in an imported file), "first" (who made the run that this one was opened from, perhaps
            the author), "unknown".
        file: the number of the file that alone knows this judge, from 1; 0: none, or several.
    """

    name: str
    kind: str
    file: int = 0


class Pseudonyms:
    """The pseudonyms of one session: the same session gives the same ones."""

    def __init__(self, session: Session):
        self._people: dict[tuple, str] = {}
        self.rows: list[tuple[Pair, Judge]] = []  # imported pairs and exploits
        self.rankings: list[tuple[Ranking, Judge]] = []
        files = _files(session)
        for place, pair in enumerate(session.judged.imported):
            self._add(pair, self._in_a_file(pair.annotator, files[place]))
        for pair in session.judged.exploits:
            self._add(pair, self._here(pair.annotator))
        before = opened_from(session).get("rankings", 0)
        for place, ranking in enumerate(session.judged.rankings):
            judge = self._here(ranking.annotator)
            if judge.kind == "author" and place < before:
                judge = Judge(FIRST, "first")
            self.rankings.append((replace(ranking, annotator=judge.name), judge))

    def in_words(self) -> str:
        """Who judged, for a sentence."""
        names = dict.fromkeys(judge.name for _, judge in (*self.rows, *self.rankings))
        few = len(names) <= judged.MOST_NAMED
        return (" and ".join(names) if few else f"{len(names)} judges") or "nobody yet"

    def _add(self, pair: Pair, judge: Judge) -> None:
        self.rows.append((replace(pair, annotator=judge.name), judge))

    def _here(self, name: str) -> Judge:
        """Of somebody who sat at this screen."""
        if name == YOU:
            return Judge(AUTHOR, "author")
        if name == EXPLOIT:
            return Judge(AUTHORS_EXPLOIT, "exploit")
        if judged.is_scripted(name):
            return Judge(SCRIPTED, "rule")
        return Judge(self._numbered(("here", name.casefold())), "person")

    def _in_a_file(self, name: str, file: int) -> Judge:
        if judged.is_scripted(name):
            return Judge(SCRIPTED, "rule", file)
        if name in NOBODY:
            return Judge("unknown", "unknown", file)
        if name in (YOU, EXPLOIT):
            return Judge(self._numbered((YOU, file)), "file", file)
        return Judge(self._numbered(("named", name.casefold())), "file", file)

    def _numbered(self, who: tuple) -> str:
        return self._people.setdefault(who, f"judge-{len(self._people) + 1}")


def opened_from(session: Session) -> dict:
    """{"file", "sha256", "rankings": how many there were then} of a session that was opened from a
    zip; {} of one that began here.
    """
    found = session.settings.get(OPENED)
    found = found if isinstance(found, dict) else {}
    count = found.get("rankings")
    whole = isinstance(count, int) and not isinstance(count, bool)
    return {**found, "rankings": count} if whole else {}


def _files(session: Session) -> list[int]:
    """The number of the file of each imported pair; 0: not on record."""
    files = [
        number
        for number, row in enumerate(session.judged.imports, 1)
        for _ in range(max(0, int(row.get("pairs") or 0)))
    ]
    missing = len(session.judged.imported) - len(files)
    return [0] * max(0, missing) + files[: len(session.judged.imported)]


def without_addresses(text: str) -> str:
    """``text`` for a card: e-mail addresses are left out."""
    return ADDRESS.sub("(address left out)", text)


def addresses_in(texts: list[str]) -> int:
    """How many of ``texts`` hold what looks like an e-mail address."""
    return sum(bool(ADDRESS.search(text)) for text in texts if "@" in text)
