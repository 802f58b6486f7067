"""Before / after: the original and the tuned model on the same prompts with the same seeds, read,
voted on blind, and counted.
"""

from __future__ import annotations

import secrets

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.evaluation import verdict as engine
from rlhf_core.judging.typed import check_prompt
from ui import charts, monitor, state, text, token_changes, verdict

PAIRS_SHOWN = 6

session = state.session()


# Side by side


def compare() -> None:
    """Let both models answer the prompt in the box with one seed."""
    st.session_state["compare_kept"] = prompt = st.session_state.get("compare_prompt", "")
    st.session_state["compare_seed_kept"] = seed = int(st.session_state.get("compare_seed", 0))
    st.session_state.pop("compare_error", None)
    try:
        prompt = check_prompt(prompt)
    except InputError as error:
        st.session_state["compare_error"] = str(error)
        return
    state.submit(
        "compare", lambda: session.compare(prompt, seed), label="Both models answer", long=False
    )


def offer(prompt: str) -> None:
    st.session_state["compare_prompt"] = prompt
    compare()


def both(
    prompt: str, before: str, after: str, *, foot_before: str = "", foot_after: str = ""
) -> None:
    """One prompt, original left and tuned right (below it on a phone, so each says which it is)."""
    feet = [
        " · ".join(filter(None, [foot, "" if written.strip() else "wrote nothing"]))
        for written, foot in ((before, foot_before), (after, foot_after))
    ]
    text.answers(
        prompt, [before, after], tags=["Before: the original", "After: the tuned model"], feet=feet
    )


def reward(score: float | None, doubt: float | None) -> str:
    """A score with the reward model's own doubt about it, where it was measured."""
    return f"reward {charts.number(score, sign=True)}" + (
        f" ± {charts.number(doubt)}" if doubt is not None else ""
    )


def foot(row: dict, side: str, number: int) -> str:
    """What the reward model gives an answer, where there is one, and whether it breaks off."""
    doubts = row.get(f"doubt_{side}")
    words = (
        [reward(row[f"reward_{side}"][number], doubts[number] if doubts else None)]
        if f"reward_{side}" in row
        else []
    )
    return " · ".join(
        words + ([] if row.get(f"ended_{side}", [True] * 99)[number] else ["breaks off"])
    )


def compared(records: list[dict], view: dict) -> None:
    row = next((record for record in reversed(records) if "before" in record), None)
    if row is None:
        return
    for number, (before, after) in enumerate(zip(row["before"], row["after"], strict=False)):
        both(
            row["prompt"],
            before,
            after,
            foot_before=foot(row, "before", number),
            foot_after=foot(row, "after", number),
        )
    if row["before"] == row["after"]:
        st.info(
            "Word for word the same: with this prompt and this seed, the training changed nothing.",
            icon=":material/drag_handle:",
        )


def side_by_side() -> None:
    shown = [
        record["prompt"] for record in state.records("compare") if "before" in record
    ]  # after a reload the answers are still there
    first = (shown or session.user_prompts or session.brief.evaluation_prompts or ("",))[-1]
    st.session_state.setdefault("compare_prompt", st.session_state.get("compare_kept", first))
    busy = state.alive("compare")
    st.text_input(
        "Prompt for both models",
        st.session_state["compare_prompt"],
        key="compare_prompt",
        placeholder="An opossum is",
        help="Any prompt of your own, whether it was trained on or not.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_box"):
        st.number_input(
            "Seed",
            0,
            2**31 - 1,
            st.session_state.get("compare_seed_kept", 0),
            1,
            key="compare_seed",
            width=140,
            help="Both models draw their words with the same luck: what differs is the training.",
        )
        st.button(
            "Ask both",
            key="compare",
            type="primary",
            icon=":material/compare:",
            on_click=compare,
            disabled=busy,
        )
    with st.container(
        horizontal=True, gap="xsmall", vertical_alignment="center", key="compare_offers"
    ):
        st.caption("Prompts it never trained on:", width="content")
        for number, prompt in enumerate(session.brief.evaluation_prompts[:4]):
            st.button(
                text.plain(prompt),
                key=f"compare_offer_{number}",
                type="tertiary",
                on_click=offer,
                args=(prompt,),
                disabled=busy,
            )
    if error := st.session_state.get("compare_error"):
        st.error(text.plain(error), icon=":material/error:")
    if state.job("compare"):
        monitor.monitor("compare", controls=("stop",), draw=compared, every=0.3, quiet=True)
    pairs = (session.evaluation or {}).get("pairs", [])
    if pairs:
        st.subheader("On prompts it never trained on", anchor=False)
        if "doubt_after" in pairs[0]:
            st.caption(
                "Reward ± the reward model's own doubt about it: one standard deviation, from how"
                " few votes it has to go by."
            )
        everything = len(pairs) <= PAIRS_SHOWN or st.toggle(
            f"Show all {len(pairs)} pairs", key="pairs_all"
        )
        for pair in pairs if everything else pairs[:PAIRS_SHOWN]:
            feet = [
                reward(pair.get(f"reward_{side}"), pair.get(f"doubt_{side}"))
                for side in ("before", "after")
            ]
            both(
                pair["prompt"],
                pair["before"],
                pair["after"],
                foot_before=feet[0],
                foot_after=feet[1],
            )


def closely() -> None:
    """One pair under the lens: the words that differ, and what training did to every token."""
    pairs = [
        pair
        for record in state.records("compare")
        if "before" in record
        for pair in singles(record)
    ] + list((session.evaluation or {}).get("pairs", []))
    if not pairs:
        return
    st.subheader("One pair, closely", anchor=False)
    number = st.selectbox(
        "Which pair?",
        range(len(pairs)),
        format_func=lambda at: (
            f"{at + 1}. {pairs[at]['prompt']}{pairs[at]['after']}"[:90] if at < len(pairs) else ""
        ),
        key="changes_pair",
        help=(
            "The pairs above: first those that you asked for, then those of the measurement. Named"
            " by what the tuned model wrote."
        ),
    )
    pair = pairs[min(number or 0, len(pairs) - 1)]
    busy = state.alive("token_changes") or session.tuned_weights is None
    st.button(
        "Show what training moved",
        key="token_changes",
        icon=":material/difference:",
        on_click=look_into,
        args=(pair,),
        disabled=busy,
    )
    if state.job("token_changes"):
        monitor.monitor(
            "token_changes",
            controls=("stop",),
            draw=lambda records, view: looked_into(records, pair),
            every=0.3,
            quiet=True,
        )


def singles(record: dict) -> list[dict]:
    """The pairs of one comparison that the learner asked for."""
    sides = ("before", "after", "ended_before", "ended_after")
    return [
        {"prompt": record["prompt"], **dict(zip(sides, row, strict=True))}
        for row in zip(*(record[side] for side in sides), strict=True)
    ]


def look_into(pair: dict) -> None:
    state.submit(
        "token_changes",
        lambda: session.token_changes(pair),
        label="Both models read both answers",
        long=False,
    )


def looked_into(records: list[dict], pair: dict) -> None:
    record = next(
        (record for record in reversed(records) if record.get("kind") == "token_changes"), None
    )
    if record is None:
        return
    if any(record[name] != pair[name] for name in ("before", "after")):
        st.caption("You chose another pair; below is the one that was looked into last.")
    token_changes.draw(record)


# The measured answer


def measure() -> None:
    st.session_state["vote_sides"] = {}
    seed = (session.evaluation or {}).get(
        "seed", 0
    ) + 1  # again: fresh answers, not the same count once more
    state.submit(
        "evaluate",
        lambda: session.evaluate(seed=seed),
        label="Measuring before and after",
        long=False,
    )


def measure_button(key: str, label: str, primary: bool = True) -> None:
    kind = "primary" if primary else "secondary"
    st.button(
        label,
        key=key,
        type=kind,
        icon=":material/query_stats:",
        on_click=measure,
        disabled=state.alive("evaluate") or bool(session.needs("before_after")),
    )


def measured() -> None:
    if not session.evaluation:
        st.markdown(
            "Both models answer prompts that no training ever saw, with the same seeds. Then every"
            " pair is judged and counted."
        )
        measure_button("evaluate", "Measure it")
        return
    verdict.draw(session, votes_here())
    measure_button("evaluate_again", "Measure again, with fresh answers", primary=False)


# The blind vote


def vote(prompt: str, choice: str) -> None:
    try:
        session.add_vote(prompt, choice)
    except InputError as error:
        st.session_state["vote_error"] = str(error)


def votes_here() -> list[dict]:
    """The blind votes on the model as it stands; those on an earlier one do not count for it."""
    here = {"round": session.current_round, "step": session.steps_done}
    return [row for row in session.votes if here.items() <= row.items()]


def tally(votes: list[dict]) -> str:
    """What the votes say, with their interval."""
    if not votes:
        return "No vote yet, so there is nothing to count."
    row = engine.by_votes(votes, seed=session.seed)
    words = (
        f"Win rate of after: **{charts.percent(row['win_rate'])}** of {row['pairs']} votes (95%"
        f" interval {charts.interval(row['interval'])}), a tie counting half. "
    )
    way = engine.direction(row)
    if not way:
        return words + "Luck alone could give that: **too few to tell**."
    return (
        words + f"That lies wholly {'above' if way > 0 else 'below'} one half: chance alone hardly"
        " explains it."
    )


def blind() -> None:
    found = (session.evaluation or {}).get("pairs", [])
    # One a prompt, and not those that Side by side shows first.
    pairs = list(
        {pair["prompt"]: pair for pair in found if pair["before"] != pair["after"]}.values()
    )
    votes = votes_here()
    if not pairs:
        st.markdown(
            "You see two answers, A and B at random, and say which you like better. You learn which"
            " model wrote which only at the end."
        )
        if session.evaluation:
            st.info(
                "Both models wrote the same for every prompt, so there is nothing to vote on.",
                icon=":material/drag_handle:",
            )
        else:
            measure_button("evaluate_for_vote", "Write the pairs to vote on")
        return
    done = {row["prompt"] for row in votes}
    waiting = [pair for pair in pairs if pair["prompt"] not in done]
    st.progress(
        1 - len(waiting) / len(pairs),
        text=f"{len(pairs) - len(waiting)} of {len(pairs)} pairs voted on",
    )
    if error := st.session_state.pop("vote_error", None):
        st.error(text.plain(error), icon=":material/error:")
    if waiting:
        pair = waiting[0]
        flipped = st.session_state.setdefault("vote_sides", {}).setdefault(
            pair["prompt"], bool(secrets.randbelow(2))
        )
        left, right = ("after", "before") if flipped else ("before", "after")
        st.caption(f"The brief: {text.plain(session.brief.prefer)}")
        for column, side, name in zip(st.columns(2), (left, right), "AB", strict=True):
            with column:
                text.answer(pair["prompt"], pair[side], tag=f"Answer {name}")
                st.button(
                    f"{name} is better",
                    key=f"vote_{name.lower()}",
                    on_click=vote,
                    args=(pair["prompt"], side),
                    width="stretch",
                )
        st.button(
            "No difference",
            key="vote_tie",
            on_click=vote,
            args=(pair["prompt"], "tie"),
            width="stretch",
        )
    with st.expander(
        "Your count so far (opening it ends the blindness)" if waiting else "Your count",
        expanded=not waiting,
        key=f"vote_count_{'open' if waiting else 'done'}",
    ):
        count = {
            side: sum(row["choice"] == side for row in votes) for side in ("after", "tie", "before")
        }
        with st.container(horizontal=True):
            st.metric("After preferred", count["after"])
            st.metric("No difference", count["tie"])
            st.metric("Before preferred", count["before"])
        st.markdown(tally(votes))


st.title("Before and after", anchor=False)
st.markdown("Same prompt, same seed, both models. What differs is what your comparisons taught.")

missing = session.needs("before_after")
if missing and not session.evaluation:
    with st.container(border=True, key="before_after_missing"):
        st.markdown(
            "**Not yet.** There is nothing to compare: this page still needs "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        st.page_link("pages/steps/ppo.py", label="Go to PPO", icon=":material/arrow_forward:")
    st.stop()

with st.container(
    key="measuring"
    # above the tabs, since two of them can begin it; always there, or the tabs would jump back to
    # the first
):
    if state.job("evaluate"):
        monitor.monitor(
            "evaluate",
            controls=("stop",),
            draw=lambda records, view: None,
            every=0.4,
            quiet=not state.alive("evaluate"),
        )
see, vote_tab, verdict_tab = st.tabs(
    [
        ":material/compare: Side by side",
        ":material/how_to_vote: Vote blind",
        ":material/gavel: Verdict",
    ]
)
with see:
    side_by_side()
    closely()
with vote_tab:
    blind()  # no fragment: each vote also changes the verdict beside it
with verdict_tab:
    measured()

if session.evaluation and st.button(
    "On to the next round", key="to_rounds", icon=":material/arrow_forward:", icon_position="right"
):
    st.switch_page("pages/steps/rounds.py")
