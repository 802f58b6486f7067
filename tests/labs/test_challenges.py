"""A state that does each challenge, and a near miss that does not; what was done stays done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import pytest
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.events import Progress
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair, Ranking
from rlhf_core.labs import (
    challenges,
    hacking_board,
    instructions_matter,
    reward_lab,
    speed_accuracy,
)
from rlhf_core.labs.registry import LABS
from rlhf_core.session import registry, saving
from rlhf_core.session.state import ABOUT_HEAD, SCRIPTED, YOU, Session

FACT, MEME = " a marsupial.", " a great character for memes."
BY_NAME = {one.name: one for one in challenges.CHALLENGES}


def fresh() -> Session:
    return Session(briefs.PRESETS["biology-homework"])


def rank(session: Session, count: int = 1, best: int = 0, who: str = YOU, same: bool = False):
    """``count`` rankings of two texts about as many prompts; ``same``: all about the first."""
    prompts, slug = session.asked.brief.training_prompts, session.asked.brief.slug
    first = len(session.judged.rankings)
    session.judged.rankings = [
        *session.judged.rankings,
        *(
            Ranking(
                f"r{first + number}",
                prompts[0 if same else number],
                [FACT, MEME],
                [0, 1],
                [[best], [1 - best]],
                annotator=who,
                brief=slug,
            )
            for number in range(count)
        ),
    ]


def steps(session: Session, rows: list[tuple[float, float]]) -> None:
    """PPO steps of (KL, beta), from step 0 on."""
    session.tuned.metrics = [
        {"step": step, "kl_to_reference": kl, "beta": beta, "reward_mean": 0.1 * step}
        for step, (kl, beta) in enumerate(rows)
    ]


def measured(session: Session, verdict: str = "better", p: float = 0.01, who: str = YOU) -> None:
    rank(session, challenges.OWN_VOTES, who=who)
    chance = {"p": p, "decided": 30, "witnesses": 20, "fits": 100, "support": 1.0}
    session.tuned.evaluation = {"verdict": verdict, "chance": chance, "win_rate": 0.8}


def golds(peak: float, end: float, proxy: float) -> list[dict]:
    """Points of a run whose gold goes from 0 over ``peak`` to ``end``."""
    return [
        {
            "step": 2 * n,
            "kl": float(n),
            "proxy": proxy * n,
            "gold": gold,
            "gold_a": [gold + 0.01 * math.sin(row) for row in range(20)],
            "gold_b": [gold + 0.01 * math.cos(row) for row in range(20)],
            "proxies": [proxy * n + 0.01 * row for row in range(20)],
        }
        for n, gold in enumerate((0.0, peak, end))
    ]


def lab(session: Session, name: str, seed: int = 7, **found) -> None:
    """A run that is over, with a setting that the learner chose."""
    cls = challenges.SETTINGS.get(name)
    found |= {"settings": {**asdict(cls()), "seed": seed}} if cls else {}
    found |= {"runs": list(cls.TRAINED)} if name == "algorithms" else {}
    session.labs = {**session.labs, name: {"status": "done", **found}}


def board(session: Session, score: float, by: str = "you") -> None:
    """One nonsense text with this score beside an honest one of +1."""
    entry = {"prompt": "An opossum is", "text": "zxq", "by": by, "why": "no words"}
    entry |= {"score": score, "nonsense": True}
    best = {**entry, "text": FACT, "by": "the model", "score": 1.0, "nonsense": False}
    hacking_board.keep_about_head(
        session, boards={"An opossum is": {"entries": [entry], "best": best}}
    )


def instructions(session: Session, changed: int) -> None:
    pairs = [{"prompt": "p", "texts": [FACT, MEME], "reference": 0}] * instructions_matter.PAIRS
    made = instructions_matter.begin(session, briefs.PRESETS["meme-bot"], pairs, seed=1)
    rows = {
        which: [
            {"pair": n, "text": int(which == "vague" and n < changed), "left": 0, "seconds": 1.0}
            for n in range(len(pairs))
        ]
        for which in ("vague", "precise")
    }
    instructions_matter.keep(session, {**made, "answers": rows})


def raced(session: Session, right: int, seconds: float) -> None:
    """12 relaxed answers of 3 seconds, 9 of them right, and 12 against the clock."""
    run = speed_accuracy.begin(session, YOU, seed=1)
    rows = [
        {"block": block, "choice": "a", "seconds": pace, "right": n < count}
        for block, pace, count in (("relaxed", 3.0, 9), ("clock", seconds, right))
        for n in range(12)
    ]
    session.labs = {**session.labs, "speed_accuracy": [{**run, "answers": rows, "stage": "done"}]}


def sentence(session: Session, own: bool) -> None:
    row = {"prompt": "An opossum is", "text": FACT, "scores": [1.2, -1.1]}
    lab(session, "context_flip", sentences=[row], **{"own_done": True} if own else {})


def game(session: Session, low: float, seed: int = 7) -> None:
    end = {"step": 24, "changes": {"repeats": [0.3, low, 0.5]}}
    lab(session, "rule_or_reward", seed, points={"rule": [end]})


def ends(session: Session, grpo: float, seed: int = 7, wave: float = 0.01) -> None:
    """PPO at 0.5 and GRPO, each prompt ``wave`` off its mean, the other way round."""

    def run(gold: float, way: int) -> list[dict]:
        golds = [gold + way * wave * (-1) ** prompt for prompt in range(20)]
        return [{"step": 16, "gold": gold, "gold_a": golds, "gold_b": golds}]

    lab(session, "algorithms", seed, points={"ppo": run(0.5, 1), "grpo": run(grpo, -1)})


def climbs(session: Session, reward: float, seed: int = 7) -> None:
    run = golds(0.1, 0.1, reward)
    lab(
        session,
        "noise",
        seed,
        points={"votes": run, "noise": run, "turned": golds(0.0, 0.0, -reward)},
    )


def heldout(session: Session, low: float) -> None:
    rank(session, 3)
    session.learned.summary = {"heldout_interval": [low, 0.9]}


def imported(session: Session) -> None:
    session.judged.imported = [
        Pair("p", "a", "b", "a", annotator="Ada"),
        Pair("p", "b", "a", "b", annotator="Bo"),
    ]


def second_round(session: Session, done: int) -> None:
    session.history.rounds = [{"round": 1}]
    steps(session, [(0.0, 0.1)] * (done + 1))


def ten_by(session: Session, who: str) -> None:
    rank(session, challenges.OWN_VOTES, who=who)


def votes(session: Session, count: int) -> None:
    row = {"prompt": "p", "choice": "after", "round": 1, "step": 1}
    session.judged.votes = [row] * count


def asks(session: Session, answered: bool) -> None:
    session.asked.user_prompts = ["A cat is"]
    row = {"id": "s1", "prompt": "A cat is", "texts": [FACT], "asked": answered}
    session.asked.candidate_sets = [row]


def twice(session: Session, second: int) -> None:
    rank(session, same=True)
    rank(session, best=second, same=True)


def opposite(session: Session, second: int) -> None:
    rank(session)
    rank(session, best=second, who="Ada")


STATES: dict[str, tuple[Callable, Callable]] = {  # name -> (does it, a near miss)
    "own_prompt": (
        lambda s: asks(s, answered=True),
        lambda s: asks(s, answered=False),  # as a link brings one along
    ),
    "own_votes": (lambda s: ten_by(s, YOU), lambda s: ten_by(s, SCRIPTED)),
    "inconsistent": (lambda s: twice(s, 1), lambda s: twice(s, 0)),
    "penalty": (
        lambda s: steps(s, [(0.0, 0.1), (1.5, 0.1), (0.9, 0.5)]),
        lambda s: steps(s, [(0.0, 0.1), (1.5, 0.1), (0.9, 0.1)]),  # fell by itself
    ),
    "broken_language": (
        lambda s: steps(s, [(0.0, 0.05), (4.0, 0.0), (12.0, 0.0)]),
        lambda s: steps(s, [(0.0, 0.0), (4.0, 0.05), (12.0, 0.0)]),
    ),
    "believed": (measured, lambda s: measured(s, p=0.3)),
    "blind": (
        lambda s: votes(s, challenges.BLIND_VOTES),
        lambda s: votes(s, challenges.BLIND_VOTES - 1),
    ),
    "again": (lambda s: second_round(s, 1), lambda s: second_round(s, 0)),
    "noise": (lambda s: climbs(s, 0.5), lambda s: climbs(s, 0.0)),
    "goodhart": (
        lambda s: lab(s, "goodhart", points={"free": golds(0.9, 0.2, 1.0)}),
        lambda s: lab(s, "goodhart", points={"free": golds(0.9, 0.8, 1.0)}),
    ),
    "rule_gamed": (lambda s: game(s, 0.1), lambda s: game(s, -0.1)),
    "beats_ppo": (lambda s: ends(s, 0.6), lambda s: ends(s, 0.6, wave=0.5)),  # higher, by luck
    "flipped": (lambda s: sentence(s, True), lambda s: sentence(s, False)),
    "own_taste": (
        lambda s: hacking_board.keep_about_head(s, best_own=1.1),
        lambda s: hacking_board.keep_about_head(s, best_own=0.9),
    ),
    "trusted": (lambda s: heldout(s, 0.55), lambda s: heldout(s, 0.45)),
    "casting_vote": (
        lambda s: hacking_board.keep_about_head(s, casting_vote=0),
        lambda s: hacking_board.keep_about_head(s, boards={}),
    ),
    "overrated": (lambda s: board(s, 1.4), lambda s: board(s, 0.6)),
    "wording": (lambda s: instructions(s, 3), lambda s: instructions(s, 2)),
    "fast_and_right": (lambda s: raced(s, 9, 1.5), lambda s: raced(s, 8, 1.5)),
    "disagree": (lambda s: opposite(s, 1), lambda s: opposite(s, 0)),
}


def test_every_challenge_is_tested_and_says_where_it_is_done():
    assert set(STATES) == set(BY_NAME) and 15 <= len(BY_NAME) == len(challenges.CHALLENGES) <= 20
    for one in challenges.CHALLENGES:
        assert one.title and one.task.endswith((".", ")")) and len(one.task.split()) <= 20
    for entry in LABS:
        assert len(challenges.of_page(entry.page)) == 1, entry.page


def test_a_fresh_session_has_done_nothing():
    session = fresh()
    assert not challenges.take_note(session) and session.labs == {}
    assert not any(challenges.shows(one, session) for one in challenges.CHALLENGES)
    assert not challenges.loop_done(session)


@pytest.mark.parametrize("name", STATES)
def test_a_challenge_knows_what_does_it_from_a_near_miss(name):
    does, misses = STATES[name]
    session = fresh()
    misses(session)
    assert not BY_NAME[name].done(session)
    session = fresh()
    does(session)
    assert BY_NAME[name].done(session)
    assert name in {one.name for one in challenges.take_note(session)}


@pytest.mark.parametrize(
    "name, pressed",
    {
        "goodhart": lambda s: lab(s, "goodhart", seed=0, points={"free": golds(0.9, 0.2, 1.0)}),
        "noise": lambda s: climbs(s, 0.5, seed=1),
        "rule_gamed": lambda s: game(s, 0.1, seed=0),
        "beats_ppo": lambda s: ends(s, 0.6, seed=0),
        "believed": lambda s: measured(s, who=SCRIPTED),
        "overrated": lambda s: board(s, 1.4, by=f"{hacking_board.SEARCH}word soup"),
    }.items(),
)
def test_no_press_on_one_button_does_a_challenge(name, pressed):
    session = fresh()
    pressed(session)
    assert not BY_NAME[name].done(session)


def test_two_peoples_files_may_disagree_too():
    session = fresh()
    imported(session)
    assert not BY_NAME["disagree"].done(session), "both prefer the text a"
    other = Pair("p", "b", "a", "a", annotator="Bo")
    session.judged.imported = [session.judged.imported[0], other]
    assert BY_NAME["disagree"].done(session)


def test_a_run_that_goes_on_shows_nothing_yet():
    session = fresh()
    lab(session, "goodhart", points={"free": golds(0.9, 0.2, 1.0)}, status="running")
    assert not BY_NAME["goodhart"].done(session)


def test_a_record_that_is_not_whole_shows_nothing_and_breaks_nothing():
    session = fresh()
    session.labs = {one.found: {"points": {"free": [{}, {}]}} for one in LABS if one.found}
    session.labs |= {ABOUT_HEAD: {"boards": {"p": {"best": 1, "entries": 2}}}}
    session.labs |= {"speed_accuracy": [{}], "challenges": {"not": "a list"}}
    session.tuned.metrics = [{"step": 1}, {"step": 2}]
    assert challenges.take_note(session) == []


def test_a_tick_outlives_what_earned_it_a_reload_and_a_restart(tmp_path):
    session = fresh()
    session.directory, session.store = tmp_path / "run", saving.Folder()
    rank(session, 2)
    opposite(session, 1)
    assert [one.name for one in challenges.take_note(session)] == ["disagree"]
    session.judged.rankings = []
    assert challenges.take_note(session) == [] and challenges.earned(session) == {"disagree"}
    assert challenges.earned(saving.load(session.directory)) == {"disagree"}


def test_starting_over_takes_every_tick_away(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    session = registry.create()
    rank(session)
    opposite(session, 1)
    challenges.take_note(session)
    registry.delete(session.id)
    assert registry.get(session.id) is None and challenges.earned(registry.create()) == set()


def test_the_loop_was_done_once_when_it_was_measured():
    session = fresh()
    steps(session, [(0.0, 0.1), (1.0, 0.1)])
    session.learned.head = "a" * 64
    assert not challenges.loop_done(session)
    measured(session)
    assert challenges.loop_done(session)


def test_the_reward_lab_keeps_what_two_challenges_look_for():
    """Over the real engine: the jobs themselves, not made-up findings."""
    session, prompt = fresh(), "An opossum is"
    session.settings = {"reward_model": {"reference_samples": 64}}
    session.judged.imported = [
        Pair(prompt, FACT, MEME, "a"),
        Pair("A cat is", " a small mammal.", " a mood.", "a"),
    ]
    for text in (FACT, " a small animal with a long tail that eats fruit and insects."):
        (score,) = (
            row
            for row in reward_lab.explain(session, prompt, text)
            if not isinstance(row, Progress) and row["kind"] == "score"
        )
        kept = hacking_board.about_head(session).get("best_own")
        assert kept == (score["score"] if text != FACT and score["score"] > 0 else None)
    for change in ("flip", "withhold"):
        *_, found = reward_lab.flip(session, 0, change, watch=True)
        kept = hacking_board.about_head(session).get("casting_vote")
        assert kept == (0 if change == "withhold" and found["decides"] else None)
