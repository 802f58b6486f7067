"""A language model so small that everything it can say is known: vocabulary 5, answers of at most 3
tokens, 85 of them.

Over a finite set the policy that all of RLHF looks for can be written down: pi*(y) = pi_ref(y)
exp(r(y) / beta) / Z (Rafailov et al. 2023, arXiv 2305.18290, equation 4; Korbak et al. 2022, arXiv
2205.11275). PPO and RLOO, which only see sampled answers and their scores, and DPO, which only sees
who beats whom, must all come to it; GRPO and KTO look for something else, which can be written down
as well. Here every probability of the trained policy is read off, not estimated.
"""

import dataclasses
import itertools
import math

import pytest
import torch
from tiny_models import nudged, one_thread, tiny_trunk  # noqa: F401

from rlhf_core.algorithms import best_of_n, dpo, grpo, kto, ppo, rloo
from rlhf_core.algorithms.dpo import TokenPair, answer_logprobs
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import (
    DPOSettings,
    GRPOSettings,
    KTOSettings,
    PPOSettings,
    RLOOSettings,
)
from rlhf_core.lm.sampling import (
    collect,
    decode,
    pad_left,
    pad_right,
    pooled_states,
    response_forward,
    uniform_numbers,
)
from rlhf_core.lm.transformer import Transformer

END = PAD = 0  # what is padded is told by masks alone, so the pad needs no token of its own
VOCABULARY, LONGEST, PROMPT, BETA = 5, 3, [1, 2], 0.5


def everything_that_can_be_said() -> list[list[int]]:
    """Every answer that ends within 3 tokens, and every one of 3 tokens that does not."""
    words = range(1, VOCABULARY)
    ended = [
        [*words_before, END]
        for length in range(LONGEST)
        for words_before in itertools.product(words, repeat=length)
    ]
    return ended + [list(answer) for answer in itertools.product(words, repeat=LONGEST)]


ANSWERS = everything_that_can_be_said()


def probabilities(trunk: Transformer) -> torch.Tensor:
    """Of each of ``ANSWERS`` after the prompt, (85,)."""
    with torch.no_grad():
        return answer_logprobs(trunk, [PROMPT] * len(ANSWERS), ANSWERS, PAD, 1.0).double().exp()


class Toy:
    """The reference, its score of every answer (mean 0, standard deviation 1 over what it says),
    and the policy to be found.
    """

    def __init__(self):
        self.reference = tiny_trunk(
            vocabulary=VOCABULARY, width=32, layers=2, context=8, spread=0.2, seed=2
        )
        self.direction = torch.randn(32, generator=torch.Generator().manual_seed(1))
        self.center, self.scale = 0.0, 1.0
        ids, prompt_mask = pad_left([PROMPT] * len(ANSWERS), PAD)
        with torch.no_grad():
            tokens, mask = pad_right(ANSWERS, PAD)
            self.pooled = pooled_states(
                response_forward(self.reference, ids, prompt_mask, tokens, mask)[1], mask
            )
        self.start, raw = probabilities(self.reference), self.score(self.pooled).double()
        self.start /= self.start.sum()  # float32 leaves 1e-7
        self.center = (self.start @ raw).item()
        self.scale = (self.start @ (raw - self.center) ** 2).sqrt().item()
        self.scores = self.score(self.pooled).double()  # (85,)
        wanted = self.start * (self.scores / BETA).exp()
        self.optimum = wanted / wanted.sum()

    def score(self, pooled):
        return (pooled @ self.direction - self.center) / self.scale


@pytest.fixture(scope="module")
def toy():
    return Toy()


def total_variation(p, q) -> float:
    return 0.5 * (p - q).abs().sum().item()


def kl(p, q) -> float:
    return (p * (p / q).log()).sum().item()


def run(steps):
    return [row for row in steps if not isinstance(row, Progress)]


def trained(module, settings, rates, toy, **collaborators):
    """The policy's probabilities after training in stages, (steps, learning rate) each: a falling
    rate, so that the noise of sampled batches dies down.
    """
    policy = ppo.Policy(toy.reference, settings)
    for steps, rate in rates:
        stage = dataclasses.replace(settings, steps=steps, learning_rate=rate)
        for row in run(
            module.train(
                policy=policy,
                reference=toy.reference,
                prompts=[PROMPT],
                score_fn=toy.score,
                settings=stage,
                end_id=END,
                pad_id=PAD,
                **collaborators,
            )
        ):
            last = row
    return probabilities(policy.trunk), last


def short(cls, **values):
    """Settings for answers of 3 tokens, which is less than the sliders offer."""
    unchecked = type(cls.__name__, (cls,), {"validate": lambda self: self})
    return unchecked(
        **{"batch_size": 256, "max_new_tokens": LONGEST, "temperature": 1.0, "beta": BETA, **values}
    )


PUNISHES_NOTHING = {
    "score_clip": 0.0,
    "missing_end_penalty": 0.0,
}  # the reward is the score alone, as in the formula of pi*


def arrived(found, last, toy):
    """At the optimum, and not merely on its way there or beyond."""
    assert found.sum().item() == pytest.approx(1, abs=1e-4)
    assert total_variation(found, toy.optimum) < 0.05
    for beta in (0.8 * BETA, 1.25 * BETA):
        other = toy.start * (toy.scores / beta).exp()
        assert total_variation(found, other / other.sum()) > 0.05
    assert last["kl_to_reference"] == pytest.approx(
        kl(found, toy.start), abs=0.15
    )  # a batch of 256 against the sum over all answers
    assert last["reward_mean"] == pytest.approx((found @ toy.scores).item(), abs=0.2)


# --- the world ------------------------------------------------------------------------------------


def test_the_toy_is_complete_and_the_optimum_is_far_away(toy):
    assert len(ANSWERS) == len(set(map(tuple, ANSWERS))) == 1 + 4 + 16 + 64
    assert toy.start.sum().item() == pytest.approx(1, abs=1e-5) and toy.start.min() > 1e-6
    assert total_variation(toy.start, toy.optimum) > 0.5
    objective = toy.optimum @ toy.scores - BETA * kl(
        toy.optimum, toy.start
    )  # its own maximum: log Z, and no other policy has more
    assert objective.item() == pytest.approx(
        BETA * (toy.start * (toy.scores / BETA).exp()).sum().log().item()
    )
    for seed in range(20):
        other = probabilities(nudged(toy.reference, 0.3, seed))
        assert other @ toy.scores - BETA * kl(other, toy.start) < objective


# --- three ways to the same policy ----------------------------------------------------------------


def test_ppo_arrives_at_the_optimal_policy(toy):
    settings = short(PPOSettings, minibatch_size=256, **PUNISHES_NOTHING)
    arrived(*trained(ppo, settings, [(20, 2e-3), (25, 7e-4), (25, 2e-4)], toy), toy)


def test_rloo_arrives_at_the_optimal_policy(toy):
    settings = short(RLOOSettings, minibatch_size=256, epochs=4, group=8, **PUNISHES_NOTHING)
    arrived(*trained(rloo, settings, [(20, 3e-3), (20, 1e-3), (20, 3e-4)], toy), toy)


def test_dpo_fed_exact_bradley_terry_probabilities_arrives_at_the_optimal_policy(toy):
    pairs = [
        TokenPair(
            PROMPT,
            ANSWERS[a],
            ANSWERS[b],
            target=torch.sigmoid(toy.scores[a] - toy.scores[b]).item(),
        )
        for a, b in itertools.combinations(range(len(ANSWERS)), 2)
    ]
    arrived(
        *trained(
            dpo,
            short(DPOSettings, minibatch_size=128),
            [(2, 3e-3), (2, 1e-3), (1, 3e-4)],
            toy,
            pairs=pairs,
        ),
        toy,
    )


# --- and two that go somewhere else ---------------------------------------------------------------


def grpo_rests_at(toy, beta) -> torch.Tensor:
    """The policy that GRPO's expected gradient leaves alone, (85,): at every token
    pi(a | h) = pi_ref(a | h) exp(Q(h, a) / (beta sigma)) / Z(h), Q the expected score after token
    a, sigma the standard deviation of the scores, both under that policy itself. Found by
    iteration.
    """
    starts = sorted({tuple(a[:n]) for a in ANSWERS for n in range(len(a) + 1)}, key=len)

    def mass(policy):
        """Probability of each beginning, and its expected score times that."""
        total, earned = dict.fromkeys(starts, 0.0), dict.fromkeys(starts, 0.0)
        for answer, often, score in zip(ANSWERS, policy.tolist(), toy.scores.tolist()):
            for n in range(len(answer) + 1):
                total[tuple(answer[:n])] += often
                earned[tuple(answer[:n])] += often * score
        return total, earned

    (reference, _), policy = mass(toy.start), toy.start
    for _ in range(200):
        total, earned = mass(policy)
        sigma = (policy @ (toy.scores - policy @ toy.scores) ** 2).sqrt().item() + 1e-4
        found = {(): 1.0}
        for h in starts:
            after = [s for s in starts if len(s) == len(h) + 1 and s[:-1] == h]
            if after:
                pull = torch.tensor([earned[s] / total[s] / (beta * sigma) for s in after])
                weights = torch.tensor([reference[s] for s in after]) * (pull - pull.max()).exp()
                found |= dict(zip(after, (found[h] * weights / weights.sum()).tolist()))
        policy = 0.5 * policy + 0.5 * torch.tensor([found[tuple(a)] for a in ANSWERS]).double()
    return policy


def grpo_from(toy, beta):
    settings = short(
        GRPOSettings, minibatch_size=256, epochs=2, group=8, **{**PUNISHES_NOTHING, "beta": beta}
    )
    return trained(grpo, settings, [(40, 3e-3), (30, 1e-3), (30, 3e-4)], toy)


def test_grpo_rests_near_the_optimal_policy_where_beta_is_large_but_not_at_it(toy):
    """It counts rewards in the spread of what it now writes, and lets a token pay for its own drift
    only.
    """
    beta = 0.8
    rest, optimum = grpo_rests_at(toy, beta), toy.start * (toy.scores / beta).exp()
    optimum /= optimum.sum()
    found, last = grpo_from(toy, beta)
    assert total_variation(found, rest) < 0.06 and rest.sum().item() == pytest.approx(1, abs=1e-4)
    assert total_variation(found, optimum) > 0.12 < total_variation(rest, optimum)
    assert last["kl_to_reference"] == pytest.approx(kl(found, toy.start), abs=0.2)


def test_grpo_runs_away_to_one_answer_where_beta_is_small(toy):
    """The surer it is, the smaller the spread that it divides by, and the less its drift costs
    beside: the same beta at which PPO, RLOO and DPO keep to the optimal policy.
    """
    rest, (found, last) = grpo_rests_at(toy, BETA), grpo_from(toy, BETA)
    assert rest.max() > 0.999 > 0.5 > toy.optimum.max()
    assert total_variation(found, rest) < 0.01 and last["entropy"] < 0.05


@pytest.mark.parametrize("of_ten", [10, 6])
def test_kto_goes_all_the_way_to_the_majoritys_side_however_narrow(toy, of_ten):
    """Of ten people, so many call an answer with a score above 0 good, and as many call the others
    bad. A Bradley-Terry policy would stop where 6 of 10 stop; KTO does not.
    """
    liked = toy.scores > 0
    rows = [
        kto.Judged(PROMPT, answer, (n < of_ten) == above)
        for answer, above in zip(ANSWERS, liked.tolist())
        for n in range(10)
    ]
    settings = short(KTOSettings, minibatch_size=850)
    found, _ = trained(kto, settings, [(25, 3e-3), (5, 1e-3)], toy, rows=rows)
    odds = toy.start * (2 * liked - 1.0).mul(math.log(6 / 4) / BETA).exp()
    bounded = odds[liked].sum() / odds.sum()
    assert found[liked].sum() > 0.97 > 0.85 > bounded > toy.start[liked].sum()


# --- best of n ------------------------------------------------------------------------------------


def index_of(tokens, mask):
    place = {tuple(answer): i for i, answer in enumerate(ANSWERS)}
    return torch.tensor([place[tuple(row[keep].tolist())] for row, keep in zip(tokens, mask)])


@pytest.mark.parametrize("n", [2, 4, 16])
def test_best_of_n_hands_out_its_enumerated_distribution(toy, n):
    rounds = 4000
    written = collect(
        decode(
            toy.reference,
            [PROMPT],
            uniforms=uniform_numbers(rounds * n, LONGEST, torch.Generator().manual_seed(n)),
            end_id=END,
            pad_id=PAD,
            samples=rounds * n,
        )
    )
    answers = index_of(written.tokens, written.mask).view(rounds, n)
    kept = answers[torch.arange(rounds), best_of_n.pick(toy.scores[answers])]
    exact = best_of_n.distribution(toy.start, toy.scores, n)
    expected, found = rounds * exact, torch.bincount(kept, minlength=len(ANSWERS)).double()
    often = expected > 5  # chi-squared over these and the rest together
    pooled = [
        torch.cat([numbers[often], numbers[~often].sum()[None]]) for numbers in (expected, found)
    ]
    chi = ((pooled[1] - pooled[0]) ** 2 / pooled[0].clamp(min=1)).sum().item()
    freedom = int(often.sum())
    assert exact.sum().item() == pytest.approx(1)
    assert abs(chi - freedom) < 4 * (2 * freedom) ** 0.5
    assert total_variation(exact, toy.start) > 0.2


@pytest.mark.parametrize("n", [1, 2, 4, 16, 64])
def test_its_true_distance_is_below_the_formula_and_below_what_the_optimum_pays_for_as_much(toy, n):
    exact = best_of_n.distribution(toy.start, toy.scores, n)
    distance = kl(exact, toy.start)
    assert -1e-9 <= distance <= best_of_n.kl_bound(n) + 1e-9
    if n > 1:
        assert distance > 0.6 * best_of_n.kl_bound(min(n, 4))  # a bound that says something
        low, high = (
            0.01,
            100.0,
        )  # the beta whose optimal policy earns the same: no policy earns it at a smaller distance
        for _ in range(60):
            beta = (low * high) ** 0.5
            tilted = toy.start * ((toy.scores - toy.scores.max()) / beta).exp()
            tilted /= tilted.sum()
            low, high = (beta, high) if tilted @ toy.scores > exact @ toy.scores else (low, beta)
        assert kl(tilted, toy.start) <= distance + 1e-6
