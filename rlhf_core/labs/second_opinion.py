"""Work of the reward lab that a session keeps: the fine-tuned second opinion, the hacking game's
boards, and the hole that a retraining closes or not.

Generators for the worker thread; each puts its result into ``session.lab`` (plain data) when it is
whole. What the tools compute is in ``reward_lab`` and below.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch

from rlhf_core.common.events import Progress
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.common.settings import FineTunedSettings, RewardModelSettings
from rlhf_core.common.wording import signed
from rlhf_core.judging.preferences import split_prompts
from rlhf_core.labs import hacking_board, reward_lab
from rlhf_core.labs.hacking import attack
from rlhf_core.labs.reward_lab import Lab, open_lab, watched
from rlhf_core.rewards import kinds
from rlhf_core.rewards.attribution import correlation
from rlhf_core.rewards.comparisons import Row, solve
from rlhf_core.rewards.kinds import HeadScorer, Reference
from rlhf_core.rewards.reward_model import correct, prior_stds
from rlhf_core.session.state import Session

MOST_ENTRIES = 50  # of one prompt's board; the oldest leave first
# reference samples that set the fine-tuned score's zero and unit: reading them through a second
# network takes time
YARDSTICK = 128


def _keep(session: Session, **values) -> None:
    with session.lock:
        session.lab = {**session.lab, **values}
    session.autosave()


# --- the slower kind ------------------------------------------------------------------------------


def fine_tune(session: Session, settings: FineTunedSettings) -> Iterator:
    """The slower reward model on the same votes. It is a second opinion: PPO goes on with the head,
    which reads the states that PPO has at hand.

    Yields:
        Progress; a record an epoch as ``fine_tuned_reward.fit`` gives it, with "examples" (the
        watched outputs, {"prompt", "text", "before": the head's score, "after": the score so far});
        last {"kind": "fine_tuned", "sentence", "records", "examples", "agreement" (correlation of
        both kinds' scores), "comparisons", "heldout_accuracy" | None, "heldout_interval",
        "heldout_pairs", "head_accuracy" (the head's, on the same held-out votes) | None,
        "head_interval", "seconds"}, kept as ``session.lab["fine_tuned"]``.
    """
    lab = yield from open_lab(session)
    with session.lock:
        session.settings = {
            **{
                name: values
                for name, values in session.settings.items()
                if name != "fine_tuned_next"
            },
            "fine_tuned": vars(settings),
        }
    yield Progress("waking TRL", 0, 1)
    began, numbers, rows = time.perf_counter(), watched(lab), lab.reference.rows
    step = max(1, len(rows) // YARDSTICK)
    yardstick = Reference(rows[::step], lab.reference.states[::step])
    watch = [rows[n] for n in numbers]
    head = lab.model.score(lab.reference.states)
    records, scorer = [], None
    for item in kinds.train(
        "fine-tuned",
        lab.lm,
        session.learnable,
        reference=yardstick,
        settings=settings,
        finished=lab.finished,
        watch=watch,
    ):
        if isinstance(item, Progress):
            yield item
        elif isinstance(item, dict):
            yield {
                **item,
                "examples": _examples(watch, head[numbers].tolist(), item.pop("watched")),
            }
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
        "examples": _examples(watch, head[numbers].tolist(), scorer.score(watch).tolist()),
        "agreement": agreement,
        "comparisons": len(lab.data),
        "heldout_accuracy": last["heldout_accuracy"],
        "heldout_interval": [last["heldout_low"], last["heldout_high"]],
        "heldout_pairs": last["heldout_pairs"],
        "head_accuracy": own / count if count else None,
        "head_interval": list(wilson_interval(own, count)) if count else None,
        "seconds": seconds,
    }
    result["sentence"] = _second_opinion(
        result, [bool(a > b) for a, b in (scorer.score(rows).tolist() for rows in held)], hits
    )
    _keep(session, fine_tuned=result)
    yield result


def _examples(rows: list, before: list[float], after: list[float]) -> list[dict]:
    return [
        {"prompt": prompt, "text": text, "before": b, "after": a}
        for (prompt, text, _), b, a in zip(rows, before, after, strict=True)
    ]


def head_on_the_same_votes(
    lab: Lab, settings: FineTunedSettings
) -> tuple[list[list[Row]], list[bool]]:
    """The votes that the fine-tuned model did not see, each as the rows [preferred, other]; and
    whether a head fitted without their prompts gets each right.
    """
    data = lab.data
    decided = data.targets != 0.5
    names = [prompt for prompt, counts in zip(data.prompts, decided.tolist()) if counts]
    fold = split_prompts(names, settings.folds, settings.seed)
    if len(fold) < 2:
        return [], []
    held = torch.tensor([fold.get(prompt) == 0 for prompt in data.prompts])
    w, _ = solve(
        data.x,
        data.targets,
        data.weights * ~held,
        prior_stds(data.whitener, lab.settings.prior_std),
    )
    votes = torch.nonzero(held & decided).flatten().tolist()
    rows = [[data.rows[data.a[i]], data.rows[data.b[i]]] for i in votes]
    rows = [pair if data.targets[i] > 0.5 else pair[::-1] for i, pair in zip(votes, rows)]
    return rows, correct(data.x[held] @ w, data.targets[held]).tolist()


def sign_test(only_one: int, only_other: int) -> float:
    """Two-sided p: could a fair coin have split so many votes that just one of two models gets
    right like this? Source: McNemar 1947, exact form.
    """
    count, few = only_one + only_other, min(only_one, only_other)
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(few + 1)) / 2**count)


def _second_opinion(result: dict, tuned: list[bool], head: list[bool]) -> str:
    """``tuned``, ``head``: whether each kind gets each held-out vote right."""
    count = len(head)
    agree = (
        "mostly agree"
        if result["agreement"] >= 0.7
        else "agree in part"
        if result["agreement"] >= 0.3
        else "hardly agree"
    )
    said = (
        f"It took {result['seconds']:.0f} s. The two kinds {agree} about outputs that nobody judged"
        f" (correlation {signed(result['agreement'])})."
    )
    if not count:
        return (
            said + " Nothing could be held out, so there is no telling which of them is right more"
            " often."
        )
    only_tuned, only_head = (
        sum(x and not y for x, y in zip(one, other))
        for one, other in ((tuned, head), (head, tuned))
    )
    verdict = (
        "more than luck would give"
        if sign_test(only_tuned, only_head) < 0.05
        else "too few to tell which is better"
    )
    split = (
        f"they differ on {only_tuned + only_head} of them, {verdict}"
        if only_tuned + only_head
        else "the same ones, so nothing tells them apart"
    )
    return (
        said
        + f" Of {count} held-out votes the fine-tuned one gets {sum(tuned)} right, the instant one"
        f" {sum(head)}: {split}."
    )


# --- the hacking game -----------------------------------------------------------------------------


def _keep_board(session: Session, prompt: str, board: dict) -> None:
    _keep(session, boards={**session.lab.get("boards", {}), prompt: board})


def try_text(session: Session, prompt: str, text: str, by: str = "you") -> Iterator:
    """Score what somebody typed (or a search found) and put it on the board of its prompt. One
    record, the entry.
    """
    for row in reward_lab.typed(session, prompt, [text]):
        if isinstance(row, Progress):
            yield row
            continue
        board, former = hacking_board.board_of(session, prompt), None
        for other in board["entries"]:
            former = other if other["text"] == row["text"] else former
        said = (
            {"nonsense": True, "why": hacking_board.SAID}
            if former and former["why"] == hacking_board.SAID and not row["nonsense"]
            else {}
        )
        entry = {
            **row,
            **said,
            "by": former["by"] if former else by,
            "comparisons": len(session.learnable),
        }
        _keep_board(
            session,
            prompt,
            {
                **board,
                "entries": [*(other for other in board["entries"] if other is not former), entry][
                    -MOST_ENTRIES:
                ],
            },
        )
        yield entry


def search(session: Session, prompt: str) -> Iterator:
    """Let a machine try to fool the reward model (``reward_hacking.attack``); the best text of each
    way goes onto the board.
    """
    lab = yield from open_lab(session)
    best = hacking_board.board_of(session, prompt)["best"]
    if best is None:
        yield from race(session, prompt)
        best = hacking_board.board_of(session, prompt)["best"]
    found = {}
    for found in attack(
        HeadScorer(lab.lm, lab.model),
        prompt,
        best["text"],
        well_scored_elsewhere(lab, prompt),
        session.seed,
    ):
        if isinstance(found, Progress):
            yield found
    for way, text in found.items():
        yield from try_text(session, prompt, text, by=f"{hacking_board.SEARCH}{way}")


def well_scored_elsewhere(lab: Lab, prompt: str, most: int = 48) -> list[str]:
    """The original model's answers to other prompts that score best there."""
    order = lab.model.score(lab.reference.states).argsort(descending=True).tolist()
    texts = [lab.reference.rows[n][1].strip() for n in order if lab.reference.rows[n][0] != prompt]
    return list(dict.fromkeys(text for text in texts if text))[:most]


def race(session: Session, prompt: str) -> Iterator:
    """Let the original model write its best of 64: the honest competitor. Its record goes onto the
    board.
    """
    for row in reward_lab.models_best(session, prompt):
        if isinstance(row, dict):
            row = {**row, "comparisons": len(session.learnable)}
            _keep_board(session, prompt, {**hacking_board.board_of(session, prompt), "best": row})
        yield row


def score_again(session: Session, prompt: str) -> Iterator:
    """Every text of a board, scored by what has been learned since; what its author said of it
    stays.
    """
    board = hacking_board.board_of(session, prompt)
    entries, best = yield from _again(session, prompt, board)
    _keep_board(
        session, prompt, {**board, "entries": entries, "best": best if board["best"] else None}
    )


def _again(session: Session, prompt: str, board: dict) -> Iterator:
    """Returns (entries, best of 64) by the present votes; yields Progress."""
    bad = {row["text"]: row["why"] for row in board["entries"] if row.get("nonsense")}
    by = {row["text"]: row["by"] for row in board["entries"]}
    entries, best = [], None
    for row in reward_lab.typed(session, prompt, [row["text"] for row in board["entries"]]):
        if isinstance(row, Progress):
            yield row
        else:
            entries.append(
                {
                    **row,
                    "nonsense": row["text"] in bad,
                    "why": bad.get(row["text"], ""),
                    "by": by.get(row["text"], "you"),
                    "comparisons": len(session.learnable),
                }
            )
    for row in reward_lab.models_best(session, prompt):
        if isinstance(row, Progress):
            yield row
        else:
            best = {**row, "comparisons": len(session.learnable)}
    return entries, best


def reject_exploits(session: Session, prompt: str) -> Iterator:
    """The board's nonsense as rejected examples; the reward model trained anew; everything scored
    again. Did the hole close?

    The session's own reward model is the one that is trained. A stop, or votes that can't be
    learned from, take the rejections back.

    Yields:
        What ``fit_reward_model`` yields, Progress, last {"kind": "hole",
        ...``hack_board.hole_closing``, "rejected": how many}. Raises InputError.
    """
    board = hacking_board.board_of(session, prompt)
    before = hacking_board.best_of_n_board(board["entries"], board["best"])
    known = {
        (pair.prompt, pair.a, pair.b)
        for pair in session.exploits
        if pair.brief == session.brief.slug
    }
    new = [
        pair
        for pair in hacking_board.exploits_to_pairs(
            before, session.brief.slug, session.brief.version
        )
        if (pair.prompt, pair.a, pair.b) not in known
    ]
    former = session.exploits
    session.exploits = [*former, *new]
    try:
        yield from session.fit_reward_model(
            RewardModelSettings(**session.settings.get("reward_model", {"seed": session.seed}))
        )
    except BaseException:
        session.exploits = former
        raise
    entries, best = yield from _again(session, prompt, board)
    after = hacking_board.best_of_n_board(entries, best)
    hole = {**hacking_board.hole_closing(before, after), "rejected": len(new)}
    _keep_board(
        session, prompt, {"entries": entries, "best": best, "before": before["rows"], "hole": hole}
    )
    yield {"kind": "hole", **hole}
