"""Damaged files of judgements, thousands of them: is each read, or refused in one sentence?

    python -m benchmarks.fuzz_imports [--count 10000] [--seed 0]

Takes every case and fixture of the tests, damages it (bytes flipped, cut off, columns swapped,
values replaced, another encoding, rows repeated, two files glued together), and reads it as the
page does. Prints how many were read and refused, anything else with its traceback, the slowest
file, and the most memory the process had. A figure, not a test of time; a small seeded part of it
runs in tests/exchange/test_fuzz_imports.py.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pyarrow
from pyarrow import parquet

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange import taking_in
from rlhf_core.judging.preferences import MAX_BYTES

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
ODD = (
    *(None, True, 17, -1, 0, 1.5, 1e308, float("nan"), "", "nan", "None", "a", "B", "1", "tie"),
    *([], {}, [[]], {"a": [1]}, "\x00", "\ud800", "=1+1", "[", "['a' 'b']", '["x"]', "{'a': 1}"),
    *("x" * 200_000, "\u202e", [None], ["left"], {"ranker": 5}, {"ranker": {"rank": "x"}}),
    *("\n\nHuman: x\n\nAssistant:", [{"role": "user", "content": "x"}], "A>>B", 10**400),
)
BINARY = 0.005  # of the files are workbooks or Parquet: each costs a process


def originals() -> list[tuple[str, bytes]]:
    paths = [
        *sorted((FIXTURES / "cases").iterdir()),
        *sorted((FIXTURES / "label_studio").iterdir()),
    ]
    return [(p.name, p.read_bytes()) for p in paths if not p.name.endswith(".right.txt")]


def binaries() -> list[tuple[str, bytes]]:
    rows = [["prompt", "a", "b", "choice"], ["p", " x", " y", "a"], ["q", " x", " y", 2]]
    book, sheet, table = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(sheet)
    parquet.write_table(pyarrow.table({"prompt": ["p"], "chosen": ["x"], "rejected": ["y"]}), table)
    return [("sheet.xlsx", sheet.getvalue()), ("rows.parquet", table.getvalue())]


def flipped(data: bytes, lot: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(lot.choice((1, 3, 30))):
        if out:
            out[lot.randrange(len(out))] = lot.randrange(256)
    return bytes(out)


def cut(data: bytes, lot: random.Random) -> bytes:
    start = lot.randrange(len(data) + 1) if lot.random() < 0.2 else 0
    return data[start : lot.randrange(start, len(data) + 1)]


def replaced(data: bytes, lot: random.Random) -> bytes:
    """One value of JSON, or one cell, is another one."""
    try:
        value = json.loads(data)
        lines = None
    except ValueError:
        try:
            lines = [json.loads(line) for line in data.splitlines() if line.strip()]
            value = lines
        except ValueError:
            cells = data.split(b",")
            cells[lot.randrange(len(cells))] = str(lot.choice(ODD)).encode("utf-8", "replace")
            return b",".join(cells)
    holder = value
    while isinstance(holder, dict | list) and holder:
        key = lot.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or lot.random() < 0.2:
            holder[key] = lot.choice(ODD)
            break
        holder = holder[key]
    if lines is not None:
        return b"\n".join(json.dumps(line).encode() for line in lines)
    return json.dumps(value).encode()


def swapped(data: bytes, lot: random.Random) -> bytes:
    """Two names change places, wherever they stand."""
    names = [b"prompt", b"chosen", b"rejected", b"choice", b"response_a", b"response_b", b"a", b"b"]
    names += [b"annotations", b"data", b"value", b"items", b"label", b"fields", b"completions"]
    one, other = lot.sample(names, 2)
    return data.replace(one, b"\x00").replace(other, one).replace(b"\x00", other)


def recoded(data: bytes, lot: random.Random) -> bytes:
    encoding = lot.choice(("utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig", "cp037"))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


def repeated(data: bytes, lot: random.Random) -> bytes:
    lines, made, size = data.split(b"\n"), [], 0
    for _ in range(lot.choice((2, 50, 3000))):
        made.append(lot.choice(lines))
        size += len(made[-1]) + 1
        if size > MAX_BYTES:  # the page reads no more
            break
    return b"\n".join(made)[: MAX_BYTES + 1]


def glued(data: bytes, lot: random.Random) -> bytes:
    return data + lot.choice((b"", b"\n", b",")) + lot.choice(originals())[1]


DAMAGES = (flipped, cut, replaced, replaced, swapped, recoded, repeated, glued)


def damaged(count: int, seed: int, share: float = BINARY) -> Iterator[tuple[str, bytes]]:
    """(what was done to which file, its bytes), ``count`` of them, always the same for a seed."""
    lot, files, others = random.Random(seed), originals(), binaries()
    for _ in range(count):
        binary = lot.random() < share
        name, data = lot.choice(others if binary else files)
        done = []
        for _ in range(lot.choice((1, 1, 2, 3))):
            damage = lot.choice((flipped, cut)) if binary else lot.choice(DAMAGES)
            data = damage(data, lot)
            done.append(damage.__name__)
        yield f"{name}: {', '.join(done)}", data


def outcome(data: bytes) -> str:
    """ "read", "refused", or what went wrong."""
    try:
        report = taking_in.read(data[: MAX_BYTES + 1], "fuzz.any")
    except PreferenceError as error:
        said = str(error)
        return "refused" if said.endswith(".") and "\n" not in said else f"said {said!r}"
    except Exception:
        return traceback.format_exc()
    if report.used + len(report.left_out) != report.read:
        return "lost count"
    json.dumps(report.to_dict())
    return "read"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found, slowest, began = Counter(), (0.0, ""), time.perf_counter()
    for number, (what, data) in enumerate(damaged(args.count, args.seed)):
        if number % 500 == 0:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{number:,} files: {dict(found)}, {most:.0f} MB", file=sys.stderr, flush=True)
        start = time.process_time()
        said = outcome(data)
        slowest = max(slowest, (time.process_time() - start, what))
        found[said if said in ("read", "refused") else "wrong"] += 1
        if said not in ("read", "refused"):
            print(f"{what} ({len(data):,} bytes)\n{said}", flush=True)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "files": args.count,
                **found,
                "slowest_cpu_seconds": round(slowest[0], 2),
                "slowest": slowest[1],
                "most_mb": round(most),
                "most_mb_of_a_child": round(child),
                "minutes": round((time.perf_counter() - began) / 60, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
