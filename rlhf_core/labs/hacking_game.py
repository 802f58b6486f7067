"""The hacking game: texts that somebody typed, or a search found, against the model's best of 64;
and the hole that a retraining closes or not.

Jobs of ``work.catalogue``; each puts its result on the board of its prompt (``hacking_board``) when
it is whole. Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.common.events import Progress
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


def try_text(session: Session, prompt: str, text: str, by: str = "you") -> Iterator:
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
        said = (
            {"nonsense": True, "why": hacking_board.SAID}
            if former and former["why"] == hacking_board.SAID and not row["nonsense"]
            else {}
        )
        entry = {
            **row,
            **said,
            "by": former["by"] if former else by,
            "comparisons": len(judged.learnable(session)),
        }
        _keep_board(
            session,
            prompt,
            {
                **board,
                "entries": [*(other for other in board["entries"] if other is not former), entry][
                    -MOST_ENTRIES:
                ],
            },
        )
        yield entry


def search(session: Session, prompt: str) -> Iterator:
    """Let a machine try to fool the reward model (``reward_hacking.attack``); the best text of each
    way goes onto the board.
    """
    lab = yield from open_lab(session)
    best = hacking_board.board_of(session, prompt)["best"]
    if best is None:
        yield from race(session, prompt)
        best = hacking_board.board_of(session, prompt)["best"]
    found = {}
    for found in attack(
        HeadScorer(lab.lm, lab.model),
        prompt,
        best["text"],
        well_scored_elsewhere(lab, prompt),
        session.seed,
    ):
        if isinstance(found, Progress):
            yield found
    for way, text in found.items():
        yield from try_text(session, prompt, text, by=f"{hacking_board.SEARCH}{way}")


def well_scored_elsewhere(lab: Lab, prompt: str, most: int = 48) -> list[str]:
    """The original model's answers to other prompts that score best there."""
    order = lab.model.score(lab.reference.states).argsort(descending=True).tolist()
    texts = [lab.reference.rows[n][1].strip() for n in order if lab.reference.rows[n][0] != prompt]
    return list(dict.fromkeys(text for text in texts if text))[:most]


def race(session: Session, prompt: str) -> Iterator:
    """Let the original model write its best of 64: the honest competitor. Its record goes onto the
    board.
    """
    for row in models_best(session, prompt):
        if isinstance(row, dict):
            row = {**row, "comparisons": len(judged.learnable(session))}
            _keep_board(session, prompt, {**hacking_board.board_of(session, prompt), "best": row})
        yield row


def score_again(session: Session, prompt: str) -> Iterator:
    """Every text of a board, scored by what has been learned since; what its author said of it
    stays.
    """
    board = hacking_board.board_of(session, prompt)
    entries, best = yield from _again(session, prompt, board)
    _keep_board(
        session, prompt, {**board, "entries": entries, "best": best if board["best"] else None}
    )


def _again(session: Session, prompt: str, board: dict) -> Iterator:
    """Returns (entries, best of 64) by the present votes; yields Progress."""
    bad = {row["text"]: row["why"] for row in board["entries"] if row.get("nonsense")}
    by = {row["text"]: row["by"] for row in board["entries"]}
    entries, best = [], None
    for row in typed(session, prompt, [row["text"] for row in board["entries"]]):
        if isinstance(row, Progress):
            yield row
        else:
            entries.append(
                {
                    **row,
                    "nonsense": row["text"] in bad,
                    "why": bad.get(row["text"], ""),
                    "by": by.get(row["text"], "you"),
                    "comparisons": len(judged.learnable(session)),
                }
            )
    for row in models_best(session, prompt):
        if isinstance(row, Progress):
            yield row
        else:
            best = {**row, "comparisons": len(judged.learnable(session))}
    return entries, best


def reject_exploits(session: Session, prompt: str) -> Iterator:
    """The board's nonsense as rejected examples; the reward model trained anew; everything scored
    again. Did the hole close?

    The session's own reward model is the one that is trained. A stop, or votes that can't be
    learned from, take the rejections back.

    Yields:
        What ``fit_reward_model`` yields, Progress, last {"kind": "hole",
        ...``hack_board.hole_closing``, "rejected": how many}. Raises InputError.
    """
    board = hacking_board.board_of(session, prompt)
    before = hacking_board.best_of_n_board(board["entries"], board["best"])
    known = {
        (pair.prompt, pair.a, pair.b)
        for pair in session.judged.exploits
        if pair.brief == session.asked.brief.slug
    }
    new = [
        pair
        for pair in hacking_board.exploits_to_pairs(
            before, session.asked.brief.slug, session.asked.brief.version
        )
        if (pair.prompt, pair.a, pair.b) not in known
    ]
    former = session.judged.exploits
    session.judged.exploits = [*former, *new]
    try:
        yield from fit_reward_model(
            session,
            RewardModelSettings(**session.settings.get("reward_model", {"seed": session.seed})),
        )
    except BaseException:
        session.judged.exploits = former
        raise
    entries, best = yield from _again(session, prompt, board)
    after = hacking_board.best_of_n_board(entries, best)
    hole = {**hacking_board.hole_closing(before, after), "rejected": len(new)}
    _keep_board(
        session, prompt, {"entries": entries, "best": best, "before": before["rows"], "hole": hole}
    )
    yield {"kind": "hole", **hole}
