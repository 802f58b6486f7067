"""How well the model could read a prompt, as the Prompt page says it; measured by the worker when
it wrote the answers (``loop.writing.reading_of``).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.judging.near_prompts import DEFAULTS
from rlhf_core.lm import model_list
from rlhf_core.session import asked
from ui import text

NEEDED = {"near", "empty", "verdict", "times", "short", "worst"}
WORST_SHOWN = 30  # characters of the most surprising word


def unread(row: dict) -> bool:
    """Whether there is something to say: the bundled model could not read the prompt, or wrote
    nothing. A reading that lacks a part (a session from elsewhere) says nothing.
    """
    return asked.unread(row) and NEEDED <= row["reading"].keys()


def box(row: dict, offer: Callable[[str], None], *, ranked: bool) -> None:
    """What was measured, in plain words, and prompts that the model knows. ``ranked``: whether
    somebody ranked the answers.
    """
    found = row["reading"]
    with st.container(border=True, key="unread"):
        st.markdown(f":material/translate: {sentence(row)}")
        near = [p for p in found["near"] if not any(p in kind for kind in DEFAULTS)]
        st.caption(
            "Near your words, it knows these:"
            if len(near) == len(found["near"])
            else "It does know these:"
        )
        with st.container(horizontal=True, gap="small", key="unread_offers"):
            for number, prompt in enumerate(found["near"]):
                label = text.plain(prompt)
                st.button(label, key=f"near_{number}", on_click=offer, args=(prompt,))
        if not ranked:
            st.caption("Yours goes when you write another, unless you rank its answers.")
        if model_list.packaged_file(model_list.SMOLLM2):
            st.page_link(
                "pages/models.py",
                label="SmolLM2 has read much of the web: let it write",
                icon=":material/memory:",
            )


def sentence(row: dict) -> str:
    """One or two sentences of markdown; the learner's own word in it is escaped."""
    found, said = row["reading"], []
    written = row.get("drawn", len(row["texts"]))
    nothing = found["empty"] > written / 2
    little = found["verdict"] == "hardly"
    knows = "**hardly knows this**" if little else "**cannot read this**"
    guesses = "" if nothing else " Its answers are guesses."
    if found["verdict"] != "reads" and found["short"]:
        said.append(
            f"The pocket GPT-2 {knows}: most of it is not in its vocabulary, so it sees only"
            f" bits of words.{guesses}"
        )
    elif found["verdict"] != "reads":
        said.append(
            f"The pocket GPT-2 {knows}: it found your prompt {times(found['times'])} times as"
            f" surprising as everyday English{at_most(found)}.{guesses}"
        )
    if found.get("small"):
        said.append("It knows it in **small letters**.")
    if nothing:
        several = f"{found['empty']} of its {written} answers"
        every = "Its answer" if written == 1 else "All its answers"
        which = every if found["empty"] == written else several
        said.append(f"{which} came out **empty**.")
    return " ".join(said)


def measured(row: dict) -> None:
    """The figures behind it, of any model, for "Look inside"."""
    found = row.get("reading")
    if not found or not {"short", "whole", "nats_a_byte", "perplexity"} <= found.keys():
        return
    if found["short"]:
        st.caption(
            "Your prompt is too short to measure how surprising it is."
            f" Of its words, {text.percent(found['whole'])} are in the model's vocabulary whole."
        )
        return
    beside = f" Everyday English costs it {found['everyday']:.1f}." if "everyday" in found else ""
    st.caption(
        f"Reading your prompt cost the model {found['nats_a_byte']:.1f} nats of surprise a byte"
        f" (a perplexity of {number(found['perplexity'])} a token){at_most(found)}.{beside}"
        " The first token is not counted: nothing stands before it."
    )


def at_most(found: dict) -> str:
    """Where the surprise was greatest; nothing where that is no word one could say."""
    word = found.get("worst", "")
    if not word.replace("'", "").replace("-", "").isalnum():
        return ""
    short = word if len(word) <= WORST_SHOWN else word[:WORST_SHOWN] + "…"
    return f", most of all “{text.plain(short)}”" if word else ""


def times(value: float) -> str:
    return f"{value:.1f}" if value < 3 else f"{value:.0f}"


def number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
