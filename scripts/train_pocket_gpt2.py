"""Train the pocket GPT-2: tokenizer, weights, and a checkpoint that training can go on from.

    python scripts/train_pocket_gpt2.py --corpus build/corpus --out build/pocket-gpt2 --minutes 100
    python scripts/train_pocket_gpt2.py --corpus build/corpus --out build/pocket-gpt2 --minutes 100
    --export assets/pocket-gpt2

Each line of the corpus is its own sequence: prompt, completion, end of text. Several lie in one row
of a batch, and none sees another: what attention may look at is the own line only, and positions
count from the line's start (half of the lines are shifted right, so that every position is
trained). Every token of the completion counts, and some of the prompt (so that the model knows a
prompt it cannot read). The learning rate follows the time budget: short warm-up, constant, then
linear to zero over the last 40% (``--decay``). A checkpoint is written every two minutes; the same
command goes on from it, also with another corpus, and counts only the minutes it trained. ``touch
build/pocket-gpt2/pause`` pauses it, removing the file goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import rlhf_core  # noqa: E402, F401, I001 (before torch: it bounds the spinning)
import numpy  # noqa: E402
import torch  # noqa: E402
from tokenizers import ByteLevelBPETokenizer  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast  # noqa: E402

from rlhf_core.lm import precision  # noqa: E402

END, PAD = "<|endoftext|>", "<|pad|>"
WIDTH = 64  # tokens of a row; longer lines are left out (they are below 1 in 1,000)
PROMPT_SHARE = 0.3  # of its tokens that count
CONFIG = dict(
    n_layer=4,
    n_embd=256,
    n_head=8,
    n_positions=160,
    vocab_size=6144,
    resid_pdrop=0.0,
    embd_pdrop=0.0,
    attn_pdrop=0.0,
    activation_function="gelu_pytorch_tanh",
    tie_word_embeddings=True,
)


def read_lines(path: Path) -> list[tuple[str, str]]:
    rows = (json.loads(line) for line in path.open(encoding="utf-8"))
    return [(row["prompt"], row["completion"]) for row in rows]


def make_tokenizer(lines: list[tuple[str, str]], out: Path) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 6,144 entries: 2 special tokens, 256 bytes, the rest merges."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        (prompt + completion for prompt, completion in lines),
        vocab_size=CONFIG["vocab_size"],
        min_frequency=2,
        special_tokens=[END, PAD],
        show_progress=False,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        eos_token=END,
        bos_token=END,
        unk_token=END,
        pad_token=PAD,
        model_max_length=CONFIG["n_positions"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(out)
    return tokenizer


class Lines:
    """All lines, token by token behind each other, and where each begins."""

    def __init__(self, tokenizer, lines: list[tuple[str, str]]):
        tokens, starts, answers, at = [], [], [], 0
        for first in range(0, len(lines), 20_000):
            part = lines[first : first + 20_000]
            prompts = tokenizer([p for p, _ in part], add_special_tokens=False)["input_ids"]
            completions = tokenizer([c for _, c in part], add_special_tokens=False)["input_ids"]
            for prompt, completion in zip(prompts, completions, strict=True):
                row = [*prompt, *completion, tokenizer.eos_token_id]
                if len(row) <= WIDTH:
                    tokens.append(numpy.array(row, dtype=numpy.int16))
                    starts.append(at)
                    answers.append(len(prompt))
                    at += len(row)
        self.tokens = numpy.concatenate(tokens)
        self.starts = numpy.array([*starts, at])
        self.answers = numpy.array(answers)

    def __len__(self) -> int:
        return len(self.answers)

    def line(self, index: int) -> tuple[numpy.ndarray, int]:
        """Its tokens, and how many of them are prompt."""
        return self.tokens[self.starts[index] : self.starts[index + 1]], int(self.answers[index])


def batches(lines: Lines, rows: int, random: numpy.random.Generator):
    """Endless (ids, positions, segments, counts), (rows, WIDTH) each.

    ``segments`` numbers the lines of a row, 0 where there is none. ``counts`` (bool) says whether
    the loss of predicting this token does (never the first of a line).
    """
    order = iter(())
    waiting = None
    while True:
        ids = numpy.zeros((rows, WIDTH), dtype=numpy.int64)
        positions, segments = numpy.zeros_like(ids), numpy.zeros_like(ids)
        counts = numpy.zeros((rows, WIDTH), dtype=bool)
        used, number = numpy.zeros(rows, dtype=int), 0
        while True:
            if waiting is None:
                index = next(order, None)
                if index is None:
                    order = iter(random.permutation(len(lines)).tolist())
                    index = next(order)
                waiting = lines.line(index)
            tokens, prompt = waiting
            fits = numpy.flatnonzero(used + len(tokens) <= WIDTH)
            if not len(fits):
                break
            row, number = fits[0], number + 1
            here = slice(used[row], used[row] + len(tokens))
            shift = random.integers(0, CONFIG["n_positions"] - len(tokens) + 1)
            ids[row, here] = tokens
            positions[row, here] = numpy.arange(len(tokens)) + shift * (random.random() < 0.5)
            segments[row, here] = number
            counts[row, here] = random.random(len(tokens)) < PROMPT_SHARE
            counts[row, used[row] + prompt : used[row] + len(tokens)] = True
            counts[row, used[row]] = False
            used[row] += len(tokens)
            waiting = None
        yield tuple(map(torch.from_numpy, (ids, positions, segments, counts)))


def packed_loss(
    weights: dict[str, Tensor],
    ids: Tensor,
    positions: Tensor,
    segments: Tensor,
    counts: Tensor,
    dtype: torch.dtype,
) -> Tensor:
    """The mean loss of rows in which several lines lie. (B, T) each -> ().

    GPT-2's forward with the products in ``dtype``, under transformers' own names. Equal to
    transformers: tests/lm/test_pocket_training.py.
    """
    w = {name: tensor.to(dtype) for name, tensor in weights.items()}
    rows, width = ids.shape
    heads, size = CONFIG["n_head"], CONFIG["n_embd"] // CONFIG["n_head"]
    hidden = F.embedding(ids, w["wte.weight"]) + F.embedding(positions, w["wpe.weight"])
    same = segments[:, :, None] == segments[:, None, :]
    allowed = same & torch.ones(width, width, dtype=torch.bool).tril()
    bias = torch.where(allowed, 0.0, -1e4).to(dtype)  # (B, T, T)
    bias = bias[:, None].expand(rows, heads, width, width).reshape(-1, width, width)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    for layer in range(CONFIG["n_layer"]):
        at = f"h.{layer}"
        qkv = linear(norm(hidden, f"{at}.ln_1"), f"{at}.attn.c_attn")
        q, k, v = qkv.view(rows, width, 3, heads, size).permute(2, 0, 3, 1, 4).flatten(1, 2)
        look = (q @ k.transpose(1, 2) * size**-0.5 + bias).softmax(-1)
        mixed = (look @ v).view(rows, heads, width, size).transpose(1, 2).flatten(2)
        hidden = hidden + linear(mixed, f"{at}.attn.c_proj")
        inner = F.gelu(linear(norm(hidden, f"{at}.ln_2"), f"{at}.mlp.c_fc"), approximate="tanh")
        hidden = hidden + linear(inner, f"{at}.mlp.c_proj")
    hidden, asked = norm(hidden, "ln_f")[:, :-1], counts[:, 1:]
    return F.cross_entropy((hidden[asked] @ w["wte.weight"].T).float(), ids[:, 1:][asked])


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal (Jordan et al. 2024); steps as long as Adam's (Liu et al. 2025,
    arXiv 2502.16982, section 2.2).

    As ``torch.optim.Muon`` with ``match_rms_adamw``, but orthogonal in ``dtype``: torch takes
    bfloat16, 9 of a step's 11 seconds on a processor that has none; where it has, float32 would
    take a quarter of the step.
    """

    def __init__(
        self,
        matrices: list[Tensor],
        lr: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": 0.95})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for matrix in group["params"]:
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
                ahead = matrix.grad.lerp(state["momentum_buffer"], group["momentum"])
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                length = 0.2 * math.sqrt(max(matrix.shape)) * group["lr"]
                matrix.add_(orthogonal(ahead.to(self.dtype)), alpha=-length)


def orthogonal(matrix: Tensor, turns: int = 5) -> Tensor:
    """The nearest orthogonal matrix, roughly: all singular values between 0.5 and 1.5, by Newton
    and Schulz (Jordan et al. 2024). (N, M) -> (N, M).
    """
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(turns):
        square = x @ x.T
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def optimizers_of(
    model: GPT2LMHeadModel, peak: float, dtype: torch.dtype
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, Adam for the rest."""
    inner = [p for name, p in model.transformer.h.named_parameters() if p.dim() == 2]
    ids = {id(p) for p in inner}
    outer = [p for p in model.parameters() if id(p) not in ids]
    muon = Muon(inner, lr=peak, weight_decay=0.05, dtype=dtype)
    adam = torch.optim.AdamW(outer, lr=peak, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
    return [muon, adam]


def learning_rate(peak: float, done: float, decay: float) -> float:
    """``done`` in [0, 1] of the time budget; linear to zero over the last ``decay`` of it."""
    return peak * min(1.0, done / 0.01 + 0.02) * min(1.0, (1 - done) / decay)


@torch.no_grad()
def heldout_loss(model: GPT2LMHeadModel, lines: Lines, pad: int) -> float:
    """Nats a token of the completion, over the first 1,024 lines."""
    total, count = 0.0, 0
    for first in range(0, min(len(lines), 1024), 64):
        rows = [lines.line(i) for i in range(first, min(first + 64, len(lines)))]
        width = max(len(tokens) for tokens, _ in rows)
        ids, targets = torch.full((len(rows), width), pad), torch.full((len(rows), width), -100)
        for i, (tokens, prompt) in enumerate(rows):
            ids[i, : len(tokens)] = torch.from_numpy(tokens.astype(numpy.int64))
            targets[i, prompt : len(tokens)] = ids[i, prompt : len(tokens)]
        logits = model(input_ids=ids).logits[:, :-1]
        total += F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), targets[:, 1:].reshape(-1), reduction="sum"
        ).item()
        count += int((targets[:, 1:] != -100).sum())
    return total / count


def export(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Hugging Face layout, weights in float16 safetensors."""
    half = GPT2LMHeadModel(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    print(f"exported to {out}: {sum(f.stat().st_size for f in out.iterdir()) / 1e6:.1f} MB")


def begin_from(folder: Path, model: GPT2LMHeadModel) -> int:
    """Load an exported model's weights into ``model``; returns the tokens it was trained on."""
    exported = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    model.load_state_dict(exported.state_dict())
    return json.loads((folder / "training.json").read_text())["training_tokens"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket-gpt2"))
    parser.add_argument("--export", type=Path, help="write the finished model here in float16")
    parser.add_argument(
        "--minutes", type=float, default=100, help="training time, all sessions together"
    )
    parser.add_argument("--rows", type=int, default=96, help=f"of {WIDTH} tokens, a batch")
    parser.add_argument("--lr", type=float, default=2.5e-3)
    parser.add_argument(
        "--decay",
        type=float,
        default=0.4,
        help="share of the time over which the rate falls to zero; 1, and --lr 1.2e-3, go with"
        " --start",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--start",
        type=Path,
        help="an exported model (and its training.json) to begin from, where --out has no"
        " checkpoint: training of an earlier machine that went on too short",
    )
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="bfloat16" if precision.capable() else "float32",
        help="of the products; bfloat16 only pays where the processor has it (weights, sums of"
        " gradients and the optimiser are float32 in any case)",
    )
    parser.add_argument(
        "--measure", type=int, default=0, help="only time this many batches, then stop"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )

    def log(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    read = read_lines(args.corpus / "train.jsonl")
    if (args.out / "tokenizer.json").exists():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.out)
    elif args.start:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.start)
        tokenizer.save_pretrained(args.out)
    else:
        log(f"training the tokenizer on {len(read):,} lines")
        tokenizer = make_tokenizer(read[:200_000], args.out)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    lines = Lines(tokenizer, read)
    heldout = Lines(tokenizer, read_lines(args.corpus / "heldout.jsonl"))
    log(f"{len(lines):,} lines, {len(lines.tokens):,} tokens; vocabulary {len(tokenizer)}")

    model = GPT2LMHeadModel(
        GPT2Config(**CONFIG, bos_token_id=end, eos_token_id=end, pad_token_id=pad)
    )
    log(f"{model.num_parameters():,} parameters; products in {args.dtype}")
    dtype = getattr(torch, args.dtype)
    optimizers = optimizers_of(model, args.lr, dtype)
    checkpoint, step, trained, seen = args.out / "checkpoint.pt", 0, 0.0, 0
    if checkpoint.exists() and not args.measure:
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        step, trained, seen = state["step"], state["trained"], state["seen"]
        log(f"going on from step {step}, {trained / 60:.1f} minutes trained")
    elif args.start:
        seen = begin_from(args.start, model)
        log(f"beginning from {args.start}, {seen / 1e6:.1f}M tokens trained")

    def save() -> None:
        state = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "step": step,
            "trained": trained,
            "seen": seen,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)

    weights = dict(model.transformer.named_parameters())
    source = batches(lines, args.rows, numpy.random.default_rng([args.seed, step]))
    budget, last_save, running = args.minutes * 60, time.time(), None
    begun = seen, trained
    while trained < budget:
        while (args.out / "pause").exists():
            time.sleep(1)
        tick = time.time()
        ids, positions, segments, counts = next(source)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(args.lr, trained / budget, args.decay)
        loss = packed_loss(weights, ids, positions, segments, counts, dtype)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step, seen = step + 1, seen + int((segments > 0).sum())
        trained += time.time() - tick
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if not math.isfinite(running):
            sys.exit(f"the loss is not finite at step {step}")
        if args.measure and step >= args.measure:
            log(f"{seen / trained:,.0f} tokens/s over {step} batches, loss {running:.3f}")
            return
        if step % 100 == 0:
            log(
                f"step {step} {trained / 60:.1f}/{args.minutes:.0f} min, {seen / 1e6:.1f}M tokens"
                f" ({(seen - begun[0]) / (trained - begun[1]):,.0f}/s), loss {running:.3f}"
            )
        if time.time() - last_save > 120:
            save()
            last_save = time.time()
    save()
    model.eval()
    loss = heldout_loss(model, heldout, pad)
    log(
        f"done: {step} steps, {seen / 1e6:.1f}M tokens, held-out loss {loss:.3f} nats, perplexity"
        f" {math.exp(loss):.2f}"
    )
    facts = {
        "parameters": model.num_parameters(),
        "training_tokens": seen,
        "steps": step,
        "minutes": round(trained / 60, 1),
        "dtype": args.dtype,
        "threads": torch.get_num_threads(),
        "heldout_perplexity": round(math.exp(loss), 3),
    }
    (args.out / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
    if args.export:
        export(model, tokenizer, args.export)


if __name__ == "__main__":
    main()
