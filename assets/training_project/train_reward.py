"""Step 1: a reward model from the judgements, by TRL's RewardTrainer.

accelerate launch --config_file accelerate/one_gpu.yaml train_reward.py
"""

import json

import torch
from datasets import load_dataset
from score import FOLDER, REWARD, Scorer
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    set_seed,
)
from trl import RewardConfig, RewardTrainer

SETTINGS = json.loads((FOLDER / "settings.json").read_text())
MODEL = str(FOLDER / "model") if (FOLDER / "model").is_dir() else SETTINGS["model"]


def rows(path: str):
    return load_dataset("json", data_files=str(FOLDER / path), split="train")


def padded_tokenizer(model: str):
    """A pad token of its own where there is one: what pads must not be read as an end of text."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def main() -> None:
    asked = SETTINGS["reward"]
    set_seed(SETTINGS["seed"])
    tokenizer = padded_tokenizer(MODEL)
    model = AutoModelForSequenceClassification.from_pretrained(
        MODEL, num_labels=1, dtype=torch.float32, pad_token_id=tokenizer.pad_token_id
    )
    torch.nn.init.normal_(model.score.weight, std=(model.config.hidden_size + 1) ** -0.5)
    config = RewardConfig(
        output_dir=str(FOLDER / "build" / "reward"),
        num_train_epochs=asked["epochs"],
        per_device_train_batch_size=asked["batch_size_per_process"],
        learning_rate=asked["learning_rate"],
        weight_decay=asked["weight_decay"],
        center_rewards_coefficient=0.01,
        lr_scheduler_type="linear",
        bf16=SETTINGS["bf16"],
        report_to="none",
        save_strategy="no",
        logging_steps=10,
        seed=SETTINGS["seed"],
    )
    trainer = RewardTrainer(
        model=model,
        args=config,
        train_dataset=rows("preferences/train.jsonl"),
        processing_class=tokenizer,
    )
    trainer.train()
    if trainer.accelerator.is_main_process:
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.save_pretrained(REWARD)
        tokenizer.save_pretrained(REWARD)
        (REWARD / "normal.json").unlink(missing_ok=True)
        say_how_it_did(trainer.accelerator.device)
    trainer.accelerator.wait_for_everyone()


def say_how_it_did(device) -> None:
    """Set its scale by the original model's answers; compare it with Opossum's on pairs that
    neither was trained on.
    """
    scorer = Scorer()
    scorer.model.to(device)
    texts = sampled(device)
    raw = scorer.raw(*texts)
    scorer.mean, scorer.std = raw.mean().item(), max(raw.std().item(), 1e-6)
    (REWARD / "normal.json").write_text(json.dumps({"mean": scorer.mean, "std": scorer.std}))
    if not (FOLDER / "check" / "pairs.jsonl").read_text():
        return  # the run had no verdict yet
    pairs = list(rows("check/pairs.jsonl"))
    sides = [
        scorer(
            [p["prompt"] for p in pairs], [p[s] for p in pairs], [p[f"ended_{s}"] for p in pairs]
        )
        for s in ("a", "b")
    ]
    same = [
        (a > b) == (pair["opossum_a"] > pair["opossum_b"])
        for a, b, pair in zip(*sides, pairs, strict=True)
    ]
    share = sum(same) / len(same)
    told = {"pairs": len(pairs), "same_verdict_as_opossum": share}
    (REWARD / "check.json").write_text(json.dumps(told, indent=2))
    print(f"On {len(pairs)} unseen pairs it decides as Opossum's did in {share:.0%}.")


def sampled(device, each: int = 8) -> tuple[list[str], list[str], list[bool]]:
    """Answers of the original model to the training prompts: prompts, answers, whether ended."""
    prompts = [row["prompt"] for row in rows("prompts/train.jsonl") for _ in range(each)]
    return prompts, *answers(MODEL, prompts, device)


@torch.no_grad()
def answers(model: str, prompts: list[str], device) -> tuple[list[str], list[bool]]:
    """One answer a prompt by the model in a folder or on the hub: texts, and whether they ended."""
    tokenizer, told = padded_tokenizer(model), SETTINGS["policy"]
    tokenizer.padding_side = "left"
    writer = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).to(device).eval()
    batch = tokenizer(prompts, padding=True, return_tensors="pt").to(device)
    out = writer.generate(
        batch.input_ids,
        attention_mask=batch.attention_mask,
        do_sample=True,
        temperature=told["temperature"],
        top_k=0,
        top_p=1.0,
        max_new_tokens=told["max_new_tokens"],
        pad_token_id=tokenizer.pad_token_id,
    )[:, batch.input_ids.shape[1] :]
    return as_texts(out.tolist(), tokenizer)


def as_texts(answers: list[list[int]], tokenizer) -> tuple[list[str], list[bool]]:
    """Token lists up to their end of text, as texts, and whether they had one."""
    end, texts, ended = tokenizer.eos_token_id, [], []
    for ids in answers:
        ended.append(end in ids)
        texts.append(tokenizer.decode(ids[: ids.index(end)] if end in ids else ids))
    return texts, ended


if __name__ == "__main__":
    main()
