"""Rounds of a session: closing one, going back to one, and the futures that going back leaves
behind (branches).

A finished round keeps its model and reward model by name (``weights``), and in its row what was
judged by then, how it was trained and what the verdict was. Going back keeps what came after as a
branch with a name, unfinished round included; returning to a branch makes a branch of the present
in its turn. Comparisons belong to the session, whatever branch it is on. Bounded:
``MOST_BRANCHES``, and ``MOST_BYTES`` on disk (the oldest branch goes first).

Every function changes the session under its lock, and saves it. Imports no torch.
"""

from __future__ import annotations

from rlhf_core.common.errors import InputError
from rlhf_core.evaluation import before_after, conclusion, verdict
from rlhf_core.session import asked, judged, weights
from rlhf_core.session.state import Session, Tuned
from rlhf_core.store import checkpoint_folder

MAX_ROUNDS, MOST_BRANCHES, MOST_BYTES, MAX_NAME = 8, 4, 1_500_000_000, 60
_VERDICT = (
    *("verdict", "permutation_p", "chance", "sentence", "conclusion", "judge", "win_rate"),
    *("interval", "wins", "ties", "losses", "rule", "step", "seed", "full_sentences"),
    *("distinct_2", "mean_words"),
)


# --- what is kept ---------------------------------------------------------------------------------


def kept(session: Session, number: int) -> bool:
    """Whether one can go back to the end of round ``number`` (0: the original model)."""
    if number == 0:
        return True
    rows = session.history.rounds
    ours = number == len(rows) and bool(session.history.start)
    return ours or weights.is_kept(session, rows[number - 1].get("weights", ""))


def tidy(session: Session) -> None:
    """Remove weights that nothing names, and the oldest branches beyond the bounds."""
    history = session.history
    history.branches = history.branches[-MOST_BRANCHES:]
    _stay_within_bounds(session)
    weights.tidy(session)
    if session.directory and not session.deleted:
        runs = {session.tuned.run, *(row["tuned"]["run"] for row in session.shelf.values())}
        checkpoint_folder.clear_others(session.directory / "checkpoints", runs)


def _stay_within_bounds(session: Session) -> None:
    """What was shelved first goes, then the oldest branches; of a large model the oldest rounds
    keep their numbers only.
    """
    history = session.history
    while session.shelf and weights.bytes_kept(session) > MOST_BYTES:
        session.shelf = dict([*session.shelf.items()][1:])
    while history.branches and weights.bytes_kept(session) > MOST_BYTES:
        history.branches = history.branches[1:]
    for i, row in enumerate(history.rounds[:-1]):
        if any(weights.names_of(row)) and weights.bytes_kept(session) > MOST_BYTES:
            bare = {**row, "weights": "", "head": "", "file": ""}
            history.rounds = [*history.rounds[:i], bare, *history.rounds[i + 1 :]]


# --- the next round -------------------------------------------------------------------------------


def summary(session: Session) -> dict:
    """This round in one row: what the timeline shows, and what going back gives back besides the
    weights.
    """
    evaluation, tuned, learned = with_votes(session), session.tuned, session.learned
    last = tuned.metrics[-1] if tuned.metrics else {}
    answers = sum(row["step"] == last.get("step") for row in tuned.samples)
    reward, spread = last.get("reward_mean", 0.0), last.get("reward_std")
    interval = None
    if answers > 1 and isinstance(spread, int | float) and reward is not None:
        half = 1.96 * spread / answers**0.5
        interval = [reward - half, reward + half]
    slug = session.asked.brief.slug
    said = [r for r in session.judged.rankings if r.brief == slug and r.verdict != "skip"]
    return {
        "round": session.history.current_round,
        "comparisons": len(said) + len(session.judged.imported),
        "heldout_accuracy": learned.summary.get("heldout_accuracy"),
        "steps": tuned.steps_done,
        "reward_gain": tuned.reward_gain or 0.0,
        "reward": reward,
        "reward_start": tuned.metrics[0].get("reward_mean") if tuned.metrics else None,
        "reward_interval": interval,
        "kl": last.get("kl_to_reference", 0.0),
        "win_rate": evaluation.get("win_rate"),
        "win_interval": evaluation.get("interval"),
        "pairs": len(evaluation.get("pairs") or []),
        "by_prompt": by_prompt(evaluation),
        "judges": _independent(evaluation, session.asked.brief.wanted),
        "verdict": {k: evaluation[k] for k in _VERDICT if k in evaluation} or None,
        "reward_summary": {k: v for k, v in learned.summary.items() if k != "examples"},
    }


def told(row: dict) -> dict:
    """A round's row with what its reward model says of itself: "learned_from" (comparisons; after
    going back these are fewer than were judged by then), "heldout_interval", "heldout_pairs". Its
    "judges" are those that no reward model taught ([] in a round of an earlier version).
    """
    learned = row.get("reward_summary") or {}
    return {
        **row,
        "learned_from": learned.get("pairs_used", row.get("comparisons", 0)),
        "heldout_interval": learned.get("heldout_interval"),
        "heldout_pairs": learned.get("heldout_pairs"),
        "judges": [one for one in row.get("judges") or [] if one.get("pairs")],
    }


def with_votes(session: Session) -> dict:
    """The round's verdict, with the blind votes that were cast on it as one of the judges."""
    found = session.tuned.evaluation or {}
    votes = judged.votes_here(session)
    if not (found.get("judges") and votes):
        return found
    judges = [*found["judges"], verdict.by_votes(votes, seed=session.seed)]
    chance = found.get("chance")
    words = conclusion.conclusion(judges, found.get("language") or (), chance)
    said = conclusion.outcome(judges, chance)
    return found | {"judges": judges, "conclusion": words, "verdict": said}


def by_prompt(evaluation: dict) -> dict[str, float]:
    """Win rate of each prompt of a verdict by the reward model (a tie is half)."""
    pairs = [
        pair
        for pair in evaluation.get("pairs") or []
        if all(isinstance(pair.get(f"reward_{side}"), int | float) for side in ("before", "after"))
    ]
    return _rates(pairs, before_after.by_reward(pairs))


def _rates(pairs: list[dict], outcomes: list[float]) -> dict[str, float]:
    """Win rate of each prompt: what two rounds are compared by."""
    found: dict[str, list[float]] = {}
    for pair, outcome in zip(pairs, outcomes, strict=True):
        found.setdefault(pair["prompt"], []).append(outcome)
    return {prompt: sum(rates) / len(rates) for prompt, rates in found.items()}


def _independent(evaluation: dict, wanted: str | None) -> list[dict]:
    """What the judges counted that no reward model taught; the rules' with win rates by prompt.

    They judge every round alike; each round's reward model is another one.
    """
    pairs, found = evaluation.get("pairs") or [], []
    rules = {conclusion.GRADED: verdict.by_graded_rule, conclusion.RULE: verdict.by_rule}
    for row in evaluation.get("judges") or []:
        if row["name"] in conclusion.INDEPENDENT:
            kept = {name: row[name] for name in ("name", "win_rate", "interval", "pairs")}
            if wanted and (rule := rules.get(row["name"])):
                kept["by_prompt"] = _rates(pairs, rule(pairs, wanted))
            found.append(kept)
    return sorted(found, key=lambda row: row["name"] != conclusion.GRADED)  # the finest first


def start_next(session: Session) -> int:
    """Close this round; the next one samples from, and trains, the tuned model. Comparisons
    accumulate. Raises InputError.

    The KL reference stays the original model, so that the drift of two rounds can be compared.
    Their rewards cannot: another reward model, with a unit of its own, gives them.
    """
    with session.change():
        history, tuned = session.history, session.tuned
        if not tuned.weights or tuned.steps_done < 1:
            raise InputError(
                "This round has no finished PPO step yet, so there is no tuned model to start from."
            )
        if history.current_round >= MAX_ROUNDS:
            raise InputError(
                f"A session keeps at most {MAX_ROUNDS} rounds. Roll back to an earlier one, or"
                " start over."
            )
        names = {"weights": tuned.weights, "head": session.learned.head}
        for name in names.values():
            weights.put_away(session, name)
        history.rounds = [*history.rounds, summary(session) | names]
        history.start, history.current_round = tuned.weights, history.current_round + 1
        _begin(session)
    return session.history.current_round


def _begin(session: Session) -> None:
    """A round without steps. What another model wrote and nobody judged is of no more use."""
    asked.forget_unjudged(session)
    session.tuned = Tuned()
    tidy(session)


def restart(session: Session) -> None:
    """Forget this round's steps; the reward model and all comparisons stay. Raises InputError."""
    with session.change():
        history = session.history
        if history.rounds and not weights.is_kept(session, history.start):
            raise InputError(
                f"The weights that round {history.current_round} started from are no longer kept"
                " (the server was restarted since). Roll back to round 0."
            )
        session.tuned = Tuned()
        tidy(session)


# --- back, and to the other branches --------------------------------------------------------------


def roll_back(session: Session, number: int, name: str = "") -> str:
    """Go on from the end of round ``number`` (0: the original), with its model and its reward
    model. Comparisons stay. Raises InputError.

    What came after becomes a branch called ``name``; returns its name, "" where nothing was lost by
    going back.
    """
    with session.change():
        history = session.history
        if not 0 <= number <= len(history.rounds):
            raise InputError(f"There is no finished round {number} to roll back to.")
        row = history.rounds[number - 1] if number else {}
        whole = weights.is_whole(session, row.get("weights", ""))
        if number and not whole and not (number == len(history.rounds) and history.start):
            raise InputError(
                f"The weights of round {number} are no longer kept. Roll back to another round, or"
                " to round 0, the original model."
            )
        left = ""
        if len(history.rounds) > number or session.tuned.steps_done:
            left = _keep_branch(session, name, number)
        if whole:
            history.start = row["weights"]
            _use_reward_model(session, row.get("head"), row.get("reward_summary") or {})
        elif not number:
            history.start = ""
        history.rounds, history.current_round = history.rounds[:number], number + 1
        _begin(session)
    return left


def _use_reward_model(session: Session, head: str | None, told: dict) -> None:
    """Go on with a reward model of before, where it is kept."""
    part = session.learned
    if not head or not weights.is_whole(session, head):
        return
    same = told.get("fit") == part.summary.get("fit")
    part.head, part.summary = head, dict(told)
    part.fit_records = part.fit_records if same else []


def _keep_branch(session: Session, name: str, number: int) -> str:
    """Put the present away, from round ``number`` + 1 on."""
    history, tuned = session.history, session.tuned
    steps, own = tuned.steps_done, f"After round {history.current_round - 1}"
    if steps:
        own = f"Round {history.current_round}, {steps} step{'s' if steps > 1 else ''}"
    name = " ".join(str(name).split())[:MAX_NAME] or own
    taken, base, count = {branch["name"] for branch in history.branches}, name, 1
    while name in taken:
        count += 1
        name = f"{base} ({count})"
    names = {"weights": tuned.weights, "head": session.learned.head, "start": history.start}
    for one in names.values():
        weights.put_away(session, one)
    branch = {
        "name": name,
        "left_at": number,
        "rounds": history.rounds,
        "round": history.current_round,
        **names,
        "metrics": tuned.metrics,
        "samples": [row for row in tuned.samples if row["step"] in (0, steps)],
        "evaluation": tuned.evaluation,
        "reward_summary": session.learned.summary,
        "settings": session.settings.get("ppo", {}),
        "log": tuned.log,
        "summary": summary(session),
    }
    history.branches = [*history.branches, branch]
    return name


def return_to(session: Session, name: str) -> str:
    """Go on where branch ``name`` was left; the present becomes a branch itself, whose name is
    returned, or "". Raises InputError.
    """
    with session.change():
        history = session.history
        branch = next((one for one in history.branches if one["name"] == name), None)
        if branch is None:
            raise InputError("That branch is no longer kept.")
        needed = [one for one in (branch["weights"], branch["start"]) if one]
        if not all(weights.is_whole(session, one) for one in needed):
            raise InputError(
                "The weights of that branch are no longer kept, so there is nothing to return to."
            )
        for one in (*needed, branch["head"]):
            weights.hold(session, one)  # whatever is tidied up meanwhile
        rows, others = history.rounds, branch["rounds"]
        left = ""
        if session.tuned.steps_done or rows != others[: len(rows)]:
            left = _keep_branch(session, "", _shared(rows, others))
        history.branches = [one for one in history.branches if one is not branch]
        history.rounds, history.current_round = list(others), branch["round"]
        history.start = branch["start"]
        _use_reward_model(session, branch["head"], branch["reward_summary"])
        session.tuned = Tuned(
            weights=branch["weights"],
            log=list(branch["log"]),
            metrics=list(branch["metrics"]),
            samples=list(branch["samples"]),
            evaluation=branch["evaluation"],
        )
        asked.forget_unjudged(session)
        tidy(session)
        if branch["settings"]:
            session.settings = {**session.settings, "ppo": branch["settings"]}
    return left


def _shared(rounds: list[dict], others: list[dict]) -> int:
    """How many rounds both have, from the first on."""
    count = 0
    for one, other in zip(rounds, others, strict=False):
        if one.get("weights") != other.get("weights"):
            break
        count += 1
    return count


def readable(branches: list) -> list[dict]:
    """The branches of a record that are whole; a page draws nothing from half of one."""
    kinds: dict[str, type] = {name: str for name in ("name", "weights", "head", "start")}
    kinds |= {name: list for name in ("rounds", "metrics", "samples", "log")}
    kinds |= {name: dict for name in ("summary", "reward_summary", "settings")}
    kinds |= {"left_at": int, "round": int}
    return [
        one
        for one in branches
        if isinstance(one, dict)
        and "evaluation" in one
        and all(isinstance(one.get(key), kind) for key, kind in kinds.items())
    ]


def forget_branch(session: Session, name: str) -> None:
    """Delete a branch and what only it needs."""
    with session.change():
        history = session.history
        history.branches = [branch for branch in history.branches if branch["name"] != name]
        tidy(session)
