"""The fine-tuned reward model as a second opinion on the same votes, kept as
``session.labs["reward_model"]["fine_tuned"]`` when it is whole.

A job of ``work.catalogue``; the training is ``rewards.fine_tuned``. Imports torch.
"""

from __future__ import annotations

import math
import time

import torch

from rlhf_core.common.events import Progress, Recording
from rlhf_core.common.intervals import clustered
from rlhf_core.common.settings import FineTunedSettings
from rlhf_core.common.wording import signed
from rlhf_core.judging.preferences import split_prompts
from rlhf_core.labs.hacking_board import keep_about_head
from rlhf_core.labs.reward_lab import Lab, open_lab, watched
from rlhf_core.rewards import kinds
from rlhf_core.rewards.attribution import correlation
from rlhf_core.rewards.comparisons import Row, solve
from rlhf_core.rewards.kinds import Reference
from rlhf_core.rewards.reward_model import correct, prior_stds
from rlhf_core.session import judged
from rlhf_core.session.state import Session

# Reference samples that set the fine-tuned score's zero and unit: reading them through a second
# network takes time.
YARDSTICK = 128


def fine_tune(session: Session, settings: FineTunedSettings) -> Recording[None]:
    """The slower reward model on the same votes. It is a second opinion: PPO goes on with the head,
    which reads the states that PPO has at hand.

    Yields:
        Progress; a record an epoch as ``rewards.fine_tuned.fit`` gives it, with "examples" (the
        watched outputs, {"prompt", "text", "before": the head's score, "after": the score so far});
        last {"kind": "fine_tuned", "sentence", "records", "examples", "agreement" (correlation of
        both kinds' scores), "comparisons", "heldout_accuracy" | None, "heldout_interval",
        "heldout_pairs", "head_accuracy" (the head's, on the same held-out votes) | None,
        "head_interval", "seconds"}, kept as ``session.labs["reward_model"]["fine_tuned"]``.
    """
    lab = yield from open_lab(session)
    session.begin("fine_tuned", vars(settings))
    yield Progress("waking TRL", 0, 1)
    began, numbers, rows = time.perf_counter(), watched(lab), lab.reference.rows
    step = max(1, len(rows) // YARDSTICK)
    yardstick = Reference(rows[::step], lab.reference.states[::step])
    watch = [rows[n] for n in numbers]
    head = lab.model.score(lab.reference.states)
    before, records = head[numbers].tolist(), []
    work = kinds.train(
        "fine-tuned",
        lab.lm,
        judged.learnable(session),
        reference=yardstick,
        settings=settings,
        finished=lab.finished,
        watch=watch,
    )
    for item in work:
        if isinstance(item, Progress):
            yield item
        elif isinstance(item, dict):
            after = item.pop("watched")
            yield {**item, "examples": _examples(watch, before, after)}
            records.append(item)
        else:
            scorer = item
    theirs = scorer.score(yardstick.rows)
    last, seconds = records[-1], time.perf_counter() - began
    agreement = correlation(head[::step].double(), theirs.double())
    held, hits = head_on_the_same_votes(lab, settings)
    own, count = sum(hits), len(hits)
    result = {
        "kind": "fine_tuned",
        "records": records,
        "examples": _examples(watch, before, scorer.score(watch).tolist()),
        "agreement": agreement,
        "comparisons": len(lab.data),
        "heldout_accuracy": last["heldout_accuracy"],
        "heldout_interval": [last["heldout_low"], last["heldout_high"]],
        "heldout_pairs": last["heldout_pairs"],
        "head_accuracy": own / count if count else None,
        "head_interval": list(clustered(hits, [row[0][0] for row in held])) if count else None,
        "seconds": seconds,
    }
    tuned = [bool(a > b) for a, b in (scorer.score(rows).tolist() for rows in held)]
    result["sentence"] = in_words(result, tuned, hits)
    keep_about_head(session, fine_tuned=result)
    yield result


def _examples(rows: list, before: list[float], after: list[float]) -> list[dict]:
    return [
        {"prompt": prompt, "text": text, "before": b, "after": a}
        for (prompt, text, _), b, a in zip(rows, before, after, strict=True)
    ]


def head_on_the_same_votes(
    lab: Lab, settings: FineTunedSettings
) -> tuple[list[list[Row]], list[bool]]:
    """The fair votes that the fine-tuned model did not see, each as the rows [preferred, other];
    and whether a head fitted without their prompts gets each right.
    """
    data = lab.data
    decided = data.targets != 0.5
    names = [prompt for prompt, counts in zip(data.prompts, decided.tolist()) if counts]
    fold = split_prompts(names, settings.folds, settings.seed)
    if len(fold) < 2:
        return [], []
    held = torch.tensor([fold.get(prompt) == 0 for prompt in data.prompts])
    prior = prior_stds(data.whitener, lab.settings.prior_std)
    w, _ = solve(data.x, data.targets, data.weights * ~held, prior)
    held &= data.tested
    votes = torch.nonzero(held).flatten().tolist()
    rows = [[data.rows[data.a[i]], data.rows[data.b[i]]] for i in votes]
    rows = [pair if data.targets[i] > 0.5 else pair[::-1] for i, pair in zip(votes, rows)]
    return rows, correct(data.x[held] @ w, data.targets[held]).tolist()


def sign_test(only_one: int, only_other: int) -> float:
    """Two-sided p: could a fair coin have split so many votes that just one of two models gets
    right like this? Source: McNemar 1947, exact form.
    """
    count, few = only_one + only_other, min(only_one, only_other)
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(few + 1)) / 2**count)


def in_words(result: dict, tuned: list[bool], head: list[bool]) -> str:
    """What the second opinion says. ``tuned``, ``head``: whether each kind gets each held-out vote
    right.
    """
    count, agree = len(head), "hardly agree"
    if result["agreement"] >= 0.3:
        agree = "mostly agree" if result["agreement"] >= 0.7 else "agree in part"
    said = (
        f"It took {result['seconds']:.0f} s. The two kinds {agree} about outputs that nobody judged"
        f" (correlation {signed(result['agreement'])})."
    )
    if not count:
        return (
            said + " Nothing could be held out, so there is no telling which of them is right more"
            " often."
        )
    only_tuned = sum(x and not y for x, y in zip(tuned, head))
    only_head = sum(x and not y for x, y in zip(head, tuned))
    verdict, apart = "too few to tell which is better", only_tuned + only_head
    if sign_test(only_tuned, only_head) < 0.05:
        verdict = "more than luck would give"
    split = "the same ones, so nothing tells them apart"
    if apart:
        split = f"they differ on {apart} of them, {verdict}"
    return (
        said
        + f" Of {count} held-out votes the fine-tuned one gets {sum(tuned)} right, the instant one"
        f" {sum(head)}: {split}."
    )
