"""The same loop without a browser: ``python -m rlhf_core generate | run | score | replay |
benchmark``, and ``exchange``'s commands.

Standard output is data (JSON lines), standard error is progress and complaints. Exit status: 0
done; 1 it did not come out as asked (a replay that differs, a training that broke, a full disk); 2
bad input, with one line that names what is wrong and where; 130 interrupted. Draws no conclusions
of its own: what is computed is ``rlhf_core.session.state``'s and ``rlhf_core.loop.replay``'s.
Imports no torch before the input has been checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings, SamplingSettings
from rlhf_core.exchange import commands
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair, nothing_to_learn, read_preferences
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm import model_list, texts
from rlhf_core.loop import comparing, reward, scripted_rater, tuning, writing
from rlhf_core.session import asked, judged, saving, weights
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.store import bundle
from rlhf_core.store.card import holds
from rlhf_core.work.running import kept

ROOT = Path(__file__).resolve().parent.parent
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
MODEL_HELP = (
    "bundled (default, or what OPOSSUM_MODEL says), distilgpt2, gpt2 or another model on the list,"
    " or a folder in Hugging Face layout"
)
PARTS_HELP = "machine, step, busy, trl, scaling, reward, loop or page (default: all but page)"
MOST_COMPARISONS, MOST_ANSWERS, MOST_FILE_BYTES = 5_000, 256, 1_000_000


class Interrupted(Exception):
    """Somebody pressed Ctrl-C, or the system asked the process to end."""


class Failed(RuntimeError):
    """The input was good, and still it did not come out; the message says why in one sentence."""


# --- what was typed -------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """argparse with one line for an error instead of the usage text."""

    def error(self, message: str):
        self.exit(BAD_INPUT, f"error: {' '.join(message.split())} (see {self.prog} --help)\n")


def whole(low: int, high: int):
    """An argparse type: a whole number in a range."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number") from error
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{text[:40]} is out of range; it must lie between {low} and {high:,}"
            )
        return value

    return read


def finite(text: str) -> float:
    """An argparse type: a finite number from 0."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number") from error
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(
            f"{text[:40]} does not work; it must be a finite number from 0"
        )
    return value


def parser() -> Parser:
    top = Parser(
        prog="python -m rlhf_core",
        description=(
            "Reinforcement learning from human feedback on a small language model, without a"
            " browser."
        ),
        allow_abbrev=False,
    )
    parsers = top.add_subparsers(
        dest="command",
        required=True,
        metavar=" | ".join(("generate", "run", "score", "replay", "benchmark", *commands.COMMANDS)),
    )
    seed, ppo, sampling = whole(0, 2**31 - 1), PPOSettings(), SamplingSettings()

    generate = parsers.add_parser("generate", help="write answers to a prompt", allow_abbrev=False)
    generate.add_argument(
        "--prompt", required=True, help="how the text begins, for example: An opossum is"
    )
    generate.add_argument(
        "-n",
        type=whole(1, MOST_ANSWERS),
        default=sampling.candidates,
        metavar="K",
        help="how many answers (default %(default)s)",
    )
    generate.add_argument(
        "--max-new-tokens",
        type=whole(1, 64),
        default=sampling.max_new_tokens,
        metavar="N",
        help="longest answer (default %(default)s)",
    )
    generate.add_argument(
        "--seed", type=seed, default=0, help="same seed, same answers (default 0)"
    )
    writer = generate.add_mutually_exclusive_group()
    writer.add_argument("--model", default=model_list.default(), help=MODEL_HELP)
    writer.add_argument("--bundle", metavar="DIR", help="write with the tuned model of a run")

    run = parsers.add_parser(
        "run",
        help="the whole loop: write, judge, reward model, PPO, before and after",
        allow_abbrev=False,
    )
    run.add_argument("--brief", required=True, help=f"{', '.join(briefs.PRESETS)}, or a .json file")
    run.add_argument("--prompts", metavar="FILE", help="more prompts to train on, one a line")
    run.add_argument(
        "--comparisons",
        type=whole(1, MOST_COMPARISONS),
        metavar="N",
        help="judged pairs (default 30; with --preferences: all of the file)",
    )
    run.add_argument(
        "--steps",
        type=whole(1, 200),
        default=ppo.steps,
        metavar="N",
        help="PPO steps (default %(default)s)",
    )
    run.add_argument(
        "--beta",
        type=finite,
        default=ppo.beta,
        help="price of drift from the original model (default %(default)s)",
    )
    run.add_argument(
        "--conservative",
        type=finite,
        default=ppo.conservative,
        metavar="K",
        help="take K times the reward model's own doubt off each score (default %(default)s)",
    )
    run.add_argument("--seed", type=seed, default=0, help="same seed, same run (default 0)")
    run.add_argument("--model", default=model_list.default(), help=MODEL_HELP)
    run.add_argument(
        "--preferences",
        metavar="FILE.jsonl",
        help=(
            "judgements to use instead of the scripted rater's: prompt, a, b, choice, or prompt,"
            " chosen, rejected"
        ),
    )
    run.add_argument("--out", required=True, metavar="DIR", help="where the bundle goes")

    score = parsers.add_parser(
        "score", help="score texts with the reward model of a run", allow_abbrev=False
    )
    score.add_argument("--bundle", required=True, metavar="DIR", help="the folder of a run")
    score.add_argument("--prompt", required=True)
    score.add_argument(
        "--text",
        required=True,
        action="append",
        help=(
            "an answer, as it stands behind the prompt (with its leading space); may be given again"
        ),
    )

    again = parsers.add_parser(
        "replay", help="run a bundle again: same seeds, same numbers?", allow_abbrev=False
    )
    again.add_argument("bundle", metavar="DIR", help="the folder of a run")

    bench = parsers.add_parser(
        "benchmark",
        help="how fast it is on this machine, beside TRL and beside what the processor can do",
        allow_abbrev=False,
    )
    bench.add_argument(
        "--quick",
        action="store_true",
        help="tiny models, one round: whether it runs, not what it measures",
    )
    bench.add_argument("part", nargs="?", metavar="PART", help=PARTS_HELP)
    bench.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="options of the part; see benchmark PART --help",
    )
    commands.add_parsers(parsers)
    return top


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
        reason = (
            "it is not UTF-8 text"
            if isinstance(error, UnicodeDecodeError)
            else getattr(error, "strerror", None) or error
        )
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


# --- what is said ---------------------------------------------------------------------------------


def emit(record: dict) -> None:
    """One line of data."""
    print(json.dumps(record, ensure_ascii=False), flush=True)


def say(sentence: str) -> None:
    """One line for a person."""
    BAR.clear()
    print(sentence, file=sys.stderr, flush=True)


class Bar:
    """A progress bar on standard error; where that is no terminal, a line a stage."""

    WIDTH = 24

    def __init__(self):
        self.label, self.drawn, self.shown = "", 0.0, False

    def show(self, label: str, done: float, total: float | None, detail: str = "") -> None:
        new, now = label != self.label, time.monotonic()
        self.label = label
        if not sys.stderr.isatty():
            if new:
                print(f"{label} ...", file=sys.stderr, flush=True)
            return
        if not new and now - self.drawn < 0.1:
            return
        share = min(1.0, done / total) if total else 0.0
        filled = round(share * self.WIDTH)
        line = f"{label:<22.22} [{'#' * filled}{'.' * (self.WIDTH - filled)}] {share:4.0%} {detail}"
        print(
            f"\r{line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]}\x1b[K",
            end="",
            file=sys.stderr,
            flush=True,
        )
        self.drawn, self.shown = now, True

    def clear(self) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self.shown = False


BAR = Bar()


def downloading(done: int, total: int) -> None:
    """A file is coming from the hub."""
    BAR.show("Downloading", done, total, f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


_asked_to_stop = False


def stop_gently(number, frame) -> None:
    """Signal handler: the run ends at its next yield; a second Ctrl-C does not wait for that."""
    global _asked_to_stop
    if _asked_to_stop:
        raise KeyboardInterrupt
    _asked_to_stop = True


def drive(label: str, work: Iterator, total: int | None = None) -> Iterator[dict]:
    """The records of ``work``, with its progress on the bar. Raises Interrupted at the next yield
    after a signal.

    ``total`` is the number of records, where that is a better measure than each stage's own.
    """
    count = 0
    BAR.show(label, 0, total)
    try:
        for item in work:
            if _asked_to_stop:
                raise Interrupted
            if isinstance(item, Progress):
                part = item.done / item.total if item.total else 0.0
                BAR.show(label, count if total else part, total or 1, item.stage)
            else:
                count += 1
                yield item
    finally:
        work.close()
        BAR.clear()


# --- the commands ---------------------------------------------------------------------------------


def generate(args: argparse.Namespace) -> int:
    prompt = check_prompt(typed(args.prompt, "The prompt"))
    session = opened(args.bundle) if args.bundle else Session(model_name=args.model)
    if args.bundle and not weights.now(session):
        raise InputError(
            f"The bundle {args.bundle} holds no tuned model yet: its run had no finished PPO step."
        )
    import torch

    from rlhf_core.lm import language_model
    from rlhf_core.lm.sampling import (
        decode,
        decode_texts,
        response_forward,
        token_logprobs,
        uniform_numbers,
    )
    from rlhf_core.loop import workbench

    language_model.load(session.model_name, downloading)
    lm = workbench.ready(session)
    ids = texts.encode_prompt(lm, prompt, args.max_new_tokens)
    trunk = workbench.trunk_with(lm, workbench.tuned_of(session))
    uniforms = uniform_numbers(
        args.n, args.max_new_tokens, torch.Generator().manual_seed(args.seed)
    )
    work = decode(
        trunk,
        [ids],
        uniforms=uniforms,
        end_id=lm.end_id,
        pad_id=lm.pad_id,
        samples=args.n,
        temperature=SamplingSettings().temperature,
    )
    responses = None
    for count, responses in enumerate(work, 1):  # noqa: B007
        BAR.show("Writing", count, args.max_new_tokens)
    BAR.clear()
    for row, text in enumerate(decode_texts(lm, responses)):
        tokens, mask = responses.tokens[row : row + 1], responses.mask[row : row + 1]
        with (
            torch.no_grad()
        ):  # the model's own log-probabilities: at temperature 1, as score gives them
            before, _ = response_forward(
                trunk,
                responses.prompt_ids[row : row + 1],
                responses.prompt_mask[row : row + 1],
                tokens,
                mask,
            )
            log_p = token_logprobs(trunk.logits(before).log_softmax(-1), tokens)[mask].tolist()
        pieces = [
            {"id": i, "token": lm.piece(i), "logprob": value}
            for i, value in zip(tokens[mask].tolist(), log_p, strict=True)
        ]
        emit({"text": text, "logprob": sum(log_p), "tokens": pieces})
    return DONE


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
    pairs = read_pairs(args, brief) if args.preferences else []
    comparisons = len(pairs) or args.comparisons or 30
    wanted = {"comparisons": comparisons, "steps": args.steps}

    # 2. The folder: fresh, or one with this very run in it (same input, same id), which then starts
    # again.
    identity = [
        brief.to_dict(),
        args.model,
        args.seed,
        args.beta,
        wanted,
        prompts,
        [pair.to_dict() for pair in pairs],
    ]
    identity += [args.conservative] * bool(
        args.conservative
    )  # nothing where it is off: such runs keep the id that they had before it came
    session = Session(
        brief,
        model_name=args.model,
        seed=args.seed,
        id=hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24],
    )
    session.settings, session.judged.imported = {"run": wanted}, pairs
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
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), stop_gently)
    try:
        import torch

        from rlhf_core.lm import language_model
        from rlhf_core.loop import workbench

        language_model.load(args.model, downloading)
        workbench.ready(session)
        wanted["threads"] = (
            torch.get_num_threads()
        )  # sums round differently with another number of threads
    except BaseException:
        if fresh:
            with suppress(OSError):
                session.directory.rmdir()
        raise

    # 3. The loop. Whatever happens, the folder then says how far it came.
    by_whom = (
        f"the {'one comparison' if len(pairs) == 1 else f'{len(pairs)} comparisons'} in"
        f" {args.preferences}"
    )
    say(f"Judged by: {by_whom if pairs else f'a {SCRIPTED}: a rule in the program, no person'}.")
    try:
        saving.save(session)
        for record in loop(session, settings, comparisons, scripted=not pairs):
            emit(record)
            if session.save_problem:
                # it may have been for a moment only; else it says now, in one sentence, what is
                # wrong
                saving.save(session)
        session.status = "done"
        saving.save(session)
    except (Interrupted, KeyboardInterrupt):
        say(f"Interrupted. {where_it_stands(session)}")
        return INTERRUPTED
    except bundle.BundleError as error:
        raise Failed(str(error)) from error
    except BaseException:
        where_it_stands(session)
        raise
    emit(
        {"kind": "bundle", "path": str(args.out), "status": "done", "judge": judged.rater(session)}
    )
    return DONE


def loop(
    session: Session, settings: PPOSettings, comparisons: int, *, scripted: bool
) -> Iterator[dict]:
    """The steps of the loop in order; yields what standard output shows of each."""
    if scripted:
        for _ in drive(
            "Writing pairs", kept(session, writing.generate_pool(session, comparisons, 2))
        ):
            pass
        for _ in drive(
            "Judging",
            kept(session, scripted_rater.judge_for_me(session, comparisons, 2)),
            comparisons,
        ):
            pass
    yield {
        "kind": "judged",
        "comparisons": len(judged.pairs(session)),
        "judge": judged.rater(session),
    }
    for _ in drive(
        "Reward model",
        kept(session, reward.fit_reward_model(session, RewardModelSettings(seed=session.seed))),
    ):
        pass
    yield {
        "kind": "reward_model",
        **{key: value for key, value in session.learned.summary.items() if key != "examples"},
    }
    for row in drive("PPO", kept(session, tuning.ppo(session, settings)), settings.steps + 1):
        say(
            f"PPO step {row['step']:>3} of {settings.steps}: reward {row['reward_mean']:+.2f}, KL"
            f" to reference {row['kl_to_reference']:.2f} nats"
        )
        yield {"kind": "step", **row}
    for row in drive("Before and after", kept(session, comparing.evaluate(session))):
        say(row["conclusion"])
        yield {**row, "kind": "evaluation"}


def where_it_stands(session: Session) -> str:
    """Save a run that did not come to its end as what it is; a sentence on what its folder holds."""
    session.status = "interrupted"
    try:
        saving.save(session)
        contents = bundle.read_bundle(session.directory, tensors=False)
        return (
            f"The bundle in {session.directory} says so, and holds"
            f" {holds(contents['run'], contents, list(contents['run']['files']))}."
        )
    except bundle.BundleError as error:
        return f"{error} What {session.directory} holds is from the last complete save."


def score(args: argparse.Namespace) -> int:
    prompt = check_prompt(typed(args.prompt, "The prompt"))
    for number, text in enumerate(args.text, 1):
        if not typed(text, f"Text {number}").strip():
            raise InputError(f"Text {number} is empty: there is nothing to score.")
        if len(text) > 10_000:
            raise InputError(
                f"Text {number} has {len(text):,} characters; at most 10,000 can be scored."
            )
    session = opened(args.bundle)
    if not session.learned.head:
        raise InputError(f"The bundle {args.bundle} holds no reward model yet.")

    try:
        rows = list(reward.score_texts(session, prompt, args.text))
    except (
        KeyError,
        IndexError,
        RuntimeError,
    ) as error:  # a stranger's bundle: tensors that are missing, or of another shape
        raise bundle.BundleError(
            f"reward_model.safetensors in {args.bundle} is not a reward model for"
            f" {session.model_name!r} ({error})."
        ) from error
    for row in rows:
        if not math.isfinite(row["reward"]):
            raise InputError(
                f"The reward model in {args.bundle} gives no finite score: its weights are damaged."
            )
        emit({key: row[key] for key in ("text", "reward", "reference_logprob", "uncertainty")})
    for number, text in enumerate(args.text, 1):
        if not text[0].isspace():
            say(
                f"Note: text {number} does not begin with a space, so it was scored as if glued to"
                " the prompt."
            )
    return DONE


def replay(args: argparse.Namespace) -> int:
    from rlhf_core.loop.replay import replay as run_again

    try:
        session = opened(args.bundle)
        stored = bundle.read_bundle(
            args.bundle
        )  # with the weights, which are checked against their checksums
    except bundle.ChangedError as error:
        emit(
            {
                "where": str(error).split()[0],
                "name": "checksum",
                "saved": "as run.json says",
                "now": "changed",
            }
        )
        say(f"Not the same: {error}")
        return FAILED
    versions = stored["run"].get("versions", {})
    others = {
        name: version
        for name, version in bundle.package_versions().items()
        if versions.get(name) != version
    }
    if others:
        say(
            "Made with other versions: "
            + ", ".join(
                f"{name} {versions.get(name, '?')} there, {version} here"
                for name, version in others.items()
            )
            + "."
        )
    import torch

    from rlhf_core.lm import language_model  # noqa: F401 (it sets the number of threads, once)

    threads = session.settings.get("run", {}).get("threads")
    if isinstance(threads, int) and 1 <= threads <= 256:
        torch.set_num_threads(threads)
    different = 0
    for record in drive("Replaying", run_again(session, stored["tensors"])):
        if record.get("kind") == "replayed":
            emit(
                {
                    "kind": "replayed",
                    "same": not different,
                    "compared": record["compared"],
                    "different": different,
                    "judged_again": record["judged_again"],
                }
            )
            if not different:
                people = (
                    ""
                    if record["judged_again"]
                    else "; the recorded judgements were used, because a person cannot be run again"
                )
                say(f"Same seeds, same numbers: {record['compared']:,} values compared{people}.")
        else:
            different += 1
            emit(record)
    if different:
        say(f"{different:,} values differ.")
    return FAILED if different else DONE


def benchmark(args: argparse.Namespace) -> int:
    """Hand over to ``python -m benchmarks``; what it says and its exit code are ours."""
    if not (ROOT / "benchmarks" / "__main__.py").is_file():
        raise InputError(f"There is no folder benchmarks beside rlhf_core, in {ROOT}.")
    command = [sys.executable, "-P", "-m", "benchmarks", "--no-page", *["--quick"] * args.quick]
    command += [] if args.part is None else [args.part, *args.options]
    # -P and the path: the folder beside this file's, whatever the shell's own folder holds.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        status = process.wait()
    except KeyboardInterrupt:  # the terminal has told that process too
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return status if status >= 0 else 128 - status  # ended by a signal: as a shell counts it


def opened(directory: str) -> Session:
    """A session from a bundle. BundleError names the folder."""
    session = saving.load(typed(directory, "The name of the bundle"))
    if session.status == "interrupted" and session.note:
        say(session.note)
    return session


def main(arguments: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    for name in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS"):  # the only bar is ours
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    args = parser().parse_args(arguments)
    try:
        if args.command in commands.COMMANDS:
            return commands.run_command(args, emit, say)
        return {
            "generate": generate,
            "run": run,
            "score": score,
            "replay": replay,
            "benchmark": benchmark,
        }[args.command](args)
    except (KeyboardInterrupt, Interrupted):
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, RuntimeError) as error:
        if not type(error).__module__.startswith(
            ("rlhf_core", "__main__")
        ):  # a bug of ours: show where
            raise
        say(f"error: {' '.join(str(error).split())}")
        return BAD_INPUT if isinstance(error, ValueError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
