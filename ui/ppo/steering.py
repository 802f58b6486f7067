"""How the PPO page steers a run: what its knobs say, what its buttons ask for, and where the run
stands. Draws nothing.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import errors, ppo_presets, settings
from rlhf_core.common.errors import InputError
from rlhf_core.session import judged, rounds
from rlhf_core.session.state import Session
from rlhf_core.work import catalogue, lines
from ui import knobs, state
from ui.ppo import sliders

LABEL, GOING_BACK = (catalogue.JOBS[name].label for name in ("ppo", "back"))
STOPPING = 3.0  # seconds that a retry waits for the run before it
ERROR = "ppo_error"


class Steering:
    """The run of ``session``, as it stood when the page began to be drawn.

    Attributes:
        knob: its knobs. missing: what PPO still needs, in words.
        busy: a run of this page is alive; paused: and paused. whole_loop: "Run it once" trains.
    """

    def __init__(self, session: Session):
        self.session = session
        self.knob = knobs.Knobs(
            session, "ppo", settings.PPOSettings, labels=sliders.LABELS, ladders=sliders.LADDERS
        )
        self.missing = judged.needs(session, "ppo")
        self.busy, self.whole_loop = state.alive("ppo"), state.alive("run_once")
        self.paused = self.busy and (state.job("ppo") or {}).get("status") == "paused"

    @property
    def working(self) -> bool:
        """Whether anything trains here, or is paused in the middle of it."""
        return self.busy or self.whole_loop

    @property
    def last_step(self) -> int | None:
        """The newest step, or None before there is one."""
        return self.session.tuned.metrics[-1]["step"] if self.session.tuned.metrics else None

    def end(self, view: dict) -> int:
        """The step at which the run ``view`` ends; where none is alive, the next one would. Counted
        in steps that learn: step 0 only looks.
        """
        last, alive = self.last_step, view.get("status") in state.ALIVE
        if alive and view["label"] == LABEL and view.get("total"):
            # Records are counted there, and step 0 is one. From the first on it stands fast: a
            # record may be in the session before the view counts it.
            first = next((row["step"] for row in state.records("ppo") if "step" in row), None)
            if first is not None:
                return first + view["total"] - 1
            return (-1 if last is None else last) + max(0, view["total"] - view["done"])
        if alive and self.whole_loop:
            return self.in_force()["steps"]
        if last:
            return last
        return self.knob.chosen()["steps"]

    def in_force(self) -> dict:
        """The settings that the run goes by; before any run, what the knobs say."""
        return self.knob.ran() or self.knob.chosen()

    def chosen(self) -> settings.PPOSettings:
        """What the knobs say, ready to run. Raises SettingsError."""
        return settings.PPOSettings(**ppo_presets.fitting(self.knob.chosen())).validate()

    # --- what the buttons do ----------------------------------------------------------------------

    def start(self, one_step: bool = False) -> None:
        """Hand the run to the worker, or let a paused one go on; with ``one_step`` it pauses after
        its next step.
        """
        st.session_state.pop(ERROR, None)
        try:
            chosen = self.chosen()
        except errors.SettingsError as error:
            st.session_state[ERROR] = str(error)
            return
        begun = bool(self.session.tuned.metrics)
        # Step 0, before any update, is a record too.
        records = chosen.steps + (0 if begun else 1)
        job_id = state.submit("ppo", total=records)  # with what the knobs say when its turn comes
        if one_step:
            # Step 0 only looks: with it comes the first that learns.
            lines.line_in_force().step(job_id, 1 if begun else 2)
        else:
            lines.line_in_force().resume(job_id)  # one that was paused

    def pause(self) -> None:
        """Pause the run at its next token."""
        lines.line_in_force().pause(self.session.jobs.get("ppo", ""))

    def stop(self) -> None:
        """End the run; its finished steps stay."""
        state.stop("run_once" if self.whole_loop else "ppo", 0.4)

    def go_back(self, step: int) -> None:
        """Take back the steps after ``step``."""
        st.session_state.pop(ERROR, None)
        state.submit("back", step, total=1)

    def retry(self, step: int, safer: dict) -> None:
        """The doctor's advice: from ``step`` on with safer settings; a run that is going on is
        stopped first.
        """
        st.session_state.pop(ERROR, None)
        now = self.in_force()
        left = max(1, (self.last_step or 0) - step, min(10, now["steps"]))
        try:
            chosen = settings.PPOSettings(
                **ppo_presets.fitting(now | safer | {"steps": left})
            ).validate()
        except errors.SettingsError as error:
            st.session_state[ERROR] = str(error)
            return
        if not state.stop("ppo", STOPPING):
            st.session_state[ERROR] = (
                "The run is still stopping. Press the button again in a moment."
            )
            return
        state.submit("retry", step, chosen, total=left + 1)

    def restart(self) -> None:
        """Forget this round's steps."""
        st.session_state.pop(ERROR, None)
        try:
            rounds.restart(self.session)
        except InputError as error:
            st.session_state[ERROR] = str(error)
