"""Text that we did not write (prompts, model outputs, uploaded briefs), shown so that it can only
ever be text.

Two ways out: ``escape`` for the little HTML that we draw ourselves, ``plain`` for a place that
reads markdown. Nothing here runs, loads or links anything, whatever the text says.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

import streamlit as st

from rlhf_core.common import untrusted
from ui import styles

REGISTERS = {  # of the word rule, as people say them
    "fact": "facts",
    "meme": "jokes",
    "polite": "polite answers",
    "rude": "rude answers",
    "advice": "practical advice",
    "kind": "kind answers",
    "joke": "jokes",
}
MAX_SHOWN = 2_000  # characters of one text on the page; the rest is kept but not drawn

CSS = styles.sheet("text")


def escape(text: str) -> str:
    """``text`` for our own HTML: no tags, attributes or entities of its own, and not endless."""
    return html.escape(untrusted.straight(short(text)), quote=True)


def plain(text: str) -> str:
    """``text`` for a label or message that reads markdown: every special character loses its power,
    and an address does not become a link.
    """
    return untrusted.markdown(short(text))


def bare(text: str) -> str:
    """``text`` on one line for a place that shows every character as it is: the choices of a select
    box, a placeholder, a file's name.
    """
    return re.sub(r"[\r\n\t\v\f\x85\u2028\u2029]", " ", untrusted.straight(short(text)))


def answer(prompt: str, written: str, *, live: bool = False, tag: str = "", foot: str = "") -> None:
    """One output: the prompt as given, faint, then what the model wrote; ``tag`` above and ``foot``
    below are small lines of our own words.
    """
    st.html(answer_html(prompt, written, live=live, tag=tag, foot=foot))


def answers(
    prompt: str,
    written: Sequence[str],
    *,
    live: bool = False,
    tags: Sequence[str] = (),
    feet: Sequence[str] = (),
) -> None:
    """Several outputs for one prompt, beside each other where there is room."""
    count = len(written)
    rows = zip(written, list(tags) or [""] * count, list(feet) or [""] * count, strict=True)
    side_by_side([(prompt, one, tag, foot) for one, tag, foot in rows], live=live)


def side_by_side(rows: Sequence[tuple[str, str, str, str]], *, live: bool = False) -> None:
    """Outputs beside each other where there is room; rows of prompt, what was written, tag and
    foot.
    """
    cards = [
        answer_html(prompt, written, live=live, tag=tag, foot=foot)
        for prompt, written, tag, foot in rows
    ]
    st.html(f'<div class="op-answers">{"".join(cards)}</div>')


def answer_html(
    prompt: str, written: str, *, live: bool = False, tag: str = "", foot: str = ""
) -> str:
    return card_html(prompt, escape(written), live=live, tag=tag, foot=foot)


def card_html(
    prompt: str, written_html: str, *, live: bool = False, tag: str = "", foot: str = ""
) -> str:
    """One output whose text is HTML of ours already, everything foreign in it escaped."""
    above = f'<span class="op-tag">{html.escape(tag)}</span>' if tag else ""
    below = f'<span class="op-foot">{html.escape(foot)}</span>' if foot else ""
    return (
        f'<div class="op-answer{" op-live" if live else ""}">{above}'
        f'<span class="op-given">{escape(prompt)}</span>'
        f'<span class="op-written">{written_html}</span>{below}</div>'
    )


def tokens(rows: Sequence[dict]) -> None:
    """An output token by token, the likelier the greener; pointing at one (or tabbing to it) shows
    its probability and what else was possible.
    """
    st.html(tokens_html(rows))


def tokens_html(rows: Sequence[dict]) -> str:
    chips = []
    for row in rows:
        probability = min(1.0, max(0.0, float(row["probability"])))
        others = [
            f"{percent(float(p)):>6}  {visible(str(token))}"
            for token, p in row.get("alternatives", [])
        ]
        tip = f"chosen with {percent(probability)}" + (
            "\nalso possible\n" + "\n".join(others) if others else ""
        )
        chips.append(
            f'<span class="op-token" tabindex="0" style="--p:{probability:.3f}">'
            f'{escape(visible(row["token"]))}<span class="op-tip">{escape(tip)}</span></span>'
        )
    return f'<div class="op-tokens">{"".join(chips)}</div>'


def shares(rows: Sequence[dict]) -> None:
    """A text word by word: what raises its score on green over a solid line, what lowers it on
    orange over a dashed one; the stronger, the deeper.
    """
    st.html(shares_html(rows))


def shares_html(rows: Sequence[dict]) -> str:
    strongest = max((abs(row["share"]) for row in rows), default=0.0) or 1.0
    chips = []
    for row in rows:
        way = "op-up" if row["share"] >= 0 else "op-down"
        tip = f"share of the score {row['share']:+.2f}" + (
            f"\nscore without it {row['without']:+.2f}" if row.get("without") is not None else ""
        )
        strength = abs(row["share"]) / strongest
        word = escape(visible(row["word"].strip()))
        chips.append(
            f'<span class="op-token {way}" tabindex="0" style="--p:{strength:.3f}">'
            f'{word}<span class="op-tip">{escape(tip)}</span></span>'
        )
    return f'<div class="op-tokens">{"".join(chips)}</div>'


def visible(token: str) -> str:
    """A token so that its spaces and line breaks can be seen."""
    if not token:
        return "∅"
    if token in ("<|endoftext|>", "⏹ end"):
        return "(end)"
    return token.replace(" ", "·").replace("\n", "⏎")


def percent(share: float) -> str:
    """0.123 as "12%"; what would round to nothing as "<1%"."""
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def about_prompt(prompt: str, *, guesses: bool = True) -> str | None:
    """What to expect from an unusual prompt, in one sentence, or None. ``guesses``: also where the
    bundled model will only guess.
    """
    if not prompt.strip():
        return None  # the page says itself that nothing is written yet
    if "<" in prompt and ">" in prompt:
        return (
            "Your prompt looks like HTML. It is shown and sent as plain characters; nothing in it"
            " runs."
        )
    if not guesses:
        return None
    if any(
        unicodedata.category(character) == "So" or ord(character) >= 0x1F000 for character in prompt
    ):
        return "The pocket GPT-2 never met an emoji in its training, so expect it to guess."
    letters = [character for character in prompt if character.isalpha()]
    if (
        letters
        and sum("LATIN" not in unicodedata.name(character, "") for character in letters)
        > len(letters) / 2
    ):
        return "The pocket GPT-2 only ever read English, so expect it to guess."
    if not letters:
        return "There are no words in this prompt, so expect the model to guess."
    return None


def short(text: str) -> str:
    """``text`` as far as the page shows it; for places that set it as text."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + f"… ({len(text):,} characters)"
