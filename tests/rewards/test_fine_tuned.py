"""The stepwise crank against TRL's own ``train()``, the loss by hand, a taste that is learned, and
a frozen base that stays as it is.
"""

import copy
import importlib
import random
from dataclasses import replace

import pytest
import torch
from tiny_models import END, PAD, FakeLM, one_thread, tiny_gpt2  # noqa: F401

from rlhf_core.common.errors import RewardModelError
from rlhf_core.common.events import Progress
from rlhf_core.common.intervals import clustered
from rlhf_core.common.settings import FineTunedSettings, RewardModelSettings
from rlhf_core.judging.preferences import EXPLOIT, Pair, split_prompts
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import fingerprint
from rlhf_core.rewards import reward_model as rm
from rlhf_core.rewards.fine_tuned import (
    FineTunedReward,
    classifier,
    fit,
    reward_trainer,
    steps_of,
    token_ids,
)
from rlhf_core.rewards.kinds import HeadScorer, Reference, train


@pytest.fixture
def lm():
    model = tiny_gpt2()
    return FakeLM(
        trunk=trunk_of(model),
        end_id=END,
        pad_id=PAD,
        name="tiny",
        config=model.config.to_dict(),
        tokenizer=_tokenizer(),
    )


def _tokenizer():
    from tokenizers import Tokenizer as Raw
    from tokenizers import models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Raw(
        models.WordLevel(
            {"<end>": END, "<pad>": PAD, **{f"w{i}": i + 2 for i in range(38)}}, unk_token="<pad>"
        )
    )
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<pad>")


def taste(count=24, prompts=6, seed=0):
    """Answers with the word w7 win."""
    rng = random.Random(seed)
    pairs = []
    for i in range(count):
        words = [
            [f"w{rng.choice([3, 4, 5, 6, 8, 9])}" for _ in range(rng.randint(2, 5))]
            for _ in range(2)
        ]
        words[0][rng.randrange(len(words[0]))] = "w7"
        good, bad = (" ".join(side) for side in words)
        pairs.append(
            Pair(f"w{20 + i % prompts} w2", good, bad, "a")
            if i % 2
            else Pair(f"w{20 + i % prompts} w2", bad, good, "b")
        )
    return pairs


def rows_of_pairs(pairs):
    return [
        tuple((p.prompt, text, True) for text in ((p.a, p.b) if p.choice == "a" else (p.b, p.a)))
        for p in pairs
    ]


SETTINGS = FineTunedSettings(epochs=3, batch_size=8, learning_rate=1e-3, unfrozen_layers=1)


def test_turning_the_crank_is_trls_own_train(lm, tmp_path):
    rows = rows_of_pairs(taste())
    start = classifier(lm, 1, 0)
    ours, theirs = copy.deepcopy(start), copy.deepcopy(start)
    records = list(steps_of(reward_trainer(lm, ours, rows, SETTINGS, str(tmp_path / "a"))))
    reward_trainer(lm, theirs, rows, SETTINGS, str(tmp_path / "b")).train()
    assert [row["step"] for row in records] == list(range(1, 10)) and records[-1]["of"] == 9
    for (name, one), two, first in zip(
        ours.named_parameters(), theirs.parameters(), start.parameters()
    ):
        torch.testing.assert_close(one, two, atol=1e-7, rtol=1e-6, msg=name)
        assert torch.equal(one, first) != one.requires_grad, (
            name
        )  # what is trained has moved, and nothing else


def test_the_first_steps_loss_is_bradley_terry_plus_trls_centring(lm, tmp_path):
    rows = rows_of_pairs(taste(count=6))
    model = classifier(lm, 1, 0)
    scores = FineTunedReward(lm, model).raw([row for pair in rows for row in pair]).view(-1, 2)
    expected = (
        torch.nn.functional.softplus(scores[:, 1] - scores[:, 0]).mean()
        + 0.01 * (scores.sum(1) ** 2).mean()
    )
    first = next(steps_of(reward_trainer(lm, model, rows, SETTINGS, str(tmp_path))))
    assert first["loss"] == pytest.approx(expected.item(), rel=1e-4) and first["gradient"] > 0


def test_a_callback_may_stop_it_and_so_may_closing(lm, tmp_path):
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        seen = 0

        def on_step_end(self, args, state, control, **kwargs):
            Stop.seen += 1
            control.should_training_stop = state.global_step == 2
            return control

    records = list(
        steps_of(
            reward_trainer(
                lm, classifier(lm, 1, 0), rows_of_pairs(taste()), SETTINGS, str(tmp_path), [Stop()]
            )
        )
    )
    assert len(records) == 2 == Stop.seen
    work = fit(lm, taste(), [row for pair in rows_of_pairs(taste()) for row in pair], SETTINGS)
    assert isinstance(next(work), Progress)
    work.close()


def test_a_score_is_the_heads_output_on_the_last_token(lm):
    model = classifier(lm, 2, 0)
    scorer = FineTunedReward(lm, model, center=0.5, scale=2.0)
    rows = [("w1 w2", "w3", True), ("w1", "w4 w5 w6", True), ("w1", "w4 w5", False)]
    for row, score in zip(rows, scorer.score(rows)):
        ids = torch.tensor([token_ids(lm, row)])
        expected = (
            model(input_ids=ids).logits.item() - 0.5
        ) / 2  # alone: transformers' own pooling, no padding
        assert score.item() == pytest.approx(expected, abs=1e-4)
    assert (
        token_ids(lm, rows[0]) == [*lm.encode("w1 w2 w3"), END]
        and token_ids(lm, rows[2])[-1] != END
        and scorer.uncertainty(rows) is None
    )


def test_a_taste_is_learned_held_out_by_prompt_and_the_base_is_untouched(lm):
    pairs = taste(count=60, prompts=10)
    reference = [row for pair in rows_of_pairs(taste(count=20, seed=9)) for row in pair]
    importlib.import_module("trl.trainer.reward_trainer")  # its import draws, a fit must not
    before = fingerprint(lm.trunk), torch.random.get_rng_state(), random.getstate()
    *events, scorer = fit(
        lm,
        pairs,
        reference,
        FineTunedSettings(epochs=12, batch_size=8, learning_rate=3e-3, unfrozen_layers=2),
        watch=reference[:4],
    )
    records = [item for item in events if isinstance(item, dict)]
    assert [row["iteration"] for row in records] == list(range(1, 13)) and all(
        len(row["watched"]) == 4 for row in records
    )
    assert (
        records[-1]["loss"] < records[0]["loss"] / 2 < 0.3 and records[-1]["train_accuracy"] > 0.95
    )
    last = records[-1]
    assert last["heldout_pairs"] == 12 and last["heldout_accuracy"] >= 0.75
    right = scorer_is_right(scorer, pairs)
    fold = split_prompts([pair.prompt for pair in pairs], FineTunedSettings().folds, 0)
    held = [(hit, pair.prompt) for hit, pair in zip(right, pairs) if fold[pair.prompt] == 0]
    assert len({prompt for _, prompt in held}) == 2, (
        "two prompts: the interval says next to nothing"
    )
    assert (last["heldout_low"], last["heldout_high"]) == clustered(*zip(*held))
    assert (fingerprint(lm.trunk), random.getstate()) == (before[0], before[2]) and torch.equal(
        torch.random.get_rng_state(), before[1]
    )
    scores = scorer.score(reference)
    assert scores.mean().item() == pytest.approx(
        0, abs=1e-4
    ) and scores.std().item() == pytest.approx(1, abs=1e-4)
    fresh = rows_of_pairs(taste(count=40, seed=5))
    wins = scorer.score([good for good, _ in fresh]) > scorer.score([bad for _, bad in fresh])
    assert wins.double().mean() > 0.75


def test_both_kinds_speak_one_language(lm):
    from rlhf_core.lm.texts import pooled_of_texts

    pairs = taste(count=20)
    rows = [row for pair in rows_of_pairs(taste(count=20, seed=9)) for row in pair]
    work, states = pooled_of_texts(lm, rows), None
    while states is None:
        try:
            next(work)
        except StopIteration as end:
            states = end.value
    reference, shapes = Reference(rows, states), []
    for kind, settings in (
        ("head", RewardModelSettings(features=4, iterations=6)),
        ("fine-tuned", FineTunedSettings(epochs=2)),
    ):
        *events, scorer = train(
            kind, lm, pairs, reference=reference, settings=settings, watch=rows[:3]
        )
        records = [item for item in events if isinstance(item, dict)]
        shapes.append({name: type(value).__name__ for name, value in records[-1].items()})
        assert scorer.score(rows).mean().item() == pytest.approx(0, abs=1e-3) and scorer.score(
            rows[:5]
        ).shape == (5,)
        assert (scorer.uncertainty(rows[:5]) is None) == (kind == "fine-tuned")
        if kind == "head":
            assert (
                isinstance(scorer, HeadScorer)
                and isinstance(scorer.model, rm.RewardModel)
                and len(scorer.data) == 20
            )
    assert shapes[0] == shapes[1]
    with pytest.raises(RewardModelError, match="no reward model of the kind 'tree'"):
        next(train("tree", lm, pairs, reference=reference, settings=RewardModelSettings()))


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [([], "no pair was judged yet"), ([Pair("w1", "w2", "w3", "tie")], "every pair is a tie")],
    ids=["none", "all ties"],
)
def test_nothing_to_learn_is_told(lm, pairs, sentence):
    with pytest.raises(RewardModelError, match=sentence):
        next(fit(lm, pairs, [], SETTINGS))


def scorer_is_right(scorer, pairs):
    sides = (scorer.score([(p.prompt, text, True) for text in (p.a, p.b)]) for p in pairs)
    return [bool(a > b) == (p.choice == "a") for (a, b), p in zip(sides, pairs)]


def test_exploits_are_no_fair_test(lm):
    pairs = [replace(pair, annotator=EXPLOIT) if i % 3 else pair for i, pair in enumerate(taste())]
    *events, _ = fit(
        lm,
        pairs,
        [row for pair in rows_of_pairs(taste()) for row in pair],
        FineTunedSettings(epochs=1),
    )
    (record,) = [item for item in events if isinstance(item, dict)]
    settings = FineTunedSettings()
    fold = split_prompts([pair.prompt for pair in pairs], settings.folds, settings.seed)
    fair = [p for p in pairs if fold[p.prompt] == 0 and p.annotator != EXPLOIT]
    assert record["heldout_pairs"] == len(fair) > 0


def test_one_comparison_trains_and_holds_nothing_out(lm):
    rows = rows_of_pairs(taste(count=4))
    *events, scorer = fit(
        lm, taste(count=1), [row for pair in rows for row in pair], FineTunedSettings(epochs=1)
    )
    (record,) = [item for item in events if isinstance(item, dict)]
    assert (
        record["heldout_accuracy"] is None
        and record["heldout_pairs"] == 0
        and isinstance(scorer, FineTunedReward)
    )


def test_another_family_is_refused_in_one_sentence(lm):
    lm.config = {**lm.config, "model_type": "llama"}
    with pytest.raises(
        RewardModelError,
        match="GPT-2 family; this model is of type 'llama'. The instant reward model works",
    ):
        classifier(lm, 1, 0)


def test_more_layers_than_there_are_is_refused(lm):
    with pytest.raises(RewardModelError, match="2 layers, so between 1 and 2"):
        classifier(lm, 3, 0)
