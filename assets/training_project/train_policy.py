"""Step 2: bend the language model to that taste.

    accelerate launch --config_file accelerate/one_gpu.yaml train_policy.py --algorithm rloo

rloo, grpo: sampled answers, scored by the reward model of step 1, held to the original by the KL
penalty. ppo: the same with a value model (TRL's last release that has it is 1.12.0). dpo: from the
judgements themselves, without the reward model.
"""

import argparse
import json

import torch
from score import FOLDER, REWARD, Scorer
from train_reward import MODEL, SETTINGS, padded_tokenizer, rows
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, set_seed

OUT = FOLDER / "policy"
SHARED = dict(
    output_dir=str(FOLDER / "build" / "policy"),
    bf16=SETTINGS["bf16"],
    report_to="none",
    save_strategy="no",
    logging_steps=1,
    seed=SETTINGS["seed"],
)


class Reward:
    """``Scorer`` as TRL calls it: one number an answer; a missing end of text costs."""

    __name__ = "reward"

    def __init__(self, tokenizer):
        self.score, self.end = Scorer(), tokenizer.eos_token_id

    def __call__(self, prompts, completions, completion_ids, **_):
        ended = [self.end in ids for ids in completion_ids]
        fee = SETTINGS["policy"]["missing_end_penalty"]
        scores = self.score(prompts, completions, ended)
        return [s - fee * (not e) for s, e in zip(scores, ended, strict=True)]


def sampled(kind: str, model, tokenizer):
    """TRL's RLOOTrainer or GRPOTrainer with this run's settings."""
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    told = SETTINGS["policy"]
    cls, trainer = (RLOOConfig, RLOOTrainer) if kind == "rloo" else (GRPOConfig, GRPOTrainer)
    config = cls(
        **SHARED,
        per_device_train_batch_size=told["batch_size_per_process"],
        num_generations=told["answers_per_prompt"],
        num_iterations=told["epochs"],
        max_steps=told["steps"] * told["epochs"],
        max_completion_length=told["max_new_tokens"],
        temperature=told["temperature"],
        learning_rate=told["learning_rate"],
        lr_scheduler_type="constant",
        beta=told["beta"],
        epsilon=told["clip"],
    )
    return trainer(
        model=model,
        reward_funcs=Reward(tokenizer),
        args=config,
        train_dataset=rows("prompts/train.jsonl"),
        processing_class=tokenizer,
    )


def direct(model, tokenizer):
    """TRL's DPOTrainer (Rafailov et al. 2023) on the judgements."""
    from trl import DPOConfig, DPOTrainer

    told = SETTINGS["dpo"]
    config = DPOConfig(
        **SHARED,
        per_device_train_batch_size=told["batch_size_per_process"],
        max_steps=told["steps"],
        learning_rate=told["learning_rate"],
        lr_scheduler_type="constant",
        beta=told["beta"],
    )
    data = rows("preferences/train.jsonl")
    return DPOTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)


def ppo(model, tokenizer):
    """TRL's PPOTrainer; its score is the reward model's own number, not set to a spread of 1."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    told = SETTINGS["policy"]
    judges = [AutoModelForSequenceClassification.from_pretrained(REWARD) for _ in range(2)]
    data = rows("prompts/train.jsonl").map(
        lambda row: {"input_ids": tokenizer(row["prompt"])["input_ids"]}, remove_columns=["prompt"]
    )
    each = told["batch_size_per_process"]
    config = PPOConfig(
        **SHARED,
        per_device_train_batch_size=each,
        num_ppo_epochs=told["epochs"],
        total_episodes=told["steps"] * told["batch_size"],
        response_length=told["max_new_tokens"],
        temperature=told["temperature"],
        learning_rate=told["learning_rate"],
        kl_coef=told["beta"],
        cliprange=told["clip"],
        missing_eos_penalty=told["missing_end_penalty"],
        stop_token="eos",
        num_sample_generations=0,
    )
    return PPOTrainer(
        args=config,
        processing_class=tokenizer,
        model=model,
        ref_model=None,
        reward_model=judges[0],
        value_model=judges[1],
        train_dataset=data,
        eval_dataset=data,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", choices=["rloo", "grpo", "dpo", "ppo"], default="rloo")
    kind = parser.parse_args().algorithm
    set_seed(SETTINGS["seed"])
    tokenizer = padded_tokenizer(MODEL)
    tokenizer.padding_side = "left"
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    makers = {"dpo": direct, "ppo": ppo}
    trainer = makers[kind](model, tokenizer) if kind in makers else sampled(kind, model, tokenizer)
    trainer.train()
    if trainer.accelerator.is_main_process:
        tuned = trainer.accelerator.unwrap_model(trainer.model)
        tuned = getattr(tuned, "policy", tuned)  # PPO trains policy and value model in one wrapper
        tuned.save_pretrained(OUT)
        tokenizer.save_pretrained(OUT)
        history = [row for row in trainer.state.log_history if "loss" in row or "reward" in row]
        (OUT / "history.json").write_text(json.dumps(history, indent=1))
    trainer.accelerator.wait_for_everyone()


if __name__ == "__main__":
    main()
