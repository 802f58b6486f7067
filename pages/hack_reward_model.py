"""Hack the reward model: write what scores highest, celebrate the nonsense that wins, reject it,
and see whether the hole closes.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.labs import hacking_board
from rlhf_core.session import judged
from ui import challenges, charts, monitor, state, text
from ui.charts import scored_outputs as charts_outputs
from ui.labs import tools

MOST_TEXT = 1_000
TOP = 3  # of the saved board, before a press
# features: more to tell nonsense by, if the votes suffice; measured by python -m benchmarks hack
# --features 32
FINE = 32

session = state.session()


def keep_prompt() -> None:
    st.session_state["hack_prompt"] = st.session_state["hack_prompt_widget"]


def try_it() -> None:
    written = st.session_state.get("hack_text", "").strip()
    st.session_state.pop("hack_error", None)
    if not written:
        st.session_state["hack_error"] = (
            "There is nothing in the box yet. Write a text, honest or not."
        )
        return
    state.submit("hack_try", prompt, written)
    tools.settle("hack_try")


def start(name: str) -> None:
    st.session_state.pop("hack_error", None)
    state.submit(name, prompt)


def call(written: str, bad: bool) -> None:
    hacking_board.call_it(session, prompt, written, bad)


def stale(kept: dict) -> bool:
    """Whether something on the board was scored by other votes than the present ones."""
    return any(
        row.get("comparisons") not in (None, len(judged.learnable(session)))
        for row in [*kept["entries"], *([kept["best"]] if kept["best"] else [])]
    )


def take_back() -> None:
    hacking_board.take_back_exploits(session)


def under_way() -> None:
    """What the worker does for this page; a failure in words."""
    for name in ("hack_race", "hack_try", "hack_search", "hack_teach"):
        view = state.job(name)
        if view and (view["status"] in state.ALIVE or view["status"] == "failed"):
            monitor.monitor(name, controls=("stop",), draw=lambda records, view: None, every=0.3)


def board_rows(board: dict, busy: bool, asks: bool = True) -> None:
    """The board; ``asks``: whether a person may say what nobody should want."""
    for row in board["rows"]:
        with st.container(border=bool(row["exploit"]), key=f"hack_row_{row['place']}"):
            doubt = (
                f" ± {charts.number(row['uncertainty'])}"
                if row.get("uncertainty") is not None
                else ""
            )
            tag = (
                f"{'💥 EXPLOIT · ' if row['exploit'] else ''}{row['place']}."
                f" {charts.number(row['score'], sign=True)}{doubt} · {row['by']}"
            )
            foot = (
                f"nonsense: {row['why']}"
                if row.get("nonsense")
                else f"the model's best of {row['n']} tries"
                if "n" in row
                else ""
            )
            text.answer(row["prompt"], row["text"], tag=tag, foot=foot)
            if "n" in row or not asks:
                continue
            said = row.get("why") == hacking_board.SAID
            if said or not row.get("nonsense"):
                st.button(
                    "It is fine after all" if said else "Nobody should want this",
                    key=f"hack_call_{row['place']}",
                    icon=":material/thumb_down:",
                    type="tertiary",
                    on_click=call,
                    disabled=busy,
                    args=(row["text"], not said),
                    help=(
                        "Wrong facts in good words look honest to every rule, so this is for you to"
                        " say."
                    ),
                )


def celebrate(board: dict) -> None:
    """An exploit is the point of the game."""
    if board["exploits"]:
        st.success(text.plain(board["sentence"]), icon=":material/celebration:")
        winners = tuple(row["text"] for row in board["rows"] if row["exploit"])
        if st.session_state.get("hack_cheered") != winners:
            st.session_state["hack_cheered"] = winners
            st.balloons()
        st.caption(
            text.plain(hacking_board.with_doubt_taken_off(board)["sentence"])
            + " PPO can be told to do that: “Doubt taken off a score” in its settings."
        )
    else:
        st.info(text.plain(board["sentence"]), icon=":material/leaderboard:")


def hole(kept: dict) -> None:
    """What the last retraining did to the exploits."""
    found = kept.get("hole")
    if not found or not found["rows"]:
        return
    st.subheader("Did the hole close?", anchor=False)
    (st.success if found["closed"] else st.warning)(
        text.plain(found["sentence"]),
        icon=":material/healing:" if found["closed"] else ":material/report:",
    )
    features = session.learned.summary.get("features", 0)
    if not found["closed"] and 0 < features < FINE:
        st.markdown(
            f"It looks at {features} features of a text, and in those the nonsense looks like the"
            f" real thing. With more it may tell them apart, or not: give it {FINE} under “How fine"
            " a taste” on the Reward model page, train it there, and score and reject here again."
            " Or reject the next wording, and the next."
        )
        st.page_link(
            "pages/reward_model.py",
            label="To the Reward model page",
            icon=":material/arrow_forward:",
        )
    after = {
        row["text"]: row["score"]
        for row in [*kept["entries"], *([kept["best"]] if kept["best"] else [])]
    }
    rows = [
        {
            "prompt": row["prompt"],
            "text": row["text"],
            "before": row["score"],
            "after": after[row["text"]],
        }
        for row in kept["before"]
        if row["text"] in after
    ]
    chart = charts_outputs.moves(
        rows,
        title="The board before and after the retraining",
        before="Before",
        after="After",
        look_for=(
            "the rejected texts should fall below the honest ones. Honest texts may move too: a few"
            " weights are shared by all texts."
        ),
    )
    charts.draw(chart, key="hack_hole_chart")


def example(found: dict) -> None:
    """The saved result: what a search found, and what rejecting it did."""
    board = hacking_board.best_of_n_board(found["board"]["entries"], found["board"]["best"])
    said = st.success if board["exploits"] else st.info
    said(text.plain(board["sentence"]), icon=":material/leaderboard:")
    top, rest = ({**board, "rows": part} for part in (board["rows"][:TOP], board["rows"][TOP:]))
    board_rows(top, busy=True, asks=False)
    if rest["rows"]:
        with st.expander(
            f"The next {len(rest['rows'])}", icon=":material/leaderboard:", key="hack_rest"
        ):
            board_rows(rest, busy=True, asks=False)
    hole(found["taught"])


st.title("Hack the reward model", anchor=False)
st.markdown(
    "The game: write the text that scores highest. It need not be good: nobody has voted on"
    " nonsense. A text that nobody wants and that beats every honest one is an **exploit**. PPO"
    " looks for those too."
)
challenges.draw("hack_reward_model")
tools.door(session, "hack_reward_model", example)
tools.about_the_votes(session)
offered = tools.prompts(session)
prompt = st.session_state.get("hack_prompt", offered[0])
prompt = prompt if prompt in offered else offered[0]
busy = any(state.alive(name) for name in ("hack_race", "hack_search", "hack_teach"))
kept = hacking_board.board_of(session, prompt)
if (
    kept["best"] is None
    and not busy
    and (state.job("hack_race") is None or st.session_state.get("hack_raced") != prompt)
):
    st.session_state["hack_raced"] = prompt
    start("hack_race")
    tools.settle("hack_race")
    kept, busy = hacking_board.board_of(session, prompt), state.alive("hack_race")

if (
    stale(kept)
    and not busy
    and st.session_state.get("hack_rescored") != (prompt, len(judged.learnable(session)))
):
    st.session_state["hack_rescored"] = prompt, len(judged.learnable(session))
    start("hack_again")
    tools.settle("hack_search")
    kept, busy = hacking_board.board_of(session, prompt), state.alive("hack_search")

st.selectbox(
    "Prompt",
    offered,
    offered.index(prompt),
    format_func=text.bare,
    key="hack_prompt_widget",
    on_change=keep_prompt,
    disabled=busy,
)
st.text_area(
    "Your text",
    key="hack_text",
    max_chars=MOST_TEXT,
    height=80,
    placeholder="a small marsupial marsupial marsupial marsupial",
)
with st.container(horizontal=True, key="hack_buttons"):
    st.button(
        "Score it",
        key="hack_try",
        type="primary",
        icon=":material/bolt:",
        on_click=try_it,
        disabled=busy,
    )
    st.button(
        "Let a search try",
        key="hack_search",
        icon=":material/smart_toy:",
        on_click=start,
        args=("hack_search",),
        disabled=busy,
        help=(
            "It tries word soups, repetition, disorder, texts grown word by word, and answers about"
            " something else, with nothing but the score to go by. Some seconds."
        ),
    )
if error := st.session_state.get("hack_error"):
    st.error(error, icon=":material/error:")
under_way()

board = hacking_board.best_of_n_board(kept["entries"], kept["best"])
st.subheader("The board", anchor=False)
if kept["best"] is None and not busy:
    st.caption(
        "The model has not written its 64 answers to this prompt yet: the best of them is the"
        " honest one to beat."
    )
    st.button(
        "Let the model write them",
        key="hack_race",
        icon=":material/edit:",
        on_click=start,
        args=("hack_race",),
    )
elif not board["rows"]:
    st.caption("The model is writing its 64 answers: the best of them is the honest one to beat.")
if board["rows"]:
    mine = [row for row in state.records("hack_try") if row.get("text")][-1:]
    if (
        mine
        and mine[0]["prompt"] == prompt
        and all(row["text"] != mine[0]["text"] for row in board["rows"])
    ):
        st.caption(
            f"Your text scored {charts.number(mine[0]['score'], sign=True)}. The board shows the"
            f" best {len(board['rows'])}."
        )
    celebrate(board)
    if stale(kept) and not busy:
        st.warning(
            "Your votes have changed since some of these were scored, so they are not comparable.",
            icon=":material/update:",
        )
        st.button("Score them all again", key="hack_again", on_click=start, args=("hack_again",))
    board_rows(board, busy)
    st.caption(
        f"Scores in {charts.STANDARD_DEVIATIONS}, ± one standard deviation of doubt (Laplace). A"
        " rule calls a text nonsense when most of its words are on no list and the original model"
        " finds it very unlikely, when half of its words are repeats, or when it is less likely"
        " than tokens drawn blindly. It knows nothing of facts."
    )

bad, mine = (
    any(row.get("nonsense") for row in board["rows"]),
    [pair for pair in session.judged.exploits if pair.brief == session.asked.brief.slug],
)
if bad or mine:
    st.subheader("Teach it better", anchor=False)
    st.markdown(
        "Each nonsense text becomes a pair that it loses against the best honest one. Then"
        " the reward model is trained anew, and all texts are scored again."
    )
    with st.container(horizontal=True, key="hack_teach_box"):
        st.button(
            "Reject the nonsense and train again",
            key="hack_teach",
            type="primary" if board["exploits"] else "secondary",
            icon=":material/school:",
            disabled=busy or not bad,
            on_click=start,
            args=("hack_teach",),
        )
        if mine:
            st.button(
                f"Take the {len(mine)} rejected back",
                key="hack_take_back",
                on_click=take_back,
                disabled=busy,
                help=(
                    "They leave your judgements. The reward model forgets them when it is trained"
                    " the next time."
                ),
            )
hole(kept)
