"""Where a learner stands on the tour: the station, and what its control said on arrival.

Kept with the session (``labs["tour"]``), so that a reload finds the tour again. Knows nothing about
the stations' words or pages (``ui.tour``).
"""

from __future__ import annotations

from rlhf_core.session.state import Session

KEY = "tour"


def state(session: Session) -> dict:
    """{"station" (from 0), "open": bool, "host": bool, "since": what the station's control said on
    arrival, None where the learner has not arrived}.
    """
    kept = session.labs.get(KEY)
    kept = kept if isinstance(kept, dict) else {}
    station = kept.get("station")
    return {
        "station": station if isinstance(station, int) and station >= 0 else 0,
        "open": kept.get("open") is True,
        "host": kept.get("host") is True,
        "since": kept.get("since"),
    }


def at(session: Session, station: int) -> bool:
    """Is the tour open at ``station``?"""
    now = state(session)
    return now["open"] and now["station"] == station


def keep(session: Session, **changed) -> None:
    """Replace some of ``state``."""
    with session.change():
        session.labs = {**session.labs, KEY: {**state(session), **changed}}


def go(session: Session, station: int) -> None:
    """Move to ``station`` (from 0), not yet arrived there."""
    keep(session, station=max(0, station), open=True, since=None)


def leave(session: Session) -> None:
    """Close the tour; it remembers the station."""
    keep(session, open=False)
