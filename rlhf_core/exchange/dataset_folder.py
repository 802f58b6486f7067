"""The judgements of a session as a data set: a folder that ``datasets.load_dataset`` reads, with
its card; every row under its own brief and version, every judge under a pseudonym.

Every judgement is in it, also what nothing was learned from: the card says what and why. The pairs
come back in by ``import`` and ``run --preferences``. Imports no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.exchange.exports import export_pairs
from rlhf_core.session import paper, taking
from rlhf_core.session.pseudonyms import Pseudonyms
from rlhf_core.session.state import Session
from rlhf_core.store import bundle, plain_files
from rlhf_core.store.chat_template import CHAT_TEMPLATE
from rlhf_core.store.dataset_card import dataset_card
from rlhf_core.store.formats import to_lines

SUMS = "SHA256SUMS"
EMPTY = {"groups": None, "verdict": None, "good": None, "seconds": None}  # a judgement at first


def take_home(session: Session) -> Iterator[Progress | dict]:
    """``session.taking.made`` of the data set. Raises InputError, BundleError."""
    yield from taking.made(session, "dataset", fill)


def fill(session: Session, folder: Path) -> None:
    """Put the files into an empty folder. Raises InputError, OSError."""
    plain_files.put_files(folder, files(session))


def files(session: Session) -> dict[str, bytes]:
    """The files by name, the card first. Raises InputError: nothing was judged yet."""
    names = Pseudonyms(session)
    pairs, facts = paper.every_row(names), paper.facts(session)
    if not pairs:
        raise InputError("Nothing was judged yet, so there is no data set. Rank some answers.")
    tables = {"preferences": to_lines([pair.to_dict() for pair in pairs])}
    for name, kind in (("trl", "trl"), ("chat", "trl-chat")):
        if data := export_pairs(pairs, kind)[0]:
            tables[name] = data
    if names.rankings:
        tables["rankings"] = to_lines([_even(ranking.to_dict()) for ranking, _ in names.rankings])
    tables["briefs"] = to_lines(_briefs(facts))
    called = {
        name: f"{'preferences-' if name in ('trl', 'chat') else ''}{name}.jsonl" for name in tables
    }
    found = {called[name]: data for name, data in tables.items()}
    if "chat" in tables:
        found["chat_template.jinja"] = CHAT_TEMPLATE.encode()
    card = dataset_card(facts, called, [*found, SUMS])
    found = {"README.md": card.encode("utf-8", "replace"), **found}
    sums = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in found.items())
    return {**found, SUMS: "".join(sums).encode(), bundle.ATTRIBUTES: bundle.GIT_ATTRIBUTES}


def _even(row: dict) -> dict:
    """A ranking with the same fields in every row, as tables want them."""
    first = {**EMPTY, **row["first"]} if row.get("first") else None
    return {**row, "good": row.get("good"), "first": first}


def _briefs(facts: dict) -> list[dict]:
    empty = dict.fromkeys(("title", "audience", "prefer", "avoid", "ties"), "")
    return [
        {
            "brief": row["slug"],
            "brief_version": row["version"],
            "rows": row["rows"],
            **(row["text"] or empty),
        }
        for row in facts["briefs"]
    ]
