"""The README.md of a bundle.

A dataset and model card that says what was done, by whom, and what it is not.

Plain data in, text out. Titles, briefs and names in it were typed by somebody: they are quoted so
that they stay text in YAML, Markdown and HTML. The YAML keys are those of Hugging Face dataset and
model cards; which licence the texts have, only their owner can say, so it says "other".
"""

from __future__ import annotations

import json
import re
from collections import Counter

from rlhf_core.common.untrusted import unlinked

SCRIPTED = "scripted rater"
_FILES = {
    "run.json": (
        "brief, settings, seeds, versions, who judged, and the checksum of every other file"
    ),
    "preferences.jsonl": (
        "one judged pair a line; a was on the left, b on the right; choice is a, b, tie, both_bad"
        " or skip"
    ),
    "rankings.jsonl": "the judgements as they were made",
    "metrics.csv": (
        "one row a PPO step; step 0 is the original model. Rewards in standard deviations of the"
        " original model's outputs, KL in nats a response"
    ),
    "samples.jsonl": "outputs of every step",
    "evaluation.json": "before and after, on prompts that no training saw",
    "reward_model.safetensors": "the reward model",
    "policy.safetensors": "the tuned language model",
    "round_start.safetensors": "the model that this round started from (round 2 and later)",
}


def holds(run: dict, contents: dict, weights: list[str]) -> str:
    """What a save holds, in words.

    "12 comparisons, a reward model, 7 of 15 PPO steps, no verdict yet".
    """
    done, planned = _steps(contents.get("metrics") or []), _dig(run, "settings", "run", "steps")
    steps = (
        f"{done} of {planned} PPO steps"
        if isinstance(planned, int) and planned >= done
        else f"{_count(done, 'PPO step')}"
    )
    return ", ".join(
        (
            _count(len(contents.get("preferences") or []), "comparison"),
            "a reward model" if "reward_model.safetensors" in weights else "no reward model yet",
            steps if done else "no PPO steps yet",
            "a verdict" if contents.get("evaluation") else "no verdict yet",
        )
    )


def who_judged(preferences: list[dict]) -> list[str]:
    """One honest sentence for each kind of annotator in the rows, most rows first."""
    counts = Counter(str(row.get("annotator") or "unknown") for row in preferences)
    sentences = []
    for name, number in counts.most_common():
        rows = _count(number, "comparison")
        if name.startswith(SCRIPTED):
            sentences.append(
                f"{rows} by a {_inline(name)}: a rule in the program. No person read these texts."
            )
        elif name == "you":
            sentences.append(f"{rows} by the person who made this run.")
        elif name == "you (exploit)":
            sentences.append(
                f"{rows} that reject a text which the person who made this run had written to fool"
                " the reward model."
            )
        else:
            sentences.append(f"{rows} by {_inline(name)}, as the imported file says.")
    return sentences or ["Nobody has judged anything yet."]


def card(run: dict, contents: dict, weights: list[str]) -> str:
    """The whole README.md.

    Args:
        run: what goes into run.json.
        contents: rankings, preferences, metrics, samples, evaluation, as ``write_bundle`` takes
        them.
        weights: names of the weight files that the save has.
    """
    brief = run.get("brief") if isinstance(run.get("brief"), dict) else {}
    title = str(brief.get("title") or "a brief of its own")
    preferences = contents.get("preferences") or []
    parts = [
        _yaml(run, contents, title),
        f"# RLHF run: {_inline(title)}",
        _purpose(run),
        "## Who judged",
        _list(who_judged(preferences)),
    ]
    parts += [
        "## The brief they judged under",
        _brief(brief),
        "## What came out",
        _list(_results(run, contents, weights)),
    ]
    absent = {name for name in _FILES if name.endswith(".safetensors") and name not in weights} | (
        set() if contents.get("evaluation") else {"evaluation.json"}
    )
    parts += [
        "## Files",
        _list(f"`{name}`: {what}." for name, what in _FILES.items() if name not in absent),
        "## What it is not",
        _list(_limits(preferences)),
    ]
    return "\n\n".join(parts) + "\n"


def _purpose(run: dict) -> str:
    name = _model_name(run)
    model = (
        "The language model was"
        f" {'the pocket GPT-2 that comes with it' if name == 'bundled' else _inline(name)}. "
        if name
        else ""
    )
    ended = {
        "running": "It was still going on when this was written.",
        "interrupted": "It was interrupted before its end.",
    }.get(run.get("status"), "")
    return (
        "One round of reinforcement learning from human feedback, made with Opossum, an app to"
        f" learn how it works. {model}{ended}".strip()
    )


def _results(run: dict, contents: dict, weights: list[str]) -> list[str]:
    lines = [f"The save holds {holds(run, contents, weights)}."]
    metrics = [
        row for row in contents.get("metrics") or [] if _number(row.get("reward_mean")) is not None
    ]
    if len(metrics) > 1:
        first, last = metrics[0], metrics[-1]
        kl = _number(last.get("kl_to_reference"))
        drift = (
            f", at {kl:.2f} nats of drift a response from the original model"
            if kl is not None
            else ""
        )
        rewards = f"{first['reward_mean']:+.2f} to {last['reward_mean']:+.2f}"
        lines.append(
            f"Mean reward went from {rewards} standard deviations of the original model's"
            f" outputs (a score is made smaller where the votes support it less){drift}."
        )
    evaluation = contents.get("evaluation") or {}
    if evaluation.get("verdict") and evaluation.get("conclusion"):
        said, why = (_inline(str(evaluation[name])) for name in ("verdict", "conclusion"))
        lines.append(f"Verdict: {said}. {why}")
    rate, interval = _number(evaluation.get("win_rate")), evaluation.get("interval")
    if rate is not None:
        between = ""
        if (
            isinstance(interval, list | tuple)
            and len(interval) == 2
            and None not in map(_number, interval)
        ):
            between = f" (95% interval {interval[0]:.0%} to {interval[1]:.0%})"
        lines.append(
            f"Tuned against original on unseen prompts: win rate {rate:.0%} (ties counted"
            f" half){between}, judged by: {_inline(str(evaluation.get('judge') or 'not said'))}."
        )
    return lines


def _limits(preferences: list[dict]) -> list[str]:
    lines = [
        (
            "Not a product: a small model, few comparisons, a few PPO steps. Its statements may be"
            " false."
        ),
        (
            "A reward model judged by itself looks better than it is: a high reward means that the"
            " pattern was followed, not that the text is good."
        ),
    ]
    if len(preferences) < 100:
        lines.append(
            f"{_count(len(preferences), 'comparison')} cannot measure a preference closely; see the"
            " intervals."
        )
    return lines


def _yaml(run: dict, contents: dict, title: str) -> str:
    number = len(contents.get("preferences") or [])
    size = next(
        (
            words
            for limit, words in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
            if number < limit
        ),
        "100K<n<1M",
    )
    lines = ["language:", "- en", "license: other", f"pretty_name: {_quoted('RLHF run: ' + title)}"]
    lines += [
        "task_categories:",
        "- text-generation",
        "pipeline_tag: text-generation",
        "size_categories:",
        f"- {size}",
    ]
    lines += ["tags:", "- preference", "- rlhf", "- ppo", "- education"]
    name = _model_name(run) or ""
    if name in ("gpt2", "distilgpt2") or re.fullmatch(
        r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name
    ):
        lines.append(f"base_model: {_quoted(name)}")
    tables = [key for key in ("preferences", "rankings", "samples") if contents.get(key)]
    lines += ["configs:"] if tables else []
    for key in tables:
        lines += [
            f"- config_name: {'default' if key == 'preferences' else key}",
            "  data_files:",
            "  - split: train",
            f"    path: {key}.jsonl",
        ]
    return "\n".join(("---", *lines, "---"))


def _brief(brief: dict) -> str:
    rows = [f"Version {brief.get('version', 1)}"]
    said = {"audience": "For", "prefer": "Prefer", "avoid": "Avoid", "ties": "Ties"}
    rows += [f"{words}: {brief[key]}" for key, words in said.items() if brief.get(key)]
    # An indented block: nothing in it is markup.
    lines = [line for row in rows for line in _printable(str(row)).splitlines()]
    return "\n".join("    " + line for line in lines)


def _model_name(run: dict) -> str | None:
    model = run.get("model")
    name = model.get("name") if isinstance(model, dict) else model
    return str(name) if name else None


def _steps(metrics: list[dict]) -> int:
    return max((row["step"] for row in metrics if isinstance(row.get("step"), int)), default=0)


def _dig(value, *keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(value) -> float | None:
    return (
        value
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value
        else None
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else f"no {thing}s"


def _list(lines) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _quoted(text: str) -> str:
    """A YAML double-quoted string (JSON's is one, where every character is printable)."""
    return json.dumps(_printable(text).replace("\n", " "), ensure_ascii=False)


def _inline(text: str) -> str:
    """Text inside a Markdown line: whatever could be markup or HTML is escaped."""
    return re.sub(
        r"([\\`*_{}\[\]()#+!|<>&~$:-])", r"\\\1", unlinked(_printable(text).replace("\n", " "))
    ).strip()
