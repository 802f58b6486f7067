"""Every knob of the loop, once: its meaning, its default, its sensible range.

What a field carries, and who reads it: ``knob``. Imports no torch, so that a page can draw its
sliders before the engine is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rlhf_core.common.errors import SettingsError
from rlhf_core.common.knob import Checked, setting


@dataclass(frozen=True)
class SamplingSettings(Checked):
    """How a person samples. Rollouts of PPO use the temperature alone."""

    candidates: int = setting(
        4, "How many answers the model writes for one prompt (the K of K-wise ranking).", (1, 8, 1)
    )
    max_new_tokens: int = setting(
        32, "Longest answer. A token is a word or a piece of one.", (1, 64, 1), "tokens"
    )
    temperature: float = setting(
        0.6, "Divides the logits. Low: safe and alike; high: wild and varied.", (0.1, 2.0, 0.05)
    )
    top_k: int = setting(
        0,
        "Only the k most likely tokens may be drawn; 0 switches this off.",
        (0, 4096, 1),
        "tokens",
    )
    top_p: float = setting(
        0.95,
        "Only the most likely tokens that together hold this probability may be drawn; 1 switches"
        " this off.",
        (0.05, 1.0, 0.05),
    )
    min_new_tokens: int = setting(
        2,
        "Shortest answer: the model may not end before. At 0 it may stay silent, or only set the"
        " full stop that a prompt lacks.",
        (0, 16, 1),
        "tokens",
    )
    seed: int = setting(0, "Same seed, same answers.", (0, 2**31 - 1, 1))


@dataclass(frozen=True)
class RewardModelSettings(Checked):
    """A Bradley-Terry head on whitened features of the frozen reference."""

    features: int = setting(
        8,
        "How many whitened directions of the hidden states the head may weigh. Fewer need fewer"
        " pairs.",
        (2, 64, 1),
    )
    prior_std: float = setting(
        0.35,
        "How large a weight we expect before seeing data. Smaller: more cautious, and fewer"
        " pairs go further.",
        (0.05, 10.0, 0.05),
    )
    iterations: int = setting(
        24, "Damped Newton steps. It has converged long before the last one.", (1, 200, 1)
    )
    folds: int = setting(
        5,
        "The prompts are split into this many parts; each part is judged by a head that never"
        " saw it.",
        (2, 10, 1),
    )
    reference_samples: int = setting(
        512,
        "Unranked outputs of the original model: they set the features and the zero and unit of the"
        " score.",
        (64, 4096, 64),
        "outputs",
    )
    seed: int = setting(0, "Which prompts fall into which fold.", (0, 2**31 - 1, 1))


@dataclass(frozen=True)
class FineTunedSettings(Checked):
    """The slower reward model: top layers learn too, by TRL's ``RewardTrainer``."""

    unfrozen_layers: int = setting(
        2,
        "How many of the top layers learn. More can be learned, and more can be learned by heart.",
        (1, 48, 1),
        "layers",
    )
    epochs: int = setting(6, "How often every pair is seen.", (1, 50, 1))
    learning_rate: float = setting(
        1e-3, "Size of a gradient step (AdamW), falling to 0 by the end.", (0.0, 0.01, 1e-5)
    )
    batch_size: int = setting(8, "Pairs in one gradient step.", (1, 64, 1), "pairs")
    weight_decay: float = setting(0.01, "Pulls the weights towards 0.", (0.0, 1.0, 0.01))
    folds: int = setting(
        5, "One part of so many, whole prompts, is held out and never trained on.", (2, 10, 1)
    )
    seed: int = setting(
        0, "Which prompts are held out, and the order of the pairs.", (0, 2**31 - 1, 1)
    )


@dataclass(frozen=True, kw_only=True)
class _Rollout(Checked):
    """What PPO, RLOO and GRPO share: they learn from batches that they write themselves."""

    if TYPE_CHECKING:  # each has it, at a place of its own among its sliders
        minibatch_size: int

    steps: int = setting(
        15, "How many times: write a batch, score it, update.", (1, 200, 1), "steps"
    )
    batch_size: int = setting(64, "Answers written and scored in one step.", (8, 256, 8), "answers")
    max_new_tokens: int = setting(24, "Longest answer in training.", (4, 64, 1), "tokens")
    learning_rate: float = setting(
        2e-4, "Size of a gradient step (Adam). Too high: the language breaks.", (0.0, 0.1, 1e-5)
    )
    beta: float = setting(
        0.25,
        "Price of one nat of drift from the original model (KL penalty). 0: nothing holds it back.",
        (0.0, 10.0, 0.01),
    )
    temperature: float = setting(
        0.8, "One temperature for rollout, reference and training alike.", (0.1, 2.0, 0.05)
    )
    score_clip: float = setting(
        1.0,
        "No answer earns more than this: further out, the reward model has seen nothing. 0 switches"
        " it off.",
        (0.0, 100.0, 0.5),
        "reference SD",
    )
    conservative: float = setting(
        0.0,
        "Taken off each score: so many times the reward model's own doubt. It then earns less where"
        " nobody has judged. 0: as it is.",
        (0.0, 5.0, 0.1),
    )
    missing_end_penalty: float = setting(
        1.0, "Taken off the reward of an answer that never ends.", (0.0, 10.0, 0.1), "reference SD"
    )
    frozen_layers: int = setting(
        0,
        "Bottom layers that are not trained; their activations are kept, so a step is faster.",
        (0, 48, 1),
        "layers",
    )
    max_grad_norm: float = setting(
        1.0,
        "Gradient clipping: a gradient whose norm (length) is larger is shortened to this.",
        (0.01, 1000.0, 0.1),
    )
    seed: int = setting(0, "Same seed, same run.", (0, 2**31 - 1, 1))

    def validate(self) -> Self:
        super().validate()
        if self.minibatch_size > self.batch_size:
            raise SettingsError(
                f"The minibatch size ({self.minibatch_size}) is larger than the batch size"
                f" ({self.batch_size}); make it smaller."
            )
        return self


@dataclass(frozen=True, kw_only=True)
class PPOSettings(_Rollout):
    """Proximal policy optimisation of a language model (Schulman 2017; Ziegler 2019)."""

    epochs: int = setting(
        4,
        "How often the same batch is used again before a new one is written.",
        (1, 10, 1),
        after="max_new_tokens",
    )
    minibatch_size: int = setting(64, "Answers in one gradient step.", (8, 256, 8), "answers")
    clip: float = setting(
        0.2,
        "A token's probability ratio earns nothing beyond 1 ± this.",
        (0.01, 1.0, 0.01),
        after="learning_rate",
    )
    value_clip: float = setting(0.2, "The same brake for the value head.", (0.01, 10.0, 0.01))
    value_coefficient: float = setting(
        0.1, "Weight of the value loss beside the policy loss.", (0.0, 10.0, 0.05)
    )
    value_rate: float = setting(
        10.0,
        "The value head learns this many times faster than the rest: it starts from zero and must"
        " catch up.",
        (1.0, 100.0, 1.0),
    )
    gamma: float = setting(
        1.0,
        "Discount per token. 1: a point at the end counts in full at the start.",
        (0.0, 1.0, 0.01),
    )
    lam: float = setting(
        0.95,
        "Lambda of generalised advantage estimation: 0 trusts the value head, 1 trusts the"
        " outcome.",
        (0.0, 1.0, 0.01),
    )
    kl_target: float = setting(
        0.0,
        "Adaptive beta steers the drift here; 0 keeps beta fixed.",
        (0.0, 100.0, 0.5),
        "nats",
        after="beta",
    )


@dataclass(frozen=True, kw_only=True)
class RLOOSettings(_Rollout):
    """REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024)."""

    group: int = setting(
        4,
        "At least so many answers to each prompt of a batch: each is compared with the others'"
        " mean.",
        (2, 8, 1),
        "answers",
        after="batch_size",
    )
    epochs: int = setting(
        1,
        "How often the same batch is used again before a new one is written.",
        (1, 10, 1),
        after="max_new_tokens",
    )
    minibatch_size: int = setting(16, "Answers in one gradient step.", (8, 256, 8), "answers")
    clip: float = setting(
        0.2,
        "A whole answer's probability ratio earns nothing beyond 1 ± this.",
        (0.01, 1.0, 0.01),
        after="learning_rate",
    )


@dataclass(frozen=True, kw_only=True)
class GRPOSettings(RLOOSettings):
    """Group relative policy optimisation (Shao et al. 2024)."""

    clip: float = setting(
        0.2,
        "A token's probability ratio earns nothing beyond 1 ± this.",
        (0.01, 1.0, 0.01),
        after="learning_rate",
    )
    beta: float = setting(
        0.25,
        "Weight of the drift from the original model in the loss (KL penalty), beside rewards that"
        " are counted in standard deviations of their group. 0: nothing holds it back.",
        (0.0, 10.0, 0.01),
    )


@dataclass(frozen=True)
class DPOSettings(Checked):
    """Direct preference optimisation (Rafailov et al. 2023): no reward model, no rollouts."""

    steps: int = setting(
        15,
        "How many times: go through all pairs, then write a batch to see where the model stands.",
        (1, 200, 1),
        "steps",
    )
    batch_size: int = setting(
        64,
        "Answers written after a step. They measure the model; it does not learn from them.",
        (8, 256, 8),
        "answers",
    )
    max_new_tokens: int = setting(24, "Longest answer that is written.", (4, 64, 1), "tokens")
    minibatch_size: int = setting(16, "Pairs in one gradient step.", (1, 256, 1), "pairs")
    learning_rate: float = setting(
        1e-4, "Size of a gradient step (Adam). Too high: the language breaks.", (0.0, 0.1, 1e-5)
    )
    beta: float = setting(
        0.1,
        "How strongly the original model holds it: the smaller, the further a pair may move"
        " the model.",
        (0.001, 10.0, 0.01),
    )
    temperature: float = setting(
        0.8,
        "One temperature for the pairs' probabilities and for what is written.",
        (0.1, 2.0, 0.05),
    )
    frozen_layers: int = setting(0, "Bottom layers that are not trained.", (0, 48, 1), "layers")
    max_grad_norm: float = setting(
        1.0,
        "Gradient clipping: a gradient whose norm (length) is larger is shortened to this.",
        (0.01, 1000.0, 0.1),
    )
    seed: int = setting(0, "Same seed, same run.", (0, 2**31 - 1, 1))


@dataclass(frozen=True)
class KTOSettings(DPOSettings):
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024): answers called good or bad."""

    steps: int = setting(
        15,
        "How many times: go through all judged answers, then write a batch to see where the model"
        " stands.",
        (1, 200, 1),
        "steps",
    )
    minibatch_size: int = setting(
        16,
        "Judged answers in one gradient step, at least. They also tell how far the model has"
        " drifted.",
        (2, 256, 1),
        "answers",
    )
    beta: float = setting(
        0.1,
        "How strongly the original model holds it: the smaller, the further a judgement may move"
        " the model.",
        (0.001, 10.0, 0.01),
    )
    good_weight: float = setting(
        1.0,
        "How much an answer called good counts. Raise it where few are.",
        (0.0, 10.0, 0.05),
        after="beta",
    )
    bad_weight: float = setting(
        1.0, "How much an answer called bad counts. Raise it where few are.", (0.0, 10.0, 0.05)
    )


TrainingSettings = PPOSettings | RLOOSettings | DPOSettings  # GRPO's are RLOO's, KTO's are DPO's

# What a PPO run keeps to its end; the other knobs count from the next step on.
FIXED = ("steps", "seed", "frozen_layers", "max_new_tokens")
