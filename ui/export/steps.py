"""What was written at each step, small enough to go along: the data that the file's slider scrubs.

Answers are not picked: of each prompt the first ones of each step, in their order. Where a run
holds more than fits, fewer answers a prompt, then fewer prompts, then fewer steps go along, and a
sentence says so. Knows nothing about HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlhf_core.common.wording import counted
from ui.charts import finite
from ui.export.words import answer, data, plain

MOST_BYTES = 900_000  # of the data, as it stands in the file
MOST_TEXT, MOST_PROMPT = 600, 240  # characters of an answer and of a prompt
READINGS = ("reward_mean", "kl_to_reference", "entropy")  # what stands beside the slider


class Steps(NamedTuple):
    """``table``: {"prompts", "steps": [{"step", "readings", "rows": [[prompt, text, reward,
    ended]]}]}; step 0, where there is one, is what the others are compared with. None: nothing was
    written. ``left_out``: a sentence, or "".
    """

    table: dict | None
    left_out: str


def clean_metrics(metrics: object) -> list[dict]:
    """The rows that are rows of a step, in order, one a step: a bundle may come from anywhere."""
    found = {}
    for row in metrics if isinstance(metrics, list) else []:
        if isinstance(row, dict) and _is_step(row.get("step")):
            found[row["step"]] = {str(key): value for key, value in row.items()}
    return [found[step] for step in sorted(found)]


def gather(metrics: Sequence[dict], samples: object) -> Steps:
    """``metrics``: as ``clean_metrics`` gives them."""
    by_step: dict[int, list[dict]] = {}
    for row in samples if isinstance(samples, list) else []:
        if isinstance(row, dict) and _is_step(row.get("step")):
            if isinstance(row.get("prompt"), str) and isinstance(row.get("text"), str):
                by_step.setdefault(row["step"], []).append(row)
    if not by_step:
        return Steps(None, "")
    prompts = list(dict.fromkeys(row["prompt"] for rows in by_step.values() for row in rows))
    known = {row["step"]: row for row in metrics}
    every = sorted(by_step)
    each = max(len(rows) for rows in by_step.values())
    held = sum(map(len, by_step.values()))
    for answers, of_prompts, stride in _ways(each, len(prompts), len(every)):
        chosen = every[::stride] + ([every[-1]] if (len(every) - 1) % stride else [])
        table = _table(chosen, by_step, known, prompts[:of_prompts], answers)
        if len(data(table)) <= MOST_BYTES:
            break
    shown = sum(len(step["rows"]) for step in table["steps"])
    left_out = "" if not every[0] else "The answers before the first step were not kept."
    if shown < held:
        left_out += (
            f" So that the file stays small it holds {shown:,} of the run's {held:,} answers, the"
            f" first of each prompt: {counted(len(table['prompts']), 'prompt')} of"
            f" {len(prompts):,}, {counted(len(chosen), 'step')} of {len(every):,}. The run's folder"
            " has them all."
        )
    return Steps(table, left_out.strip())


def _ways(each: int, prompts: int, steps: int):
    """How much goes along, from all of it down: (answers a prompt, prompts, every which step)."""
    for answers in (each, 8, 4, 2, 1):
        if answers <= each:
            yield answers, prompts, 1
    while prompts > 12:
        prompts = max(12, prompts // 2)
        yield 1, prompts, 1
    stride = 1
    while steps // stride > 24:
        stride *= 2
        yield 1, prompts, stride
    yield 1, 4, stride


def _table(
    chosen: Sequence[int], by_step: dict, known: dict, prompts: list[str], answers: int
) -> dict:
    places = {prompt: place for place, prompt in enumerate(prompts)}
    steps = []
    for step in chosen:
        rows, seen = [], dict.fromkeys(prompts, 0)
        for row in by_step[step]:
            prompt = row["prompt"]
            if prompt in seen and seen[prompt] < answers:
                seen[prompt] += 1
                reward = finite(row.get("reward"))
                reward = None if reward is None else round(reward, 3)
                text = answer(row["text"], MOST_TEXT)
                rows.append([places[prompt], text, reward, row.get("ended") is not False])
        readings = [finite(known.get(step, {}).get(name)) for name in READINGS]
        readings = [None if value is None else round(value, 4) for value in readings]
        steps.append({"step": step, "readings": readings, "rows": rows})
    return {"prompts": [plain(prompt, MOST_PROMPT) for prompt in prompts], "steps": steps}


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000
