"""Prepare the choice of the next pair: read what waits and what was judged, and fit the posterior
that the choice is made under.

A job; what it leaves in ``learned.asking`` are plain arrays, from which ``session.ranking_desk``
chooses within a key press. Imports torch. The posterior has a wider prior than the reward model's
score has (``rewards.uncertainty.exploring_posterior``), else every vote would look like a coin's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlhf_core.common.events import Progress
from rlhf_core.common.known import known as there
from rlhf_core.judging.preferences import finished_texts
from rlhf_core.lm.texts import pooled_of_texts
from rlhf_core.loop.workbench import head_of, memory, ready
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.uncertainty import exploring_posterior
from rlhf_core.session import asked, judged
from rlhf_core.session.state import Session


def prepare(session: Session) -> Iterator[Progress | dict]:
    """One record {"kind": "asking", "sets", "judged"}; texts that were read for the same reward
    model before are not read again.
    """
    lm, model, head = ready(session), there(head_of(session)), session.learned.head
    fit, waiting = session.learned.summary.get("fit", 1), list(asked.unranked(session))
    votes = judged.learnable(session)
    pairs, _ = comparisons.readable(lm, votes)
    former, known = memory(session).get("states read", ("", {}))
    known = known if former == head else {}  # row -> (d,) pooled state
    finished = finished_texts(session.judged.rankings)
    voted = comparisons.rows_of(comparisons.usable(pairs)[0], finished)
    waits = {row["id"]: _rows_of(row) for row in waiting}
    needed = list(dict.fromkeys([*voted, *(row for rows in waits.values() for row in rows)]))
    fresh = [row for row in needed if row not in known]
    if fresh:
        states = yield from pooled_of_texts(lm, fresh)
        known = known | dict(zip(fresh, states, strict=True))
    states = torch.stack([known[row] for row in voted])
    weights, covariance = exploring_posterior(
        comparisons.from_states(model.whitener, pairs, voted, states)
    )
    features = {}
    for name, rows in waits.items():
        states = torch.stack([known[row] for row in rows])
        features[name] = model.whitener(states).double().numpy()
    memory(session)["states read"] = head, {row: known[row] for row in needed}
    with session.change():
        session.learned.asking = {
            "fit": fit,
            "judged": len(votes),
            "features": features,
            "weights": weights.numpy(),
            "covariance": covariance.numpy(),
        }
    yield {"kind": "asking", "sets": len(features), "judged": len(votes)}


def _rows_of(row: dict) -> list[comparisons.Row]:
    """The outputs of a candidate set, to be read."""
    answers = zip(row["texts"], row["finished"], strict=True)
    return [(row["prompt"], text, bool(ended)) for text, ended in answers]
