"""The file of a run: what is in it, that nothing of a run can act in it, and that a run that lacks
something gets a sentence.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random
import re
import shutil

import pytest
from run_files import HOSTILE, PLAIN, RICH, Reader, opened, spoilt

from rlhf_core.common.errors import BundleError
from rlhf_core.evaluation.conclusion import conclusion
from rlhf_core.session import rounds
from ui.export.html import MOST_BYTES, html_of, html_of_session

CARD = (PLAIN / "README.md").read_text(encoding="utf-8")


def read(session, card: str = CARD) -> Reader:
    made = html_of_session(session, card)
    assert len(made.encode()) <= MOST_BYTES
    reader = Reader(made)
    reader.check()
    return reader


def test_a_whole_run_is_told():
    session = opened()
    reader = read(session)
    found, rows = session.tuned.evaluation, session.tuned.evaluation["judges"]
    assert conclusion(rows, found["language"], None) in reader.words
    assert "95% interval 58% to 70%" in reader.words, "the judges' intervals"
    assert "Could it be chance?" in reader.words
    assert (
        "Held-out accuracy: right about 100% of 3 pairs, 95% interval 44% to 100%" in reader.words
    )
    for words in (session.asked.brief.prefer, session.asked.brief.avoid, "A mushroom is"):
        assert words in reader.words
    assert "8 pairs under this brief: 5 are a tie, 3 prefer one." in reader.words
    assert "Not a product: a small model" in reader.words, "the card"
    charts = [row for tag, row in reader.found if row.get("class") == "chart"]
    assert {"reward", "kl", "entropy", "clip", "judges", "rm-accuracy"} <= {c["id"] for c in charts}
    assert reader.words.count("What to look for:") == len(charts)


def test_the_steps_go_along_beside_the_first():
    session = opened()
    table = read(session).table
    assert [step["step"] for step in table["steps"]] == [0, 1, 2]
    rows = [
        [table["prompts"][place], text]
        for step in table["steps"]
        for place, text, _, _ in step["rows"]
    ]
    assert rows == [[row["prompt"], row["text"].lstrip(" ")] for row in session.tuned.samples]
    reward, kl, entropy = table["steps"][2]["readings"]
    assert (reward, kl, entropy) == (0.7731, 0.9457, 0.4742)


def test_the_policy_lets_only_our_own_script_and_style_work():
    reader = read(opened())
    rules = dict(rule.strip().split(" ", 1) for rule in reader.policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:" and set(rules) == {
        *("default-src", "script-src", "style-src", "img-src", "base-uri", "form-action")
    }
    for rule, source in (("script-src", reader.scripts[""]), ("style-src", reader.style)):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    first = next(place for place, (tag, _) in enumerate(reader.found) if tag in ("style", "link"))
    policy = next(i for i, (_, row) in enumerate(reader.found) if "http-equiv" in row)
    assert policy < first, "it stands before anything that it governs"


def test_nothing_outside_is_named_but_in_texts():
    source = html_of_session(opened(), CARD)
    markup = re.sub(r">[^<]+<", "><", re.sub(r"<script.*?</script>", "", source, flags=re.DOTALL))
    assert "http" not in markup.replace("http-equiv", "")


def test_hostile_texts_stay_texts():
    reader = read(spoilt(), card="\n\n".join(f"# {bad}\n- {bad}\n| {bad} |" for bad in HOSTILE))
    for bad in HOSTILE[:6]:
        assert bad in reader.words, "seen as it is"
    source = html_of_session(spoilt(), CARD)
    for gone in ("\x00", "\x07", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\ud83d"):
        assert gone not in source
    assert "\u05e9\u05dc\u05d5\u05dd" in source, "a script that runs right to left is no attack"
    source.encode("utf-8")
    assert source.count("<script") == 2 and source.lower().count("</script") == 2
    assert any("script" in row[1] for step in reader.table["steps"] for row in step["rows"])


@pytest.mark.parametrize("folder", [PLAIN, RICH], ids=lambda folder: folder.name)
def test_old_bundles(folder):
    reader = Reader(html_of(folder))
    reader.check()
    assert "cannot be shown" not in reader.words and "Traceback" not in reader.words
    if folder == RICH:
        assert "Earlier rounds" in reader.words and "Before this round" in reader.words
        assert "Kim" not in Reader(html_of(folder)).words.split("The card")[0], "people by number"


def test_a_run_that_lacks_things_says_so():
    session = opened()
    session.tuned.evaluation = None
    words = read(session).words
    assert "No verdict: the tuned model was not compared with the original." in words
    session.tuned.metrics, session.tuned.samples = [], []
    assert "No PPO step was made: the model is the original." in read(session).words
    session.learned.summary, session.learned.fit_records = {}, []
    assert "No reward model was trained." in read(session).words
    session.judged.rankings = []
    reader = read(session, card="")
    assert "Nobody has judged anything yet." in reader.words
    assert "The run has no card." in reader.words and reader.table is None
    assert "cannot be shown" not in reader.words


def test_an_early_verdict_is_told_as_it_was():
    session = opened()
    session.tuned.evaluation.pop("judges")
    reader = read(session)
    assert session.tuned.evaluation["sentence"] in reader.words
    assert any(row.get("id") == "win-rate" for _, row in reader.found)


def test_blind_votes_are_one_of_the_judges():
    session = opened()
    pairs = session.tuned.evaluation["pairs"]
    session.judged.votes = [
        {"prompt": pair["prompt"], "choice": "after", "round": 1, "step": 2} for pair in pairs
    ]
    assert rounds.with_votes(session)["conclusion"] in read(session).words
    assert "100% of 10 votes" in read(session).words


def test_an_interrupted_run_says_how_far_it_came(tmp_path):
    folder = shutil.copytree(PLAIN, tmp_path / "run")
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    run["status"] = "interrupted"
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert "This run was interrupted; its last complete save holds" in Reader(html_of(folder)).words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("samples.jsonl", "the answers of its steps cannot be shown"),
        ("metrics.csv", "the numbers of its steps cannot be shown"),
        ("evaluation.json", "the verdict cannot be shown"),
        ("README.md", "the card cannot be shown"),
        ("preferences.jsonl", "the judged pairs cannot be shown"),
        ("rankings.jsonl", "the judgements as they were made cannot be shown"),
    ],
)
@pytest.mark.parametrize("changed", [False, True])
def test_a_file_that_is_gone_or_changed_is_named(tmp_path, name, said, changed):
    folder = shutil.copytree(PLAIN, tmp_path / "run")
    if changed:
        (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    else:
        (folder / name).unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    reader = Reader(html_of(folder))
    reader.check()
    why = "was changed after the run was saved" if changed else "is missing"
    assert f"{name} {why}, so {said}." in reader.words
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "Meme bot" in reader.words, "the rest is told"


def test_no_weights_are_needed(tmp_path):
    folder = shutil.copytree(PLAIN, tmp_path / "run")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    assert html_of(folder) == html_of(PLAIN)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no folder"),
        (lambda folder: (folder / "run.json").unlink(), "run.json is missing"),
        (lambda folder: (folder / "run.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "run.json").write_text("{}"), "not the record of a run"),
    ],
)
def test_what_is_no_run_is_one_sentence(tmp_path, spoil, said):
    folder = shutil.copytree(PLAIN, tmp_path / "run")
    spoil(folder)
    with pytest.raises(BundleError, match=said) as caught:
        html_of(folder)
    assert "\n" not in str(caught.value)


def test_a_long_run_of_long_answers_stays_small():
    session = opened()
    row, sample = session.tuned.metrics[-1], session.tuned.samples[0]
    session.tuned.metrics = [{**row, "step": step} for step in range(201)]
    session.tuned.samples = [
        {
            **sample,
            "step": step,
            "prompt": f"Prompt {n % 40}",
            "text": f" {n}" + "<\U0001f400" * 2_000,
        }
        for step in range(201)
        for n in range(64)
    ]
    pairs = session.tuned.evaluation["pairs"]
    session.tuned.evaluation["pairs"] = [
        {**pair, "before": '"' * 9_000, "after": "&" * 9_000} for pair in pairs * 40
    ]
    reader = read(session, card="# x\n" + '"' * 200_000)
    assert "So that the file stays small it holds" in reader.words
    assert reader.table["steps"][0]["step"] == 0 and reader.table["steps"][-1]["step"] == 200


def test_what_is_too_long_is_left_out_and_said(monkeypatch):
    card = "# Long\n" + "- x\n" * 10_000
    whole = len(html_of_session(opened(), card).encode())
    monkeypatch.setattr("ui.export.html.MOST_BYTES", whole - 1)
    made = html_of_session(opened(), card)
    assert len(made.encode()) < whole
    told = Reader(made).words.split("The card")[1]
    assert told.strip() == "Too long to go along in one small file: the run's folder has it."


def mutated(value, chance: random.Random):
    """``value`` with some of what is in it replaced by something that does not belong there."""
    junk = (None, "x", -1, 1e308, float("nan"), [], {}, [None], {"a": 1}, True, 10**30)
    if chance.random() < 0.06:
        return copy.deepcopy(chance.choice(junk))
    if isinstance(value, dict):
        return {k: mutated(v, chance) for k, v in value.items() if chance.random() > 0.03}
    if isinstance(value, list):
        return [mutated(v, chance) for v in value[:12]]
    return value


@pytest.mark.parametrize("seed", range(30))
def test_whatever_a_strangers_run_holds_there_is_a_file(seed):
    chance, session = random.Random(seed), opened(RICH if seed % 2 else PLAIN)
    tuned, learned = session.tuned, session.learned
    tuned.metrics = mutated(tuned.metrics, chance)
    tuned.samples = mutated(tuned.samples, chance)
    tuned.evaluation = mutated(tuned.evaluation, chance)
    learned.summary = mutated(learned.summary, chance)
    learned.fit_records = mutated(learned.fit_records, chance)
    session.history.rounds = mutated(session.history.rounds, chance)
    session.settings = mutated(session.settings, chance)
    session.made_by = mutated(session.made_by, chance)
    session.judged.imports = mutated(session.judged.imports, chance)
    assert "The card" in read(session).words
