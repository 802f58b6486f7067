"""What is known of a kind of work before any of it is done."""

from __future__ import annotations

from typing import NamedTuple


class Job(NamedTuple):
    """One kind of work.

    Attributes:
        place: "package.module:function" below ``rlhf_core``.
        label: what a waiting person reads.
        long: waits in line (PPO), instead of slipping in between (a fit, a few outputs).
        told: a training or a measurement: the session's folder says that it goes on, so that a
            server that is closed meanwhile leaves a bundle that was interrupted.
        again: "package.module:function" that goes on with what a worker left that died:
            ``f(session, begun, *args, **more)``, begun as in ``work.again``; it yields the job's
            records from the first one on, made before or not. "": the job begins anew.
        undo: what is put back before it begins anew (``work.again``): "sets", "learned".
        slot: where a session keeps its id; two jobs of one slot never run at once. "": the name.
    """

    place: str
    label: str
    long: bool = False
    told: bool = False
    slot: str = ""
    again: str = ""
    undo: tuple[str, ...] = ()
