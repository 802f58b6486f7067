"""A room that is played: a desk that keeps what phones send in memory, with the answers of the real
one (``rlhf_core.rooms.desk.take``), and a back door for the test.

``POST /stage``: {"act", "frozen", "pairs", "fail", ...} changes the play; its answer is all that
was stored. Behind the same guards as the app.
"""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from streamlit.starlette import App

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import desk as engine
from rlhf_core.rooms import plans
from ui import guards
from ui.room import endpoint

LOCK = threading.Lock()
PLAY = {
    "act": "rank",
    "frozen": False,
    "until": None,
    "fail": 0,  # answer so many requests with this failure
    "pairs": [],  # rows {"id", "prompt", "a", "b", "for"}; empty: made up without end
    "live": [],
    "verdict": "",
    "name": "Teal otter",
    "nickname": "",
    "write": False,
    "words": "",
    "left_out": False,
    "sorry": "",
    "kind": "closed",
}
STORED: dict[str, dict] = {}
WROTE: dict[str, dict] = {}
TOLD = ("live", "words", "verdict")  # of the room, as played
SENT: list[str] = []  # every id as often as it came


def made_up(number: int, act: str) -> dict:
    pair = {
        "id": f"{act}-{number}",
        "for": act,
        "prompt": f"An opossum number {number} is",
        "a": f" a marsupial with {number} young in a pouch.",
        "b": f" a great character for meme {number}.",
    }
    if act == "practice":
        pair |= {"right": "a", "why": "The other one is an encyclopedia."}
    return pair


def take(code, me, judged=(), holds=(), wrote=()):
    with LOCK:
        if PLAY["sorry"]:
            raise RoomError(PLAY["sorry"], PLAY["kind"])
        act, stored, refused = PLAY["act"], [], []
        for row in wrote:
            WROTE.setdefault(row["id"], row)
            stored.append(row["id"])
        for row in judged:
            SENT.append(row["id"])
            if PLAY["frozen"]:
                refused.append({"id": row["id"], "why": "The room is paused.", "again": True})
            elif any(o["pair"] == row["pair"] and i != row["id"] for i, o in STORED.items()):
                refused.append({"id": row["id"], "why": "You judged that pair.", "again": False})
            else:
                STORED.setdefault(row["id"], {**row, "me": me})
                stored.append(row["id"])
        asked = {one["pair"] for one in STORED.values()}
        rows = PLAY["pairs"] or [made_up(number, act) for number in range(400)]
        todo = [row for row in rows if row["for"] == act and row["id"] not in asked]
        held = [one for one in holds if any(row["id"] == one for row in todo)]
        new = [row for row in todo if row["id"] not in held][: max(0, 5 - len(held))]
        now = int(time.time() * 1000)
        return {
            "stored": stored,
            "refused": refused,
            "drop": [one for one in holds if one not in held],
            "pairs": new,
            "act": {
                "name": act,
                "title": plans.SCREENS[act].title,
                "began": now,
                "until": PLAY["until"],
                "now": now,
                "frozen": PLAY["frozen"],
                "closed": False,
                "number": 1,
                "say": plans.SCREENS[act].phone,
                "next": plans.SCREENS[act].next,
                "write": PLAY["write"],
            },
            "you": {
                "pseudonym": PLAY["name"],
                "name": PLAY["nickname"],
                "practised": 0,
                "judged": len(STORED),
                "voted": 0,
                "left": len(todo),
                "left_out": PLAY["left_out"],
            },
            "room": {"people": 12, "judged": 240, **{name: PLAY[name] for name in TOLD}},
        }


async def stage(request):
    with LOCK:
        change = await request.json()
        if change.pop("clear", False):
            STORED.clear()
            WROTE.clear()
            SENT.clear()
        PLAY.update(change)
        return JSONResponse({"stored": STORED, "sent": SENT, "wrote": WROTE})


class Failing(endpoint.Desk):
    async def __call__(self, request):
        if PLAY["fail"]:
            return PlainTextResponse("no", PLAY["fail"])
        return await super().__call__(request)


engine.take = take
desk = Failing()


async def answer(request):
    return await desk(request)


app = App(
    Path(__file__).parent / "page.py",
    routes=[
        Route("/room-desk", answer, methods=["POST"]),
        Route("/stage", stage, methods=["POST"]),
    ],
    middleware=[Middleware(guards.Guards)],
)
