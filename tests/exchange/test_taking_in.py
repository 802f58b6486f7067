"""Judgements from files into a session and back out; who is sitting here; second opinions on the
same pairs.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from rlhf_core.common.errors import InputError, PreferenceError
from rlhf_core.exchange import taking_in
from rlhf_core.exchange.exports import FORMATS, export_pairs
from rlhf_core.exchange.label_studio_tasks import export_tasks
from rlhf_core.judging.preferences import MAX_BYTES, Pair
from rlhf_core.session import asked, judged, people, saving
from rlhf_core.session.state import Session

BEFORE = Path(__file__).parent.parent / "fixtures" / "before"
PAIR = Pair(
    "An opossum is",
    " a marsupial.",
    " my ex.",
    "a",
    seconds=2.5,
    annotator="Ada",
    brief="biology-homework",
)


def session_with(*pairs: Pair) -> Session:
    session = Session()
    taking_in.take_in(session, list(pairs), "first.csv")
    return session


# --- taking in and giving back --------------------------------------------------------------------


def test_what_was_taken_in_can_be_given_back_newest_first():
    session = session_with(PAIR)
    other = replace(PAIR, prompt="A cat is", annotator="Ben")
    taking_in.take_in(session, [other, replace(other, prompt="A frog is")], "second.csv")
    assert [pair.prompt for pair in session.judged.imported] == [
        "An opossum is",
        "A cat is",
        "A frog is",
    ]
    assert taking_in.give_back(session) == {
        "file": "second.csv",
        "pairs": 2,
    } and session.judged.imported == [PAIR]
    assert taking_in.give_back(session)["file"] == "first.csv" and session.judged.imported == []
    assert taking_in.give_back(session) is None


def test_what_is_here_already_is_not_taken_twice_whichever_side_it_was_on():
    session = session_with(PAIR)
    mirrored = replace(PAIR, a=PAIR.b, b=PAIR.a, choice="b", seconds=9.0)
    ben = replace(PAIR, annotator="Ben")
    fresh, words = taking_in.sift(session, [mirrored, ben])
    assert fresh == [ben] and "1 of 2 comparisons are in this session already" in words[0]
    assert taking_in.sift(session, [replace(PAIR, choice="b")])[0], (
        "the opposite answer is another judgement"
    )


def test_a_file_that_says_the_same_twice_keeps_both_the_first_time():
    fresh, _ = taking_in.sift(Session(), [PAIR, PAIR])
    assert fresh == [PAIR, PAIR]
    session = session_with(PAIR, PAIR)
    assert taking_in.sift(session, [PAIR, PAIR])[0] == []


def test_doubts_are_said_before_anything_is_taken():
    session = Session()
    kept = session.asked.brief.evaluation_prompts[0]
    pairs = [
        replace(PAIR, prompt="x" * 401),
        replace(PAIR, prompt=kept),
        replace(PAIR, brief="meme-bot"),
        replace(PAIR, choice="both_bad"),
    ]
    fresh, words = taking_in.sift(session, pairs)
    assert len(fresh) == 3
    assert [
        part in " ".join(words)
        for part in (
            "more than 400 characters",
            "kept for the final verdict",
            "“Meme bot”",
            "teach the reward model nothing",
            "belongs to the brief",
        )
    ] == [True, True, True, True, False]
    _, words = taking_in.sift(session, [replace(PAIR, prompt="Quarkonium suppression")])
    assert "None of the 1 prompts belongs to the brief" in words[0] and "cannot write" in words[1]
    taking_in.take_in(session, fresh, "f")
    assert len(judged.pairs(session)) == 3 and all(
        pair.prompt != kept for pair in judged.learnable(session)
    )


def test_too_many_or_none_are_refused_and_nothing_changes(monkeypatch):
    session = session_with(PAIR)
    monkeypatch.setattr(taking_in, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="would hold 3 imported comparisons; at most 2"):
        taking_in.take_in(session, [PAIR, PAIR], "big.csv")
    with pytest.raises(InputError, match="nothing new in empty.csv"):
        taking_in.take_in(session, [], "empty.csv")
    assert session.judged.imported == [PAIR] and len(session.judged.imports) == 1


def test_the_paper_trail_keeps_what_a_file_was_and_what_became_of_it():
    session = session_with(PAIR)
    sheet = b"prompt,a,b,choice\nA,x,y,a\nB,x,y,\nC,x,y,LEFT\n"
    report = taking_in.read(sheet, "my sheet.csv")
    about = taking_in.about_file(sheet, report.to_dict())
    about = taking_in.not_taken(about, report.pairs, report.pairs[:1])
    taking_in.take_in(session, report.pairs[:1], "my sheet.csv", about)
    row = session.judged.imports[-1]
    assert row["file"] == "my sheet.csv" and row["pairs"] == 1 and row["read"] == 3
    assert row["sha256"] == hashlib.sha256(sheet).hexdigest() and row["bytes"] == len(sheet)
    assert sum(row["left_out"].values()) == 2 and any("already" in why for why in row["left_out"])
    assert sum(row["repaired"].values()) == 1


def test_names_are_given_only_where_there_is_none():
    pairs = [replace(PAIR, annotator="you"), replace(PAIR, annotator="unknown"), PAIR]
    assert taking_in.nameless(pairs) and not taking_in.nameless([PAIR])
    assert [pair.annotator for pair in taking_in.named(pairs, "Cleo")] == ["Cleo", "Cleo", "Ada"]
    assert taking_in.named(pairs, "  ") == pairs


def test_a_file_of_thousands_of_prompts_does_not_become_thousands_of_prompts_to_write_to():
    session = session_with(
        *(replace(PAIR, prompt=f"prompt {n}") for n in range(3 * asked.MAX_IMPORTED_PROMPTS))
    )
    assert (
        len(asked.training_prompts(session))
        == len(session.asked.brief.training_prompts) + asked.MAX_IMPORTED_PROMPTS
    )


def test_it_is_there_again_after_a_restart(tmp_path):
    session = session_with(PAIR)
    people.sit_down(session, "Ada")
    saving.save(session, tmp_path / "bundle")
    again = saving.load(tmp_path / "bundle")
    assert again.judged.imported == [PAIR] and judged.sitting(again) == "Ada"
    assert (
        taking_in.give_back(again) == {"file": "first.csv", "pairs": 1}
        and again.judged.imported == []
    )


def test_a_bundle_from_before_the_studio_still_opens(tmp_path):
    shutil.copytree(BEFORE / "command-line", tmp_path / "bundle")
    run = json.loads((tmp_path / "bundle" / "run.json").read_text())
    del run["state"]["annotation"]
    (tmp_path / "bundle" / "run.json").write_text(json.dumps(run))
    assert judged.sitting(saving.load(tmp_path / "bundle")) == "you"


# --- every format that goes out comes back in -----------------------------------------------------


@pytest.mark.parametrize("kind", [*FORMATS, "label-studio"])
def test_what_goes_out_comes_back_in(kind):
    pairs = [
        PAIR,
        replace(
            PAIR,
            prompt="Ein Igel ist",
            a=" klein, „stachlig“\nund müde 🦔",
            choice="b",
            annotator="Ben",
        ),
    ]
    data = (
        json.dumps(export_tasks(pairs)[0]).encode()
        if kind == "label-studio"
        else export_pairs(pairs, kind)[0]
    )
    back = taking_in.read(data, "back").pairs
    want = [(p.prompt, {p.a, p.b}, p.a if p.choice == "a" else p.b) for p in pairs]
    assert [(p.prompt, {p.a, p.b}, p.a if p.choice == "a" else p.b) for p in back] == want
    if kind not in ("trl", "trl-chat"):
        assert [p.annotator for p in back] == ["Ada", "Ben"]


# --- bad files: one sentence, nothing lost --------------------------------------------------------


def zipped() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("prefs.csv", "prompt,a,b,choice\nx,y,z,a\n")
    return out.getvalue()


GOOD = json.dumps([{"prompt": "p", "chosen": "x", "rejected": "y"}])
BAD = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "too large": (b"prompt,a,b,choice\n" + b"x,y,z,a\n" * 300_000, "larger than 2 MB"),
    "a million short rows": (
        b"prompt,a,b,choice\n" + b"\n" * (MAX_BYTES // 2) + b"x,y,z,?\n",
        "more than 20,000 rows",
    ),
    "too many rows": (b"prompt,a,b,choice\n" + b"x,y,z,a\n" * 21_000, "more than 20,000 rows"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "deep and whole": (b'{"prompt": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "nested too deeply"),
    "half a file": (GOOD[: len(GOOD) // 2].encode(), "breaks off"),
    "zip": (zipped(), "zip archive"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not text that can be read|zero bytes"),
    "the wrong tool": (
        json.dumps(
            [
                {
                    "id": 1,
                    "annotations": [{"result": [{"type": "rectanglelabels", "value": {"x": 1}}]}],
                    "data": {"image": "x"},
                }
            ]
        ).encode(),
        ".",
    ),
    "prose": (b"Dear Sir or Madam, please find attached my preferences.", "no table of judgements"),
    "html": (b"<!doctype html><html><body>403 Forbidden</body></html>", "no table of judgements"),
    "a number": (b"17", "no table of judgements"),
    "nobody answered": (
        json.dumps(
            [{"data": {"prompt": "p", "answer1": "x", "answer2": "y"}, "annotations": []}]
        ).encode(),
        "nobody has answered",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_sentence(name):
    data, said = BAD[name]
    with pytest.raises(PreferenceError, match=said) as error:
        taking_in.read(data[: MAX_BYTES + 1], "my file.json")
    message = str(error.value)
    assert (
        message.endswith(".")
        and "\n" not in message
        and len(message) < 400
        and "Traceback" not in message
    )


FIXTURES = Path(__file__).parent.parent / "fixtures" / "label_studio"
ARGILLA = {
    "id": "1",
    "prompt": "p",
    "response1": "x",
    "response2": "y",
    "preference.responses": ["response1"],
    "preference.responses.users": ["u"],
    "preference.responses.status": ["submitted"],
}
ODD = [
    None,
    True,
    17,
    1e308,
    "",
    [],
    {},
    [[]],
    {"a": [1]},
    "\x00",
    "\ud800",
    {"ranker": 5},
    {"ranker": {"rank": "x"}},
    {"selected": ["left"]},
    "=1+1",
]


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_one_odd_thing_in_it_is_read_or_refused_in_words(seed):
    """Real exports, with one value of many replaced by something that has no business there: two of
    such files once ended in a traceback.
    """
    lot = random.Random(seed)
    files = [json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*.json"))] + [
        [ARGILLA],
        [{"prompt": "p", "chosen": "x", "rejected": "y"}],
    ]
    for number in range(60):
        value = copy.deepcopy(files[number % len(files)])
        holder = value
        while True:
            key = lot.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], dict | list) or not holder[key] or lot.random() < 0.2:
                break
            holder = holder[key]
        holder[key] = ODD[number % len(ODD)]
        try:
            report = taking_in.read(json.dumps(value).encode(), "odd.json")
        except PreferenceError as error:
            assert str(error).endswith(".") and "\n" not in str(error)
        else:
            assert report.used + len(report.left_out) == report.read
            json.dumps(report.to_dict())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
def test_encodings_are_read(encoding):
    table = "prompt,a,b,choice\nEin Käfer ist, klein, groß,LEFT \n"
    (pair,) = taking_in.read(table.encode(encoding), "t.csv").pairs
    assert pair.prompt == "Ein Käfer ist" and pair.b == " groß" and pair.choice == "a"


# --- people ---------------------------------------------------------------------------------------


def ranked(session: Session, name: str | None = None, choice: int = 0) -> None:
    number = len(session.asked.candidate_sets)
    row = {
        "id": f"set-{number}",
        "prompt": f"prompt {number}",
        "texts": [" x", " y"],
        "finished": [True, False],
    }
    session.asked.candidate_sets = [*session.asked.candidate_sets, row]
    judged.add_ranking(session, row["id"], groups=[[choice], [1 - choice]], annotator=name)


def test_whoever_sits_here_is_the_annotator():
    session = Session()
    ranked(session)
    assert people.sit_down(session, "  Ada  Lovelace ") == "Ada Lovelace"
    ranked(session)
    ranked(session, "Ben")
    assert [r.annotator for r in session.judged.rankings] == ["you", "Ada Lovelace", "Ben"]
    assert people.people(session) == ["you", "Ada Lovelace"]
    assert people.sit_down(session, "ada lovelace") == "Ada Lovelace", (
        "the same person, however it is typed"
    )
    assert people.sit_down(session, "you") == "you" and people.people(session) == [
        "you",
        "Ada Lovelace",
    ]


@pytest.mark.parametrize("name", ["", "   ", "x" * 31, "majority", "Scripted rater (rule)"])
def test_impossible_names_are_refused(name):
    session = Session()
    with pytest.raises(InputError):
        people.sit_down(session, name)
    assert people.people(session) == ["you"]


def test_second_opinions():
    session = session_with(replace(PAIR, annotator="Cleo"))
    ranked(session)
    ranked(session)
    assert [row["by"] for row in people.second_opinions(session, "Ada")] == [
        ["Cleo"],
        ["you"],
        ["you"],
    ]
    assert [row["prompt"] for row in people.second_opinions(session, "you")] == ["An opossum is"]
    row = people.second_opinions(session, "Ada")[1]
    made = people.add_opinion(session, row, "a", shown=[1, 0], seconds=1.5, name="Ada")
    assert (made.annotator, made.candidates, made.groups, made.finished) == (
        "Ada",
        [" x", " y"],
        [[1], [0]],
        [True, False],
    )
    pair = judged.pairs(session)[-1]
    assert (pair.a, pair.b, pair.choice, pair.annotator, pair.seconds) == (
        " y",
        " x",
        "a",
        "Ada",
        1.5,
    )
    with pytest.raises(InputError, match="already judged under this name"):
        people.add_opinion(session, row, "b", shown=[0, 1], seconds=1.0, name="Ada")
    people.add_opinion(
        session,
        people.second_opinions(session, "Ada")[0],
        "skip",
        shown=[0, 1],
        seconds=1.0,
        name="Ada",
    )
    assert len(people.second_opinions(session, "Ada")) == 1, "what was skipped does not come again"
    assert people.take_back(session, "Ben") is None
    assert (
        people.take_back(session, "Ada").verdict == "skip"
        and people.take_back(session, "Ada").id == "opinion-1"
    )
    assert people.take_back(session, "Ada") is None, "what the Rank page took is not undone here"
