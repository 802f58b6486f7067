"""The hacking game: texts that somebody typed, or a search found, against the model's best of 64;
and the hole that a retraining closes or not.

Jobs of ``work.catalogue``; each puts its result on the board of its prompt (``hacking_board``)
when it is whole. Imports torch.
"""

from __future__ import annotations

from rlhf_core.common.events import Progress, Record, Recording, Reporting, last
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.labs import hacking_board
from rlhf_core.labs.hacking import attack
from rlhf_core.labs.hacking_board import keep_about_head
from rlhf_core.labs.reward_lab import Lab, models_best, open_lab, typed
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.rewards.kinds import HeadScorer
from rlhf_core.session import judged
from rlhf_core.session.state import Session

MOST_ENTRIES = 50  # of one prompt's board; the oldest leave first


def _keep_board(session: Session, prompt: str, board: dict) -> None:
    boards = hacking_board.about_head(session).get("boards", {})
    keep_about_head(session, boards={**boards, prompt: board})


def try_text(session: Session, prompt: str, text: str, by: str = "you") -> Recording[None]:
    """Score what somebody typed (or a search found) and put it on the board of its prompt. One
    record, the entry.
    """
    for row in typed(session, prompt, [text]):
        if isinstance(row, Progress):
            yield row
            continue
        board, former = hacking_board.board_of(session, prompt), None
        for other in board["entries"]:
            former = other if other["text"] == row["text"] else former
        entry = {**row, "by": by, "comparisons": len(judged.learnable(session))}
        if former:
            entry["by"] = former["by"]
        if former and former["why"] == hacking_board.SAID and not row["nonsense"]:
            entry |= {"nonsense": True, "why": hacking_board.SAID}
        others = [other for other in board["entries"] if other is not former]
        entries = [*others, entry][-MOST_ENTRIES:]
        _keep_board(session, prompt, {**board, "entries": entries})
        yield entry


def search(session: Session, prompt: str) -> Recording[None]:
    """Let a machine try to fool the reward model (``hacking.attack``); the best text of each way
    goes onto the board.
    """
    lab = yield from open_lab(session)
    best = hacking_board.board_of(session, prompt)["best"]
    if best is None:
        yield from race(session, prompt)
        best = hacking_board.board_of(session, prompt)["best"]
    scorer, elsewhere = HeadScorer(lab.lm, lab.model), well_scored_elsewhere(lab, prompt)
    found = yield from last(attack(scorer, prompt, best["text"], elsewhere, session.seed))
    for way, text in found.items():
        yield from try_text(session, prompt, text, by=f"{hacking_board.SEARCH}{way}")


def well_scored_elsewhere(lab: Lab, prompt: str, most: int = 48) -> list[str]:
    """The original model's answers to other prompts that score best there."""
    order = lab.model.score(lab.reference.states).argsort(descending=True).tolist()
    texts = [lab.reference.rows[n][1].strip() for n in order if lab.reference.rows[n][0] != prompt]
    return list(dict.fromkeys(text for text in texts if text))[:most]


def race(session: Session, prompt: str) -> Recording[None]:
    """Let the original model write its best of 64: the honest competitor. Its record goes onto the
    board.
    """
    for row in models_best(session, prompt):
        if isinstance(row, dict):
            row = {**row, "comparisons": len(judged.learnable(session))}
            _keep_board(session, prompt, {**hacking_board.board_of(session, prompt), "best": row})
        yield row


def score_again(session: Session, prompt: str) -> Recording[None]:
    """Every text of a board, scored by what has been learned since; what its author said of it
    stays.
    """
    board = hacking_board.board_of(session, prompt)
    entries, best = yield from _again(session, prompt, board)
    best = best if board["best"] else None
    _keep_board(session, prompt, {**board, "entries": entries, "best": best})


def _again(
    session: Session, prompt: str, board: dict
) -> Reporting[tuple[list[Record], Record | None]]:
    """Returns (entries, best of 64) by the present votes; yields Progress."""
    former = {row["text"]: row for row in board["entries"]}
    count, best = len(judged.learnable(session)), None
    entries: list[Record] = []
    for row in typed(session, prompt, [row["text"] for row in board["entries"]]):
        if isinstance(row, Progress):
            yield row
            continue
        said = former.get(row["text"], {"by": "you"})
        bad = bool(said.get("nonsense"))
        told = {"nonsense": bad, "why": said["why"] if bad else "", "by": said["by"]}
        entries.append({**row, **told, "comparisons": count})
    for row in models_best(session, prompt):
        if isinstance(row, Progress):
            yield row
        else:
            best = {**row, "comparisons": count}
    return entries, best


def reject_exploits(session: Session, prompt: str) -> Recording[None]:
    """The board's nonsense as rejected examples; the reward model trained anew; everything scored
    again. Did the hole close?

    The session's own reward model is the one that is trained. A stop, or votes that can't be
    learned from, take the rejections back.

    Yields:
        What ``fit_reward_model`` yields, Progress, last {"kind": "hole",
        ...``hacking_board.hole_closing``, "rejected": how many}. Raises InputError.
    """
    board, brief = hacking_board.board_of(session, prompt), session.asked.brief
    before = hacking_board.best_of_n_board(board["entries"], board["best"])
    former = session.judged.exploits
    known = {(pair.prompt, pair.a, pair.b) for pair in former if pair.brief == brief.slug}
    rejected = hacking_board.exploits_to_pairs(before, brief.slug, brief.version)
    new = [pair for pair in rejected if (pair.prompt, pair.a, pair.b) not in known]
    with session.change():
        session.judged.exploits = [*former, *new]
    settings = session.settings.get("reward_model", {"seed": session.seed})
    try:
        yield from fit_reward_model(session, RewardModelSettings(**settings))
    except BaseException:
        with session.change():
            session.judged.exploits = former
        raise
    entries, best = yield from _again(session, prompt, board)
    after = hacking_board.best_of_n_board(entries, best)
    hole = {**hacking_board.hole_closing(before, after), "rejected": len(new)}
    board = {"entries": entries, "best": best, "before": before["rows"], "hole": hole}
    _keep_board(session, prompt, board)
    yield {"kind": "hole", **hole}
