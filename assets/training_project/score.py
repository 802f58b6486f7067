"""What the reward model says of texts, in standard deviations of the original model's answers."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

FOLDER = Path(__file__).resolve().parent
REWARD = FOLDER / "reward"


class Scorer:
    """A trained reward model, its answers set to mean 0 and spread 1 on the original's answers."""

    def __init__(self, folder: Path = REWARD):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).eval()
        normal = folder / "normal.json"
        told = json.loads(normal.read_text()) if normal.exists() else {"mean": 0.0, "std": 1.0}
        self.mean, self.std = told["mean"], told["std"]

    @torch.no_grad()
    def raw(self, prompts: list[str], answers: list[str], ended: list[bool]) -> torch.Tensor:
        """(N,) the head's own numbers. An answer that ended is read with its end of text."""
        end, scores = self.tokenizer.eos_token, []
        texts = [p + a + end * e for p, a, e in zip(prompts, answers, ended, strict=True)]
        for first in range(0, len(texts), 64):
            batch = self.tokenizer(texts[first : first + 64], padding=True, return_tensors="pt")
            batch = batch.to(self.model.device)
            read = {name: batch[name] for name in ("input_ids", "attention_mask")}
            scores.append(self.model(**read).logits[:, 0].float().cpu())
        return torch.cat(scores)

    def __call__(self, prompts: list[str], answers: list[str], ended: list[bool]) -> list[float]:
        return ((self.raw(prompts, answers, ended) - self.mean) / self.std).tolist()
