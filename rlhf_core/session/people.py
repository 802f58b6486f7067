"""Who is sitting at this session: names or colours without accounts, so that merged judgements keep
who said what.

Knows nothing about models. Simplification: a name is whatever somebody typed; nobody checks it.
"""

from __future__ import annotations

from rlhf_core.common.errors import InputError
from rlhf_core.judging.preferences import Ranking, finished_texts
from rlhf_core.judging.typed import clean_name
from rlhf_core.session import judged
from rlhf_core.session.state import SCRIPTED, YOU, Session

COLOURS = (
    "Blue",
    "Orange",
    "Green",
    "Violet",
    "Red",
    "Grey",
)  # for people who would rather not give a name
MOST_PEOPLE, LONGEST_NAME = 40, 30


def people(session: Session) -> list[str]:
    """Everybody who can be chosen: "you", and whoever was named."""
    return [YOU, *session.judged.people]


def sit_down(session: Session, name: str) -> str:
    """From now on, judgements are ``name``'s; a new name is remembered. Returns it as it is kept.
    Raises InputError.
    """
    if not name.strip():
        raise InputError("The name is empty. Type one, or take a colour.")
    name = clean_name("".join(c for c in name if c.isprintable() or c.isspace()))
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"The name has {len(name)} letters; at most {LONGEST_NAME} fit. A short one will do."
        )
    if name.casefold() in (SCRIPTED.casefold(), "scripted rater", "majority", "unknown"):
        raise InputError(f"“{name}” already means something else here. Take another name.")
    with session.change():
        known = next((one for one in people(session) if one.casefold() == name.casefold()), None)
        if known is None and len(people(session)) > MOST_PEOPLE:
            raise InputError(f"At most {MOST_PEOPLE} people can sit at one session.")
        names = session.judged.people
        session.judged.people = names if known else [*names, name]
        session.judged.sitting = known or name
    return known or name


def second_opinions(session: Session, name: str) -> list[dict]:
    """What somebody judged under the current brief, or in an import, and ``name`` did not; what
    fewest people judged comes first.

    Rows {"prompt", "texts" (two), "by": [names]}.
    """
    found: dict[tuple, dict] = {}
    for pair in judged.pairs(session):
        if pair.choice != "skip" and pair.a != pair.b:
            row = found.setdefault(
                (pair.prompt, frozenset((pair.a, pair.b))),
                {"prompt": pair.prompt, "texts": sorted((pair.a, pair.b)), "by": []},
            )
            row["by"] += [pair.annotator] if pair.annotator not in row["by"] else []
    skipped = {
        (r.prompt, frozenset(r.candidates))
        for r in session.judged.rankings
        if r.annotator == name and r.verdict == "skip"
    }
    return sorted(
        (row for key, row in found.items() if name not in row["by"] and key not in skipped),
        key=lambda row: len(row["by"]),
    )


def add_opinion(
    session: Session, row: dict, choice: str, *, shown: list[int], seconds: float | None, name: str
) -> Ranking:
    """Record what ``name`` says about a row of ``second_opinions``. ``choice``: a | b | tie |
    both_bad | skip, a being the text ``shown`` first. Raises InputError.
    """
    texts, first, other = list(row["texts"]), *shown
    groups = {"a": [[first], [other]], "b": [[other], [first]], "tie": [[first, other]]}.get(
        choice, []
    )
    with session.change():
        if any(
            r.annotator == name
            and r.prompt == row["prompt"]
            and sorted(r.candidates) == sorted(texts)
            and r.brief == session.asked.brief.slug
            for r in session.judged.rankings
        ):
            raise InputError(
                "That pair was already judged under this name, perhaps in another tab. Here is the"
                " next one."
            )
        known = finished_texts(session.judged.rankings)
        whole = all((row["prompt"], text) in known for text in texts)
        number = 1 + sum(r.id.startswith("opinion-") for r in session.judged.rankings)
        made = Ranking(
            id=f"opinion-{number}",
            prompt=row["prompt"],
            candidates=texts,
            shown=list(shown),
            groups=groups,
            verdict=None if groups else choice,
            seconds=seconds,
            annotator=name,
            brief=session.asked.brief.slug,
            brief_version=session.asked.brief.version,
            round=session.history.current_round,
            finished=[known[row["prompt"], text] for text in texts] if whole else None,
        )
        session.judged.rankings = [*session.judged.rankings, made]
    return made


def take_back(session: Session, name: str) -> Ranking | None:
    """Take back the newest judgement where it is ``name``'s second opinion, else None."""
    with session.change():
        last = session.judged.rankings[-1] if session.judged.rankings else None
        if (
            not last
            or last.annotator != name
            or not last.id.startswith("opinion-")
            or last.brief != session.asked.brief.slug
        ):
            return None
        session.judged.rankings = session.judged.rankings[:-1]
    return last
