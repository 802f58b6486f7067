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

CSS = """
.op-answer {font-size: 1.06rem; line-height: 1.5; padding: .75rem .95rem; border-radius: 12px; overflow-wrap: anywhere; white-space: pre-wrap;
  background: color-mix(in srgb, currentColor 5%, transparent); border: 1px solid color-mix(in srgb, currentColor 12%, transparent);}
.op-answer .op-tag {display: block; font-size: .8rem; font-weight: 700; color: light-dark(#a83f67, #f0a0bb); line-height: 1.3; margin-bottom: .15rem;}
.op-answers {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .8rem;}
.op-answer .op-given {opacity: .72;}
.op-answer .op-written {font-weight: 600;}
.op-answer.op-live .op-written::after {content: "\\258d"; margin-left: 1px; animation: op-blink 1s steps(2) infinite;}
.op-answer .op-foot {display: block; font-size: .8rem; font-weight: 400; opacity: .75; margin-top: .35rem;}
.op-measure b {font-size: 1.5rem;} .op-measure span {opacity: .8; font-size: .92rem;}
.op-change {display: grid; gap: .15rem; line-height: 1.45; overflow-wrap: anywhere; margin-bottom: .3rem;}
.op-change del {text-decoration: none; opacity: .8; border-left: 4px solid light-dark(#b3433f, #e08a86); padding-left: .6rem;}
.op-change del::before {content: "before: ";} .op-change ins::before {content: "after: ";}
.op-change ins {text-decoration: none; border-left: 4px solid light-dark(#1e7d6f, #58c79b); padding-left: .6rem;}
@keyframes op-blink {50% {opacity: 0;}}
@media (prefers-reduced-motion: reduce) {.op-answer.op-live .op-written::after {animation: none;}}
.op-tokens {line-height: 2.5; overflow-wrap: anywhere;}
.op-token {position: relative; display: inline-block; white-space: pre; border-radius: 6px; padding: 0 .28em; margin: 0 .12em; line-height: 1.7; cursor: help;
  font-family: "Source Code Pro", ui-monospace, monospace; font-size: .95rem;
  background: color-mix(in srgb, light-dark(#2f8f6b, #58c79b) calc(var(--p) * 62%), light-dark(#f3dfd2, #4a342a));}
.op-token:focus-visible {outline: 3px solid light-dark(#a83f67, #f0a0bb);}
.op-token .op-tip {display: none; position: absolute; left: 0; top: 100%; z-index: 30; min-width: 11.5rem; padding: .5rem .7rem;
  border-radius: 10px; line-height: 1.5;
  font-size: .82rem; background: light-dark(#2b2622, #f3ede6); color: light-dark(#fffaf3, #231f1c); white-space: pre;
  box-shadow: 0 6px 24px rgb(0 0 0 / .28);}
.op-token:hover .op-tip, .op-token:focus .op-tip {display: block;}
.op-token.op-up {background: color-mix(in srgb, light-dark(#3f9f8f, #2b8577) calc(var(--p) * 70%), transparent); border-bottom: 3px solid light-dark(#1b7468, #58c7b7);}
.op-token.op-down {background: color-mix(in srgb, light-dark(#e08a55, #a8551f) calc(var(--p) * 70%), transparent); border-bottom: 3px dashed light-dark(#a8551f, #f0a578);}
"""


def escape(text: str) -> str:
    """``text`` for our own HTML: no tags, no attributes, no entities of its own, and not endless."""
    return html.escape(short(text), quote=True)


def plain(text: str) -> str:
    """``text`` for a label or message that reads markdown: every special character loses its power,
    and an address does not become a link.
    """
    text = " ".join(short(text).split())
    text = re.sub(
        r"(?i)(:(?=//)|w(?=ww\.)|@)", "\\1\u2060", text
    )  # a word joiner, which nobody sees, comes into what would be linked
    for character in "\\`*_[]<>$:#~!|{}()-+.":
        text = text.replace(character, "\\" + character)
    return text


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
    st.html(
        "<div"
        f' class="op-answers">{"".join(answer_html(prompt, written, live=live, tag=tag, foot=foot) for prompt, written, tag, foot in rows)}</div>'
    )


def answer_html(
    prompt: str, written: str, *, live: bool = False, tag: str = "", foot: str = ""
) -> str:
    above = f'<span class="op-tag">{html.escape(tag)}</span>' if tag else ""
    below = f'<span class="op-foot">{html.escape(foot)}</span>' if foot else ""
    return (
        f'<div class="op-answer{" op-live" if live else ""}">{above}<span'
        f' class="op-given">{escape(prompt)}</span><span'
        f' class="op-written">{escape(written)}</span>{below}</div>'
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
            '<span class="op-token" tabindex="0"'
            f' style="--p:{probability:.3f}">{escape(visible(row["token"]))}<span'
            f' class="op-tip">{escape(tip)}</span></span>'
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
        chips.append(
            f'<span class="op-token {way}" tabindex="0"'
            f' style="--p:{abs(row["share"]) / strongest:.3f}">{escape(visible(row["word"].strip()))}<span'
            f' class="op-tip">{escape(tip)}</span></span>'
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


def about_prompt(prompt: str) -> str | None:
    """What to expect from an unusual prompt, in one sentence; None where there is nothing to say."""
    if not prompt.strip():
        return None  # the page says itself that nothing is written yet
    if "<" in prompt and ">" in prompt:
        return (
            "Your prompt looks like HTML. It is shown and sent as plain characters; nothing in it"
            " runs."
        )
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
