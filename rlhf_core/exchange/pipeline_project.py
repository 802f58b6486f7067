"""A run as a pipeline to go on with: a DVC project of five stages (generate, rank, reward, ppo,
evaluate), each of them ``python -m rlhf_core stage``, and beside it the same for Pachyderm, a
pipeline a stage.

The run's own: its brief, prompts, judgements (or the scripted rater's name) and settings. Models
are named, not copied. Knows nothing about how a stage works. Imports no torch.
Sources: DVC's dvc.yaml reference (stages, params, outs, metrics, plots); Pachyderm's
CreatePipelineRequest.schema.json. Simplification: one round; settings that were moved while PPO ran
are the last ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import TypeVar

from rlhf_core.common import places
from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.exchange import pipeline_params
from rlhf_core.exchange.pipeline_params import NAME, SCRIPTED_JUDGE
from rlhf_core.judging.measure import counted
from rlhf_core.judging.preferences import Pair, pairs_from_rankings
from rlhf_core.session import judged, taking
from rlhf_core.session.pseudonyms import Pseudonyms
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.store import plain_files
from rlhf_core.store.formats import to_json, to_lines

Settings = TypeVar("Settings", RewardModelSettings, PPOSettings)

TEMPLATES = places.ASSETS / "pipeline_project"
STAGES = ("generate", "rank", "reward", "ppo", "evaluate")
ABOUT = {
    "generate": "the language model writes pairs of answers",
    "rank": "they are judged under the brief",
    "reward": "a reward model learns from the judgements",
    "ppo": "PPO tunes the language model, a frozen copy holds it back",
    "evaluate": "both models on prompts that nobody trained on, and the verdict",
}
WORK, METRICS, JUDGEMENTS, PROMPTS = "work", "metrics.json", "judgements.jsonl", "prompts.txt"
MORE = 30  # pairs that are written where people judge
IMAGE, REPO, PREFIX = "opossum:latest", "opossum", "opossum-"  # of Pachyderm


def take_home(session: Session) -> Iterator[Progress | dict]:
    """``session.taking.made`` of the project. Raises InputError, BundleError."""
    yield from taking.made(session, "pipeline", fill)


def fill(session: Session, folder: Path) -> None:
    """Put the files into an empty folder. Raises InputError, OSError."""
    found = files(session)
    for name in found:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    plain_files.put_files(folder, found)


def write(session: Session, out: str | Path) -> dict:
    """Write the project into the new folder ``out``. Raises InputError, BundleError; then nothing
    is left behind.
    """
    out, found = Path(out), files(session)
    with plain_files.whole_folder(out) as folder:
        fill(session, folder)
    return {"path": str(out), "files": sorted(found)}


def files(session: Session) -> dict[str, bytes]:
    """The files by name. Raises InputError: there is nothing to learn from."""
    if reason := judged.nothing_to_learn(session):
        raise InputError(f"There is no taste to learn from yet: {reason}.")
    by_rule, rows = by_the_rule(session), judgements(session)
    prompts = [one for one in session.asked.user_prompts if "\n" not in one]
    reward, ppo = _settings(session)
    parts: dict[str, dict] = {
        "generate": {
            "brief": "brief.json",
            **({"prompts": PROMPTS} if prompts else {}),
            "model": session.model_name,
            "seed": session.seed,
            "pairs": _to_write(session, by_rule),
        },
        "rank": {"judge": SCRIPTED_JUDGE if by_rule else JUDGEMENTS},
        **pipeline_params.settings_of(reward, ppo),
        "evaluate": {"pairs": 200},
    }
    given = {"brief.json": to_json(session.asked.brief.to_dict())}
    if prompts:
        given[PROMPTS] = "".join(f"{one}\n" for one in prompts).encode()
    if not by_rule:
        given[JUDGEMENTS] = to_lines([pair.to_dict() for pair in rows])
    pachyderm = {
        f"pachyderm/{place}-{stage}.json": to_json(pachyderm_pipeline(stage))
        for place, stage in enumerate(STAGES, 1)
    }
    return {
        "README.md": _readme(session, by_rule, len(rows)),
        NAME: pipeline_params.to_yaml(parts),
        "dvc.yaml": _yaml(dvc_stages(set(given))),
        **given,
        ".dvc/config": b"[core]\n    no_scm = True\n    analytics = false\n",
        ".dvc/.gitignore": b"/config.local\n/tmp\n/cache\n",
        ".dvcignore": b"",
        ".gitignore": f"/{WORK}\n".encode(),
        **pachyderm,
    }


def by_the_rule(session: Session) -> bool:
    """Whether the scripted rater can judge it all again: nobody else judged what counts."""
    _, rankings = judged.sources(session)
    rule = all(ranking.annotator == SCRIPTED for ranking in rankings)
    others = session.judged.imported or session.judged.exploits
    return bool(rankings) and rule and not others and session.asked.brief.wanted is not None


def judgements(session: Session) -> list[Pair]:
    """What counts under the brief in force, under pseudonyms, in the order that training reads."""
    names, slug = Pseudonyms(session), session.asked.brief.slug
    imported = len(session.judged.imported)
    came = [pair for pair, _ in names.rows[:imported]]
    came += [pair for pair, _ in names.rows[imported:] if pair.brief == slug]
    counting = [row for row, _ in names.rankings if judged.counts(session, row)]
    held = session.asked.brief.evaluation_prompts
    return [p for p in (*came, *pairs_from_rankings(counting)) if p.prompt not in held]


def _to_write(session: Session, by_rule: bool) -> int:
    """Pairs: those that the rule judges, or some for people to go on with."""
    counting = judged.sources(session)[1]
    return len(counting) if by_rule else MORE


def _settings(session: Session) -> tuple[RewardModelSettings, PPOSettings]:
    """Of the last training of each, as far as this version knows them."""
    last = session.tuned.log[-1].get("settings") if session.tuned.log else None
    ppo = dict(session.settings.get("ppo") or {})
    if last:
        ppo = {**last, "steps": session.tuned.steps_done or last.get("steps", 15)}
    reward = dict(session.settings.get("reward_model") or {})
    return _known(RewardModelSettings, session.seed, reward), _known(PPOSettings, session.seed, ppo)


def _known(kind: type[Settings], seed: int, told: dict) -> Settings:
    names = {field.name for field in fields(kind)}
    try:
        known = {name: value for name, value in told.items() if name in names}
        return kind(**{"seed": seed, **known}).validate()
    except (TypeError, SettingsError):  # of an older version
        return kind(seed=seed)


def dvc_stages(given: set[str]) -> dict:
    """dvc.yaml, of a project that holds the files ``given``."""
    stages: dict[str, dict] = {}
    for place, stage in enumerate(STAGES):
        before = f"{WORK}/{STAGES[place - 1]}" if place else ""
        needs = {"generate": ("brief.json", PROMPTS), "rank": (JUDGEMENTS,)}.get(stage, ())
        deps = [before] * bool(before) + [name for name in needs if name in given]
        stages[stage] = {
            "desc": ABOUT[stage],
            "cmd": " ".join(
                [
                    f"python -m rlhf_core stage {stage}",
                    *([f"--from {before}"] if before else []),
                    f"--params {NAME} --out {WORK}/{stage}",
                    *([f"--metrics {METRICS}"] if stage == "evaluate" else []),
                ]
            ),
            **({"deps": deps} if deps else {}),
            "params": [stage],
            "outs": [f"{WORK}/{stage}"],
        }
    stages["evaluate"]["metrics"] = [{METRICS: {"cache": False}}]
    curve = {"x": "step", "y": ["reward_mean", "kl_to_reference"]}
    return {"stages": stages, "plots": [{f"{WORK}/ppo/metrics.csv": curve}]}


def pachyderm_pipeline(stage: str) -> dict:
    """One pipeline, whose output repository the next one reads."""
    project = {"pfs": {"repo": REPO, "branch": "master", "glob": "/"}}
    place, source = STAGES.index(stage), f"/pfs/{REPO}"
    command = ["python", "-m", "rlhf_core", "stage", stage, "--params", f"{source}/{NAME}"]
    read: dict = project
    if place:
        before = f"{PREFIX}{STAGES[place - 1]}"
        read = {"cross": [project, {"pfs": {"repo": before, "branch": "master", "glob": "/"}}]}
        command += ["--from", f"/pfs/{before}/run"]
    command += ["--out", "/pfs/out/run"]
    if stage == "evaluate":
        command += ["--metrics", f"/pfs/out/{METRICS}"]
    return {
        "pipeline": {"name": f"{PREFIX}{stage}"},
        "description": f"{ABOUT[stage][:1].upper()}{ABOUT[stage][1:]}.",
        "input": read,
        "transform": {"image": IMAGE, "cmd": command, "workingDir": "/home/user/app"},
        "parallelismSpec": {"constant": 1},
        "resourceRequests": {"cpu": 2, "memory": "2Gi"},
    }


def _yaml(row: dict) -> bytes:
    import yaml

    return yaml.safe_dump(row, sort_keys=False, width=100).encode()


def _readme(session: Session, by_rule: bool, count: int) -> bytes:
    words = Template((TEMPLATES / "README.md").read_text(encoding="utf-8"))
    judge = "the scripted rater judges again" if by_rule else f"read from `{JUDGEMENTS}`"
    return words.substitute(
        judgements=counted(count, "judged pair"),
        rater=Pseudonyms(session).in_words(),
        judge=judge,
        model=json.dumps(session.model_name),
    ).encode()
