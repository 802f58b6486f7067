"""Labs open with a saved result: marked, drawn by the page's own code, and gone as soon as there is
one of the learner's own. The files are of the bundled model, small, and not stale.
"""

from __future__ import annotations

import json
import re

import pytest
from drawn_words import drawn_texts, drawn_words
from page_helpers import alts, open_page, said, still_queue
from stand_ins import made
from test_pages_goodhart import found as lab_found
from test_pages_goodhart import points

from rlhf_core.labs.registry import LABS
from rlhf_core.lm import language_model, model_list
from ui import state
from ui.labs import saved

FILES = sorted(saved.FOLDER.glob("*.json"))
PAGES = [file.stem for file in FILES]
BADGE = "Precomputed: made earlier, not in your session"
MOST_BYTES = 150_000
MOST_LAB_WORDS = 400
# draws no chart: the lab shows texts (the board), or a person's judgements only
CHARTLESS = {"what_it_learned", "hack_reward_model"}


@pytest.fixture
def queue(monkeypatch):
    still = still_queue(monkeypatch, saved_results=True)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    return still


def opened(page: str, session):
    """The lab's page with its saved result; one of them waits for a guess."""
    app = open_page(page, session)
    return app.get("button_group")[0].set_value("show").run() if page == "noise" else app


def read(page: str) -> dict:
    return json.loads((saved.FOLDER / f"{page}.json").read_text(encoding="utf-8"))


def test_every_file_belongs_to_a_lab():
    assert set(PAGES) <= {lab.page for lab in LABS}


@pytest.mark.parametrize("page", PAGES)
def test_a_saved_result_says_where_it_comes_from_and_is_small(page):
    kept = read(page)
    assert kept["lab"] == page and kept["found"] and kept["seed"] == 0
    assert kept["date"] and kept["model_sha256"] and kept["made_with"].startswith("Brief: ")
    assert "rule" in kept["made_with"], "who judged"
    assert (saved.FOLDER / f"{page}.json").stat().st_size < MOST_BYTES


def test_no_saved_result_is_of_another_model_than_the_bundled_one():
    """Stale ones are made anew by scripts/make_lab_examples.py."""
    lm = language_model.load(model_list.BUNDLED)
    stale = [page for page in PAGES if read(page)["model_sha256"] != lm.fingerprint()]
    assert not stale


@pytest.mark.parametrize("page", PAGES)
def test_a_lab_opens_with_its_saved_result(queue, page):
    session = made()
    app = opened(page, session)
    assert BADGE in badges(app)
    assert f"{read(page)['made_with']} Your own result will replace it" in said(app)
    assert bool(alts(app)) or page in CHARTLESS
    assert not session.labs and not session.jobs, "nothing of it is the learner's"


@pytest.mark.parametrize(
    "page", ["what_it_learned", "trust_it", "flip_a_vote", "hack_reward_model", "whose_preferences"]
)
def test_the_saved_result_comes_before_what_is_missing(queue, page):
    app = open_page(page, made())
    drawn = " ".join(drawn_texts(app))
    missing = "Nothing was judged yet" if page == "whose_preferences" else "Still needed"
    assert drawn.index("Precomputed") < drawn.index(missing) and "Not yet" not in drawn


@pytest.mark.parametrize(
    "page", ["what_it_learned", "trust_it", "flip_a_vote", "hack_reward_model", "whose_preferences"]
)
def test_a_rules_votes_are_not_called_the_readers(queue, page):
    result = " ".join(drawn_texts(open_page(page, made()))).split("will replace it.")[1]
    shown = result.split("For a result of your own")[0] + " ".join(alts(open_page(page, made())))
    assert not re.search(r"\byour (\d+ )?(own )?(votes?|pairs|judgements)\b|\bwith you\b", shown)


def badges(app) -> str:
    return " ".join(str(one.value) for one in app.markdown)


def test_a_result_of_ones_own_replaces_it(queue):
    session = made()
    rows = points([(0, 0), (1, 0.9), (9, 0.5)])
    own = {**lab_found(), "points": {"free": rows}, "status": "done"}
    session.labs = {"goodhart": {**own, "settings": {**GOODHART, "steps": 4}}}
    app = open_page("goodhart", session)
    assert BADGE not in badges(app) and alts(app)


GOODHART = {"features": 32, "learning_rate": 5e-4, "beta": 0.25, "conservative": 1.0, "seed": 0}


@pytest.mark.parametrize("lab", LABS, ids=[lab.page for lab in LABS])
def test_a_lab_without_a_saved_result_still_opens(monkeypatch, queue, lab, tmp_path):
    monkeypatch.setattr(saved, "FOLDER", tmp_path)
    app = open_page(lab.page, made())
    assert BADGE not in badges(app)
    (tmp_path / f"{lab.page}.json").write_text("{broken", encoding="utf-8")
    assert BADGE not in badges(open_page(lab.page, made()))


@pytest.mark.parametrize("page", [*(lab.page for lab in LABS), "human_side"])
def test_a_lab_with_its_saved_result_is_read_at_a_glance(queue, page):
    app = opened(page, made())
    assert drawn_words(app) < MOST_LAB_WORDS, drawn_texts(app)


@pytest.mark.parametrize("lab", LABS, ids=[lab.page for lab in LABS])
def test_every_lab_shows_its_challenge(queue, lab):
    assert said(open_page(lab.page, made())).count("**Challenge:**") == 1
