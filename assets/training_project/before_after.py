"""Step 3: both models on prompts that nobody trained on, scored by the reward model of step 1.

python before_after.py
"""

import json

import torch
from score import FOLDER, Scorer
from train_reward import MODEL, SETTINGS, as_texts, padded_tokenizer, rows
from transformers import AutoModelForCausalLM, set_seed


@torch.no_grad()
def answers(folder: str, prompts: list[str]) -> tuple[list[str], list[bool]]:
    tokenizer, told = padded_tokenizer(folder), SETTINGS["policy"]
    tokenizer.padding_side = "left"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    batch = tokenizer(prompts, padding=True, return_tensors="pt").to(model.device)
    set_seed(SETTINGS["seed"])
    out = model.generate(
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


def main() -> None:
    prompts = [row["prompt"] for row in rows("prompts/test.jsonl") for _ in range(8)]
    score, means = Scorer(), {}
    for side, folder in (("before", MODEL), ("after", str(FOLDER / "policy"))):
        texts, ended = answers(folder, prompts)
        scores = score(prompts, texts, ended)
        means[side] = sum(scores) / len(scores)
        for prompt, text in list(zip(prompts, texts, strict=True))[::8][:5]:
            print(f"{side:>6}  {prompt}{text}")
    print(json.dumps({"answers": len(prompts), "reward": means}))
    (FOLDER / "before_after.json").write_text(json.dumps(means))


if __name__ == "__main__":
    main()
