"""Two servers over one database, and one that is killed: what was confirmed is there, once."""

from __future__ import annotations

import json
import time

from databases import python, url  # noqa: F401
from room_people import Phone, here, judging_room, opened  # noqa: F401

from rlhf_core.session import registry
from rlhf_core.store import room_rows

SERVER = """
    import json, sys
    from rlhf_core.rooms import desk
    code, tokens, each = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    desk.take(code, tokens[0])
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(each):
        for me in tokens:
            for pair in desk.next_pairs(code, me)[:1]:
                row = {"id": "tap-" + pair["id"], "pair": pair["id"], "choice": "a"}
                for one in desk.take(code, me, [row])["stored"]:
                    print(me, one, flush=True)
"""


def serve(room, phones: list[Phone], each: int):
    tokens = json.dumps([phone.me for phone in phones])
    server = python(SERVER, room.code, tokens, str(each))
    assert server.stdout.readline() == "ready\n", server.stderr.read()[-2000:]
    return server


def begin(server) -> None:
    server.stdin.write("go\n")
    server.stdin.flush()


def confirmed(lines: str) -> set[tuple[str, str]]:
    return {tuple(line.split()) for line in lines.splitlines() if line.count(" ") == 1}


def kept(room, phones: list[Phone]) -> list[tuple[str, str]]:
    called = {phone.number: phone.me for phone in phones}
    with registry.keeper().database.look() as db:
        row = room_rows.by_code(db, room.code)
        said = room_rows.judgements(db, row.room_id, ("rank", "gold"))
    return [(called[one.person], one.judgement_id) for one in said]


def test_two_servers_take_from_the_same_people_and_each_tap_is_there_once(room):
    phones = [Phone(room) for _ in range(6)]
    servers = [serve(room, phones, 6) for _ in range(2)]
    for server in servers:
        begin(server)
    told = [confirmed(server.communicate(timeout=300)[0]) for server in servers]
    assert [server.returncode for server in servers] == [0, 0]
    there = kept(room, phones)
    assert len(there) == len(set(there)) and set(there) == told[0] | told[1]
    assert len(there) >= 6 * 6


def test_a_server_that_is_killed_has_kept_what_it_confirmed(room):
    phones = [Phone(room) for _ in range(4)]
    server = serve(room, phones, 40)
    begin(server)
    seen = [server.stdout.readline() for _ in range(10)]
    time.sleep(0.05)
    server.kill()
    told = confirmed("".join(seen) + server.communicate(timeout=60)[0].rpartition("\n")[0])
    there = kept(room, phones)
    assert len(told) >= 10 and told <= set(there) and len(there) == len(set(there))
    following = serve(room, phones, 2)
    begin(following)
    more = confirmed(following.communicate(timeout=300)[0])
    assert len(more) == 8 and not more & set(there), "the next server goes on where it was"
