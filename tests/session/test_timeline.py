"""Everything that happened, in order."""

from __future__ import annotations

import csv
import io

from rlhf_core.exchange import timeline_table
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import EXPLOIT, Pair
from rlhf_core.session import judged, timeline
from rlhf_core.session.state import Session


def two_rounds() -> Session:
    session = Session(PRESETS["meme-bot"])
    session.judged.imports = [{"file": "of ada@example.org.csv", "pairs": 3}]
    session.asked.candidate_sets = [
        {"id": f"set-{n}", "prompt": f"A {n} is", "texts": [" =x", " y"], "finished": [True] * 2}
        for n in range(4)
    ]
    judged.add_ranking(session, "set-0", groups=[[0], [1]], seconds=2.0)
    newer = PRESETS["meme-bot"].edited(prefer="Short ones.")
    session.asked.brief, session.asked.briefs = newer, [PRESETS["meme-bot"], newer]
    judged.add_ranking(session, "set-1", groups=[[0, 1]], annotator="Kim")
    session.history.rounds = [{"round": 1, "steps": 5, "reward_gain": 0.5}]
    session.history.current_round = 2
    judged.add_ranking(session, "set-2", verdict="both_bad")
    judged.add_ranking(session, "set-3", groups=[[1], [0]], good=[1])
    session.judged.exploits = [Pair("A cat is", " fine.", " tail tail", "a", annotator=EXPLOIT)]
    session.learned.head, session.learned.summary = "h", {"heldout_accuracy": 0.7, "pairs_used": 9}
    session.tuned.metrics = [
        {"step": n, "reward_mean": n / 10, "kl_to_reference": n / 2} for n in range(3)
    ]
    session.tuned.log = [{"step": 0, "settings": {}}, {"step": 1, "settings": {"beta": 0.5}}]
    session.tuned.evaluation = {"verdict": "better", "conclusion": "Yes.", "win_rate": 0.6}
    session.judged.votes = [{"prompt": "A cat is", "choice": "after", "round": 2, "step": 2}]
    return session


def test_round_by_round_in_the_order_of_the_loop():
    rows = timeline.events(two_rounds())
    assert [(row["round"], row["kind"]) for row in rows] == [
        (1, "file"),
        (1, "brief"),
        (1, "judgement"),
        (1, "brief"),
        (1, "judgement"),
        (1, "round"),
        (2, "judgement"),
        (2, "judgement"),
        (2, "exploit"),
        (2, "reward model"),
        *[(2, "PPO step")] * 3,
        (2, "verdict"),
        (2, "vote"),
    ]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["kind"] for row in rows} <= set(timeline.KINDS)
    what = [row["what"] for row in rows]
    assert what[2] == "A 0 is:  =x >  y" and what[4] == "A 1 is:  =x =  y"
    assert what[6] == "A 2 is: both bad" and what[7] == "A 3 is: 1 of 2 good"
    assert "settings moved: beta 0.5" in what[12] and "moved" not in what[11]
    assert rows[3]["brief"] == "meme-bot v2" and rows[2]["value"] == 2.0
    every = str(rows)
    assert "Kim" not in every and "ada@" not in every and rows[4]["who"] == "judge-1"


def test_an_empty_session_has_no_timeline():
    assert timeline.events(Session()) == []


def test_the_table_disarms_what_a_spreadsheet_would_run():
    session = two_rounds()
    session.judged.imports = [{"file": "=cmd|' /C calc'!A0", "pairs": 1}]
    text = timeline_table.to_csv(timeline.events(session)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 15 and rows[0]["what"].startswith("'=cmd") and rows[0]["disarmed"] == "what"
    assert rows[-1]["value"] == "" and rows[9]["value"] == "0.7"
