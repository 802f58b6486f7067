"""Hack it: type what scores highest, beside the best of 64 of the model; call a nonsense exploit what it is; teach the reward model that it is none.

Goodhart's law in a text box: the reward model knows what the votes covered, and a text that no language model would write is where nobody has voted.
Knows nothing about pages. The word list is the scripted rater's (``register``): it holds what the bundled model's corpus is written with, so an honest rare word can be
missing from it; that is why a text is called nonsense for most of its words, not for one.

Simplification against red teaming at scale: a person is the optimiser here, a board is the record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache

import torch

from rlhf_core.best_of_n import kl_bound
from rlhf_core.preferences import Pair
from rlhf_core.register import word_weights
from rlhf_core.reward_model import RewardModelError
from rlhf_core.sampling import pad_left, pad_right, response_forward
from rlhf_core.session import InputError, check_prompt
from rlhf_core.workbench import ROLLOUT_TOKENS, encode_prompt, write

BEST_OF = 64
UNKNOWN_WORDS, REPEATED_WORDS = 0.5, 0.5  # shares beyond which a text looks like nonsense
EXPLOIT = "you (exploit)"


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Single words of the register list, lower case."""
    return frozenset(word for word in word_weights() if "_" not in word)


def nonsense(text: str, logprob: float, tokens: int, vocabulary: int) -> dict:
    """Is a text one that nobody would write?

    Args:
        logprob: its log-probability under the frozen model, nats; tokens: how many tokens that is over.
        vocabulary: how many tokens the model knows: drawing blindly costs log(vocabulary) nats a token, 8.3 for 4,096. The model's own answers: about 0.5.

    Returns:
        {"unknown" (share of words that the list lacks; 1 without a word), "repeated" (share of words that stand there already), "logprob_per_token", "nonsense": bool,
        "why": the reasons in words, or ""}. A rare honest word is no nonsense: most words must be unknown, and the text halfway to blind drawing.
    """
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    unknown = sum(word not in known_words() for word in words) / len(words) if words else 1.0
    repeated = 1 - len(set(words)) / len(words) if words else 0.0
    each, blind = logprob / max(1, tokens), -math.log(vocabulary)
    why = []
    if not words:
        why.append("it has no word in it")
    elif unknown > UNKNOWN_WORDS and each < blind / 2:
        why.append(f"{unknown:.0%} of its words are on no list")
    if len(words) >= 4 and repeated >= REPEATED_WORDS:
        why.append(f"{repeated:.0%} of its words were there before")
    if each < blind:
        why.append(f"the original model finds it less likely than tokens drawn blindly ({each:.1f} nats a token; blindly {blind:.1f})")
    return {"unknown": unknown, "repeated": repeated, "logprob_per_token": each, "nonsense": bool(why), "why": " and ".join(why)}


@torch.no_grad()
def score_typed(lm, scorer, prompt: str, texts: list[str]) -> Iterator:
    """Score what somebody typed. ``scorer``: either kind, see ``reward_kinds``. Yields a record a text.

    Yields:
        {"prompt", "text", "score", "uncertainty" | None, "by": "you", and what ``nonsense`` says}.
    """
    prompt = check_prompt(prompt)
    prompt_ids = encode_prompt(lm, prompt, 1)
    for text in texts:
        if not text.strip():
            raise InputError("A text to score is empty.")
        text = " " + text.strip()  # as the model's own answers begin; without the space it reads other tokens
        ids = lm.encode_response(text)
        if len(prompt_ids) + len(ids) > lm.trunk.context:
            raise InputError(f"A text to score has {len(ids)} tokens; with the prompt it does not fit the model's {lm.trunk.context}. Shorten it.")
        (prompts, prompt_mask), (tokens, mask) = pad_left([prompt_ids], lm.pad_id), pad_right([ids], lm.pad_id)
        before, _ = response_forward(lm.trunk, prompts, prompt_mask, tokens, mask)
        logprob = lm.trunk.logits(before).log_softmax(-1).gather(-1, tokens[..., None]).sum().item()
        row = (prompt, text, True)
        doubt = scorer.uncertainty([row])
        yield {
            "prompt": prompt, "text": text, "score": scorer.score([row]).item(), "uncertainty": None if doubt is None else doubt.item(), "by": "you",
            **nonsense(text, logprob, len(ids), lm.trunk.vocabulary),
        }  # fmt: skip


def best_of_model(lm, scorer, prompt: str, n: int = BEST_OF, seed: int = 0) -> Iterator:
    """The best of ``n`` answers of the original model by this score: the honest competitor. Yields Progress, last its record.

    Yields:
        {"prompt", "text", "score", "by": "best of 64", "n", "mean_score" of the n, "kl_bound": log n - (n-1)/n nats, at most this far from the model
        (Beirami et al. 2024, arXiv 2401.01879), "distinct"}.
    """
    prompt = check_prompt(prompt)
    rows = yield from write(lm, lm.trunk, [encode_prompt(lm, prompt, ROLLOUT_TOKENS)], n, seed, stage="writing the model's best")
    answers = [(prompt, text, ended) for _, text, ended, _ in rows]
    scores = scorer.score(answers)
    best = int(scores.argmax())
    yield {
        "prompt": prompt, "text": answers[best][1], "score": scores[best].item(), "by": f"best of {n}", "n": n, "mean_score": scores.mean().item(),
        "kl_bound": kl_bound(n), "distinct": len({text for _, text, _ in answers}),
    }  # fmt: skip


def best_of_n_board(entries: list[dict], best: dict | None, most: int = 10) -> dict:
    """The board of the session: what people typed beside the model's best, highest first; the same text once.

    Args:
        entries: records of ``score_typed``, of one prompt; best: that of ``best_of_model``, or None.

    Returns:
        {"rows": entries and the best, each with "place" (from 1) and "exploit": bool (a nonsense text above every honest one), "exploits": how many, "sentence"}.
    """
    rows = list({(row["text"], row["by"]): row for row in [*entries, *([best] if best else [])]}.values())
    rows.sort(key=lambda row: -row["score"])
    honest = [row["score"] for row in rows if not row.get("nonsense")]
    ceiling = max(honest) if honest else -math.inf
    rows = [{**row, "place": place, "exploit": bool(row.get("nonsense")) and row["score"] > ceiling} for place, row in enumerate(rows, 1)]
    exploits = [row for row in rows if row["exploit"]]
    if exploits:
        above = f", above every honest text ({ceiling:+.2f})" if honest else ""
        sentence = f"You broke it: {exploits[0]['text'].strip()!r} scores {exploits[0]['score']:+.2f}{above}, and {exploits[0]['why']}. This is a reward hack."
    elif not rows:
        sentence = "Nothing was typed yet."
    elif best and rows[0]["by"] == best["by"]:
        sentence = f"The model's {best['by']} leads with {best['score']:+.2f}. Beat it."
    else:
        sentence = f"An honest text leads with {rows[0]['score']:+.2f}. Now try one that nobody would want."
    return {"rows": rows[:most], "exploits": len(exploits), "sentence": sentence}


def exploits_to_pairs(board: dict, brief: str = "", brief_version: int = 1) -> list[Pair]:
    """Each nonsense text of a board as the loser of a comparison with the best honest text for its prompt: rejected examples for the next training.

    Raises:
        RewardModelError: there is no nonsense text on the board, or no honest one to prefer.
    """
    honest = [row for row in board["rows"] if not row.get("nonsense")]
    bad = [row for row in board["rows"] if row.get("nonsense")]
    if not bad:
        raise RewardModelError("There is no nonsense text on the board to reject.")
    pairs = []
    for row in bad:
        other = next((good for good in honest if good["prompt"] == row["prompt"]), None)
        if other is None:
            raise RewardModelError("There is no honest text on the board to prefer to the nonsense. Score the model's best of 64 first.")
        pairs.append(Pair(row["prompt"], other["text"], row["text"], "a", annotator=EXPLOIT, brief=brief, brief_version=brief_version))
    return pairs


def hole_closing(before: dict, after: dict) -> dict:
    """Two boards, the same texts scored before and after the retraining: did the hole close?

    Returns:
        {"closed": bool (no exploit is left), "rows": {"text", "before", "after"} of the exploits of ``before``, "sentence"}.
    """
    new = {row["text"]: row for row in after["rows"]}
    rows = [
        {"text": row["text"], "before": row["score"], "after": new[row["text"]]["score"]} for row in before["rows"] if row["exploit"] and row["text"] in new
    ]
    left = sum(bool(new[row["text"]]["exploit"]) for row in rows)
    if not rows:
        return {"closed": True, "rows": [], "sentence": "There was no hole to close."}
    fall = sum(row["before"] - row["after"] for row in rows) / len(rows)
    moved = f"{'fell' if fall >= 0 else 'rose'} by {abs(fall):.2f} on average"
    if not left:
        sentence = f"The hole closed: the rejected texts {moved}, below the best honest one. Another wording may open it again: try."
    else:
        sentence = (
            f"The hole is still open: the rejected texts {moved}, but {left} of {len(rows)} still beat every honest one. A few weights can't tell them apart."
        )
    return {"closed": not left, "rows": rows, "sentence": sentence}
