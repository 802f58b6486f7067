"""Excel workbooks (.xlsx) and Parquet files as rows, read in a process of its own.

A small file of this kind can unfold to gigabytes, and its readers are large libraries: so a child
process with little memory and little time reads it (``binary_tables_child``) and writes plain rows,
which are cut off at a limit. What breaks there, breaks nothing here. Knows nothing about columns.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

from rlhf_core.exchange.import_report import ImportRefused

MAX_UNPACKED, MAX_OUT, MAX_COLUMNS, SECONDS = 32 * 2**20, 12 * 2**20, 200, 60
_CHILD = Path(__file__).with_name("binary_tables_child.py")
_LINE = threading.BoundedSemaphore(2)  # so many at a time: each may take 300 MB


def is_binary_table(data: bytes) -> bool:
    """An .xlsx workbook or a Parquet file, by what is in it."""
    return data.startswith(b"PAR1") or (data.startswith(b"PK\x03\x04") and b"xl/" in data)


def binary_rows(data: bytes, name: str, most: int) -> tuple[str, list, list[list], list[str]]:
    """(what it is, the header, the rows, sentences for the report).

    Cells are texts, numbers, None, or (Parquet) lists and objects. Raises ImportRefused.
    """
    kind = "a Parquet file" if data.startswith(b"PAR1") else "an Excel workbook"
    if kind == "an Excel workbook":
        _check_zip(data, name)
    command = [sys.executable, "-I", str(_CHILD), kind, str(most + 1), str(MAX_COLUMNS)]
    command.append(str(MAX_OUT))
    too_much = ImportRefused(
        f"{name} is {kind} that unfolds to more than is read here (it took too much memory or"
        " time). Save what is needed of it as CSV."
    )
    with _LINE:
        try:
            done = subprocess.run(
                command, input=data, capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise too_much from error
        except OSError as error:
            raise ImportRefused(f"{name} is {kind}, which cannot be read here now.") from error
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        if done.returncode < 0 or b"MemoryError" in done.stderr or done.returncode == 7:
            raise too_much from error
        raise ImportRefused(f"{name} is {kind} that is damaged: it cannot be opened.") from error
    if "problem" in found:
        raise ImportRefused(f"{name} is {kind} {found['problem']}.")
    return kind, found["header"], found["rows"], found["notes"]


def _check_zip(data: bytes, name: str) -> None:
    """Raises ImportRefused where the archive itself says that too much is in it."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise ImportRefused(
            f"{name} is an Excel workbook that is damaged: it cannot be opened."
        ) from (error)
    if len(parts) > 1000 or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise ImportRefused(
            f"{name} is an Excel workbook that unfolds to more than"
            f" {MAX_UNPACKED // 2**20} MB. Save what is needed of it as CSV."
        )
