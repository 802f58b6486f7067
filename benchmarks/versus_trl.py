"""Our PPO step beside that of TRL 1.12.0, the last release with a PPOTrainer; our sampling beside
transformers' ``generate``; memory; floors.

    python -m benchmarks trl [full top2 bundled sampling] [--rounds 5] [--threads 2] [--also-frozen]
    [--quick]

Each side runs in fresh processes that take turns, on the same weights, prompts (token ids), batch,
answer length, epochs, minibatches and threads, bf16 off. Nobody may end early, so that both sides
write and train on the same number of tokens. A process takes one step that warms up, then the ones
that count; a ratio is the median over rounds of TRL's time by ours, with its smallest and largest.
Processor time stands beside the clock's: on a busy machine trust that one. Phases of our step stand
beside their floor: max(FLOPs / matmul peak, bytes / memory bandwidth), both measured in the same
run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import bandwidth, matmul_peak, peak_memory, processor, shipped

ROOT = Path(__file__).resolve().parent.parent
BATCH, EPOCHS, TEMPERATURE = 8, 4, 0.8
# What is compared: the model, how many bottom layers we freeze, prompt and answer tokens, steps
# that count in a process, and what was aimed at.
CASES = {
    "full": dict(
        model="gpt2",
        frozen=0,
        prompt=4,
        answer=32,
        steps=3,
        title="GPT-2 124M shape, everything trained",
        aim=(2, None, 4.0),
    ),
    "top2": dict(
        model="gpt2",
        frozen=10,
        prompt=4,
        answer=32,
        steps=3,
        title="GPT-2 124M shape, ours trains the top 2 layers (TRL: everything)",
        aim=(4, 6, 3.0),
    ),
    "bundled": dict(
        model="bundled",
        frozen=0,
        prompt=4,
        answer=32,
        steps=15,
        title="bundled model, everything trained",
        aim=(4, 6, None),
    ),
}
TINY = dict(model="tiny", prompt=3, answer=4, steps=1)


# --- inside a fresh process -----------------------------------------------------------------------


def model_of(name: str):
    """The transformers model of a case, the same weights every time."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    if name == "bundled":
        from rlhf_core.lm.language_model import BUNDLED

        return GPT2LMHeadModel.from_pretrained(BUNDLED, dtype=torch.float32)
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config()
        if name == "gpt2"
        else GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=300, n_positions=64)
    )


def prompts_of(case: dict, vocabulary: int) -> list[list[int]]:
    """Token ids, none of them padding or end of text (0 to 9 in every tokenizer here)."""
    import torch

    return torch.randint(
        10, vocabulary - 1, (BATCH, case["prompt"]), generator=torch.Generator().manual_seed(1)
    ).tolist()


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def ours(case: dict) -> dict:
    """Seconds and processor seconds of our steps, and of their phases."""
    import torch

    from rlhf_core.algorithms.ppo import Policy, train
    from rlhf_core.common.events import Progress
    from rlhf_core.common.settings import PPOSettings
    from rlhf_core.lm.families import trunk_of

    trunk = trunk_of(model_of(case["model"]).eval().requires_grad_(False))
    settings = PPOSettings(
        steps=1 + case["steps"],
        batch_size=BATCH,
        minibatch_size=BATCH // case["minibatches"],
        max_new_tokens=case["answer"],
        epochs=EPOCHS,
        frozen_layers=case["frozen"],
        temperature=TEMPERATURE,
        learning_rate=1e-5,
    )
    policy, steps, phases, marks = Policy(trunk, settings), [], [], [clocks()]
    direction = (
        torch.randn(trunk.width, generator=torch.Generator().manual_seed(2)) / trunk.width**0.5
    )
    stages: dict[str, list] = {}
    for item in train(
        policy=policy,
        reference=trunk,
        prompts=prompts_of(case, trunk.vocabulary),
        score_fn=lambda x: x @ direction,
        settings=settings,
        end_id=-1,
        pad_id=1,
    ):
        if isinstance(item, Progress):
            stages[item.stage] = [*clocks()]
            continue
        assert item["batch"].responses.mask.all()
        now = clocks()
        if item["step"] > 1:  # step 0 is measured only, step 1 warms up
            began, updated, wrote = (
                marks[-1],
                stages["updating the model"],
                stages["writing answers"],
            )
            steps.append([now[0] - began[0], now[1] - began[1]])
            phases.append(
                {
                    "updating": [updated[i] - began[i] for i in (0, 1)],
                    "writing": [wrote[i] - updated[i] for i in (0, 1)],
                    "scoring": [now[i] - wrote[i] for i in (0, 1)],
                }
            )
        marks.append(now)
    body, output = sum(p.numel() for p in trunk.h.parameters()), trunk.wte.weight.numel()
    sizes = {
        "body": body,
        "output": output,
        "layers": trunk.layers,
        "trained": sum(p.numel() for p in policy.parameters),
    }
    return {
        "steps": steps,
        "phases": phases,
        "memory": peak_memory(),
        "sizes": sizes,
        "threads": torch.get_num_threads(),
    }


def trl(case: dict) -> dict:
    """Seconds and processor seconds of TRL's steps. Its four models share nothing; with ``freeze``
    the bottom layers of its policy and value model are frozen.
    """
    import warnings

    warnings.simplefilter("ignore")
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, GPT2ForSequenceClassification, TrainerCallback
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    from rlhf_core.lm.language_model import BUNDLED

    policy = model_of(case["model"])
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    tokenizer.pad_token_id = 1
    policy.config.pad_token_id = 1
    judges = []
    for _ in range(2):
        judge = GPT2ForSequenceClassification(
            type(policy.config)(**{**policy.config.to_dict(), "num_labels": 1, "pad_token_id": 1})
        )
        judge.transformer.load_state_dict(policy.transformer.state_dict())
        judges.append(judge)
    if case.get("freeze"):
        for body in (policy.transformer, judges[1].transformer):
            for part in (body.wte, body.wpe, *body.h[: case["freeze"]]):
                part.requires_grad_(False)
    prompts = prompts_of(case, policy.config.vocab_size)
    marks = []

    class Clock(TrainerCallback):
        def on_train_begin(self, *args, **options):
            marks.append(clocks())

        def on_step_end(self, *args, **options):
            marks.append(clocks())

    with tempfile.TemporaryDirectory() as folder:
        config = PPOConfig(
            output_dir=folder,
            bf16=False,
            use_cpu=True,
            per_device_train_batch_size=BATCH // case["minibatches"],
            gradient_accumulation_steps=case["minibatches"],
            num_mini_batches=case["minibatches"],
            num_ppo_epochs=EPOCHS,
            response_length=case["answer"],
            local_rollout_forward_batch_size=BATCH,
            temperature=TEMPERATURE,
            total_episodes=BATCH * (1 + case["steps"]),
            num_sample_generations=0,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            learning_rate=1e-5,
            stop_token=None,
        )
        trainer = PPOTrainer(
            args=config,
            processing_class=tokenizer,
            model=policy,
            ref_model=None,
            reward_model=judges[0],
            value_model=judges[1],
            train_dataset=Dataset.from_dict({"input_ids": prompts}),
            eval_dataset=Dataset.from_dict({"input_ids": prompts}),
            callbacks=[Clock()],
        )
        torch.set_num_threads(case["threads"])  # whatever the imports did to it
        trainer.train()
    steps = [[after[i] - before[i] for i in (0, 1)] for before, after in zip(marks[1:], marks[2:])]
    return {"steps": steps, "memory": peak_memory(), "threads": torch.get_num_threads()}


def sampling(case: dict) -> dict:
    """Tokens a second, ours and ``generate``'s, in one process, taking turns."""
    import torch

    from rlhf_core.lm.families import trunk_of
    from rlhf_core.lm.sampling import decode, uniform_numbers

    model = model_of(case["model"]).eval().requires_grad_(False)
    trunk, longest = trunk_of(model), case["answer"]
    prompts = prompts_of(case, model.config.vocab_size)
    ids = torch.tensor(prompts)
    uniforms = uniform_numbers(BATCH, longest, torch.Generator().manual_seed(0))
    model.generation_config.eos_token_id = None

    def write() -> int:
        for responses in decode(
            trunk, prompts, uniforms=uniforms, end_id=-1, pad_id=1, temperature=TEMPERATURE
        ):
            pass
        return int(responses.mask.sum())

    def generate() -> int:
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=longest,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            top_p=1.0,
            use_cache=True,
            pad_token_id=1,
        )
        return out.shape[0] * (out.shape[1] - ids.shape[1])

    rates: dict[str, list] = {"ours": [], "generate": []}
    for turn in range(1 + case["rounds"]):
        for name, work in (("ours", write), ("generate", generate)):
            began = clocks()
            count = work()
            now = clocks()
            assert count == BATCH * longest
            if turn:
                rates[name].append([count / (now[i] - began[i]) for i in (0, 1)])
    return {**rates, "threads": torch.get_num_threads()}


def peaks(case: dict) -> dict:
    return {
        "peak": matmul_peak(*((128, 3) if case["model"] == "tiny" else ())),
        "bandwidth": bandwidth(*((8, 2) if case["model"] == "tiny" else ())),
    }


def worker(spec: str) -> int:
    case = json.loads(spec)
    if case["who"] != "trl":  # each side waits as it ships: TRL as PyTorch, we as rlhf_core says
        importlib.import_module("rlhf_core")
    import torch

    torch.set_num_threads(case["threads"])
    print(
        "RESULT "
        + json.dumps(
            {"ours": ours, "trl": trl, "sampling": sampling, "peaks": peaks}[case["who"]](case)
        )
    )
    return 0


# --- outside --------------------------------------------------------------------------------------


def fresh(who: str, case: dict, args) -> dict:
    """One worker's result, from a process of its own."""
    number = str(args.threads)
    environment = {
        **shipped(),
        "OPOSSUM_THREADS": number,
        "TQDM_DISABLE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_OFFLINE": "1",
    }
    spec = json.dumps(
        {
            **case,
            "who": who,
            "threads": args.threads,
            "rounds": args.rounds,
            "minibatches": args.minibatches,
        }
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.versus_trl", "--worker", spec],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    raise RuntimeError(
        f"The process for {who} on {case['model']} ended with {done.returncode}:"
        f" {done.stderr[-1500:]}"
    )


def spread(values: list[float], digits: int = 2) -> str:
    return (
        f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to"
        f" {max(values):.{digits}f})"
    )


def floors(case: dict, sizes: dict, peak: float, speed: float) -> dict[str, float]:
    """Seconds below which no phase of our step can be, by its arithmetic or by the bytes it must
    read and write.
    """
    share = 1 - case["frozen"] / sizes["layers"]
    everything, answers = BATCH * (case["prompt"] + case["answer"]), BATCH * case["answer"]
    weights = 4 * (sizes["body"] + sizes["output"])
    # Each weight: a multiplication and an addition a token.
    once = 2 * (sizes["body"] * everything + sizes["output"] * answers)
    # Forwards, gradients of the inputs, gradients of the weights; the last not where the output
    # layer is frozen.
    update = EPOCHS * (
        6 * sizes["body"] * share * everything
        + (4 if case["frozen"] else 6) * sizes["output"] * answers
    )
    # Gradient for its length; weight, gradient, two averages; three of them written.
    adam = EPOCHS * case.get("minibatches", 1) * 4 * 8 * sizes["trained"]
    return {
        "updating": max(update / peak, (adam + EPOCHS * 3 * (weights * share)) / speed),
        "writing": max(once / peak, weights * case["answer"] / speed),
        "scoring": max(once / peak, weights / speed),
    }


def compare(cases: list[dict], machine: dict, args) -> None:
    """Cases that differ in what we train only, so that one TRL run a round serves them all."""
    mine, theirs, frozen = [[] for _ in cases], [], []
    for _ in range(args.rounds):
        for runs, case in zip(mine, cases):
            runs.append(fresh("ours", case, args))
        theirs.append(fresh("trl", cases[0], args))
        if args.also_frozen and cases[-1]["frozen"]:
            frozen.append(fresh("trl", {**cases[-1], "freeze": cases[-1]["frozen"]}, args))
    for runs, case in zip(mine, cases):
        report(case, runs, theirs, frozen if case["frozen"] else [], machine, args)


def report(
    case: dict, mine: list[dict], theirs: list[dict], frozen: list[dict], machine: dict, args
) -> None:
    print(
        f"\n{case['title']}: batch {BATCH}, {case['prompt']} + {case['answer']} tokens, {EPOCHS}"
        f" epochs, {args.minibatches} minibatch an epoch, {mine[0]['threads']} threads"
    )

    def middle(runs: list[dict], clock: int) -> list[float]:
        return [statistics.median(step[clock] for step in run["steps"]) for run in runs]

    for clock, words in ((0, "s a step"), (1, "s of processor time")):
        a, b = middle(mine, clock), middle(theirs, clock)
        print(
            f"  {words:<22} ours {spread(a)}, TRL {spread(b)}; ratio"
            f" {spread([y / x for x, y in zip(a, b)], 1)}"
        )
        if frozen:
            c = middle(frozen, clock)
            print(
                f"  {'':<22} TRL with the same layers frozen {spread(c)}; ratio"
                f" {spread([y / x for x, y in zip(a, c)], 1)}"
            )
    least, hoped, memory = case["aim"]
    more = f", hoped for {hoped}" if hoped else ""
    room = f", memory <= {memory:.0f} GB" if memory else ""
    print(f"  aimed at: ratio >= {least}{more}{room}")
    print(
        f"  peak memory            ours {max(run['memory'] for run in mine) / 1e9:.2f} GB, TRL"
        f" {max(run['memory'] for run in theirs) / 1e9:.2f} GB"
    )
    for phase, floor in floors(
        {**case, "minibatches": args.minibatches},
        mine[0]["sizes"],
        machine["peak"],
        machine["bandwidth"],
    ).items():
        seconds = statistics.median(row[phase][0] for run in mine for row in run["phases"])
        busy = statistics.median(row[phase][1] for run in mine for row in run["phases"])
        print(
            f"  {phase:<22} {seconds:.3f} s ({busy:.3f} s of processor time), floor {floor:.3f} s:"
            f" {seconds / floor:.1f} times the floor"
        )


def compare_sampling(case: dict, args) -> None:
    rates = fresh("sampling", case, args)
    print(
        f"\nSampling, {case['model']}: batch {BATCH}, {case['prompt']} + {case['answer']} tokens,"
        f" {rates['threads']} threads"
    )
    for clock, words in ((0, "tokens/s"), (1, "tokens/s of processor")):
        a, b = ([rate[clock] for rate in rates[side]] for side in ("ours", "generate"))
        print(
            f"  {words:<22} ours {spread(a, 0)}, generate {spread(b, 0)}; ratio"
            f" {spread([x / y for x, y in zip(a, b)], 1)}"
        )
    print("  aimed at: ratio >= 2")


def main(argv: list[str]) -> int:
    if argv[:1] == ["--worker"]:
        return worker(argv[1])
    parser = argparse.ArgumentParser(prog="benchmarks trl", description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="full | top2 | bundled | sampling",
        help="what to measure (default: all of it)",
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="fresh processes a side (default %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OPOSSUM_THREADS", "2")))
    parser.add_argument(
        "--minibatches",
        type=int,
        default=1,
        help="minibatches an epoch, on both sides (default %(default)s)",
    )
    parser.add_argument(
        "--also-frozen", action="store_true", help="beside top2: TRL with the same layers frozen"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a tiny model, one round: whether it runs, not what it measures",
    )
    args = parser.parse_args(argv)
    known = [*CASES, "sampling"]
    if unknown := [part for part in args.parts if part not in known]:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(known)}")
    if args.quick:
        args.rounds = 1
    parts = args.parts or (["full", "top2", "sampling"] if args.quick else known)
    machine = fresh("peaks", dict(model="tiny" if args.quick else "gpt2"), args)
    print(
        f"{processor()}: float32 matrix product {machine['peak'] / 1e9:.0f} GFLOP/s, memory"
        f" {machine['bandwidth'] / 1e9:.1f} GB/s, {args.threads} threads; ours against TRL 1.12.0"
    )
    for model in ("gpt2", "bundled"):
        cases = [case for name, case in CASES.items() if name in parts and case["model"] == model]
        if cases:
            compare(
                (
                    [{**case, **TINY, "frozen": min(1, case["frozen"])} for case in cases]
                    if args.quick
                    else cases
                ),
                machine,
                args,
            )
    if "sampling" in parts:
        for case in (
            [{**CASES["full"], **TINY}] if args.quick else [CASES["full"], CASES["bundled"]]
        ):
            compare_sampling(case, args)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
