"""What was typed, and the files that it names, read and checked. Imports no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from rlhf_core.command_line.terminal import say
from rlhf_core.common.errors import InputError
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair, nothing_to_learn, read_preferences
from rlhf_core.judging.typed import check_prompt
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
        if Path(path).stat().st_size > MOST_FILE_BYTES:
            raise InputError(f"The prompts file {path} is larger than 1 MB.")
        lines = Path(path).read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
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


def read_pairs(args: argparse.Namespace, brief: briefs.Brief) -> list[Pair]:
    """The judgements of --preferences that training may see. Raises PreferenceError, InputError."""
    pairs = read_preferences(args.preferences)
    kept = [pair for pair in pairs if pair.prompt not in brief.evaluation_prompts]
    if len(kept) < len(pairs):
        say(
            f"{len(pairs) - len(kept)} of the {len(pairs)} comparisons are about prompts that the"
            " brief keeps for the verdict; they are left out."
        )
    if args.comparisons and args.comparisons < len(kept):
        say(f"The first {args.comparisons} of {len(kept)} comparisons are used.")
        kept = kept[: args.comparisons]
    if reason := nothing_to_learn(kept):
        raise InputError(f"There is no taste to learn from in {args.preferences}: {reason}.")
    return kept


def opened(directory: str) -> Session:
    """A session from a bundle. BundleError names the folder."""
    session = saving.load(typed(directory, "The name of the bundle"))
    if session.note:
        say(session.note)
    return session
