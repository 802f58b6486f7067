"""The next pair: its expected information against a simulation, and against random order on a
made-up taste.
"""

import numpy as np
import pytest
import torch

from rlhf_core.judging.next_pair import choose_pair, choose_repeat, information_gain
from rlhf_core.judging.preferences import Pair
from rlhf_core.rewards.reward_model import newton_step


def test_information_gain_is_what_a_simulation_of_the_posterior_gives():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(6, 3)), rng.normal(size=3)
    root = rng.normal(size=(3, 3))
    gains, chances = information_gain(x, w, root @ root.T)
    p = 1 / (1 + np.exp(-x @ (w[:, None] + root @ rng.normal(size=(3, 400_000)))))

    def entropy(p):
        return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))

    assert chances == pytest.approx(p.mean(1), abs=0.003)
    assert gains == pytest.approx(entropy(p.mean(1)) - np.nan_to_num(entropy(p)).mean(1), abs=0.004)


def test_information_gain_at_its_limits():
    gains, chances = information_gain([[1.0], [0.0], [3.0]], [0.0], [[1e-8]])
    assert gains == pytest.approx([0, 0, 0], abs=1e-6) and chances == pytest.approx(
        [0.5, 0.5, 0.5], abs=1e-3
    )
    gains, _ = information_gain(
        [[1.0]], [0.0], [[1e8]]
    )  # the sign of the margin is a fair coin, and the answer tells it
    assert gains == pytest.approx([1], abs=0.01)
    small, _ = information_gain([[1.0], [2.0], [3.0]], [0.0], [[1e-3]])
    d_optimal = np.log2(1 + 0.25 * 1e-3 * np.array([1, 4, 9])) / 2
    assert small == pytest.approx(d_optimal, rel=0.01)


def laplace(x: np.ndarray, targets: list[float]) -> tuple[np.ndarray, np.ndarray]:
    rows = torch.tensor(np.array(x)).reshape(len(targets), -1)
    w, y, ones = (
        torch.zeros(rows.shape[1], dtype=torch.float64),
        torch.tensor(targets, dtype=torch.float64),
        torch.ones(len(targets), dtype=torch.float64),
    )
    for _ in range(12):
        w, _, hessian = newton_step(w, rows, y, ones, 1.5, 1.0)
    return w.numpy(), torch.linalg.inv(hessian).numpy()


def learned(seed: int, random_share: float, asks: int = 24, k: int = 6) -> float:
    """Accuracy on unseen pairs after ``asks`` noisy answers by somebody with a linear taste."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=k) * 2
    spread = np.array(
        [3, 2, 1, 1, 0.4, 0.3]
    )  # as differences of whitened features are not: some pairs are near twins
    pool, unseen = (
        rng.normal(size=(150, k)) * spread * rng.uniform(0.1, 1.5, size=(150, 1)),
        rng.normal(size=(1000, k)) * spread,
    )
    left, x, y = list(range(len(pool))), [], []
    w, c = np.zeros(k), np.eye(k) * 1.5**2
    for ask in range(asks):
        index = left.pop(
            choose_pair(pool[left], w, c, seed=1000 * seed + ask, random_share=random_share).index
        )
        x.append(pool[index])
        y.append(float(rng.random() < 1 / (1 + np.exp(-pool[index] @ taste))))
        w, c = laplace(x, y)
    return float(((unseen @ w > 0) == (unseen @ taste > 0)).mean())


def test_informative_pairs_teach_more_than_random_ones():
    runs = np.array([[learned(seed, share) for share in (0.25, 1.0)] for seed in range(24)])
    gain = runs[:, 0] - runs[:, 1]
    assert (
        gain.mean() > 0.01 and gain.mean() > 2 * gain.std(ddof=1) / len(gain) ** 0.5
    )  # about two standard errors clear of nothing


def test_one_pair_alone_is_not_of_1_pairs():
    only = choose_pair(np.eye(1), np.zeros(1), np.eye(1), seed=0, random_share=0)
    assert only.why.startswith("The only pair that waits") and "1 pairs" not in only.why


def test_every_choice_says_why_and_the_same_seed_chooses_the_same():
    x, w, c = np.eye(3), np.array([0.0, 2.0, 0.0]), np.diag([4.0, 0.01, 0.1])
    chosen = [choose_pair(x, w, c, seed=seed) for seed in range(200)]
    assert chosen == [choose_pair(x, w, c, seed=seed) for seed in range(200)]
    informative = [item for item in chosen if item.how == "informative"]
    assert {item.index for item in informative} == {0} and {
        item.index for item in chosen if item.how == "random"
    } == {0, 1, 2}
    assert 0.15 < 1 - len(informative) / 200 < 0.35
    assert (
        informative[0].why.startswith("Of 3 pairs, this one is expected to teach most")
        and "cannot say which" in informative[0].why
    )
    assert "about one in 4" in next(item for item in chosen if item.how == "random").why
    sure = choose_pair(x[1:2], w, c, seed=3, random_share=0)
    assert (
        sure.chance == pytest.approx(0.88, abs=0.01)
        and "has a guess (88%" in sure.why
        and "first" not in sure.why
    )


def test_without_a_reward_model_the_order_is_random_and_without_a_pair_there_is_none():
    assert {choose_pair(np.eye(3), seed=seed).index for seed in range(50)} == {0, 1, 2}
    assert (
        choose_pair(torch.eye(3), torch.zeros(3), torch.eye(3), seed=1).gain > 0
    )  # tensors will do
    with pytest.raises(ValueError, match="no pair left"):
        choose_pair([], seed=0)


def test_a_repeat_is_old_asked_once_and_has_its_sides_swapped():
    pairs = [Pair("p", f" {i}", " z", "a") for i in range(6)]
    found = {choose_repeat(pairs, seed=seed) for seed in range(30)}
    assert found == {Pair("p", " z", " 0", "b"), Pair("p", " z", " 1", "b")}
    assert choose_repeat(pairs[:4], seed=0) is None and choose_repeat([], seed=0) is None
    again = [
        *pairs,
        Pair("p", " z", " 0", "b"),
        *[Pair("q", " x", f" {i}", "tie") for i in range(4)],
    ]
    assert choose_repeat(again[:3] + again[6:], seed=1) in {
        Pair("p", " z", " 1", "b"),
        Pair("p", " z", " 2", "b"),
    }
    assert choose_repeat([Pair("p", " x", " y", "skip"), *pairs], seed=0).a == " z"
