"""RLOO: the estimator against its exact expectation, the loss against TRL 1.12.0's real trainer,
and runs that stop, break and go on.
"""

import copy
import itertools
import math
import warnings

import pytest
import torch
from tiny_models import (
    END,
    PAD,
    as_words,
    one_thread,  # noqa: F401
    random_prompts,
    tiny_gpt2,
    tiny_tokenizer,
    tiny_trunk,
)
from tiny_runs import (
    assert_going_on_equals_never_stopping,
    assert_gradients_are,
    assert_it_climbs_and_a_dearer_drift_drifts_less,
    assert_the_seed_decides,
    changed,
    drifted_gpt2,
    plain,
    records,
    run_of,
    tiny_policy,
)

from rlhf_core.algorithms import ppo, rloo
from rlhf_core.algorithms.ppo import Policy, TrainingDiverged
from rlhf_core.algorithms.rloo import answer_rewards, rloo_advantages, rloo_loss
from rlhf_core.common.errors import SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import RLOOSettings
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import fingerprint
from rlhf_core.lm.sampling import Responses, pad_left, pad_right, response_forward, token_logprobs
from rlhf_core.lm.transformer import Transformer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # TRL stirs them up

SMALL = RLOOSettings(
    steps=2,
    batch_size=16,
    minibatch_size=8,
    group=4,
    max_new_tokens=5,
    epochs=2,
    learning_rate=1e-3,
    temperature=0.7,
    beta=0.1,
    score_clip=0.0,
)
PROMPTS = random_prompts([3, 9, 1, 6, 4, 2])


def running(policy, reference, settings=SMALL, prompts=PROMPTS, **more):
    return run_of(rloo.train, policy, reference, settings, prompts=prompts, **more)


# --- advantages -----------------------------------------------------------------------------------


def test_each_is_judged_by_the_mean_of_the_others_of_its_group():
    rewards, group = torch.tensor([1.0, 0.0, 2.0, 6.0, 4.0]), torch.tensor([0, 1, 0, 0, 1])
    torch.testing.assert_close(
        rloo_advantages(rewards, group), torch.tensor([-3.0, -4.0, -1.5, 4.5, 4.0])
    )


def test_an_answer_without_company_is_refused():
    with pytest.raises(ValueError, match="needs at least two of each"):
        rloo_advantages(torch.ones(3), torch.tensor([0, 0, 1]))


def test_an_answer_earns_its_score_less_the_price_of_its_drift():
    kl, mask = torch.tensor([[0.1, 0.3], [0.5, 9.0]]), torch.tensor([[True, True], [True, False]])
    torch.testing.assert_close(
        answer_rewards(torch.tensor([1.0, -1.0]), kl, mask, 0.5), torch.tensor([0.8, -1.25])
    )


@pytest.mark.parametrize("size", [2, 3])
def test_the_expected_gradient_is_that_of_the_expected_reward(double, size):
    """Three answers of one token: every group of ``size`` that can be drawn, weighted by its
    probability. The baseline must add no bias at all.
    """
    logits = torch.tensor([0.3, -0.5, 1.0], requires_grad=True)
    rewards = torch.tensor([2.0, -1.0, 0.5])
    estimated = torch.zeros(3)
    for draw in itertools.product(range(3), repeat=size):
        log_p = logits.log_softmax(0)[list(draw)][:, None]
        advantages = rloo_advantages(rewards[list(draw)], torch.zeros(size, dtype=torch.long))
        loss, info = rloo_loss(log_p, log_p.detach(), advantages, torch.ones(size, 1), 0.2)
        (slope,) = torch.autograd.grad(-loss, logits)
        estimated += log_p.detach().sum().exp() * slope
        assert info["clip_fraction"] == 0 and info["approx_kl_update"] == 0
    (exact,) = torch.autograd.grad(logits.softmax(0) @ rewards, logits)
    torch.testing.assert_close(estimated, exact)


# --- the loss -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("advantage", "ratio", "slope"),
    [
        (1.0, 1.1, -1.1),
        (1.0, 1.3, 0.0),
        (1.0, 0.5, -0.5),
        (-1.0, 0.7, 0.0),
        (-1.0, 1.3, 1.3),
        (2.0, 0.9, -1.8),
    ],
)
def test_the_brake_is_on_the_whole_answer(advantage, ratio, slope):
    """Two tokens, each far beyond the clip alone; only their product counts. A third lies under the
    padding.
    """
    log_p = torch.tensor([[math.log(3.0), math.log(ratio / 3.0), 5.0]], requires_grad=True)
    loss, info = rloo_loss(
        log_p,
        torch.zeros(1, 3),
        torch.tensor([advantage]),
        torch.tensor([[True, True, False]]),
        0.2,
    )
    loss.backward()
    torch.testing.assert_close(log_p.grad, torch.tensor([[slope, slope, 0.0]]))
    assert info["clip_fraction"] == (slope == 0)
    k2 = [math.log(3.0) ** 2 / 2, math.log(ratio / 3.0) ** 2 / 2]
    assert info["approx_kl_update"] == pytest.approx(sum(k2) / 2, rel=1e-5)


# --- TRL ------------------------------------------------------------------------------------------

ANSWERS = [[5, 7, END], [9], [4, 4, 4, END], [8, 3, 2, 6], [END], [7, 7], [11, END], [10, 9, 8, 7]]
SCORES = [0.3, -1.0, 2.0, 0.7, -0.4, 1.1, 0.0, -2.0]
BETA, TEMPERATURE = 0.2, 0.7


def trl_trainer(where, model, reference, prompts):
    """TRL's RLOOTrainer, which will be handed ``ANSWERS``, four to a prompt, as if it had written
    them, and ``SCORES``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from trl import RLOOConfig, RLOOTrainer

        def fixed(prompts, completions, **_):
            return SCORES

        config = RLOOConfig(
            output_dir=str(where),
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            per_device_train_batch_size=8,
            num_generations=4,
            beta=0.0,
            temperature=TEMPERATURE,
            disable_dropout=True,
            gradient_checkpointing=False,
        )
        rows = Dataset.from_dict({"prompt": [as_words(prompt) for prompt in prompts]})
        trainer = RLOOTrainer(model, fixed, config, rows, processing_class=tiny_tokenizer())
    trainer.beta, trainer.ref_model = (
        BETA,
        reference,
    )  # given beta at once, it would load the reference from the hub by the model's name
    trainer._generate_single_turn = lambda *_: ANSWERS
    trainer.model.train()
    return trainer, trainer._generate_and_score_completions(
        [{"prompt": as_words(prompt)} for prompt in prompts for _ in range(4)]
    )


def our_batch(trunk: Transformer, reference: Transformer, prompts):
    ids, prompt_mask = pad_left([prompt for prompt in prompts for _ in range(4)], PAD)
    tokens, mask = pad_right(ANSWERS, PAD)

    def logprobs(model):
        with torch.no_grad():
            before, _ = response_forward(model, ids, prompt_mask, tokens, mask)
            return (
                token_logprobs((model.logits(before) / TEMPERATURE).log_softmax(-1), tokens) * mask
            )

    responses = Responses(ids, prompt_mask, tokens, mask, logprobs(trunk))
    nothing = torch.zeros(mask.shape)
    return ppo.Batch(
        responses,
        torch.empty(0),
        torch.tensor(SCORES),
        responses.ended(END),
        logprobs(reference),
        nothing,
        nothing,
        TEMPERATURE,
    )


class Recorded(torch.optim.SGD):
    def step(self, *args, **kwargs):
        self.given = [
            p.grad.clone() if p.grad is not None else None
            for group in self.param_groups
            for p in group["params"]
        ]


def test_advantages_loss_and_gradients_are_trls(tmp_path, double):
    """The policy moves a little between writing and learning, the same way on both sides, so that
    ratios and clip count.
    """
    prompts = random_prompts([4, 4])  # of one length: the next test says why
    reference, model = tiny_gpt2(), drifted_gpt2().requires_grad_(True)
    trainer, inputs = trl_trainer(tmp_path, model, reference, prompts)
    settings = changed(
        SMALL,
        batch_size=8,
        minibatch_size=8,
        epochs=1,
        beta=BETA,
        missing_end_penalty=0.0,
        max_grad_norm=1000.0,
    )
    policy = Policy(trunk_of(copy.deepcopy(model)), settings)
    batch = our_batch(policy.trunk, trunk_of(reference), prompts)

    ours = rloo_advantages(
        answer_rewards(
            batch.scores,
            ppo.kl_k1(batch.responses.logprobs, batch.ref_logprobs),
            batch.responses.mask,
            BETA,
        ),
        rloo.same_prompt(batch.responses),
    )
    torch.testing.assert_close(ours, inputs["advantages"], atol=1e-6, rtol=0)
    torch.testing.assert_close(
        batch.responses.logprobs.sum(1), inputs["old_logps"], atol=1e-6, rtol=0
    )

    for p, q in zip(policy.trunk.parameters(), model.transformer.parameters()):
        step = 0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
        p.data += step
        q.data += step
    theirs = trainer.compute_loss(model, inputs)
    theirs.backward()
    losses = []
    policy.optimizer = Recorded(policy.parameters, lr=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            rloo, "rloo_loss", lambda *arguments: losses.append(rloo_loss(*arguments)) or losses[-1]
        )
        *_, summary = rloo.update(policy, batch, settings)
    ((loss, info),) = losses
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    assert 0 < info["clip_fraction"] < 1 and summary == info
    assert info["clip_fraction"] == pytest.approx(
        trainer._metrics["train"]["clip_ratio/region_mean"][-1]
    )
    assert_gradients_are(policy.trunk, model, policy.optimizer.given)


def test_trl_leaves_positions_to_the_model_so_that_gpt2_counts_the_left_padding_ours_does_not(
    tmp_path, double
):
    prompts, reference = random_prompts([2, 5]), tiny_gpt2()
    model = tiny_gpt2().requires_grad_(True)
    _, inputs = trl_trainer(tmp_path, model, reference, prompts)
    ours = our_batch(trunk_of(model), trunk_of(reference), prompts).responses.logprobs.sum(1)
    alone = []  # each answer read after its prompt, without any padding
    with torch.no_grad():
        for row, answer in enumerate(ANSWERS):
            prompt = prompts[row // 4]
            log_p = (
                model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1] / TEMPERATURE
            ).log_softmax(-1)
            alone.append(log_p[range(len(answer)), answer].sum())
    torch.testing.assert_close(ours, torch.stack(alone), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        inputs["old_logps"][4:], ours[4:], atol=1e-6, rtol=0
    )  # the longest prompt has no padding
    assert (inputs["old_logps"][:4] - ours[:4]).abs().max() > 0.1


# --- runs -----------------------------------------------------------------------------------------


def test_every_prompt_of_a_batch_has_its_group():
    for row in records(running(*tiny_policy(SMALL))):
        count = torch.bincount(rloo.same_prompt(row["batch"].responses))
        assert len(count) == 4 and (count == 4).all()  # 16 answers, 4 of 6 prompts
    settings = changed(SMALL, group=2, batch_size=32)
    for row in records(running(*tiny_policy(settings), settings)):
        assert torch.bincount(rloo.same_prompt(row["batch"].responses)).tolist() in (
            [6, 6, 5, 5, 5, 5],
            *map(list, set(itertools.permutations([6, 6, 5, 5, 5, 5]))),
        )


def test_same_prompt_sees_through_the_padding():
    ids, mask = pad_left([[3, 4], [4], [3, 4], [PAD, 4]], PAD)
    group = rloo.same_prompt(Responses(ids, mask, ids, mask, ids))
    assert group[0] == group[2] and len(set(group.tolist())) == 3


def test_a_run_leaves_the_base_and_the_value_head_as_they_were():
    for frozen in (0, 1):
        settings = changed(SMALL, frozen_layers=frozen)
        policy, reference = tiny_policy(settings)
        before = fingerprint(reference)
        records(running(policy, reference, settings))
        assert fingerprint(reference) == before and not policy.value_head.weight.any()
        assert (
            max(
                (p - q).abs().max().item()
                for p, q in zip(policy.parameters, Policy(reference, settings).parameters)
            )
            > 1e-4
        )


def test_kept_activations_lead_to_the_same_update():
    reference, settings = tiny_trunk(layers=3), changed(SMALL, frozen_layers=2)
    kept = Policy(reference, settings)
    *_, batch = ppo.write_batch(
        kept, reference, PROMPTS[:4], lambda pooled: pooled[:, 0], settings, END, PAD
    )
    again = Policy(reference, settings)
    again.generator.set_state(kept.generator.get_state())
    again.trunk.wte, again.trunk.wpe, again.frozen_layers = (
        copy.deepcopy(again.trunk.wte),
        copy.deepcopy(again.trunk.wpe),
        0,
    )  # reads from the bottom
    for policy in (kept, again):
        *_, _ = rloo.update(policy, batch, settings)
    for p, q in zip(kept.parameters, again.parameters):
        torch.testing.assert_close(p, q, atol=1e-5, rtol=0)


def test_rloo_raises_a_simple_score_and_a_dearer_drift_drifts_less():
    assert_it_climbs_and_a_dearer_drift_drifts_less(running, SMALL, dearer=1.0)


def test_records_are_ppos_where_they_mean_the_same():
    rows = records(running(*tiny_policy(SMALL)))
    assert [row["step"] for row in rows] == [0, 1, 2]
    for row in rows:
        batch = row["batch"]
        assert row["reward_mean"] == pytest.approx(batch.scores.mean().item()) and row[
            "reward_std"
        ] == pytest.approx(batch.scores.std().item())
        assert row["kl_to_reference"] == pytest.approx(batch.kl.sum(1).mean().item())
        assert (
            row["beta"] == SMALL.beta
            and row["seconds"] > 0
            and set(row) - {"clip_fraction", "approx_kl_update"} == set(rloo.step_loop.SHARED)
        )
    assert (rows[0]["learning_rate"], rows[0]["clip_fraction"], rows[0]["approx_kl_update"]) == (
        0.0,
        0.0,
        0.0,
    )
    assert rows[1]["learning_rate"] == SMALL.learning_rate and rows[1]["approx_kl_update"] > 0


def test_doubt_is_taken_off_what_an_answer_earns_as_in_ppo_and_none_changes_nothing():
    reference, doubt = tiny_trunk(), lambda pooled: pooled[:, 1].abs()
    runs = []
    for settings, known in (
        (SMALL, None),
        (SMALL, doubt),
        (changed(SMALL, conservative=1.0), doubt),
    ):
        policy = Policy(reference, settings)
        runs.append(
            (
                [
                    plain(row)
                    for row in records(running(policy, reference, settings, doubt_fn=known))
                ],
                [p.tolist() for p in policy.parameters],
            )
        )
    doubts = [row.pop("doubt_mean", None) for row in runs[2][0]]
    assert runs[0] == runs[1] and runs[2][0][0] == runs[0][0][0] and runs[2][1] != runs[0][1]
    assert all(value > 0 for value in doubts) and "doubt_mean" not in runs[1][0][0], (
        "what was taken off is in the record, where it was"
    )


def test_same_seed_same_run_other_seed_other_run():
    assert_the_seed_decides(running, SMALL)


@pytest.mark.parametrize("items", [3, 12, 22])
def test_a_stop_anywhere_leaves_the_last_finished_step_and_going_on_equals_never_stopping(items):
    assert_going_on_equals_never_stopping(running, SMALL, items)


def test_scores_that_are_no_numbers_end_the_step_and_undo_it():
    calls = []

    def score(pooled):
        calls.append(1)
        return pooled[:, 0] * (math.nan if len(calls) == 3 else 1.0)

    policy, reference = tiny_policy(SMALL)
    run = running(policy, reference, score=score)
    rows = []
    with pytest.raises(
        TrainingDiverged, match=r"Training broke in step 2: .* The model of step 1 is kept"
    ):
        for item in run:
            if not isinstance(item, Progress):
                rows.append(item)
                kept = [p.detach().clone() for p in policy.parameters]
    assert policy.step == 1 and policy.batch is rows[-1]["batch"]
    assert all(torch.equal(p, q) for p, q in zip(policy.parameters, kept))


def test_impossible_settings_are_refused_before_anything_is_written():
    with pytest.raises(SettingsError, match="The setting group is 1"):
        next(running(*tiny_policy(SMALL), changed(SMALL, group=1)))
