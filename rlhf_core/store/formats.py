"""The files of a bundle as bytes: JSON, JSON lines, CSV, safetensors; each way out and back.

Nothing is lost silently. Knows nothing about folders or what the values mean. Non-finite numbers
have no place in JSON: they become null (an empty cell in CSV). Simplification: one table has
numbers, booleans and short words only, so its types can be read back from the text. Imports no
torch until weights are touched.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from rlhf_core.common.errors import BundleError

METRIC_COLUMNS = (
    "step",
    "reward_mean",
    "reward_std",
    "kl_to_reference",
    "entropy",
    "clip_fraction",
    "approx_kl_update",
    "value_loss",
    "beta",
    "learning_rate",
    "seconds",
)


_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_DTYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8"}
_DTYPES |= {"U8": "uint8", "BOOL": "bool"}


def _plain(value):
    """``value`` with non-finite numbers as None (JSON has no NaN) and tuples as lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def to_json(value, indent: int | None = 2) -> bytes:
    # A lone surrogate (a command line in another encoding) becomes its JSON escape and comes back
    # as it was.
    return (
        json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False) + "\n"
    ).encode("utf-8", "backslashreplace")


def to_lines(rows: Sequence[dict]) -> bytes:
    return b"".join(to_json(row, indent=None) for row in rows)


def from_json(data: bytes, where: str) -> dict:
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BundleError(f"{where} is not valid JSON: {reason}.") from error
    if not isinstance(value, dict):
        raise BundleError(f"{where} must be a JSON object.")
    return value


def from_lines(data: bytes, name: str) -> list[dict]:
    return [
        from_json(line, f"{name}, line {number}")
        for number, line in enumerate(data.split(b"\n"), 1)
        if line.strip()
    ]


def to_csv(rows: Sequence[dict]) -> bytes:
    columns = dict.fromkeys([*METRIC_COLUMNS, *(key for row in rows for key in row)])
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        for key, value in row.items():
            if value is not None and not isinstance(value, str | int | float):
                raise BundleError(
                    f"metrics.csv has no place for the {type(value).__name__} in the column"
                    f" {key!r}."
                )
        writer.writerow([_cell_text(row.get(key)) for key in columns])
    return text.getvalue().encode("utf-8", "replace")


def _cell_text(value) -> str:
    if isinstance(value, bool | str) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, int):
        return str(int(value))
    return repr(float(value)) if math.isfinite(value) else ""


def from_csv(data: bytes) -> list[dict]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise BundleError(f"metrics.csv is not a readable table: {error}.") from error
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise BundleError(
                f"metrics.csv, line {number}, has {len(row)} cells where the first line has"
                f" {len(rows[0])}."
            )
    return [
        {name: _cell(text) for name, text in zip(rows[0], row, strict=True)} for row in rows[1:]
    ]


def _cell(text: str):
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        with suppress(ValueError):
            value = kind(text)
            return value if math.isfinite(value) else None
    return text


class Raw(NamedTuple):
    """A tensor as a safetensors file has it. ``dtype``: as the file says it, "F32"."""

    dtype: str
    shape: list[int]
    data: bytearray


def raw_tensors(data: bytes) -> dict[str, Raw]:
    """What a safetensors file holds, without torch. Raises SafetensorError."""
    from safetensors import deserialize

    return {k: Raw(one["dtype"], one["shape"], one["data"]) for k, one in deserialize(data)}


def to_safetensors(tensors: dict, name: str) -> bytes:
    """Safetensors bytes; the same tensors give the same bytes, whether they are torch's or ``Raw``.

    A tensor that shares memory with another (tied embeddings) is written in full.
    """
    if tensors and all(isinstance(tensor, Raw) for tensor in tensors.values()):
        return _from_raw(tensors, name)
    from safetensors.torch import save

    try:
        return save(
            {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()},
            metadata={"format": "pt"},
        )
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{name} can hold named tensors only ({error}).") from error


def _from_raw(tensors: dict[str, Raw], name: str) -> bytes:
    from safetensors import TensorSpec, serialize

    unknown = {one.dtype for one in tensors.values()} - {*_DTYPES}
    if unknown:
        raise BundleError(
            f"{name} holds numbers of a kind that has no place here: {unknown.pop()}."
        )
    kept = {k: np.frombuffer(one.data or b"\0", np.uint8) for k, one in tensors.items()}
    specs = {
        key: TensorSpec(
            dtype=_DTYPES[one.dtype],
            shape=one.shape,
            data_ptr=kept[key].ctypes.data,
            data_len=len(one.data),
        )
        for key, one in tensors.items()
    }
    return bytes(serialize(specs, metadata={"format": "pt"}))


def from_safetensors(data: bytes, name: str) -> dict:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise BundleError(f"{name} is not a usable safetensors file: {error}.") from error
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise BundleError(
                f"{name} holds numbers that are not finite (NaN or infinity) in {key!r}, so it"
                " cannot be used."
            )
    return tensors
