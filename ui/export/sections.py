"""The parts of the file, a function each: plain facts of a session in, HTML out.

Every string passes through ``words``. A run that lacks something gets a sentence that says so.
Knows nothing about files, scripts or style.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence

from rlhf_core.common.wording import counted
from rlhf_core.evaluation import conclusion
from rlhf_core.judging.annotators import krippendorff_alpha, pairs_judged
from rlhf_core.judging.labeller_mirror import self_consistency
from rlhf_core.judging.preferences import Pair, pairs_from_rankings
from rlhf_core.session import judged, rounds
from rlhf_core.session.pseudonyms import AUTHORS_EXPLOIT, Pseudonyms
from rlhf_core.session.state import SCRIPTED, Session
from ui.charts import Chart, compare, finite, interval, number, percent, ppo, reward_model
from ui.export import drawing
from ui.export.words import answer, plain, rows, safe

PAIRS, PAIRS_SHOWN = 100, 6  # answers before and after: in the file, and without a press
ANSWER, PROMPT = 400, 240  # characters of one of them, and of a prompt
MOST_ROWS = 200  # of any list
MOST_JUDGES = 40
JUDGES = {
    SCRIPTED: "scripted rater (a rule in the program, no person)",
    "author": "the author of this run",
    AUTHORS_EXPLOIT: "the author, of texts written to fool the reward model",
    "unknown": "somebody unknown",
}
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
CHOICES = {"a": "prefer one", "b": "prefer one", "tie": "are a tie", "both_bad": "call both bad"}


def section(name: str, title: str, make: Callable[[], str]) -> str:
    """One part with its heading; what a stranger's bundle has in the wrong kind is said."""
    try:
        made = make()
    except UNREADABLE:
        made = sentence(
            "This part cannot be shown: the run holds something here that Opossum does not write."
        )
    return f'<section id="{name}"><h2>{safe(title)}</h2>{made}</section>'


def sentence(words: str) -> str:
    return f"<p>{safe(words)}</p>"


def points(sentences: Sequence[str]) -> str:
    left = len(sentences) - MOST_ROWS
    more = f"<li>and {left:,} more</li>" if left > 0 else ""
    rows = "".join(f"<li>{safe(words)}</li>" for words in sentences[:MOST_ROWS])
    return f"<ul>{rows}{more}</ul>"


def more(summary: str, inside: str) -> str:
    return f"<details><summary>{safe(summary)}</summary>{inside}</details>"


def figure(chart: Chart, name: str, *, follow: bool = False) -> str:
    """A chart, what to look for, and the same in words."""
    return (
        f'<figure class="chart" id="{name}" data-file="{safe(chart.title)}">'
        f"<figcaption>{safe(chart.title)}</figcaption>{drawing.svg(chart, name, follow=follow)}"
        f'<p class="look"><b>What to look for:</b> {safe(chart.look_for)}</p>'
        f"{more('In words', sentence(chart.alt))}</figure>"
    )


# --- the verdict ----------------------------------------------------------------------------------


def verdict(session: Session) -> str:
    """The sentence, who says so with which interval, and whether it could be chance."""
    found = rounds.with_votes(session)
    if not found:
        return sentence("No verdict: the tuned model was not compared with the original.")
    judges, chance = found.get("judges") or [], found.get("chance")
    if not judges:  # measured by an early version, which knew the reward model only
        said = str(found.get("sentence") or "No verdict was written down.")
        return _said(said) + figure(compare.win_rate(found), "win-rate")
    words = conclusion.conclusion(judges, found.get("language") or [], chance)
    more_words = conclusion.how_sure(judges, chance)
    if not any(row["name"] in conclusion.INDEPENDENT for row in judges):
        more_words.append("No independent opinion: PPO trained on the only score that judged here.")
    why = "Not known: the reward model is one of an earlier version."
    if conclusion.known(chance):
        why = f"p = {chance['p']:.2g}: {conclusion.coins(chance)}."
    table = [
        ("In a word", conclusion.outcome(judges, chance)),
        ("Could it be chance?", why),
        ("Measured on", _measured(found)),
    ]
    return (
        _said(words)
        + rows(table)
        + points(more_words)
        + (f'<div class="charts">{figure(compare.judges(judges), "judges")}</div>')
    )


def _said(words: str) -> str:
    return f'<p class="said">{safe(words)}</p>'


def _measured(found: dict) -> str:
    pairs = found.get("pairs") or []
    where = f"step {found['step']} of round {found.get('round', 1)}, " if "step" in found else ""
    prompts = counted(len({pair["prompt"] for pair in pairs}), "prompt")
    return f"{where}{counted(len(pairs), 'pair')} of answers to {prompts} that no training saw"


def before_after(session: Session) -> str:
    """Both models on prompts that no training saw; in their order, not picked."""
    pairs = (session.tuned.evaluation or {}).get("pairs") or []
    if not pairs:
        return sentence("Nothing was measured, so there are no answers to put side by side.")
    cards = [
        '<div class="row"><h4>'
        + safe(pair["prompt"], PROMPT)
        + "</h4>"
        + card("Original", pair["before"], pair.get("reward_before"))
        + card("Tuned", pair["after"], pair.get("reward_after"))
        + "</div>"
        for pair in pairs[:PAIRS]
    ]
    rest = cards[PAIRS_SHOWN:]
    left = f" The run's folder has all {len(pairs):,}." if len(pairs) > PAIRS else ""
    words = f"The same prompt and the same random numbers for both, not picked.{left}"
    shown = f'<div class="rows">{"".join(cards[:PAIRS_SHOWN])}</div>'
    hidden = f'<div class="rows">{"".join(rest)}</div>'
    return sentence(words) + shown + (more(f"{len(rest):,} more", hidden) if rest else "")


def card(who: str, text: object, reward: object) -> str:
    """One answer."""
    score = finite(reward)
    foot = "" if score is None else f"<small>reward {number(score, sign=True)}</small>"
    words = safe(answer(text, ANSWER))
    return f'<div class="answer"><b>{safe(who)}</b><p dir="auto">{words}</p>{foot}</div>'


# --- how it was made ------------------------------------------------------------------------------


def brief(session: Session) -> str:
    """What the judges were told."""
    told, count = session.asked.brief, len(session.asked.briefs)
    fields = (("Title", "title"), ("For", "audience"), ("Prefer", "prefer"))
    fields += (("Avoid", "avoid"), ("Ties", "ties"))
    table = [(name, getattr(told, key)) for name, key in fields if getattr(told, key)]
    table.append(("Version", f"{told.version}{f' of {count}' if count > 1 else ''}"))
    lists = ""
    for name, prompts in (
        ("Prompts to train on", told.training_prompts),
        ("Prompts kept for the verdict", told.evaluation_prompts),
    ):
        if prompts:
            lists += more(
                f"{name}: {len(prompts)}", points([plain(one, PROMPT) for one in prompts])
            )
    return rows(table) + lists


def who(session: Session) -> list[str]:
    """Who judged, people by number."""
    try:
        names = dict.fromkeys(pair.annotator for pair in _pairs(session))
    except UNREADABLE:
        return ["nobody can tell"]
    names.pop(AUTHORS_EXPLOIT, None)
    return [JUDGES.get(name, name) for name in names] or ["nobody yet"]


def _pairs(session: Session) -> list[Pair]:
    """Every judged pair under the current brief, as ``judged.pairs`` has them, under pseudonyms."""
    names, slug = Pseudonyms(session), session.asked.brief.slug
    came = [pair for pair, who in names.rows if who.kind != "exploit" or pair.brief == slug]
    rankings = [row for row, _ in names.rankings if judged.counts(session, row)]
    return [*came, *pairs_from_rankings(rankings)]


def how_judged(session: Session) -> str:
    """Counts, agreement and pace; people by number, not by name."""
    pairs = _pairs(session)
    if not pairs:
        return sentence("Nobody has judged anything yet.")
    shares = Counter(CHOICES.get(pair.choice, "are skipped") for pair in pairs)
    said = ", ".join(f"{count:,} {what}" for what, count in shares.most_common())
    known = [pair.seconds for pair in pairs if pair.seconds]
    pace = f"{statistics.median(known):.1f} seconds a judgement (median)" if known else "not known"
    by, both = Counter(pair.annotator for pair in pairs), pairs_judged(pairs)
    table = [
        (
            JUDGES.get(name, name),
            f"{counted(count, 'pair')}, {both.get(name, (0, 0))[1]:,} of them judged by others too",
        )
        for name, count in by.most_common(MOST_JUDGES)
    ]
    if len(by) > MOST_JUDGES:
        table.append(("and more", counted(len(by) - MOST_JUDGES, "judge")))
    people = [pair for pair in pairs if not judged.is_scripted(pair.annotator)]
    table.append(("Agreement", _agreement(people, session.seed)))
    if people:
        table.append(("With themselves", self_consistency(people).words))
    files = len(session.judged.imports)
    came = f" {counted(files, 'imported file')} among them." if files else ""
    told = f"{counted(len(pairs), 'pair')} under this brief: {said}.{came}"
    return sentence(told) + rows([*table, ("Pace", pace)])


def _agreement(people: list[Pair], seed: int) -> str:
    if not people:
        return "A rule judged, no person: there is no agreement to tell."
    found = krippendorff_alpha(people, seed=seed)
    if found["alpha"] is None:
        return found["words"]
    span = ""
    if found["low"] is not None:
        span = f", 95% interval {number(found['low'])} to {number(found['high'])}"
    on = counted(found["units"], "pair")
    return f"Krippendorff's alpha {number(found['alpha'])}{span}, on {on}. {found['words']}"


def reward(session: Session) -> str:
    """How often the reward model is right about votes that it had not seen."""
    summary, records = session.learned.summary, session.learned.fit_records
    if not summary:
        return sentence("No reward model was trained.")
    accuracy = finite(summary.get("heldout_accuracy"))
    bounds = interval(summary.get("heldout_interval"))
    pairs = finite(summary.get("heldout_pairs"))
    if accuracy is None:
        words = "Held-out accuracy is not known: nothing could be held out."
    else:
        between = f", 95% interval {bounds}" if bounds else ""
        on = f" of {counted(int(pairs), 'pair')}" if pairs is not None else ""
        words = f"Held-out accuracy: right about {percent(accuracy)}{on}{between}."
    lines = [words, str(summary.get("note") or "")]
    chance = summary.get("chance")
    if conclusion.known(chance):
        lines.append(conclusion.votes_say(chance))
    charts = ""
    if records:
        pictures = (reward_model.accuracy(records), reward_model.reward_model_loss(records))
        names = ("rm-accuracy", "rm-loss")
        charts = "".join(figure(chart, name) for chart, name in zip(pictures, names))
    return points([line for line in lines if line]) + f'<div class="charts">{charts}</div>'


def training_charts(metrics: Sequence[dict], settings: dict) -> str:
    """The run step by step; the readings that doctors of a run look at come behind a press."""
    steps = settings.get("steps")
    steps = steps if isinstance(steps, int) and 0 < steps <= 10_000 else None
    target = finite(settings.get("kl_target")) or None
    shown = (
        (ppo.reward(metrics, steps), "reward"),
        (ppo.kl_to_reference(metrics, steps, target), "kl"),
        (ppo.entropy(metrics, steps), "entropy"),
        (ppo.clip_fraction(metrics, steps), "clip"),
    )
    others = (
        (ppo.approx_kl_update(metrics, steps), "update"),
        (ppo.value_loss(metrics, steps), "value"),
    )
    first, rest = (
        "".join(figure(chart, name, follow=True) for chart, name in these)
        for these in (shown, others)
    )
    rest += figure(ppo.reward_against_drift(metrics), "drift")
    behind = more("More charts", f'<div class="charts">{rest}</div>')
    return f'<div class="charts">{first}</div>{behind}'


def earlier_rounds(session: Session) -> str:
    """A line a finished round."""
    lines = []
    for row in session.history.rounds:
        gain, kl = finite(row.get("reward_gain")), finite(row.get("kl"))
        found = (row.get("verdict") or {}).get("verdict") or "no verdict"
        lines.append(
            f"Round {row.get('round')}: {row.get('steps')} steps, reward"
            f" {number(gain, sign=True)}, KL {number(kl)} nats a response; {found}."
        )
    return points(lines)


def settings(session: Session) -> str:
    """Every setting of the run, and what it was made with; what its author says of it is the card's
    to tell.
    """
    table = [("Language model", session.model_name), ("Its SHA-256", session.model_hash)]
    table += [("Seed", session.seed), ("Made by Opossum", ", ".join(filter(None, session.made_by)))]
    stages = ""
    for stage, values in session.settings.items():
        if isinstance(values, dict) and values and stage != "card" and "_next" not in stage:
            told = [(name, plain(value, PROMPT)) for name, value in values.items()]
            stages += f"<h4>{safe(stage)}</h4>{rows(told[:MOST_ROWS])}"
    return rows([(name, "not known" if value == "" else value) for name, value in table]) + more(
        "Every setting", stages or sentence("None was written down.")
    )
