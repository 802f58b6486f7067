"""What training did to each token of a pair of answers: its probability under the original and
under the tuned model, and what else moved there.

Both models read both texts; nothing is written anew. Knows nothing about rewards or pages. Runs on
the worker; imports torch.

Simplification: a text is read by its canonical tokens, which now and then are not the very ones
that it was written with.
"""

from __future__ import annotations

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Record, Recording
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm.sampling import response_forward
from rlhf_core.lm.texts import ROLLOUT_TEMPERATURE, responses_of_texts
from rlhf_core.loop.workbench import ready, trunk_with, tuned_of
from rlhf_core.session.state import Session

RIVALS, MOST = 4, 10  # tokens named at each place; rows of the list of largest changes


@torch.no_grad()
def token_changes(session: Session, pair: dict) -> Recording[None]:
    """One record on a pair {"prompt", "before", "after", "ended_before", "ended_after"}.

    Returns (as its one record):
        {"kind": "token_changes", "prompt", "before", "after", "ended_before", "ended_after",
        "tokens": {"before" | "after": a row a token: {"token", "original", "tuned" (probabilities
        at the temperature of the rollouts), "kl" (exact, of tuned against original, nats),
        "rivals": [[token, original, tuned]] the others that moved most}}, "most": rows {"side",
        "so_far" (the text before the place), "token", "original", "tuned", "written"}, the largest
        changes of probability anywhere, each place and token once}.

    Raises InputError: no tuned model, or a text too long for the model.
    """
    lm, weights = ready(session), tuned_of(session)
    if weights is None:
        raise InputError("There is no tuned model yet. Run at least one PPO step first.")
    prompt, sides = check_prompt(pair["prompt"]), ("before", "after")
    responses = responses_of_texts(
        lm, [(prompt, pair[side], bool(pair.get(f"ended_{side}", True))) for side in sides]
    )
    log_p = []
    for number, trunk in enumerate((lm.trunk, trunk_with(lm, weights))):
        yield Progress("reading with both models", number, 2)
        hidden, _ = response_forward(
            trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
        )
        log_p.append((trunk.logits(hidden) / ROLLOUT_TEMPERATURE).log_softmax(-1))  # (2, T, V)
    original, tuned = log_p[0].exp(), log_p[1].exp()
    kl = (tuned * (log_p[1] - log_p[0])).sum(-1)  # (2, T)
    tokens: dict[str, list[Record]] = {}
    most: dict[tuple[tuple[int, ...], int], Record] = {}
    for row, side in enumerate(sides):
        tokens[side] = []
        so_far: list[int] = []
        for t in range(int(responses.mask[row].sum())):
            taken = int(responses.tokens[row, t])
            moved = (tuned[row, t] - original[row, t]).abs().topk(RIVALS + 1).indices.tolist()
            numbers = {
                i: (float(original[row, t, i]), float(tuned[row, t, i]))
                for i in dict.fromkeys([taken, *moved])
            }
            tokens[side].append(
                {
                    "token": lm.piece(taken),
                    "original": numbers[taken][0],
                    "tuned": numbers[taken][1],
                    "kl": float(kl[row, t]),
                    "rivals": [[lm.piece(i), *numbers[i]] for i in moved if i != taken][:RIVALS],
                }
            )
            for i, (one, other) in numbers.items():
                place = (tuple(so_far), i)  # both texts may begin alike: then the place is the same
                written = i == taken or most.get(place, {}).get("written", False)
                most[place] = {
                    "side": side,
                    "so_far": lm.decode(so_far),
                    "token": lm.piece(i),
                    "original": one,
                    "tuned": other,
                    "written": written,
                }
            so_far.append(taken)
    largest = sorted(most.values(), key=lambda one: -abs(one["tuned"] - one["original"]))[:MOST]
    kept = {
        name: pair.get(name, True) for name in ("before", "after", "ended_before", "ended_after")
    }
    yield {"kind": "token_changes", "prompt": prompt, **kept, "tokens": tokens, "most": largest}
