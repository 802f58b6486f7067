"""The commands that bring judgements in from other tools and out to them.

    python -m rlhf_core import-label-studio FILE --out prefs.jsonl [--rankings rankings.jsonl]
        [--fields prompt,left,right] [--buckets best,...,worst] [--question NAME]
    python -m rlhf_core import FILE --out prefs.jsonl [--fields ...] [--choice-map 1=a,2=b,3=tie]
        a spreadsheet (CSV, .xlsx), or another tool's rows (JSON, JSON lines, Parquet)
    python -m rlhf_core export-label-studio prefs.jsonl --out FILE [--tasks-only]
        [--config FILE.xml] [--brief NAME]

Data (the report, one JSON line) goes to ``emit``, words to ``say``. What is left out is reported
and is no failure; a file of which nothing can be used is refused (PreferenceError), and then
nothing is written.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rlhf_core.common.errors import BundleError, PreferenceError
from rlhf_core.common.events import Record
from rlhf_core.exchange.choice_map import parse_map
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, ended
from rlhf_core.exchange.label_studio import import_annotations
from rlhf_core.exchange.label_studio_answers import PLACES
from rlhf_core.exchange.label_studio_tasks import export_tasks, labelling_config
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.judging import briefs
from rlhf_core.judging.own_files import opened
from rlhf_core.judging.preferences import MAX_BYTES, MAX_OWN_BYTES, Ranking, read_preferences
from rlhf_core.store import plain_files
from rlhf_core.store.formats import from_lines, to_json, to_lines

COMMANDS = ("import-label-studio", "import", "export-label-studio")
MOST_SHOWN = 20  # rows of a report on the terminal; all of them are in the JSON


def add_parsers(commands: argparse._SubParsersAction) -> None:
    """The three commands, on an argument parser."""
    label_studio = commands.add_parser(
        "import-label-studio",
        help="judgements from a Label Studio export (JSON, JSON-MIN, CSV)",
        allow_abbrev=False,
    )
    label_studio.add_argument(
        "--buckets",
        metavar="BEST,...,WORST",
        help="a Ranker's buckets, best first, where they are not Opossum's",
    )
    table = commands.add_parser(
        "import",
        help="judgements from a spreadsheet or another tool's rows (CSV, xlsx, JSON, Parquet)",
        allow_abbrev=False,
    )
    for command in (label_studio, table):
        command.add_argument("file", metavar="FILE")
        command.add_argument(
            "--fields",
            metavar="P,L,R",
            help="names of the fields or columns of prompt, left and right text, where they are"
            " unusual (import: one+other joins two)",
        )
        command.add_argument(
            "--choice-map",
            metavar="VALUE=a,...",
            help="what the values of the choice column mean: a, b, tie, both_bad, skip, none;"
            ' numbers also <=4=a; a value with a comma: "yes, left"=a',
        )
        command.add_argument(
            "--question",
            metavar="NAME",
            default="",
            help="the question (Argilla) or control (Label Studio) that says which answer is"
            " better, where several could",
        )
        command.add_argument(
            "--out",
            required=True,
            metavar="prefs.jsonl",
            help="where the judged pairs go, for run --preferences",
        )
        command.add_argument(
            "--rankings",
            metavar="rankings.jsonl",
            help="where rankings of whole lists go as well, as they were made",
        )
    export = commands.add_parser(
        "export-label-studio",
        help="tasks and judgements for Label Studio's Import",
        allow_abbrev=False,
    )
    export.add_argument(
        "file", metavar="prefs.jsonl", help="judged pairs, or a bundle's rankings.jsonl"
    )
    export.add_argument("--out", required=True, metavar="FILE")
    export.add_argument(
        "--tasks-only", action="store_true", help="without the judgements: work to be done"
    )
    export.add_argument(
        "--config", metavar="FILE.xml", help="where the labelling config goes as well"
    )
    export.add_argument(
        "--brief",
        metavar="NAME",
        help="brief whose instructions stand in the labelling config: a preset or a .json file",
    )


def run_command(
    args: argparse.Namespace, emit: Callable[[dict], None], say: Callable[[str], None]
) -> int:
    """Do what was asked; 0. Raises PreferenceError, BriefError."""
    outputs = [
        path
        for path in (args.out, getattr(args, "rankings", None), getattr(args, "config", None))
        if path
    ]
    for path in outputs:
        if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or "."):
            raise PreferenceError(
                f"{path} cannot be written:"
                f" {'it is a folder' if os.path.isdir(path) else 'its folder does not exist'}."
            )
        if os.path.exists(path) and os.path.exists(args.file) and os.path.samefile(path, args.file):
            raise PreferenceError(f"{path} is the file to be read; give another one to write to.")
    if len({os.path.abspath(path) for path in outputs}) < len(outputs):
        raise PreferenceError("Two outputs have the same name; give each a file of its own.")
    if args.command == "export-label-studio":
        return _export(args, emit, say)
    data = _read(args.file)
    typed = getattr(args, "fields", None)
    fields = [name.strip() for name in typed.split(",")] if typed else []
    if fields and len(fields) != 3:
        raise PreferenceError(
            "--fields needs three names, of prompt, left and right text, with commas between"
            f" them; {typed!r} has {len(fields)}."
        )
    explained = getattr(args, "choice_map", None)
    told: Record = {
        "fields": fields,
        "choice_map": parse_map(explained) if explained else None,
        "question": getattr(args, "question", None) or "",
    }
    if args.command == "import":
        report = import_preferences(data, args.file, **told)
    else:
        buckets = [name.strip() for name in args.buckets.split(",")] if args.buckets else []
        report = import_annotations(data, args.file, buckets=buckets, **told)
    report.checked()
    check_own_size(report)
    _write(args.out, (to_lines([pair.to_dict()]) for pair in report.pairs))
    if args.rankings:
        _write(args.rankings, (to_lines([ranking.to_dict()]) for ranking in report.rankings))
    emit(report.to_dict())
    tell(report, say)
    return 0


def check_own_size(report: ImportReport) -> None:
    """Raises ImportRefused where the rows would be more than ``run --preferences`` reads."""
    size = sum(
        len(text.encode("utf-8", "replace")) + text.count('"') + text.count("\\") + text.count("\n")
        for pair in report.pairs
        for text in (pair.prompt, pair.a, pair.b)
    )
    if size + 400 * len(report.pairs) > MAX_OWN_BYTES:
        raise ImportRefused(
            f"{report.filename} makes {len(report.pairs):,} pairs of {size // 2**20:,} MB, more"
            f" than the {MAX_OWN_BYTES // 2**20} MB that run reads: rankings repeat long texts."
            " Split it."
        )


def tell(report: ImportReport, say: Callable[[str], None]) -> None:
    """The report in words."""
    say(report.summary)
    for heading, rows in (("Left out", report.left_out), ("Repaired", report.repaired)):
        for row in rows[:MOST_SHOWN]:
            say(f"{heading}, {report.counted} {row.row}: {ended(row.why)}")
        if len(rows) > MOST_SHOWN:
            say(
                f"{heading}: {len(rows) - MOST_SHOWN:,} more; the JSON on standard output has them"
                " all."
            )
    for sentence in (*report.notes, *(f"Not kept: {sentence}" for sentence in report.lost)):
        say(sentence)


def _export(
    args: argparse.Namespace, emit: Callable[[dict], None], say: Callable[[str], None]
) -> int:
    brief = briefs.load(args.brief) if args.brief else None
    data = _read(args.file)
    if b'"candidates"' in data.split(b"\n", 1)[0]:
        kind = "ranker"
        if len(data) > MAX_BYTES:
            raise PreferenceError(f"{args.file} is larger than 2 MB. Split it.")
        try:
            items: list[Any] = [Ranking.from_dict(row) for row in from_lines(data, args.file)]
        except (BundleError, UnicodeDecodeError) as error:
            raise PreferenceError(str(error)) from error
    else:
        kind, items = "pairwise", read_preferences(args.file)
    tasks, lost = export_tasks(items, judged=not args.tasks_only)
    if (
        kind == "pairwise"
        and not args.tasks_only
        and len({(item.prompt, item.a, item.b) for item in items}) < len(tasks)
    ):
        lost.append(
            "Judgements of the same texts by one person are tasks of their own: Label Studio has"
            " one answer a person and task."
        )
    _write(args.out, [to_json(tasks)])
    if args.config:
        places = max(len(item.candidates) for item in items) if kind == "ranker" else 0
        _write(
            args.config, [labelling_config(kind, brief, places=min(places, len(PLACES))).encode()]
        )
    judgements = sum(len(task.get("annotations", ())) for task in tasks)
    emit(
        {
            "file": args.out,
            "format": f"Label Studio JSON, {kind.capitalize()}",
            "tasks": len(tasks),
            "annotations": judgements,
            "lost": lost,
        }
    )
    say(
        f"{args.out}: {len(tasks):,} tasks with {judgements:,} judgements. In Label Studio: create"
        " a project, paste the labelling config, press Import."
    )
    for sentence in lost:
        say(f"Not kept: {sentence}")
    return 0


def _read(path: str) -> bytes:
    """At most a byte more than the limit, so that a file of any size is refused at once."""
    try:
        with opened(path) as file:
            return file.read(MAX_BYTES + 1)
    except (PreferenceError, OSError) as error:
        raise ImportRefused(str(error)) from error


def _write(path: str, parts: Iterable[bytes]) -> None:
    """The whole file or nothing."""
    try:
        plain_files.put_file(Path(path), parts, plain_files.OTHERS)
    except BundleError as error:
        raise PreferenceError(str(error)) from error
