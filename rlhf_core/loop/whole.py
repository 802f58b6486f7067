"""The steps of the loop as generators over a ``Session``: write, rank, fit, tune, compare.

Each yields ``Progress`` often and records as plain dicts; what it makes is put into the session
when it is whole, so that a stop at any yield loses nothing that was there before. Runs on the
worker thread (or the command line); imports torch.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

import torch

from rlhf_core.algorithms import ppo as ppo_engine
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, last
from rlhf_core.common.settings import PPOSettings, RewardModelSettings, SamplingSettings
from rlhf_core.evaluation import before_after, verdict
from rlhf_core.judging.briefs import FEATURED_PROMPTS
from rlhf_core.judging.preferences import EXPLOIT, nothing_to_learn, split_prompts
from rlhf_core.judging.register import judge
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm import model_list, sampling
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import decode_texts, pad_left, pad_right, response_forward, sample
from rlhf_core.lm.texts import (
    ROLLOUT_TOKENS,
    encode_prompt,
    fluency_of_texts,
    pooled_of_texts,
    write,
)
from rlhf_core.loop import tuning
from rlhf_core.loop.model_choice import time_a_step
from rlhf_core.loop.workbench import (
    make_room,
    policy_weights,
    ready,
    same_below,
    seed_of,
    training_prompts,
    trunk_with,
)
from rlhf_core.rewards import comparisons
from rlhf_core.rewards import reward_model as rm
from rlhf_core.rewards.comparisons import readable
from rlhf_core.rewards.uncertainty import bootstrap_heads, score_with_uncertainty
from rlhf_core.session.state import SCRIPTED, Session

SAVE_WEIGHTS_EVERY, SMALL = (
    5,
    8_000_000,
)  # PPO steps between two saves of the weights; a model of fewer parameters is saved at every step


# --- prompt and rank ------------------------------------------------------------------------------


def generate(session: Session, prompt: str, settings: SamplingSettings) -> Iterator:
    """One prompt of the learner's: answers stream in, and every token keeps its probability and its
    rivals.
    """
    settings.validate()
    lm = ready(session)
    prompt = check_prompt(prompt)
    encode_prompt(lm, prompt, settings.max_new_tokens)
    trunk, responses = trunk_with(lm, session.start_weights), None
    for count, responses in enumerate(sample(lm, [prompt], settings, trunk=trunk), 1):
        yield Progress("writing", count, settings.max_new_tokens)
        yield {"kind": "tokens", "texts": responses.texts, "token": count}
    tokens = []
    for row in range(settings.candidates):
        shown = []
        for t in range(int(responses.lengths[row])):
            log_p = responses.full_logprobs[row, t]
            rivals = log_p.topk(6).indices.tolist()
            taken = int(responses.tokens[row, t])
            shown.append(
                {
                    "token": lm.piece(taken),
                    "probability": float(log_p[taken].exp()),
                    "alternatives": [[lm.piece(i), float(log_p[i].exp())] for i in rivals],
                }
            )
        tokens.append(shown)
    ended = responses.ended(lm.end_id).tolist()
    row = add_set(session, prompt, responses.texts, ended, settings.seed, tokens=tokens)
    yield {"kind": "done", "set_id": row["id"]}


def add_set(
    session: Session,
    prompt: str,
    texts: list[str],
    ended: list[bool],
    seed: int,
    tokens: list | None = None,
) -> dict:
    """Keep a candidate set. Duplicates collapse: the ranking desk shows each text once."""
    seen: dict[str, int] = {}
    for index, text in enumerate(texts):
        seen.setdefault(text, index)
    keep = list(seen.values())
    with session.lock:
        session.drawn += 1
        row = {
            "id": f"set-{session.drawn}",
            "prompt": prompt,
            "texts": [texts[i] for i in keep],
            "finished": [bool(ended[i]) for i in keep],
            "seed": seed,
            "round": session.current_round,
            "drawn": len(texts),
            "tokens": [tokens[i] for i in keep] if tokens else [],
            "asked": tokens is not None,  # by a person, on the spot; not written ahead
        }
        session.candidate_sets = [*session.candidate_sets, row]
    return row


def generate_pool(session: Session, count: int, candidates: int) -> Iterator:
    """Candidate sets over all training prompts, evenly; sets whose answers are all the same are
    left out.
    """
    lm = ready(session)
    fitting = training_prompts(session, lm, ROLLOUT_TOKENS)
    prompts = list(fitting)
    order = random.Random(
        seed_of(session, "pool order", session.drawn // max(1, len(prompts)))
    ).sample(prompts, len(prompts))
    chosen = [order[(session.drawn + i) % len(prompts)] for i in range(count)]
    encoded = [fitting[prompt] for prompt in chosen]
    seed, spare = seed_of(session, "pool", session.drawn, session.current_round), 2
    rows = yield from write(
        lm, trunk_with(lm, session.start_weights), encoded, candidates + spare, seed
    )
    added = 0
    for number, prompt in enumerate(chosen):
        texts = [(text, ended) for n, text, ended, _ in rows if n == number]
        distinct = list({text: ended for text, ended in texts}.items())[:candidates]
        if len(distinct) >= 2:
            row = add_set(session, prompt, [t for t, _ in distinct], [e for _, e in distinct], seed)
            added += 1
            yield {"kind": "set", "set_id": row["id"], "prompt": prompt}
    if not added:
        raise InputError(
            "The model gave the same answer every time, so there is nothing to compare. Raise the"
            " temperature, or add prompts of your own."
        )


def scripted_groups(session: Session, row: dict) -> list[list[int]]:
    """The scripted rater's ranking of a candidate set: indices by the grade of the brief's rule,
    equal grades tied.
    """
    if session.brief.wanted is None:
        raise InputError(
            f"The brief {session.brief.title!r} has no scripted rater: its taste is only in your"
            " head. Rank the outputs yourself."
        )
    grades = [
        judge(text, session.brief.wanted, ended)
        for text, ended in zip(row["texts"], row["finished"], strict=True)
    ]
    return [
        [i for i, grade in enumerate(grades) if grade == level]
        for level in sorted(set(grades), reverse=True)
    ]


def judge_for_me(session: Session, count: int, candidates: int) -> Iterator:
    """``count`` judgements by the scripted rater, one record each."""
    done = 0
    while done < count:
        row = session.next_set(candidates)
        if row is None:
            yield from (
                event
                for event in generate_pool(session, min(32, count - done), candidates)
                if isinstance(event, Progress)
            )
            if not session.waiting(candidates):
                raise InputError(
                    f"The model gives too few different answers to rank {candidates} at a time."
                    " Rank fewer at a time."
                )
            continue
        groups = scripted_groups(session, row)
        session.add_ranking(row["id"], groups=groups, annotator=SCRIPTED, seconds=0.0)
        done += 1
        yield Progress("judging", done, count)
        yield {
            "kind": "ranked",
            "prompt": row["prompt"],
            "texts": row["texts"],
            "groups": groups,
            "done": done,
            "of": count,
        }
    session.autosave()


# --- reward model ---------------------------------------------------------------------------------

# Unlabelled reference samples, shared by all sessions: they depend on nothing else.
_POOLS: OrderedDict[tuple, tuple[list[str], list[str], torch.Tensor]] = OrderedDict()
_WRITING: dict[
    tuple, tuple[int, int | None]
] = {}  # those that are being written, and how far they are
A_MOMENT, PATIENCE = (
    0.2,
    3.0,
    # seconds between two looks at another's progress; without any, after which one writes them
    # oneself
)


def reference_pool(session: Session, lm: LanguageModel, count: int) -> Iterator:
    """Unlabelled outputs of the *original* model: returns (prompt of each, text of each, (M, d)
    pooled states). Made once a model and prompt list.
    """
    fitting = training_prompts(session, lm, ROLLOUT_TOKENS)
    prompts = list(fitting)
    key, stage = (session.model_hash, tuple(prompts), count), "sampling the original model"
    seen, still = (
        None,
        0.0,
        # a room that trains at the same moment wants the same samples: one writes them, the others
        # wait for as long as it gets on
    )
    while key in _WRITING and key not in _POOLS and still < PATIENCE:
        still, seen = (0.0 if _WRITING[key] != seen else still + A_MOMENT), _WRITING[key]
        yield Progress(stage, *seen, wait=A_MOMENT)
    if key not in _POOLS:
        each = max(2, -(-count // len(prompts)))
        rows = yield from noted(
            key, write(lm, lm.trunk, list(fitting.values()), each, 20_260, stage=stage)
        )
        _POOLS[key] = (
            [prompts[n] for n, *_ in rows],
            [text for _, text, _, _ in rows],
            torch.stack([state for *_, state in rows]),
        )
        while len(_POOLS) > 8:
            _POOLS.popitem(last=False)
    _POOLS.move_to_end(key)
    return _POOLS[key]


def noted(key: tuple, work: Iterator) -> Iterator:
    """``work``, its progress noted for those who wait for the same; returns what it returns."""
    try:
        while True:
            try:
                item = next(work)
            except StopIteration as end:
                return end.value
            _WRITING[key] = item.done, item.total
            yield item
    finally:
        work.close()
        _WRITING.pop(key, None)


def fit_reward_model(session: Session, settings: RewardModelSettings) -> Iterator:
    """Features, whitening, Bradley-Terry head, normalisation; in this order, each from the frozen
    original model.
    """
    former = session.fit_records
    try:
        yield from _fit(session, settings)
    except (
        BaseException
    ):  # stopped or refused: the reward model is still the former one, and so are its records
        session.fit_records = former
        raise


def _fit(session: Session, settings: RewardModelSettings) -> Iterator:
    settings.validate()
    session.fit_records = []
    pairs = session.learnable
    reason = session.nothing_to_learn()
    if reason:
        raise InputError(
            f"There is nothing to learn from yet: {reason}. Rank some outputs, and prefer one at"
            " least once."
        )
    lm = ready(session)
    pairs, too_long = readable(lm, pairs)
    if too_long and (reason := nothing_to_learn(pairs)):
        raise InputError(f"There is nothing to learn from: {reason}. {too_long}")
    names, texts, pool = yield from reference_pool(session, lm, settings.reference_samples)
    number = {prompt: i for i, prompt in enumerate(dict.fromkeys(names))}
    whitener = rm.fit_whitener(
        pool, torch.tensor([number[name] for name in names]), min(settings.features, pool.shape[1])
    )

    ended = {
        (r.prompt, text): end
        for r in session.rankings
        if r.finished
        for text, end in zip(r.candidates, r.finished, strict=True)
    }
    rows = list(
        dict.fromkeys(
            (p.prompt, text, ended.get((p.prompt, text), True))
            for p in pairs
            for text in (p.a, p.b)
        )
    )
    states = yield from pooled_of_texts(lm, rows)
    place = {(prompt, text): i for i, (prompt, text, _) in enumerate(rows)}
    a, b = (torch.tensor([place[p.prompt, getattr(p, side)] for p in pairs]) for side in ("a", "b"))
    fold_of = split_prompts([p.prompt for p in pairs], settings.folds, settings.seed)
    folds = torch.tensor([fold_of[p.prompt] for p in pairs])
    targets, weights = (
        torch.tensor([p.target for p in pairs]),
        torch.tensor([p.weight for p in pairs]),
    )
    model = None
    judged = torch.tensor(
        [p.annotator != EXPLOIT for p in pairs]
    )  # exploits were picked because the model errs there: learned from, and no fair test
    for item in rm.fit(whitener, states[a], states[b], targets, weights, folds, settings, judged):
        if isinstance(item, dict):
            now = rm.RewardModel(
                whitener, torch.tensor(item["weights"]), torch.eye(len(item["weights"]))
            )
            item = {**item, "examples": example_scores(now, pool, names, texts)}
            session.fit_records = [*session.fit_records, item]
            yield item
        else:
            model = item.normalised_on(pool)
    heads = bootstrap_heads(
        comparisons.from_states(whitener, pairs, rows, states),
        settings.prior_std,
        seed=settings.seed,
    )
    last, held_pairs = session.fit_records[-1], session.fit_records[-1]["heldout_pairs"]
    prompts = len(fold_of)
    note = (
        ""
        if prompts > 1
        else (
            "All comparisons are about one prompt, so nothing could be held out: there is no"
            " telling how it does on others."
        )
    )
    if not note and held_pairs < 12:
        note = (
            f"Only {held_pairs} comparisons could be held out: the accuracy is a rough guess, as"
            " its interval says."
        )
    note = f"{note} {too_long}".strip()
    contradicting = len(session.contradictions())
    if contradicting:
        note = (
            f"{note} Your judgements contradict each other in {contradicting}"
            f" place{'s' * (contradicting != 1)}; the reward model averages them.".strip()
        )
    with session.lock:
        session.reward_model = model
        if session.policy is not None:
            session.policy.batch = None  # it was scored by the former reward model
        session.reward_summary = {
            "pairs": len(session.pairs),
            "offered": len(session.learnable),
            "pairs_used": len(pairs),
            "ties": sum(p.choice == "tie" for p in pairs),
            "exploits": int((~judged).sum()),
            "prompts": prompts,
            "train_accuracy": last["train_accuracy"],
            "heldout_accuracy": last["heldout_accuracy"],
            "heldout_interval": [last["heldout_low"], last["heldout_high"]] if held_pairs else None,
            "heldout_pairs": held_pairs,
            "note": note,
            "unit": model.scale,
            "fit": session.reward_summary.get("fit", 0) + 1,
            "features": len(last["weights"]),
            "rater": session.rater,
            "examples": example_scores(model, pool, names, texts, heads),
        }
        session.settings = {**session.settings, "reward_model": vars(settings)}
    session.autosave(weights=True)


def example_scores(
    model: rm.RewardModel,
    pool: torch.Tensor,
    names: list[str],
    texts: list[str],
    heads: torch.Tensor | None = None,
    prompts: int = 3,
    each: int = 4,
) -> list[dict]:
    """A few unlabelled outputs with their scores (reference SD), all 0 before training: what the
    page re-sorts as the head learns.

    With the bootstrap ``heads`` of a fitted model, (H, k), each also has its doubt: "laplace" and
    "bootstrap", both standard deviations.
    """
    raw = model.raw(pool)
    scores = (raw - raw.mean()) / raw.std().clamp(min=1e-6)
    doubts = score_with_uncertainty(model, heads, pool) if heads is not None else None
    rows = []
    for prompt in list(dict.fromkeys(names))[:prompts]:
        seen: dict[str, int] = {}
        for i, (name, text) in enumerate(zip(names, texts, strict=True)):
            if name == prompt and text not in seen and len(seen) < each:
                seen[text] = i
        for text, i in seen.items():
            doubt = {name: doubts[i][name] for name in ("laplace", "bootstrap")} if doubts else {}
            rows.append(
                {"prompt": prompt, "text": text, "before": 0.0, "after": scores[i].item(), **doubt}
            )
    return rows


def score_texts(session: Session, prompt: str, texts: list[str]) -> Iterator:
    """Reward (reference SD), its uncertainty and the frozen model's log-probability of finished
    texts. One record a text.
    """
    lm = ready(session)
    if session.reward_model is None:
        raise InputError("There is no trained reward model to score with.")
    ids = encode_prompt(lm, check_prompt(prompt), 1)
    for text in texts:
        if not text.strip():
            raise InputError("A text to score is empty.")
        answer = lm.encode_response(text)
        if len(ids) + len(answer) > lm.trunk.context:
            raise InputError(
                f"A text to score has {len(answer)} tokens; with the prompt it does not fit the"
                f" model's {lm.trunk.context}. Shorten it."
            )
        prompts, prompt_mask = pad_left([ids], lm.pad_id)
        tokens, mask = pad_right([answer], lm.pad_id)
        with torch.no_grad():
            before, at = response_forward(lm.trunk, prompts, prompt_mask, tokens, mask)
            log_p = lm.trunk.logits(before).log_softmax(-1).gather(-1, tokens[..., None]).sum()
            pooled = sampling.pooled_states(at, mask)
        yield {
            "text": text,
            "reward": session.reward_model.score(pooled).item(),
            "uncertainty": session.reward_model.uncertainty(pooled).item(),
            "reference_logprob": log_p.item(),
        }


# --- PPO ------------------------------------------------------------------------------------------


def ppo(session: Session, settings: PPOSettings) -> Iterator:
    """Train for ``settings.steps`` more steps, from where this round stands; knobs that are moved
    meanwhile count from the next step on.
    """
    settings.validate()
    lm = ready(session)
    if session.reward_model is None:
        raise InputError(
            "PPO needs a reward model: it is what the answers are scored with. Train one first."
        )
    if settings.frozen_layers >= lm.trunk.layers:
        raise InputError(
            f"This model has {lm.trunk.layers} layers; at most {lm.trunk.layers - 1} can be frozen."
        )
    prompts = training_prompts(session, lm, settings.max_new_tokens)
    make_room(session, lm)
    policy, fresh = yield from policy_at_hand(session, lm, settings)
    small, former, last_fit = (
        sum(p.numel() for p in lm.trunk.parameters()) < SMALL,
        session.settings.get("ppo", {}).get("beta"),
        None,
    )
    with session.lock:  # the run begins: what a page chose for it is what it runs with
        session.settings = {
            **{name: values for name, values in session.settings.items() if name != "ppo_next"},
            "ppo": vars(settings),
        }
        session.broke = None
    try:
        for number in range(settings.steps):
            settings = tuning.settled(session, settings)
            with session.lock:
                model, fit = session.reward_model, session.reward_summary.get("fit", 1)
            if (
                fit != last_fit and number
            ):  # trained anew meanwhile: the batch was scored by its predecessor
                policy.batch = None
            if tuning.steered_anew(settings, former):
                policy.beta = settings.beta
            former, last_fit, before = settings.beta, fit, policy.batch
            tuning.note_segment(
                session, policy, settings, fit, model, list(prompts), fresh=fresh and number == 0
            )
            for item in tuning.training(
                lm, policy, model, list(prompts.values()), settings, steps=1
            ):
                if isinstance(item, Progress):
                    yield item
                    continue
                batch = item.pop("batch")
                session.traces = tuning.traced(session.traces, lm, item, batch, before, settings)
                before = batch
                batch.responses.full_logprobs = batch.responses.hidden = batch.ref_full_logprobs = (
                    None  # measured, and 20 MB a session otherwise
                )
                if session.metrics and item["step"] == session.metrics[-1]["step"]:
                    # measured again at another temperature or by another reward model; that row is
                    # already there
                    continue
                item["reward_model"] = fit
                keep_step(session, lm, policy, item, batch)
                session.autosave(
                    weights=item["step"] > 0 and (item["step"] % SAVE_WEIGHTS_EVERY == 0 or small)
                )
                tuning.keep(session, policy)
                yield item
    except ppo_engine.TrainingDiverged as error:
        session.broke = {"step": session.steps_done + 1, "sentence": str(error)}
        raise
    finally:
        session.autosave(weights=session.weights is not None)


def policy_at_hand(session: Session, lm: LanguageModel, settings: PPOSettings) -> Iterator:
    """The policy that training goes on with; returns (policy, whether its optimiser is a fresh
    one). Yields Progress where a reopened run is made whole first.
    """
    start = session.tuned_weights
    if session.policy is not None and session.policy.frozen_layers == settings.frozen_layers:
        return session.policy, False
    if tuning.can_be_taken_up(session, settings):
        session.policy, *_ = yield from tuning.reach(session, lm, session.steps_done)
        return session.policy, False
    if start is not None and not same_below(lm, start, settings.frozen_layers):
        raise InputError(
            "This model was already trained in all its layers, so none can be frozen now. Set"
            " frozen layers to 0, or restart the round."
        )
    session.policy = ppo_engine.Policy(trunk_with(lm, start), settings)
    session.policy.step = session.steps_done
    return session.policy, True


def keep_step(
    session: Session,
    lm: LanguageModel,
    policy: ppo_engine.Policy,
    row: dict,
    batch: ppo_engine.Batch,
) -> None:
    """A finished step's numbers, texts and weights, for everybody to see."""
    asked, texts = batch.responses, decode_texts(lm, batch.responses)
    samples = [
        {
            "step": row["step"],
            "prompt": lm.decode(ids[keep].tolist()),
            "text": text,
            "reward": reward,
            "kl": kl,
            "ended": ended,
        }
        for ids, keep, text, reward, kl, ended in zip(
            asked.prompt_ids,
            asked.prompt_mask,
            texts,
            batch.scores.tolist(),
            batch.kl.sum(1).tolist(),
            batch.ended.tolist(),
            strict=True,
        )
    ]
    with session.lock:
        session.weights = policy_weights(policy) if row["step"] else session.weights
        session.metrics, session.samples = [*session.metrics, row], [*session.samples, *samples]
        session.evaluation = None


# --- before and after -----------------------------------------------------------------------------


def evaluation_prompts(session: Session) -> list[str]:
    """Prompts the verdict may use: the brief's own, or the featured ones that training did not use."""
    used = {*session.training_prompts, *(pair.prompt for pair in session.pairs)}
    prompts = list(session.brief.evaluation_prompts) or [
        p for p in FEATURED_PROMPTS if p not in used
    ]
    if not prompts:
        raise InputError(
            "There is no prompt left that training has not used. Add evaluation prompts to the"
            " brief."
        )
    return prompts


def evaluate(session: Session, count: int, seed: int) -> Iterator:
    """The original and the tuned model on the same unseen prompts with the same random numbers;
    ``count`` pairs.
    """
    lm = ready(session)
    weights = session.tuned_weights
    if weights is None or session.reward_model is None:
        raise InputError("There is no tuned model yet. Run at least one PPO step first.")
    prompts = evaluation_prompts(session)
    each = max(1, -(-count // len(prompts)))
    encoded = [encode_prompt(lm, p, ROLLOUT_TOKENS) for p in prompts]
    sides = {}
    for side, trunk in (("before", lm.trunk), ("after", trunk_with(lm, weights))):
        rows = yield from write(
            lm, trunk, encoded, each, seed_of(session, "evaluate", seed), stage=f"writing, {side}"
        )
        states = torch.stack([state for *_, state in rows])
        scores, doubts = (
            session.reward_model.score(states).tolist(),
            session.reward_model.uncertainty(states).tolist(),
        )
        sides[side] = [
            {
                "prompt": prompts[n],
                side: text,
                f"reward_{side}": score,
                f"doubt_{side}": doubt,
                f"ended_{side}": ended,
            }
            for (n, text, ended, _), score, doubt in zip(rows, scores, doubts, strict=True)
        ]
    pairs = [before | after for before, after in zip(sides["before"], sides["after"], strict=True)]
    # In an order that shows every prompt once before any comes again, and no more pairs than asked
    # for.
    pairs = [pairs[p * each + k] for k in range(each) for p in range(len(prompts))][:count]
    wanted, chance = session.brief.wanted, seed_of(session, "interval", seed)
    result = before_after.summarise(pairs, wanted=wanted, judge="reward model", seed=chance)
    fluency = {}
    for side in ("before", "after"):
        rows = [(p["prompt"], p[side], p[f"ended_{side}"]) for p in pairs]
        fluency[side] = yield from fluency_of_texts(lm, rows, stage=f"reading, {side}")
    result |= verdict.verdict(
        pairs, wanted=wanted, scripted="scripted" in session.rater, fluency=fluency, seed=chance
    )
    result["round"], result["step"], result["seed"] = (
        session.current_round,
        session.steps_done,
        seed,
    )
    with session.lock:
        session.evaluation = result
    session.autosave()
    yield {"kind": "evaluation", **{k: v for k, v in result.items() if k != "pairs"}}


def compare(session: Session, prompt: str, seed: int, samples: int) -> Iterator:
    """Any prompt on both models, the same random numbers."""
    lm = ready(session)
    prompt = check_prompt(prompt)
    ids = encode_prompt(lm, prompt, ROLLOUT_TOKENS)
    weights = session.tuned_weights
    if weights is None:
        raise InputError("There is no tuned model yet. Run at least one PPO step first.")
    record: dict = {"kind": "compare", "prompt": prompt, "seed": seed}
    for side, trunk in (("before", lm.trunk), ("after", trunk_with(lm, weights))):
        rows = yield from write(lm, trunk, [ids], samples, seed, stage=f"writing, {side}")
        record[side] = [text for _, text, _, _ in rows]
        record[f"ended_{side}"] = [ended for _, _, ended, _ in rows]
        if session.reward_model is not None:
            states = torch.stack([state for *_, state in rows])
            record[f"reward_{side}"] = session.reward_model.score(states).tolist()
            record[f"doubt_{side}"] = session.reward_model.uncertainty(states).tolist()
    yield record


# --- the whole loop -------------------------------------------------------------------------------


def run_once(session: Session, comparisons: int, steps: int) -> Iterator:
    """Everything once with the scripted rater: its earlier judgements under this brief are
    replaced, a person's are kept and used too.
    """
    if session.brief.wanted is None:
        raise InputError(
            f"The brief {session.brief.title!r} has no scripted rater. Rank the outputs yourself,"
            " step by step."
        )
    # A model that is not ours may be slow here: then with settings that fit, measured now.
    tuning, reading, pairs = (
        PPOSettings(steps=steps, seed=session.seed),
        RewardModelSettings(seed=session.seed),
        200,
    )
    if session.model_name != model_list.BUNDLED:
        offer = (yield from last(time_a_step(session, tuning)))["workshop"]
        if offer:
            tuning, reading, pairs = (
                replace(tuning, **offer["settings"]),
                replace(reading, reference_samples=128),
                60,
            )
    with session.lock:
        session.restart_round()
        session.rankings = [
            r
            for r in session.rankings
            if not (r.annotator == SCRIPTED and r.brief == session.brief.slug)
        ]
        judged = {r.id for r in session.rankings}
        session.candidate_sets = [
            row for row in session.candidate_sets if row["id"] in judged or row.get("asked")
        ]  # what a learner asked for stays
    stages = (
        ("generate", generate_pool(session, comparisons, 2)),
        ("rank", judge_for_me(session, comparisons, 2)),
        ("reward", fit_reward_model(session, reading)),
        ("ppo", ppo(session, tuning)),
        ("evaluate", evaluate(session, pairs, 1)),
    )
    for stage, work in stages:
        yield {"kind": "stage", "stage": stage}
        for event in work:
            if isinstance(event, Progress):
                yield event
                continue
            shown = event
            if stage == "generate":
                row = next(r for r in session.candidate_sets if r["id"] == event["set_id"])
                shown = {"prompt": row["prompt"], "texts": row["texts"]}
            yield {
                **{k: v for k, v in shown.items() if k != "examples"},
                "kind": "stage",
                "stage": stage,
            }
