"""Cards: valid to the hub whatever was typed, and true to what happened."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard

from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.session import judged, paper
from rlhf_core.session.state import Session
from rlhf_core.store.card import card
from rlhf_core.store.dataset_card import dataset_card
from rlhf_core.store.model_card import model_card, reward_model_card

# What huggingface.co/api/validate-yaml refuses, as far as our keys go (docs/hub, "Dataset Cards",
# "Model Cards" and "Licenses"; 2026).
LICENCES = {"apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "odc-by"}
LICENCES |= {"other", "unknown"}
SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M"}
TASKS = {"text-generation"}
HOSTILE = (
    "x: [y]\n---\n# {a} 'q\" \x00\x9b\u202e <script>alert(1)</script> | [a](javascript:b) ${c}"
)
HOSTILE += " &amp; *b* ![i](http://example.org/x.png) : - # ! % @ ` 👩‍🚀 Ω\u2028 \ud83d"
TABLES = {"preferences": "preferences.jsonl", "trl": "preferences-trl.jsonl"}


def problems(kind: str, head: dict) -> list[str]:
    """What the hub would say of a card's YAML."""
    found = []
    if head.get("license") not in LICENCES:
        found.append(f"license {head.get('license')!r} is not one of the hub's")
    name = head.get("license_name")
    if head.get("license") == "other" and not re.fullmatch(r"[a-z0-9-.]+", name or ""):
        found.append(f"license_name {name!r}")
    if not all(re.fullmatch("[a-z]{2,3}", one) for one in head.get("language", [])):
        found.append("language")
    if not {*head.get("size_categories", [])} <= SIZES:
        found.append("size_categories")
    if not {*head.get("task_categories", []), head.get("pipeline_tag", "text-generation")} <= TASKS:
        found.append("task_categories")
    if not all(isinstance(tag, str) and tag for tag in head.get("tags", [])):
        found.append("tags")
    base = head.get("base_model", "a/b")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(base)):
        found.append(f"base_model {base!r}")
    if kind == "model" and head.get("library_name") != "transformers":
        found.append("library_name")
    for row in head.get("configs", []):
        files = [one["path"] for one in row["data_files"]]
        if not row["config_name"] or any("/" in one or ".." in one for one in files):
            found.append("configs")
    return found


class Hub(BaseHTTPRequestHandler):
    """The hub's address that validates cards."""

    asked: list[dict] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Hub.asked.append(body)
        _, head, _ = re.split(r"^---$", body["content"], maxsplit=2, flags=re.MULTILINE)
        found = problems(body["repoType"], yaml.safe_load(head))
        said = {"errors": [{"message": one} for one in found], "warnings": []}
        data = json.dumps(said if found else {"errors": [], "warnings": []}).encode()
        self.send_response(400 if found else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch) -> Iterator[type[Hub]]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    Hub.asked = []
    yield Hub
    server.shutdown()


def judged_session(**said: str) -> Session:
    """Two files, three versions of briefs, an author, a named person with an address."""
    session = Session(PRESETS["meme-bot"], seed=3)
    mine = PRESETS["meme-bot"].edited(prefer="The funny one: under 30 letters.")
    session.asked.brief, session.asked.briefs = mine, [PRESETS["meme-bot"], mine]
    rows = [("you", "meme-bot", 1), ("ada@example.org", "biology-homework", 1), ("you", "own", 4)]
    session.judged.imported = [
        Pair(f"A {n} is", " a mood.", " a mammal.", "a", annotator=who, brief=b, brief_version=v)
        for n, (who, b, v) in enumerate(rows)
    ]
    session.judged.imports = [
        {"file": "/home/ada/of ada@example.org.csv", "pairs": 2, "sha256": "ab" * 32}
        | {"format": "a spreadsheet", "left_out": {"the choice is empty": 3}}
        | {"repaired": {"“left” was read as a": 2}},
        {"file": "b.jsonl", "pairs": 1},
    ]
    session.asked.candidate_sets = [
        {"id": f"set-{n}", "prompt": f"A cat is {n}", "texts": [" x", f" {n} y"]}
        | {"finished": [True, True]}
        for n in range(24)
    ]
    for n in range(24):
        who = "Bo <bo@example.org>" if n % 3 == 0 else None
        choice = {"groups": [[0], [1]]} if n < 22 else {"verdict": ("skip", "both_bad")[n - 22]}
        judged.add_ranking(session, f"set-{n}", annotator=who, seconds=2.0, **choice)
    session.tuned.evaluation = {
        "verdict": "better",
        "conclusion": "It is *better*.",
        "judges": [{"name": "graded rule", "win_rate": 0.63, "interval": [0.59, 0.67], "pairs": 9}],
    }
    session.settings = {"ppo": {"beta": 0.25, "steps": 2}, "reward_model": {"features": 8}}
    session.settings["spent"] = {"seconds": 61.2, "processor_seconds": 118.6}
    paper.say(session, said)
    return session


def cards(session: Session) -> dict[str, str]:
    facts = paper.facts(session)
    run = {"brief": session.asked.brief.to_dict(), "model": {"name": session.model_name}}
    return {
        "dataset": dataset_card(facts, TABLES, [*TABLES.values()]),
        "model": model_card(facts),
        "reward": reward_model_card(facts),
        "run": card(run, {"preferences": [{}]}, [], facts),
    }


def head_of(text: str) -> dict:
    _, head, _ = re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(head)


def body_of(text: str) -> str:
    return re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)[2]


@pytest.mark.parametrize("licence", ["", "cc-by-4.0", "mit", "other"])
def test_every_card_passes_the_hubs_validation(hub, licence):
    found = cards(judged_session(licence=licence, licence_name="My Own Licence!"))
    DatasetCard(found["dataset"]).validate()
    ModelCard(found["model"]).validate()
    ModelCard(found["reward"]).validate()
    DatasetCard(found["run"]).validate()
    assert [one["repoType"] for one in hub.asked] == ["dataset", "model", "model", "dataset"]
    head = head_of(found["model"])
    assert head["license"] == (licence or "unknown")
    assert head.get("license_name") == ("my-own-licence" if licence == "other" else None)


def test_the_local_hub_would_refuse_what_the_real_one_does(hub):
    for wrong in ("license: open\n", "license: other\n", "license: mit\nbase_model: [a]\n"):
        with pytest.raises(ValueError, match="license|base_model|Error"):
            ModelCard(f"---\n{wrong}library_name: transformers\n---\n# x").validate()


@pytest.mark.parametrize("which", ["dataset", "model", "reward", "run"])
def test_whatever_was_typed_stays_text(hub, which):
    session = judged_session(
        licence="other", licence_name=HOSTILE, author=HOSTILE, consent=HOSTILE, limits=HOSTILE
    )
    paper.say(session, {"use": HOSTILE, "pay": HOSTILE})
    text = {
        "title": HOSTILE,
        "audience": HOSTILE,
        "prefer": HOSTILE + "\n```\n---\n",
        "slug": "s`*",
    }
    brief = session.asked.brief
    object.__setattr__(brief, "title", HOSTILE)
    for name, value in text.items():
        object.__setattr__(brief, name, value)
    session.judged.people = [HOSTILE]
    session.judged.imports[0] |= {"file": HOSTILE, "format": HOSTILE}
    session.judged.imports[0]["left_out"] = {HOSTILE: 2}
    session.settings["ppo"][HOSTILE] = HOSTILE
    session.tuned.evaluation |= {"conclusion": HOSTILE, "verdict": HOSTILE}
    session.tuned.evaluation["judges"][0]["name"] = HOSTILE
    found = cards(session)[which].encode("utf-8", "replace").decode()
    head = head_of(found)
    assert problems("model" if which in ("model", "reward") else "dataset", head) == []
    (ModelCard if which in ("model", "reward") else DatasetCard)(found).validate()
    shown = [line for line in body_of(found).split("\n") if not line.startswith("    ")]
    for line in shown:
        bare = re.sub(r"\\.", "", line)
        assert "<" not in bare and "](" not in bare and "${" not in bare, line
        assert "\u202e" not in line and "http://" not in line and "\x00" not in line
    assert not any(
        line.strip() in ("---", "```")
        for line in body_of(found).split("\n")[1:]
        if not line.startswith("    ")
    )


def test_each_row_has_its_own_brief_and_version(hub):
    text = cards(judged_session())["dataset"]
    assert "### `meme-bot`, version 2: 24 judged pairs" in text
    assert "The funny one: under 30 letters." in text
    assert "### `meme-bot`, version 1: 1 judged pair\n" in text
    assert "### `biology-homework`, version 1: 1 judged pair\n" in text
    assert "this is the text as Opossum has it" in text
    assert "### `own`, version 4: 1 judged pair\n\nIts text is not in this run" in text


def test_nobody_is_named_and_anothers_you_is_not_the_author():
    for text in cards(judged_session()).values():
        assert (
            "@" not in text.replace("/ada", "") and "Ada" not in text and "Bo" not in body_of(text)
        )
        unhashed = re.sub(r"\b[0-9a-f]{7,64}\b", "", text)  # a commit's hash may hold "ada"
        assert "ada" not in unhashed.replace("readable", ""), text[:200]
    rows = [line for line in cards(judged_session())["dataset"].split("\n") if line[:3] == "| `"]
    assert rows == [
        "| `author` | the person who made this run | 16 |",
        "| `judge-4` | a person at the author's screen | 8 |",
        "| `judge-1` | a person, as an imported file says (file 1) | 1 |",
        "| `judge-2` | a person, as an imported file says (file 1) | 1 |",
        "| `judge-3` | a person, as an imported file says (file 2) | 1 |",
    ]


def test_what_came_in_and_what_was_left_out_is_said_with_the_reason():
    text = cards(judged_session())["dataset"]
    assert f"sha256 `{'ab' * 32}`" in text and "File 1, left out: 3 x the choice is empty" in text
    assert "File 1, repaired: 2 x “left” was read as a" in text
    assert "File 2: b.jsonl, sha256 not on record" in text
    assert "1 judged pair skipped" in text and "1 judged pair both called bad" in text


def test_the_model_card_says_how_it_was_made_and_what_came_out():
    text = cards(judged_session(pay="volunteers", consent="They know."))["model"]
    said = text.replace("\\", "")
    for words in (
        "Paid or not: volunteers, without pay",
        "What the judges agreed to: They know.",
        "judged by graded rule: win rate 63% (95% interval 59% to 67%)",
        "PPO: beta 0.25, steps 2",
        "Base model: pocket GPT-2",
        "about 119 CPU seconds",
        "AutoModelForCausalLM",
        "replay FOLDER",
        "Written by Opossum 1.0.0-dev, commit",
        "`author`, preferred the left one",
    ):
        assert words in said, words
    head = head_of(text)
    assert head["base_model"] == "pocket-gpt2" and head["library_name"] == "transformers"
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.63
    assert ModelCard(text).data.eval_results[0].metric_value == 0.63


def test_a_model_of_the_hub_is_named_as_the_hub_does():
    session = judged_session()
    for name, hub_name in (("gpt2", "openai-community/gpt2"), ("EleutherAI/pythia-70m",) * 2):
        session.model_name = name
        assert head_of(cards(session)["model"])["base_model"] == hub_name
    session.model_name = "/home/ada/secret model"
    text = cards(session)["model"]
    assert "base_model" not in head_of(text) and "/home/ada" not in text


def test_the_you_of_a_run_that_was_opened_is_its_first_authors():
    session = judged_session()
    session.settings["opened"] = {"file": "of ada@example.org.zip", "sha256": "cd" * 32}
    session.settings["opened"]["rankings"] = 9
    text = cards(session)["dataset"]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| .* \| (\d+) \|$", text, re.MULTILINE))
    assert rows["first-author"] == "6" and rows["author"] == "10" and "@" not in text
    assert f"sha256 `{'cd' * 32}`; 9 judgements came with it" in text
