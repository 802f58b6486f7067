"""One sample of a step under the glass, token by token: what else could have stood there, what it
cost, what it earned. Reads what the steps left behind; computes nothing.
"""

from __future__ import annotations

import math

import streamlit as st

from rlhf_core.evaluation import token_view
from rlhf_core.session.state import Session
from ui import charts, text


def draw(session: Session) -> None:
    """One sample of a step under the glass. Reads what the steps left behind; computes nothing."""
    traces = session.tuned.traces
    if not traces:
        st.caption("The tokens of the newest steps are kept here. There are none yet: run a step.")
        return
    steps = sorted(traces)
    newest, shown = steps[-1], st.session_state.get("token_step")
    # At the newest step (step 0 is the original, all alike) until somebody turns back.
    if shown not in steps or shown == st.session_state.get("token_newest"):
        st.session_state["token_step"] = newest
    st.session_state["token_newest"] = newest
    step = (
        st.select_slider(
            "Step",
            steps,
            st.session_state["token_step"],
            key="token_step",
            help="Answers that the model of this step wrote.",
        )
        if len(steps) > 1
        else steps[0]
    )
    trace = traces[step]
    written = token_view.answers(trace)
    number = st.selectbox(
        "Answer",
        range(len(written)),
        key="token_answer",
        format_func=lambda i: (
            text.bare(f"{written[i]['prompt']} …{written[i]['text']}"[:110])
            if i < len(written)
            else ""
        ),
    )
    number = min(number or 0, len(written) - 1)
    rows = token_view.tokens(trace, number)
    if not rows:
        st.caption("This answer has no token.")
        return
    picked = st.pills(
        "Click a token",
        range(len(rows)),
        default=0,
        key=f"token_{step}_{number}",
        format_func=lambda i: text.plain(text.visible(rows[i]["token"])),
        required=True,
    )
    row = rows[picked or 0]
    for column, side, title in zip(
        st.columns(2),
        ("before", "after"),
        ("The original would have written", f"The model of step {step}"),
        strict=True,
    ):
        with column:
            st.markdown(f"**{title}**")
            rivals(row[side], row["token"])
    st.markdown(about(row, trace.update))
    st.dataframe(
        [
            {
                "token": text.visible(one["token"]),
                "p now": one["policy"],
                "p original": one["reference"],
                "KL (nats)": one["kl"],
                "reward": one["reward"],
                "advantage": one["advantage"],
                "ratio": one["ratio"],
                "clipped": one["clipped"],
            }
            for one in rows
        ],
        hide_index=True,
        width="stretch",
        key="token_table",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("p now", "p original", "KL (nats)", "reward", "advantage", "ratio")
        },
    )
    st.caption(
        "**p**: probability of the token. **KL**: exact, over all tokens that could stand here; the"
        " whole answer's drift is their sum. **reward**: −β × (log p now − log p original); the"
        " last token also earns the score. **advantage**: how much better it went than expected,"
        " scaled. **ratio**: how much likelier the update made it (in its last pass over the"
        " batch)."
        + (
            ""
            if trace.update
            else (
                " The last four come with the next step: nothing has been learned from this batch"
                " yet."
            )
        )
    )


def rivals(found: list, taken: str) -> None:
    """The likeliest tokens at one place, as bars."""
    rows = []
    for token, p in found:
        mark = ' class="op-taken"' if token == taken else ""
        width = 100 * min(1.0, max(0.0, p))
        rows.append(
            f"<code{mark}>{text.escape(text.visible(token))}</code>"
            f"<i style='width:{width:.1f}%'></i><span>{text.percent(p)}</span>"
        )
    st.html(f'<div class="op-rivals">{"".join(rows)}</div>')


def about(row: dict, update: dict | None) -> str:
    """One token in a sentence."""
    word = text.plain(text.visible(row["token"]))
    times = row["policy"] / row["reference"] if row["reference"] > 0 else math.inf
    said = (
        f"“{word}”: {text.percent(row['policy'])} now, {text.percent(row['reference'])} in the"
        " original"
    )
    said += f" ({times:.1f} times as likely)." if times < 1000 else "."
    if update is None:
        return said
    said += f" Advantage {charts.number(row['advantage'], sign=True)}: " + (
        "more of this." if row["advantage"] > 0 else "less of this."
    )
    clip = charts.small(update["clip"])
    return said + (
        f" The update made it {row['ratio']:.2f} times as likely"
        + (f", which is beyond 1 ± {clip}: clipped, no further push." if row["clipped"] else ".")
    )
