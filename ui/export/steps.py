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
    """``table``: {"prompts", "steps": [{"step", "readings", "rows"}]}; a row is a list of prompt,
    text, reward and whether it ended. Step 0, where there is one, is what the others are compared
    with. None: nothing was written. ``left_out``: a sentence, or "".
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
    rows = _rows(by_step, {prompt: place for place, prompt in enumerate(prompts)})
    names = [plain(prompt, MOST_PROMPT) for prompt in prompts]
    every, held = sorted(rows), sum(map(len, rows.values()))
    for answers, of_prompts, stride in _ways(held, len(prompts), len(every)):
        steps = every[::stride] + ([every[-1]] if (len(every) - 1) % stride else [])
        chosen = {
            step: [row for row in rows[step] if row.place < of_prompts and row.number < answers]
            for step in steps
        }
        size = 200 * len(steps) + _size(names[:of_prompts])
        size += sum(row.size for found in chosen.values() for row in found)
        if size <= MOST_BYTES:
            break
    shown = sum(map(len, chosen.values()))
    left_out = "" if not every[0] else "The answers before the first step were not kept."
    if shown < held:
        left_out += (
            f" So that the file stays small it holds {shown:,} of the run's {held:,} answers, the"
            f" first of each prompt: {counted(min(of_prompts, len(prompts)), 'prompt')} of"
            f" {len(prompts):,}, {counted(len(steps), 'step')} of {len(every):,}. The run's folder"
            " has them all."
        )
    known = {row["step"]: row for row in metrics}
    made = [
        {
            "step": step,
            "readings": [_rounded(known.get(step, {}).get(name), 4) for name in READINGS],
            "rows": [row.values for row in found],
        }
        for step, found in chosen.items()
    ]
    return Steps({"prompts": names[:of_prompts], "steps": made}, left_out.strip())


class _Row(NamedTuple):
    """An answer as it goes along; ``number``: which of its prompt in its step it is, from 0;
    ``size``: bytes in the file.
    """

    place: int
    number: int
    values: list
    size: int


def _rows(by_step: dict[int, list[dict]], places: dict[str, int]) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = {}
    for step, rows in by_step.items():
        count: dict[int, int] = {}
        for row in rows:
            place = places[row["prompt"]]
            number = count.get(place, 0)
            count[place] = number + 1
            values = [place, answer(row["text"], MOST_TEXT), _rounded(row.get("reward"), 3)]
            values.append(row.get("ended") is not False)
            found.setdefault(step, []).append(_Row(place, number, values, _size(values) + 1))
    return found


def _ways(held: int, prompts: int, steps: int):
    """How much goes along, from all of it down: (answers a prompt, prompts, every which step)."""
    yield held, prompts, 1
    for answers in (8, 4, 2, 1):
        yield answers, prompts, 1
    while prompts > 12:
        prompts = max(12, prompts // 2)
        yield 1, prompts, 1
    stride = 1
    while steps // stride > 24:
        stride *= 2
        yield 1, prompts, stride
    yield 1, 4, stride


def _size(value: object) -> int:
    return len(data(value).encode())


def _rounded(value: object, digits: int) -> float | None:
    value = finite(value)
    return None if value is None else round(value, digits)


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000
