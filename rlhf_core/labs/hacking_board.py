"""The board of the hacking game: who leads, what is an exploit, exploits as rejected examples, and
whether the hole closed.

Plain data in and out, no torch: pages draw it as it is. The entries are made by ``hacking``. Knows
nothing about reward models.
"""

from __future__ import annotations

import math

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Record
from rlhf_core.common.wording import signed
from rlhf_core.judging.preferences import EXPLOIT, Pair
from rlhf_core.session.state import ABOUT_HEAD, Session

SAID = "you say that nobody should want it"  # why a text is nonsense that no rule calls so
SEARCH = "a search: "  # how the author of a text begins that a machine found


def honest(row: dict) -> bool:
    """Whether a text counts as one that somebody may want: no nonsense, and no machine's find,
    whose facts nobody has looked at.
    """
    return not row.get("nonsense") and not row["by"].startswith(SEARCH)


def best_of_n_board(entries: list[dict], best: dict | None, most: int = 10) -> dict:
    """The board of the session: what people typed beside the model's best, highest first; the same
    text once.

    Args:
        entries: records of ``score_typed``, of one prompt; best: that of ``best_of_model``, or
            None.

    Returns:
        {"rows": entries and the best, each with "place" (from 1) and "exploit": bool (a nonsense
        text above every honest one), "exploits": how many, "sentence"}.
    """
    everything = [*entries, best] if best else entries
    rows = list({(row["text"], row["by"]): row for row in everything}.values())
    rows.sort(key=lambda row: -row["score"])
    ceiling = max((row["score"] for row in rows if honest(row)), default=-math.inf)
    rows = [
        {**row, "place": place, "exploit": bool(row.get("nonsense")) and row["score"] > ceiling}
        for place, row in enumerate(rows, 1)
    ]
    exploits = [row for row in rows if row["exploit"]]
    if exploits:
        above = f", above every honest text ({signed(ceiling)})" if math.isfinite(ceiling) else ""
        sentence = (
            f"You broke it: {exploits[0]['text'].strip()!r} scores"
            f" {signed(exploits[0]['score'])}{above}, and {exploits[0]['why']}. This is a reward"
            " hack."
        )
    elif not rows:
        sentence = "Nothing was typed yet."
    elif best and rows[0]["by"] == best["by"]:
        sentence = f"The model's {best['by']} leads with {signed(best['score'])}. Beat it."
    elif not honest(rows[0]):
        sentence = (
            f"{rows[0]['text'].strip()!r} leads with {signed(rows[0]['score'])}. A machine found"
            " it: if nobody should want it here, say so, and it is an exploit."
        )
    else:
        sentence = (
            f"An honest text leads with {signed(rows[0]['score'])}. Now try one that nobody would"
            " want."
        )
    return {"rows": rows[:most], "exploits": len(exploits), "sentence": sentence}


def with_doubt_taken_off(board: dict, k: float = 1.0) -> dict:
    """Would the conservative score, score - k sigma, have seen through the exploits of a board?

    Returns:
        {"exploits", "left" (those that still beat every honest text), "sentence" ("" where there is
        no exploit, or a score without doubt)}.
    """
    exploits = [row for row in board["rows"] if row["exploit"]]
    good = [row for row in board["rows"] if honest(row)]
    if not exploits or any(row.get("uncertainty") is None for row in [*exploits, *good]):
        return {"exploits": len(exploits), "left": len(exploits), "sentence": ""}
    leader = max(
        good,
        key=lambda row: row["score"] - k * row["uncertainty"],
        default={"score": -math.inf, "uncertainty": 0.0},
    )
    ceiling = leader["score"] - k * leader["uncertainty"]
    left = sum(row["score"] - k * row["uncertainty"] > ceiling for row in exploits)
    if not left:
        mean = sum(row["uncertainty"] for row in exploits) / len(exploits)
        told = (
            f"no exploit would win: its doubt about them is {mean:.2f}, about the honest text that"
            f" then leads {leader['uncertainty']:.2f}"
        )
    elif left == len(exploits):
        told = (
            f"{'they' if left > 1 else 'it'} would still win: the reward model is wrong and does"
            " not know it"
        )
    else:
        told = f"{left} of the {len(exploits)} would still win"
    return {
        "exploits": len(exploits),
        "left": left,
        "sentence": f"With {k:g} × its doubt taken off each score, {told}.",
    }


def exploits_to_pairs(board: dict, brief: str = "", brief_version: int = 1) -> list[Pair]:
    """Each nonsense text of a board as the loser of a comparison with the best honest text for its
    prompt: rejected examples for the next training.

    Raises:
        InputError: there is no nonsense text on the board, or no honest one to prefer.
    """
    good = [row for row in board["rows"] if honest(row)]
    bad = [row for row in board["rows"] if row.get("nonsense")]
    if not bad:
        raise InputError("There is no nonsense text on the board to reject.")
    pairs = []
    for row in bad:
        other = next((one for one in good if one["prompt"] == row["prompt"]), None)
        if other is None:
            raise InputError(
                "There is no honest text on the board to prefer to the nonsense. Score the model's"
                " best of 64 first."
            )
        about: Record = {"annotator": EXPLOIT, "brief": brief, "brief_version": brief_version}
        pairs.append(Pair(row["prompt"], other["text"], row["text"], "a", **about))
    return pairs


def hole_closing(before: dict, after: dict) -> dict:
    """Two boards, the same texts scored before and after the retraining: did the hole close?

    Returns:
        {"closed": bool (no exploit is left), "rows": {"text", "before", "after"} of the exploits of
        ``before``, "sentence"}.
    """
    new = {row["text"]: row for row in after["rows"]}
    rows = [
        {"text": row["text"], "before": row["score"], "after": new[row["text"]]["score"]}
        for row in before["rows"]
        if row["exploit"] and row["text"] in new
    ]
    left = sum(bool(new[row["text"]]["exploit"]) for row in rows)
    if not rows:
        return {"closed": True, "rows": [], "sentence": "There was no hole to close."}
    # Each reward model has a unit of its own, so a score before and one after are not subtracted:
    # what counts is where a text stands to the best honest one.
    leads = [
        sum(row[side] for row in rows) / len(rows)
        - max(row["score"] for row in board["rows"] if honest(row))
        for side, board in (("before", before), ("after", after))
    ]
    moved = (
        f"on average the rejected texts stood {signed(leads[0])} from the best honest one, and"
        f" stand {signed(leads[1])} from it now"
    )
    if not left:
        sentence = f"The hole closed: {moved}. Another wording may open it again: try."
    else:
        sentence = (
            f"The hole is still open: {moved}; {left} of {len(rows)} still beat every honest one. A"
            " few weights can't tell them apart."
        )
    return {"closed": not left, "rows": rows, "sentence": sentence}


# --- what a session keeps of it -------------------------------------------------------------------


def _boards(session: Session) -> dict:
    """The boards of the game, by prompt."""
    return about_head(session).get("boards", {})


def about_head(session: Session) -> dict:
    """What the labs found about the session's reward model; it goes with it."""
    return session.labs.get(ABOUT_HEAD, {})


def keep_about_head(session: Session, **found) -> None:
    """Keep something that was found about the session's reward model."""
    with session.change():
        session.labs = {**session.labs, ABOUT_HEAD: {**about_head(session), **found}}


def board_of(session: Session, prompt: str) -> dict:
    """The board of a prompt as it is kept: {"entries", "best" | None, "before" (rows before the
    last retraining) | None, "hole" | None}.
    """
    empty: Record = {"entries": [], "best": None, "before": None, "hole": None}
    return _boards(session).get(prompt) or empty


def call_it(session: Session, prompt: str, text: str, bad: bool) -> None:
    """A person's word on a text of the board: a wrong fact in good words looks honest to every
    rule. What the rule calls nonsense stays nonsense.
    """
    board, entries = board_of(session, prompt), []
    for row in board["entries"]:
        if row["text"] == text and (not row["nonsense"] or row["why"] == SAID):
            row = {**row, "nonsense": bad, "why": SAID if bad else ""}
        entries.append(row)
    keep_about_head(session, boards={**_boards(session), prompt: {**board, "entries": entries}})


def take_back_exploits(session: Session) -> int:
    """Forget this brief's rejected exploits; how many there were. The reward model stays as it is
    until it is trained again.
    """
    slug = session.asked.brief.slug
    with session.change():
        former = session.judged.exploits
        session.judged.exploits = [pair for pair in former if pair.brief != slug]
        # What they did is undone.
        undone = {"before": None, "hole": None}
        boards = {prompt: {**board, **undone} for prompt, board in _boards(session).items()}
        keep_about_head(session, boards=boards)
    return len(former) - len(session.judged.exploits)
