"""The scripted rater: a rule that judges in a person's place, and is always called what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Recording, only_progress
from rlhf_core.judging.register import judge
from rlhf_core.loop.writing import generate_pool
from rlhf_core.session import asked, judged
from rlhf_core.session.state import SCRIPTED, Session

MOST_AT_ONCE = 32  # candidate sets that are written ahead of its judgements


def scripted_groups(session: Session, row: dict) -> list[list[int]]:
    """The scripted rater's ranking of a candidate set: indices by the grade of the brief's rule,
    equal grades tied.
    """
    brief = session.asked.brief
    if brief.wanted is None:
        raise InputError(
            f"The brief {brief.title!r} has no scripted rater: its taste is only in your head. Rank"
            " the outputs yourself."
        )
    answers = zip(row["texts"], row["finished"], strict=True)
    grades = [judge(text, brief.wanted, ended) for text, ended in answers]
    levels = sorted(set(grades), reverse=True)
    return [[i for i, grade in enumerate(grades) if grade == level] for level in levels]


def judge_for_me(
    session: Session,
    count: int,
    candidates: int = 2,
    groups_of: Callable[[Session, dict], list[list[int]]] = scripted_groups,
    done: int = 0,
) -> Recording[None]:
    """``count`` judgements by the scripted rater, one record each: {"kind": "ranked", "prompt",
    "texts", "groups", "done", "of"}. ``groups_of``: by which rule, where it is not the brief's;
    ``done``: how many there are already.
    """
    while done < count:
        row = asked.next_set(session, candidates)
        if row is None:
            ahead = min(MOST_AT_ONCE, count - done)
            yield from only_progress(generate_pool(session, ahead, candidates))
            if not asked.waiting(session, candidates):
                raise InputError(
                    f"The model gives too few different answers to rank {candidates} at a time."
                    " Rank fewer at a time."
                )
            continue
        groups = groups_of(session, row)
        judged.add_ranking(session, row["id"], groups=groups, annotator=SCRIPTED, seconds=0.0)
        done += 1
        yield Progress("judging", done, count)
        told = {"prompt": row["prompt"], "texts": row["texts"], "groups": groups}
        yield {"kind": "ranked", **told, "done": done, "of": count}


def judge_again(
    session: Session, begun: dict, count: int, candidates: int = 2
) -> Iterator[Progress | dict]:
    """Go on with a ``judge_for_me`` that ended in the middle: the judgements that are there, and
    the others, which are made.
    """
    there = [r for r in session.judged.rankings if r.annotator == SCRIPTED][begun["scripted"] :]
    for done, ranking in enumerate(there, 1):
        told = {"prompt": ranking.prompt, "texts": ranking.candidates, "groups": ranking.groups}
        yield {"kind": "ranked", **told, "done": done, "of": count}
    yield from judge_for_me(session, count, candidates, done=len(there))
