"""One pair of answers, closely: the words that differ, and what training did to the probability of
every token.

Draws the record of ``rlhf_core.loop.token_changes``. Everything in it is untrusted text and is
escaped. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui import styles, text
from ui.word_diff import difference

CSS = styles.sheet("token_changes")


def draw(record: dict) -> None:
    """The whole record: differing words, the tokens of both answers, and the largest changes."""
    st.html(f"<style>{CSS}</style>")
    left, right = difference(record["before"], record["after"])
    before = _card(record["prompt"], left, "Before: the original")
    after = _card(record["prompt"], right, "After: the tuned model")
    st.html(f'<div class="op-answers">{before}{after}</div>')
    st.caption("Struck through: only before. Underlined: only after.")
    st.markdown("**What training did to each token**")
    for side, words in (
        ("before", "Before: the original's answer"),
        ("after", "After: the tuned model's answer"),
    ):
        st.caption(words)
        st.html(
            f'<div class="op-tokens">{"".join(_token(row) for row in record["tokens"][side])}</div>'
        )
    st.caption(
        "Green: training made this token likelier at its place; orange: less likely; the stronger,"
        " the more; ▲ and ▼ from 5 points on. Point at a token, or tab to it, for its probability"
        " under both models and for the others that moved there. Both models read both answers;"
        " nothing is written anew."
    )
    st.markdown("**The largest changes of all**")
    st.html(_largest(record["most"]))
    st.caption(
        "Among all tokens that either model could have written at each place of the two answers. In"
        " bold with ✓: what stands in an answer."
    )


def _card(prompt: str, written: str, tag: str) -> str:
    return (
        f'<div class="op-answer"><span class="op-tag">{tag}</span>'
        f'<span class="op-given">{text.escape(prompt)}</span>'
        f'<span class="op-written">{written}</span></div>'
    )


def _token(row: dict) -> str:
    change = row["tuned"] - row["original"]
    lines = [
        f"{text.percent(row['original'])} → {text.percent(row['tuned'])}",
        f"KL here: {row['kl']:.2f} nats",
    ]
    if row.get("rivals"):
        lines += [
            "also moved here",
            *(
                f"{text.percent(one):>5} → {text.percent(other):<5} {text.visible(str(token))}"
                for token, one, other in row["rivals"]
            ),
        ]
    kind = "op-more" if change > 0 else "op-less"
    mark = ("▲" if change > 0 else "▼") if abs(change) >= 0.05 else ""  # not by colour alone
    token, tip = text.escape(text.visible(row["token"])), text.escape("\n".join(lines))
    return (
        f'<span class="op-moved {kind}" tabindex="0" style="--m:{min(1.0, 2 * abs(change)):.3f}">'
        f'{token}<small>{mark}</small><span class="op-tip">{tip}</span></span>'
    )


def _largest(rows: Sequence[dict]) -> str:
    lines = []
    for row in rows:
        so_far = " ".join(row["so_far"].split())
        so_far = "…" + so_far[-36:] if len(so_far) > 36 else so_far or "(start)"
        written = " ✓" if row["written"] else ""
        token = text.escape(text.visible(row["token"]).lstrip("·"))
        lines.append(
            f"<tr{'' if row['tuned'] > row['original'] else ' class=op-fell'}>"
            f'<td><span class="op-so-far">{text.escape(so_far)} </span>'
            f"<mark>{token}</mark>{written}</td>"
            f"<td>{text.percent(row['original'])}</td><td>{text.percent(row['tuned'])}</td></tr>"
        )
    head = "<tr><th>Text so far, then the token</th><th>Original</th><th>Tuned</th></tr>"
    return f'<table class="op-most"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>'
