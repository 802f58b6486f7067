"""The verdict on before and after: one sentence, who said it, how far luck goes, and what became of
the language.

Draws what ``rlhf_core.evaluation.verdict`` counted, and older verdicts that have less in them.
Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rlhf_core.common.wording import counted
from rlhf_core.evaluation import conclusion, verdict
from rlhf_core.session import judged, rounds
from rlhf_core.session.state import Session
from ui import charts, depth, terms, text
from ui.charts import compare as charts_compare

WHO = {  # judge -> what it is, and what it is not
    verdict.REWARD_MODEL: (
        "PPO trained on that very score, so a high win rate here says that it learned what it was"
        " told, not that people like it."
    ),
    verdict.TEACHER: (
        "The word rule that the scripted rater judged the pairs by: the teacher's own"
        " yardstick, and no second opinion."
    ),
    verdict.RULE: (
        "A small rule that only looks at words, written for this brief. No training has seen it; it"
        " can be fooled, and it does not know what is true."
    ),
    verdict.GRADED: (
        "A finer rule that no reward model was trained on: the wanted register, full sentences,"
        " nothing said twice, real words, a quarter each. To tell the register it reads none of the"
        " words that the scripted rater reads, and it was learned from other texts: same taste,"
        " other evidence. A rule all the same, and no person."
    ),
    verdict.YOU: "You, without knowing which model wrote which answer.",
}
IN_A_SENTENCE = {  # judge, as a conclusion names it -> what it is
    "graded rule": (
        "The graded rule is a small program that marks four things in an answer: the wanted"
        " register, a full sentence, nothing said twice, real words. No training saw it."
    ),
    "word rule": "The word rule counts words that suit the brief, and words that do not.",
    "reward model it was trained on": (
        "The reward model is the score that PPO climbed: it is no second opinion."
    ),
}
BEHIND = (  # what one can look behind
    *("win rate", "interval", "luck alone", "graded rule", "word rule", "p", "blind vote"),
    *("log probability", "distinct-2"),
)
MEASURES = {  # row of the language table -> (words, how to show a value, how to show a change)
    "wanted": (
        "Counted as “{}” by a rule",
        charts.percent,
        lambda v: f"{charts.number(100 * v, 0, sign=True)} points",
    ),
    "full_sentences": (
        "Ends in a full sentence",
        charts.percent,
        lambda v: f"{charts.number(100 * v, 0, sign=True)} points",
    ),
    "well_formed": (
        "Capitals and full stops kept",
        charts.percent,
        lambda v: f"{charts.number(100 * v, 0, sign=True)} points",
    ),
    "repetition": (
        "Words that stood there already",
        charts.percent,
        lambda v: f"{charts.number(100 * v, 0, sign=True)} points",
    ),
    "fluency": (
        "Fluency (log-probability a token, frozen model)",
        charts.number,
        lambda v: charts.number(v, sign=True),
    ),
    "words": (
        "Words an answer",
        lambda v: charts.number(v, 1),
        lambda v: charts.number(v, 1, sign=True),
    ),
    "distinct_1": (
        "Different words (distinct-1)",
        charts.number,
        lambda v: charts.number(v, sign=True),
    ),
    "distinct_2": (
        "Different word pairs (distinct-2)",
        charts.number,
        lambda v: charts.number(v, sign=True),
    ),
}


def draw(session: Session) -> None:
    """The verdict of a measured session, with the blind votes on the model as it stands."""
    found = rounds.with_votes(session)
    rows = found.get("judges") or []
    if not rows:  # measured by an earlier version: it knew the reward model only
        sentence(str(found.get("sentence", "")))
        charts.draw(charts_compare.win_rate(found), key="win_rate")
        st.caption(
            f"Judged by: **{text.plain(str(found.get('judge', 'not stated')))}**."
            f" {WHO[verdict.REWARD_MODEL]} Measure again for the full verdict."
        )
        language_table(_earlier(found), found.get("rule"))
        return
    chance = found.get("chance")
    sentence(conclusion.conclusion(rows, found.get("language") or [], chance))
    if not any(row["name"] in conclusion.INDEPENDENT for row in rows):
        st.caption(
            "No independent opinion yet: PPO trained on the only score that judged here. Vote"
            " blind, and your votes join this verdict."
        )
    if _votes_wait(session, found):  # a count that moves with each vote would say which was which
        rows = [row for row in rows if row["name"] != conclusion.YOU]
    how_sure(rows, chance, "how_sure", _where(session, found))
    depth.shelf(BEHIND, session, key="verdict_behind")
    language_table(found.get("language") or [], found.get("rule"))


def _votes_wait(session: Session, found: dict) -> bool:
    """Are there pairs that could still be voted on blind?"""
    differ = {pair["prompt"] for pair in found.get("pairs", []) if pair["before"] != pair["after"]}
    return bool(differ - {row["prompt"] for row in judged.votes_here(session)})


def _where(session: Session, found: dict) -> str:
    """At which step, and on what, the verdict was measured."""
    number = found.get("round", session.history.current_round)
    where = f"Measured at step {found['step']} of round {number}" if "step" in found else "Measured"
    pairs = found.get("pairs", [])
    prompts = counted(len({pair["prompt"] for pair in pairs}), "prompt")
    return f"{where} on {counted(len(pairs), 'pair')} of answers to {prompts}, none trained on."


def how_sure(rows: Sequence[dict], chance: dict | None, key: str, where: str = "") -> None:
    """Every judge with its interval, what it is, and whether the votes could be chance: one press
    away. ``where``: on what it was measured; with it comes the chart of the judges.
    """
    with st.expander("How sure are we?", icon=":material/help:", key=key):
        if where:
            charts.draw(charts_compare.judges(rows), key="judges")
            st.caption(where)
        st.markdown(
            "\n".join(f"- {text.plain(line)}" for line in conclusion.how_sure(rows, chance))
        )
        st.markdown(
            "\n".join(
                f"- **{text.plain(row['name']).capitalize()}.** {WHO.get(row['name'], '')}"
                for row in rows
            )
        )


def sentence(words: str, key: str = "") -> None:
    """The one sentence, set apart; who judges in it, one press away."""
    if words:
        with st.container(border=True, key=f"{key}verdict"):
            st.markdown(f":material/gavel: **{text.plain(words)}**", help=explained(words))


def explained(words: str) -> str | None:
    """What the judges are that ``words`` name, a plain sentence each; None where it names none."""
    named = [why for name, why in IN_A_SENTENCE.items() if name in words.lower()]
    if "%) call" in words:
        named.insert(0, "The share in brackets: of the pairs, where it prefers after; ties half.")
    return " ".join(named) or None


def language_table(rows: Sequence[dict], rule: dict | None) -> None:
    """Behind a press: what was lost, from when on a loss counts, and every number beside what
    shuffled labels would make of it. ``rule``: what it counts, where there is one.
    """
    rows = [row for row in rows if row.get("name") in MEASURES]
    if not rows:
        return
    known = all("beyond" in row for row in rows)
    lost = [conclusion.LOSSES[row["name"]][2] for row in conclusion.lost(rows)] if known else []
    found = f" Lost: {lost[0]}" if lost else " Nothing lost that counts" if known else ""
    with st.expander(
        f"Did it keep its language?{found}", icon=":material/translate:", key="language"
    ):
        if known:
            st.markdown(
                f"**{'Lost: ' + ', '.join(lost) if lost else 'No loss that counts'}.** A loss"
                f" counts from here on, if it is more than luck: {conclusion.counts_as_loss()}."
            )
        _table(rows, rule)


def _table(rows: Sequence[dict], rule: dict | None) -> None:
    lucky = any(row.get("luck") for row in rows)
    lines = [
        "| | Before | After |" + (" Luck alone |" if lucky else ""),
        "|:--|--:|--:|" + ("--:|" if lucky else ""),
    ]
    for row in rows:
        words, show, change = MEASURES[row["name"]]
        words = words.format(text.plain(str((rule or {}).get("name", "wanted"))))
        low, high = row.get("luck") or (None, None)
        after = show(row.get("after"))
        if row.get("clear", row.get("beyond")):
            after = f"**{after}**"
        elif row.get("beyond"):
            after += " (edge)"
        span = (
            f" ±{change(max(abs(low), abs(high))).lstrip('+')} |"
            if low is not None
            else " |"
            if lucky
            else ""
        )
        lines.append(f"| {words} | {show(row.get('before'))} | {after} |{span}")
    with st.container(key="language_table"):
        st.markdown("\n".join(lines))
    terms.caption(
        (
            "“[[Luck alone]]”: how far the number moves when the labels before and after are"
            " shuffled. Bold: far beyond that (one shuffle in a hundred). Edge: just beyond it, and"
            " among eight rows one may be by luck. "
            if lucky
            else ""
        )
        + "The [[log-probability]] is the original model's own, in [[nats]]: far lower means words"
        " that it would hardly write. When [[distinct-2]] falls a lot, it writes the same few"
        " things again and again."
    )


def _earlier(found: dict) -> list[dict]:
    """The language of a verdict that an earlier version measured, as rows without luck."""
    names = {"full_sentences": "full_sentences", "mean_words": "words", "distinct_2": "distinct_2"}
    rule = (
        [{"name": "wanted", **{side: found["rule"].get(side) for side in ("before", "after")}}]
        if isinstance(found.get("rule"), dict)
        else []
    )
    return rule + [
        {"name": name, **found[kept]}
        for kept, name in names.items()
        if isinstance(found.get(kept), dict)
    ]
