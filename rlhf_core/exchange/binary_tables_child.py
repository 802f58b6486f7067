"""The child of ``binary_tables``: a workbook or Parquet file on standard input, JSON rows out.

    python -I binary_tables_child.py KIND ROWS COLUMNS BYTES < file

Takes little memory and little time, whatever the file says of itself. Imports nothing of ours.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
import zipfile
from contextlib import suppress

MEMORY, SECONDS = 300 * 2**20, 15  # of data, beside the libraries themselves


def cell(value: object) -> object:
    """A cell as JSON has it: texts, numbers, truths, nothing, and (Parquet) lists of these."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): cell(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cell(item) for item in value]
    return str(value)


def size(value: object) -> int:
    if isinstance(value, dict | list):
        return 8 + sum(map(size, value.values() if isinstance(value, dict) else value))
    return 8 + (len(value) if isinstance(value, str) else 0)


def workbook(data: bytes, most: int, columns: int, limit: int) -> dict:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    found, taken, calculated = [], 0, formulas(data)
    for sheet in book.worksheets:
        rows, gap = [], 0
        for row in sheet.iter_rows(max_row=most + 1, max_col=columns, values_only=True):
            row = [cell(value) for value in row]
            while row and row[-1] in (None, ""):
                row.pop()
            taken += sum(map(size, row))
            gap = 0 if row else gap + 1
            if taken > limit:
                return {"problem": "of more text than is read here"}
            rows.append(row)
        if calculated:
            gap = mark_formulas(data, sheet.title, rows)
        rows = rows[: len(rows) - gap]
        if rows:
            found.append((sheet.title, rows))
    if not found:
        return {"problem": "without a cell in it"}
    if len(found) > 1:
        names = ", ".join(repr(str(name)[:30]) for name, _ in found[:5])
        return {"problem": f"with {len(found)} sheets ({names}); which of them? Keep that one only"}
    name, rows = found[0]
    # A title may stand above: the header is the first row that is not empty.
    first = next(number for number, row in enumerate(rows) if row)
    return {"header": rows[first], "rows": rows[first + 1 :], "notes": []}


def formulas(data: bytes) -> bool:
    """Is there a formula in the workbook at all? Most have none, and are read once."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(re.search(rb"<(?:\w+:)?f[ >/]", archive.read(name)) for name in sheets)


def mark_formulas(data: bytes, name: str, rows: list[list]) -> int:
    """Cells whose formula was saved without its result become {"formula": as it is written}; how
    many rows at the end are empty.
    """
    import openpyxl

    sheet = openpyxl.load_workbook(io.BytesIO(data), read_only=True)[name]
    width, gap = max(map(len, rows), default=0) + 20, 0
    for row, cells in zip(rows, sheet.iter_rows(max_col=width, values_only=True)):
        for at, written in enumerate(cells):
            formula = isinstance(written, str) and written.startswith("=") and len(written) > 1
            if formula and (at >= len(row) or row[at] is None):
                row += [None] * (at + 1 - len(row))
                row[at] = {"formula": written[:100]}
        gap = 0 if row else gap + 1
    return gap


def parquet(data: bytes, most: int, columns: int, limit: int) -> dict:
    import pyarrow
    from pyarrow import parquet as reader

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    file = reader.ParquetFile(io.BytesIO(data))
    header = file.schema_arrow.names
    if file.metadata.num_rows >= most:
        return {"problem": f"of {file.metadata.num_rows:,} rows; at most {most - 1:,} are read"}
    if len(header) > columns:
        return {"problem": f"of {len(header):,} columns; at most {columns} are read"}
    rows, taken = [], 0
    for batch in file.iter_batches(batch_size=32, use_threads=False):
        values = [[cell(value) for value in column.to_pylist()] for column in batch.columns]
        for row in zip(*values):
            taken += sum(map(size, row))
            rows.append(row)
        if taken > limit:
            return {"problem": "of more text than is read here"}
    return {"header": header, "rows": rows, "notes": []}


def main() -> int:
    kind, most, columns, limit = sys.argv[1], *map(int, sys.argv[2:5])
    data = sys.stdin.buffer.read()
    for name in ("OMP_NUM_THREADS", "ARROW_IO_THREADS"):
        os.environ[name] = "1"
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    with suppress(ImportError):
        if kind == "a Parquet file":
            import pyarrow.parquet  # noqa: F401  # its own size is no part of the limit
        else:
            import openpyxl  # noqa: F401
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        read = parquet if kind == "a Parquet file" else workbook
        found = read(data, most, columns, limit)
        text = json.dumps(found)
    except MemoryError:
        return 7
    except ImportError as error:
        text = json.dumps({"problem": f"which needs {error.name or 'a library'} to be read"})
    except Exception as error:  # whatever a damaged file brings about in a library
        if "llocat" in str(error) or "memory" in str(error):
            return 7
        text = json.dumps({"problem": "that is damaged: it cannot be opened"})
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
