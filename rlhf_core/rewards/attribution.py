"""What did it learn?

Which words carry a score, which votes made it, which judged outputs lie nearest, and whether it has
learned length instead of taste.

The head is linear in the mean of the response's states, so a score *is* a sum over tokens: each
token's share is what its own state adds. That sum is exact. But a state has read everything before
it, so a share says where the score shows, not what causes it; ``occlusion`` (the score without the
word) asks that, and need not sum.

Knows nothing about pages. Shapes: T tokens of an answer, d hidden size, N comparisons, R judged
outputs, M samples, k features.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from rlhf_core.common.events import Progress, Record
from rlhf_core.common.wording import signed
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import Responses, pad_left, pad_right, response_forward
from rlhf_core.lm.texts import encode_prompt, pooled_of_responses, pooled_of_texts
from rlhf_core.rewards.comparisons import Comparisons, fit_head, solve
from rlhf_core.rewards.reward_model import RewardModel, prior_stds

EXACT = 12  # the votes of largest influence are refitted without, one by one
FOLLOWS = 0.5  # a correlation from which the score is said to follow a surface feature


# --- words ----------------------------------------------------------------------------------------


def word_groups(pieces: list[str]) -> list[list[int]]:
    """Token numbers of each word.

    A piece that begins with a space, or has no letter or digit while its neighbour has (or the
    other way round), begins one.
    """
    groups: list[list[int]] = []
    for number, piece in enumerate(pieces):
        wordlike = any(c.isalnum() or c in "'-" for c in piece)
        before = pieces[number - 1] if number else ""
        if (
            not groups
            or piece[:1].isspace()
            or wordlike != any(c.isalnum() or c in "'-" for c in before)
        ):
            groups.append([])
        groups[-1].append(number)
    return groups


def token_shares(model: RewardModel, states: Tensor) -> Tensor:
    """Each token's share of a score.

    (T, d) reference states of the response -> (T,) in reference standard deviations; their sum is
    the score.

    score = (w . W'(mean_t h_t - mu) - center) / scale = sum_t (w . W'(h_t - mu) - center) / (T
    scale): the baseline is 0, an average output of the original model. The same as gradient x input
    with that baseline, and as integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365,
    completeness), since the map is linear.
    """
    return (model.raw(states) - model.center) / (len(states) * model.scale)


@torch.no_grad()
def explain_words(
    lm: LanguageModel, model: RewardModel, prompt: str, text: str, ended: bool = True
) -> Record:
    """Words of a text with their exact share of its score, and what it would lose without each.

    Returns:
        {"score", "baseline": 0.0, "words": rows {"word", "share", "without" (the score with this
        word left out), "effect" (score - without)}, "sentence"}. The shares sum to the score; the
        last row may be the end of the text, which the model reads too and which can't be left out
        (its effect is None).
    """
    prompt_ids = encode_prompt(lm, prompt, 1)
    end = [lm.end_id] if ended else []
    ids = (lm.encode_text(text) + end)[: lm.trunk.context - len(prompt_ids)] or [lm.end_id]
    groups = word_groups([lm.piece(i) if i != lm.end_id else " end" for i in ids])
    prompts, prompt_mask = pad_left([prompt_ids], lm.pad_id)
    tokens, mask = pad_right([ids], lm.pad_id)
    _, at = response_forward(lm.trunk, prompts, prompt_mask, tokens, mask)
    shares = token_shares(model, at[0])
    score = model.score(at.mean(1)).item()
    left = [[t for n, t in enumerate(ids) if n not in group] or [lm.end_id] for group in groups]
    prompts, prompt_mask = pad_left([prompt_ids] * len(left), lm.pad_id)
    tokens, mask = pad_right(left, lm.pad_id)
    without = model.score(
        pooled_of_responses(
            lm, Responses(prompts, prompt_mask, tokens, mask, torch.zeros(tokens.shape))
        )
    ).tolist()
    rows: list[Record] = []
    for group, remaining in zip(groups, without):
        ending = ids[group[0]] == lm.end_id
        word = "⏹ end" if ending else lm.decode([ids[n] for n in group])
        rows.append(
            {
                "word": word,
                "share": shares[group].sum().item(),
                "without": None if ending else remaining,
                "effect": None if ending else score - remaining,
            }
        )
    named = [row for row in rows if row["effect"] is not None]
    sentence = ""
    if named:
        darkest = max(rows, key=lambda row: abs(row["share"]))
        most = max(named, key=lambda row: abs(row["share"]))
        if darkest is not most:
            sentence = (
                f"The end of the text carries most ({signed(darkest['share'])}), and can't be left"
                " out. "
            )
        sentence += (
            f"Of the words, {most['word'].strip()!r} carries most ({signed(most['share'])})"
            + left_out(most, score)
        )
    return {"score": score, "baseline": 0.0, "words": rows, "sentence": sentence}


def left_out(row: Record, score: float) -> str:
    """How a sentence on a word's share goes on: what the score would be without the word. That need
    not be the share: words count together.
    """
    change = f"{signed(row['without'])} instead of {signed(score)}"
    if row["effect"] * row["share"] > 0 and abs(row["effect"]) >= abs(row["share"]) / 2:
        return f": without it the score would be {change}."
    return f". Left out alone it would not take that away ({change}): the words count together."


# --- votes ----------------------------------------------------------------------------------------


def influences(data: Comparisons, weights: Tensor, prior_std: float) -> Tensor:
    """What each vote adds to the weights: the weights less those without the vote, to second order.

    (k,) -> (N, k).

    One Newton step from the optimum on the objective without vote i, whose Hessian is the whole one
    less one rank (Sherman-Morrison); for a convex head of few weights this is all but exact.
    Source: Koh & Liang 2017 (arXiv 1703.04730), with the leave-one-out Hessian as in Rad & Maleki
    2020 (arXiv 1801.10243).
    """
    w, x, prior = weights.double(), data.x, prior_stds(data.whitener, prior_std)
    p = torch.sigmoid(x @ w)
    curvature = data.weights * p * (1 - p)
    inverse = torch.linalg.inv((x * curvature[:, None]).T @ x + torch.diag(1 / prior**2))
    moved: Tensor = x @ inverse  # (N, k)
    leverage = (moved * x).sum(1)
    return (data.weights * (data.targets - p) / (1 - curvature * leverage))[:, None] * moved


def influential_votes(
    data: Comparisons, model: RewardModel, features: Tensor, prior_std: float, most: int = 5
) -> Record:
    """The votes that made a score what it is. ``features``: (k,) of the output in question.

    Returns:
        {"votes": rows {"index", "prompt", "winner", "loser", "tie", "effect" (the score less the
        score without this vote, in reference standard deviations of ``model``)}, largest first;
        "agreement": largest difference between the estimate and the exact refit, "sentence"}. The
        first rows are exact refits.
    """
    w, _ = solve(
        data.x, data.targets, data.weights, prior_stds(data.whitener, prior_std), model.weights
    )
    features = features.double()
    effects = influences(data, w, prior_std) @ features / model.scale
    order = effects.abs().argsort(descending=True)[: max(most, EXACT)].tolist()
    exact = {}
    for index in order[:EXACT]:
        without = fit_head(
            data.changed(index, "withhold"), prior_std, start=model.weights
        ).weights.double()
        exact[index] = ((w - without) @ features / model.scale).item()
    rows = []
    for index in sorted(exact, key=lambda i: -abs(exact[i]))[:most]:
        pair = data.pairs[index]
        winner, loser = (pair.a, pair.b) if pair.choice != "b" else (pair.b, pair.a)
        rows.append(
            {
                "index": index,
                "prompt": pair.prompt,
                "winner": winner,
                "loser": loser,
                "tie": pair.choice == "tie",
                "effect": exact[index],
            }
        )
    agreement = max(abs(exact[i] - effects[i].item()) for i in exact)
    top = rows[0]
    word = "raises" if top["effect"] > 0 else "lowers"
    sentence = (
        f"No vote counts for more here than {top['winner'].strip()!r} over"
        f" {top['loser'].strip()!r}: it {word} this score by {abs(top['effect']):.2f}."
    )
    return {"votes": rows, "agreement": agreement, "sentence": sentence}


def nearest_judged(data: Comparisons, features: Tensor, most: int = 5) -> list[Record]:
    """Judged outputs that look most alike to the reward model. ``features``: (k,).

    Returns:
        Rows {"prompt", "text", "distance" (whitened; two answers to one prompt are about sqrt(2k)
        apart), "won", "lost", "tied"}, nearest first.
    """
    distance = (data.features - features.double()).norm(dim=1)
    rows = []
    for row in distance.argsort()[:most].tolist():
        wins = {"won": 0, "lost": 0, "tied": 0}
        for a, b, target in zip(data.a.tolist(), data.b.tolist(), data.targets.tolist()):
            if row in (a, b):
                outcome = target if row == a else 1 - target
                wins["tied" if outcome == 0.5 else "won" if outcome > 0.5 else "lost"] += 1
        prompt, text, _ = data.rows[row]
        rows.append({"prompt": prompt, "text": text, "distance": distance[row].item(), **wins})
    return rows


# --- surface --------------------------------------------------------------------------------------

SURFACE = {
    "length": "longer",
    "capitals": "with more capitals",
    "punctuation": "with more punctuation",
    "repetition": "with more repetition",
}


def surface_of(text: str) -> dict[str, float]:
    """What can be seen of a text without reading it.

    Length in words; share of letters that are capitals; punctuation marks a word; share of words
    that were there before.
    """
    words = re.findall(r"[\w'-]+", text.lower())
    letters = [c for c in text if c.isalpha()]
    marks = sum(not c.isalnum() and not c.isspace() and c not in "'-" for c in text)
    return {
        "length": float(len(words)),
        "capitals": sum(c.isupper() for c in letters) / max(1, len(letters)),
        "punctuation": marks / max(1, len(words)),
        "repetition": 1 - len(set(words)) / len(words) if words else 0.0,
    }


def correlation(x: Tensor, y: Tensor) -> float:
    """Pearson's r; 0 where one of them does not vary."""
    x, y = x - x.mean(), y - y.mean()
    scale = x.norm() * y.norm()
    return 0.0 if scale < 1e-12 else (x @ y / scale).item()


def surface_correlations(texts: list[str], scores: Tensor, data: Comparisons) -> Record:
    """Does the score follow something shallow, and did the votes ask for it?

    ``texts``: M samples of the original model; scores (M,).

    Returns:
        {"features": rows {"name", "correlation", "votes" (share of decided votes won by the output
        with more of it) | None, "votes_count", "warning": bool}, "warning": one sentence, or ""}.

    A warning is raised where |r| >= 0.5. It says which of two things it is: the votes themselves go
    that way (it may be the taste), or they don't.
    """
    scores = scores.double()
    rows, warnings = [], []
    decided = data.targets != 0.5
    judged = {row: surface_of(row[1]) for row in data.rows}
    for name, more in SURFACE.items():
        r = correlation(
            torch.tensor([surface_of(text)[name] for text in texts], dtype=torch.float64), scores
        )
        amounts = torch.tensor([judged[row][name] for row in data.rows], dtype=torch.float64)
        difference = (amounts[data.a] - amounts[data.b])[decided]
        differ = difference != 0
        votes = ((difference > 0) == (data.targets[decided] > 0.5))[differ].double()
        share = votes.mean().item() if len(votes) else None
        warned = math.isfinite(r) and abs(r) >= FOLLOWS
        rows.append(
            {
                "name": name,
                "correlation": r,
                "votes": share,
                "votes_count": len(votes),
                "warning": warned,
            }
        )
        if warned:
            with_it = None if share is None else share if r > 0 else 1 - share
            direction = (
                more if r > 0 else {"longer": "shorter"}.get(more, more.replace("more", "less"))
            )
            say = (
                f"The score follows {name} (correlation {signed(r)}): outputs that are {direction}"
                " score higher."
            )
            if with_it is not None and with_it >= 0.7:
                say += (
                    f" So did the votes: {with_it:.0%} went that way. If it is not what was meant,"
                    " judge a few pairs where it goes the other way."
                )
            else:
                went = (
                    "none of the votes is about it"
                    if with_it is None
                    else f"only {with_it:.0%} of the votes went that way"
                )
                say += f" It has learned {name} instead of the taste: {went}."
            warnings.append(say)
    return {"features": rows, "warning": " ".join(warnings)}


def explain_score(
    lm: LanguageModel,
    data: Comparisons,
    model: RewardModel,
    prompt: str,
    text: str,
    prior_std: float,
    ended: bool = True,
) -> Iterator[Progress | Record]:
    """Everything about one score, a part at a time.

    Records {"kind": "words" | "votes" | "nearest", ...} for a page that fills up.
    """
    yield {"kind": "words", **explain_words(lm, model, prompt, text, ended)}
    pooled = yield from pooled_of_texts(lm, [(prompt, text, ended)])
    features = data.whitener(pooled[0]).double()
    yield {"kind": "votes", **influential_votes(data, model, features, prior_std)}
    yield {
        "kind": "nearest",
        "rows": nearest_judged(data, features),
        "typical": math.sqrt(2 * len(features)),
    }
