"""The cards of what was trained: the tuned model, and the reward model. Plain data in, text out."""

from __future__ import annotations

from rlhf_core.store import card_parts as parts
from rlhf_core.store.card_text import inline
from rlhf_core.store.card_yaml import model_yaml

LOAD = """\
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(".")
    model = AutoModelForCausalLM.from_pretrained(".")
    ids = tokenizer("An opossum is", return_tensors="pt")
    print(tokenizer.decode(model.generate(**ids, max_new_tokens=24, do_sample=True)[0]))"""
SCORE = """\
    python score.py "An opossum is" " a marsupial with a bare tail."    needs torch, transformers"""


def model_card(facts: dict) -> str:
    """Of a tuned model that transformers loads."""
    title = f"{facts['model']['name']}, tuned for: {facts['title']}"
    sections = (
        model_yaml(facts, "ppo", title),
        f"# {inline(title)}",
        "A language model tuned by PPO to what was preferred under one brief, made with Opossum,"
        " an app to learn how reinforcement learning from human feedback works.",
        *_middle(facts, "To see what a preference does to a model."),
        f"## How to load it\n\n{LOAD}",
        _again(),
        f"## Made with\n\n{parts.made(facts)}",
    )
    return "\n\n".join(sections) + "\n"


def reward_model_card(facts: dict) -> str:
    """Of a reward model with the frozen model whose states it reads."""
    title = f"Reward model for: {facts['title']}"
    sections = (
        model_yaml(facts, "reward-model"),
        f"# {inline(title)}",
        "A small linear head on the hidden states of a frozen language model: it scores an answer"
        " in standard deviations of that model's own answers, 0 being their mean. Made with"
        " Opossum, an app to learn how reinforcement learning from human feedback works."
        " `model.safetensors` is the frozen model as it was, `reward_model.safetensors` the head.",
        *_middle(facts, "To see which pattern a preference leaves."),
        f"## How to score a text\n\n{SCORE}",
        _again(),
        f"## Made with\n\n{parts.made(facts)}",
    )
    return "\n\n".join(sections) + "\n"


def _middle(facts: dict, what: str) -> tuple[str, ...]:
    return (
        f"## Licence\n\n{parts.rights(facts)}",
        f"## What it is for\n\n{parts.use(facts, what)}",
        f"## Evaluation\n\n{parts.evaluation(facts)}",
        f"## Limits\n\n{parts.limits(facts)}",
        f"## Who judged\n\n{parts.who_judged(facts)}",
        f"## The briefs they judged under\n\n{parts.briefs(facts)}",
        f"## Where the judgements come from\n\n{parts.sources(facts)}",
        f"## What was left out\n\n{parts.left_out(facts)}",
        f"## Agreement and care\n\n{parts.agreement(facts)}",
        f"## Known biases\n\n{parts.biases(facts)}",
        f"## Training\n\n{parts.training(facts)}",
    )


def _again() -> str:
    return (
        "## How to make it again\n\nThe whole run (Opossum's page “Paper trail”, or `python -m"
        " rlhf_core export-zip`) holds the judgements and seeds; unpacked, `python -m rlhf_core"
        " replay FOLDER` makes it again and lists every number that differs."
    )
