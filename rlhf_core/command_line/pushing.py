"""The commands ``push-dataset``, ``push-model`` and ``push-reward-model``: what the ``export-``
commands write, to the Hugging Face hub instead.

The token is no argument: whoever lists processes, or the shell's history, would have it.
"""

from __future__ import annotations

import argparse
import getpass
import signal
import sys
import tempfile
from pathlib import Path

from rlhf_core.command_line import taking_home
from rlhf_core.command_line.inputs import typed
from rlhf_core.command_line.terminal import BAR, DONE, INTERRUPTED, emit, say
from rlhf_core.common.errors import HubError, InputError
from rlhf_core.exchange import hub_push
from rlhf_core.exchange.hub_push import Target
from rlhf_core.session import paper
from rlhf_core.store import plain_files

PAGE = "the hub's page Settings, Access Tokens"


def push_dataset(args: argparse.Namespace) -> int:
    return _push(args, "dataset", "dataset")


def push_model(args: argparse.Namespace) -> int:
    return _push(args, "model", "model")


def push_reward_model(args: argparse.Namespace) -> int:
    return _push(args, "reward", "model")


def _push(args: argparse.Namespace, what: str, kind: str) -> int:
    target = Target(typed(args.to, "The name in --to"), kind, args.public, args.update)
    hub_push.check(target, "hf_to_be_asked_for")  # the name, before anything is made
    session = taking_home.session_of(args)
    with tempfile.TemporaryDirectory(prefix="opossum-") as place:
        folder = Path(place) / "files"
        try:
            folder.mkdir()
            taking_home.fill(session, what, folder)
        except OSError as error:
            raise plain_files.no_room(folder, error) from error
        if not paper.said(session)["licence"]:
            say("No licence was chosen (--license): nobody may use what has none.")
        # Ctrl-C ends a request that waits; what lies on the hub then is said.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            told = hub_push.push(folder, target, _token(), _tell)
        except HubError as error:
            if not error.stopped:
                raise
            say(str(error))
            return INTERRUPTED
        finally:
            BAR.clear()
    emit(told)
    seen = {None: "as visible as before", True: "public", False: "private"}[told["public"]]
    say(f"{told['url']}: {told['files']} files, {told['bytes'] / 1e6:,.1f} MB, {seen}.")
    return DONE


def _tell(stage: str, done: int, total: int, _: str) -> None:
    if stage == hub_push.SENDING:
        BAR.show("Sending", done, total, f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB")
    else:
        BAR.show(stage.capitalize(), 0, None)


def _token() -> str:
    """Of the environment, of ``hf auth login``, or typed here. Raises InputError."""
    from huggingface_hub import get_token

    if found := get_token():
        return found
    if not sys.stdin.isatty():
        raise InputError(
            "The hub wants a token with the right to write: set HF_TOKEN, or `hf auth login` first"
            f" (you make one on {PAGE})."
        )
    return getpass.getpass(f"Token ({PAGE}; it is not kept): ")
