"""Three ways to set PPO's knobs, and the range in which each knob is safe on a small model.

Plain numbers and words: what a page shows beside the sliders, and what the doctor (``symptoms``)
sends people back to. Ranges are rules of thumb from runs of the bundled model and the field's
papers (Ziegler et al. 2019; Huang et al. 2024), no guarantee. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlhf_core.common.settings import PPOSettings


@dataclass(frozen=True)
class Safe:
    """Where a knob is safe, and what happens on either side."""

    low: float
    high: float
    below: str
    above: str

    def says(self, value: float) -> str:
        """What to expect of ``value``, in words; empty where it is safe."""
        return self.below if value < self.low else self.above if value > self.high else ""


SAFE = {
    "beta": Safe(
        0.1,
        1.0,
        "little holds it back: it may trade its language for the score",
        "so tightly held, the original hardly changes, and a model that has drifted is pulled"
        " back towards it, its score falling",
    ),
    "clip": Safe(0.1, 0.3, "very timid updates", "a single step may go far"),
    "learning_rate": Safe(
        3e-5, 5e-4, "so slow that nothing may change in a short run", "the language may break"
    ),
    "epochs": Safe(2, 6, "it makes little use of each batch", "it learns one batch by heart"),
    "batch_size": Safe(32, 128, "noisy numbers: few answers to learn from", "each step takes long"),
    "temperature": Safe(
        0.6,
        1.2,
        "its answers are so alike that there is little to compare",
        "its answers are so wild that there is little to keep",
    ),
}

PRESETS = {
    "gentle": (
        "Small, careful steps on a short leash. Slow and hard to break.",
        {"beta": 0.5, "learning_rate": 1e-4, "clip": 0.1, "epochs": 2},
    ),
    "workshop": ("What this app starts with: visible change in 15 steps, language kept.", {}),
    "reckless": (
        "No leash and huge steps. Breaks on purpose: watch how, and ask the doctor.",
        {"beta": 0.0, "learning_rate": 3e-3, "clip": 0.5, "epochs": 6},
    ),
}
# What a preset sets.
TOUCHED = (
    "beta",
    "clip",
    "learning_rate",
    "epochs",
    "batch_size",
    "minibatch_size",
    "temperature",
    "kl_target",
    "max_grad_norm",
)


def preset(name: str) -> dict:
    """What preset ``name`` sets, by name; everything else of ``TOUCHED`` at its default."""
    return {knob: getattr(PPOSettings, knob) for knob in TOUCHED} | PRESETS[name][1]


def which(settings: dict) -> str | None:
    """The preset that these settings are, or None: somebody's own."""
    for name in PRESETS:
        if all(settings.get(knob) == value for knob, value in preset(name).items()):
            return name
    return None


def fitting(values: dict) -> dict:
    """``values`` with the minibatch no larger than the batch."""
    return values | {"minibatch_size": min(values["minibatch_size"], values["batch_size"])}
