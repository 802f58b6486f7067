"""The command ``stage``: one part of the loop, from the folder of the part before into one of its
own. Each is a whole run as far as it came, so that a pipeline (DVC, Pachyderm, make) can keep, skip
and repeat parts; all five after each other are the command ``run``, number for number.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from rlhf_core.command_line import parts
from rlhf_core.command_line.inputs import judgements, opened, read_prompts, typed
from rlhf_core.command_line.run import where_it_stands
from rlhf_core.command_line.terminal import (
    DONE,
    INTERRUPTED,
    Interrupted,
    downloading,
    emit,
    say,
    stop_gently,
)
from rlhf_core.common.errors import BundleError, InputError
from rlhf_core.exchange import pipeline_params
from rlhf_core.exchange.pipeline_params import SCRIPTED_JUDGE, Params
from rlhf_core.session import asked, saving
from rlhf_core.session.state import Session
from rlhf_core.store import bundle, plain_files
from rlhf_core.store.formats import to_json

FIRST = "generate"


def stage(args: argparse.Namespace) -> int:
    params = pipeline_params.read(typed(args.params, "The name in --params"))
    out = Path(typed(args.out, "The name in --out"))
    if (args.before is None) != (args.name == FIRST):
        need = "begins anew and reads no --from" if args.name == FIRST else "wants --from FOLDER"
        raise InputError(f"The stage {args.name} {need}.")
    session = _begun(params, out) if args.name == FIRST else _taken_over(args.before, out)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_gently)
    _wake(session)
    last: dict = {}
    try:
        for last in _work(args.name, session, params):
            emit(last)
        session.status = "done"
        saving.save(session)
    except (Interrupted, KeyboardInterrupt):
        say(f"Interrupted. {where_it_stands(session)}")
        return INTERRUPTED
    except BaseException:
        where_it_stands(session)
        raise
    if args.metrics:
        plain = {key: v for key, v in last.items() if isinstance(v, int | float | str)}
        plain_files.put_file(Path(typed(args.metrics, "The name in --metrics")), to_json(plain))
    return DONE


def _begun(params: Params, out: Path) -> Session:
    """A new run: same settings, same id."""
    prompts = read_prompts(params.prompts, params.brief) if params.prompts else []
    about = [params.brief.to_dict(), params.model, params.seed, params.pairs, prompts]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]
    session = Session(params.brief, model_name=params.model, seed=params.seed, id=name)
    for prompt in prompts:
        asked.add_prompt(session, prompt)
    if not asked.training_prompts(session):
        raise InputError("There is no prompt to train on.")
    bundle.prepare_folder(out, session.id)
    session.directory, session.store = out, saving.Folder()
    return session


def _taken_over(before: str, out: Path) -> Session:
    """The run as the stage before left it, in a folder of this stage's own."""
    opened(before)  # what is wrong with it is said before anything is copied
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BundleError(f"{out} is there already and holds something; choose another place.")
    try:
        shutil.copytree(before, out, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(out, ignore_errors=True)
        cause = error if isinstance(error, OSError) else OSError(str(error))
        raise plain_files.no_room(out, cause) from error
    session = saving.load(out)
    session.directory, session.store = out, saving.Folder()
    return session


def _wake(session: Session) -> None:
    import torch

    from rlhf_core.lm import language_model
    from rlhf_core.loop import workbench

    language_model.load(session.model_name, downloading)
    workbench.ready(session)
    _note(session, threads=torch.get_num_threads())


def _note(session: Session, **values: int) -> None:
    """What ``replay`` holds the run to."""
    kept = session.settings.get("run") or {}
    session.settings = {**session.settings, "run": {**kept, **values}}


def _work(name: str, session: Session, params: Params) -> Iterator[dict]:
    if name == FIRST:
        _note(session, comparisons=params.pairs, steps=0)
        yield from parts.generate(session, params.pairs)
    elif name == "rank":
        yield from _rank(session, params)
    elif name == "reward":
        yield from parts.reward(session, params.reward)
    elif name == "ppo":
        _note(session, steps=params.ppo.steps)
        yield from parts.ppo(session, params.ppo)
    else:
        yield from parts.evaluate(session, params.answers)


def _rank(session: Session, params: Params) -> Iterator[dict]:
    if params.judge != SCRIPTED_JUDGE:
        pairs, source = judgements(params.judge, session.asked.brief)
        with session.change():
            session.judged.imported, session.judged.imports = pairs, [source]
        _note(session, comparisons=len(pairs))
        yield parts.who_judged(session)
        return
    if session.asked.brief.wanted is None:
        raise InputError(
            "The brief has no scripted rater: name a file of judgements in rank.judge."
        )
    yield from parts.rank(session, session.settings["run"]["comparisons"])
