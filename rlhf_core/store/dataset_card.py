"""The card of a data set of judgements. Plain data in, text out."""

from __future__ import annotations

from rlhf_core.store import card_parts as parts
from rlhf_core.store.card_text import bullets, counted, inline
from rlhf_core.store.card_yaml import dataset_yaml

FILES = {
    "preferences.jsonl": (
        "one judged pair a line; a was on the left, b on the right; choice is a, b, tie, both_bad"
        " or skip; brief and brief_version say under which instructions"
    ),
    "rankings.jsonl": "the judgements as they were made: whole lists, thumbs, reasons, seconds",
    "briefs.jsonl": "the instructions, one brief and version a line",
    "preferences-trl.jsonl": "prompt, chosen, rejected: for TRL's trainers; no ties",
    "preferences-chat.jsonl": "the same as conversations; chat_template.jinja goes with them",
    "chat_template.jinja": "the chat template: what was said, one after the other, no more",
    "SHA256SUMS": "checksums of these files (`sha256sum -c SHA256SUMS`)",
}
LOAD = """\
    from datasets import load_dataset
    pairs = load_dataset(".")["train"]                    # every judged pair
    chosen = load_dataset(".", "trl")["train"]            # prompt, chosen, rejected"""


def dataset_card(facts: dict, tables: dict[str, str], files: list[str]) -> str:
    """The README.md. ``tables``: as for ``card_yaml.dataset_yaml``; ``files``: what lies there."""
    load = LOAD if "trl" in tables else "\n".join(LOAD.splitlines()[:2])
    choices = ", ".join(f"{inline(k)} {count:,}" for k, count in facts["choices"].items())
    sections = (
        dataset_yaml(facts, tables, facts["rows"]),
        f"# Judgements: {inline(facts['title'])}",
        f"{counted(facts['rows'], 'judged pair')} ({choices}), made with Opossum, an app to learn"
        " how reinforcement learning from human feedback works.",
        f"## Licence\n\n{parts.rights(facts)}",
        f"## Who judged\n\n{parts.who_judged(facts)}",
        f"## The briefs they judged under\n\n{parts.briefs(facts)}",
        f"## Where the texts come from\n\n{parts.sources(facts)}",
        f"## What wrote them, and what learned from them\n\n{parts.training(facts)}",
        f"## What was left out\n\n{parts.left_out(facts)}",
        f"## Agreement and care\n\n{parts.agreement(facts)}",
        f"## Known biases\n\n{parts.biases(facts)}",
        f"## What it is for\n\n{parts.use(facts, 'To fit a reward model, or to study judges.')}",
        f"## Limits\n\n{parts.limits(facts)}",
        "## Files\n\n" + bullets(f"`{one}`: {FILES[one]}." for one in files if one in FILES),
        f"## How to load it\n\n{load}",
        f"## How to train on it\n\n    python -m rlhf_core run --brief {_brief(facts)}"
        f" --preferences preferences.jsonl{_steps(facts)} --out my-run\n"
        "    python -m rlhf_core replay my-run",
        f"## Made with\n\n{parts.made(facts)}",
    )
    return "\n\n".join(sections) + "\n"


def _brief(facts: dict) -> str:
    """By its name, where all were judged under one that has a name of plain letters."""
    slugs = {row["slug"] or "" for row in facts["briefs"]}
    slug = slugs.pop() if len(slugs) == 1 else ""
    return slug if slug.replace("-", "").isalnum() and slug.isascii() else "BRIEF"


def _steps(facts: dict) -> str:
    return f" --steps {facts['steps']}" if facts.get("steps") else ""
