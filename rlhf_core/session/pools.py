"""Answers written ahead: how many, with which seed, and taken where somebody had them before.

What is written follows from the model, the prompts, the settings and the seed, and sessions begin
with the same seed. So a room that comes in has its first answers written once, by whoever is first;
the others take them, and get what they would have written. Prompts that a person typed or brought
stay in that person's session: only what ships with the briefs is shared. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import cache
from importlib import metadata

from rlhf_core.common.errors import StoreError
from rlhf_core.common.known import known
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.source import engine_version
from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session import asked
from rlhf_core.session.state import Session
from rlhf_core.store.keeping import Pools

READY = 8  # fewer sets than that wait: more are wanted
FIRST, BATCH = 4, 12  # sets of a pool: where none waits, so that some are soon there, and else
MOST = 30  # sets of any form that may wait

_SHIPPED = {prompt for brief in briefs.PRESETS.values() for prompt in brief.training_prompts}


def wanted(session: Session, form: int) -> int:
    """How many sets of ``form`` texts to write ahead now."""
    ahead = asked.waiting(session, form)
    if ahead >= READY or asked.waiting(session) >= MOST:
        return 0
    return BATCH if ahead else FIRST


def seed_for(session: Session, drawn: int) -> int:
    """What the pool is drawn with that begins behind ``drawn`` sets."""
    return seed_of(session.seed, "pool", drawn, session.history.current_round)


def key_of(session: Session, count: int, candidates: int, drawn: int) -> str:
    """The hash of all that decides what stands in a pool; "" where it is not shared: something in
    it is a person's, or a round began from tuned weights, which nobody else has.
    """
    files, prompts = model_list.files_of(session.model_name), asked.training_prompts(session)
    if not files or session.history.start or session.store is None or session.store.pools is None:
        return ""
    if not _SHIPPED.issuperset(prompts):
        return ""
    numbers = session.seed, session.history.current_round, drawn, count, candidates
    made_by = engine_version(), _torch(), files
    return hashlib.sha256(json.dumps([made_by, numbers, prompts]).encode()).hexdigest()


@cache
def _torch() -> str:
    return metadata.version("torch")


def found(session: Session, key: str) -> list[dict] | None:
    """The sets of the pool ``key``, rows {"prompt", "texts", "finished"}; None where nobody wrote
    it, or with another model than the one that the session has.
    """
    body = None
    if key:
        with suppress(StoreError):  # then it is written, as if nobody had
            body = _pools(session).find(key)
    if body is None or session.model_hash not in ("", body["model"]):
        return None
    return body["sets"]


def keep(session: Session, key: str, sets: list[dict]) -> None:
    """Let others take what was written."""
    if key and sets:
        with suppress(StoreError):
            _pools(session).keep(key, {"model": session.model_hash, "sets": sets})


def _pools(session: Session) -> Pools:
    """Of a session that ``key_of`` gives a key."""
    return known(known(session.store).pools)


def fill(session: Session, form: int) -> int:
    """Put on the desk at once what is wanted and somebody had before; how many sets are left to be
    written.
    """
    count = wanted(session, form)
    if not count or _there(session, count, form) is None:
        return count
    with session.change():  # another tab may have been quicker, so all is asked again
        while (count := wanted(session, form)) and (sets := _there(session, count, form)):
            seed = seed_for(session, session.asked.drawn)
            for one in sets:
                asked.add_set(session, one["prompt"], one["texts"], one["finished"], seed)
    return count


def _there(session: Session, count: int, form: int) -> list[dict] | None:
    """The pool that comes next, where it is kept and has sets of ``form`` texts in it."""
    sets = found(session, key_of(session, count, form, session.asked.drawn)) or []
    return sets if any(len(one["texts"]) == form for one in sets) else None
