"""Files of judgements from elsewhere, as rows: bytes come in (an upload, a file), records come out.

A record holds what stood in a row, and its number. What it means is ``label_studio``'s and
``spreadsheets``' business. Nothing is guessed silently: what was read in another way than it was
written is a line of the report. Imports no torch and no pandas: a spreadsheet library would turn
"1" into 1.0 and an empty cell into NaN before anyone could say so.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from rlhf_core.exchange.binary_tables import binary_rows, is_binary_table
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.exchange.json_shapes import rows_of
from rlhf_core.exchange.not_whole import NO_RESULT, NotWhole
from rlhf_core.exchange.text_of_file import check_size, decode
from rlhf_core.judging.preferences import MAX_ROWS

MAX_DEPTH, MAX_CELL = 40, 100_000
# A short file can have a wide header and thousands of short rows: each row holds every column.
MAX_COLUMNS, MAX_CELLS = 1_000, 1_500_000
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Record:
    """One row as it stood in the file. ``repairs``: what had to be read in another way."""

    row: int
    value: Any  # of a file: nothing is known of it
    repairs: tuple[str, ...] = ()


def depth_of(value: object) -> int:
    """How deep lists and objects are nested; 0 for a plain value. Needs no recursion itself."""
    deepest, waiting = 0, [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, depth + 1)
            inner = item.values() if isinstance(item, dict) else item
            waiting += [(value, depth + 1) for value in inner]
    return deepest


class _Twice(ValueError):
    """A JSON object that names a field twice."""


def _once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _Twice(next(name for name in counts if counts[name] > 1))
    return found


def parse_json(text: str, where: str) -> object:
    """Raises ImportRefused: not JSON, breaks off, nested too deeply, a field twice."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except _Twice as error:
        raise ImportRefused(
            f"{where} has the field {excerpt(str(error))!r} twice in one object; which of them"
            " counts? Remove one."
        ) from error
    except RecursionError as error:
        raise ImportRefused(
            f"{where} is nested too deeply; at most {MAX_DEPTH} levels are read."
        ) from error
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg:
            raise ImportRefused(
                f"{where} breaks off: the JSON is not finished. It may be half a file; export or"
                " copy it again."
            ) from error
        place = f"line {error.lineno}, column {error.colno}"
        before, behind = text[: error.pos].rstrip(), text[error.pos :].lstrip()
        if (before[-1:] == "," and behind[:1] in "]}") or behind[:1] == ",":
            raise ImportRefused(
                f"{where} has a comma too many ({place}): nothing stands between it and what comes"
                " next. Remove it."
            ) from error
        raise ImportRefused(f"{where} is not valid JSON ({place}: {error.msg}).") from error
    except ValueError as error:  # a number of thousands of digits
        raise ImportRefused(
            f"{where} is not usable JSON: it has a number of thousands of digits in it."
        ) from error
    if depth_of(value) > MAX_DEPTH:
        raise ImportRefused(f"{where} is nested too deeply; at most {MAX_DEPTH} levels are read.")
    return value


def records(data: bytes, report: ImportReport, columns: frozenset[str]) -> list[Record]:
    """The rows of a JSON, JSONL, CSV or TSV file: its first character says which, not its name.

    Args:
        columns: known column names, as ``column_name`` writes them; they decide which delimiter a
            table has.

    Raises ImportRefused where the file as a whole cannot be read. A bad line of a JSONL file is
    left out and reported.
    """
    if is_binary_table(data):
        check_size(data, report.filename)
        found = binary_records(data, report, columns)
        return _checked(found, report)
    text, cp1252 = decode(data, report)
    if text.lstrip()[0] in "[{":
        found = _json_records(text, report, columns, cp1252)
    else:
        found = _table_records(text, report, columns, cp1252)
    return _checked(found, report)


def _check_width(columns: int, rows: int, report: ImportReport) -> None:
    if columns > MAX_COLUMNS:
        raise ImportRefused(
            f"{report.filename} has {columns:,} columns; at most {MAX_COLUMNS:,} are read. Leave"
            " out what is not needed."
        )
    if columns * rows > MAX_CELLS:
        raise ImportRefused(
            f"{report.filename} has more than {MAX_CELLS:,} cells, full and empty ones. Leave out"
            " columns, or split it."
        )


def _checked(found: list[Record], report: ImportReport) -> list[Record]:
    names = {name for row in found if isinstance(row.value, dict) for name in row.value}
    _check_width(len(names), 0, report)
    if len(found) > MAX_ROWS:
        raise ImportRefused(
            f"{report.filename} has {len(found):,} rows; at most {MAX_ROWS:,} are read. Split it."
        )
    return found


def _json_records(
    text: str, report: ImportReport, columns: frozenset[str], cp1252: set[int]
) -> list[Record]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    first = lines[0][1].strip()
    if first.startswith("{") and (len(lines) == 1 or first.endswith("}")):
        report.counted = "line"
        found = []
        if len(lines) > MAX_ROWS:
            raise ImportRefused(
                f"{report.filename} has {len(lines):,} lines; at most {MAX_ROWS:,} are read."
                " Split it."
            )
        for number, line in lines:
            try:
                value = parse_json(line, "the line" if len(lines) > 1 else report.filename)
            except ImportRefused as error:
                if len(lines) == 1:
                    raise
                report.leave_out(number, line[:1000], str(error).rstrip("."))
                continue
            found.append(Record(number, value, _old_encoding({number} & cp1252)))
        if len(found) > 1 or not found:
            return found
        value = found[0].value
    else:
        value = parse_json(text, report.filename)
        report.counted = "entry"
    items, how = rows_of(value, lambda name: column_name(str(name)) in columns)
    if how:
        report.counted = "entry"
        report.say("notes", f"The rows were found as {how}.")
    return [Record(number, item) for number, item in enumerate(items, 1)]


def column_name(header: str) -> str:
    """A header as it is compared: lower case, one underscore for every space, hyphen or dot."""
    return re.sub(r"[\s\-._]+", "_", header.strip("\ufeff").casefold()).strip("_?:*!")


def bare(name: str) -> str:
    """A column's name as it is compared, without crowd-work sheets' Input. and Answer."""
    return (
        re.sub(r"^(?:input|answer)_(?=.)", "", column_name(name))
        if "." in name
        else (column_name(name))
    )


def _table_records(
    text: str, report: ImportReport, columns: frozenset[str], cp1252: set[int]
) -> list[Record]:
    """The rows of a delimited table, counted as a spreadsheet counts them: the header is row 1."""
    report.counted = "row"
    declared = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)  # Excel's own first line
    skipped = 1 if declared else 0
    if declared:
        text = text[declared.end() :]
    known = {}
    for delimiter in DELIMITERS:
        try:
            lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            header = next((cells for cells in lines if any(map(str.strip, cells))), [])
        except csv.Error:  # a cell too long
            header = []
        known[delimiter] = sum(bare(cell) in columns for cell in header)
    delimiter = declared.group(1) if declared else max(known, key=lambda sign: known[sign])
    if not known.get(delimiter, 1):
        raise ImportRefused(
            f"{report.filename} is no table of judgements that can be recognised: its first line is"
            f" {excerpt(text.strip().splitlines()[0])!r}. A header line with prompt, a, b, choice"
            " (or prompt, chosen, rejected) is needed."
        )
    if delimiter != ",":
        report.say(
            "notes", f"The columns are separated by {DELIMITERS.get(delimiter, repr(delimiter))}."
        )
    # Python's own limit of 131,072 letters a cell is the whole process's: it stays as it is.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[Record] = []
    header, number, before = [], 0, 0
    try:
        for cells in reader:
            at = set(range(before + skipped + 1, reader.line_num + skipped + 1))
            before = reader.line_num
            number += 1
            if any(len(cell) > MAX_CELL for cell in cells):
                raise ImportRefused(
                    f"{report.filename} has a cell of more than {MAX_CELL:,} letters in line"
                    f" {reader.line_num}: is a quotation mark missing?"
                )
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip().strip("\ufeff") for cell in cells]
                _check_width(len(header), 0, report)
                _check_header(header, report)
                continue
            if number > MAX_ROWS + 1:
                raise ImportRefused(f"{report.filename} has more than {MAX_ROWS:,} rows. Split it.")
            spare = [cell for cell in cells[len(header) :] if cell.strip()]
            if spare:
                report.leave_out(
                    number,
                    delimiter.join(cells),
                    f"it has {len(cells)} cells where the header has {len(header)}: a delimiter"
                    " inside a text?",
                )
                continue
            _check_width(len(header), len(found) + 1, report)
            values = dict(zip(header, [*cells, *[""] * len(header)]))
            found.append(Record(number, values, _old_encoding(at & cp1252)))
    except csv.Error as error:
        why = str(error)
        if "unexpected end" in why:
            why = "a quotation mark is opened and never closed, or the file breaks off"
        elif "field limit" in why:
            why = f"a cell has more than {MAX_CELL:,} letters; is a quotation mark missing?"
        raise ImportRefused(
            f"{report.filename} cannot be read as a table after line {before}: {why}."
        ) from error
    return found


def binary_records(data: bytes, report: ImportReport, columns: frozenset[str]) -> list[Record]:
    """The rows of an Excel workbook or a Parquet file. Raises ImportRefused."""
    kind, header, rows, notes = binary_rows(data, report.filename, MAX_ROWS)
    report.counted = "row"
    for sentence in notes:
        report.say("notes", sentence)
    header = [str(cell or "").strip() for cell in header]
    _check_width(len(header), len(rows), report)
    _check_header(header, report)
    if not any(bare(name) in columns for name in header):
        raise ImportRefused(
            f"{report.filename} is {kind}, and no table of judgements that can be recognised: its"
            f" columns are {excerpt(', '.join(filter(None, header)) or 'without names')}. A header"
            " with prompt, a, b, choice (or prompt, chosen, rejected) is needed."
        )
    first = 1
    if kind == "an Excel workbook":  # as in a CSV: texts, and the header is row 1
        first, rows = 2, [[_written(cell) for cell in row] for row in rows]
    return [
        Record(number, dict(zip(header, [*cells, *[""] * len(header)])))
        for number, cells in enumerate(rows, first)
        if any(cell not in (None, "") for cell in cells)
    ]


def _written(cell: object) -> str:
    """A workbook's cell as its CSV would have it; a formula without its result is none."""
    if isinstance(cell, dict):
        return NotWhole(cell["formula"], NO_RESULT)
    return "" if cell is None else str(cell)


def _check_header(header: list[str], report: ImportReport) -> None:
    names = [column_name(cell) for cell in header if cell]
    twice = next((cell for cell in header if cell and names.count(column_name(cell)) > 1), None)
    if twice:
        raise ImportRefused(
            f"{report.filename} has the column {twice!r} twice; which of them counts? Rename or"
            " remove one."
        )


def _old_encoding(lines: set[int]) -> tuple[str, ...]:
    return ("read as Windows-1252, because it is not UTF-8",) if lines else ()
