"""The precomputed example of the home page (assets/example.json): one real run of the loop, marked
in the app as made earlier.

    python scripts/make_example.py

The pairs shown are the first of the evaluation, in its order: not picked. Nor are the prompts whose
answers are kept at every step: the brief's first ones that no training sees, each with one seed, so
that what differs from step to step is the model.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from rlhf_core.judging import briefs  # noqa: E402
from rlhf_core.loop import comparing, whole  # noqa: E402
from rlhf_core.session import judged  # noqa: E402
from rlhf_core.session.state import Session  # noqa: E402

BRIEF, COMPARISONS, STEPS, SEED, SHOWN = "meme-bot", 30, 12, 0, 8
FOLLOWED = 3  # prompts whose answer is kept at every step


def answers(session: Session, prompts: list[str], side: str) -> list[str]:
    """What the original ("before") or the model as it now stands ("after") answers."""
    texts = []
    for prompt in prompts:
        *_, record = comparing.compare(session, prompt, SEED, samples=1)
        texts.append(record[side][0])
    return texts


def main() -> None:
    session = Session(briefs.PRESETS[BRIEF], seed=SEED)
    followed = list(session.asked.brief.evaluation_prompts[:FOLLOWED])
    steps: list[dict] = []
    for event in whole.run_once(session, comparisons=COMPARISONS, steps=STEPS):
        if not isinstance(event, dict):
            continue
        if len(event) == 2:
            print(event["stage"], file=sys.stderr)
        elif event["stage"] == "ppo" and event["step"]:
            if not steps:  # the original; it can be asked once there is a tuned model beside it
                steps.append({"step": 0, "texts": answers(session, followed, "before")})
            steps.append({"step": event["step"], "texts": answers(session, followed, "after")})
    evaluation = session.tuned.evaluation
    example = {
        "made_with": (
            f"{COMPARISONS} pairs, {STEPS} PPO steps, seed {SEED},"
            f" {time.strftime('%Y-%m-%d')}, bundled model {session.model_hash[:12]}."
        ),
        "brief": BRIEF,
        "judge": judged.rater(session),
        "pairs": [
            {k: pair[k] for k in ("prompt", "before", "after")}
            for pair in evaluation["pairs"][:SHOWN]
        ],
        "prompts": followed,
        "steps": steps,
        "metrics": session.tuned.metrics,
        "win_rate": evaluation["win_rate"],
        "interval": evaluation["interval"],
        "rule": evaluation["rule"],
        "sentence": evaluation["sentence"],
        "conclusion": evaluation["conclusion"],
        **{k: evaluation[k] for k in ("judges", "verdict", "chance", "permutation_p")},
    }
    (ROOT / "assets" / "example.json").write_text(
        json.dumps(example, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
