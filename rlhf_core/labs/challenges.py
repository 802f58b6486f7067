"""Challenges over the whole app: each says what to do, where, and how the session shows it done.

A check reads the session's plain state and nothing else. What was done once stays done: its name is
kept in ``session.labs["challenges"]``, saved with the session and gone when it is started over.
Imports no torch: a page asks at each draw.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import NamedTuple

from rlhf_core.evaluation import beside_noise, conclusion, overoptimisation, told_apart
from rlhf_core.judging import labeller_mirror
from rlhf_core.labs import hacking_board, instructions_matter, speed_accuracy
from rlhf_core.labs.registry import LABS
from rlhf_core.session import judged, rounds
from rlhf_core.session.state import Session

KEY = "challenges"  # in ``Session.labs``: the names of those that were done
FAR = 10.0  # nats an answer from which on a policy is called a different model
PEAK, BACK = 1.0, 2 / 3  # nats that KL must have reached, and the share that it must fall to
OWN_VOTES, BLIND_VOTES, CHANGED = 10, 6, 3
SETTINGS = {lab.found: lab.settings for lab in LABS if lab.found and lab.settings}


class Challenge(NamedTuple):
    """One challenge.

    Attributes:
        name: what the session keeps of it.
        title, task: as a page shows them; ``task`` is one sentence.
        page: the name of the script in ``pages`` where it is done.
        done: whether the session as it stands shows it.
    """

    name: str
    title: str
    task: str
    page: str
    done: Callable[[Session], bool]


# --- the steps ------------------------------------------------------------------------------------


def _own_prompt(session: Session) -> bool:
    """And the model answered it: one that a link brought along is not asked yet."""
    rows = [row for row in session.asked.candidate_sets if row.get("asked")]
    return any(row["prompt"] in session.asked.user_prompts for row in rows)


def _own_votes(session: Session) -> bool:
    """By people, not by the rule, and with a winner."""
    theirs = [r for r in session.judged.rankings if not judged.is_scripted(r.annotator)]
    return sum(len(ranking.groups) > 1 for ranking in theirs) >= OWN_VOTES


def _inconsistent(session: Session) -> bool:
    pairs = [p for p in judged.pairs(session) if not judged.is_scripted(p.annotator)]
    return any(not row["same"] for row in labeller_mirror.repeats(pairs))


def _penalty_wins(session: Session) -> bool:
    """KL fell by a third from a peak of at least a nat, and beta is higher than it was there."""
    rows = session.tuned.metrics
    for place, peak in enumerate(rows):
        height = peak["kl_to_reference"]
        for row in rows[place + 1 :] if height >= PEAK else ():
            if row["beta"] > peak["beta"] and row["kl_to_reference"] <= BACK * height:
                return True
    return False


def _language_broken(session: Session) -> bool:
    """Far from the original, or no finite numbers, without ever having paid for drift."""
    rows = [row for row in session.tuned.metrics if row["step"]]
    free = [row["beta"] == 0 for row in rows]
    far = any(row["kl_to_reference"] >= FAR for row in rows)
    return bool(rows) and all(free) and (far or session.tuned.broke is not None)


def _believed(session: Session) -> bool:
    """With votes of people's own: the scripted rater's alone come by one press."""
    if not _own_votes(session):
        return False
    found = rounds.with_votes(session)
    chance = found.get("chance")
    believed = conclusion.known(chance) and not conclusion.by_chance(chance)
    return found.get("verdict") == conclusion.BETTER and believed


def _blind(session: Session) -> bool:
    return len(session.judged.votes) >= BLIND_VOTES


def _again(session: Session) -> bool:
    return bool(session.history.rounds) and session.tuned.steps_done > 0


# --- the labs -------------------------------------------------------------------------------------


def _ended(session: Session, lab: str) -> dict:
    """What a lab found, once its run is over."""
    found = session.labs.get(lab) or {}
    return found if found.get("status") != "running" else {}


def _chosen(session: Session, lab: str) -> dict:
    """The same, of a run whose settings the learner chose: as they come, a press does it."""
    found, cls = _ended(session, lab), SETTINGS[lab]
    trained = found.get("runs", []) != list(getattr(cls, "TRAINED", []))
    return found if found.get("settings", asdict(cls())) != asdict(cls()) or trained else {}


@lru_cache(maxsize=64)
def _coins_climbed(points: str) -> bool:
    three = beside_noise.verdict(json.loads(points))
    return three is not None and any(three[run]["reward"]["way"] > 0 for run in ("noise", "turned"))


def _noise(session: Session) -> bool:
    return _coins_climbed(json.dumps(_chosen(session, "noise").get("points", {})))


@lru_cache(maxsize=64)
def _gold_fell(points: str) -> bool:
    fall = overoptimisation.fall_of(json.loads(points)) or {"proxy_rise": 0.0}
    rose = fall["proxy_rise"] > 0
    return rose and fall["fall"] >= overoptimisation.FALL and fall["low"] > 0


def _goodhart(session: Session) -> bool:
    return _gold_fell(json.dumps(_chosen(session, "goodhart").get("points", {}).get("free", [])))


def _rule_gamed(session: Session) -> bool:
    rows = _chosen(session, "rule_or_reward").get("points", {}).get("rule")
    low = rows[-1]["changes"]["repeats"][1] if rows else None
    return low is not None and low > 0


@lru_cache(maxsize=64)
def _ppo_beaten(ends: str) -> bool:
    """By the rule of the page's own conclusion."""
    found = told_apart.compared(*json.loads(ends))
    return found is not None and any(lower == "ppo" for _, lower in found.apart)


def _beats_ppo(session: Session) -> bool:
    found = _chosen(session, "algorithms")
    ends = found.get("points", {}), (found.get("best_of_n") or [{}])[-1]
    return _ppo_beaten(json.dumps(ends))


def _flipped(session: Session) -> bool:
    """By a sentence of the learner's: the lab finds such ones by itself."""
    return _ended(session, "context_flip").get("own_done") is True


def _written_to_taste(session: Session) -> bool:
    return (hacking_board.about_head(session).get("best_own") or 0.0) >= 1


def _trusted(session: Session) -> bool:
    """By the lower end of its held-out accuracy's interval, and by people's votes."""
    interval = session.learned.summary.get("heldout_interval") or [0.0, 1.0]
    return interval[0] > 0.5 and not judged.scripted(session)


def _casting_vote(session: Session) -> bool:
    return hacking_board.about_head(session).get("casting_vote") is not None


def _broken(session: Session) -> bool:
    """By a text that somebody typed: a search finds some at one press."""
    boards = hacking_board.about_head(session).get("boards", {}).values()
    kept = (
        hacking_board.best_of_n_board(b["entries"], b["best"], 999) for b in boards if b["best"]
    )
    rows = (row for board in kept for row in board["rows"] if row["exploit"])
    return any(not row["by"].startswith(hacking_board.SEARCH) for row in rows)


def _wording_moved(session: Session) -> bool:
    lab = instructions_matter.lab_of(session)
    if not lab or instructions_matter.now(lab) is not None:
        return False
    return len(instructions_matter.results(lab)["changed"]) >= CHANGED


def _fast_and_right(session: Session) -> bool:
    for run in speed_accuracy.runs_of(session):
        relaxed, clock = (speed_accuracy.block_of(run, name) for name in speed_accuracy.BLOCKS)
        whole = run["stage"] == "done" and clock["count"] == relaxed["count"] > 0
        if whole and clock["seconds"] < relaxed["seconds"] and clock["right"] >= relaxed["right"]:
            return True
    return False


def _disagree(session: Session) -> bool:
    said: dict[tuple, set] = {}
    for pair in judged.pairs(session):
        if pair.choice in ("a", "b") and pair.a != pair.b:
            winner = pair.a if pair.choice == "a" else pair.b
            key = pair.prompt, frozenset((pair.a, pair.b))
            said.setdefault(key, set()).add((pair.annotator, winner))
    return any(
        one != other and first != second
        for votes in said.values()
        for one, first in votes
        for other, second in votes
    )


CHALLENGES = (
    Challenge(
        "own_prompt",
        "Ask it something",
        "Write a prompt of your own and let the model answer.",
        "prompt",
        _own_prompt,
    ),
    Challenge(
        "own_votes",
        "Ten votes of your own",
        f"Judge {OWN_VOTES} times yourself, with a winner each time.",
        "rank",
        _own_votes,
    ),
    Challenge(
        "inconsistent",
        "Catch yourself",
        "Answer the same two texts differently the second time they come up.",
        "rank",
        _inconsistent,
    ),
    Challenge(
        "penalty",
        "Make the KL penalty win",
        f"Let KL pass {PEAK:g} nat, then raise β and train on until KL has fallen by a third.",
        "ppo",
        _penalty_wins,
    ),
    Challenge(
        "broken_language",
        "Break the language",
        f"With β at 0 from the first step on, train until KL passes {FAR:g} nats.",
        "ppo",
        _language_broken,
    ),
    Challenge(
        "believed",
        "Better, and it was the votes",
        f"With {OWN_VOTES} votes of your own, get the verdict “better” that coins hardly match.",
        "before_after",
        _believed,
    ),
    Challenge(
        "blind",
        "Taste it blind",
        f"Vote {BLIND_VOTES} times without knowing which model wrote what.",
        "before_after",
        _blind,
    ),
    Challenge(
        "again",
        "Rinse and repeat",
        "Start a second round from your tuned model and train it a step.",
        "rounds",
        _again,
    ),
    Challenge(
        "noise",
        "Coins can climb",
        "Change the experiment, and have a run on coin flips raise its own reward beyond doubt.",
        "noise",
        _noise,
    ),
    Challenge(
        "goodhart",
        "Catch Goodhart in the act",
        "Change the experiment, and have the score rise while gold detectably falls.",
        "goodhart",
        _goodhart,
    ),
    Challenge(
        "rule_gamed",
        "Game the rule",
        "Change the experiment, and have the rule's climb detectably repeat its answers.",
        "rule_or_reward",
        _rule_gamed,
    ),
    Challenge(
        "beats_ppo",
        "Beat PPO",
        "Change the experiment so that another training ends detectably above PPO in gold.",
        "algorithms",
        _beats_ppo,
    ),
    Challenge(
        "flipped",
        "Plus one and minus one",
        "Run the lab, then write a sentence of your own that does what its form asks.",
        "context_flip",
        _flipped,
    ),
    Challenge(
        "own_taste",
        "Write to its taste",
        "Write an answer that you never judged and that scores +1 or more.",
        "what_it_learned",
        _written_to_taste,
    ),
    Challenge(
        "trusted",
        "A reward model to trust",
        "From people's votes, train one whose held-out interval lies above 50%.",
        "trust_it",
        _trusted,
    ),
    Challenge(
        "casting_vote",
        "The casting vote",
        "Find a vote without which another output would come first (few votes make it easy).",
        "flip_a_vote",
        _casting_vote,
    ),
    Challenge(
        "overrated",
        "Break the reward model",
        "Type a text that nobody wants and that it rates above every honest one.",
        "hack_reward_model",
        _broken,
    ),
    Challenge(
        "wording",
        "Let the wording move you",
        f"Judge at least {CHANGED} of the pairs differently under the other brief.",
        "instructions_matter",
        _wording_moved,
    ),
    Challenge(
        "fast_and_right",
        "Fast and right",
        "Against the clock, be faster than at ease and right at least as often.",
        "speed_accuracy",
        _fast_and_right,
    ),
    Challenge(
        "disagree",
        "Disagree",
        "Make two people prefer opposite answers of the same pair.",
        "whose_preferences",
        _disagree,
    ),
)


def of_page(page: str) -> list[Challenge]:
    """The challenges that are done on a page."""
    return [one for one in CHALLENGES if one.page == page]


def earned(session: Session) -> set[str]:
    """The names of those that were ever done here."""
    kept = session.labs.get(KEY)
    return set(kept) if isinstance(kept, list) else set()


def shows(challenge: Challenge, session: Session) -> bool:
    """Whether the session as it stands shows it done; a record that is not whole shows nothing."""
    try:
        return challenge.done(session)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return False


def take_note(session: Session) -> list[Challenge]:
    """Keep what is newly done, and return it."""
    open_ones = [one for one in CHALLENGES if one.name not in earned(session)]
    new = [one for one in open_ones if shows(one, session)]
    if new:
        with session.change():
            names = earned(session) | {one.name for one in new}
            kept = [one.name for one in CHALLENGES if one.name in names]
            session.labs = {**session.labs, KEY: kept}
    return new


def loop_done(session: Session) -> bool:
    """Was the whole loop gone through once: judged, learned, tuned, compared?"""
    if any(row.get("win_rate") is not None for row in session.history.rounds):
        return True
    part = session.tuned
    return bool(session.learned.head and part.steps_done and part.evaluation)
