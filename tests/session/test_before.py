"""Bundles that were written before a session was made of parts: they open, with all that is in
them, go on, and are written anew in today's form.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.loop import comparing, reward, tuning, workbench
from rlhf_core.session import judged, registry, rounds, saving, weights
from rlhf_core.session.state import ABOUT_HEAD, SCRIPTED, Session
from rlhf_core.store import bundle
from rlhf_core.store.public_id import public_id

BEFORE = Path(__file__).parent.parent / "fixtures" / "before"
RICH, PLAIN = "before-parts-123", "command-line"


def run(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def manifest(name: str) -> dict:
    return json.loads((BEFORE / name / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def opened(tmp_path) -> Session:
    """The rich one, opened as the app opens it."""
    session = saving.load(shutil.copytree(BEFORE / RICH, tmp_path / RICH))
    session.status, session.store = "done", saving.Folder()
    return session


def check(session: Session) -> None:
    """All that the rich one holds."""
    was = manifest(RICH)
    state = was["state"]
    assert (session.seed, session.model_name) == (3, "bundled")
    assert public_id(session.id) == public_id(RICH), "saved anew, it no longer bears its own"
    assert session.model_hash == was["model"]["sha256"] and session.settings == was["settings"]
    # what was asked
    part = session.asked
    assert [brief.version for brief in part.briefs] == [1, 2] and part.brief == part.briefs[1]
    assert part.brief == briefs.from_dict(was["brief"]) and part.brief.prefer == "Short facts."
    assert part.older_count and part.user_prompts == ["A yak is"]
    assert part.candidate_sets == state["candidate_sets"] and part.drawn == state["drawn"] == 6
    # what was judged
    part = session.judged
    assert [r.annotator for r in part.rankings] == ["you"] * 4 + ["Kim"]
    assert part.rankings[0].reason == "because" and part.rankings[0].brief_version == 1
    assert [(p.prompt, p.annotator) for p in part.imported] == [("A cat is", "Lee")] * 3
    assert part.imports == [{"file": "votes.csv", "pairs": 3}]
    assert (part.people, part.sitting) == (["Kim", "Robin"], "Robin")
    assert [(p.a, p.brief_version) for p in part.exploits] == [(" a small cat.", 2)]
    assert [(v["choice"], v["round"], v["step"]) for v in part.votes] == [
        ("after", 1, 2),
        ("before", 2, 2),
    ]
    assert len(judged.pairs(session)) == 9 and judged.rater(session) == was["judge"]
    # what was learned and tuned
    assert session.learned.fit_records == state["fit_records"]
    assert session.learned.summary == state["reward_summary"] != {}
    assert session.tuned.run == state["ppo_run"] and session.tuned.log == state["ppo_log"] != []
    assert session.tuned.steps_done == 1 and session.tuned.evaluation["round"] == 3
    assert len(session.tuned.metrics) == 2 and len(session.tuned.samples) == 8
    # rounds and branches
    part = session.history
    assert part.current_round == 3 and [row["round"] for row in part.rounds] == [1, 2]
    assert part.rounds[0]["verdict"]["sentence"] and part.predictions == state["predictions"] != []
    assert [(b["name"], b["round"], b["left_at"], len(b["rounds"])) for b in part.branches] == [
        ("an empty round", 3, 1, 2),
        ("a strict taste", 2, 1, 1),
    ]
    # the labs
    old = state["annotation"], state["experiments"], state["lab"]
    assert session.labs == {
        "speed_accuracy": old[0]["speed"],
        "instructions_matter": old[0]["instructions"],
        "goodhart": old[1]["goodhart"],
        "algorithms": old[1]["algorithms"],
        ABOUT_HEAD: old[2],
    }


def check_weights(session: Session) -> None:
    """Every name names tensors: the bundle's, and those in the folder of rounds."""
    named = weights.in_use(session)
    assert len(named) >= 8 and all(weights.is_kept(session, name) for name in named)
    policies = [session.tuned.weights, session.history.start]
    policies += [row["weights"] for row in session.history.rounds]
    policies += [row["start"] for row in session.history.branches]
    policies += [session.history.branches[1]["weights"]]
    for name in policies:
        assert set(weights.tensors(session, name)) == {"ln_f.weight", "ln_f.bias"}
    for name in named - set(policies):
        assert "whitener.mean" in weights.tensors(session, name)
    assert workbench.head_of(session) is not None
    assert all(rounds.kept(session, number) for number in (0, 1, 2))


def test_everything_that_was_kept_is_there(opened):
    assert opened.held == {} and all(
        name.startswith("weights-") for name in names_in_rounds(opened)
    )
    check(opened)
    check_weights(opened)


def names_in_rounds(session: Session) -> list[str]:
    rows = [*session.history.rounds, *session.history.branches]
    return [name for row in rows for name in weights.names_of(row) if name]


def test_saved_anew_it_is_in_todays_form_and_opens_again(opened):
    with opened.change():
        pass
    assert opened.save_problem == ""
    state = bundle.read_bundle(opened.directory, tensors=False)["run"]["state"]
    assert {"asked", "judged", "learned", "tuned", "history", "labs"} <= set(state)
    again = saving.load(opened.directory)
    check(again)
    check_weights(again)
    rounds.tidy(again)
    check_weights(again)


def test_saved_elsewhere_it_takes_its_own_weights_along(opened, tmp_path):
    saving.save(opened, tmp_path / "copy")
    one, other = (
        bundle.read_bundle(place)["tensors"] for place in (opened.directory, tmp_path / "copy")
    )
    for role in one:
        assert one[role].keys() == other[role].keys()
        assert all(one[role][key].equal(other[role][key]) for key in one[role])


def test_an_address_finds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    shutil.copytree(BEFORE / RICH, tmp_path / RICH)
    session = registry.get(RICH)
    assert session.status == "done" and session.restartable and registry.get(RICH) is session
    check(session)
    rounds.roll_back(session, 1)
    again = registry.keeper().load(RICH)
    assert again.history.current_round == 2, "in the database from then on"
    assert saving.load(tmp_path / RICH).history.current_round == 3, "its folder stays as it was"
    for name in weights.in_use(again):
        assert set(weights.tensors(again, name)) == set(weights.tensors(session, name))
    registry.delete(RICH)
    assert not (tmp_path / RICH).exists()


def test_it_goes_back_and_returns_as_it_did(opened):
    head = opened.learned.head
    assert rounds.roll_back(opened, 1, "the last") == "the last"
    row = opened.history.rounds[0]
    assert (opened.history.start, opened.learned.head) == weights.names_of(row)
    assert opened.learned.summary["fit"] == row["reward_summary"]["fit"]
    rounds.return_to(opened, "an empty round")
    assert (opened.history.current_round, opened.tuned.weights) == (3, "")
    assert set(workbench.start_of(opened)) == {"ln_f.weight", "ln_f.bias"}
    assert opened.learned.head == opened.history.rounds[1]["head"], (
        "a branch without a step has the reward model of the round before"
    )
    rounds.return_to(opened, "the last")
    assert opened.learned.head == head and opened.tuned.steps_done == 1
    again = saving.load(opened.directory)
    assert workbench.head_of(again) is not None and workbench.tuned_of(again) is not None


def test_what_another_bundled_model_learned_is_put_away_and_the_judgements_are_used(opened):
    """It was made with the bundled model of before, which is no longer here."""
    votes, former = judged.pairs(opened), opened.learned.head
    with pytest.raises(InputError, match="put away. Your judgements stay"):
        run(comparing.compare(opened, "A fox is", samples=2))
    assert judged.pairs(opened) == votes and not opened.learned.head
    assert [row["learned"]["head"] for row in opened.shelf.values()] == [former]
    run(reward.fit_reward_model(opened, RewardModelSettings(reference_samples=64, iterations=4)))
    few = PPOSettings(steps=1, batch_size=8, minibatch_size=8, epochs=1, max_new_tokens=6)
    assert [row["step"] for row in run(tuning.ppo(opened, few))] == [0, 1]
    assert saving.load(opened.directory).tuned.steps_done == 1
    (record,) = run(comparing.compare(opened, "A fox is", samples=2))
    assert len(record["before"]) == len(record["after"]) == len(record["reward_after"]) == 2


def test_a_run_of_the_command_line_opens_and_is_saved_anew(tmp_path):
    session = saving.load(shutil.copytree(BEFORE / PLAIN, tmp_path / "run"))
    was = manifest(PLAIN)
    for _ in range(2):
        assert session.status == "done" and session.asked.brief.slug == "meme-bot"
        assert len(session.judged.rankings) == 8 and judged.rater(session) == SCRIPTED
        assert session.tuned.steps_done == 2 and session.tuned.evaluation["pairs"]
        assert session.learned.summary == was["state"]["reward_summary"]
        assert session.learned.fit_records == was["state"]["fit_records"] != []
        assert set(workbench.tuned_of(session)) == {"ln_f.weight", "ln_f.bias"}
        assert workbench.head_of(session) is not None and session.history.start == ""
        saving.save(session)
        session = saving.load(tmp_path / "run")


def test_what_older_ones_did_not_have_yet_is_empty(tmp_path):
    place = shutil.copytree(BEFORE / RICH, tmp_path / "run")
    run = manifest(RICH)
    del run["settings"]
    run["state"] = {}
    (place / "run.json").write_text(json.dumps(run), encoding="utf-8")
    session = saving.load(place)
    assert session.asked.briefs == [session.asked.brief] and session.asked.older_count
    assert (session.judged.people, session.judged.votes, session.labs) == ([], [], {})
    assert session.history.rounds == session.history.branches == []
    assert len(session.judged.rankings) == 5 and session.tuned.steps_done == 1
