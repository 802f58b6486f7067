"""The command ``replay``: a bundle run again; what differs is the data."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rlhf_core.command_line.inputs import opened
from rlhf_core.command_line.terminal import DONE, FAILED, drive, emit, say
from rlhf_core.common.errors import BundleError, ChangedError
from rlhf_core.loop.same_numbers import ABSOLUTE, RELATIVE, WEIGHTS
from rlhf_core.store import bundle
from rlhf_core.store.machine import package_versions

TOLERANCE = {"relative": RELATIVE, "absolute": ABSOLUTE, "weights": WEIGHTS}
RECORDED = "; the recorded judgements were used, because a person cannot be run again"


def replay(args: argparse.Namespace) -> int:
    try:
        session = opened(args.bundle)
        # With the weights, which are checked against their checksums.
        stored = bundle.read_bundle(args.bundle)
    except ChangedError as error:
        where = {"where": str(error).split()[0], "name": "checksum"}
        emit({**where, "saved": "as run.json says", "now": "changed"})
        say(f"Not the same: {error}")
        return FAILED
    versions = stored["run"].get("versions")
    versions = versions if isinstance(versions, dict) else {}
    others = [
        f"{name} {versions.get(name, '?')} there, {version} here"
        for name, version in package_versions().items()
        if versions.get(name) != version
    ]
    if others:
        say(f"Made with other versions: {', '.join(others)}.")
    import torch

    from rlhf_core.lm import language_model  # noqa: F401 (it sets the number of threads, once)
    from rlhf_core.loop.replay import replay as run_again

    then = session.settings.get("run", {}).get("threads")
    threads = args.threads or then
    if isinstance(threads, int) and 1 <= threads <= 256:
        torch.set_num_threads(threads)
    threads = {"threads": torch.get_num_threads(), "threads_then": then}
    if then is not None and threads["threads"] != then:
        say(
            f"Made with {then} threads, made again with {threads['threads']}: sums round otherwise."
        )
    records = readable(args.bundle, run_again(session, stored, args.all))
    return _tell(drive("Replaying", records), threads)


def _tell(records: Iterator, threads: dict) -> int:
    """The records as data, and in words; what the exit status is."""
    for record in records:
        if record.get("kind") == "note":
            say(record["sentence"])
            continue
        if record.get("kind") != "replayed":
            emit(record)
            continue
        different, within = record["different"], sum(row["within"] for row in record["numbers"])
        emit({**record, "same": not different, "within": within, "tolerance": TOLERANCE, **threads})
        how = "" if record["judged_again"] else RECORDED
        if different:
            say("1 value differs." if different == 1 else f"{different:,} values differ.")
            _say_what_follows(record["what_follows"], threads)
            return FAILED
        exactly = "all of them equal" if not within else f"{within:,} of them by rounding only"
        say(
            f"Same seeds, same numbers: {record['compared']:,} values compared, {exactly}"
            f" (tolerance: {RELATIVE:g} of a number, {WEIGHTS:g} of a weight){how}."
        )
    return DONE


def _say_what_follows(follows: dict | None, threads: dict) -> None:
    """Of numbers that differ: whether they show another thing."""
    if not follows:
        return
    was, now = follows["win_rate"]
    verdict = "the same verdict" if follows["same_verdict"] else "another verdict"
    inside = "inside" if follows["inside_the_interval"] else "outside"
    say(f"What follows: {verdict}; win rate {was:.1%} then, {now:.1%} now, {inside} its interval.")
    if threads["threads_then"] not in (None, threads["threads"]):
        say(
            "One rounding can turn one word, and all that follows it: take as many threads as then."
        )


def readable(name: str, records: Iterator) -> Iterator:
    """``records``; what a stranger's bundle has in the wrong place or kind is a BundleError in one
    sentence.
    """
    try:
        yield from records
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise BundleError(
            f"The bundle {name} holds something that no run of this app writes"
            f" ({type(error).__name__}: {error})."
        ) from error
