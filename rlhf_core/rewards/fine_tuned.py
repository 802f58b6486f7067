"""The slower reward model.

The language model's own top layers learn the taste, through TRL's ``RewardTrainer``.

    prompt + response -> frozen bottom layers -> trained top layers -> linear head on the last token
    -> score

Where the instant head weighs what the original model's states already show, this one can change
what they show: more can be learned, and more can be learned by heart.

How TRL's loop becomes a generator. ``RewardTrainer.train()`` runs to its end, and a callback can
neither yield nor wait; a thread would break the house's rule (one worker thread advances
generators), and calling ``train()`` in segments rebuilds the optimiser and the shuffle each time.
So we take the trainer's own parts - its dataset preparation, collator, loader, loss
(``training_step``), clipping, optimiser, schedule - and turn the crank ourselves: ``steps_of`` is
the ten lines of its inner loop, yields after every optimiser step, and calls the trainer's
callbacks where ``train()`` does. tests/rewards/test_fine_tuned.py compares the weights with
``train()``'s own. A stop is closing it.

Simplification: TRL's loss knows no ties and no weights of a vote, so ties are left out and each
decided pair counts once. One split by prompt measures the held-out accuracy; its prompts are not
trained on (five models, one a fold, would take five times as long).

Shapes: B texts, N pairs, d hidden size.
"""

from __future__ import annotations

import copy
import math
import random
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlhf_core.common.errors import RewardModelError
from rlhf_core.common.events import Progress, Record
from rlhf_core.common.intervals import clustered
from rlhf_core.common.settings import FineTunedSettings
from rlhf_core.judging.preferences import EXPLOIT, Pair, split_prompts
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import pad_right
from rlhf_core.rewards.comparisons import Row, usable

if TYPE_CHECKING:
    from transformers import GPT2ForSequenceClassification, TrainerCallback
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

Pairing = tuple[Row, Row]  # winner, loser

BATCH = 64  # texts read at once where nothing is trained


@dataclass
class FineTunedReward:
    """A trained scorer of texts, in the unit of ``RewardModel``.

    0 is the reference's mean, 1 its standard deviation.

    Attributes:
        lm: whose tokenizer it reads with; the original model, untouched.
        model: ``GPT2ForSequenceClassification`` with one output.
    """

    lm: LanguageModel
    model: GPT2ForSequenceClassification
    center: float = 0.0
    scale: float = 1.0

    @torch.no_grad()
    def raw(self, rows: list[Row]) -> Tensor:
        """(B,) Bradley-Terry scores of (prompt, text, ended) rows: differences are log-odds."""
        self.model.eval()
        return torch.cat(
            [
                self._read([token_ids(self.lm, row) for row in rows[i : i + BATCH]])
                for i in range(0, len(rows), BATCH)
            ]
        )

    def _read(self, sequences: list[list[int]]) -> Tensor:
        ids, mask = pad_right(sequences, self.lm.pad_id)
        hidden = self.model.transformer(
            input_ids=ids, attention_mask=mask.long(), use_cache=False
        ).last_hidden_state  # (B, T, d)
        # The last token, found by the mask: a text may hold the pad token.
        ends = hidden[torch.arange(len(ids)), mask.sum(1) - 1]  # (B, d)
        scores: Tensor = self.model.score(ends)  # (B, 1)
        return scores.squeeze(-1)

    def score(self, rows: list[Row]) -> Tensor:
        """(B,) reward in reference standard deviations."""
        return (self.raw(rows) - self.center) / self.scale

    def uncertainty(self, rows: list[Row]) -> None:
        """None: a fine-tuned network has no exact posterior, and a made-up number is worse."""
        return None

    def normalised_on(self, rows: list[Row]) -> FineTunedReward:
        """This model with its zero and unit set on reference samples.

        Raises RewardModelError where it gives all the same score.
        """
        raw = self.raw(rows)
        spread = raw.std().item()
        if not math.isfinite(spread) or spread < 1e-6:
            raise RewardModelError(
                "The reward model gives every output the same score: it has learned nothing yet."
                " Judge more, and more clearly."
            )
        return FineTunedReward(self.lm, self.model, raw.mean().item(), spread)


def token_ids(lm: LanguageModel, row: Row) -> list[int]:
    """Prompt and response as one sequence, cut to the model's context.

    The end of text only where the response has one.
    """
    prompt, text, ended = row
    ids = lm.encode(prompt) + lm.encode_text(text) + ([lm.end_id] if ended else [])
    return ids[: lm.trunk.context] or [lm.end_id]


def classifier(lm: LanguageModel, unfrozen_layers: int, seed: int) -> GPT2ForSequenceClassification:
    """A ``GPT2ForSequenceClassification`` with ``lm``'s weights.

    Its top ``unfrozen_layers`` blocks, final norm and score head are trainable.

    The bottom is shared with ``lm``, not copied: it is never written to. The head starts with
    standard deviation 1/sqrt(d + 1) (Stiennon et al. 2020; N implementation details).
    """
    from transformers import GPT2Config, GPT2ForSequenceClassification

    if lm.config.get("model_type") != "gpt2":
        raise RewardModelError(
            "Fine-tuning is built for the GPT-2 family; this model is of type"
            f" {lm.config.get('model_type')!r}. The instant reward model works with it."
        )
    if not 1 <= unfrozen_layers <= lm.trunk.layers:
        raise RewardModelError(
            f"This model has {lm.trunk.layers} layers, so between 1 and {lm.trunk.layers} of them"
            " can learn."
        )
    kept = {
        name: value for name, value in lm.config.items() if name not in ("id2label", "label2id")
    }
    config = GPT2Config.from_dict(
        {**kept, "num_labels": 1, "pad_token_id": lm.pad_id, "dtype": "float32"}
    )
    with torch.random.fork_rng(), torch.device("meta"):
        model = GPT2ForSequenceClassification(config)
    body: Any = model.transformer
    trunk = lm.trunk
    frozen = lm.trunk.layers - unfrozen_layers
    body.wte, body.wpe = trunk.wte, trunk.wpe
    body.h = torch.nn.ModuleList(
        [block if i < frozen else copy.deepcopy(block) for i, block in enumerate(trunk.h)]
    )
    body.ln_f = copy.deepcopy(trunk.ln_f)
    with torch.random.fork_rng():
        model.score = torch.nn.Linear(trunk.width, 1, bias=False)
    generator = torch.Generator().manual_seed(seed)
    model.score.weight.data = torch.randn(1, trunk.width, generator=generator) / math.sqrt(
        trunk.width + 1
    )
    for module in (*body.h[frozen:], body.ln_f, model.score):
        module.requires_grad_(True)
    body.wte.requires_grad_(False)
    return model


def _config(
    cls: type[RewardConfig], settings: FineTunedSettings, pairs: int, folder: str
) -> RewardConfig:
    """TRL's ``RewardConfig`` for a small machine."""
    return cls(
        output_dir=folder,
        per_device_train_batch_size=min(settings.batch_size, pairs),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        weight_decay=settings.weight_decay,
        max_grad_norm=1.0,
        center_rewards_coefficient=0.01,
        bf16=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=settings.seed,
        data_seed=settings.seed,
        max_length=None,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )


def reward_trainer(
    lm: LanguageModel,
    model: GPT2ForSequenceClassification,
    train: list[Pairing],
    settings: FineTunedSettings,
    folder: str,
    callbacks: list[TrainerCallback] | None = None,
) -> RewardTrainer:
    """TRL's trainer on (winner, loser) rows in memory: nothing is reported, saved or downloaded.

    ``folder``: a temporary directory.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, ProgressCallback
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    with warnings.catch_warnings():
        # TRL's own default for a setting that transformers has renamed.
        warnings.simplefilter("ignore", FutureWarning)
        config = _config(RewardConfig, settings, len(train), folder)
    data = Dataset.from_list(
        [
            {"chosen_ids": token_ids(lm, winner), "rejected_ids": token_ids(lm, loser)}
            for winner, loser in train
        ]
    )
    tokenizer = copy.deepcopy(lm.tokenizer)
    # Else TRL pads with the end of text, and the head would never read that.
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(lm.pad_id)
    with _global_randomness_untouched():
        trainer = RewardTrainer(
            model=model,
            args=config,
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=callbacks,
        )
    for callback in (PrinterCallback, ProgressCallback):  # stdout is data
        trainer.remove_callback(callback)
    return trainer


@contextmanager
def _global_randomness_untouched() -> Iterator[None]:
    """The trainer seeds python's, numpy's and torch's global generators when it is made.

    Other sessions share them. (Its shuffle has a generator of its own.)
    """
    import numpy as np

    ours, theirs = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(ours)
    np.random.set_state(theirs)


def steps_of(trainer: Any) -> Iterator[Record]:
    """``trainer.train()``, one optimiser step at a time.

    Yields {"step", "of", "loss" (nats, with TRL's centring), "gradient" (norm before clipping)}.

    The inner loop of transformers 5.23's ``Trainer._run_epoch`` for one device and no accumulation;
    callbacks see begin, steps and end, and may ask for a stop. ``trainer``: of ``reward_trainer``;
    much of what this loop turns stands in no type of its.
    """
    args, state = trainer.args, trainer.state
    loader = trainer.get_train_dataloader()
    total = len(loader) * int(args.num_train_epochs)
    trainer.create_optimizer_and_scheduler(total)
    model, handler = trainer.model, trainer.callback_handler
    handler.optimizer, handler.lr_scheduler, handler.train_dataloader = (
        trainer.optimizer,
        trainer.lr_scheduler,
        loader,
    )
    trainer.current_gradient_accumulation_steps = 1
    state.max_steps, state.num_train_epochs, state.global_step = (
        total,
        int(args.num_train_epochs),
        0,
    )
    trainer.control = handler.on_train_begin(args, state, trainer.control)
    model.zero_grad()
    for epoch in range(state.num_train_epochs):
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(epoch)
        # A loader draws a number from torch's global generator, to no end.
        with torch.random.fork_rng():
            batches = list(loader)
        for batch in batches:
            trainer.control = handler.on_step_begin(args, state, trainer.control)
            loss = trainer.training_step(model, batch)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), args.max_grad_norm)
            trainer.optimizer.step()
            trainer.lr_scheduler.step()
            model.zero_grad()
            state.global_step += 1
            state.epoch = state.global_step / len(loader)
            trainer.control = handler.on_step_end(args, state, trainer.control)
            yield {
                "step": state.global_step,
                "of": total,
                "loss": loss.item(),
                "gradient": float(norm),
            }
            if trainer.control.should_training_stop:
                break
        if trainer.control.should_training_stop:
            break
    trainer.control = handler.on_train_end(args, state, trainer.control)


def fit(
    lm: LanguageModel,
    pairs: list[Pair],
    reference: list[Row],
    settings: FineTunedSettings,
    finished: dict[tuple[str, str], bool] | None = None,
    watch: list[Row] | None = None,
) -> Iterator[Progress | Record | FineTunedReward]:
    """Fine-tune; yields Progress a step, a record an epoch, and last the FineTunedReward.

    That is normalised on ``reference`` rows.

    Yields:
        Records of ``reward_model.fit``'s shape: {"iteration", "loss", "train_accuracy",
        "heldout_accuracy" | None, "heldout_low", "heldout_high", "heldout_pairs", "gradient",
        "weights": []}; "floor" is 0, since ties are left out; loss and accuracies are those of all
        votes at the end of the epoch, read anew. With ``watch``, also "watched": their scores so
        far, as in ``kinds.train``.

    Raises:
        RewardModelError: nothing to learn from, in words.
    """
    settings.validate()
    finished = finished or {}
    decided = [pair for pair in usable(pairs)[0] if pair.choice != "tie"]
    rows: list[Pairing] = []
    for p in decided:
        a, b = ((p.prompt, text, bool(finished.get((p.prompt, text), True))) for text in (p.a, p.b))
        rows.append((a, b) if p.choice == "a" else (b, a))
    fold = split_prompts([p.prompt for p in decided], settings.folds, settings.seed)
    held_out = [len(fold) > 1 and fold[p.prompt] == 0 for p in decided]
    train = [row for row, out in zip(rows, held_out) if not out]
    # Exploits were picked because the model errs there: no fair test.
    fair = [out and p.annotator != EXPLOIT for p, out in zip(decided, held_out)]
    held = [row for row, out in zip(rows, fair) if out]
    result = FineTunedReward(
        lm, classifier(lm, min(settings.unfrozen_layers, lm.trunk.layers), settings.seed)
    )
    with tempfile.TemporaryDirectory(prefix="opossum-reward-") as folder:
        trainer = reward_trainer(lm, result.model, train, settings, folder)
        for record in steps_of(trainer):
            yield Progress("fine-tuning", record["step"], record["of"])
            per_epoch = record["of"] // settings.epochs
            if record["step"] % per_epoch == 0:
                row = _measured(
                    result, record["step"] // per_epoch, train, held, record["gradient"]
                )
                yield {**row, "watched": about_mean(result.raw(watch))} if watch else row
    result.model.eval().requires_grad_(False)
    yield result.normalised_on(reference)


def about_mean(raw: Tensor) -> list[float]:
    """Raw scores less their mean: what a list of outputs is sorted by while a model learns."""
    return (raw - raw.mean()).tolist()


def _measured(
    result: FineTunedReward, epoch: int, train: list[Pairing], held: list[Pairing], gradient: float
) -> Record:
    """One record: both parts read anew, without dropout."""
    sides = [row for pair in (*train, *held) for row in pair]
    scores = result.raw(sides).view(-1, 2)
    margins = (scores[:, 0] - scores[:, 1]).double()
    hits = (margins[len(train) :] > 0).tolist()
    low, high = clustered(hits, [winner[0] for winner, _ in held])  # over prompts
    return {
        "iteration": epoch,
        "loss": torch.nn.functional.softplus(-margins[: len(train)]).mean().item(),
        "train_accuracy": (margins[: len(train)] > 0).double().mean().item(),
        "heldout_accuracy": sum(hits) / len(held) if held else None,
        "heldout_low": low if held else None,
        "heldout_high": high if held else None,
        "heldout_pairs": len(held),
        "floor": 0.0,
        "gradient": gradient,
        "weights": [],
    }
