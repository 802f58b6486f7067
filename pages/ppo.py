"""PPO as a cockpit: play, pause or step the training of the language model, steer it between steps,
and watch what it does to the numbers and to the texts. What else there is lies one press below.
"""

from __future__ import annotations

import streamlit as st

from ui import monitor, next_step, state, step_time, styles, text
from ui.ppo import cockpit, more, sliders, waiting, whole_step
from ui.ppo.steering import ERROR, Steering
from ui.reward_model import verdict

STYLE = styles.sheet("ppo")

session = state.session()
run = Steering(session)

st.html(f"<style>{STYLE}</style>")
st.title("PPO", anchor=False)
often = 2.0 if run.busy else None
st.fragment(cockpit.what_it_climbs, run_every=often, key="ppo_climbs")(run)
if run.missing and not run.busy and not session.tuned.metrics:
    with st.container(border=True, key="ppo_missing"):
        waiting.draw(run)
        st.markdown(
            "**Not yet.** PPO nudges the model towards what the reward model scores well; a frozen"
            " copy of the original pulls back. It still needs "
            + " and ".join(text.plain(need) for need in run.missing)
            + "."
        )
        next_step.draw(session, "ppo")
    whole_step.draw()
    st.stop()

if not run.whole_loop and not run.missing:
    verdict.by_chance(
        session.learned.summary, "PPO will climb a score that may be nobody's taste. "
    )
timed = run.working or step_time.panel(session, run.knob.chosen(), busy=False)
buttons, price = st.columns([2.1, 1], vertical_alignment="center")
with buttons:
    cockpit.deck(run, timed=timed)
with price:
    for name in sliders.COCKPIT:
        sliders.knob_with_range(run.knob, name, disabled=run.whole_loop, quiet=True)
if error := st.session_state.get(ERROR):
    st.error(text.plain(error), icon=":material/error:")

if run.whole_loop:
    st.caption(
        ":material/hourglass_top: “Run it once for me” trains this session's model. Play is free"
        " again when it ends."
    )
name = "run_once" if run.whole_loop else "ppo"
view = state.job(name)
former = view and not session.tuned.metrics and view["status"] in ("done", "stopped")
if view and not former:  # not what a former round left behind
    monitor.monitor(
        name,
        controls=(),
        draw=lambda records, view: cockpit.live(run, view),
        quiet=True,
        line=cockpit.trouble,
    )
else:
    cockpit.live(run, {})
more.draw(run)
