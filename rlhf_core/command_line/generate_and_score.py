"""The commands ``generate`` and ``score``: a model's answers, and a reward model's scores."""

from __future__ import annotations

import argparse
import math

from rlhf_core.command_line.inputs import opened, typed
from rlhf_core.command_line.terminal import BAR, DONE, downloading, emit, say
from rlhf_core.common.errors import BundleError, InputError
from rlhf_core.judging.typed import check_prompt
from rlhf_core.session import weights
from rlhf_core.session.state import Session


def generate(args: argparse.Namespace) -> int:
    prompt = check_prompt(typed(args.prompt, "The prompt"))
    session = opened(args.bundle) if args.bundle else Session(model_name=args.model)
    if args.bundle and not weights.now(session):
        raise InputError(
            f"The bundle {args.bundle} holds no tuned model yet: its run had no finished PPO step."
        )
    import torch

    from rlhf_core.lm import language_model, texts
    from rlhf_core.lm.sampling import (
        decode,
        decode_texts,
        response_forward,
        token_logprobs,
        uniform_numbers,
    )
    from rlhf_core.loop import workbench

    language_model.load(session.model_name, downloading)
    lm = workbench.ready(session)
    ids = texts.encode_prompt(lm, prompt, args.max_new_tokens)
    trunk = workbench.trunk_with(lm, workbench.tuned_of(session))
    uniforms = uniform_numbers(
        args.n, args.max_new_tokens, torch.Generator().manual_seed(args.seed)
    )
    work = decode(
        trunk,
        [ids],
        uniforms=uniforms,
        end_id=lm.end_id,
        pad_id=lm.pad_id,
        samples=args.n,
        temperature=args.temperature,
        top_p=args.top_p,
        min_new_tokens=args.min_new_tokens,
    )
    for count, responses in enumerate(work, 1):
        BAR.show("Writing", count, args.max_new_tokens)
    BAR.clear()
    for row, text in enumerate(decode_texts(lm, responses)):
        tokens, mask = responses.tokens[row : row + 1], responses.mask[row : row + 1]
        # The model's own log-probabilities: at temperature 1, as score gives them.
        with torch.no_grad():
            before, _ = response_forward(
                trunk,
                responses.prompt_ids[row : row + 1],
                responses.prompt_mask[row : row + 1],
                tokens,
                mask,
            )
            log_p = token_logprobs(trunk.logits(before).log_softmax(-1), tokens)[mask].tolist()
        pieces = [
            {"id": i, "token": lm.piece(i), "logprob": value}
            for i, value in zip(tokens[mask].tolist(), log_p, strict=True)
        ]
        emit({"text": text, "logprob": sum(log_p), "tokens": pieces})
    return DONE


def score(args: argparse.Namespace) -> int:
    prompt = check_prompt(typed(args.prompt, "The prompt"))
    for number, text in enumerate(args.text, 1):
        if not typed(text, f"Text {number}").strip():
            raise InputError(f"Text {number} is empty: there is nothing to score.")
        if len(text) > 10_000:
            raise InputError(
                f"Text {number} has {len(text):,} characters; at most 10,000 can be scored."
            )
    session = opened(args.bundle)
    if not session.learned.head:
        raise InputError(f"The bundle {args.bundle} holds no reward model yet.")

    from rlhf_core.loop import reward

    try:
        rows = list(reward.score_texts(session, prompt, args.text))
    # A stranger's bundle: tensors that are missing, or of another shape.
    except (KeyError, IndexError, RuntimeError) as error:
        raise BundleError(
            f"reward_model.safetensors in {args.bundle} is not a reward model for"
            f" {session.model_name!r} ({error})."
        ) from error
    for row in rows:
        if not math.isfinite(row["reward"]):
            raise InputError(
                f"The reward model in {args.bundle} gives no finite score: its weights are damaged."
            )
        emit({key: row[key] for key in ("text", "reward", "reference_logprob", "uncertainty")})
    for number, text in enumerate(args.text, 1):
        if not text[0].isspace():
            say(
                f"Note: text {number} does not begin with a space, so it was scored as if glued to"
                " the prompt."
            )
    return DONE
