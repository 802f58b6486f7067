"""What the learner guesses about a run before it, kept with the session
(``evaluation.predictions``).

Commands act at once, under the session's lock. Imports no torch.
"""

from __future__ import annotations

from rlhf_core.evaluation import predictions
from rlhf_core.session.state import Session


def keep(session: Session, kl: float, reward: float, winner: str, *, steps: int) -> dict:
    """Keep a guess about where a run of ``steps`` steps from here will end; an earlier one made
    here goes. Raises ValueError.
    """
    with session.change():
        history = session.history
        here = {"round": history.current_round, "step": session.tuned.steps_done}
        guess = predictions.predict(kl, reward, winner, steps=steps, **here)
        others = [one for one in history.predictions if _place(one) != _place(guess)]
        history.predictions = [*others, guess][-predictions.MOST :]
    return guess


def waiting(session: Session) -> dict | None:
    """The guess about where the round stands now, before its run."""
    here = session.history.current_round, session.tuned.steps_done
    return next((one for one in reversed(session.history.predictions) if _place(one) == here), None)


def scored(session: Session) -> dict | None:
    """How close the newest guess of this round whose run has begun came (``predictions.score``)."""
    tuned = session.tuned
    for one in reversed(session.history.predictions):
        if one["round"] == session.history.current_round:
            if found := predictions.score(one, tuned.metrics, tuned.evaluation):
                return found
    return None


def _place(guess: dict) -> tuple[int, int]:
    """The round and the step that the guess was made at."""
    return guess["round"], guess["from"]
