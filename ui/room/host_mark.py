"""What the host's page stands on once the room has judged. The host may have it open twice, on the
laptop and on a phone: what one of them starts, the other learns from here.
"""

from __future__ import annotations

from rlhf_core.rooms import training
from rlhf_core.rooms.records import PPO, REWARD, TALK, VOTE, Room
from rlhf_core.session import registry
from ui import state

ACTS, JOBS = (REWARD, PPO, VOTE, TALK), ("fit", "room_groups", "ppo", "room_vote")


def of(room: Room) -> list[tuple]:
    """Of each half: its models, and which jobs are at work on them. Where it is another one than
    was drawn, the page is to be drawn anew.
    """
    found = []
    for half in room.halves if room.act.name in ACTS else ():
        if (session := registry.get(half.session_id)) is not None:
            jobs = [state.job_of(session, name) or {} for name in JOBS]
            measured = (session.tuned.evaluation or {}).get("step")
            made = (session.learned.head, bool(session.labs.get(training.GROUPS)))
            at_work = [job.get("status") in state.ALIVE for job in jobs]
            found.append((*made, bool(session.tuned.steps_done), measured, *at_work))
    return found
