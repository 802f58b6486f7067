"""What the PPO page keeps one press away: the doctor, all knobs, the other charts, samples, tokens,
the formula, the prompts, the code; and the way back to an earlier step.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import glossary, settings
from rlhf_core.session import asked, weights
from ui import charts, depth, monitor, share, state, text
from ui.ppo import (
    cockpit,
    doctor,
    formula,
    guess,
    readings,
    sliders,
    stages,
    token_glass,
    whole_step,
)
from ui.ppo.steering import LABEL, Steering

REFRESH = 2.0  # seconds between two looks, while it trains
BEHIND = (  # what one can look behind: every number of the page, and every knob
    *("objective", "reward", "KL", "KL penalty", "PPO", "advantage", "entropy", "clip fraction"),
    *("approximate KL", "value loss", "policy loss", "probability ratio", "value function"),
    *(one.name for one in glossary.terms() if one.knob.startswith("PPOSettings.")),
)


def ways_back(run: Steering) -> None:
    """More settings, back to a step, the round again: three presses in a row."""
    with st.container(horizontal=True, key="ppo_back_row"):
        with st.popover("More settings", icon=":material/tune:"):
            for name in run.knob.rows:
                if name not in sliders.COCKPIT + sliders.FIRST + sliders.MORE:
                    run.knob.draw(name, disabled=_fixed(run, name))
        depth.shelf(BEHIND, run.session, key="ppo_behind")
        share.button(run.session, "ppo")
        if not run.last_step:
            return
        with st.popover(
            "Back to a step",
            icon=":material/undo:",
            disabled=run.working,
            key=f"ppo_back_box_{run.session.tuned.run}_{run.last_step}",
        ):
            back_to_a_step(run)
        with st.popover(
            "Start this round again", icon=":material/restart_alt:", disabled=run.working
        ):
            st.markdown(
                f"Forgets the {run.last_step} steps of this round and their samples. The reward"
                " model and your judgements stay."
            )
            st.button("Yes, forget these steps", key="ppo_restart", on_click=run.restart)


def back_to_a_step(run: Steering) -> None:
    """Go back to a step of this round."""
    session, newest = run.session, run.last_step or 0
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
        on_click=run.go_back,
        args=(step,),
        disabled=step == newest,
    )


def back_again(run: Steering) -> None:
    """That the page stands at an earlier step again, and how exactly."""
    back = state.records("ppo")[:1]
    if (
        not back
        or back[0].get("kind") != "restarted"
        or run.busy
        or run.last_step != back[0]["step"]
    ):
        return
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


def all_knobs(run: Steering) -> None:
    """Presets, and the knobs that the cockpit has no room for."""
    chosen = run.knob.chosen()
    with st.expander("Presets and knobs", icon=":material/tune:", key="ppo_more"):
        sliders.preset_row(run.session, chosen, disabled=run.whole_loop)
        for names in (sliders.FIRST, sliders.MORE):
            for column, name in zip(st.columns(len(sliders.MORE)), names, strict=False):
                with column:
                    sliders.knob_with_range(run.knob, name, disabled=_fixed(run, name))
        if chosen["minibatch_size"] > chosen["batch_size"]:
            st.caption(
                "A gradient step reads a minibatch of answers: here all"
                f" {chosen['batch_size']} of the batch. (The minibatch is under More settings.)"
            )


def _fixed(run: Steering, name: str) -> bool:
    """Whether a knob cannot be moved now."""
    return run.whole_loop or (run.busy and name in settings.FIXED)


def refreshed(run: Steering) -> None:
    """What follows the run: the doctor, the other charts, samples, tokens, the formula's numbers,
    the code with the stage at work.
    """
    if state.alive("ppo") != run.busy:  # begun by the doctor's button: only the page can follow it
        state.rerun()
    job = state.job("run_once" if run.whole_loop else "ppo") or {}
    session, working = run.session, job.get("status") in state.ALIVE
    if session.tuned.metrics:
        found = cockpit.findings(run)
        said = ", ".join(one["title"] for one in found) or "all well so far"
        with st.expander(
            f"The doctor: {text.plain(said)}", icon=":material/stethoscope:", key="ppo_doctor"
        ):
            doctor.draw(
                found, sliders.LABELS, run.retry, busy=working, measured=(run.last_step or 0) > 0
            )
        with _when_open("Five more charts", ":material/show_chart:", "ppo_charts") as box:
            if box.open:
                readings.more_charts(session, run.end(job))
        with _when_open("What it wrote, step by step", ":material/notes:", "ppo_wrote") as box:
            if box.open:
                readings.samples(session)
    if session.tuned.metrics or run.working:
        with st.expander(
            "Look inside one sample, token by token", icon=":material/search:", key="ppo_tokens"
        ):
            token_glass.draw(session)
    with st.expander(
        "The formula, with the newest step's numbers in it",
        icon=":material/function:",
        key="ppo_formula",
    ):
        if session.tuned.metrics:
            formula.draw(session.tuned.metrics[-1], run.in_force())
        else:
            st.caption("There is no step yet.")
    if working and job.get("status") != "queued" and (run.whole_loop or job["label"] == LABEL):
        stage, learning = job.get("stage", ""), bool(session.tuned.metrics)
        whole_step.draw(lambda: stages.draw(stage, learning=learning))
    else:
        whole_step.draw()


def _when_open(label: str, icon: str, key: str):
    """An expander that is drawn when somebody opens it: these are half of what a look costs."""
    return st.expander(label, icon=icon, key=key, on_change="rerun")


def prompts(run: Steering) -> None:
    """Which prompts it trains on."""
    session, own = run.session, cockpit.own_prompts(run.session)
    count = len(asked.training_prompts(session))
    with st.expander(f"Prompts it trains on ({count})", icon=":material/list:", key="ppo_prompts"):
        if own:
            st.markdown("**Yours:** " + " · ".join(text.plain(prompt) for prompt in own))
        st.markdown(
            "**The brief's:** "
            + (
                " · ".join(text.plain(prompt) for prompt in session.asked.brief.training_prompts)
                or "none"
            )
        )
        st.caption(
            f"Never on the {len(session.asked.brief.evaluation_prompts)} kept for the verdict."
        )


def draw(run: Steering) -> None:
    """All of it, below the cockpit."""
    ways_back(run)
    back_again(run)
    guess.scored(run.session, busy=run.busy)
    if not run.working and not run.missing:
        guess.offer(run.session, run.knob.chosen()["steps"], disabled=False)
    all_knobs(run)
    following = run.working and not run.paused
    often = REFRESH if following else None
    st.fragment(refreshed, run_every=often, key="ppo_refreshed")(run)
    prompts(run)
