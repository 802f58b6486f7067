"""What training did to each token: probabilities against transformers' own, and only real changes
in the list.
"""

import pytest
import torch
from tiny_models import one_thread  # noqa: F401
from transformers import GPT2LMHeadModel

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.lm import texts
from rlhf_core.lm.language_model import BUNDLED
from rlhf_core.lm.texts import ROLLOUT_TEMPERATURE
from rlhf_core.loop import token_changes, workbench
from rlhf_core.session.state import Session

PAIR = {
    "prompt": "A cat is",
    "before": " a small animal.",
    "after": " a tiny tiger.",
    "ended_before": True,
    "ended_after": False,
}


def nudged() -> Session:
    """A session whose tuned model is the original with a little noise on its last layer."""
    session = Session()
    state, generator = workbench.ready(session).trunk.state_dict(), torch.Generator().manual_seed(0)
    noisy = {
        n: t + (0.02 * torch.randn(t.shape, generator=generator) if n.startswith("h.3.") else 0)
        for n, t in state.items()
    }
    session.tuned.weights = workbench.put(session, noisy)
    return session


@pytest.fixture(scope="module")
def record() -> dict:
    work = token_changes.token_changes(nudged(), PAIR)
    return next(item for item in work if not isinstance(item, Progress))


def test_probabilities_are_those_of_the_original_model(record):
    lm = workbench.ready(Session())
    model = GPT2LMHeadModel.from_pretrained(BUNDLED, dtype=torch.float32).eval()
    for side, ended in (("before", True), ("after", False)):
        ids, answer = lm.encode(PAIR["prompt"]), lm.encode(PAIR[side]) + [lm.end_id] * ended
        with torch.no_grad():
            p = (
                model(torch.tensor([ids + answer])).logits[0, len(ids) - 1 : -1]
                / ROLLOUT_TEMPERATURE
            ).softmax(-1)
        rows = record["tokens"][side]
        assert [row["token"] for row in rows] == [lm.piece(token) for token in answer]
        assert [row["original"] for row in rows] == pytest.approx(
            [p[t, token].item() for t, token in enumerate(answer)], abs=1e-4
        )
        assert all(row["kl"] > 0 and 1 <= len(row["rivals"]) <= 4 for row in rows)


def test_the_largest_changes_come_first_and_each_once(record):
    sizes = [abs(row["tuned"] - row["original"]) for row in record["most"]]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0.001
    assert (
        len({(row["so_far"], row["token"]) for row in record["most"]}) == len(record["most"]) == 10
    )
    every = [
        abs(row["tuned"] - row["original"]) for side in record["tokens"].values() for row in side
    ]
    assert sizes[0] >= max(every) - 1e-9


def test_a_model_that_has_not_changed_changed_nothing():
    session = Session()
    same = dict(workbench.ready(session).trunk.state_dict())
    session.tuned.weights = workbench.put(session, same)
    record = next(
        item
        for item in token_changes.token_changes(session, PAIR)
        if not isinstance(item, Progress)
    )
    assert all(
        row["original"] == row["tuned"] and abs(row["kl"]) < 1e-6
        for side in record["tokens"].values()
        for row in side
    )


def test_without_a_tuned_model_it_says_so():
    with pytest.raises(InputError, match="no tuned model yet"):
        list(token_changes.token_changes(Session(), PAIR))
    session = nudged()
    with pytest.raises(InputError, match="prompt is empty"):
        list(token_changes.token_changes(session, {**PAIR, "prompt": " "}))


def test_fluency_is_the_mean_log_probability_under_the_frozen_model():
    lm = workbench.ready(Session())
    rows = [
        ("A cat is", " a small animal.", True),
        ("An opossum is", " a", False),
        ("A cat is", "", True),
    ]
    work, found = texts.fluency_of_texts(lm, rows), None
    try:
        while True:
            next(work)
    except StopIteration as stop:
        found = stop.value
    model = GPT2LMHeadModel.from_pretrained(BUNDLED, dtype=torch.float32).eval()
    for (prompt, text, ended), value in zip(rows, found, strict=True):
        ids, answer = lm.encode(prompt), lm.encode(text) + [lm.end_id] * ended
        with torch.no_grad():
            log_p = model(torch.tensor([ids + answer])).logits[0, len(ids) - 1 : -1].log_softmax(-1)
        assert value == pytest.approx(
            sum(log_p[t, token].item() for t, token in enumerate(answer)) / len(answer), abs=1e-3
        )
