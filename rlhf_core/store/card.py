"""The README.md of a bundle: a data set and model card that says what was done, by whom, and what
it is not.

Plain data in, text out. With the facts of the session (``session.paper``) it is the whole card;
without them (a save in the middle of a run, or plain data) it says what the rows themselves tell.
Nobody is named in it: names stand in the rows.
"""

from __future__ import annotations

from collections import Counter

from rlhf_core.store import card_parts as parts
from rlhf_core.store.card_text import block, bullets, counted, inline, number, share
from rlhf_core.store.card_yaml import run_yaml

SCRIPTED = "scripted rater"
_FILES = {
    "run.json": (
        "brief, settings, seeds, versions, who judged, and the checksum of every other file"
    ),
    "preferences.jsonl": (
        "one judged pair a line; a was on the left, b on the right; choice is a, b, tie, both_bad"
        " or skip. Judges are named as they were typed: the data set that Opossum makes of a run"
        " has pseudonyms"
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
_AGAIN = """\
    python -m rlhf_core replay .            same seeds, same numbers? lists what differs
    python -m rlhf_core export-model . --out model          a folder that transformers loads
    python -m rlhf_core export-dataset . --out judgements   a folder that datasets loads"""


def holds(run: dict, contents: dict, weights: list[str]) -> str:
    """What a save holds, in words.

    "12 comparisons, a reward model, 7 of 15 PPO steps, no verdict yet".
    """
    done, planned = _steps(contents.get("metrics") or []), _dig(run, "settings", "run", "steps")
    steps = (
        f"{done} of {planned} PPO steps"
        if isinstance(planned, int) and planned >= done
        else f"{counted(done, 'PPO step')}"
    )
    return ", ".join(
        (
            counted(len(contents.get("preferences") or []), "comparison"),
            "a reward model" if "reward_model.safetensors" in weights else "no reward model yet",
            steps if done else "no PPO steps yet",
            "a verdict" if contents.get("evaluation") else "no verdict yet",
        )
    )


def who_judged(preferences: list[dict]) -> list[str]:
    """One honest sentence for each kind of judge in the rows, most rows first; nobody is named."""
    kinds: Counter = Counter()
    people = set()
    for row in preferences:
        name = str(row.get("annotator") or "unknown")
        scripted = name.casefold().startswith(SCRIPTED)
        known = ("you", "you (exploit)", "unknown")
        kinds["rule" if scripted else name if name in known else "people"] += 1
        people |= {name} if not scripted and name not in known else set()
    words = {
        "rule": "by a scripted rater: a rule in the program. No person read these texts.",
        "you": (
            "by “you”: the person who made this run, or whoever wrote a file that was imported."
        ),
        "you (exploit)": (
            "that reject a text which the person who made this run had written to fool the reward"
            " model."
        ),
        "unknown": "of which an imported file does not say who judged.",
        "people": f"by {counted(len(people), 'person')} who go by a name."
        if len(people) == 1
        else f"by {len(people):,} people who go by a name.",
    }
    words["people"] = words["people"].replace("1 person who go ", "1 person who goes ")
    found = [f"{counted(n, 'comparison')} {words[kind]}" for kind, n in kinds.most_common()]
    return found or ["Nobody has judged anything yet."]


def card(run: dict, contents: dict, weights: list[str], facts: dict | None = None) -> str:
    """The whole README.md.

    Args:
        run: what goes into run.json.
        contents: rankings, preferences, metrics, samples, evaluation, as ``write_bundle`` takes
        them.
        weights: names of the weight files that the save has.
        facts: of ``session.paper``.
    """
    given = run.get("brief")
    brief = given if isinstance(given, dict) else {}
    title = str(brief.get("title") or "a brief of its own")
    told = facts or _told(run, title, contents)
    preferences = contents.get("preferences") or []
    keys = [key for key in ("preferences", "rankings", "samples") if contents.get(key)]
    tables = {key: f"{key}.jsonl" for key in keys}
    sections = [
        run_yaml(told, tables, len(preferences)),
        f"# RLHF run: {inline(title)}",
        _purpose(run),
        *(_whole(told) if facts else _short(brief, preferences)),
        f"## What came out\n\n{bullets(_results(run, contents, weights))}",
    ]
    absent = {name for name in _FILES if name.endswith(".safetensors") and name not in weights} | (
        set() if contents.get("evaluation") else {"evaluation.json"}
    )
    listed = bullets(f"`{name}`: {what}." for name, what in _FILES.items() if name not in absent)
    sections += [
        f"## Files\n\n{listed}",
        f"## How to load it and make it again\n\n{_AGAIN}",
        f"## What it is not\n\n{_limits(told, preferences)}",
    ]
    return "\n\n".join(sections) + "\n"


def _whole(facts: dict) -> list[str]:
    return [
        f"## Licence\n\n{parts.rights(facts)}",
        f"## Who judged\n\n{parts.who_judged(facts)}",
        f"## The briefs they judged under\n\n{parts.briefs(facts)}",
        f"## Where the judgements come from\n\n{parts.sources(facts)}",
        f"## What was left out\n\n{parts.left_out(facts)}",
        f"## Agreement and care\n\n{parts.agreement(facts)}",
        f"## Known biases\n\n{parts.biases(facts)}",
        f"## Training\n\n{parts.training(facts)}",
        f"## Evaluation\n\n{parts.evaluation(facts)}",
        f"## Made with\n\n{parts.made(facts)}",
    ]


def _short(brief: dict, preferences: list[dict]) -> list[str]:
    rows = [f"Version {brief.get('version', 1)}"]
    said = {"audience": "For", "prefer": "Prefer", "avoid": "Avoid", "ties": "Ties"}
    rows += [f"{words}: {brief[key]}" for key, words in said.items() if brief.get(key)]
    return [
        f"## Who judged\n\n{bullets(who_judged(preferences))}",
        f"## The brief in force\n\n{block(rows)}",
    ]


def _told(run: dict, title: str, contents: dict) -> dict:
    """What the head of a card needs, where nobody knows more."""
    name = _model_name(run) or ""
    listed = name if name in ("gpt2", "distilgpt2") else ""
    model = {"name": name, "hub": listed, "bundled": name == "bundled"}
    return {
        "title": title,
        "said": {},
        "model": model,
        "evaluation": {},
        "rows": len(contents.get("preferences") or []),
    }


def _purpose(run: dict) -> str:
    name = _model_name(run)
    model = (
        "The language model was"
        f" {'the pocket GPT-2 that comes with it' if name == 'bundled' else inline(name)}. "
        if name
        else ""
    )
    ended = {
        "running": "It was still going on when this was written.",
        "interrupted": "It was interrupted before its end.",
    }.get(str(run.get("status")), "")
    return (
        "One round of reinforcement learning from human feedback, made with Opossum, an app to"
        f" learn how it works. {model}{ended}".strip()
    )


def _results(run: dict, contents: dict, weights: list[str]) -> list[str]:
    lines = [f"The save holds {holds(run, contents, weights)}."]
    metrics = [
        row for row in contents.get("metrics") or [] if number(row.get("reward_mean")) is not None
    ]
    if len(metrics) > 1:
        first, last = metrics[0], metrics[-1]
        kl = number(last.get("kl_to_reference"))
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
        said, why = (inline(str(evaluation[name])) for name in ("verdict", "conclusion"))
        lines.append(f"Verdict: {said}. {why}")
    if number(evaluation.get("win_rate")) is not None:
        told, _, between = share(evaluation["win_rate"], evaluation.get("interval")).partition(" ")
        between = f" {between}" if between else ""
        lines.append(
            f"Tuned against original on unseen prompts: win rate {told} (ties counted"
            f" half){between}, judged by: {inline(str(evaluation.get('judge') or 'not said'))}."
        )
    return lines


def _limits(facts: dict, preferences: list[dict]) -> str:
    product = (
        "Not a product: a small model, few comparisons, a few PPO steps. Its statements may be"
        " false."
    )
    return f"- {product}\n{parts.limits({**facts, 'rows': len(preferences)})}"


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
