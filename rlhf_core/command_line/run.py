"""The command ``run``: the whole loop, from judgements to before and after, into a bundle."""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rlhf_core.command_line import parts
from rlhf_core.command_line.inputs import read_pairs, read_prompts, typed
from rlhf_core.command_line.terminal import (
    DONE,
    INTERRUPTED,
    Failed,
    Interrupted,
    downloading,
    emit,
    say,
    stop_gently,
)
from rlhf_core.common.errors import BundleError, InputError
from rlhf_core.common.known import known
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.session import asked, judged, saving
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.store import bundle
from rlhf_core.store.card import holds


def run(args: argparse.Namespace) -> int:
    # 1. Check all that was typed, before anything is loaded or written.
    brief = briefs.load(typed(args.brief, "The brief's name"))
    if args.brief.endswith(".json") and not args.preferences:
        raise InputError(
            f"The brief in {args.brief} has no scripted rater: somebody has to judge. Give"
            " judgements with --preferences FILE.jsonl."
        )
    settings = PPOSettings(
        steps=args.steps, beta=args.beta, conservative=args.conservative, seed=args.seed
    ).validate()
    prompts = read_prompts(args.prompts, brief) if args.prompts else []
    pairs, source = read_pairs(args, brief) if args.preferences else ([], None)
    comparisons = len(pairs) or args.comparisons or 30
    wanted = {"comparisons": comparisons, "steps": args.steps}

    # 2. The folder: fresh, or one with this very run in it (same input, same id), which then
    # starts again.
    identity = [brief.to_dict(), args.model, args.seed, args.beta, wanted, prompts]
    identity += [[pair.to_dict() for pair in pairs]]
    if args.conservative:  # else a run keeps the id that it had before this option came
        identity += [args.conservative]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
    session = Session(brief, model_name=args.model, seed=args.seed, id=name)
    session.settings, session.judged.imported = {"run": wanted}, pairs
    session.judged.imports = [source] if source else []
    for prompt in prompts:
        asked.add_prompt(session, prompt)
    if not asked.training_prompts(session):
        raise InputError("There is no prompt to train on.")
    fresh = not Path(args.out).exists()
    former = bundle.prepare_folder(args.out, session.id)
    if former and bundle.read_bundle(args.out, tensors=False)["run"]["status"] == "running":
        raise InputError(
            f"The folder {args.out} is in use: this run is going on there right now, in another"
            " process."
        )
    if former:
        say(
            f"{args.out} holds this very run ({former['status']}); it starts again from the"
            " beginning."
        )
    session.directory, session.store = Path(args.out), saving.Folder()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_gently)
    try:
        import torch

        from rlhf_core.lm import language_model
        from rlhf_core.loop import workbench

        language_model.load(args.model, downloading)
        workbench.ready(session)
        # Sums round differently with another number of threads.
        wanted["threads"] = torch.get_num_threads()
    except BaseException:
        if fresh:
            with suppress(OSError):
                session.directory.rmdir()
        raise

    # 3. The loop. Whatever happens, the folder then says how far it came.
    by_whom = f"a {SCRIPTED}: a rule in the program, no person"
    if pairs:
        count = "one comparison" if len(pairs) == 1 else f"{len(pairs)} comparisons"
        by_whom = f"the {count} in {args.preferences}"
    say(f"Judged by: {by_whom}.")
    try:
        saving.save(session)
        for record in loop(session, settings, comparisons, scripted=not pairs):
            emit(record)
            if session.save_problem:
                # It may have been for a moment only; else it says now, in one sentence, what is
                # wrong.
                saving.save(session)
        session.status = "done"
        saving.save(session)
    except (Interrupted, KeyboardInterrupt):
        say(f"Interrupted. {where_it_stands(session)}")
        return INTERRUPTED
    except BundleError as error:
        raise Failed(str(error)) from error
    except BaseException:
        where_it_stands(session)
        raise
    where = {"path": str(args.out), "status": "done", "judge": judged.rater(session)}
    emit({"kind": "bundle", **where})
    return DONE


def loop(
    session: Session, settings: PPOSettings, comparisons: int, *, scripted: bool
) -> Iterator[dict]:
    """The parts of the loop in order; yields what standard output shows of each."""
    if scripted:
        for _ in parts.generate(session, comparisons):
            pass
        yield from parts.rank(session, comparisons)
    else:
        yield parts.who_judged(session)
    yield from parts.reward(session, RewardModelSettings(seed=session.seed))
    yield from parts.ppo(session, settings)
    yield from parts.evaluate(session)


def where_it_stands(session: Session) -> str:
    """Save a run that did not come to its end as what it is; a sentence on what its folder
    holds.
    """
    session.status = "interrupted"
    try:
        saving.save(session)
        contents = bundle.read_bundle(known(session.directory), tensors=False)
        return (
            f"The bundle in {session.directory} says so, and holds"
            f" {holds(contents['run'], contents, list(contents['run']['files']))}."
        )
    except BundleError as error:
        return f"{error} What {session.directory} holds is from the last complete save."
