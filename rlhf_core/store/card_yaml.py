"""The YAML at the head of a card: the keys of Hugging Face data set and model cards.

Which licence the texts have, only their author can say: nobody's choice is "unknown". A model that
is not on the hub is named as it is called here. Plain data in, text out.

Source: huggingface.co/docs/hub, "Dataset Cards" and "Model Cards" (read with huggingface_hub 2.4).
"""

from __future__ import annotations

import re

from rlhf_core.store.card_text import number, quoted

TAGS = ("rlhf", "preference", "education", "opossum")


def dataset_yaml(facts: dict, tables: dict[str, str], rows: int) -> str:
    """``tables``: the file of each configuration; the first one is the default."""
    lines = [*_common(facts), f"pretty_name: {quoted('Judgements: ' + facts['title'])}"]
    lines += ["task_categories:", "- text-generation", *_size(rows), *_tags("human-feedback")]
    return _fenced([*lines, *configs(tables)])


def model_yaml(facts: dict, kind: str, about: str = "") -> str:
    """``kind``: a tag of its own. ``about``: the name of the evaluated model; "": no evaluation."""
    lines = [*_common(facts), "library_name: transformers"]
    if kind != "reward-model":
        lines.append("pipeline_tag: text-generation")
    lines += [*base_model(facts["model"]), *_tags(kind)]
    return _fenced([*lines, *_results(facts, about)])


def run_yaml(facts: dict, tables: dict[str, str], rows: int) -> str:
    """Of a bundle, which is both: judgements and the weights that were trained on them."""
    lines = [*_common(facts), f"pretty_name: {quoted('RLHF run: ' + facts['title'])}"]
    lines += ["task_categories:", "- text-generation", "pipeline_tag: text-generation"]
    lines += [*_size(rows), *base_model(facts["model"]), *_tags("ppo")]
    return _fenced([*lines, *configs(tables)])


def configs(tables: dict[str, str]) -> list[str]:
    """What ``datasets.load_dataset`` reads; the first is the default."""
    lines = ["configs:"] if tables else []
    for place, (name, file) in enumerate(tables.items()):
        lines += [f"- config_name: {'default' if place == 0 else name}", "  data_files:"]
        lines += ["  - split: train", f"    path: {file}"]
    return lines


def licence(said: dict) -> list[str]:
    chosen, name = said.get("licence") or "", said.get("licence_name") or ""
    if chosen == "other":
        slug = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60]
        return ["license: other", f"license_name: {slug}"] if slug else ["license: unknown"]
    return [f"license: {chosen or 'unknown'}"]


def base_model(model: dict) -> list[str]:
    if model.get("hub"):
        return [f"base_model: {quoted(model['hub'])}", "base_model_relation: finetune"]
    if model.get("bundled"):
        return ["base_model: pocket-gpt2  # comes with Opossum; not on the hub"]
    return []


def _common(facts: dict) -> list[str]:
    return ["language:", "- en", *licence(facts["said"])]


def _tags(*more: str) -> list[str]:
    return ["tags:", *(f"- {tag}" for tag in dict.fromkeys((*TAGS, *more)))]


def _size(rows: int) -> list[str]:
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    size = next((words for limit, words in bounds if rows < limit), "100K<n<1M")
    return ["size_categories:", f"- {size}"]


def _results(facts: dict, about: str) -> list[str]:
    """The evaluation as the hub lists it: each judge's win rate."""
    found = [
        (str(judge.get("name")), rate)
        for judge in facts["evaluation"].get("judges") or []
        if isinstance(judge, dict) and (rate := number(judge.get("win_rate"))) is not None
    ]
    if not about or not found:
        return []
    lines = ["model-index:", f"- name: {quoted(about)}", "  results:", "  - task:"]
    lines += ["      type: text-generation", "    dataset:", "      type: opossum"]
    lines += [f"      name: {quoted('unseen prompts of the brief: ' + facts['title'])}"]
    lines += ["    metrics:"]
    for name, rate in found:
        lines += ["    - type: win_rate", f"      value: {rate:.4f}"]
        lines += [f"      name: {quoted('win rate against the original model, by ' + name)}"]
    return lines


def _fenced(lines: list[str]) -> str:
    return "\n".join(("---", *lines, "---"))
