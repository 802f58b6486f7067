"""What may be typed: the commands and their options. Imports no torch."""

from __future__ import annotations

import argparse
import difflib
import math

from rlhf_core.command_line.terminal import BAD_INPUT
from rlhf_core.common.knob import describe
from rlhf_core.common.settings import PPOSettings, SamplingSettings
from rlhf_core.common.source import VERSION, commit, engine_version
from rlhf_core.exchange import commands, pipeline_params
from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session.paper import PAY

MODEL_HELP = (
    "bundled (default, or what OPOSSUM_MODEL says), smollm2 (make smollm2 installs it), distilgpt2,"
    " gpt2 or another model on the list, or a folder in Hugging Face layout"
)
PARTS_HELP = (
    "machine, step, busy, trl, memory, scaling, reward, gold, hack, goodhart, null, loop or page"
    " (default: all but page)"
)
MOST_COMPARISONS, MOST_ANSWERS = 5_000, 256
EXPORTS = (
    *("export-zip", "export-dataset", "export-model", "export-reward-model", "export-html"),
    *("export-training", "export-dvc"),
)
PUSHES = ("push-dataset", "push-model", "push-reward-model")
OWN = ("app", "generate", "run", "score", "replay", *EXPORTS, *PUSHES, "stage", "benchmark")


class Parser(argparse.ArgumentParser):
    """argparse with one line for an error instead of the usage text."""

    def error(self, message: str):
        self.exit(BAD_INPUT, f"error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value):
        """A command that is none is named alone, with the nearest that there are, not with all."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            near = difflib.get_close_matches(value, action.choices, n=2)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            self.error(f"{value[:40]!r} is no command{meant}")
        super()._check_value(action, value)


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


def add_setting(parser: argparse.ArgumentParser, kind: type, name: str, metavar: str) -> None:
    """The option of a setting that is a number: meaning, range and default are the field's."""
    about = next(row for row in describe(kind) if row["name"] == name)

    def read(text: str) -> float:
        value = finite(text)
        if not about["low"] <= value <= about["high"]:
            raise argparse.ArgumentTypeError(
                f"{text[:40]} is out of range; it must lie between {about['low']:g} and"
                f" {about['high']:g}"
            )
        return value

    parser.add_argument(
        f"--{name.replace('_', '-')}",
        type=read,
        default=about["default"],
        metavar=metavar,
        help=f"{about['help']} (default %(default)s)",
    )


class Version(argparse.Action):
    """``--version``: which Opossum this is, as a card of a run says it."""

    def __call__(self, parser, namespace, values, option_string=None):
        made = f", commit {commit()[:12]}" if commit() else ""
        print(f"opossum {VERSION} (engine {engine_version()}{made})")
        parser.exit()


def parser(prog: str = "python -m rlhf_core") -> Parser:
    """Everything that the command line understands."""
    top = Parser(
        prog=prog,
        description=(
            "Reinforcement learning from human feedback on a small language model. The command app"
            " opens it in a browser (opossum alone does too); the others do without one."
        ),
        allow_abbrev=False,
    )
    top.add_argument("--version", action=Version, nargs=0, help="which Opossum this is")
    parsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    seed, ppo, sampling = whole(0, 2**31 - 1), PPOSettings(), SamplingSettings()

    _app(parsers)

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
        "--min-new-tokens",
        type=whole(0, 16),
        default=sampling.min_new_tokens,
        metavar="N",
        help="shortest answer; 0: it may stay silent (default %(default)s)",
    )
    generate.add_argument(
        "--seed", type=seed, default=0, help="same seed, same answers (default 0)"
    )
    add_setting(generate, SamplingSettings, "temperature", "T")
    add_setting(generate, SamplingSettings, "top_p", "P")
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
            " chosen, rejected, or another tool's file that import reads without a doubt"
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
    again.add_argument(
        "--all", action="store_true", help="list every number, not only those that differ"
    )
    again.add_argument(
        "--threads",
        type=whole(1, 256),
        metavar="N",
        help="processor threads (default: as many as the run had)",
    )

    _exports(parsers)

    projects = {
        "export-training": "a small TRL and accelerate project: the same loop on real hardware",
        "export-dvc": "a DVC project of five stages, with a Pachyderm pipeline for each",
    }
    for name, about in projects.items():
        project = parsers.add_parser(name, help=about, allow_abbrev=False)
        project.add_argument("bundle", metavar="DIR", help="the folder of a run")
        project.add_argument("--out", required=True, metavar="FOLDER", help="where it goes")

    stage = parsers.add_parser(
        "stage", help="one part of the loop, as a step of a pipeline", allow_abbrev=False
    )
    stage.add_argument("name", choices=tuple(pipeline_params.PARTS), metavar="NAME")
    stage.add_argument("--params", required=True, metavar="params.yaml", help="all settings")
    stage.add_argument(
        "--from", dest="before", metavar="FOLDER", help="what the stage before it made"
    )
    stage.add_argument("--out", required=True, metavar="FOLDER", help="where the run goes")
    stage.add_argument("--metrics", metavar="FILE.json", help="where its last numbers go as well")

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

    page = parsers.add_parser(
        "export-html",
        help="a run as one HTML file that opens anywhere, without this app or a network",
        allow_abbrev=False,
    )
    page.add_argument("bundle", metavar="DIR", help="the folder of a run")
    page.add_argument("--out", required=True, metavar="run.html", help="where the file goes")
    commands.add_parsers(parsers)
    return top


def _app(parsers: argparse._SubParsersAction) -> None:
    app = parsers.add_parser("app", help="open Opossum in your browser", allow_abbrev=False)
    app.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="who can open it: 127.0.0.1 (default) this machine, 0.0.0.0 everybody in its network",
    )
    app.add_argument(
        "--port", type=whole(1, 65_535), metavar="N", help="default: 8501, or the next free one"
    )
    app.add_argument(
        "--no-browser", dest="browser", action="store_false", help="serve it, open nothing"
    )


def _exports(parsers: argparse._SubParsersAction) -> None:
    """The commands that take a run home."""
    kinds = {
        "export-zip": ("the whole run as a zip, which the app opens", "run.zip"),
        "export-dataset": ("the judgements as a folder that datasets loads, with a card", "FOLDER"),
        "export-model": ("the tuned model as a folder that transformers loads", "FOLDER"),
        "export-reward-model": ("the reward model, with a loader of twenty lines", "FOLDER"),
    }
    for name, (what, out) in kinds.items():
        command = parsers.add_parser(name, help=what, allow_abbrev=False)
        command.add_argument("bundle", metavar="DIR", help="the folder of a run")
        command.add_argument("--out", required=True, metavar=out)
        if name == "export-zip":
            continue
        _for_the_card(command)
    pushes = {
        "push-dataset": "the judgements to the Hugging Face hub, as a data set with a card",
        "push-model": "the tuned model to the Hugging Face hub, with a card",
        "push-reward-model": "the reward model to the Hugging Face hub, with a card",
    }
    for name, what in pushes.items():
        command = parsers.add_parser(
            name,
            help=what,
            allow_abbrev=False,
            description=(
                "The token is HF_TOKEN's, or that of `hf auth login`, or asked for; it is not kept."
            ),
        )
        command.add_argument("bundle", metavar="DIR", help="the folder of a run")
        command.add_argument("--to", required=True, metavar="NAME", help="NAME or OWNER/NAME")
        command.add_argument(
            "--public", action="store_true", help="anybody may see it; without this, only you"
        )
        command.add_argument(
            "--update", action="store_true", help="add to a repository that is there already"
        )
        _for_the_card(command)


def _for_the_card(command: argparse.ArgumentParser) -> None:
    """What only the author of a run can say."""
    card = command.add_argument_group("for the card")
    card.add_argument(
        "--license",
        dest="licence",
        metavar="ID",
        default="",
        help="as the Hugging Face hub calls it, for example cc-by-4.0; default: not chosen",
    )
    card.add_argument(
        "--license-name", dest="licence_name", metavar="NAME", default="", help="of another one"
    )
    card.add_argument("--author", metavar="NAME", default="", help="who publishes it")
    card.add_argument(
        "--pay",
        choices=[name for name in PAY if name],
        default="",
        help="whether the judges were paid",
    )
    card.add_argument("--consent", metavar="TEXT", default="", help="what the judges agreed to")
    card.add_argument("--use", metavar="TEXT", default="", help="what it is for")
    card.add_argument("--limits", metavar="TEXT", default="", help="what it is not for")
