"""Every knob of the labs' experiments, once; what is not here is each algorithm's own default.

What a field carries, and who reads it: ``knob``. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlhf_core.common.knob import Checked, setting


@dataclass(frozen=True)
class ContextFlipSettings(Checked):
    """The context flip lab: one set of outputs, two briefs."""

    comparisons: int = setting(
        30, "Pairs of outputs, judged once under each brief.", (4, 200, 1), "pairs"
    )
    steps: int = setting(12, "PPO steps for each brief.", (1, 100, 1), "steps")
    prompts: int = setting(
        8, "Held-out prompts that all three models answer at the end.", (1, 40, 1), "prompts"
    )
    seed: int = setting(0, "Same seed, same lab.", (0, 2**31 - 1, 1))

    @property
    def records(self) -> int:
        """How many records the lab yields."""
        # outputs, two reward models, scores, answers; step 0 and the steps of two runs
        return 5 + 2 * (self.steps + 1)


@dataclass(frozen=True)
class GoodhartSettings(Checked):
    """The Goodhart lab: a reward model that is easy to fool, and runs that find that out.

    The defaults are the preset (``python -m benchmarks goodhart``).
    """

    comparisons: int = setting(
        8,
        "How many pairs the scripted rater judges. Few: the reward model must guess much.",
        (4, 60, 1),
        "pairs",
    )
    features: int = setting(
        32,
        "How many directions the reward model may weigh. More: more ways to be fooled.",
        (2, 64, 1),
    )
    steps: int = setting(28, "PPO steps of each run.", (4, 60, 4), "steps")
    learning_rate: float = setting(
        5e-4, "Size of a gradient step. The larger, the farther a run goes.", (1e-5, 0.01, 1e-5)
    )
    beta: float = setting(
        0.25,
        "Price of a nat of drift in the run with a penalty. The other two runs pay nothing.",
        (0.01, 10.0, 0.01),
    )
    conservative: float = setting(
        1.0,
        "How many standard deviations of the reward model's own doubt are taken off each score in"
        " the run with the conservative reward.",
        (0.1, 5.0, 0.1),
    )
    seed: int = setting(0, "Same seed, same pairs, same runs.", (0, 2**31 - 1, 1))

    RUNS, EVERY = ("free", "penalty", "conservative"), 2  # steps between two points

    @property
    def records(self) -> int:
        """How many records the whole lab makes."""
        return 1 + len(self.RUNS) * (1 + self.steps // self.EVERY)


@dataclass(frozen=True)
class AlgorithmsSettings(Checked):
    """Algorithms side by side. Everything that is not here is each algorithm's own default."""

    comparisons: int = setting(
        60,
        "How many pairs the scripted rater judges, where yours are not used.",
        (4, 200, 1),
        "pairs",
    )
    steps: int = setting(
        16,
        "Steps of each training: one batch for PPO, RLOO and GRPO, one pass through what was judged"
        " for DPO and KTO.",
        (4, 60, 4),
        "steps",
    )
    seed: int = setting(0, "Same seed, same runs.", (0, 2**31 - 1, 1))

    TRAINED, EVERY = ("ppo", "rloo", "grpo", "dpo", "kto"), 4  # steps between two points

    @property
    def records(self) -> int:
        """How many records the whole lab makes."""
        return self.records_of(len(self.TRAINED))

    def records_of(self, runs: int) -> int:
        """How many records so many of the trainings make."""
        return 1 + runs * (1 + self.steps // self.EVERY)


@dataclass(frozen=True)
class RuleOrRewardSettings(Checked):
    """Rule or reward model: the same climb, once by a rule and once by an imitation of it."""

    comparisons: int = setting(
        60,
        "How many pairs the rule judges for the reward model to learn from. Few: a poor imitation.",
        (8, 200, 1),
        "pairs",
    )
    steps: int = setting(24, "GRPO steps of each climb.", (4, 60, 4), "steps")
    learning_rate: float = setting(
        5e-4, "Size of a gradient step. The larger, the farther a climb goes.", (1e-5, 0.01, 1e-5)
    )
    beta: float = setting(
        0.05,
        "Price of drift from the original model in both climbs. Small: room to find what was not"
        " meant.",
        (0.0, 10.0, 0.01),
    )
    seed: int = setting(0, "Same seed, same pairs, same climbs.", (0, 2**31 - 1, 1))

    RUNS, EVERY = ("rule", "learned"), 4  # steps between two points

    @property
    def records(self) -> int:
        """How many records the whole lab makes."""
        return 1 + len(self.RUNS) * (1 + self.steps // self.EVERY)


@dataclass(frozen=True)
class NoiseSettings(Checked):
    """What would noise have done: PPO on votes, on coin flips and on the coins turned over."""

    comparisons: int = setting(
        30,
        "How many pairs the scripted rater judges. The coin decides the same ones.",
        (8, 200, 1),
        "pairs",
    )
    steps: int = setting(12, "PPO steps of each run.", (2, 60, 2), "steps")
    # Not 0: its coin agrees with three of four votes, as one in twenty does.
    seed: int = setting(1, "Same seed, same pairs, same coins, same runs.", (0, 2**31 - 1, 1))

    RUNS, EVERY = ("votes", "noise", "turned"), 2  # steps between two points

    @property
    def records(self) -> int:
        """How many records the whole lab makes."""
        return 1 + len(self.RUNS) * (1 + self.steps // self.EVERY)
