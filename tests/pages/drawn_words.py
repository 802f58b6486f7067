"""How many words a page draws before anybody opens anything: closed expanders, popovers and the
tabs behind the first are not counted, nor is the sidebar; what the model wrote is.

Read from Streamlit's test tree, so words inside charts are not in it (a browser adds them: axes and
legends).
"""

from __future__ import annotations

import html
import re

from streamlit.testing.v1 import AppTest

CLOSED = ("popover", "dialog")
ICON = re.compile(r":material/\w+:")


def drawn_words(app: AppTest) -> int:
    """Words in the main part of the page."""
    return sum(len(words.split()) for words in drawn_texts(app))


def drawn_texts(app: AppTest) -> list[str]:
    """What the main part of the page draws, an entry an element."""
    return [shown for text in _walk(app.main) if (shown := _plain(text))]


def _walk(node):
    proto = getattr(node, "proto", None)
    kind = getattr(node, "type", "")
    if kind == "expandable" or kind == "expander":
        yield getattr(proto, "label", "")
        if not getattr(proto, "expanded", False):
            return
    elif kind in CLOSED:
        yield getattr(getattr(proto, "popover", proto), "label", "")
        return
    elif kind == "tab_container":
        for number, child in node.children.items():
            if number:
                yield child.label
            else:
                yield child.label
                yield from _walk(child)
        return
    children = getattr(node, "children", None)
    if children:
        for child in children.values():
            yield from _walk(child)
        return
    yield from _texts(node, kind, proto)


def _texts(node, kind: str, proto):
    if kind in ("plotly_chart", "imgs", "bidi_component", "component_instance"):
        return
    for name in ("label", "body", "text"):
        value = getattr(proto, name, "")
        if isinstance(value, str) and "<style>" not in value:
            yield value
    chosen = (getattr(node, "index", 0) or 0) if kind == "selectbox" else None  # a closed list
    for number, option in enumerate(getattr(proto, "options", ())):
        if chosen is not None and number != chosen:
            continue
        yield option if isinstance(option, str) else getattr(option, "content", "")


def _plain(words: str) -> str:
    words = re.sub(r'<span class="op-heard">[^<]*</span>', "", words)
    words = re.sub(r'<span class="op-(said|tip)"[^>]*>[^<]*</span>', "", words)  # until pointed at
    words = re.sub(r"\|?(:?-{2,}:?\|)+", " ", words)  # the line under a table's head
    words = html.unescape(re.sub(r"<[^>]+>", " ", words))
    return ICON.sub(" ", words).replace("\\", "").replace("**", "").replace("|", " ").strip()
