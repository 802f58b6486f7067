"""The ranking desk: which outputs come next, and why. Most are chosen, some are drawn by lot, some
are hidden checks.

A hidden check is a pair that was judged before, its sides swapped (does one say the same again?),
or a gold item, a pair with a reference answer (does one read the brief as its author meant it?).
Checks look like any other pair, so what the page says about them before the answer is true of every
pair drawn by lot. Reads what ``loop.next_question`` has prepared; imports no torch, so that a key
press waits for nothing. Knows nothing about pages.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import combinations

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging import briefs
from rlhf_core.judging.contradictions import reconsider
from rlhf_core.judging.gold_items import GoldItem, gold_items
from rlhf_core.judging.next_pair import choose_pair, choose_repeat
from rlhf_core.judging.preferences import (
    Pair,
    Ranking,
    as_first_given,
    finished_texts,
    pairs_from_rankings,
)
from rlhf_core.session import asked, judged
from rlhf_core.session.state import YOU, Session

REPEATS, GOLD, FIRST_CHECK = (
    0.25,
    0.2,
    4,
)  # chances of a check where the last pair was none, from the judgement after this many on
BY_LOT = (
    "Drawn by lot, as some are, so that the reward model's own guesses do not decide all that it"
    " gets to see"
)


@dataclass(frozen=True)
class Asked:
    """What to judge now. ``row``: a candidate set. ``how``: as in ``Ranking.asked``. ``why``: one
    sentence for the page.
    """

    row: dict
    how: str
    why: str


def next_asked(session: Session, form: int, *, checks: bool) -> Asked | None:
    """The next set of ``form`` texts to judge, or None: have more written. The same for every tab
    of a session until something is judged.

    Args:
        checks: mix hidden checks in (pairs only).
    """
    checks = checks and form == 2
    if checks and (row := _check(session)):
        return Asked(row, row["check"], by_lot(session, checks))
    rows = list(asked.unranked(session, form))
    if not rows:
        return None
    number, asking = len(session.judged.rankings), session.learned.asking  # the worker replaces it
    options = [
        (row, i, j)
        for row in rows
        for i, j in combinations(range(len(row["texts"])), 2)
        if row["id"] in asking.get("features", {})
    ]
    if not session.learned.head or not options:
        return Asked(
            rows[random.Random(seed_of(session.seed, "lot", number)).randrange(len(rows))],
            "lot",
            by_lot(session, checks),
        )
    features = asking["features"]
    chosen = choose_pair(
        [features[row["id"]][i] - features[row["id"]][j] for row, i, j in options],
        asking["weights"],
        asking["covariance"],
        seed=seed_of(session.seed, "next pair", number),
    )
    if chosen.how == "random":
        return Asked(options[chosen.index][0], "lot", by_lot(session, checks))
    why = chosen.why if form == 2 else chosen.why.replace("this one is", "one in this list is")
    return Asked(options[chosen.index][0], "informative", why)


def by_lot(session: Session, checks: bool) -> str:
    """Why a pair comes that nothing chose: true of random pairs and of hidden checks alike."""
    among = "; hidden checks are among them" if checks else ""
    if not session.learned.head:
        return (
            "Drawn by lot from pairs of unlike answers: no reward model yet says which would teach"
            f" it most{among}."
        )
    if not session.learned.asking.get("features"):
        return f"Drawn by lot: the worker is still reading the answers for the reward model{among}."
    return f"{BY_LOT}{among}."


def own_judgements(session: Session) -> list[Ranking]:
    """The learner's own judgements that count under the brief in force, in the order in which they
    were made.
    """
    return [
        ranking
        for ranking in session.judged.rankings
        if ranking.annotator == judged.sitting(session) and judged.counts(session, ranking)
    ]


def two_compared(rankings: list[Ranking]) -> list[Ranking]:
    """Those of two texts, as first given, that were compared: side by side, one against the other.
    Two that were called good or bad stood one above the other, and nobody compared them.
    """
    twos = as_first_given([ranking for ranking in rankings if len(ranking.candidates) == 2])
    return [ranking for ranking in twos if ranking.good is None]


def pairs_as_given(session: Session) -> list[Pair]:
    """The learner's own comparisons of two texts, as first given: what the labeller mirror looks
    at. The pairs of a longer list are not independent, those of thumbs no comparisons: left out.
    """
    return pairs_from_rankings(two_compared(own_judgements(session)))


def called_singly(session: Session) -> int:
    """How often the learner called two texts good or bad, each by itself, at first."""
    own = as_first_given(own_judgements(session))
    return sum(ranking.good is not None and len(ranking.candidates) == 2 for ranking in own)


def circles(session: Session) -> list[dict]:
    """Where the learner's own judgements, as they stand now, contradict each other:
    ``labeller_mirror.reconsider``'s rows and "rankings", the ids to look at again.
    """
    told = [
        (pair, ranking.id)
        for ranking in own_judgements(session)
        for pair in pairs_from_rankings([ranking])
    ]
    rows = reconsider([pair for pair, _ in told])
    return [
        {**row, "rankings": list(dict.fromkeys(told[index][1] for index in row["indices"]))}
        for row in rows
    ]


def differing(session: Session) -> list[dict]:
    """The gold items that the learner judged otherwise than their reference answer, as it stands
    now: rows {"item": GoldItem, "ranking": id}.
    """
    found = []
    for ranking in own_judgements(session):
        for pair in pairs_from_rankings([replace(ranking, ideal="")]):
            found += [
                {"item": item, "ranking": ranking.id}
                for item in reference_answers(session)
                if item.verdict(pair) is False
            ]
    return found


def reference_answers(session: Session) -> tuple[GoldItem, ...]:
    """The gold items that mean the brief in force: a preset's, while what to prefer and avoid
    stands as it shipped.
    """
    return gold_items(session.asked.brief.slug) if briefs.as_shipped(session.asked.brief) else ()


def _check(session: Session) -> dict | None:
    """The hidden check that waits, or a new one where one is due."""
    ranked = {ranking.id for ranking in session.judged.rankings}
    waiting = next(
        (
            row
            for row in session.asked.candidate_sets
            if row.get("check")
            and row.get("for", YOU) == judged.sitting(session)
            and row["id"] not in ranked
        ),
        None,
    )
    if waiting is not None:
        return waiting
    mine = [r for r in own_judgements(session) if r.brief_version == session.asked.brief.version]
    number = len(mine)
    if number < FIRST_CHECK or mine[-1].asked in ("repeat", "gold"):
        return None
    draw = random.Random(seed_of(session.seed, "check", judged.sitting(session), number))
    lot = draw.random()
    if lot < REPEATS:
        pairs = [
            pair
            for pair in pairs_from_rankings(two_compared(mine))
            if pair.prompt not in session.asked.brief.evaluation_prompts
        ]
        pair = choose_repeat(pairs, seed=seed_of(session.seed, "repeat", number))
        return (
            None if pair is None else _add(session, "repeat", pair.prompt, [pair.a, pair.b], [0, 1])
        )
    if lot < REPEATS + GOLD:
        seen = {(r.prompt, frozenset(r.candidates)) for r in mine}
        left = [
            item
            for item in reference_answers(session)
            if (item.prompt, frozenset((item.better, item.worse))) not in seen
        ]
        left = [item for item in left if item.prompt in session.asked.brief.training_prompts]
        if left:
            item = draw.choice(left)
            return _add(
                session, "gold", item.prompt, [item.better, item.worse], draw.sample([0, 1], 2)
            )
    return None


def _add(session: Session, check: str, prompt: str, texts: list[str], shown: list[int]) -> dict:
    ended = finished_texts(session.judged.rankings)
    with session.change():
        ranked = {ranking.id for ranking in session.judged.rankings}
        row = {
            "id": f"{check}-{1 + sum(name.startswith(f'{check}-') for name in ranked)}",
            "prompt": prompt,
            "texts": texts,
            "finished": [ended.get((prompt, text), True) for text in texts],
            "seed": 0,
            "round": session.history.current_round,
            "drawn": 2,
            "tokens": [],
            "asked": False,
            "check": check,
            "for": judged.sitting(session),
            "shown": shown,
        }
        rows = [
            other
            for other in session.asked.candidate_sets
            if not other.get("check")
            or other["id"] in ranked
            or other.get("for", YOU) == judged.sitting(session)
        ]
        known = next(
            (other for other in rows if other["id"] == row["id"]), None
        )  # another tab was quicker
        session.asked.candidate_sets = rows if known else [*rows, row]
    return known or row


def stale(session: Session, after: int = 5) -> bool:
    """Should ``loop.next_question`` run (again): another reward model, ``after`` new comparisons,
    or sets that were not read yet?
    """
    if not session.learned.head:
        return False
    asking = session.learned.asking
    if not asking or asking["fit"] != session.learned.summary.get("fit", 1):
        return not judged.nothing_to_learn(session)
    return abs(len(judged.learnable(session)) - asking["judged"]) >= after or any(
        row["id"] not in asking["features"] for row in asked.unranked(session)
    )
