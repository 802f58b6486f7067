"""Prepare the choice of the next pair: read what waits and what was judged, and fit the posterior
that the choice is made under.

A generator for the worker thread; what it leaves in ``session.asking`` are plain arrays, from which
``desk`` chooses within a key press. Imports torch. The posterior has a wider prior than the reward
model's score has (``reward_uncertainty.exploring_posterior``), else every vote would look like a
coin's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlhf_core.lm.texts import pooled_of_texts
from rlhf_core.loop.workbench import ready
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.comparisons import readable
from rlhf_core.rewards.uncertainty import exploring_posterior
from rlhf_core.session.state import Session


def prepare(session: Session) -> Iterator:
    """One record {"kind": "asking", "sets", "judged"}; texts that were read for the same reward
    model before are not read again.
    """
    lm = ready(session)
    model, fit, pairs, waiting = (
        session.reward_model,
        session.reward_summary.get("fit", 1),
        session.learnable,
        list(session.unranked()),
    )
    count = len(pairs)
    pairs, _ = readable(lm, pairs)
    known = session.asking.get("known", {}) if session.asking.get("fit") == fit else {}
    finished = {
        (r.prompt, text): end
        for r in session.rankings
        if r.finished
        for text, end in zip(r.candidates, r.finished, strict=True)
    }
    judged = comparisons.rows_of(comparisons.usable(pairs)[0], finished)
    waits = [
        (row["prompt"], text, bool(end))
        for row in waiting
        for text, end in zip(row["texts"], row["finished"], strict=True)
    ]
    fresh = [row for row in dict.fromkeys([*judged, *waits]) if row not in known]
    if fresh:
        states = yield from pooled_of_texts(lm, fresh)
        known = known | dict(zip(fresh, states, strict=True))
    data = comparisons.from_states(
        model.whitener, pairs, judged, torch.stack([known[row] for row in judged])
    )
    weights, covariance = exploring_posterior(data)
    features = {}
    for row in waiting:
        states = torch.stack(
            [
                known[row["prompt"], text, bool(end)]
                for text, end in zip(row["texts"], row["finished"], strict=True)
            ]
        )
        features[row["id"]] = model.whitener(states).double().numpy()
    needed = {*judged, *waits}
    session.asking = {
        "fit": fit,
        "judged": count,
        "features": features,
        "weights": weights.numpy(),
        "covariance": covariance.numpy(),
        "known": {row: state for row, state in known.items() if row in needed},
    }
    yield {"kind": "asking", "sets": len(features), "judged": count}
