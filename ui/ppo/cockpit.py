"""The cockpit of the PPO page: the deck, the price of drift, two charts, and two prompts as the
original answered them and as the model answers them now. It fits the first screen of a laptop, and
stands there before anything runs.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import errors, settings
from rlhf_core.evaluation import symptoms
from rlhf_core.session import asked, numbers
from rlhf_core.session.state import Session
from ui import charts, knobs, monitor, next_step, state, text
from ui.charts import ppo as charts_ppo
from ui.ppo import formula, readings, sliders
from ui.ppo.steering import LABEL, Steering

HEIGHT = 232  # pixels of a chart
PROMPTS = 2  # shown
ENDED = {  # how a run ended, where not as planned
    "failed": "ended early",
    "expired": "put away",
}


def what_it_climbs(run: Steering) -> None:
    """What PPO climbs, with the numbers of the run under way or of the last one; and what the next
    would change.
    """
    tuned, knob = run.session.tuned, run.knob
    begun = not run.busy or (state.job("ppo") or {}).get(
        "records"
    )  # else ``ran`` is the one before
    if run.whole_loop:
        shown, whose = vars(settings.PPOSettings()), "the run under way"
    elif tuned.metrics and knob.ran() and begun:
        shown, whose = knob.ran(), "this run" if run.busy else "the last run"
    else:
        shown, whose = knob.chosen(), "this run" if run.busy else "as the sliders say"
    now = tuned.metrics[-1].get("beta") if tuned.metrics and shown["kl_target"] else None
    formula.in_words(shown, whose, now)
    if tuned.metrics and not run.busy and (changes := knob.changes()):
        st.caption(f"**Next run:** {text.plain(', '.join(changes))}.")


def deck(run: Steering, *, timed: bool) -> None:
    """Play, one step, pause, stop; when it is done, the way on. One of them is the one to press."""
    going_on = (run.last_step or 0) > 0
    done = going_on and not run.working and not next_step.here(run.session, "ppo")
    barred = (run.busy and not run.paused) or run.whole_loop or bool(run.missing) or not timed
    with st.container(horizontal=True, key="ppo_start"):
        st.button(
            "Play on" if going_on or run.paused else "Play",
            key="ppo_play",
            type="secondary" if done or barred else "primary",
            icon=":material/play_arrow:",
            on_click=run.start,
            disabled=barred,
        )
        st.button(
            "One step",
            key="ppo_one_step",
            icon=":material/skip_next:",
            on_click=run.start,
            args=(True,),
            disabled=barred,
            help="One step, then pause. The first comes with step 0: the model before any update.",
        )
        if done:
            next_step.draw(run.session, "ppo")
            return
        st.button(
            "Pause",
            key="ppo_pause",
            icon=":material/pause:",
            on_click=run.pause,
            disabled=not run.busy or run.paused,
            help=monitor.BUTTONS["pause"][1],
        )
        st.button(
            "Stop",
            key="ppo_stop",
            icon=":material/stop:",
            on_click=run.stop,
            disabled=not run.working,
            help=monitor.BUTTONS["stop"][1],
        )


# --- refreshed while it trains --------------------------------------------------------------------


def live(run: Steering, view: dict, *, answers: bool = True) -> None:
    """Where it is, its newest numbers, the two charts with room for the steps to come, and what it
    writes, with ``answers``.
    """
    end, metrics = run.end(view), list(run.session.tuned.metrics)
    where(run, view, end)
    pending(run, view)
    alarm(run)
    target = run.in_force()["kl_target"] or None
    reward, drift = (
        charts_ppo.reward(metrics, end),
        charts_ppo.kl_to_reference(metrics, end, target=target),
    )
    reward.figure.update_layout(showlegend=bool(charts_ppo.refitted(metrics)))
    reward.figure.update_yaxes(title_text="Reward (SD)")  # a low chart has no room for more
    drift.figure.update_yaxes(title_text="KL (nats a response)")
    for column, chart, brief in zip(
        st.columns(2),
        (reward, drift),
        ("should climb, then flatten (0: the original)", "(drift) should level off"),
        strict=True,
    ):
        with column:
            charts.draw(chart, key=f"ppo_{chart.title}", brief=brief, height=HEIGHT)
    if answers:
        st.html(beside_html(run.session))


def where(run: Steering, view: dict, end: int) -> None:
    """ "Step 3 of 15" over a bar, what it is doing, and the newest numbers."""
    step = run.last_step or 0
    with st.container(horizontal=True, vertical_alignment="center", key="ppo_where"):
        with st.container(key="ppo_step", width="stretch"):
            st.progress(
                min(1.0, step / end) if end else 0.0,
                text=f"**Step {step} of {end}** · {doing(run, view)}{worth(run.session)}",
            )
        readings.numbers(run.session, run.in_force())


def worth(session: Session) -> str:
    """What the drift has left of the gain: the very thing that is climbed."""
    net = numbers.after_drift(session)
    return "" if net is None else f" · score − β × KL: {charts.number(net, sign=True)} SD"


def doing(run: Steering, view: dict) -> str:
    """What goes on, in a few words."""
    status, left = view.get("status"), view.get("eta_seconds")
    soon = monitor.duration(left, whole=True) if left is not None else ""
    if status == "running":
        # Of the whole loop, only the stage's time is known.
        known = soon and view["label"] == LABEL
        wish = monitor.WISHES.get(view.get("wish"))
        stage = text.plain(view.get("stage") or "getting ready")
        return stage + (wish or (f" · about {soon} left" if known else ""))
    if status == "queued":
        ahead = max(0, (view.get("position") or 1) - 1)
        who = "next in line" if not ahead else f"{ahead} ahead of you in line"
        begun = view.get("begun")
        who = "others have a turn, then it goes on" if begun else who
        when = f" · {'goes on' if begun else 'starts'} in about {soon}" if soon else ""
        return f":material/hourglass_top: {who}{when}"
    if status == "paused":
        return ":material/pause_circle: paused; kept for half an hour"
    if run.last_step is None:
        return "the model before any update; press Play"
    if status == "stopped":
        some = run.last_step > 0  # step 0 only looks
        kept = "All finished steps are" if some else "No step was finished; what was measured is"
        return f"stopped. {kept} kept."
    return ENDED.get(status, "done")


def trouble(view: dict, records: list[dict]) -> None:
    """The monitor's line, where ``doing`` has no words for it."""
    if view["status"] in ("failed", "expired"):
        monitor.state_line(view, records)


def pending(run: Steering, view: dict) -> None:
    """What was moved while the run goes on, and from when it counts."""
    moved = run.session.settings.get("ppo_next")
    if not moved or view.get("status") not in state.ALIVE or view["label"] != LABEL:
        return
    ran = run.knob.ran() or {}
    words = [
        f"{sliders.LABELS[name]} {knobs.plainly(value)}"
        for name, value in moved.items()
        if name in sliders.LABELS and name not in settings.FIXED and ran.get(name) != value
    ]
    if not words:
        return
    try:
        run.chosen()
        st.caption(
            f":material/schedule: **From the next step on:** {text.plain(', '.join(words))}."
        )
    except errors.SettingsError as error:
        st.error(
            text.plain(str(error)) + " Until then the run keeps its settings.",
            icon=":material/error:",
        )


def findings(run: Steering) -> list[dict]:
    """What the doctor sees (``symptoms``)."""
    tuned = run.session.tuned
    return symptoms.examine(tuned.metrics, tuned.samples, run.in_force(), tuned.broke)


def alarm(run: Steering) -> None:
    """What cannot wait until somebody opens the doctor."""
    serious = [one["title"] for one in findings(run) if one["severity"] == symptoms.SERIOUS]
    if serious and run.session.tuned.metrics:
        st.markdown(
            f":red[:material/emergency_home: **{text.plain(serious[0])}**: ask the doctor, below.]"
        )


# --- what it writes -------------------------------------------------------------------------------


def own_prompts(session: Session) -> list[str]:
    """The prompts of the learner's own that are trained on."""
    brief = session.asked.brief.training_prompts
    return [prompt for prompt in asked.training_prompts(session) if prompt not in brief]


def beside(session: Session) -> list[tuple[str, dict, dict]]:
    """(prompt, what the original wrote, what the model writes now) for two prompts, the learner's
    newest own first; {} where there is no such answer (yet).

    Answers are {"text", "reward", "step"}, each the first to its prompt: of step 0, which stands
    fast, and of the newest step that answered it; before there is a step, of what the original
    wrote to be ranked.
    """
    own, part = own_prompts(session)[::-1], session.asked
    wanted = [*own, *part.brief.training_prompts]
    if not session.tuned.samples:
        sets = [row for row in part.candidate_sets if row.get("round") == 1 and row["texts"]]
        answers = {row["prompt"]: {"text": row["texts"][0]} for row in reversed(sets)}
        wanted.sort(key=lambda prompt: prompt not in own and prompt not in answers)
        return [(prompt, answers.get(prompt, {}), {}) for prompt in wanted[:PROMPTS]]
    was, now = {}, {}
    for row in reversed(session.tuned.samples):  # the first of a step's answers wins
        if row["step"] == 0:
            was[row["prompt"]] = row
        elif now.get(row["prompt"], row)["step"] == row["step"]:
            now[row["prompt"]] = row
    shown = list(was or now)
    shown.sort(key=lambda prompt: wanted.index(prompt) if prompt in wanted else len(wanted))
    return [(prompt, was.get(prompt, {}), now.get(prompt, {})) for prompt in shown[:PROMPTS]]


def beside_html(session: Session) -> str:
    """``beside`` as cards, two and two."""
    # Where a round began from tuned weights, step 0 is not the original.
    began = session.history.start and session.tuned.samples
    first = f"Round {session.history.current_round} began with" if began else "The original"
    cards, fits = [], {row["step"]: row.get("reward_model") for row in session.tuned.metrics}
    for prompt, was, now in beside(session):
        alike = fits.get(0) == fits.get(now.get("step", 0))  # scores of two models do not compare
        tags = (
            _tag(first, was if alike else {}) if was else f"{first}: answers at step 0",
            _tag(f"Step {now['step']}", now)
            if now
            else "The model in training: "
            + ("no answer to this one yet" if session.tuned.steps_done else "from step 1 on"),
        )
        for tag, row in zip(tags, (was, now), strict=True):
            cards.append(text.answer_html(prompt, row.get("text", " …"), tag=tag))
    return f'<div class="op-beside">{"".join(cards)}</div>'


def _tag(who: str, row: dict) -> str:
    score = charts.finite(row.get("reward"))
    return who if score is None else f"{who} · score {charts.number(score, sign=True)}"
