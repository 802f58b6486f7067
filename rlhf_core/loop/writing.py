"""The first step of the loop: the model writes, for one prompt on the spot or ahead for many.

Generators over a session (``common.events``); a stop at any yield loses nothing that was there
before. Imports torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Record, Recording, Reporting
from rlhf_core.common.known import known
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import SamplingSettings
from rlhf_core.judging.near_prompts import near
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm import model_list, surprise
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import Responses, sample
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt, write
from rlhf_core.loop.workbench import made_once, ready, start_of, training_prompts, trunk_with
from rlhf_core.session import asked, pools
from rlhf_core.session.state import Session

RIVALS = 6  # tokens that could have stood in a place, the likeliest, that a page can show
SPARE = 2  # more answers than a set needs, since some come out alike or say the same


def generate(
    session: Session, prompt: str, settings: SamplingSettings | None = None
) -> Iterator[Progress | dict]:
    """One prompt of the learner's: answers stream in, and every token keeps its probability and its
    rivals. Records {"kind": "tokens", "texts", "token"}, last {"kind": "done", "set_id"}.
    """
    settings = (settings or SamplingSettings()).validate()
    lm = ready(session)
    prompt = check_prompt(prompt)
    encode_prompt(lm, prompt, settings.max_new_tokens)
    trunk = trunk_with(lm, start_of(session))
    for count, responses in enumerate(sample(lm, [prompt], settings, trunk=trunk), 1):
        yield Progress("writing", count, settings.max_new_tokens)
        yield {"kind": "tokens", "texts": responses.texts, "token": count}
    tokens = [_tokens_of(lm, responses, row) for row in range(settings.candidates)]
    ended = responses.ended(lm.end_id).tolist()
    try:
        reading = reading_of(lm, prompt, responses.texts, session.asked.brief.evaluation_prompts)
    except NotImplementedError:  # a tokenizer that can't say where its tokens stand in the text
        reading = None
    row = asked.add_set(
        session, prompt, responses.texts, ended, settings.seed, tokens, reading, vars(settings)
    )
    yield {"kind": "done", "set_id": row["id"]}


def reading_of(
    lm: LanguageModel, prompt: str, texts: list[str], leave_out: tuple[str, ...] = ()
) -> dict:
    """How well the frozen model could read the prompt: ``surprise.Reading.to_dict`` and "empty",
    how many answers have no word in them.

    Of the bundled model also "verdict", "everyday" (nats a byte of everyday English), "times" (how
    many times as much this prompt took), and where it cannot read the prompt or mostly wrote
    nothing, "near": three prompts that it knows, and "small": whether it reads the prompt in small
    letters, which then is the first of them.
    """
    found = surprise.read(lm, prompt)
    empty = sum(not any(map(str.isalnum, text)) for text in texts)
    row = found.to_dict() | {"empty": empty}
    if lm.name != model_list.BUNDLED:
        return row
    row["verdict"], row["everyday"] = found.verdict(), surprise.EVERYDAY
    row["times"] = found.nats_a_byte / surprise.EVERYDAY
    if row["verdict"] != "reads" or empty > len(texts) / 2:
        row["near"] = near(prompt, leave_out=leave_out)
        small = prompt[:1] + prompt[1:].lower()
        row["small"] = small != prompt and surprise.read(lm, small).verdict() == "reads"
        if row["small"] and small not in leave_out:
            row["near"] = [small, *(p for p in row["near"] if p != small)][: len(row["near"])]
    return row


def _tokens_of(lm: LanguageModel, responses: Responses, row: int) -> list[dict]:
    """One answer token by token: rows {"token", "probability", "alternatives": [[token, p]]}."""
    shown = []
    for t in range(int(responses.lengths[row])):
        log_p = known(responses.full_logprobs)[row, t]  # (V,)
        taken = int(responses.tokens[row, t])
        rivals = log_p.topk(RIVALS).indices.tolist()
        shown.append(
            {
                "token": lm.piece(taken),
                "probability": float(log_p[taken].exp()),
                "alternatives": [[lm.piece(i), float(log_p[i].exp())] for i in rivals],
            }
        )
    return shown


def most_unlike(states: dict[str, torch.Tensor], count: int) -> list[str]:
    """``count`` of the texts, farthest point first: the two whose pooled hidden states (d) lie
    farthest apart, then always the one farthest from those chosen; in the order they were written.

    No vote is read: what differs most within a prompt is mostly what people tell apart. Source:
    Gonzalez 1985 (Theoretical Computer Science 38:293).
    """
    texts = list(states)
    if len(texts) <= count:
        return texts
    places = torch.stack([states[text] for text in texts]).double()
    apart = torch.cdist(places, places)
    if not apart.any():
        return texts[:count]
    chosen = list(divmod(int(apart.argmax()), len(texts)))[:count]
    while len(chosen) < count:
        nearest = apart[:, chosen].amin(1)
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
    return [texts[place] for place in sorted(chosen)]


def generate_pool(session: Session, count: int, candidates: int = 2) -> Recording[None]:
    """Write ``count`` candidate sets ahead, over all training prompts, evenly; sets whose answers
    are all the same are left out. Records {"kind": "set", "set_id", "prompt"}.

    ``SPARE`` more are written than a set needs, and the most unlike ones are kept: two answers that
    say the same teach nothing, and half of all pairs would be ties. What was written before, for
    anybody, is not written again (``session.pools``).
    """
    yield from _pool(session, count, candidates, session.asked.drawn, there=0)


def pool_again(
    session: Session, begun: dict, count: int, candidates: int = 2
) -> Iterator[Progress | dict]:
    """Go on with a ``generate_pool`` that ended in the middle: the sets that are there, and the
    others, which are written.
    """
    seed = pools.seed_for(session, begun["drawn"])
    there = [row for row in session.asked.candidate_sets if row["seed"] == seed]
    for row in there:
        yield {"kind": "set", "set_id": row["id"], "prompt": row["prompt"]}
    yield from _pool(session, count, candidates, begun["drawn"], there=len(there))


def _pool(
    session: Session, count: int, candidates: int, drawn: int, there: int
) -> Iterator[Progress | dict]:
    """``there``: sets of this pool that the session has already."""
    lm = ready(session)
    key, seed = pools.key_of(session, count, candidates, drawn), pools.seed_for(session, drawn)

    def written() -> Reporting[list[Record]]:
        sets = yield from _sets(session, lm, count, candidates, drawn)
        pools.keep(session, key, sets)
        return sets

    if key:
        find = lambda: pools.found(session, key)  # noqa: E731
        sets = yield from made_once(("pool", key), find, written, "writing")
    else:
        sets = yield from written()
    for one in sets[there:]:
        row = asked.add_set(session, one["prompt"], one["texts"], one["finished"], seed)
        yield {"kind": "set", "set_id": row["id"], "prompt": one["prompt"]}
    if not sets:
        raise InputError(
            "The model gave the same answer every time, so there is nothing to compare. Raise the"
            " temperature, or add prompts of your own."
        )


def _sets(
    session: Session, lm: LanguageModel, count: int, candidates: int, drawn: int
) -> Reporting[list[Record]]:
    """A pool is written: yields Progress, returns its sets as in ``pools.found``."""
    fitting = training_prompts(session, lm, ROLLOUT_TOKENS)
    prompts = list(fitting)
    lot = seed_of(session.seed, "pool order", drawn // max(1, len(prompts)))
    order = random.Random(lot).sample(prompts, len(prompts))
    chosen = [order[(drawn + i) % len(prompts)] for i in range(count)]
    trunk, encoded = trunk_with(lm, start_of(session)), [fitting[prompt] for prompt in chosen]
    rows = yield from write(lm, trunk, encoded, candidates + SPARE, pools.seed_for(session, drawn))
    sets = []
    for number, prompt in enumerate(chosen):
        texts = {text: (ended, state) for n, text, ended, state in rows if n == number}
        kept = most_unlike({text: state for text, (_, state) in texts.items()}, candidates)
        if len(kept) >= 2:
            finished = [bool(texts[text][0]) for text in kept]
            sets.append({"prompt": prompt, "texts": kept, "finished": finished})
    return sets
