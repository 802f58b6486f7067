"""The room benchmark's phones speak with a real server as the page's own script does."""

from __future__ import annotations

import pytest
from beside import beside
from written_room import judged, real_room

from benchmarks import room, room_kill, room_phones, room_rehearsal
from benchmarks.load.figures import Figures
from benchmarks.load.learner import Crowd
from benchmarks.room_host import behind
from rlhf_core.rooms import acts, doors
from rlhf_core.rooms.records import PRACTICE, RANK, REWARD


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
                    assert await phone.tap()
                phone.put_aside(2)
            assert not any(row["id"] in phones[0].acknowledged for row in phones[0].aside)
            acts.step(opened.code, opened.host, REWARD)
            for phone in phones:  # what was judged offline counts, whatever the act is by then
                await phone.send_aside()
                assert not await phone.tap()
            return phones

    phones = beside(crowd())
    assert not [one for phone in phones for one in phone.troubles]
    assert doors.look(opened.code)["people"] == 2 and phones[0].me != phones[1].me
    rows = judged(opened)
    assert {row.judgement_id for row in rows} == {
        one for phone in phones for one in phone.acknowledged
    }
    assert len(rows) == 18 == len({(row.person, row.pair_id) for row in rows})
    assert all(len(phone.stored) == 7 and min(phone.stored) > 0 for phone in phones)
    assert all(phone.made == set(phone.acknowledged) and not phone.refused for phone in phones)
    assert all(phone.loaded > 0 and phone.joined > 0 and not phone.pairs for phone in phones)


def test_a_counter_is_late_by_the_first_judgement_that_it_did_not_show():
    acknowledged = [14.0, 11.0, 12.0, 10.0]  # in any order
    assert behind([(0, 9.0), (1, 10.5), (3, 13.5), (4, 14.25)], acknowledged) == [0.5, 2.5, 0.25]
    assert behind([(0, 9.0), (1, 10.5), (4, 14.25)], acknowledged, since=11.0) == [3.25]
    assert behind([(4, 14.25)], acknowledged) == []
    # Shown before its phone heard of it: not late at all.
    assert behind([(0, 9.0), (1, 9.5)], acknowledged) == []


def test_people_of_a_rehearsal_tap_by_their_taste():
    fact = {"a": " a marsupial with a prehensile tail.", "b": " my entire personality, lol."}
    mirrored = {"a": fact["b"], "b": fact["a"]}
    tastes = room_rehearsal.tastes(12)
    assert len(tastes) == 12 and tastes[-1] is None
    assert [taste(fact) for taste in (tastes[0], tastes[1], tastes[-2])] == ["a", "a", "b"]
    assert [taste(mirrored) for taste in (tastes[0], tastes[1], tastes[-2])] == ["a", "b", "a"]


def test_what_went_wrong_at_a_kill_is_told(capsys):
    figures = Figures()
    tally = room_kill.Tally(["rank"], [3.0], made=8, stored=7, steps=5, verdict="Better.")
    tally.wrong.append("rank: 1 judgements are lost")
    room_kill.say(figures, tally)
    assert sum(figure.missed for figure in figures.all) == 2
    assert "1 x rank: 1 judgements are lost" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["--people=0", "--taps=0", "--seconds=-1"])
def test_what_cannot_be_measured_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        room.parsed([wrong])
    assert ended.value.code == 2 and "more than 0" in capsys.readouterr().err
