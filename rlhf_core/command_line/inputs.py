"""What was typed, and the files that it names, read and checked. Imports no torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rlhf_core.command_line.terminal import say
from rlhf_core.common.errors import BundleError, InputError, PreferenceError
from rlhf_core.exchange import commands, taking_in
from rlhf_core.judging import briefs
from rlhf_core.judging.own_files import opened as opened_file
from rlhf_core.judging.preferences import (
    CHOICES,
    MAX_BYTES,
    MAX_OWN_BYTES,
    Pair,
    nothing_to_learn,
    read_preferences,
)
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm import model_list
from rlhf_core.session import saving
from rlhf_core.session.state import Session

MOST_FILE_BYTES = 1_000_000


def typed(text: str, where: str) -> str:
    """``text`` where it is text. Raises InputError naming ``where``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{where} is not UTF-8 text.") from error
    return text


def read_prompts(path: str, brief: briefs.Brief) -> list[str]:
    """Prompts from a file, one a line; evaluation prompts are left out, and said so. Raises
    InputError naming the line.
    """
    try:
        with opened_file(path, "The prompts file ") as file:
            data = file.read(MOST_FILE_BYTES + 1)
        if len(data) > MOST_FILE_BYTES:
            raise InputError(f"The prompts file {path} is larger than 1 MB.")
        lines = data.decode("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        if isinstance(error, PreferenceError):
            raise InputError(str(error)) from error
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, UnicodeDecodeError):
            reason = "it is not UTF-8 text"
        raise InputError(f"The prompts file {path} cannot be read: {reason}.") from error
    prompts = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                prompts.append(check_prompt(line))
            except InputError as error:
                raise InputError(f"{path} line {number}: {error}") from error
    if not prompts:
        raise InputError(f"The prompts file {path} holds no prompts.")
    kept = [prompt for prompt in prompts if prompt not in brief.evaluation_prompts]
    if len(kept) < len(prompts):
        say(
            f"{len(prompts) - len(kept)} of the prompts in {path} are kept for the verdict by the"
            " brief, so they are not trained on."
        )
    return list(dict.fromkeys(kept))


def _read_or_import(path: str) -> tuple[list[Pair], dict]:
    """Pairs from our own rows; another tool's file is imported, and said. With them what the paper
    trail keeps of the file (``taking_in.about_file``). Raises InputError.
    """
    with opened_file(path, "The preferences file ") as file:
        begins = file.read(MAX_BYTES + 1)
    if is_ours(begins):
        return _own(path)
    try:
        report = taking_in.read(begins, path)
    except PreferenceError as error:
        if meant_as_ours(begins, path):
            return _own(path)  # whose error names the line
        raise InputError(
            f"{path} holds no rows of Opossum's own, and import cannot read it either: {error}"
        ) from error
    say(f"{path} holds no rows of Opossum's own; it was read as import reads it.")
    commands.tell(report, say)
    return report.pairs, taking_in.about_file(begins, report.to_dict())


def _own(path: str) -> tuple[list[Pair], dict]:
    """A file of our own rows, which is read as it stands. Raises PreferenceError."""
    pairs = read_preferences(path)
    with opened_file(path, "The preferences file ") as file:
        data = file.read(MAX_OWN_BYTES + 1)
    report = {"format": "Opossum's own rows", "read": len(pairs), "repaired": [], "left_out": []}
    return pairs, taking_in.about_file(data, report)


def _first_row(data: bytes) -> object:
    """What the first line that is not empty holds; ... where it is no JSON."""
    first = data.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    try:
        return json.loads(first)
    except (ValueError, RecursionError):
        return ...


def is_ours(data: bytes) -> bool:
    """Does a file begin as ours do, with a JSON line of prompt, a, b, choice, or as TRL's, with
    prompt, chosen, rejected as texts? An empty one is taken for ours: its errors name lines.
    """
    row = _first_row(data)
    if not data.strip():
        return True
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        return False
    names = set(row)
    if not names <= {*Pair.__dataclass_fields__, "chosen", "rejected"}:
        return False
    if {"a", "b", "choice"} <= names:
        return row["choice"] in CHOICES
    return all(isinstance(row.get(name), str) for name in ("chosen", "rejected"))


def meant_as_ours(data: bytes, path: str) -> bool:
    """Of a file that cannot be read: were these to be rows of ours?"""
    row = _first_row(data)
    if isinstance(row, dict):
        return {"prompt", "a", "b", "choice"} <= set(row) <= set(Pair.__dataclass_fields__)
    return path.endswith(".jsonl") and not (
        isinstance(row, list) and bool(row) and isinstance(row[0], dict)
    )


def read_pairs(args: argparse.Namespace, brief: briefs.Brief) -> tuple[list[Pair], dict]:
    """The judgements of --preferences that training may see, and what the paper trail keeps of the
    file. Raises PreferenceError, InputError.
    """
    return judgements(args.preferences, brief, args.comparisons, args.model)


def judgements(
    path: str, brief: briefs.Brief, most: int | None = None, model: str = model_list.BUNDLED
) -> tuple[list[Pair], dict]:
    """``read_pairs`` of any file; ``most``: the first so many."""
    pairs, about = _read_or_import(path)
    kept = [pair for pair in pairs if pair.prompt not in brief.evaluation_prompts]
    reasons = {"about prompts that the brief keeps for the verdict": len(pairs) - len(kept)}
    if len(kept) < len(pairs):
        say(
            f"{len(pairs) - len(kept)} of the {len(pairs)} comparisons are about prompts that the"
            " brief keeps for the verdict; they are left out."
        )
    if most and most < len(kept):
        say(f"The first {most} of {len(kept)} comparisons are used.")
        reasons["behind the first that --comparisons asked for"] = len(kept) - most
        kept = kept[:most]
    for sentence in taking_in.about_the_brief(kept, brief, model == model_list.BUNDLED):
        say(sentence)
    if reason := nothing_to_learn(kept):
        raise InputError(f"There is no taste to learn from in {path}: {reason}.")
    left_out = about["left_out"] | {why: count for why, count in reasons.items() if count}
    row = {"file": Path(path).name, "pairs": len(kept)}
    return kept, row | about | {"left_out": left_out}


def opened(directory: str) -> Session:
    """A session from a bundle. BundleError names the folder."""
    session = saving.load(typed(directory, "The name of the bundle"))
    if session.note:
        say(session.note)
    return session


def new_place(args: argparse.Namespace) -> Path:
    """``--out``: not the run itself, and in a folder that is there. Raises InputError,
    BundleError.
    """
    out = Path(typed(args.out, "The name in --out"))
    if not out.parent.is_dir():
        raise InputError(f"{out} cannot be written: its folder does not exist.")
    if out.resolve() == Path(args.bundle).resolve():
        raise BundleError(f"{out} is the run itself; choose another place.")
    return out
