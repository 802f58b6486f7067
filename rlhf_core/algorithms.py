"""Four ways from the same comparisons to a better model: best-of-n, PPO, RLOO, DPO, on one scale.

All learn from (or pick by) the same comparisons, start from the same model, get the same number of steps of the same batch, and are measured by one probe on
held-out prompts: gold rating against exact KL. Best-of-n trains nothing; its KL can't be measured from samples, so it stands at its upper bound, and is labelled so.

PPO, RLOO and DPO are this project's own, because a page has to be able to stop them at any token; the tests hold their losses against TRL's trainers.
Knows nothing about pages. Results, plain data, are in ``session.experiments["algorithms"]``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch

from rlhf_core import dpo, lab_bench, ppo, rloo, steps
from rlhf_core.best_of_n import expected_of_best, kl_bound
from rlhf_core.events import Progress
from rlhf_core.language_model import LanguageModel
from rlhf_core.measuring import answers_of
from rlhf_core.ppo import last
from rlhf_core.session import InputError, Session
from rlhf_core.settings import AlgorithmsSettings, DPOSettings, PPOSettings, RewardModelSettings, RLOOSettings
from rlhf_core.workbench import ROLLOUT_TOKENS, encode_prompt, ready, seed_of, training_prompts

EXAMPLES = 3  # answers kept of each point
NAMES = {"ppo": "PPO", "rloo": "RLOO", "dpo": "DPO"}


def points_of(settings: AlgorithmsSettings) -> list[int]:
    return sorted({*range(0, settings.steps + 1, settings.every), settings.steps})


def records_expected(settings: AlgorithmsSettings) -> int:
    """How many records ``run`` yields: the reward model, best-of-n, the steps of three algorithms, the end."""
    return 3 + len(NAMES) * (settings.steps + 1)


def token_pairs(own: Session, lm: LanguageModel) -> list[dpo.TokenPair]:
    """The session's comparisons as DPO reads them; one that is too long for the model is left out."""
    ended = {(r.prompt, text): end for r in own.rankings if r.finished for text, end in zip(r.candidates, r.finished, strict=True)}
    pairs = []
    for pair in own.learnable:
        prompt = lm.encode(pair.prompt)
        a, b = (lm.encode(text) + [lm.end_id] * ended.get((pair.prompt, text), True) for text in (pair.a, pair.b))
        chosen, rejected, target = (a, b, pair.target) if pair.target >= 0.5 else (b, a, 1 - pair.target)
        if prompt and a and b and len(prompt) + max(len(a), len(b)) <= lm.trunk.context:
            pairs.append(dpo.TokenPair(prompt, chosen, rejected, target, pair.weight))
    return pairs


def run(session: Session, settings: AlgorithmsSettings, yours: bool = False) -> Iterator:
    """The whole lab. ``yours``: learn from the session's own comparisons instead of the scripted rater's.

    Records {"kind": "reward_model" | "best_of_n" | "step" (algorithm, step) | "end"}. Raises InputError, RewardModelError.
    """
    settings.validate()
    own = lab_bench.bench(session, seed=seed_of(session, "algorithms", settings.seed))
    if yours:
        own.imported = session.learnable
        if reason := own.nothing_to_learn():
            raise InputError(f"There is nothing to learn from yet: {reason}. Rank some outputs first, or let the scripted rater judge.")
    result = {
        "brief": own.brief.title, "settings": vars(settings), "judge": session.rater if yours else "scripted rater (rule)", "best_of_n": [], "runs": {},
        "status": "running",
    }  # fmt: skip
    lab_bench.keep(session, "algorithms", result)
    try:
        yield from lab_bench.teach(own, 0 if yours else settings.comparisons, RewardModelSettings(seed=own.seed))
        lm, model = ready(own), own.reward_model
        result = {**result, "comparisons": len(own.learnable), "accuracy": own.reward_summary["heldout_accuracy"]}
        yield {"kind": "reward_model"}

        prompts = steps.evaluation_prompts(own)[: settings.prompts]
        encoded = [encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in prompts]
        began = time.perf_counter()
        pool = yield from last(
            answers_of(
                lm, lm.trunk, model, encoded, settings.pool, wanted=own.brief.wanted, seed=seed_of(own, "pool of answers"),
                stage="best-of-n: writing answers to pick from",
            )
        )  # fmt: skip
        each = (time.perf_counter() - began) / len(pool)
        zero, sigma = lab_bench.calibration(pool)
        gold = torch.tensor([(answer.gold - zero) / sigma for answer in pool], dtype=torch.float64).view(-1, settings.pool)
        proxy = torch.tensor([answer.proxy for answer in pool], dtype=torch.float64).view(-1, settings.pool)
        rows = []
        for n in (2**power for power in range(7) if 2**power <= settings.pool):
            means = expected_of_best(proxy, gold, n)
            rows.append(
                {
                    "n": n, "kl_bound": kl_bound(n), "proxy": expected_of_best(proxy, proxy, n).mean().item(), "gold": means.mean().item(),
                    "gold_error": (means.std() / len(means) ** 0.5).item(), "seconds_an_answer": n * each,
                }
            )  # fmt: skip
        result = {**result, "best_of_n": rows}
        lab_bench.keep(session, "algorithms", result)
        yield {"kind": "best_of_n"}

        measure = {
            "lm": lm, "model": model, "prompts": encoded, "samples": settings.samples, "wanted": own.brief.wanted, "seed": seed_of(own, "sample"),
        }  # fmt: skip
        for name in NAMES:
            for item in one_run(own, settings, name, measure, (zero, sigma), prompts):
                if isinstance(item, Progress):
                    yield item
                    continue
                if "points" in item:
                    result = {**result, "runs": {**result["runs"], name: item}}
                    lab_bench.keep(session, "algorithms", result)
                else:
                    yield {"kind": "step", "algorithm": name, **item}
        result = {**result, "status": "done", "findings": conclude(result)}
        yield {"kind": "end"}
    finally:
        if result["status"] != "done":
            result = {**result, "status": "stopped", "findings": conclude(result)}
        lab_bench.keep(session, "algorithms", result)
        session.autosave()


def one_run(own: Session, settings: AlgorithmsSettings, name: str, measure: dict, gold_unit: tuple[float, float], prompts: list[str]) -> Iterator:
    """One algorithm: Progress, at each measured step the run so far ({"points", "seconds", "finished"}), and a record a step ({"step", "seconds"}).

    ``measure``: what ``measuring.answers_of`` needs besides the policy; ``prompts``: the same prompts as text.
    """
    lm, model = measure["lm"], measure["model"]
    common = {"steps": settings.steps, "batch_size": settings.batch_size, "seed": own.seed}
    asked = {"ppo": PPOSettings, "rloo": RLOOSettings, "dpo": DPOSettings}[name](**common)
    policy = ppo.Policy(lm.trunk, asked if name == "ppo" else PPOSettings(**common, learning_rate=asked.learning_rate))
    given = {
        "policy": policy, "reference": lm.trunk, "prompts": list(training_prompts(own, lm, asked.max_new_tokens).values()), "score_fn": model.score,
        "settings": asked, "end_id": lm.end_id, "pad_id": lm.pad_id,
    }  # fmt: skip
    work = ppo.train(**given) if name == "ppo" else rloo.train(**given) if name == "rloo" else dpo.train(**given, pairs=token_pairs(own, lm))
    points, seconds, steps_measured = [], 0.0, points_of(settings)
    for item in work:
        if isinstance(item, Progress):
            yield Progress(f"{NAMES[name]}, step {min(policy.step + 1, settings.steps)} of {settings.steps}", item.done, item.total)
            continue
        seconds += item["seconds"] if item["step"] else 0.0
        if item["step"] in steps_measured:
            answers = yield from last(answers_of(trunk=policy.trunk, stage=f"{NAMES[name]}, measuring step {item['step']}", **measure))
            examples = [{"prompt": prompts[a.prompt], "text": a.text, "gold": (a.gold - gold_unit[0]) / gold_unit[1]} for a in answers[:: settings.samples]]
            points = [*points, {"step": item["step"], "seconds": seconds, **lab_bench.point(answers, *gold_unit), "examples": examples[:EXAMPLES]}]
            yield {"points": points, "seconds": seconds, "finished": item["step"] == settings.steps}
        yield {"step": item["step"], "seconds": item["seconds"]}


def conclude(result: dict) -> dict:
    """Who did best at the end, and what a nat bought each of them; efficiency: gold gained / sqrt(2 KL), Gao et al. 2023's d up to a constant."""
    rows = []
    for name, run in result["runs"].items():
        if run["finished"]:
            first, last = run["points"][0], run["points"][-1]
            gain, drift = last["gold"] - first["gold"], math.sqrt(2 * max(0.0, last["kl"]))
            rows.append({"name": name, "gold": last["gold"], "error": last["gold_error"], "gain": gain, "kl": last["kl"], "seconds": run["seconds"],
                         "efficiency": gain / drift if drift > 1e-6 else None})  # fmt: skip
    if len(rows) < 2:
        return {"rows": rows, "sentence": "Fewer than two algorithms have run to their end, so there is nothing to compare yet."}
    ordered = sorted(rows, key=lambda row: -row["gold"])
    best, second = ordered[:2]
    gap, error = best["gold"] - second["gold"], math.hypot(best["error"], second["error"])
    cheap = min(rows, key=lambda row: row["seconds"])
    if gap > 2 * error:
        sentence = (
            f"{NAMES[best['name']]} ends with the highest gold rating, {gap:.2f} standard deviations above {NAMES[second['name']]}, at {best['kl']:.1f} nats."
        )
    else:
        sentence = (
            f"No clear winner: {NAMES[best['name']]} and {NAMES[second['name']]} end {gap:.2f} standard deviations apart, within the noise ({2 * error:.2f})."
        )
    return {"rows": rows, "sentence": f"{sentence} The quickest was {NAMES[cheap['name']]}, {cheap['seconds']:.0f} s of training."}
