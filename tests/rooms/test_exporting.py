"""Everything as a zip: the import page reads it, pseudonyms stand for people, nothing secret is in
it.
"""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, left, likes, opened  # noqa: F401

from rlhf_core.exchange import spreadsheets
from rlhf_core.judging.preferences import read_preferences
from rlhf_core.rooms import acts, exporting, integrity, limits, training
from rlhf_core.session import judged, registry


def files(room, **options) -> dict[str, str]:
    held = zipfile.ZipFile(io.BytesIO(exporting.export(room.code, room.host, **options)))
    return {name: held.read(name).decode() for name in held.namelist()}


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def room(here):  # noqa: F811
    made = opened(title="Ours")
    acts.step(made.code, made.host, "rank")
    for name, taste in (("Ana", likes("LOUD")), ("", likes("longer")), ("Spam", left)):
        Phone(made, name).judge(taste, most=20)
    integrity.leave_out(made.code, made.host, 3, "taps left")
    return made


def test_what_was_judged_comes_back_as_it_was_learned_from(room, tmp_path):
    found = files(room)["preferences.jsonl"]
    training.gather(room.code, room.host)
    learned = judged.pairs(registry.get(room.session_id))
    (tmp_path / "preferences.jsonl").write_text(found, encoding="utf-8")
    assert read_preferences(tmp_path / "preferences.jsonl") == learned and len(learned) == 40
    report = spreadsheets.import_preferences(found.encode(), "preferences.jsonl")
    assert [(p.prompt, p.a, p.b, p.choice, p.annotator) for p in report.pairs] == [
        (p.prompt, p.a, p.b, p.choice, p.annotator) for p in learned
    ]


def test_everything_is_in_it_also_what_was_left_out(room):
    found = files(room)
    assert len(lines(found["judgements.jsonl"])) == 60
    assert [one["left_out"] for one in lines(found["people.jsonl"])] == [False, False, True]
    assert found["consent.txt"].strip() == limits.CONSENT
    kinds = [one["kind"] for one in lines(found["events.jsonl"])]
    assert kinds == ["opened", "act", "left out"]
    assert json.loads(found["room.json"])["title"] == "Ours"
    named = {name for name in found if name in found["README.txt"]}
    assert named == set(found) - {"README.txt"}, "each file is explained"


def test_names_are_in_it_only_where_they_are_asked_for(room):
    integrity.show(room.code, room.host, "name-1", True)
    assert "Ana" not in "".join(files(room).values())
    with_names = files(room, names=True)
    assert [one["name"] for one in lines(with_names["people.jsonl"])] == ["Ana", "", "Spam"]


def test_no_secret_and_no_address_of_a_session_is_in_it(room):
    everything = "".join(files(room, names=True).values())
    for secret in (room.host, room.wall, room.session_id):
        assert secret not in everything


def test_typed_text_stays_text(room):
    phone = Phone(room, "Cy")
    integrity.write(room.code, phone.me, "prompt", '<script>x</script>,=cmd|"x"')
    [word] = lines(files(room)["words.jsonl"])
    assert word["text"] == '<script>x</script>,=cmd|"x"' and word["status"] == "waiting"
    assert word["who"] == phone.joined.person.pseudonym


def test_two_halves_have_a_file_each(here):  # noqa: F811
    room = opened(briefs=("biology-homework", "meme-bot"))
    acts.step(room.code, room.host, "rank")
    for _ in range(2):
        Phone(room).judge(likes("LOUD"), most=5)
    found = files(room)
    for name, brief in (("", "biology-homework"), ("-2", "meme-bot")):
        rows = lines(found[f"preferences{name}.jsonl"])
        assert len(rows) == 5 and {row["brief"] for row in rows} == {brief}
