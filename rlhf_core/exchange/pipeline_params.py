"""The settings of a run as a file that people edit, ``params.yaml``: what each stage of a pipeline
reads. Written from a session, read and checked here; every complaint names the entry.

Knows nothing about stages. Paths in it are relative to the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.own_files import opened
from rlhf_core.lm import model_list

NAME, MOST_BYTES = "params.yaml", 200_000
SCRIPTED_JUDGE = "scripted"
PARTS = {  # what may stand in a part
    "generate": ("brief", "prompts", "model", "seed", "pairs"),
    "rank": ("judge",),
    "reward": tuple(RewardModelSettings.__dataclass_fields__),
    "ppo": tuple(PPOSettings.__dataclass_fields__),
    "evaluate": ("pairs",),
}
HEAD = """\
# The settings of the five stages. Change one, then `dvc repro`: what follows from it runs again.
# rank.judge: "scripted" (a rule in the program), or a file of judgements.
"""


@dataclass(frozen=True)
class Params:
    """``prompts``: a file of more prompts, one a line, or "". ``judge``: "scripted", or a file.
    ``pairs``: to be written and judged. ``answers``: of each model, for the verdict.
    """

    brief: briefs.Brief
    prompts: str
    model: str
    seed: int
    pairs: int
    judge: str
    reward: RewardModelSettings
    ppo: PPOSettings
    answers: int


def to_yaml(parts: dict[str, dict]) -> bytes:
    import yaml

    return (HEAD + yaml.safe_dump(parts, sort_keys=False, allow_unicode=True)).encode()


def settings_of(reward: RewardModelSettings, ppo: PPOSettings) -> dict[str, dict]:
    return {"reward": asdict(reward), "ppo": asdict(ppo)}


def read(path: str) -> Params:
    """Raises InputError, SettingsError, BriefError, PreferenceError, each naming the entry."""
    parts, where = _parts(path), Path(path).parent
    writing, judge = parts["generate"], parts["rank"].get("judge", SCRIPTED_JUDGE)
    if not isinstance(judge, str) or not judge:
        raise InputError(f"rank.judge in {path} must be “scripted” or the name of a file.")
    try:
        reward = RewardModelSettings(**parts["reward"]).validate()
        ppo = PPOSettings(**parts["ppo"]).validate()
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    prompts, model = writing.get("prompts") or "", writing.get("model", model_list.BUNDLED)
    brief = str(writing.get("brief", "brief.json"))
    for name, value in (("prompts", prompts), ("model", model)):
        if not isinstance(value, str):
            raise InputError(f"generate.{name} in {path} must be a text.")
    return Params(
        briefs.load(brief if brief in briefs.PRESETS else str(where / brief)),
        str(where / prompts) if prompts else "",
        model,
        _whole(path, "generate", writing, "seed", 0, 0, 2**31 - 1),
        _whole(path, "generate", writing, "pairs", 30, 1, 5_000),
        judge if judge == SCRIPTED_JUDGE else str(where / judge),
        reward,
        ppo,
        _whole(path, "evaluate", parts["evaluate"], "pairs", 200, 1, 2_000),
    )


def _parts(path: str) -> dict[str, dict]:
    import yaml

    problem = ""
    try:
        with opened(path) as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise InputError(f"{path} is larger than a file of settings.")
        found = yaml.safe_load(text.decode("utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = f"line {mark.line + 1} is no YAML" if mark else "it is no YAML"
    if problem:
        raise InputError(f"{path} cannot be read: {problem}.")
    if not isinstance(found, dict) or not all(isinstance(v, dict | None) for v in found.values()):
        raise InputError(f"{path} must hold the parts {', '.join(PARTS)}, each with its settings.")
    for part, values in found.items():
        if part not in PARTS:
            raise InputError(f"{path} has a part {str(part)[:40]!r}; there are {', '.join(PARTS)}.")
        strange = [name for name in values or {} if name not in PARTS[part]]
        if strange:
            raise InputError(
                f"{part}.{str(strange[0])[:40]} in {path} is no setting; there are"
                f" {', '.join(PARTS[part])}."
            )
    return {part: found.get(part) or {} for part in PARTS}


def _whole(path: str, part: str, values: dict, name: str, without: int, low: int, high: int) -> int:
    value = values.get(name, without)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            f"{part}.{name} in {path} is {str(value)[:40]}; it must be a whole number from {low} to"
            f" {high:,}."
        )
    return value
