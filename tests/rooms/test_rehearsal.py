"""A room from the code on the wall to the verdict, the server restarted between any two acts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from databases import url  # noqa: F401
from rehearsal import ACTS, EACH, TASTES
from room_people import here  # noqa: F401

from rlhf_core.exchange import spreadsheets
from rlhf_core.judging.preferences import read_preferences
from rlhf_core.session import judged, saving
from rlhf_core.store import bundle

PLAY = Path(__file__).with_name("rehearsal.py")


def play(act: str, file: Path) -> dict:
    """One act in a process of its own; what people carry after it."""
    command = [sys.executable, PLAY, act, file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=os.environ)
    assert done.returncode == 0, f"{act}: {done.stderr[-3000:]}"
    return json.loads(file.read_text())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twelve_people_play_all_acts_to_a_verdict_an_export_and_back(here, tmp_path):  # noqa: F811
    file = tmp_path / "room.json"
    room = {}
    for act in ACTS:
        room = play(act, file)

    # Nothing lost, nothing doubled.
    assert len(set(room["people"])) == len(TASTES) == 12
    assert room["judged"] == len(TASTES) * 25, "five at a time, from 24 on no more"
    assert room["judged"] >= len(TASTES) * EACH
    assert room["practised"] == 3 * len(TASTES) and room["voted"] == room["asked"] * len(TASTES)

    # The spammer is marked, left out and counts nowhere.
    spammer = str(TASTES.index("left") + 1)
    assert len(room["marked"][spammer]) >= 2
    assert room["gathered"]["left_out"] == 1
    assert room["gathered"]["judgements"] == room["judged"] * 11 // 12
    assert room["counted"]["people"] == 11

    # What the room taught.
    assert room["agreement"]["units"] > 6 and room["agreement"]["low"] < room["agreement"]["high"]
    summary = room["standing"]["summary"]
    low, high = summary["heldout_interval"]
    assert low < summary["heldout_accuracy"] < high and summary["rater"] == "11 people"
    assert room["groups"]["people"]["majority"] > room["groups"]["people"]["minority"] > 0
    assert room["steps"][-1] == 3 and len(room["live"]) == 3

    # The verdict, on every screen the same.
    names = [judge["name"] for judge in room["verdict"]["judges"]]
    assert "you, blind" in names and room["told"] == room["verdict"]["conclusion"]
    assert room["counted"]["conclusion"] == room["told"]
    assert room["wall_told"]["act"]["name"] == "talk" and len(room["wall_told"]["everybody"]) == 11

    # Out and back.
    with zipfile.ZipFile(room["zip"]) as held:
        held.extractall(tmp_path / "export")
    place = tmp_path / "export" / "preferences.jsonl"
    session = here.load(room["session_id"])
    assert read_preferences(place) == judged.pairs(session)
    report = spreadsheets.import_preferences(place.read_bytes(), place.name)
    assert len(report.pairs) == room["gathered"]["judgements"]

    # The bundle of the room's session opens as anybody's does.
    session.directory = tmp_path / "bundle"
    saving.save(session, status="done")
    assert bundle.RUN in {path.name for path in (tmp_path / "bundle").iterdir()}
