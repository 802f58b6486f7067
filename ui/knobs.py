"""The settings of one stage as sliders and number fields, drawn from their own descriptions
(``rlhf_core.common.knob.describe``).

What a slider says is kept with the session (``settings["ppo_next"]`` and so on), so that neither
another page nor a reload loses it. Where none was moved since, the sliders say what the stage last
ran with (``settings["ppo"]``): the engine writes that when a run begins, and drops what was chosen
for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from rlhf_core.common.knob import describe, within
from rlhf_core.session.state import Session

WIDE = 1000  # a range beyond this is typed, not dragged


def plainly(number: float) -> str:
    """A setting as people write it: 0.00003, not 3e-05."""
    return f"{number:.7f}".rstrip("0").rstrip(".") if 0 < abs(number) < 1e-3 else f"{number:g}"


class Knobs:
    """The knobs of one stage of one session.

    Args:
        stage: its name in ``session.settings`` ("ppo"), and the beginning of its widgets' keys.
        cls: its dataclass of settings.
        labels: the settings' names as people say them.
        ladders: the steps of settings whose useful values spread over powers of ten; the default
        and the value join them.
    """

    def __init__(
        self,
        session: Session,
        stage: str,
        cls: type,
        *,
        labels: Mapping[str, str],
        ladders: Mapping[str, Sequence[float]] | None = None,
    ):
        self.session, self.stage, self.next = session, stage, f"{stage}_next"
        self.cls = cls
        self.rows = {row["name"]: row for row in describe(cls)}
        self.labels, self.ladders = labels, ladders or {}

    def _whole(self, values: Mapping) -> dict:
        """``values``, and the default for what is missing there or impossible (a record may come
        from a file).
        """
        return within(self.cls, values)

    def ran(self) -> dict | None:
        """What the run under way, or else the last one, runs with; None before the first."""
        values = self.session.settings.get(self.stage)
        return self._whole(values) if values else None

    def chosen(self) -> dict:
        """What the knobs say."""
        return self._whole(
            {
                **self.session.settings.get(self.stage, {}),
                **self.session.settings.get(self.next, {}),
            }
        )

    def changes(self) -> list[str]:
        """Where the knobs differ from ``ran``, each in words ("Steps 20 (last run: 15)")."""
        ran, chosen = self.ran() or self.chosen(), self.chosen()
        return [
            f"{self.labels[name]} {plainly(chosen[name])} (last run: {plainly(ran[name])})"
            for name in self.rows
            if chosen[name] != ran[name]
        ]

    def keep(self, name: str | None = None) -> None:
        """Keep the moved knob ``name`` with the session, or what all of them say."""
        values = {name: st.session_state[f"{self.stage}_{name}"]} if name else self.chosen()
        self.session.choose(self.stage, values)

    def draw(self, name: str, *, disabled: bool = False) -> None:
        """The knob of one setting."""
        row, value, key = self.rows[name], self.chosen()[name], f"{self.stage}_{name}"
        label, unit = self.labels[name], row["unit"]
        label += f" ({unit})" if unit and unit not in label.lower() else ""
        # First drawn, or a run that began elsewhere has moved it.
        if st.session_state.get(key) != value:
            st.session_state[key] = value
        # The value as a default too: a browser draws what a closed popover holds only when it
        # opens, and knows nothing of what the session's state said runs ago.
        common = {
            "value": value,
            "key": key,
            "help": row["help"],
            "on_change": self.keep,
            "args": (name,),
            "disabled": disabled,
        }
        if name in self.ladders:
            st.select_slider(
                label,
                sorted({*self.ladders[name], row["default"], value}),
                format_func=plainly,
                **common,
            )
        else:
            (st.number_input if row["high"] > WIDE else st.slider)(
                label, row["low"], row["high"], step=row["step"], **common
            )
