"""The reward lab's pages without a browser, over the real engine on the bundled model; the queue
moves when a page waits for it, or a test moves it.
"""

from __future__ import annotations

import pytest
from page_helpers import EVIL, again, alts, finish, keys, open_page, press, raw, said, still_queue
from stand_ins import stand_in
from tiny_models import one_thread  # noqa: F401

from rlhf_core.judging.preferences import Pair, Ranking
from rlhf_core.labs import hacking_board
from rlhf_core.session import judged, registry, saving
from rlhf_core.session.state import Session
from rlhf_core.store import bundle
from rlhf_core.work import jobs
from ui import state
from ui.labs import tools

PAGES = ("what_it_learned", "trust_it", "flip_a_vote", "hack_reward_model")
FACT, MEME = " a marsupial with a prehensile tail.", " a great character for memes."
FEW = {"reward_model": {"reference_samples": 64}}


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    """The process's queue, replaced by one that moves only when a page waits for it or a test
    drives it.
    """
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setattr(tools, "settle", lambda name: finish(still))
    return still


def made(votes: list[tuple[str, str, str, str]] = ()) -> Session:
    """A session with the votes (prompt, a, b, choice)."""
    session = registry.create()
    session.directory = session.store = None
    session.settings = dict(FEW)
    session.judged.imported = [Pair(*vote) for vote in votes]
    return session


def twelve() -> Session:
    """Twelve votes for facts about four training prompts."""
    session = made()
    prompts = session.asked.brief.training_prompts[:4]
    session.judged.imported = [
        Pair(prompts[n % 4], a, b, "a")
        for n, (a, b) in enumerate(
            [
                (FACT, MEME),
                (" an animal of the forest.", " a mood."),
                (" a small mammal.", " so me."),
            ]
            * 4
        )
    ]
    return session


# --- nothing there, or too little -----------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_page_says_what_is_missing_and_asks_the_worker_nothing(queue, page):
    session = made()
    app = open_page(page, session)
    assert (
        "at least one judged pair" in said(app)
        and "rank" in [link.proto.page for link in app.get("page_link")]
        and not session.jobs
        and alts(app) == []
    )


PROMPT = "An opossum is"
BAD = {
    "one pair": [(PROMPT, FACT, MEME, "a")],
    "perfectly separable": [
        (f"A {name} is", FACT, MEME, "a")
        for name in ("cat", "dog", "fox", "yak", "bat", "elk", "owl", "ant", "bee", "cow")
    ],
    "identical texts judged different": [(PROMPT, FACT, FACT, "a"), (PROMPT, FACT, MEME, "a")],
    "one against the other way round, and one more": [
        (PROMPT, FACT, MEME, "a"),
        (PROMPT, FACT, MEME, "b"),
        ("A cat is", FACT, MEME, "a"),
    ],
    "many rows": [
        (f"A {name} is", FACT if n % 3 else " a small mammal.", MEME, "a" if n % 11 else "b")
        for n in range(500)
        for name in "abcdefghij"
    ],
    "text that looks like code": [
        (PROMPT, EVIL, MEME, "a"),
        ("A cat is", MEME, EVIL, "b"),
        (EVIL, FACT, MEME, "a"),
    ],
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("votes", BAD.values(), ids=BAD)
def test_little_or_odd_data_draws_and_breaks_nothing(queue, page, votes):
    app = open_page(page, made(votes))
    words = said(app)
    assert (
        "Something went wrong" not in words
        and "<script>" not in raw(app)
        and "Not yet" not in words
    )


NOTHING = {
    "all ties": ([(PROMPT, FACT, MEME, "tie")] * 3, "every pair is a tie"),
    "contradictions only": (
        [(PROMPT, FACT, MEME, "a"), (PROMPT, FACT, MEME, "b")],
        "every preference is taken back by its opposite",
    ),
    "identical texts alone": ([(PROMPT, FACT, FACT, "a")], "at least one judged pair"),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("votes, words", NOTHING.values(), ids=NOTHING)
def test_what_teaches_nothing_is_named(queue, page, votes, words):
    app = open_page(page, made(votes))
    assert words in said(app) and alts(app) == []


def test_one_comparison_is_called_what_it_is(queue):
    app = open_page("trust_it", made(BAD["one pair"]))
    words = said(app)
    assert (
        "the score repeats that one vote" in words
        and "nothing can be left out to test on" in words
        and "A learning curve needs at least 9" in words
    )


def test_the_only_vote_cannot_be_left_out(queue):
    app = open_page("flip_a_vote", made(BAD["one pair"]))
    app.segmented_control(key="flip_change_widget").set_value("withhold").run()
    assert "the only vote that prefers anything" in said(app) and not app.exception


def test_separable_votes_are_called_so(queue):
    assert "take the certainty with a grain of salt" in said(
        open_page("trust_it", made(BAD["perfectly separable"]))
    )


# --- what did it learn ----------------------------------------------------------------------------


def test_a_score_is_taken_apart_into_words_and_votes(queue):
    session = twelve()
    app = open_page("what_it_learned", session)
    words = said(app)
    assert "op-up" in words or "op-down" in words
    assert "· distance 0.0" in words, (
        "the judged output that the page opens with is its own nearest neighbour"
    )
    assert (
        "two answers to one prompt are typically" in words
        and "beats" in words
        and "from “" in words
    )
    table = next(element.value for element in app.markdown if element.value.startswith("| Word |"))
    shares = [
        float(line.split("|")[2].replace("−", "-").replace("\N{MINUS SIGN}", "-"))
        for line in table.splitlines()[2:]
    ]
    score = float(app.metric[0].value.replace("\N{MINUS SIGN}", "-"))
    assert sum(shares) == pytest.approx(score, abs=0.02 * len(shares)), (
        "the table's shares are those of the score above it"
    )
    app.text_area(key="explain_text_widget").set_value("a mood.").run()
    assert (
        app.metric[0].value != f"{score:+.2f}"
        and not app.exception
        and "the rest was not read" not in said(app)
    )
    app.text_area(key="explain_text_widget").set_value("a small mammal  that\nlives " * 60).run()
    assert "the rest was not read, and has no part in the score" in said(app) and not app.exception


def test_a_text_is_only_ever_text(queue):
    app = open_page("what_it_learned", twelve())
    app.text_area(key="explain_text_widget").set_value(EVIL).run()
    assert not app.exception and "<script>" not in raw(app)


def test_length_instead_of_taste_is_warned_of(queue):
    session = made()
    prompts = session.asked.brief.training_prompts
    long = [
        " a small animal that lives in the forest and eats fruit, insects and eggs at night.",
        " a tired little hero who asks for snacks, sleeps all day and sings to the moon.",
        " an animal with soft fur and a long tail, found near rivers, farms and old houses.",
        " the kind of friend who borrows your coat, eats your lunch and never says sorry.",
    ]
    short = [" an animal.", " a hero.", " asleep.", " a friend."]
    session.judged.imported = [
        Pair(prompts[n % len(prompts)], long[n % 4], short[n // 4 % 4], "a") for n in range(24)
    ]
    app = open_page("what_it_learned", session)
    assert any("follows" in warning.value and "length" in warning.value for warning in app.warning)
    assert "Correlation over" in said(app)


# --- can you trust it -----------------------------------------------------------------------------


def test_trust_shows_each_figure_with_its_alternative(queue):
    app = open_page("trust_it", twelve())
    starts = (
        "Margins of 12 decided votes",
        "Calibration on 12 held-out votes",
        "Accuracy on unseen prompts",
        "Scores of 3 texts",
    )
    assert [
        next((start for start in starts if alt.startswith(start)), alt) for alt in alts(app)
    ] == list(starts)
    words = said(app)
    assert (
        "12 pairs tell as much as" in words
        and "Left-out prompt" in words
        and "95% interval" in app.metric[0].delta
    )


def test_the_conservative_score_follows_the_slider(queue):
    app = open_page("trust_it", twelve())
    app.slider(key="unsure_k_widget").set_value(0.0).run()
    plain = [part.split(", ")[0] for part in alts(app)[-1].split(": ")[1:]]
    careful = [part.rsplit("conservative ", 1)[1] for part in alts(app)[-1].split(";")]
    assert [value.rstrip(".") for value in careful] == plain, (
        "nothing taken off: both are the score"
    )


def test_a_new_vote_makes_the_report_anew_and_nothing_else_does(queue):
    session = twelve()
    app = open_page("trust_it", session)
    first = session.jobs["lab_report"]
    app = again(app)
    assert session.jobs["lab_report"] == first
    session.judged.imported = session.judged.imported[:-1]
    app = again(app)
    assert session.jobs["lab_report"] != first and "11 pairs" in said(app)


# --- flip a vote ----------------------------------------------------------------------------------


def test_a_flip_moves_the_outputs_and_changes_nothing(queue):
    session = twelve()
    before = list(session.judged.imported)
    app = open_page("flip_a_vote", session)
    assert len(app.selectbox(key="flip_vote_widget").options) == 12 and "ms" in app.metric[2].value
    turned = alts(app)[0]
    app.segmented_control(key="flip_change_widget").set_value("withhold").run()
    assert alts(app)[0] != turned and "left out" in said(app) and session.judged.imported == before
    app.selectbox(key="flip_vote_widget").select_index(3).run()
    assert not app.exception and len(alts(app)) == 1


def test_one_vote_decides_among_few(queue):
    app = open_page("flip_a_vote", made(BAD["one pair"]))
    assert "1 of the 1 votes" in said(app) and "decides" in said(app)


# --- hack it --------------------------------------------------------------------------------------


def test_the_board_has_the_models_best_then_what_was_typed(queue):
    session = twelve()
    app = open_page("hack_reward_model", session)
    prompt = app.selectbox(key="hack_prompt_widget").value
    assert hacking_board.board_of(session, prompt)["best"]["n"] == 64 and "best of 64" in said(app)
    app.text_area(key="hack_text").set_value("zxq vrrp blort wug " + EVIL)
    app = press(app, "hack_try")
    (entry,) = hacking_board.board_of(session, prompt)["entries"]
    assert entry["by"] == "you" and "<script>" not in raw(app) and not app.exception


def test_a_stopped_race_can_be_run_again(queue, monkeypatch):
    monkeypatch.setattr(tools, "settle", lambda name: None)
    session = twelve()
    app = open_page("hack_reward_model", session)
    assert "is writing its 64 answers" in said(app)
    jobs.queue().stop(session.jobs["hack_race"])
    finish(queue)
    app = press(again(app), "hack_race")
    finish(queue)
    assert "best of 64" in said(again(app)) and "hack_race" not in keys(app)


def test_nothing_typed_is_said(queue):
    app = press(open_page("hack_reward_model", twelve()), "hack_try")
    assert "nothing in the box yet" in said(app)


def forged(session: Session, *, score: float) -> str:
    """A board with a repeated text of a made-up score beside the model's real best: what the page
    makes of it must not depend on luck.
    """
    prompt = session.asked.brief.training_prompts[0]
    best = {
        "prompt": prompt,
        "text": FACT,
        "score": 1.0,
        "uncertainty": 0.3,
        "by": "best of 64",
        "n": 64,
    }
    entry = {
        "prompt": prompt,
        "text": " tail" * 6,
        "score": score,
        "uncertainty": 0.5,
        "by": "you",
        "nonsense": True,
        "why": "83% of its words were there before",
        "comparisons": 12,
    }
    board = {"entries": [entry], "best": best, "before": None, "hole": None}
    hacking_board.keep_about_head(session, boards={prompt: board})
    return prompt


def test_an_exploit_is_celebrated_rejected_and_the_hole_measured(queue):
    session = twelve()
    prompt = forged(session, score=9.0)
    app = open_page("hack_reward_model", session)
    assert (
        "You broke it:" in said(app) and "EXPLOIT" in said(app) and "would still win" in said(app)
    )
    app = press(app, "hack_teach")
    assert not session.judged.exploits and not session.learned.head, (
        "the click only asks the worker"
    )
    finish(queue)
    app = again(app)
    (pair,) = session.judged.exploits
    assert (
        (pair.b, pair.a, pair.choice, pair.annotator) == (" tail" * 6, FACT, "a", "you (exploit)")
        and pair in judged.pairs(session)
        and "you (exploit)" in judged.rater(session)
    )
    assert session.learned.summary["pairs_used"] == 13
    hole = hacking_board.board_of(session, prompt)["hole"]
    assert (
        hole["rows"][0]["before"] == 9.0
        and hole["sentence"] in said(app)
        and any(alt.startswith("The board before and after") for alt in alts(app))
    )
    app = press(app, "hack_take_back")
    assert hacking_board.board_of(session, prompt)["hole"] is None, (
        "what it did is undone, so nothing is said of it"
    )
    assert session.judged.exploits == [] and not any(
        pair.annotator == "you (exploit)" for pair in judged.pairs(session)
    )


def test_a_stopped_retraining_takes_the_rejections_back(queue):
    session = twelve()
    forged(session, score=9.0)
    app = press(open_page("hack_reward_model", session), "hack_teach")
    for _ in range(3):
        queue.advance()
    assert session.judged.exploits
    jobs.queue().stop(session.jobs["hack_teach"])
    finish(queue)
    assert session.judged.exploits == [] and not again(app).exception


def test_a_person_may_call_an_honest_looking_text_bad_and_take_it_back(queue):
    session = twelve()
    app = open_page("hack_reward_model", session)
    app.text_area(key="hack_text").set_value("a large fish with nine eyes.")
    app = press(app, "hack_try")
    app = again(app)
    (key,) = {name for name in keys(app) if name.startswith("hack_call_")}
    app = press(app, key)
    assert "you say that nobody should want it" in said(app)
    assert session.labs["reward_model"]["boards"][app.selectbox(key="hack_prompt_widget").value][
        "entries"
    ][0]["nonsense"]
    (key,) = {name for name in keys(app) if name.startswith("hack_call_")}
    press(app, key)
    assert not session.labs["reward_model"]["boards"][
        app.selectbox(key="hack_prompt_widget").value
    ]["entries"][0]["nonsense"]


def test_a_search_tries_five_ways_and_names_each(queue):
    session = twelve()
    app = press(open_page("hack_reward_model", session), "hack_search")
    finish(queue)
    app = again(app)
    entries = hacking_board.board_of(session, app.selectbox(key="hack_prompt_widget").value)[
        "entries"
    ]
    ways = {
        "keyword soup",
        "repetition",
        "words in disorder",
        "word by word",
        "about something else",
    }
    assert {row["by"] for row in entries} == {
        f"a search: {way}" for way in ways
    } and "Something went wrong" not in said(app)


def test_older_scores_are_made_again_by_the_votes_as_they_are(queue):
    session = twelve()
    prompt = forged(session, score=9.0)
    session.judged.imported = session.judged.imported[:-1]
    app = open_page("hack_reward_model", session)
    assert (
        jobs.queue().view(session.jobs["hack_search"])["label"]
        == "Scoring the board by your votes as they are now"
    )
    finish(queue)
    app = again(app)
    assert (
        "not comparable" not in said(app)
        and hacking_board.board_of(session, prompt)["entries"][0]["score"] != 9.0
    )


# --- kept -----------------------------------------------------------------------------------------


def test_boards_and_rejected_exploits_are_in_the_bundle(tmp_path):
    session = twelve()
    forged(session, score=2.0)
    pair = Pair(
        PROMPT, FACT, " tail" * 6, "a", annotator="you (exploit)", brief=session.asked.brief.slug
    )
    other = Pair(PROMPT, MEME, " tail" * 6, "a", annotator="you (exploit)", brief="meme-bot")
    session.judged.exploits = [pair, other]
    session.judged.rankings = [
        Ranking("r", PROMPT, [FACT, MEME], [0, 1], [[0], [1]], brief=session.asked.brief.slug)
    ]
    saving.save(session, tmp_path / "run")
    opened = saving.load(tmp_path / "run")
    assert (
        opened.judged.exploits == [pair, other]
        and opened.labs == session.labs
        and opened.judged.imported == session.judged.imported
        and opened.judged.rankings == session.judged.rankings
    )
    assert pair in judged.pairs(opened) and other not in judged.pairs(opened), (
        "an exploit counts under its own brief"
    )


def test_a_bundle_from_before_there_was_a_lab_opens(tmp_path, monkeypatch):
    saved, read = made(BAD["one pair"]), bundle.read_bundle
    saving.save(saved, tmp_path / "old")

    def before_the_lab(*args, **more) -> dict:
        contents = read(*args, **more)
        run = contents["run"]
        run["state"] = {"imported": run["state"]["judged"]["imported"]}
        return contents

    monkeypatch.setattr(bundle, "read_bundle", before_the_lab)
    opened = saving.load(tmp_path / "old")
    assert opened.judged.exploits == [] and opened.labs == {}
    assert opened.judged.imported == saved.judged.imported


# --- the slower kind, on the Reward model page ----------------------------------------------------


def tuned(iteration: int) -> dict:
    return {
        "iteration": iteration,
        "loss": 0.6 / iteration,
        "train_accuracy": 0.9,
        "heldout_accuracy": 0.75,
        "heldout_low": 0.3,
        "heldout_high": 0.95,
        "heldout_pairs": 4,
    }


def examples() -> list[dict]:
    return [
        {"prompt": PROMPT, "text": FACT, "before": 0.4, "after": 1.1},
        {"prompt": PROMPT, "text": MEME, "before": 0.1, "after": -0.9},
    ]


def test_the_slower_kind_trains_in_line_says_what_it_is_for_and_is_compared(queue, monkeypatch):
    session = twelve()

    def fake(session, settings):
        assert settings.epochs == 4
        for iteration in (1, 2):
            yield {**tuned(iteration), "examples": examples()}
        hacking_board.keep_about_head(
            session,
            fine_tuned={
                "records": [tuned(1), tuned(2)],
                "examples": examples(),
                "agreement": 0.5,
                "comparisons": 12,
                "heldout_accuracy": 0.75,
                "heldout_interval": [0.3, 0.95],
                "heldout_pairs": 4,
                "head_accuracy": 1.0,
                "seconds": 9.0,
                "sentence": "It took 9 s. Too few to tell.",
            },
        )

    stand_in(monkeypatch, fine_tune=fake)
    app = open_page("reward_model", session)
    app.segmented_control(key="kind_widget").set_value("fine-tuned").run()
    words = said(app)
    assert (
        "PPO climbs the instant one" in words
        and "Your 12 pairs take about" in words
        and "fit" not in keys(app)
    )
    app.slider(key="fine_tuned_epochs").set_value(4).run()
    app = press(app, "fine_tune")
    assert (
        app.button(key="fine_tune").disabled
        and jobs.queue().view(session.jobs["fine_tune"])["long"]
    )
    queue.advance()
    app = again(app)
    assert any("0.60 at iteration 1" in alt for alt in alts(app)) and any(
        "a marsupial" in alt for alt in alts(app)
    )
    finish(queue)
    app = again(app)
    assert (
        [metric.value for metric in app.metric] == ["75%", "100%", "12"]
        and "Too few to tell" in said(app)
        and len(alts(app)) == 3
    )
    session.judged.imported = session.judged.imported[:-1]
    assert "Made from 12 pairs; there are 11 now" in said(again(app))


def test_the_list_of_scores_shows_its_doubt_where_it_is_known():
    from ui.charts import scored_outputs as charts_outputs

    known = charts_outputs.scores(
        [
            {
                "prompt": PROMPT,
                "text": FACT,
                "before": 0.0,
                "after": 0.4,
                "laplace": 0.25,
                "bootstrap": 0.1,
            }
        ]
    )
    assert (
        "+0.40 ± 0.25" in known.alt
        and "bars are its doubt" in known.look_for
        and list(known.figure.data[-1].error_x.array) == [0.25]
    )
    assert (
        "±"
        not in charts_outputs.scores(
            [{"prompt": PROMPT, "text": FACT, "before": 0.0, "after": 0.4}]
        ).alt
    )
