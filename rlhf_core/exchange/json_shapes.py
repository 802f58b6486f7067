"""The rows in a JSON value, whichever way round a program wrote the table.

A list of objects; pandas' ``to_json`` by columns, by index, split or as a table; a column of lists
each (``datasets``' ``to_dict``); the rows of the Hugging Face dataset viewer; a list inside an
envelope. Knows nothing about what the rows mean.

Source: pandas' ``DataFrame.to_json`` (orient), Hugging Face's dataset viewer (``/rows``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

from rlhf_core.exchange.not_whole import CUT_OFF, NotWhole

_SPLITS = ("train", "validation", "valid", "dev", "test")
_ENVELOPES: tuple[str, ...]
_ENVELOPES = ("data", "rows", "records", "items", "examples", "results", "annotations", "train")
_ENVELOPES += ("tasks", *_SPLITS[1:])


def _objects(value: object) -> TypeGuard[list[dict]]:
    return isinstance(value, list) and bool(value) and all(isinstance(i, dict) for i in value)


_TURN = ("role", "content", "from", "value", "text", "messages", "author")  # of a conversation


def rows_of(value: object, known: Callable[[object], bool]) -> tuple[list, str]:
    """(rows, how they were found; "" where they are simply a list, or one object).

    ``known``: a function that says whether a name is a column's name.
    """
    if isinstance(value, list):
        if value and all(isinstance(i, dict) and isinstance(i.get("row"), dict) for i in value):
            return [_viewed(item) for item in value], "the dataset viewer's rows"
        return value, ""
    if not isinstance(value, dict) or not value:
        return [value], ""
    data, columns = value.get("data"), value.get("columns")
    if isinstance(data, list) and isinstance(columns, list):
        if all(isinstance(row, list) and len(row) == len(columns) for row in data):
            return [dict(zip(map(str, columns), row)) for row in data], 'pandas\' orient="split"'
    for name in _ENVELOPES:
        inner = value.get(name)
        rest = [key for key in value if known(key) and key != name]
        if (_objects(inner) or inner == []) and not rest:
            if name in ("annotations", "items") and isinstance(value.get("data"), dict):
                continue  # one task of Label Studio
            if isinstance(config := value.get("label_config"), str):  # Label Studio's
                inner = [{"label_config": config, **item} for item in inner]
            splits = [key for key in value if key in _SPLITS and _objects(value[key])]
            if name in _SPLITS and len(splits) > 1:
                inner = [item for key in splits for item in value[key]]
                return inner, f"the lists under {', '.join(map(repr, splits))}"
            beside = [key for key in value if key != name and _objects(value[key])]
            unread = f" ({', '.join(map(repr, beside))} beside it was not read)" if beside else ""
            return rows_of(inner, known)[0], f"the list under {name!r}{unread}"
    parts = list(value.values())
    named = any(known(name) for name in value)
    if named and all(isinstance(part, dict) for part in parts):
        index = list(dict.fromkeys(key for part in parts for key in part))
        same = all(len(part) == len(index) for part in parts)
        digits = all(str(key).isdigit() for key in index)
        if index and (digits or (same and not any(known(k) or k in _TURN for k in index))):
            rows = [{name: part.get(key) for name, part in value.items()} for key in index]
            return rows, 'columns, as pandas\' to_json writes them without orient="records"'
    if not named and all(isinstance(part, dict) for part in parts):
        if all(str(key).isdigit() for key in value) and any(
            known(key) for part in parts[:50] for key in part
        ):
            return parts, 'rows by number (pandas\' orient="index")'
        if all(
            {"fields", "responses"} <= set(part) or sum(map(known, part)) > 2 for part in parts
        ) and not any(
            isinstance(cell, dict | list)
            for part in parts
            for cell in part.values()
            if "fields" not in part
        ):
            return parts, "rows by name, each under its own"
    if named and len(value) > 1 and all(isinstance(part, list) for part in parts):
        asked = value.get("prompt")
        conversation = isinstance(asked, list) and asked and isinstance(asked[0], dict)
        if len({len(part) for part in parts}) == 1 and not conversation:
            rows = [dict(zip(value, row)) for row in zip(*parts)]
            if rows and not all(isinstance(c, list | dict) for c in rows[0].values()):
                return rows, "columns, a list each"
    return [value], ""


def _viewed(item: dict) -> dict:
    """One row of the dataset viewer, which names the cells that it cut off."""
    cut = item.get("truncated_cells")
    return {
        name: NotWhole(str(cell), CUT_OFF) if isinstance(cut, list) and name in cut else cell
        for name, cell in item["row"].items()
    }
