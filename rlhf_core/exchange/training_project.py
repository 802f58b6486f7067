"""A run as a small project for real hardware: TRL and accelerate, with this run's judgements,
prompts and settings.

The scripts lie in ``assets/training_project`` as they are; here stands what is the run's own:
preference rows, prompts, settings.json, pairs to check the reward model by, the README. Knows
nothing about models: the bundled one is copied as files, another is named.

Sources: TRL 1.12.0 (RewardTrainer, RLOOTrainer, GRPOTrainer, DPOTrainer, experimental PPOTrainer).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from string import Template

from rlhf_core.common import places
from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import DPOSettings, FineTunedSettings, PPOSettings, RLOOSettings
from rlhf_core.exchange.exports import export_pairs
from rlhf_core.judging.measure import counted
from rlhf_core.lm import model_list
from rlhf_core.session import asked, judged, taking
from rlhf_core.session.pseudonyms import Pseudonyms
from rlhf_core.session.state import Session
from rlhf_core.store import plain_files
from rlhf_core.store.formats import to_json, to_lines

ASSETS = places.ASSETS
TEMPLATES, BUNDLED = ASSETS / "training_project", ASSETS / "pocket-gpt2"
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
REQUIREMENTS = ("torch", "transformers", "accelerate", "datasets", "trl")


def write(session: Session, out: str | Path) -> dict:
    """Write the project into the new folder ``out``; what is in it, as counts.

    Raises InputError: nothing to learn from, or ``out`` is not empty. BundleError: it cannot be
    written; then nothing is left behind.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not empty; name a new folder.")
    files = contents(session)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise plain_files.no_room(out, error) from error
    with plain_files.whole_folder(out) as folder:
        try:
            _fill(folder, files, session.model_name == model_list.BUNDLED)
        except OSError as error:
            raise plain_files.no_room(out, error) from error
    return {
        "path": str(out),
        "preferences": files["preferences/train.jsonl"].count(b"\n"),
        "prompts": files["prompts/train.jsonl"].count(b"\n"),
        "check_pairs": files["check/pairs.jsonl"].count(b"\n"),
    }


def take_home(session: Session) -> Iterator[Progress | dict]:
    """``session.taking.made`` of the project. Raises InputError, BundleError."""

    def fill(session: Session, folder: Path) -> None:
        _fill(folder, contents(session), session.model_name == model_list.BUNDLED)

    yield from taking.made(session, "training", fill)


def _fill(folder: Path, files: dict[str, bytes], bundled: bool) -> None:
    """The scripts, the model where it is ours, and the run's own ``files``. Raises OSError."""
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TEMPLATES, folder, dirs_exist_ok=True, ignore=caches)
    if bundled:
        (folder / "model").mkdir()
        for name in MODEL_FILES:
            shutil.copy2(BUNDLED / name, folder / "model" / name)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    folder.chmod(0o755)


def contents(session: Session) -> dict[str, bytes]:
    """The run's own files, by their names in the project. Raises InputError."""
    held = list(session.asked.brief.evaluation_prompts)
    pairs = [pair for pair in judged.pairs(session) if pair.prompt not in held]
    rows, lost = export_pairs(pairs, "trl")
    if not rows:
        raise InputError(
            "There is no clear judgement in this run yet: without one a reward model has nothing to"
            " learn from."
        )
    prompts = asked.training_prompts(session)
    evaluation = session.tuned.evaluation or {}
    settings = settings_of(session)
    return {
        "preferences/train.jsonl": rows,
        "prompts/train.jsonl": to_lines([{"prompt": prompt} for prompt in prompts]),
        "prompts/test.jsonl": to_lines([{"prompt": prompt} for prompt in held or prompts[:8]]),
        "check/pairs.jsonl": to_lines(check_pairs(evaluation.get("pairs", []))),
        "settings.json": to_json(settings),
        "requirements.txt": "".join(f"{pin}\n" for pin in pins()).encode(),
        "README.md": readme(session, settings, rows.count(b"\n"), lost).encode(),
    }


def check_pairs(pairs: list[dict]) -> list[dict]:
    """Before and after of the verdict, with what this run's reward model said of both; left and
    right take turns, so that always saying "right" is no good guess.
    """
    rows = []
    for number, pair in enumerate(pairs):
        sides = ("before", "after") if number % 2 else ("after", "before")
        row = {"prompt": pair["prompt"]}
        for name, side in zip("ab", sides, strict=True):
            row |= {
                name: pair[side],
                f"ended_{name}": pair[f"ended_{side}"],
                f"opossum_{name}": pair[f"reward_{side}"],
            }
        if row["a"] != row["b"]:
            rows.append(row)
    return rows


def settings_of(session: Session) -> dict:
    """This run's hyper-parameters under TRL's roles. A run without PPO gives the app's own."""
    log = session.tuned.log
    try:
        told = PPOSettings(**log[-1]["settings"]) if log else PPOSettings(seed=session.seed)
    except (TypeError, SettingsError):  # of an older version
        told = PPOSettings(seed=session.seed)
    reward, group, dpo = FineTunedSettings(), RLOOSettings().group, DPOSettings()
    return {
        "model": session.model_name,
        "seed": session.seed,
        "bf16": False,
        "reward": {
            "epochs": reward.epochs,
            "batch_size_per_process": max(1, reward.batch_size // 2),
            "learning_rate": reward.learning_rate,
            "weight_decay": reward.weight_decay,
        },
        "policy": {
            "steps": session.tuned.steps_done or told.steps,
            "batch_size": told.batch_size,
            "batch_size_per_process": max(group, told.batch_size // 2),
            "answers_per_prompt": group,
            "epochs": told.epochs,
            "max_new_tokens": told.max_new_tokens,
            "temperature": told.temperature,
            "learning_rate": told.learning_rate,
            "beta": told.beta,
            "clip": told.clip,
            "missing_end_penalty": told.missing_end_penalty,
        },
        "dpo": {
            "steps": dpo.steps,
            "batch_size_per_process": max(1, dpo.minibatch_size // 2),
            "learning_rate": dpo.learning_rate,
            "beta": dpo.beta,
        },
    }


def pins() -> list[str]:
    """What the project needs, in the versions that it was made with."""
    own = (places.BESIDE / "requirements.txt").read_text(encoding="utf-8")
    found = {line.split("==")[0]: line.split()[0] for line in own.splitlines() if "==" in line}
    return [found.get(name, name) for name in REQUIREMENTS]


def readme(session: Session, settings: dict, count: int, lost: list[str]) -> str:
    """What it is, how to run it, what was carried over and what changes at scale."""
    brief, policy = session.asked.brief, settings["policy"]
    bundled = session.model_name == model_list.BUNDLED
    words = Template((TEMPLATES / "README.md").read_text(encoding="utf-8"))
    title = {"title": brief.title, "prefer": brief.prefer, "avoid": brief.avoid}
    return words.substitute(
        judgements=counted(count, "clear judgement"),
        rater=Pseudonyms(session).in_words(),
        model=json.dumps(session.model_name),
        where="in `model/`" if bundled else "fetched from the hub, or a folder, by its name",
        brief=json.dumps(title, ensure_ascii=False),
        carried="".join(f"| {name} | {value} |\n" for name, value in policy.items()),
        left="".join(f"- {sentence}\n" for sentence in lost) or "- Nothing was left out.\n",
        **{name: policy[name] for name in ("learning_rate", "batch_size", "beta")},
    )
