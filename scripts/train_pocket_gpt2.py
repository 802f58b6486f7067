"""Train the pocket GPT-2: tokenizer, weights, and a checkpoint that training can go on from.

    python scripts/train_pocket_gpt2.py --corpus build/corpus --out build/pocket-gpt2 --minutes 90
    python scripts/train_pocket_gpt2.py --corpus build/corpus --out build/pocket-gpt2 --minutes 90
    --export assets/pocket-gpt2

Each line of the corpus is its own training sequence: prompt, completion, end of text (never packed,
so that position 0 means "start of a prompt"; half the batches are shifted right, so that every
position is trained). The learning rate follows the time
budget: short warm-up, constant, then linear to zero over the last 40%. A checkpoint is written
every two minutes; the same command goes on from it, and counts only the minutes it trained. ``touch
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
import torch  # noqa: E402
from tokenizers import ByteLevelBPETokenizer  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast  # noqa: E402

END, PAD = "<|endoftext|>", "<|pad|>"
MAX_TOKENS = 64  # longer lines are left out (they are below 1 in 1,000)
CONFIG = dict(
    n_layer=4,
    n_embd=192,
    n_head=6,
    n_positions=160,
    vocab_size=4096,
    resid_pdrop=0.0,
    embd_pdrop=0.0,
    attn_pdrop=0.0,
    activation_function="gelu_pytorch_tanh",
    tie_word_embeddings=True,
)


def read_lines(path: Path) -> list[str]:
    rows = (json.loads(line) for line in path.open(encoding="utf-8"))
    return [row["prompt"] + row["completion"] for row in rows]


def make_tokenizer(lines: list[str], out: Path) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 4,096 entries: 2 special tokens, 256 bytes, the rest merges."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        lines,
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


def batches(sequences: list[list[int]], tokens_a_batch: int, pad: int, generator: torch.Generator):
    """Endless (input_ids, position_ids, labels) of about ``tokens_a_batch`` tokens, lines of like
    length together. (B, T) each.
    """
    lengths = torch.tensor([len(s) for s in sequences])
    while True:
        noise = torch.rand(len(sequences), generator=generator)
        order = torch.argsort(lengths + 3 * noise).tolist()
        groups, group, widest = [], [], 0
        for index in order:
            widest_if = max(widest, len(sequences[index]))
            if group and widest_if * (len(group) + 1) > tokens_a_batch:
                groups.append(group)
                group, widest_if = [], len(sequences[index])
            group.append(index)
            widest = widest_if
        for g in torch.randperm(len(groups), generator=generator).tolist():
            rows = [sequences[i] for i in groups[g]]
            width = max(map(len, rows))
            ids = torch.full((len(rows), width), pad)
            for i, row in enumerate(rows):
                ids[i, : len(row)] = torch.tensor(row)
            labels = ids.masked_fill(ids == pad, -100)
            shift = 0
            if torch.rand((), generator=generator) < 0.5:
                shift = int(
                    torch.randint(0, CONFIG["n_positions"] - width, (), generator=generator)
                )
            positions = torch.arange(shift, shift + width).expand(len(rows), width)
            yield ids, positions, labels


def learning_rate(peak: float, done: float) -> float:
    """``done`` in [0, 1] of the time budget."""
    return peak * min(1.0, done / 0.01 + 0.02) * min(1.0, (1 - done) / 0.4)


@torch.no_grad()
def heldout_loss(model: GPT2LMHeadModel, sequences: list[list[int]], pad: int) -> float:
    total, count = 0.0, 0
    for first in range(0, min(len(sequences), 1024), 64):
        rows = sequences[first : first + 64]
        width = max(map(len, rows))
        ids = torch.tensor([r + [pad] * (width - len(r)) for r in rows])
        logits = model(input_ids=ids).logits[:, :-1]
        targets = ids[:, 1:].masked_fill(ids[:, 1:] == pad, -100)
        total += torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction="sum"
        ).item()
        count += int((targets != -100).sum())
    return total / count


def export(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Hugging Face layout, weights in float16 safetensors."""
    half = GPT2LMHeadModel(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    print(f"exported to {out}: {sum(f.stat().st_size for f in out.iterdir()) / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket-gpt2"))
    parser.add_argument("--export", type=Path, help="write the finished model here in float16")
    parser.add_argument(
        "--minutes", type=float, default=90, help="training time, all sessions together"
    )
    parser.add_argument("--tokens-a-batch", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=2.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="bfloat16 only pays where the processor has avx512_bf16 or amx_bf16",
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

    lines = read_lines(args.corpus / "train.jsonl")
    if (args.out / "tokenizer.json").exists():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.out)
    else:
        log(f"training the tokenizer on {len(lines):,} lines")
        tokenizer = make_tokenizer(lines[:200_000], args.out)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id

    def encode(texts: list[str]) -> list[list[int]]:
        rows = tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [row + [end] for row in rows if len(row) < MAX_TOKENS]

    sequences = encode(lines)
    heldout = encode(read_lines(args.corpus / "heldout.jsonl"))
    log(
        f"{len(sequences):,} sequences, {sum(map(len, sequences)):,} tokens; vocabulary"
        f" {len(tokenizer)}"
    )

    model = GPT2LMHeadModel(
        GPT2Config(**CONFIG, bos_token_id=end, eos_token_id=end, pad_token_id=pad)
    )
    log(f"{model.num_parameters():,} parameters")
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}],
        lr=args.lr,
        betas=(0.9, 0.98),
        fused=True,
    )
    checkpoint, step, trained, seen = args.out / "checkpoint.pt", 0, 0.0, 0
    if checkpoint.exists() and not args.measure:
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, trained, seen = state["step"], state["trained"], state["seen"]
        log(f"going on from step {step}, {trained / 60:.1f} minutes trained")

    def save() -> None:
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "trained": trained,
            "seen": seen,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)

    source = batches(
        sequences, args.tokens_a_batch, pad, torch.Generator().manual_seed(args.seed + step)
    )
    budget, last_save, running = args.minutes * 60, time.time(), None
    while trained < budget:
        while (args.out / "pause").exists():
            time.sleep(1)
        tick = time.time()
        ids, positions, labels = next(source)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(args.lr, trained / budget)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bfloat16"):
            hidden = model.transformer(
                input_ids=ids[:, :-1], position_ids=positions[:, :-1], use_cache=False
            ).last_hidden_state
            targets = labels[:, 1:].reshape(-1)
            real = targets != -100
            logits = model.lm_head(hidden.reshape(-1, hidden.shape[-1])[real])
        loss = torch.nn.functional.cross_entropy(logits.float(), targets[real])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, seen = step + 1, seen + int(real.sum())
        trained += time.time() - tick
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if not math.isfinite(running):
            sys.exit(f"the loss is not finite at step {step}")
        if args.measure and step >= args.measure:
            log(f"{seen / trained:,.0f} tokens/s over {step} batches, loss {running:.3f}")
            return
        if step % 200 == 0:
            log(
                f"step {step} {trained / 60:.1f}/{args.minutes:.0f} min, {seen / 1e6:.1f}M tokens"
                f" ({seen / trained:,.0f}/s), loss {running:.3f}"
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
        "heldout_perplexity": round(math.exp(loss), 3),
    }
    (args.out / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
    if args.export:
        export(model, tokenizer, args.export)


if __name__ == "__main__":
    main()
