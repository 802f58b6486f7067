"""A rehearsal by script: a host and twelve people with tastes of their own play a room from the
code on the wall to the verdict. Each act is a process of its own, so the server is gone between any
two of them: ``python tests/rooms/rehearsal.py ACT FILE``, the file carrying what people carry.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from rlhf_core.common.events import Progress  # noqa: E402
from rlhf_core.common.settings import RewardModelSettings  # noqa: E402
from rlhf_core.judging.register import judge  # noqa: E402
from rlhf_core.rooms import (  # noqa: E402
    acts,
    answers,
    desk,
    doors,
    exporting,
    figures,
    integrity,
    opening,
    training,
    votes,
)
from rlhf_core.rooms.records import RoomSettings  # noqa: E402
from rlhf_core.session import registry, rounds  # noqa: E402
from rlhf_core.work import running  # noqa: E402

PPO = {"steps": 3, "batch_size": 16, "minibatch_size": 8, "epochs": 2, "max_new_tokens": 12}
HEAD = RewardModelSettings(features=8, reference_samples=128)
PROMPTS = ("A cat is", "A fox is", "An owl is", "A frog is", "A bear is", "A duck is")
PROMPTS += ("An opossum is", "A raccoon is", "A snail is", "A wolf is")
TASTES = ["fact"] * 6 + ["meme"] * 3 + ["short", "coin", "left"]
EACH = 24  # pairs that everybody judges


def say(taste: str, pair: dict, rng: random.Random) -> str:
    if taste in ("left", "coin"):
        return "a" if taste == "left" else rng.choice("ab")
    if taste == "short":
        a, b = -len(pair["a"]), -len(pair["b"])
    else:
        a, b = (judge(pair[side], taste, True) for side in "ab")
    return "tie" if a == b else "a" if a > b else "b"


def work(room: dict, name: str, *args) -> list[dict]:
    """A job over the room's session, to its end."""
    order = running.Order(name, registry.get(room["session_id"]), args)
    return [item for item in running.begin(order) if not isinstance(item, Progress)]


def judge_all(room: dict, most: int) -> int:
    """Everybody judges what they get, five taps a call, each call sent twice: a bad network."""
    done = 0
    for number, (me, taste) in enumerate(zip(room["people"], TASTES, strict=True)):
        rng, seconds = random.Random(number), 0.4 if taste == "left" else 3.5
        mine, pairs = 0, desk.next_pairs(room["code"], me)
        while pairs and mine < most:
            rows = [
                {"id": f"tap-{pair['id']}", "pair": pair["id"], "choice": say(taste, pair, rng)}
                for pair in pairs[:5]
            ]
            rows = [row | {"seconds": seconds, "at": 1} for row in rows]
            first, again = (desk.take(room["code"], me, rows) for _ in range(2))
            assert first["stored"] == again["stored"] == [row["id"] for row in rows]
            mine, pairs = mine + len(rows), again["pairs"]
        done += mine
    return done


def opens(room: dict) -> None:
    answers.SETS = 20
    made = opening.open_room(RoomSettings(prompts=PROMPTS, plan=20, steps=PPO["steps"]))
    room |= {"code": made.code, "host": made.host, "wall": made.wall}
    room["session_id"] = made.session_id
    room["written"] = work(room, "room_answers")[-1]["pairs"]


def join(room: dict) -> None:
    room["people"] = [doors.join(room["code"].lower(), f"Guest {n // 2}").me for n in range(12)]


def practice(room: dict) -> None:
    acts.step(room["code"], room["host"], "practice")
    room["practised"] = judge_all(room, 3)


def rank(room: dict) -> None:
    acts.step(room["code"], room["host"], "rank")
    room["judged"] = judge_all(room, EACH)
    found = figures.for_host(room["code"], room["host"])
    room["agreement"] = found["agreement"][0]
    room["marked"] = {one["number"]: one["marks"] for one in found["everybody"] if one["marks"]}
    for number in (n for n, marks in room["marked"].items() if len(marks) > 1):
        integrity.leave_out(room["code"], room["host"], number, "taps left, at once")


def reward(room: dict) -> None:
    acts.step(room["code"], room["host"], "reward")
    room["gathered"] = training.gather(room["code"], room["host"])
    work(room, "fit", HEAD)
    room["groups"] = work(room, "room_groups")[-1]
    room["standing"] = training.standing(room["code"], room["host"])


def ppo(room: dict) -> None:
    acts.step(room["code"], room["host"], "ppo")
    registry.get(room["session_id"]).choose("ppo", PPO)
    room["steps"] = [row["step"] for row in work(room, "ppo")]
    work(room, "evaluate", 48)
    room["live"] = desk.take(room["code"], room["people"][0])["room"]["live"]


def vote(room: dict) -> None:
    room["asked"] = votes.prepare(room["code"], room["host"])
    acts.step(room["code"], room["host"], "vote")
    room["voted"] = judge_all(room, 100)
    room["counted"] = votes.count(room["code"], room["host"])


def talk(room: dict) -> None:
    acts.step(room["code"], room["host"], "talk")
    room["verdict"] = rounds.with_votes(registry.get(room["session_id"]))
    room["verdict"].pop("pairs")
    room["told"] = desk.take(room["code"], room["people"][0])["room"]["verdict"]
    room["wall_told"] = figures.for_wall(room["code"], room["wall"])
    place = Path(sys.argv[2]).with_suffix(".zip")
    place.write_bytes(exporting.export(room["code"], room["host"]))
    room["zip"] = str(place)


ACTS = {one.__name__: one for one in (opens, join, practice, rank, reward, ppo, vote, talk)}

if __name__ == "__main__":
    file = Path(sys.argv[2])
    carried = json.loads(file.read_text()) if file.exists() else {}
    ACTS[sys.argv[1]](carried)
    file.write_text(json.dumps(carried))
