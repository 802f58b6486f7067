"""Score an answer with this reward model, by transformers and safetensors alone.

python score.py "An opossum is" " a marsupial with a bare tail."
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer


@torch.no_grad()
def score(prompt: str, answer: str, folder: str | Path = Path(__file__).parent) -> float:
    """In standard deviations of the original model's answers; 0 is their mean."""
    about = json.loads((Path(folder) / "reward_model.json").read_text(encoding="utf-8"))
    head = load_file(Path(folder) / "reward_model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    given, said = (tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, answer))
    given, said = ([i for i in ids if i not in about["markers"]] for ids in (given, said))
    if prompt.rstrip()[-1:] in tuple(".!?"):  # a request, in the frame that the model knows
        given = about["before"] + given + about["behind"]
    ids = torch.tensor([given + said + [about["end"]]])
    states = model(ids).last_hidden_state[0, len(given) :]  # (tokens of the answer, d)
    features = (states.mean(0) - head["whitener.mean"]) @ head["whitener.matrix"]
    center, scale = head["normalisation"].tolist()
    return ((features @ head["weights"]).item() - center) / scale


if __name__ == "__main__":
    print(score(*sys.argv[1:3]))
