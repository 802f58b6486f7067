"""Where somebody's judgements contradict each other: circles, and pairs judged both ways.

Knows nothing about models. A circle is no mistake as such: whoever judged may look again.
"""

from __future__ import annotations

from collections import defaultdict, deque

from rlhf_core.judging.preferences import Pair


def contradictions(pairs: list[Pair]) -> list[dict]:
    """Where the judgements of one prompt go round in a circle, or a pair was judged both ways.

    Returns:
        Rows {"prompt", "texts"}: each text beats the next one, the last beats the first. Every
        circle of 2 or 3 is a row; a longer one is where it takes in a text that no shorter circle
        does (where all pairs of a prompt were judged there is always one of 3).
    """
    beats: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for pair in pairs:
        if pair.choice in ("a", "b") and pair.a != pair.b:
            beats[pair.prompt].add((pair.a, pair.b) if pair.choice == "a" else (pair.b, pair.a))
    rows = []
    for prompt, edges in beats.items():
        after: dict[str, list[str]] = defaultdict(list)
        for x, y in sorted(edges):
            after[x].append(y)
        circles = [[x, y] for x, y in sorted(edges) if x < y and (y, x) in edges]
        circles += [
            [x, y, z]
            for x, y in sorted(edges)
            for z in after.get(y, ())
            if x < y and x < z and z != x and (z, x) in edges
        ]
        within = {text for circle in circles for text in circle}
        for text in sorted(after):
            if text not in within and (circle := _way_back(after, text)):
                first = circle.index(min(circle))
                circles.append(circle[first:] + circle[:first])
                within.update(circle)
        rows += [{"prompt": prompt, "texts": circle} for circle in circles]
    return rows


def _way_back(after: dict[str, list[str]], start: str) -> list[str]:
    """A shortest way from ``start`` to itself, breadth first; empty where there is none."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        text = waiting.popleft()
        for other in after.get(text, ()):
            if other == start:
                way = [text]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if other not in came_from:
                came_from[other] = text
                waiting.append(other)
    return []


def reconsider(pairs: list[Pair]) -> list[dict]:
    """The contradictions, with the judgements to look at again.

    Rows {"prompt", "texts", "indices" (into ``pairs``: for each step of the circle the judgements
    that say so), "words"}.
    """
    rows = []
    for circle in contradictions(pairs):
        steps = list(zip(circle["texts"], [*circle["texts"][1:], circle["texts"][0]]))
        indices = sorted(
            i
            for i, pair in enumerate(pairs)
            if pair.prompt == circle["prompt"] and _step(pair) in steps
        )
        if len(steps) == 2:
            words = "You preferred each of these two to the other, at different times."
        else:
            letters = [chr(65 + i) for i in range(len(steps))]
            words = (
                "You said "
                + ", ".join(f"{x} > {y}" for x, y in zip(letters, [*letters[1:], "A"]))
                + ": that goes round in a circle."
            )
        rows.append({**circle, "indices": indices, "words": words})
    return rows


def _step(pair: Pair) -> tuple[str, str] | None:
    """(better, worse), or None."""
    return {"a": (pair.a, pair.b), "b": (pair.b, pair.a)}.get(pair.choice)
