"""What a run's run.json says of it, against its other files: a number that nothing was made with
must not pass because nothing was made with it.

Knows nothing about weights; imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.loop.same_numbers import Numbers
from rlhf_core.session import judged
from rlhf_core.session.state import Session

WHERE = "run.json"


def check(found: Numbers, saved: Session, stored: dict) -> Iterator[dict]:
    """Compare every claim; as ``Numbers.compare``. ``stored``: the bundle, as it was read."""
    run, settings = stored["run"], saved.settings
    yield from found.compare(WHERE, run.get("judge"), judged.rater(saved), "judge")
    rows = [pair.to_dict() for pair in judged.pairs(saved)]
    yield from found.compare("preferences.jsonl", stored["preferences"], rows)
    yield from _of_the_command_line(found, saved, settings.get("run"))
    yield from _of_the_steps(found, saved, settings.get("ppo"))
    for name, there in (
        ("reward_model", bool(saved.learned.head)),
        ("policy", saved.tuned.steps_done > 0),
    ):
        kept = (stored.get("tensors") or {}).get(name) is not None
        yield from found.compare(WHERE, there, kept, f"files.{name}.safetensors is there")


def _of_the_command_line(found: Numbers, saved: Session, asked: object) -> Iterator[dict]:
    """What ``run`` was asked for, of a run that says it is done."""
    if not isinstance(asked, dict) or saved.status != "done":
        return
    made = len(saved.judged.rankings) + len(saved.judged.imported)
    yield from found.compare(
        WHERE, asked.get("comparisons"), made, "settings.run.comparisons, as judged"
    )
    yield from found.compare(
        WHERE, asked.get("steps"), saved.tuned.steps_done, "settings.run.steps, as in metrics.csv"
    )
    threads = asked.get("threads")
    if threads is not None:
        possible = isinstance(threads, int) and 1 <= threads <= 256
        told = threads if possible else "1 to 256"
        yield from found.compare(WHERE, threads, told, "settings.run.threads")


def _of_the_steps(found: Numbers, saved: Session, ppo: object) -> Iterator[dict]:
    """What settings.ppo says, against the record of what the steps ran with."""
    if not isinstance(ppo, dict) or not saved.tuned.metrics:
        return
    log = saved.tuned.log
    if log:
        ran = dict(log[-1].get("settings") or {})
        said = {name: value for name, value in ppo.items() if name != "steps" and name in ran}
        same = {name: ran[name] for name in said}
        yield from found.compare(WHERE, said, same, "settings.ppo, as in tuned.log")
    run = saved.settings.get("run")
    if isinstance(run, dict) and saved.status == "done":
        done = saved.tuned.steps_done
        yield from found.compare(WHERE, ppo.get("steps"), done, "settings.ppo.steps")
    steps = [row.get("step") for row in saved.tuned.metrics]
    first = steps[0] if isinstance(steps[0], int) else 0
    rising = list(range(first, first + len(steps)))
    yield from found.compare("metrics.csv", steps, rising, "steps one by one")
