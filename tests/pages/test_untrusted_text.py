"""Every page, in a session whose every text was written by somebody who means harm: no label,
title, chart or message draws it as anything but text.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator

import pytest
from page_helpers import ROOT, finish, open_page, still_queue
from stand_ins import add_set, engine, evaluation, fake_fit, fake_ppo

from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.common.untrusted import TURNING
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair, Ranking
from rlhf_core.session import registry
from rlhf_core.session.state import Session
from rlhf_core.store.card import card
from ui import state
from ui.labs import tools

PAGES = sorted(path.stem for path in ROOT.glob("pages/*.py") if path.stem != "__init__")
HARM = (
    "![x](http://e.example/x.png) [l](http://e.example) <img src=x onerror=a()> $a$ :cat: :red[r]"
    " \u202eturned\u2066 `c` **qb** ~~s~~ http://e.example www.e.example a@e.example %{y}"
)
MARK = "Zq"  # what every text of a stranger begins with
# What shows each character as it is: no markdown, no HTML.
AS_IT_IS = {
    ("Text", "body"),
    ("Code", "code_text"),
    ("TextInput", "default"),
    ("TextInput", "value"),
    ("TextArea", "default"),
    ("TextArea", "value"),
    ("TextArea", "placeholder"),
    ("TextInput", "placeholder"),
    ("PlotlyChart", "alt"),
    ("Exception", "message"),
    ("Iframe", "srcdoc"),
    ("BidiComponent", "json"),  # ui/ranking/order.js and ui/clock.js set text, never HTML
}
# The same, but they are names among others: a turned one could be taken for another.
CHOICES = {
    ("Image", "alt"),
    ("Selectbox", "options"),
    ("MultiSelect", "options"),
    ("Selectbox", "raw_value"),
}
POWER = (r"!\[", r"\]\(", r"<img", r"\$a", r":cat", r":red", r"\*\*qb", r"~~s", r"`c")


def evil(what: str) -> str:
    return f"{MARK}{what} {HARM}"


@pytest.fixture
def session(monkeypatch) -> Session:
    """Ranked, fitted, tuned and judged; whatever a person, a file or a model can write is evil."""
    engine(monkeypatch)
    made = registry.create(
        dataclasses.replace(
            briefs.PRESETS["meme-bot"],
            slug="my-evil",
            title=evil("title"),
            audience=evil("audience"),
            prefer=evil("prefer"),
            avoid=evil("avoid"),
            ties=evil("ties"),
            training_prompts=tuple(evil(f"prompt{number}") for number in range(8)),
            evaluation_prompts=tuple(evil(f"kept{number}") for number in range(4)),
        )
    )
    made.directory = made.store = None
    made.note = evil("note")
    made.save_problem = evil("problem")
    made.asked.user_prompts = [evil("own prompt")]
    made.judged.people = [evil("person")[:30] + "\u202e", evil("other")[:30]]
    made.judged.sitting = made.judged.people[0]
    for number, prompt in enumerate((*made.asked.brief.training_prompts, evil("own prompt"))):
        texts = [f" {evil(f'answer{number}')}", f" {evil(f'other{number}')}"]
        if number < 6:
            made.judged.rankings = [
                *made.judged.rankings,
                Ranking(
                    f"made-{number}",
                    prompt,
                    texts,
                    [0, 1],
                    [[number % 2], [1 - number % 2]],
                    brief="my-evil",
                    annotator=(*made.judged.people, "you")[number % 3],
                    seconds=2.0 + number,
                    reason=evil("reason"),
                    ideal=f" {evil('ideal')}",
                ),
            ]
        else:
            add_set(made, texts, prompt)
    made.judged.imported = [
        Pair(evil("prompt0"), f" {evil('a')}", f" {evil('b')}", "a", 1.0, 3.0, evil("file's"))
    ]
    made.judged.imports = [{"file": evil("file.csv"), "pairs": 1}]
    list(fake_fit(made, RewardModelSettings()))
    for record in made.learned.fit_records:
        for row in record["examples"]:
            row |= {"prompt": evil("example"), "text": f" {evil('example')}"}
    made.learned.summary["note"] = evil("summary")
    list(fake_ppo(made, PPOSettings(steps=2)))
    for row in made.tuned.samples:
        row |= {"prompt": evil("sample"), "text": f" {evil('sample')}"}
    made.tuned.evaluation = evaluation(True)
    for row in made.tuned.evaluation["pairs"]:
        row |= {"prompt": evil("kept0"), "before": f" {evil('before')}", "after": evil("after")}
    return made


def messages(block) -> Iterator:
    """The protos of everything in a block of an AppTest."""
    if (proto := getattr(block, "proto", None)) is not None:
        yield proto
    for child in getattr(block, "children", {}).values():
        yield from messages(child)


def texts(message) -> Iterator[tuple[str, str, str]]:
    """Every string in a proto: (message, field, string)."""
    for field, value in message.ListFields():
        several = not isinstance(value, str | bytes) and hasattr(value, "__len__")
        for one in value if several else [value]:
            one = value[one] if hasattr(value, "keys") else one
            if isinstance(one, str):
                yield type(message).__name__, field.name, one
            elif hasattr(one, "ListFields"):
                yield from texts(one)


def harm_in(kind: str, field: str, said: str) -> str:
    """What of ``said`` would be more than text where it stands; "" where nothing would."""
    if MARK not in said or (kind, field) in AS_IT_IS or field in ("id", "url", "form_id", "key"):
        return ""
    if turned := sorted(TURNING & set(said)):
        return f"turns the direction: {turned}"
    if (kind, field) in CHOICES:
        return ""
    if kind == "Html":
        return "a tag of its own" if re.search(r"<img src=x|<script", said) else ""
    if kind == "PlotlyChart":
        return "a tag of its own" if re.search(r"<img|<b>Z|<a |\$a\$", said) else ""
    for power in POWER:
        if re.search(rf"(?<!\\){power}", said):
            return f"markdown: {power}"
    linked = re.search(r"http:/|http\\:/|www\\?\.e|a@e", said)
    return f"a link: {linked[0]}" if linked else ""


def blocks(app) -> Iterator:
    return (message for block in (app.main, app.sidebar) for message in messages(block))


def check(app) -> None:
    """No harm on the page, and a stranger's text is on it: else nothing was tested."""
    assert not app.exception, app.exception
    all_of_them = [said for message in blocks(app) for said in texts(message)]
    found = {
        f"{kind}.{field}: {why} in {said[:90]!r}"
        for kind, field, said in all_of_them
        if (why := harm_in(kind, field, said))
    }
    assert not found, "\n".join(sorted(found))
    assert any(MARK in said for *_, said in all_of_them)


@pytest.mark.parametrize("page", PAGES)
def test_a_strangers_text_is_only_ever_text(session, page):
    check(open_page(page, session))


@pytest.mark.parametrize("page", ["loop", "models", "prompt", "ppo", "before_after"])
def test_a_folders_name_is_only_ever_text(session, page):
    session.model_name = f"/{evil('model')}"
    check(open_page(page, session))


def test_a_file_that_was_looked_at_is_only_ever_text(session):
    row = {"prompt": evil("p"), "a": evil("a"), "b": evil("b"), "choice": "a"}
    rows = [row, {**row, "choice": evil("choice")}, {**row, "seconds": evil("s"), evil("c"): 1}]
    app = open_page("import_export", session)
    app.text_area(key="import_paste").input("\n".join(map(json.dumps, rows))).run()
    app.button(key="import_look").click().run()
    check(app)
    app.text_area(key="import_paste").input(evil("no table")).run()
    app.button(key="import_look").click().run()
    check(app)
    session.judged.imports = [{"file": evil("again.csv"), "pairs": 1}]
    app.button(key="import_undo").click().run()
    check(app)


@pytest.mark.parametrize(
    "page", ["what_it_learned", "trust_it", "flip_a_vote", "hack_reward_model"]
)
def test_the_labs_draw_it_as_text_too(monkeypatch, page):
    """With the engine, whose findings hold what was judged."""
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setattr(tools, "settle", lambda name: finish(still))
    prompts = [evil(f"prompt{number}")[:200] for number in range(4)]
    brief = briefs.PRESETS["meme-bot"]
    made = registry.create(
        dataclasses.replace(brief, slug="my-evil", training_prompts=(*prompts, "A cat is"))
    )
    made.directory = made.store = None
    made.settings = {"reward_model": {"reference_samples": 64}}
    made.judged.imported = [
        Pair(
            prompts[number % 4],
            f" {evil(f'answer{number}')[:200]}",
            " a mood.",
            "a",
            annotator=evil("person")[:40],
            brief="my-evil",
        )
        for number in range(8)
    ]
    app = open_page(page, made)
    finish(still)
    check(app.run())


def test_the_heading_of_a_bundle_is_only_ever_text(session):
    brief = vars(session.asked.brief)
    words = card({"status": "done", "brief": brief, "model": {"name": evil("model")}}, {}, [])
    lines = [line for line in words.splitlines() if MARK in line and not line.startswith("    ")]
    assert any(line.startswith("# ") for line in lines)
    for line in lines:
        if line.startswith(("pretty_name: ", "base_model: ")):
            assert not TURNING & set(line) and json.loads(line.partition(": ")[2])
        else:
            assert not harm_in("Markdown", "body", line), line
