"""PPO: play, pause or step the training of the language model, steer it between steps, go back, and
watch what it does to the numbers and to the texts.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import errors, ppo_presets, settings
from rlhf_core.common.errors import InputError
from rlhf_core.evaluation import symptoms
from rlhf_core.session import asked, judged, rounds, weights
from rlhf_core.work import catalogue, jobs
from ui import charts, knobs, monitor, next_step, state, step_time, styles, text
from ui.ppo import doctor, formula, guess, readings, sliders, stages, token_glass, whole_step
from ui.reward_model import verdict as doubts

LABEL, GOING_BACK = (catalogue.JOBS[name].label for name in ("ppo", "back"))
STOPPING = 3.0  # seconds that a retry waits for the run before it
STYLE = styles.sheet("ppo")
REFRESH = 2.0  # seconds between two looks of what stands below the charts, while it trains

session = state.session()
knob = knobs.Knobs(
    session, "ppo", settings.PPOSettings, labels=sliders.LABELS, ladders=sliders.LADDERS
)


def chosen_settings() -> settings.PPOSettings:
    """What the knobs say, ready to run. Raises SettingsError."""
    return settings.PPOSettings(**ppo_presets.fitting(knob.chosen())).validate()


def start(one_step: bool = False) -> None:
    """Hand the run to the worker; with ``one_step`` it pauses after its next record."""
    st.session_state.pop("ppo_error", None)
    try:
        chosen = chosen_settings()
    except errors.SettingsError as error:
        st.session_state["ppo_error"] = str(error)
        return
    # Step 0, before any update, is a record too.
    records = chosen.steps + (0 if session.tuned.metrics else 1)
    job_id = state.submit("ppo", total=records)  # with what the knobs say when its turn comes
    if one_step:
        # Step 0 only looks: with it comes the first that learns.
        jobs.queue().step(job_id, 1 if session.tuned.metrics else 2)
    else:
        jobs.queue().resume(job_id)  # one that was paused


def go_back(step: int) -> None:
    """Take back the steps after ``step``."""
    st.session_state.pop("ppo_error", None)
    state.submit("back", step, total=1)


def retry(step: int, safer: dict) -> None:
    """The doctor's advice: from ``step`` on with safer settings; a run that is going on is stopped
    first.
    """
    st.session_state.pop("ppo_error", None)
    now = in_force()
    left = max(1, (last_step() or 0) - step, min(10, now["steps"]))
    try:
        chosen = settings.PPOSettings(
            **ppo_presets.fitting(now | safer | {"steps": left})
        ).validate()
    except errors.SettingsError as error:
        st.session_state["ppo_error"] = str(error)
        return
    if not state.stop("ppo", STOPPING):
        st.session_state["ppo_error"] = (
            "The run is still stopping. Press the button again in a moment."
        )
        return
    state.submit("retry", step, chosen, total=left + 1)


def restart() -> None:
    st.session_state.pop("ppo_error", None)
    try:
        rounds.restart(session)
    except InputError as error:
        st.session_state["ppo_error"] = str(error)


def what_it_climbs() -> None:
    """What PPO climbs, with the numbers of the run under way or of the last one; and what the next
    would change.
    """
    if whole_loop:
        shown, whose = vars(settings.PPOSettings()), "of the run under way"
    elif busy:
        shown, whose = (
            (knob.ran() if session.tuned.metrics and knob.ran() else knob.chosen()),
            "of this run",
        )
    elif session.tuned.metrics and knob.ran():
        shown, whose = knob.ran(), "of the last run"
    else:
        shown, whose = knob.chosen(), "that the sliders say"
    now = (
        session.tuned.metrics[-1].get("beta")
        if session.tuned.metrics and shown["kl_target"]
        else None
    )
    formula.in_words(shown, whose, now)
    if session.tuned.metrics and not busy and (changes := knob.changes()):
        st.caption(f"**Next run:** {text.plain(', '.join(changes))}.")


def in_force() -> dict:
    """The settings that the run goes by; before any run, what the knobs say."""
    return knob.ran() or knob.chosen()


def last_step() -> int | None:
    return session.tuned.metrics[-1]["step"] if session.tuned.metrics else None


def live(records: list[dict], view: dict) -> None:
    """Numbers, charts and samples as they come; while it runs, the charts keep room for the steps
    to come.
    """
    end, working = last_step(), view["status"] in state.ALIVE
    if working and view["status"] != "queued" and view["label"] != GOING_BACK:
        stages.draw(view.get("stage", ""))
    if working and view["label"] == LABEL and (waiting := session.settings.get("ppo_next")):
        pending(waiting)
    if view["status"] in state.ALIVE and view["label"] == LABEL and view.get("total"):
        end = (-1 if end is None else end) + max(0, view["total"] - view["done"])
    if session.tuned.metrics:
        readings.numbers(session, in_force())
        guess.scored(session)
        found = symptoms.examine(
            session.tuned.metrics, session.tuned.samples, in_force(), session.tuned.broke
        )
        doctor.draw(found, sliders.LABELS, retry, busy=working, measured=(last_step() or 0) > 0)
    readings.gauges(session, in_force(), end)


def pending(moved: dict) -> None:
    """What was moved while the run goes on, and from when it counts."""
    ran = knob.ran() or {}
    words = [
        f"{sliders.LABELS[name]} {knobs.plainly(value)}"
        for name, value in moved.items()
        if name in sliders.LABELS and name not in settings.FIXED and ran.get(name) != value
    ]
    if not words:
        return
    try:
        chosen_settings()
        st.caption(
            f":material/schedule: **From the next step on:** {text.plain(', '.join(words))}."
        )
    except errors.SettingsError as error:
        st.error(
            text.plain(str(error)) + " Until then the run keeps its settings.",
            icon=":material/error:",
        )


def glass() -> None:
    """One sample, token by token."""
    token_glass.draw(session)


def numbers_in_the_formula() -> None:
    if session.tuned.metrics:
        formula.draw(session.tuned.metrics[-1], in_force())
    else:
        st.caption("There is no step yet.")


def back_to_a_step() -> None:
    """Go back to a step of this round."""
    newest = last_step() or 0
    step = st.slider(
        "Back to step",
        0,
        newest,
        max(0, newest - 1),
        key=f"ppo_back_step_{session.tuned.run}_{newest}",
    )
    again = weights.steps_again(session, step)
    known = [
        row["seconds"]
        for row in session.tuned.metrics
        if charts.finite(row.get("seconds")) is not None
    ]
    takes = monitor.duration(again * sum(known) / len(known)) if known and again else "a moment"
    st.markdown(
        f"Steps after {step} are taken"
        f" back{', and the verdict with them' if session.tuned.evaluation else ''}. "
        + (
            f"{again} {'step is' if again == 1 else 'steps are'} made again for it, with the very"
            f" same numbers: about {takes}."
            if again
            else "That step lies on disk, so it is there at once."
        )
        + " From there you can play on, with other settings if you like."
    )
    st.button(
        f"Go back to step {step}",
        key="ppo_back",
        on_click=go_back,
        args=(step,),
        disabled=step == newest,
    )


st.title("PPO", anchor=False)
st.markdown(
    "The model writes answers, the reward model scores them, and PPO nudges the model towards what"
    " scored well. A frozen copy of the original pulls back: drifting away costs."
)
missing = judged.needs(session, "ppo")
busy, whole_loop = state.alive("ppo"), state.alive("run_once")
paused = busy and (state.job("ppo") or {}).get("status") == "paused"
what_it_climbs()
if missing and not busy and not session.tuned.metrics:
    with st.container(border=True, key="ppo_missing"):
        st.markdown(
            "**Not yet.** PPO still needs "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        st.page_link(
            "pages/reward_model.py", label="Go to the reward model", icon=":material/arrow_forward:"
        )
    whole_step.draw()
    st.stop()

st.html(f"<style>{STYLE}</style>")
sliders.preset_row(session, knob.chosen(), disabled=whole_loop)
for column, name in zip(st.columns(len(sliders.FIRST)), sliders.FIRST, strict=True):
    with column:
        sliders.knob_with_range(
            knob, name, disabled=whole_loop or (busy and name in settings.FIXED)
        )
with st.expander(
    "Four more knobs: clip range, epochs, batch, temperature",
    icon=":material/tune:",
    key="ppo_more",
):
    for column, name in zip(st.columns(len(sliders.MORE)), sliders.MORE, strict=True):
        with column:
            sliders.knob_with_range(knob, name, disabled=whole_loop)
    if knob.chosen()["minibatch_size"] > knob.chosen()["batch_size"]:
        st.caption(
            f"A gradient step reads a minibatch of answers: here all {knob.chosen()['batch_size']}"
            " of the batch. (The minibatch is under All settings.)"
        )
if knob.chosen()["beta"] == 0:
    st.warning(
        "β is 0: nothing holds the model to its language. It will run, and it may well end in"
        " gibberish that scores high.",
        icon=":material/link_off:",
    )
if busy:
    st.caption("Knobs that you move now count from the next step on.")
elif not whole_loop and not missing:
    doubts.by_chance(session.learned.summary, "PPO will climb a score that may be nobody's taste. ")
    guess.offer(session, knob.chosen()["steps"], disabled=False)
timed = (
    step_time.panel(session, knob.chosen(), busy=busy or whole_loop)
    if not (busy or whole_loop)
    else True
)
with st.container(horizontal=True, key="ppo_start"):
    going_on = (last_step() or 0) > 0
    barred = (busy and not paused) or whole_loop or bool(missing) or not timed
    st.button(
        "Play on" if going_on else "Play",
        key="ppo_play",
        type="primary",
        icon=":material/play_arrow:",
        on_click=start,
        disabled=barred,
    )
    st.button(
        "One step",
        key="ppo_one_step",
        icon=":material/skip_next:",
        on_click=start,
        args=(True,),
        disabled=barred,
        help=(
            "Runs to the next point of the charts and pauses there. Step 0, before it, is the model"
            " before any update."
        ),
    )
    if going_on:
        with st.popover(
            "Back to a step",
            icon=":material/undo:",
            disabled=busy or whole_loop,
            key=f"ppo_back_box_{session.tuned.run}_{last_step()}",
        ):
            back_to_a_step()
        with st.popover(
            "Start this round again", icon=":material/restart_alt:", disabled=busy or whole_loop
        ):
            st.markdown(
                f"Forgets the {last_step()} steps of this round and their samples. The reward model"
                " and your comparisons stay."
            )
            st.button("Yes, forget these steps", key="ppo_restart", on_click=restart)
    with st.popover("All settings", icon=":material/tune:"):
        for name in knob.rows:
            if name not in sliders.FIRST + sliders.MORE:
                knob.draw(name, disabled=whole_loop or (busy and name in settings.FIXED))
own = [
    prompt
    for prompt in asked.training_prompts(session)
    if prompt not in session.asked.brief.training_prompts
]
with st.expander(
    f"Which prompts it trains on ({len(asked.training_prompts(session))})",
    icon=":material/list:",
    key="ppo_prompts",
):
    if own:
        st.markdown("**Yours:** " + " · ".join(text.plain(prompt) for prompt in own))
    st.markdown(
        "**The brief's:** "
        + (
            " · ".join(text.plain(prompt) for prompt in session.asked.brief.training_prompts)
            or "none"
        )
    )
    st.caption(f"Never on the {len(session.asked.brief.evaluation_prompts)} kept for the verdict.")
whole_step.draw()

if error := st.session_state.get("ppo_error"):
    st.error(text.plain(error), icon=":material/error:")
if whole_loop:
    st.info(
        "“Run it once for me” is training this session's model right now. Play is free again when"
        " it ends.",
        icon=":material/hourglass_top:",
    )

if whole_loop:
    monitor.monitor("run_once", controls=("stop",), draw=live)
elif (view := state.job("ppo")) and (
    session.tuned.metrics or view["status"] not in ("done", "stopped")
):
    # Not what a former round left behind.
    monitor.monitor("ppo", controls=("pause", "step", "stop"), draw=live)
elif session.tuned.metrics:
    live([], {"status": "done", "label": LABEL})
else:
    st.info(
        "Nothing trained yet. Press Play: the charts fill in step by step, and nothing you do on"
        " other pages stops it.",
        icon=":material/play_circle:",
    )

if session.tuned.metrics or busy or whole_loop:
    with st.expander(
        "Look inside one sample, token by token", icon=":material/search:", key="ppo_tokens"
    ):
        st.fragment(glass, run_every=REFRESH if busy and not paused else None)()
    with st.expander(
        "The formula, with the newest step's numbers in it",
        icon=":material/function:",
        key="ppo_formula",
    ):
        st.fragment(numbers_in_the_formula, run_every=REFRESH if busy and not paused else None)()
if (
    (back := state.records("ppo")[:1])
    and back[0].get("kind") == "restarted"
    and not busy
    and last_step() == back[0]["step"]
):
    exact = {
        True: " It was made again, and came out with exactly the numbers that it had.",
        None: "",
    }
    differs = (
        " It was made again, and came out with slightly other numbers than before (another machine,"
        " or another number of threads)."
    )
    st.caption(
        f":material/undo: Back at step {back[0]['step']}." + exact.get(back[0]["exact"], differs)
    )
next_step.draw(session, "ppo")
