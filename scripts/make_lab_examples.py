"""The saved results that labs open with (assets/labs/NAME.json): each lab's real job, with its
default settings, on the bundled model; marked in the app as made earlier.

    python scripts/make_lab_examples.py                          all of them
    python scripts/make_lab_examples.py goodhart trust_it        only these
    python scripts/make_lab_examples.py --leave-out algorithms   all but these

Says how long each took. Where people would judge, rules do, and the file says so. "Speed and
accuracy" has no saved result: it measures a person's seconds, and nobody's were recorded.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from rlhf_core.common.events import Progress  # noqa: E402
from rlhf_core.common.lab_settings import (  # noqa: E402
    AlgorithmsSettings,
    ContextFlipSettings,
    GoodhartSettings,
    NoiseSettings,
    RuleOrRewardSettings,
)
from rlhf_core.common.seeds import seed_of  # noqa: E402
from rlhf_core.judging.briefs import PRESETS  # noqa: E402
from rlhf_core.judging.register import judge  # noqa: E402
from rlhf_core.labs import hacking_board, instructions_matter  # noqa: E402
from rlhf_core.lm import language_model, model_list  # noqa: E402
from rlhf_core.session import asked, judged  # noqa: E402
from rlhf_core.session.state import Session  # noqa: E402
from rlhf_core.work import running  # noqa: E402

FOLDER, BRIEF, SEED, MOST_BYTES = ROOT / "assets" / "labs", "biology-homework", 0, 150_000
VOTES, VOTES_TO_FLIP, TEXTS_APART = 30, 8, 6  # pairs that are judged; what of them is explored
PROMPT, NONSENSE = "An opossum is", "zxq vrrp blort wug"
RATERS = {  # name -> grade of (text, whether it ended): the higher wins
    "Scripted: facts": lambda text, ended: judge(text, "fact", ended),
    "Scripted: jokes": lambda text, ended: judge(text, "meme", ended),
    "Scripted: long": lambda text, ended: len(text.split()),
}


def run(session: Session, job: str, *args, **more) -> list[dict]:
    """A job of the catalogue over ``session``, to its end; its records."""
    records = []
    for item in running.begin(running.Order(job, session, args, more)):
        if not isinstance(item, Progress):
            records.append(item)
        elif sys.stderr.isatty():
            told = f"\r  {job}: {item.stage} {item.done} of {item.total}"
            print(f"{told:<78}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(f"\r{'':<78}\r", end="", file=sys.stderr)
    return records


def with_votes(session: Session) -> None:
    """``VOTES`` pairs, judged by the brief's scripted rater, and a reward model of them."""
    run(session, "scripted", VOTES, 2)
    run(session, "fit")


# --- the labs: each returns what it found, and who judged -----------------------------------------


def long_run(lab: str, settings: type, *args) -> Callable[[Session], tuple[dict, str]]:
    def make(session: Session) -> tuple[dict, str]:
        run(session, lab, settings(), *args)
        found = {key: value for key, value in session.labs[lab].items() if key != "heads"}
        return found, "judged by scripted raters (rules)"

    return make


def what_it_learned(session: Session) -> tuple[dict, str]:
    with_votes(session)
    pairs = judged.learnable(session)
    texts = dict.fromkeys((pair.prompt, pair.a) for pair in pairs)
    taken = [
        {"prompt": prompt, "text": text, "records": run(session, "lab_explain", prompt, text)}
        for prompt, text in list(texts)[:TEXTS_APART]
    ]
    (surface,) = (r for r in run(session, "lab_report") if r["kind"] == "surface")
    return {"texts": taken, "surface": surface}, VOTED


def trust_it(session: Session) -> tuple[dict, str]:
    with_votes(session)
    report = {record["kind"]: record for record in run(session, "lab_report")}
    pair = judged.learnable(session)[0]
    texts = [pair.a, pair.b, f" {NONSENSE}"]
    (scores,) = run(session, "lab_scores", pair.prompt, texts)
    scores = {**scores, "prompt": pair.prompt}
    return {"diagnosis": report["diagnosis"], "curve": report["curve"], "scores": scores}, VOTED


def flip_a_vote(session: Session) -> tuple[dict, str]:
    with_votes(session)
    (votes,) = run(session, "lab_votes")
    changes = [
        record
        for row in votes["rows"][:VOTES_TO_FLIP]
        for change in ("flip", "withhold")
        if row["largest"] is not None
        for record in run(session, "lab_flip", row["index"], change, watch=True)
    ]
    return {"votes": votes, "changes": changes}, VOTED


def hack_reward_model(session: Session) -> tuple[dict, str]:
    with_votes(session)
    for job in ("hack_race", "hack_search"):
        run(session, job, PROMPT)
    board = hacking_board.board_of(session, PROMPT)
    taught = {**board, "hole": None}
    if any(row.get("nonsense") for row in board["entries"]):
        run(session, "hack_teach", PROMPT)
        taught = hacking_board.board_of(session, PROMPT)
    return {"board": board, "taught": taught}, f"{VOTED}, texts by a search"


def instructions(session: Session) -> tuple[dict, str]:
    run(session, "instructions_pairs", seed_of(SEED, "instructions matter"))
    lab = instructions_matter.lab_of(session)
    while asked_now := instructions_matter.now(lab):
        pair = lab["pairs"][asked_now["pair"]]
        said = pair["reference"]
        if asked_now["which"] == "vague":
            said = max((0, 1), key=lambda i: len(pair["texts"][i].split()))
        choice = "tie" if said is None else "ab"[asked_now["shown"].index(said)]
        card = asked_now["which"], asked_now["pair"]
        instructions_matter.answer(session, choice, None, card)
        lab = instructions_matter.lab_of(session)
    run(session, "instructions_models")
    who = "answered by two rules: the longer answer (vague), the brief's words (precise); no clock"
    return instructions_matter.lab_of(session), who


def whose_preferences(session: Session) -> tuple[dict, str]:
    run(session, "pool", VOTES, 2)
    while row := asked.next_set(session, 2):
        grades = {
            who: [grade(*one) for one in zip(row["texts"], row["finished"], strict=True)]
            for who, grade in RATERS.items()
        }
        for number, (who, (a, b)) in enumerate(grades.items()):
            groups = [[0, 1]] if a == b else [[0], [1]] if a > b else [[1], [0]]
            if not number:
                judged.add_ranking(session, row["id"], groups=groups, annotator=who, seconds=0.0)
                first = session.judged.rankings[-1]
                continue
            more = {**first.to_dict(), "id": f"{first.id}-{number}", "annotator": who}
            more = type(first).from_dict({**more, "groups": groups})
            session.judged.rankings = [*session.judged.rankings, more]
    (models,) = run(session, "whose")
    kept = ("prompt", "a", "b", "choice", "annotator")
    pairs = [{k: pair.to_dict()[k] for k in kept} for pair in judged.pairs(session)]
    return {"pairs": pairs, "models": models}, "judged by three rules: facts, jokes, the longer one"


VOTED = f"{VOTES} pairs judged by a scripted rater (a rule)"
SAYS_YOU = ("instructions_matter",)
LABS: dict[str, Callable[[Session], tuple[dict, str]]] = {
    "what_it_learned": what_it_learned,
    "trust_it": trust_it,
    "flip_a_vote": flip_a_vote,
    "instructions_matter": instructions,
    "whose_preferences": whose_preferences,
    "hack_reward_model": hack_reward_model,
    "context_flip": long_run("context_flip", ContextFlipSettings),
    "noise": long_run("noise", NoiseSettings),
    "rule_or_reward": long_run("rule_or_reward", RuleOrRewardSettings),
    "goodhart": long_run("goodhart", GoodhartSettings),
    "algorithms": long_run("algorithms", AlgorithmsSettings),
}


# --- to files -------------------------------------------------------------------------------------


def shorter(value: object) -> object:
    """Numbers with five significant digits; what is not finite as None."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if value - value == 0 else None
    if isinstance(value, dict):
        return {key: shorter(one) for key, one in value.items()}
    return [shorter(one) for one in value] if isinstance(value, list | tuple) else value


def make(lab: str) -> tuple[float, int]:
    """Run a lab and write its file; seconds and bytes."""
    began = time.perf_counter()
    random.seed(SEED)
    session = Session(PRESETS[BRIEF], seed=SEED)
    found, who = LABS[lab](session)
    seconds, date = time.perf_counter() - began, time.strftime("%Y-%m-%d")
    weights = language_model.load(model_list.BUNDLED).fingerprint()
    briefs = " and ".join(brief["title"] for brief in found.get("briefs", []))
    kept = {
        "lab": lab,
        "model_sha256": weights,
        "seed": SEED,
        "date": date,
        "seconds": round(seconds, 1),
        "made_with": (
            f"Brief: {briefs or PRESETS[BRIEF].title}; {who}."
            f"{' “You” below is a rule.' * (lab in SAYS_YOU)}"
        ),
        "found": shorter(found),
    }
    written = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
    size = len(written.encode())
    if size >= MOST_BYTES:
        raise SystemExit(f"{lab}: {size:,} bytes are more than {MOST_BYTES:,}; keep fewer texts.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{lab}.json").write_text(written, encoding="utf-8")
    return seconds, size


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the saved results that labs open with.")
    parser.add_argument("labs", nargs="*", choices=[*LABS, []], metavar="LAB", help="only these")
    parser.add_argument("--leave-out", nargs="+", choices=[*LABS], default=[], metavar="LAB")
    chosen = parser.parse_args()
    whole = time.perf_counter()
    for lab in chosen.labs or [*LABS]:
        if lab not in chosen.leave_out:
            seconds, size = make(lab)
            print(f"{lab}: {seconds:.0f} s, {size:,} bytes", flush=True)
    print(f"all: {time.perf_counter() - whole:.0f} s")


if __name__ == "__main__":
    main()
