"""Step 3: both models on prompts that nobody trained on, scored by the reward model of step 1.

python before_after.py
"""

import json

import torch
from score import FOLDER, Scorer
from train_reward import MODEL, SETTINGS, answers, rows
from transformers import set_seed


def main() -> None:
    prompts = [row["prompt"] for row in rows("prompts/test.jsonl") for _ in range(8)]
    score, means = Scorer(), {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for side, folder in (("before", MODEL), ("after", str(FOLDER / "policy"))):
        set_seed(SETTINGS["seed"])
        texts, ended = answers(folder, prompts, device)
        scores = score(prompts, texts, ended)
        means[side] = sum(scores) / len(scores)
        for prompt, text in list(zip(prompts, texts, strict=True))[::8][:5]:
            print(f"{side:>6}  {prompt}{text}")
    print(json.dumps({"answers": len(prompts), "reward": means}))
    (FOLDER / "before_after.json").write_text(json.dumps(means))


if __name__ == "__main__":
    main()
