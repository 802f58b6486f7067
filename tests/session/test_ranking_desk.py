"""The ranking desk: versions of briefs, what comes next and why, hidden checks, judgements changed
later, reasons and ideal answers.
"""

import numpy as np
import pytest
from lab_data import revise

from rlhf_core.common.errors import BriefError, InputError, PreferenceError
from rlhf_core.judging import briefs
from rlhf_core.judging.gold_items import gold_items
from rlhf_core.judging.preferences import Ranking, pairs_from_rankings
from rlhf_core.judging.typed import MAX_IDEAL
from rlhf_core.session import asked, judged, people, ranking_desk, registry, saving
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.store import bundle

BIOLOGY = briefs.PRESETS["biology-homework"]
OWN = {
    "title": "Bedtime stories",
    "audience": "a child",
    "prefer": "calm",
    "avoid": "scary",
    "ties": "",
    "training_prompts": "A fox is\nAn owl is\n\nA fox is",
    "evaluation_prompts": "A bear is",
}


def add(session: Session, number: int, texts=(" a", " b"), prompt: str | None = None) -> dict:
    row = {
        "id": f"set-{number}",
        "prompt": prompt or BIOLOGY.training_prompts[number % 20],
        "texts": [f"{text}{number}." for text in texts],
        "finished": [True] * len(texts),
        "seed": 0,
        "round": 1,
        "drawn": len(texts),
        "tokens": [],
        "asked": False,
    }
    session.asked.candidate_sets = [*session.asked.candidate_sets, row]
    return row


# --- briefs ---------------------------------------------------------------------------------------


def test_a_changed_preset_is_a_new_version_and_keeps_its_rater_only_while_the_rule_stands():
    title = briefs.revised(BIOLOGY, {"title": "  Biology   for all "})
    assert (title.title, title.version, title.wanted, title.slug) == (
        "Biology for all",
        2,
        "fact",
        BIOLOGY.slug,
    ) and briefs.as_shipped(title)
    other = briefs.revised(title, {"prefer": "Rhymes."})
    assert (other.version, other.wanted) == (3, None) and not briefs.as_shipped(other)
    back = briefs.revised(other, {"prefer": BIOLOGY.prefer})
    assert (back.version, back.wanted) == (4, "fact")
    with pytest.raises(BriefError, match="Nothing was changed"):
        briefs.revised(back, {"title": back.title})


def test_what_changed_between_versions_is_told_field_by_field():
    new = briefs.revised(
        BIOLOGY,
        {
            "avoid": "Rhymes.",
            "training_prompts": "\n".join([*BIOLOGY.training_prompts[1:], "A yak is"]),
        },
    )
    assert briefs.differences(BIOLOGY, new) == [
        ("what to avoid", BIOLOGY.avoid, "Rhymes."),
        ("training prompts", "An opossum is", "A yak is"),
    ]


def test_a_brief_of_ones_own_has_its_prompts_and_no_rater():
    brief = briefs.own(OWN, set())
    assert (
        brief.slug,
        brief.training_prompts,
        brief.evaluation_prompts,
        brief.wanted,
        brief.version,
    ) == ("my-bedtime-stories", ("A fox is", "An owl is"), ("A bear is",), None, 1)
    assert (
        briefs.own(OWN, {brief.slug}).slug == "my-bedtime-stories-2"
        and briefs.own({**OWN, "title": "🦝 Ärger!"}, set()).slug == "my-rger"
    )
    assert (
        briefs.own({**OWN, "title": "🦝"}, set()).slug == "my"
        and len(briefs.own({**OWN, "title": "x" * 80}, set()).slug) <= 60
    )


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("title", "  ", "needs a title"),
        ("prefer", "", "must say what to prefer"),
        ("title", "x" * 81, "81 characters long"),
        ("prefer", "x" * 5_000, "5,000 characters long"),
        ("avoid", "a\x07b", "“what to avoid” has control characters"),
        ("training_prompts", "A fox is", "at least 2 training prompts"),
        ("training_prompts", "A fox is\n" + "x" * 401, "401 characters; at most 400"),
        ("training_prompts", "A fox is\nA\x00 cat", "“training prompts” has control characters"),
        ("evaluation_prompts", "An owl is", "is among both"),
        ("training_prompts", "\n".join(f"A cat no. {i} is" for i in range(501)), "at most 500"),
    ],
)
def test_a_brief_that_cannot_be_used_is_refused_in_one_sentence(field, typed, said):
    with pytest.raises(BriefError, match=said):
        briefs.own({**OWN, field: typed}, set())


def test_a_judgement_keeps_the_version_it_was_made_under_and_old_ones_count_if_one_likes(tmp_path):
    session = Session(BIOLOGY, directory=tmp_path / "run")
    session.store = saving.Folder()
    judged.add_ranking(session, add(session, 1)["id"], groups=[[0], [1]])
    stays, goes = add(session, 2), add(session, 3)
    brief = revise(
        session,
        {
            "prefer": "Rhymes.",
            "training_prompts": "\n".join(
                p for p in BIOLOGY.training_prompts if p != goes["prompt"]
            ),
        },
    )
    assert (
        brief.version == 2
        and session.asked.brief == brief
        and session.judged.rankings[0].brief_version == 1
        and len(judged.pairs(session)) == 1
    )
    assert [row["id"] for row in asked.unranked(session)] == [stays["id"]], (
        "what waits must still be a training prompt"
    )
    judged.add_ranking(session, stays["id"], groups=[[1], [0]])
    assert [r.brief_version for r in session.judged.rankings] == [1, 2] and len(
        judged.pairs(session)
    ) == 2
    asked.let_older_count(session, False)
    assert [pair.brief_version for pair in judged.pairs(session)] == [2] and len(
        session.judged.rankings
    ) == 2
    again = saving.load(session.directory)
    assert (
        again.asked.briefs == session.asked.briefs == [BIOLOGY, brief]
        and not again.asked.older_count
        and judged.pairs(again) == judged.pairs(session)
    )
    asked.set_brief(again, briefs.PRESETS["meme-bot"])
    assert (
        asked.brief_called(again, BIOLOGY.slug) == brief
        and asked.brief_called(again, "survival-guide").version == 1
    )


def test_a_bundle_from_before_versions_were_kept_still_opens(tmp_path, monkeypatch):
    session = Session(BIOLOGY, directory=tmp_path / "run")
    judged.add_ranking(session, add(session, 1)["id"], groups=[[0], [1]])
    saving.save(session)
    contents = bundle.read_bundle(session.directory, tensors=False)
    for name in ("briefs", "older_count"):
        del contents["run"]["state"]["asked"][name]
    for row in contents["rankings"]:
        for name in ("reason", "ideal", "asked", "first"):
            del row[name]
    monkeypatch.setattr(bundle, "read_bundle", lambda *args, **more: contents)
    again = saving.load(session.directory)
    assert (
        again.asked.briefs == [BIOLOGY]
        and again.asked.older_count
        and again.judged.rankings == session.judged.rankings
    )


def test_no_more_versions_than_a_session_keeps(monkeypatch):
    session = Session(BIOLOGY)
    monkeypatch.setattr(asked, "MAX_BRIEFS", 2)
    revise(session, {"title": "x"})
    with pytest.raises(BriefError, match="keeps 2 versions"):
        revise(session, {"title": "y"})
    assert session.asked.brief.version == 2


# --- judgements -----------------------------------------------------------------------------------


def test_an_ideal_answer_beats_all_that_was_shown_and_weighs_with_them():
    ranking = Ranking("r", "p", [" a", " b"], [1, 0], [[1], [0]], ideal=" best")
    assert [(p.a, p.b, p.choice, round(p.weight, 3)) for p in pairs_from_rankings([ranking])] == [
        (" b", " a", "a", 0.333),
        (" best", " a", "a", 0.333),
        (" best", " b", "a", 0.333),
    ]
    bad = Ranking("r", "p", [" a", " b"], [0, 1], verdict="both_bad", ideal=" best")
    assert [(p.a, p.b, p.choice, p.weight) for p in pairs_from_rankings([bad])] == [
        (" a", " b", "both_bad", 1),
        (" best", " a", "a", 0.5),
        (" best", " b", "a", 0.5),
    ]
    with pytest.raises(PreferenceError, match="must be texts"):
        Ranking("r", "p", [" a", " b"], [0, 1], [[0], [1]], ideal=None)


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"reason": "x" * 2_000_000}, "The reason has 2,000,000 characters"),
        ({"ideal": "x" * (MAX_IDEAL + 1)}, "The ideal answer has 401 characters"),
        ({"reason": "a\x1bb"}, "The reason has control characters"),
        ({"ideal": " a1. "}, "word for word"),
    ],
)
def test_a_note_that_cannot_be_kept_costs_no_judgement(notes, said):
    session = Session(BIOLOGY)
    row = add(session, 1)
    with pytest.raises(InputError, match=said):
        judged.add_ranking(session, row["id"], groups=[[0], [1]], **notes)
    assert session.judged.rankings == []
    made = judged.add_ranking(
        session, row["id"], groups=[[0], [1]], reason=" <b>bold</b>\n ", ideal=" \n "
    )
    assert (made.reason, made.ideal) == ("<b>bold</b>", "")


def test_a_changed_judgement_keeps_its_place_and_what_was_said_first():
    session = Session(BIOLOGY)
    for number in (1, 2):
        judged.add_ranking(
            session, add(session, number)["id"], groups=[[0], [1]], seconds=float(number)
        )
    revise(session, {"prefer": "Rhymes."})
    judged.change_ranking(session, "set-1", groups=[[1], [0]], seconds=9.0, ideal="better")
    judged.change_ranking(session, "set-1", verdict="skip", seconds=8.0)
    changed = session.judged.rankings[0]
    assert (changed.verdict, changed.seconds, changed.brief_version, changed.first) == (
        "skip",
        8.0,
        2,
        {"groups": [[0], [1]], "verdict": None, "seconds": 1.0},
    )
    assert [(p.choice, p.seconds) for p in ranking_desk.pairs_as_given(session)] == [
        ("a", 1.0),
        ("a", 2.0),
    ] and [p.choice for p in judged.pairs(session)] == ["skip", "a"]
    judged.change_ranking(session, "set-2", groups=[[0], [1]], seconds=9.0, reason="still")
    assert (
        session.judged.rankings[1].first is None
        and session.judged.rankings[1].seconds == 2.0
        and session.judged.rankings[1].reason == "still"
    )
    judged.add_ranking(session, add(session, 3)["id"], groups=[[0], [1]], annotator=SCRIPTED)
    for ranking_id, said in (("set-3", "Only your own"), ("set-9", "no longer there")):
        with pytest.raises(InputError, match=said):
            judged.change_ranking(session, ranking_id, verdict="skip")


# --- what comes next ------------------------------------------------------------------------------


def judge(
    session: Session, count: int, checks: bool, answer=lambda row: [[0], [1]]
) -> list[ranking_desk.Asked]:
    """``count`` judgements of what the desk asks."""
    shown = []
    for _ in range(count):
        add(session, 1_000 + len(session.asked.candidate_sets))
        shown.append(ranking_desk.next_asked(session, 2, checks=checks))
        judged.add_ranking(
            session,
            shown[-1].row["id"],
            groups=answer(shown[-1].row),
            asked=shown[-1].how,
            seconds=1.0,
        )
    return shown


def test_hidden_checks_come_in_between_look_like_any_other_and_are_never_two_in_a_row():
    kinds, whys = [], set()
    for seed in range(6):
        session = Session(BIOLOGY, seed=seed)
        shown = judge(session, 40, checks=True)
        hows = [one.how for one in shown]
        whys |= {one.why for one in shown}
        assert not any(a != "lot" and b != "lot" for a, b in zip(hows, hows[1:])) and set(
            hows[: ranking_desk.FIRST_CHECK]
        ) == {"lot"}
        for one in shown:
            if one.how == "repeat":
                first = next(
                    r
                    for r in session.judged.rankings
                    if r.prompt == one.row["prompt"] and set(r.candidates) == set(one.row["texts"])
                )
                assert [first.candidates[i] for i in first.shown] == one.row["texts"][::-1], (
                    "sides swapped"
                )
            if one.how == "gold":
                assert any(
                    {i.better, i.worse} == set(one.row["texts"]) for i in gold_items(BIOLOGY.slug)
                )
        assert [r.asked for r in session.judged.rankings] == hows and len(
            {r.id for r in session.judged.rankings}
        ) == 40
        kinds += hows
    assert len(whys) == 1, "what is said before the answer does not give a check away"
    assert 0.12 < kinds.count("repeat") / 240 < 0.3 and 0.08 < kinds.count("gold") / 240 < 0.25
    assert {one.how for one in judge(Session(BIOLOGY, seed=0), 40, checks=False)} == {"lot"}


def test_a_check_waits_for_every_tab_and_comes_back_after_an_undo():
    session = Session(BIOLOGY, seed=0)
    while not any(r.asked == "repeat" for r in session.judged.rankings):
        judge(session, 1, checks=True)
    check = judged.undo_ranking(session)
    assert ranking_desk.next_asked(session, 2, checks=True) == ranking_desk.next_asked(
        session, 2, checks=True
    )
    assert ranking_desk.next_asked(session, 2, checks=True).row[
        "id"
    ] == check.id and check.id not in {row["id"] for row in asked.unranked(session)}
    assert ranking_desk.next_asked(session, 4, checks=True) is None, "lists have no checks"


def test_a_check_is_for_the_one_whose_judgements_it_checks():
    session = Session(BIOLOGY, seed=0)
    while not any(r.asked == "repeat" for r in session.judged.rankings):
        judge(session, 1, checks=True)
    check = judged.undo_ranking(session)
    people.sit_down(session, "Kim")
    hows = [one.how for one in judge(session, 40, checks=True)]
    assert set(hows[: ranking_desk.FIRST_CHECK]) == {"lot"}, (
        "Kim has judged nothing yet that could come twice"
    )
    assert {"repeat", "gold"} <= set(hows) and len({r.id for r in session.judged.rankings}) == len(
        session.judged.rankings
    )
    people.sit_down(session, "you")
    found = ranking_desk.next_asked(session, 2, checks=True)
    assert found.row["for"] == "you" and found.row["texts"] == check.candidates


def test_a_brief_whose_words_changed_has_no_reference_answers_and_repeats_only_what_it_asked():
    session = Session(BIOLOGY, seed=1)
    judge(session, 12, checks=True)
    revise(session, {"prefer": "Rhymes."})
    assert ranking_desk.reference_answers(session) == () and len(gold_items(BIOLOGY.slug)) == 12
    for one in judge(session, 30, checks=True):
        assert one.how != "gold"
        if one.how == "repeat":
            assert any(
                r.brief_version == 2
                and set(r.candidates) == set(one.row["texts"])
                and r.id != one.row["id"]
                for r in session.judged.rankings
            )


def test_the_pair_that_teaches_most_is_chosen_and_the_reason_says_so():
    session = Session(BIOLOGY)
    rows = [add(session, number) for number in range(6)]
    assert ranking_desk.next_asked(session, 2, checks=False).why.startswith(
        "Drawn by lot from pairs of unlike answers: no reward model yet"
    )
    session.learned.head = "0" * 64
    assert "still reading" in ranking_desk.next_asked(session, 2, checks=False).why
    features = {row["id"]: np.array([[0.0, 0.0], [0.0, 0.1]]) for row in rows} | {
        rows[3]["id"]: np.array([[3.0, 0.0], [-3.0, 0.0]])
    }
    session.learned.asking = {
        "fit": 1,
        "judged": 0,
        "features": features,
        "weights": np.zeros(2),
        "covariance": np.eye(2),
    }
    hows = set()
    for number in range(40):
        session.judged.rankings = [
            Ranking(f"x{i}", "p", ["a", "b"], [0, 1], verdict="skip") for i in range(number)
        ]
        one = ranking_desk.next_asked(session, 2, checks=False)
        hows.add(one.how)
        if one.how == "informative":
            assert one.row is rows[3] and one.why.startswith(
                "Of 6 pairs, this one is expected to teach most"
            )
        else:
            assert "Drawn by lot, as some are" in one.why
    assert hows == {"informative", "lot"}


def test_what_was_read_goes_stale_with_another_reward_model_new_sets_and_new_votes():
    session = Session(BIOLOGY)
    assert not ranking_desk.stale(session)
    session.learned.head, session.learned.summary = "0" * 64, {"fit": 2}
    assert not ranking_desk.stale(session), "nothing to learn from yet"
    judged.add_ranking(session, add(session, 1)["id"], groups=[[0], [1]])
    assert ranking_desk.stale(session)
    session.learned.asking = {"fit": 2, "judged": 1, "features": {}}
    assert not ranking_desk.stale(session)
    add(session, 2)
    assert ranking_desk.stale(session)
    session.learned.asking["features"]["set-2"] = None
    assert not ranking_desk.stale(session)
    session.learned.asking["judged"] = 6
    assert ranking_desk.stale(session)


# --- the mirror's material ------------------------------------------------------------------------


def test_contradictions_lead_to_the_judgements_they_come_from():
    session = Session(BIOLOGY)
    for number, texts in enumerate([("x", "y"), ("y", "z"), ("x", "z")]):
        row = add(session, number, prompt="A cat is")
        row["texts"] = list(texts)
        judged.add_ranking(session, row["id"], groups=[[1], [0]] if number == 2 else [[0], [1]])
    (circle,) = ranking_desk.circles(session)
    assert circle["texts"] == ["x", "y", "z"] and circle["rankings"] == ["set-0", "set-1", "set-2"]
    judged.change_ranking(session, "set-2", groups=[[0], [1]])
    assert ranking_desk.circles(session) == []


def test_lists_and_other_people_do_not_look_into_the_mirror():
    session = Session(BIOLOGY)
    judged.add_ranking(session, add(session, 1, (" a", " b", " c"))["id"], groups=[[0], [1], [2]])
    judged.add_ranking(session, add(session, 2)["id"], groups=[[0], [1]], annotator=SCRIPTED)
    judged.add_ranking(session, add(session, 3)["id"], groups=[[0], [1]], ideal="written by me")
    assert [(p.a, p.b) for p in ranking_desk.pairs_as_given(session)] == [(" a3.", " b3.")]
    item = gold_items(BIOLOGY.slug)[0]
    row = add(session, 4, prompt=item.prompt)
    row["texts"] = [item.better, item.worse]
    judged.add_ranking(session, row["id"], groups=[[1], [0]])
    assert ranking_desk.differing(session) == [{"item": item, "ranking": "set-4"}]


def test_thumbs_compare_nothing_so_neither_the_mirror_nor_a_repeat_looks_at_them(monkeypatch):
    monkeypatch.setattr(ranking_desk, "REPEATS", 1.0)
    session = Session(BIOLOGY)
    for number in range(ranking_desk.FIRST_CHECK + 2):
        row = add(session, number)
        judged.add_ranking(session, row["id"], groups=[[0], [1]], good=[0], seconds=9.0)
    # Judged again as a comparison, it was thumbs at first.
    judged.change_ranking(session, "set-0", verdict="skip")
    assert ranking_desk.pairs_as_given(session) == [] and ranking_desk.called_singly(session) == 6
    assert ranking_desk.next_asked(session, 2, checks=True) is None, "nothing that could repeat"
    for number in range(6, 11):  # the last four are too fresh in memory
        judged.add_ranking(session, add(session, number)["id"], groups=[[0], [1]])
    compared = [pair.a for pair in ranking_desk.pairs_as_given(session)]
    assert compared == [f" a{number}." for number in range(6, 11)]
    repeated = ranking_desk.next_asked(session, 2, checks=True).row
    assert repeated["check"] == "repeat" and repeated["texts"] == [" b6.", " a6."]


def test_sessions_of_the_app_keep_the_new_fields(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    session = registry.create(BIOLOGY)
    judged.add_ranking(
        session,
        add(session, 1)["id"],
        groups=[[0], [1]],
        reason="because",
        ideal="mine",
        asked="lot",
    )
    judged.change_ranking(session, "set-1", groups=[[1], [0]], reason="because", ideal="mine")
    assert (
        registry.keeper().load(session.id).judged.rankings == session.judged.rankings
        and session.judged.rankings[0].first
        and session.judged.rankings[0].ideal == " mine"
    )
