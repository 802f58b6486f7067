"""Terms where they are met: a dotted underline, and one plain sentence when it is pointed at,
tabbed to or tapped.

    terms.caption("Drift costs: so many [[nat|nats]] of [[KL]], times [[beta|β]].")

What stands in double brackets is a term of the glossary (``rlhf_core.common.glossary``), after the
bar the word to show for it. No script: the sentence is there, and a style sheet shows it. Never
inside a link, a button or a label: these are pressed for something else; there ``help`` serves.
"""

from __future__ import annotations

import html
import re

import streamlit as st

from rlhf_core.common import glossary
from ui import styles, text

TERM = re.compile(r"\[\[([^\[\]|]+)(?:\|([^\[\]|]+))?\]\]")
CSS = styles.sheet("terms")


def mark(words: str) -> str:
    """``words`` as HTML: escaped, ``**bold**`` bold, terms underlined. Raises LookupError: a term
    that the glossary does not have.
    """
    parts, at = [], 0
    for found in TERM.finditer(words):
        parts += [_plain(words[at : found.start()]), _term(found[1], found[2] or found[1])]
        at = found.end()
    return "".join([*parts, _plain(words[at:])])


def _plain(words: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(words))


def _term(name: str, shown: str) -> str:
    sentence = html.escape(glossary.term(name).sentence, quote=True)
    return (
        f'<span class="op-term" role="button" tabindex="0" aria-description="{sentence}">'
        f'{html.escape(shown)}<span class="op-what" aria-hidden="true">{sentence}</span></span>'
    )


def draw(words: str) -> None:
    """A paragraph with its terms underlined."""
    st.html(f'<p class="op-terms">{mark(words)}</p>')


def caption(words: str) -> None:
    """The same, as small as a caption."""
    st.html(f'<p class="op-terms op-small">{mark(words)}</p>')


def help(name: str) -> str:
    """The term's sentence, for a widget's ``help``, which reads markdown."""
    return text.plain(glossary.term(name).sentence)
