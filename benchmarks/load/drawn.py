"""A page as the server has sent it: what stands where, found by key; and how a browser words what a
widget is set to. Knows nothing about connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import Message
from streamlit.proto.WidgetStates_pb2 import WidgetState

SECRET = re.compile(r"\$\$ID-[0-9a-f]+-(.+)", re.DOTALL)  # how Streamlit names a widget with a key


class TabError(Exception):
    """The page did not do what was waited for, or the server is gone; says what was waited for."""


@dataclass
class Node:
    """What stands at one place of the page.

    Attributes:
        kind: which element ("button", "html", ...) or block ("flex_container", ...) it is.
        body: that element or block itself.
        whole: the message that holds it (of a block: its id).
        changed: when another body came to this place (``time.perf_counter``).
    """

    kind: str
    body: Message
    whole: Message
    fragment: str
    run: str
    page: str
    changed: float

    @property
    def is_block(self) -> bool:
        return self.whole.DESCRIPTOR.name == "Block"

    @cached_property
    def key(self) -> str:
        """The key that the page gave the widget or container; "" where it gave none."""
        name = getattr(self.body, "id", "") or getattr(self.whole, "id", "")
        found = SECRET.fullmatch(name)
        return found[1] if found and found[1] != "None" else ""


class Drawn:
    """All that stands on a page now, by its place (``nodes``)."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, ...], Node] = {}

    def put(self, path: tuple[int, ...], node: Node) -> None:
        """Something new at a place; what stood in a container there goes, unless this is one."""
        old = self.nodes.get(path)
        if old is not None and old.is_block and not node.is_block:
            inside = [other for other in self.nodes if other[: len(path)] == path]
            for other in inside:
                del self.nodes[other]
        if old is not None and old.kind == node.kind and old.body == node.body:
            node.changed = old.changed
        self.nodes[path] = node

    def clear(self, run: str, fragments: set[str]) -> None:
        """A run has finished: of ``fragments`` (of the page, where there are none), what it did not
        draw again goes.
        """
        self.nodes = {
            path: node
            for path, node in self.nodes.items()
            if node.run == run or (fragments and node.fragment not in fragments)
        }

    def find(self, key: str, kind: str = "") -> Node | None:
        """The widget or container with this key (a widget without one: with this label)."""
        labelled = None
        for node in self.nodes.values():
            if kind and node.kind != kind:
                continue
            if node.key == key:
                return node
            if getattr(node.body, "label", None) == key and hasattr(node.body, "id"):
                labelled = labelled or node
        return labelled

    def under(self, key: str, kind: str = "") -> Iterator[Node]:
        """What stands in the container with this key."""
        place = next((path for path, node in self.nodes.items() if node.key == key), None)
        for path, node in list(self.nodes.items()):
            if place and path[: len(place)] == place and (not kind or node.kind == kind):
                yield node

    def texts(self, kind: str = "markdown") -> list[str]:
        """What the elements of a kind say."""
        return [
            getattr(node.body, "body", "") or getattr(node.body, "text", "")
            for node in list(self.nodes.values())
            if node.kind == kind
        ]

    def widgets(self) -> list[Node]:
        """Everything that can be pressed or set."""
        return [
            node
            for node in self.nodes.values()
            if str(getattr(node.body, "id", "")).startswith("$$ID")
            and not getattr(node.body, "disabled", False)
        ]


def state_of(node: Node, value: object) -> WidgetState:
    """A widget's value as the frontend sends it. TabError for a kind that is not spoken here."""
    state = WidgetState(id=node.body.id)
    if node.kind == "checkbox":
        state.bool_value = bool(value)
    elif node.kind == "number_input":
        state.double_value = float(value)
    elif node.kind == "slider" and node.body.options:  # a select slider: its words
        state.string_array_value.data.append(str(value))
    elif node.kind == "slider":
        state.double_array_value.data.append(float(value))
    elif node.kind == "button_group":
        state.string_array_value.data.append(str(value))
    elif node.kind in ("text_input", "text_area", "selectbox", "radio"):
        state.string_value = str(value)
    else:
        raise TabError(f"No value can be set for a {node.kind}.")
    return state
