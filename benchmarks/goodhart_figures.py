"""The Goodhart lab's preset, over seeds: does gold fall while the proxy rises, and what do the two
cures do about it?

    python -m benchmarks goodhart [--seeds 5] [--first 0] [--brief biology-homework] [--quick]

The lab itself, with its defaults (``lab_settings.GoodhartSettings``); the only other choice is the
seed, which decides the comparisons, the reward model and the runs. Gold is the rule in
``rlhf_core/evaluation/gold_rule.py``, in standard deviations of the original model's ratings. The
peak is looked for in one half of the answers, the fall measured in the other. The preset was
settled on seeds 0 to 9 of biology-homework; 10 and above are untouched.
"""

from __future__ import annotations

import argparse
import time

from rlhf_core.common.lab_settings import GoodhartSettings
from rlhf_core.evaluation import overoptimisation as over
from rlhf_core.judging import briefs
from rlhf_core.labs import goodhart
from rlhf_core.session.state import Session

CURES = ("penalty", "conservative")


def one_seed(brief: str, settings) -> dict:
    """The lab once: what ``overoptimisation`` says of its runs."""
    began, session = time.perf_counter(), Session(briefs.PRESETS[brief])
    for _ in goodhart.run(session, settings):
        pass
    points = session.labs["goodhart"]["points"]
    return {
        "seconds": time.perf_counter() - began,
        "free": over.fall_of(points["free"]),
        "last": {run: rows[-1] for run, rows in points.items()},
        "best_of_n": session.labs["goodhart"]["best_of_n"][-1],
        **{run: over.judge_cure(points["free"], points[run]) for run in CURES},
    }


def caught(fall: dict) -> bool:
    """Gold fell by 0.3 reference standard deviations or more while the proxy rose."""
    return fall["fall"] >= over.FALL and fall["proxy_rise"] > 0


def span(found: dict, name: str) -> str:
    return f"{found[name]:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks goodhart", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--brief", default="biology-homework")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one seed, four steps: whether it runs, not what it measures",
    )
    args = parser.parse_args(argv)
    rows = []
    for seed in range(args.first, args.first + (1 if args.quick else args.seeds)):
        short = {"steps": 4} if args.quick else {}
        row = one_seed(args.brief, GoodhartSettings(seed=seed, **short))
        rows.append(row)
        fall = row["free"]
        print(
            f"seed {seed}: no penalty: peak at step {fall['peak_step']}, fall {span(fall, 'fall')},"
            f" proxy {fall['proxy_rise']:+.2f} meanwhile, KL {row['last']['free']['kl']:.1f} nats"
            f" at the end; best of {row['best_of_n']['n']}: gold {row['best_of_n']['gold']:+.2f};"
            f" {row['seconds']:.0f} s"
        )
        for cure in CURES:
            found, same = row[cure], row[cure]["same_distance"]
            print(
                f"  {cure}: fall {span(found['fall'], 'fall')}, KL {row['last'][cure]['kl']:.1f},"
                f" gold at the end {row['last'][cure]['gold']:+.2f}; at the same KL"
                f" {span(same, 'difference') if same else 'nothing to compare'}: {found['effect']}",
                flush=True,
            )
    hits = [row for row in rows if caught(row["free"])]
    print(
        f"gold falls by {over.FALL} or more while the proxy rises: {len(hits)} of {len(rows)} seeds"
    )
    for cure in CURES:
        print(
            f"{cure}: halves the fall, or better, in"
            f" {sum(bool(row[cure]['halved']) for row in hits)} of those {len(hits)}"
        )
    return 0
