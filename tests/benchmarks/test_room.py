"""The room benchmark's phones speak with a real server as the page's own script does."""

from __future__ import annotations

import pytest
from beside import beside
from written_room import judged, real_room

from benchmarks import room, room_phones
from benchmarks.load.learner import Crowd
from rlhf_core.rooms import acts, doors
from rlhf_core.rooms.records import PRACTICE, RANK


def test_phones_join_by_the_page_and_judge_by_the_desk(start_app, monkeypatch):
    app = start_app()
    opened = real_room(app.runs, monkeypatch)
    acts.step(opened.code, opened.host, PRACTICE)
    acts.step(opened.code, opened.host, RANK)

    async def crowd() -> list[room_phones.Phone]:
        async with room_phones.client() as http, Crowd(app.url, seed=1) as here:
            phones = room_phones.gather(here, http, opened.code, 2)
            await room_phones.join(phones, 0.5, here.luck("join"))
            for phone in phones:
                for _ in range(7):  # more than a phone holds
                    await phone.tap()
            await phones[0].ask([])
            return phones

    phones = beside(crowd())
    assert not [one for phone in phones for one in phone.troubles]
    assert doors.look(opened.code)["people"] == 2 and phones[0].me != phones[1].me
    rows = judged(opened)
    assert {row.judgement_id for row in rows} == {
        one for phone in phones for one in phone.acknowledged
    }
    assert len(rows) == 14 == len({(row.person, row.pair_id) for row in rows})
    assert all(len(phone.stored) == 7 and min(phone.stored) > 0 for phone in phones)
    assert all(phone.loaded > 0 and phone.joined > 0 and phone.pairs for phone in phones)


@pytest.mark.parametrize("wrong", ["--people=0", "--taps=0", "--seconds=-1"])
def test_what_cannot_be_measured_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        room.parsed([wrong])
    assert ended.value.code == 2 and "more than 0" in capsys.readouterr().err
