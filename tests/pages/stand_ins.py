"""An engine of stand-ins for the tests of pages: what takes minutes and torch is done at once, with
made-up numbers and texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from page_helpers import EVIL, still_queue

from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.preferences import Ranking
from rlhf_core.loop import tuning, workbench
from rlhf_core.session import judged, registry
from rlhf_core.session.state import Session
from rlhf_core.work import catalogue, jobs
from ui import state

FACT, MEME, OTHER = " a marsupial.", " a great character for memes.", " a small animal."


class TrainingDivergedHere(RuntimeError):
    """Looks to the queue like an error of the engine's own: its sentence goes to the page."""


TrainingDivergedHere.__module__ = "rlhf_core.algorithms.ppo"


def stand_in(monkeypatch, **fakes: Callable[..., Iterator]) -> None:
    """From now on the job called by the name of an argument is that function; the other jobs stay
    what they are.
    """
    real = catalogue.function_of
    monkeypatch.setattr(catalogue, "function_of", lambda name: fakes.get(name) or real(name))


def weights(session: Session, number: int) -> str:
    """The name of made-up tensors that the session keeps; other ones for another number."""
    return workbench.put(session, {"stand-in": torch.tensor([number])})


def fake_fit(session: Session, settings: RewardModelSettings) -> Iterator:
    session.begin("reward_model", vars(settings))
    yield Progress("sampling the original", 1, 2)
    part, count = session.learned, len(judged.pairs(session))
    part.fit_records = []
    for number in (1, 2):
        examples = [
            {"prompt": "An opossum is", "text": text, "before": 0.0, "after": score * number}
            for text, score in ((MEME, -0.5), (FACT, 0.5))
        ]
        record = {
            "iteration": number,
            "loss": 0.6 / number,
            "train_accuracy": 0.9,
            "heldout_accuracy": 0.75,
            "heldout_low": 0.5,
            "heldout_high": 0.9,
            "heldout_pairs": 12,
            "examples": examples,
        }
        part.fit_records = [*part.fit_records, record]
        yield record
    part.head = weights(session, -1)
    part.summary = {
        "pairs": count,
        "pairs_used": count,
        "train_accuracy": 0.9,
        "heldout_accuracy": 0.75,
        "heldout_interval": [0.5, 0.9],
        "note": "Only 12 pairs could be held out: the accuracy is a rough guess.",
        "features": 8,
        "examples": examples,
    }


def add_step(session: Session, settings: PPOSettings) -> dict:
    step = session.tuned.metrics[-1]["step"] + 1 if session.tuned.metrics else 0
    row = {
        "step": step,
        "reward_mean": 0.1 * step,
        "reward_std": 1.0,
        "kl_to_reference": 0.2 * step,
        "entropy": 2.0,
        "clip_fraction": 0.1,
        "value_loss": 0.2,
        "approx_kl_update": 0.01,
        "beta": settings.beta,
        "learning_rate": settings.learning_rate,
        "seconds": 1.0,
    }
    sample = {
        "step": step,
        "prompt": "An opossum is",
        "text": f" sample {number_word(step)} {EVIL}",
        "reward": 0.3,
        "kl": 1.0,
        "ended": True,
    }
    session.tuned.metrics, session.tuned.samples, session.tuned.evaluation = (
        [*session.tuned.metrics, row],
        [*session.tuned.samples, sample],
        None,
    )
    session.tuned.weights = weights(session, step) if step else ""
    return row


def number_word(step: int) -> str:
    return ("zero", "one", "two", "three", "four", "five")[step]


def fake_ppo(session: Session, settings: PPOSettings | None = None) -> Iterator:
    settings, part = settings or tuning.chosen(session), session.tuned
    session.begin("ppo", vars(settings.validate()))
    for _ in range(settings.steps + (0 if part.metrics else 1)):
        yield Progress("write", 1, 2)
        if settings.learning_rate >= 0.03 and part.steps_done == 1:
            raise TrainingDivergedHere(
                "Training broke in step 2: The loss is no longer a finite number. The model of step"
                " 1 is kept. Try a smaller learning rate."
            )
        yield add_step(session, settings)


def fake_evaluate(session: Session, count: int = 120, seed: int = 1) -> Iterator:
    yield Progress("writing, before", 1, 2)
    session.tuned.evaluation = evaluation(session.tuned.steps_done > 1)
    yield {"kind": "evaluation"}


def evaluation(changed: bool) -> dict:
    rewards = {
        "reward_before": -0.5,
        "reward_after": 0.8,
        "ended_before": True,
        "ended_after": True,
    }
    pairs = [
        {"prompt": prompt, "before": MEME, "after": FACT, **rewards}
        for prompt in ("A badger is", "A fox is", EVIL)
    ]
    verdict = (
        "The reward model prefers the tuned model in 83% of 3 pairs."
        if changed
        else "No detectable change: the tuned model wins 50% of 3 pairs."
    )
    return {
        "pairs": pairs,
        "win_rate": 0.83 if changed else 0.5,
        "interval": [0.6, 0.95] if changed else [0.2, 0.8],
        "judge": "reward model",
        "wins": 2,
        "ties": 1,
        "losses": 0,
        "rule": {"name": "fact", "before": 0.5, "after": 0.9},
        "full_sentences": {"before": 0.95, "after": 0.96},
        "distinct_2": {"before": 0.6, "after": 0.5},
        "mean_words": {"before": 8.0, "after": 9.0},
        "sentence": verdict,
        "round": 1,
        "step": 2,
    }


def fake_compare(session: Session, prompt: str, seed: int = 0, samples: int = 3) -> Iterator:
    yield {
        "kind": "compare",
        "prompt": prompt,
        "seed": seed,
        "before": [MEME],
        "after": [f"{FACT} seed {seed}"],
        "ended_before": [True],
        "ended_after": [False],
    }


def engine(monkeypatch) -> jobs.JobQueue:
    """A queue that only moves when a test advances it, and an engine of stand-ins."""
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    stand_in(monkeypatch, fit=fake_fit, ppo=fake_ppo, evaluate=fake_evaluate, compare=fake_compare)
    return still


def made(kind: str = "empty") -> Session:
    """A session at a stage of the loop: empty, ranked, fitted or tuned. Nobody saves it."""
    session = registry.create()
    session.directory = session.store = None
    if kind != "empty":
        rank(session, [[[0], [1]], [[1], [0]], [[0, 1]]])
    if kind in ("fitted", "tuned"):
        list(fake_fit(session, RewardModelSettings()))
    if kind == "tuned":
        list(fake_ppo(session, PPOSettings(steps=2)))
    return session


def rank(
    session: Session,
    groups: list[list[list[int]]],
    verdict: str | None = None,
    prompts: tuple[str, ...] = (),
    texts: tuple[str, str] = (FACT, MEME),
) -> None:
    first = len(session.judged.rankings)
    session.judged.rankings = [
        *session.judged.rankings,
        *(
            Ranking(
                f"made-{first + number}",
                (prompts or session.asked.brief.training_prompts)[number],
                list(texts),
                list(range(len(texts))),
                [] if verdict else one,
                verdict,
                brief=session.asked.brief.slug,
            )
            for number, one in enumerate(groups)
        ),
    ]


def add_set(
    session: Session, texts: list[str], prompt: str = "An opossum is", tokens: list | None = None
) -> dict:
    row = {
        "id": f"set-{len(session.asked.candidate_sets) + 1}",
        "prompt": prompt,
        "texts": texts,
        "finished": [True] * len(texts),
        "seed": 0,
        "round": 1,
        "drawn": len(texts),
        "purpose": "rank",
        "tokens": tokens or [],
        "asked": tokens is not None,
    }
    session.asked.candidate_sets = [*session.asked.candidate_sets, row]
    return row


def fake_generate(session: Session, prompt: str, sampling) -> Iterator[dict]:
    """As the job "generate", with canned answers."""
    texts = [f" answer {number} <b>bold</b>" for number in range(sampling.candidates)]
    for count in (1, 2):
        yield {
            "kind": "tokens",
            "texts": [" ".join(one.split(" ")[: count + 1]) for one in texts],
            "token": count,
        }
    tokens = [
        [{"token": " <b>", "probability": 0.5, "alternatives": [[" <i>", 0.25]]}] for _ in texts
    ]
    yield {"kind": "done", "set_id": add_set(session, texts, prompt, tokens)["id"]}


def fake_pool(session: Session, count: int, candidates: int = 2) -> Iterator[dict]:
    for number in range(count):
        texts = [f" {letter}{number}" for letter in "abcd"[:candidates]]
        yield {"kind": "set", "set_id": add_set(session, texts)["id"]}
