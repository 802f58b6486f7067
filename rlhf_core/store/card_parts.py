"""The sections of a card, each from the facts of a run (``session.paper``): who judged under which
brief, what the data came from and what was left out, how far the judges agree, how it was trained,
what came out, what it cost.

Plain data in, Markdown out. Whatever was typed by somebody is quoted (``card_text``).
"""

from __future__ import annotations

from rlhf_core.store.card_text import block, bullets, counted, inline, number, share, table

PAY = {
    "": "not said by the author",
    "volunteers": "volunteers, without pay",
    "paid": "paid",
    "course": "as part of a course or a job",
    "only-me": "nobody but the author",
}
KINDS = {
    "author": "the person who made this run",
    "exploit": "texts that the author wrote to fool the reward model, and rejected",
    "rule": "a rule in the program. No person read these texts",
    "person": "a person at the author's screen",
    "first": "who made the run that this one was opened from, perhaps the author",
    "file": "a person, as an imported file says",
    "unknown": "an imported file does not say who",
}
MOST_ROWS = 60  # of a table; what is left out is counted
MEASURES = ("self_consistency", "gold_accuracy", "position_bias", "length_bias")


def who_judged(facts: dict) -> str:
    rows, said = facts["judges"], facts["said"]
    if not rows:
        return "Nobody has judged anything yet."
    lines = []
    for row in rows[:MOST_ROWS]:
        files = ", ".join(str(one) for one in row["files"])
        where = f" (file {files})" if files else ""
        lines.append(
            (f"`{row['name']}`", f"{KINDS.get(row['kind'], '')}{where}", f"{row['rows']:,}")
        )
    shown = table(("judge", "who that is", "judged pairs"), lines)
    if len(rows) > MOST_ROWS:
        shown += f"\n\nAnd {len(rows) - MOST_ROWS:,} more."
    told = [f"Paid or not: {PAY.get(said.get('pay', ''), PAY[''])}."]
    consent = said.get("consent")
    told.append(
        f"What the judges agreed to: {inline(consent)}"
        if consent
        else "What the judges agreed to: not said by the author."
    )
    told.append("Names are pseudonyms, in the order of appearance.")
    if facts["addresses"]:
        told.append(
            f"{counted(facts['addresses'], 'text')} hold what looks like an e-mail address: look"
            " before you publish them."
        )
    return f"{shown}\n\n{bullets(told)}"


def briefs(facts: dict) -> str:
    """Every brief and version that a row was judged under; the text of each, where it is known."""
    parts = []
    for row in facts["briefs"][:MOST_ROWS]:
        head = f"### `{row['slug'] or 'no brief'}`, version {row['version']}"
        parts.append(f"{head}: {counted(row['rows'], 'judged pair')}")
        text = row["text"]
        if text is None:
            parts.append("Its text is not in this run: the rows came with its name only.")
            continue
        if row["shipped"]:
            parts.append("The rows came with its name only; this is the text as Opossum has it.")
        said = {"audience": "For", "prefer": "Prefer", "avoid": "Avoid", "ties": "Ties"}
        lines = [f"Title: {text['title']}"]
        lines += [f"{words}: {text[key]}" for key, words in said.items() if text.get(key)]
        parts.append(block(lines))
    return "\n\n".join(parts)


def sources(facts: dict) -> str:
    lines = []
    if opened := facts["opened"]:
        lines.append(
            f"The run was opened from {inline(opened['file'])}, sha256"
            f" `{inline(opened['sha256'])}`; {counted(opened['rankings'], 'judgement')} came with"
            " it."
        )
    if not facts["sources"]:
        lines.append("No file was imported: the texts were written by the model named below.")
    for place, row in enumerate(facts["sources"][:MOST_ROWS], 1):
        sha = f", sha256 `{row['sha256']}`" if row.get("sha256") else ", sha256 not on record"
        kind = f", read as {inline(row['format'])}" if row.get("format") else ""
        lines.append(
            f"File {place}: {inline(row['file'] or 'no name')}{sha}{kind};"
            f" {counted(row.get('pairs') or 0, 'judged pair')} taken."
        )
        for name, words in (("repaired", "Repaired"), ("left_out", "Left out")):
            lines += [
                f"File {place}, {words.lower()}: {int(count):,} x {inline(why)}"
                for why, count in list(row[name].items())[:20]
                if number(count)
            ]
    return bullets(lines)


def left_out(facts: dict) -> str:
    lines = [
        f"{counted(row['rows'], 'judged pair')} {inline(row['why'])}" for row in facts["left_out"]
    ]
    lines = lines or ["Nothing: every judged pair could be learned from."]
    return f"Not learned from, though in the files:\n\n{bullets(lines)}"


def agreement(facts: dict) -> str:
    """How far the judges agree with each other and with themselves, and how they lean."""
    found, lines = facts["agreement"], []
    if found:
        alpha = number(found.get("alpha"))
        low, high = number(found.get("low")), number(found.get("high"))
        between = f" (95% interval {low:.2f} to {high:.2f})" if None not in (low, high) else ""
        told = f"Krippendorff's alpha {alpha:.2f}{between}, " if alpha is not None else ""
        lines.append(
            f"Between judges: {told}{counted(found.get('units') or 0, 'pair')} judged by two or"
            f" more. {inline(found.get('words') or '')}"
        )
    for one in facts["mirror"][:MOST_ROWS]:
        for row in one["measures"]:
            if row["key"] in MEASURES and number(row["value"]) is not None:
                told = share(row["value"], (row["low"], row["high"]))
                enough = "" if row["enough"] else ": too few to tell"
                lines.append(
                    f"`{one['judge']}`, {inline(row['title']).lower()}: {told} of"
                    f" {row['count']:,}{enough}."
                )
    return bullets(lines or ["Too little was judged to say."])


def biases(facts: dict) -> str:
    """Known leanings: of the judges, and of how such data comes about."""
    lines = []
    for one in facts["mirror"]:
        for row in one["measures"]:
            low, high = number(row["low"]), number(row["high"])
            if row["key"] not in ("position_bias", "length_bias") or low is None or high is None:
                continue
            if not low <= 0.5 <= high:
                told = share(row["value"], (low, high))
                lines.append(
                    f"`{one['judge']}` leans: {inline(row['title']).lower()}, {told} of"
                    f" {row['count']:,}; a half would be even."
                )
    if any(row["kind"] == "rule" for row in facts["judges"]):
        lines.append("Where a rule judged, it knows words and no meaning.")
    lines.append(
        "English only, short answers, few prompts: what is preferred here says nothing about other"
        " texts or other people."
    )
    if len([row for row in facts["judges"] if row["kind"] != "rule"]) == 1:
        lines.append("One person's taste is not everybody's.")
    return bullets(lines)


def training(facts: dict) -> str:
    """With which settings, from which model."""
    model, settings = facts["model"], facts["settings"]
    licence = f", licence {inline(model['licence'])}" if model.get("licence") else ""
    revision = f", revision `{model['revision']}`" if model.get("revision") else ""
    sha = f", sha256 of its weights `{model['sha256']}`" if model.get("sha256") else ""
    lines = [f"Base model: {inline(model['name'])}{revision}{sha}{licence}."]
    names = {"sampling": "Sampling", "reward_model": "Reward model", "ppo": "PPO"}
    for name, words in names.items():
        if values := settings.get(name):
            told = ", ".join(f"{inline(k)} {inline(v)}" for k, v in values.items())
            lines.append(f"{words}: {told}.")
    for row in facts["log"][1:20]:
        values = row.get("settings")
        if isinstance(values, dict):
            lines.append(
                f"From step {inline(row['step'])} on: beta {inline(values.get('beta'))}, learning"
                f" rate {inline(values.get('learning_rate'))}; the others may have moved too"
                " (run.json has all)."
            )
    lines.append(f"Seed {inline(facts['seed'])}; round {inline(facts['round'])}.")
    return bullets(lines)


def evaluation(facts: dict) -> str:
    lines = []
    learned = facts["reward_model"] or {}
    if learned:
        told = share(learned.get("heldout_accuracy"), learned.get("heldout_interval"))
        chance = learned.get("chance")
        p = number(chance.get("p")) if isinstance(chance, dict) else None
        control = f"; permutation p {p:.3f}" if p is not None else ""
        held = number(learned.get("heldout_pairs")) or 0
        lines.append(
            f"Reward model, on held-out prompts: right about {told} of {int(held):,} judged"
            f" pairs{control}."
        )
    metrics = [r for r in facts["metrics"] if number(r.get("reward_mean")) is not None]
    if len(metrics) > 1:
        first, last = metrics[0], metrics[-1]
        kl = number(last.get("kl_to_reference"))
        drift = f", at {kl:.2f} nats of drift a response from the original model" if kl else ""
        lines.append(
            f"PPO, {counted(facts['steps'], 'step')}: mean reward {first['reward_mean']:+.2f} to"
            f" {last['reward_mean']:+.2f} standard deviations of the original model's"
            f" outputs{drift}."
        )
    found = facts["evaluation"]
    for judge in found.get("judges") or []:
        if isinstance(judge, dict) and number(judge.get("win_rate")) is not None:
            told = share(judge["win_rate"], judge.get("interval"))
            lines.append(
                f"Tuned against original on unseen prompts, judged by {inline(judge.get('name'))}:"
                f" win rate {told} over {int(number(judge.get('pairs')) or 0):,} pairs, ties"
                " counted half."
            )
    if found.get("verdict") and found.get("conclusion"):
        lines.append(f"Verdict: {inline(found['verdict'])}. {inline(found['conclusion'])}")
    if votes := {name: n for name, n in facts["votes"].items() if name}:
        told = ", ".join(f"{inline(name)} {count:,}" for name, count in votes.items())
        lines.append(f"Blind votes of the author: {told}.")
    return bullets(lines or ["Nothing was measured yet."])


def made(facts: dict) -> str:
    """What made it, and what that took."""
    about, spent = facts["made"], facts["spent"]
    commit = f", commit `{about['commit']}`" if about.get("commit") else ", commit not known"
    lines = [f"Written by Opossum {about['version']}{commit}, engine `{about['engine']}`."]
    others = [one for one in about["engines"] if one != about["engine"]]
    if others:
        lines.append(f"The run itself: engines {', '.join(inline(one) for one in others)}.")
    versions = ", ".join(f"{name} {inline(v)}" for name, v in about["versions"].items())
    lines.append(f"With {versions}.")
    cpu, wall = number(spent.get("processor_seconds")), number(spent.get("seconds"))
    if cpu is not None and wall is not None:
        lines.append(
            f"Time: about {cpu:,.0f} CPU seconds in {wall:,.0f} seconds of work (the process's"
            " clock while this run's jobs had it; what went on beside them counts too). Energy was"
            " not measured; no graphics card was used."
        )
    else:
        lines.append("Time and energy were not measured.")
    return bullets(lines)


def use(facts: dict, what: str) -> str:
    said = facts["said"]
    return bullets(
        [
            inline(said["use"])
            if said.get("use")
            else f"To learn and to teach how RLHF works. {what}",
            "Not a product: a small model and few judgements. Its statements may be false.",
        ]
    )


def limits(facts: dict) -> str:
    said = facts["said"]
    lines = [inline(said["limits"])] if said.get("limits") else []
    if facts["rows"] < 100:
        lines.append(
            f"{counted(facts['rows'], 'judged pair')} cannot measure a preference closely; see the"
            " intervals."
        )
    lines.append(
        "A reward model judged by itself looks better than it is: a high reward means that the"
        " pattern was followed, not that the text is good."
    )
    return bullets(lines)


def rights(facts: dict) -> str:
    """Under which licence, by whose choice."""
    said = facts["said"]
    author = f" Author: {inline(said['author'])}." if said.get("author") else ""
    chosen = said.get("licence")
    if chosen == "other":
        chosen = said.get("licence_name")
    if not chosen:
        return f"Nobody has chosen a licence: without one, ask the author before any use.{author}"
    return f"{inline(chosen)}, chosen by the author.{author}"
