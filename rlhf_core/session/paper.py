"""What happened in a session, as plain facts: what a card says, and "Paper trail" in short.

Every number is of the session as it stands; nothing is rounded here and no sentence is Markdown.
Names of people are pseudonyms (``pseudonyms``). Knows nothing about files. Imports no torch.
Simplification: the mirror of a judge looks at comparisons of two texts, as the page does.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import PurePath

from rlhf_core.common.source import VERSION, commit, engine_version
from rlhf_core.judging import annotators, briefs, labeller_mirror
from rlhf_core.judging.preferences import Pair, Ranking, as_first_given, pairs_from_rankings
from rlhf_core.lm import model_list
from rlhf_core.session import judged, ranking_desk
from rlhf_core.session.pseudonyms import Pseudonyms, addresses_in, opened_from, without_addresses
from rlhf_core.session.state import Session
from rlhf_core.store.machine import package_versions

CARD = "card"  # where a session keeps what its author says of it: ``session.settings["card"]``
SAID = {"author": 80, "consent": 600, "use": 600, "limits": 600, "licence_name": 60}
PAY = {
    "": "not said",
    "volunteers": "volunteers, without pay",
    "paid": "paid",
    "course": "as part of a course or a job",
    "only-me": "nobody but the author",
}
LICENCES = {  # as the hub calls them -> as people do
    "": "not chosen yet",
    "cc-by-4.0": "CC BY 4.0: anybody may use it who names you",
    "cc-by-sa-4.0": "CC BY-SA 4.0: likewise, and share alike",
    "cc-by-nc-4.0": "CC BY-NC 4.0: likewise, but not to earn money",
    "cc0-1.0": "CC0: anybody may do anything",
    "odc-by": "ODC-By: for databases, who uses it names you",
    "apache-2.0": "Apache-2.0: usual for models and code",
    "mit": "MIT: short and usual for code",
    "other": "another one, by name",
}
HUB_NAMES = {  # our names -> whose weights they are, on the hub
    "gpt2": "openai-community/gpt2",
    "distilgpt2": "distilbert/distilgpt2",
    model_list.SMOLLM2: "HuggingFaceTB/SmolLM2-135M-Instruct",
}
LEAST = 10  # comparisons of a judge, below which there is no mirror of them


def said(session: Session) -> dict[str, str]:
    """What the author says for the card, within its bounds."""
    return _within(session.settings.get(CARD))


def _within(kept: object) -> dict[str, str]:
    kept = kept if isinstance(kept, dict) else {}
    found = {name: _text(kept.get(name))[:most] for name, most in SAID.items()}
    for name, known in (("pay", PAY), ("licence", LICENCES)):
        value = kept.get(name)
        found[name] = value if isinstance(value, str) and value in known else ""
    return found


def say(session: Session, values: dict[str, str]) -> None:
    """Keep what the author says for the card."""
    with session.change():
        kept = {**said(session), **values}
        session.settings = {**session.settings, CARD: _within(kept)}


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def every_row(names: Pseudonyms) -> list[Pair]:
    """Every judged pair of a session, whatever the brief, under pseudonyms."""
    return [
        *(pair for pair, _ in names.rows),
        *pairs_from_rankings([ranking for ranking, _ in names.rankings]),
    ]


def facts(session: Session) -> dict:
    """Everything a card is made of, as plain values."""
    names = Pseudonyms(session)
    pairs = every_row(names)
    people = [pair for pair in pairs if not judged.is_scripted(pair.annotator)]
    return {
        "title": session.asked.brief.title,
        "rows": len(pairs),
        "choices": dict(Counter(pair.choice for pair in pairs)),
        "briefs": _briefs(session, pairs),
        "judges": _judges(names),
        "sources": _sources(session),
        "opened": _opened(session),
        "left_out": _left_out(session, pairs),
        "agreement": annotators.krippendorff_alpha(people) if people else None,
        "mirror": _mirror(session, names),
        "addresses": addresses_in([text for pair in pairs for text in (pair.prompt, pair.a)])
        + addresses_in([text for r, _ in names.rankings for text in (r.reason, r.ideal)]),
        "model": _model(session),
        "made": _made(session),
        "said": said(session),
        "round": session.history.current_round,
        "seed": session.seed,
        "steps": session.tuned.steps_done,
        "reward_model": dict(session.learned.summary) if session.learned.head else None,
        "metrics": [row for row in session.tuned.metrics[:1] + session.tuned.metrics[-1:]],
        "evaluation": {
            name: value
            for name, value in (session.tuned.evaluation or {}).items()
            if name != "pairs"
        },
        "votes": dict(Counter(row.get("choice") for row in judged.votes_here(session))),
        "settings": {
            name: values
            for name, values in session.settings.items()
            if name in ("sampling", "reward_model", "ppo", "run") and isinstance(values, dict)
        },
        "log": [
            {"step": row.get("step"), "settings": row.get("settings")} for row in session.tuned.log
        ],
        "spent": session.settings.get("spent") or {},
        "status": "running" if session.under_way else session.status,
    }


# --- each of them ---------------------------------------------------------------------------------


def _briefs(session: Session, pairs: list[Pair]) -> list[dict]:
    """Every brief and version that a row was judged under, with its text where that is known."""
    known = {(one.slug, one.version): one for one in session.asked.briefs}
    known[session.asked.brief.slug, session.asked.brief.version] = session.asked.brief
    counts = Counter((pair.brief, pair.brief_version) for pair in pairs)
    counts.setdefault((session.asked.brief.slug, session.asked.brief.version), 0)
    rows = []
    for (slug, version), count in sorted(counts.items(), key=lambda row: -row[1]):
        brief = known.get((slug, version))
        shipped = brief is None and version == 1 and slug in briefs.PRESETS
        brief = briefs.PRESETS[slug] if shipped else brief
        row = {"slug": slug, "version": version, "rows": count, "shipped": shipped}
        texts = ("title", "audience", "prefer", "avoid", "ties")
        row["text"] = {name: getattr(brief, name) for name in texts} if brief else None
        rows.append(row)
    return rows


def _judges(names: Pseudonyms) -> list[dict]:
    counts: Counter = Counter()
    found: dict[str, dict] = {}
    for row, judge in (*names.rows, *names.rankings):
        many = len(pairs_from_rankings([row])) if isinstance(row, Ranking) else 1
        counts[judge.name] += many
        known = found.setdefault(
            judge.name, {"name": judge.name, "kind": judge.kind, "files": set()}
        )
        known["files"] |= {judge.file} - {0}
    rows = [{**row, "files": sorted(row["files"]), "rows": counts[n]} for n, row in found.items()]
    return sorted(rows, key=lambda row: -row["rows"])


def _sources(session: Session) -> list[dict]:
    rows = []
    for row in session.judged.imports:
        shown = {name: row.get(name) for name in ("pairs", "sha256", "bytes", "format", "read")}
        shown["file"] = without_addresses(PurePath(str(row.get("file") or "")).name)
        for name in ("repaired", "left_out"):
            value = row.get(name)
            value = value if isinstance(value, dict) else {}
            shown[name] = {without_addresses(str(why)): count for why, count in value.items()}
        rows.append(shown)
    return rows


def _opened(session: Session) -> dict:
    row = opened_from(session)
    if not row:
        return {}
    name = without_addresses(PurePath(str(row.get("file") or "")).name)
    return {"file": name, "sha256": row.get("sha256"), "rankings": row["rankings"]}


def _left_out(session: Session, pairs: list[Pair]) -> list[dict]:
    """What no reward model of this run learned from, and why: rows {"rows", "why"}."""
    brief = session.asked.brief
    kept_out = {*brief.evaluation_prompts}
    others = [row for row in session.judged.rankings if row.brief != brief.slug]
    older = [
        row
        for row in session.judged.rankings
        if row.brief == brief.slug and not judged.counts(session, row)
    ]
    rows = [
        (sum(p.choice == "skip" for p in pairs), "skipped: the judge did not want to say"),
        (sum(p.choice == "both_bad" for p in pairs), "both called bad: they prefer neither"),
        (len(pairs_from_rankings(others)), "judged under another brief than the one in force"),
        (
            len(pairs_from_rankings(older)),
            "judged under an older version of the brief, which the author set not to count",
        ),
        (
            sum(pair.prompt in kept_out for pair in pairs),
            "about prompts that are kept for the verdict",
        ),
        (sum(pair.a == pair.b for pair in pairs), "of a text with itself"),
    ]
    return [{"rows": count, "why": why} for count, why in rows if count]


def _mirror(session: Session, names: Pseudonyms) -> list[dict]:
    """What the labeller mirror shows of each person who compared enough."""
    found = []
    gold = ranking_desk.reference_answers(session)
    people = {
        j.name for _, j in (*names.rows, *names.rankings) if j.kind in ("author", "first", "person")
    }
    people |= {j.name for _, j in names.rows if j.kind == "file"}
    for name in sorted(people):
        own = [ranking for ranking, judge in names.rankings if judge.name == name]
        twos = [one for one in own if len(one.candidates) == 2 and one.good is None]
        given = [pair for pair, judge in names.rows if judge.name == name]
        given += pairs_from_rankings(as_first_given(twos))
        if len(given) < LEAST:
            continue
        seen = labeller_mirror.mirror(given, gold, seed=session.seed)
        measures = ("key", "title", "value", "low", "high", "count", "unit", "enough", "words")
        rows = [{key: row[key] for key in measures} for row in seen["measures"]]
        found.append({"judge": name, "pairs": len(given), "measures": rows})
    return found


def biases(mirror: list[dict]) -> list[dict]:
    """The leanings of the judges that can be told from chance: rows of ``_mirror``'s measures with
    "judge". A share of a half is even.
    """
    return [
        {**row, "judge": one["judge"]}
        for one in mirror
        for row in one["measures"]
        if row["key"] in ("position_bias", "length_bias")
        and row["low"] is not None
        and not row["low"] <= 0.5 <= row["high"]
    ]


def _model(session: Session) -> dict:
    name = session.model_name
    known = model_list.HUB.get(name) or model_list.PACKAGED.get(name)
    listed = name in (model_list.BUNDLED, *model_list.PACKAGED, *model_list.HUB)
    return {
        "name": model_list.title(name),
        "hub": HUB_NAMES.get(name, name if name in model_list.HUB else ""),
        "bundled": name == model_list.BUNDLED,
        "listed": listed,
        "revision": getattr(known, "revision", ""),
        "licence": getattr(known, "licence", "Apache-2.0" if name == model_list.BUNDLED else ""),
        "sha256": session.model_hash,
    }


def _made(session: Session) -> dict:
    return {
        "version": VERSION,
        "commit": commit(),
        "engine": engine_version(),
        "engines": [version or "before that was written down" for version in session.made_by],
        "versions": package_versions(),
    }


def number(value: object) -> float | None:
    """A finite number, or None: a record may come from a file."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
