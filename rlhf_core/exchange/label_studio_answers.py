"""What one person's answer to one Label Studio task means.

A pair, a ranking, or the reason why it cannot be used.

Knows nothing about files (``label_studio`` reads those). Left and right are a and b; an empty
answer is no tie; two answers in one are refused, not chosen from. Source: Label Studio 1.23's
Pairwise, Ranker and Choices results, see tests/fixtures/label_studio.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlhf_core.common.events import Record
from rlhf_core.exchange.choices import asks_for_the_worse, read_word, shown
from rlhf_core.exchange.conversations import RowRefused, as_text
from rlhf_core.exchange.import_report import ImportReport, excerpt
from rlhf_core.exchange.preference_rows import check_text, label, read_number, read_row, who
from rlhf_core.judging.preferences import MOST_CANDIDATES, Pair, Ranking, groups_of
from rlhf_core.judging.typed import clean_name

if TYPE_CHECKING:
    from rlhf_core.exchange.label_studio_fields import Layout

VERDICTS = {"Tie": "tie", "Both bad": "both_bad", "Skip": "skip"}
_TAG = re.compile(r"<[A-Za-z]+\s[^<>]*>")
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*["']([^"']*)["']""")
NOTED = ("reason", "ideal")  # of a ranking, beside its result
PLACES = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th")


@dataclass
class Answer:
    """What one person did with one task, whichever export it came from.

    Attributes:
        results: (control's name, its kind in lower case, its value).
        meta: what our own export wrote beside a result.
        dropped: why it does not count, whatever it says: a reviewer rejected it.
        objects: control -> what its ``to_name`` names, in order; left is the first of two.
    """

    row: int
    data: dict
    results: Sequence[tuple[str, str, object]]
    annotator: str = "unknown"
    task: object = None
    id: object = None
    when: str = ""
    lead_time: object = None
    cancelled: bool = False
    meta: dict = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    dropped: str = ""
    objects: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """For the report: what was chosen, and about what."""
        chosen = (
            json.dumps([value for _, _, value in self.results], ensure_ascii=False, default=str)
            if self.results
            else "nothing"
        )
        return f"{'skipped' if self.cancelled else chosen} | {self.data.get('prompt', '')}"


def tags_of(config: object) -> list[dict[str, str]]:
    """The attributes of each tag of a labelling config; toName with fields for the tags' names."""
    if not isinstance(config, str):
        return []
    tags = [dict(_ATTRIBUTE.findall(tag)) for tag in _TAG.findall(config)]
    fields = {tag.get("name"): tag["value"].lstrip("$") for tag in tags if "value" in tag}
    for tag in tags:
        named = [name.strip() for name in tag.get("toName", "").split(",")]
        tag["toName"] = ",".join(str(fields.get(name, name)) for name in named)
    return tags


def objects_of(results: Sequence[dict], tags: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Control -> what it names, in order: by its results, or by the labelling config's tags."""
    found = {}
    for item in results:
        control, named = str(item.get("from_name")), item.get("to_name")
        if isinstance(named, list):
            named = ",".join(map(str, named))
        for tag in tags:
            if tag.get("name") == control and "," not in str(named):
                named = tag["toName"]
        if isinstance(named, str):
            found[control] = [part.strip() for part in named.split(",")]
    return found


def judgement_of(
    answer: Answer, report: ImportReport, layout: Layout
) -> tuple[Pair | Ranking, list[str]]:
    """(judgement, repairs). Raises RowRefused, PreferenceError."""
    repairs: list[str] = []
    by_kind: dict[str, list] = {}
    others: list[str] = []
    for name, kind, value in answer.results:
        if (kind in ("pairwise", "ranker") or name == layout.control) and asks_for_the_worse(name):
            raise RowRefused(
                f"the control {name!r} seems to ask which text is worse; here an answer says which"
                " is better, so it would count the wrong way round"
            )
        if kind == "choices" and name == layout.control and layout.reading:
            kind = "control"
        elif kind == "choices" and name != "verdict" or kind not in _KINDS:
            said = f": {shown(chosen_of(value))}" if kind == "choices" else ""
            others.append(f"{name!r} ({kind}{said})")
            report.say("lost", f"The control {name!r} ({kind}): a judgement has no place for it.")
            continue
        if value not in by_kind.setdefault(kind, []):
            by_kind[kind].append(value)
    if any(len(values) > 1 for values in by_kind.values()):
        raise RowRefused("it says two different things about the same texts")
    verdict = _verdict(by_kind.pop("choices")[0], repairs) if "choices" in by_kind else None
    if "ranker" in by_kind and (
        _nothing_placed(by_kind["ranker"][0])
        or (verdict and _as_listed(by_kind["ranker"][0], answer.data))
    ):
        del by_kind["ranker"]  # Label Studio's page hands in a Ranker that nobody touched, too
    if answer.cancelled:
        verdict, by_kind = "skip", {}
    if verdict and by_kind:
        raise RowRefused(
            f"it chooses a side or an order and also says {verdict}: which of the two counts?"
        )
    if not verdict and not by_kind:
        if others:
            raise RowRefused(
                f"its only answers are to the control {', '.join(sorted(set(others)))}, which is"
                " none that says which text is better (Pairwise, Ranker, or Choices of the two)"
            )
        if spare := _beside_the_texts(answer, layout, report):
            raise RowRefused(
                f"beside the texts it holds {excerpt(', '.join(spare))}, which do not say which"
                " text is better"
            )
        raise RowRefused("nothing was chosen; an empty answer is no tie and no skip")
    common = {
        "annotator": answer.annotator,
        "brief": answer.data.get("brief"),
        "brief_version": answer.data.get("brief_version"),
    }
    if "items" in answer.data:
        order = by_kind.get("ranker", [None])[0]
        if not verdict and order is None:
            raise RowRefused("it holds no ranking")
        made = _ranking(answer, order, verdict, common, layout, repairs)
        if not verdict and _as_listed(order, answer.data):
            report.say(
                "notes",
                f"Look at {report.counted} {answer.row}: its ranking is the order in which the page"
                " lists the outputs, as it also is where nobody moved anything.",
            )
        return made, repairs
    if "ranker" in by_kind:
        raise RowRefused("it ranks a list, and the task has no field that is a list of texts by id")
    choice, reading = verdict, None
    if "control" in by_kind:
        choice, reading = chosen_of(by_kind["control"][0]), layout.reading
    elif not choice:
        selected = by_kind["pairwise"][0] if "pairwise" in by_kind else None
        if isinstance(selected, dict):  # label-studio-evalme writes the other key
            selected = selected.get("selected", selected.get("pairwise"))
        choice = {"left": "a", "right": "b"}.get(selected) if isinstance(selected, str) else None
        if choice is None:
            raise RowRefused(
                f"selected is {str(selected)[:40]!r}; a Pairwise answer is left or right"
            )
    names = layout.names_of(answer)
    missing = [part for part in ("prompt", "a", "b") if names.get(part) not in answer.data]
    if missing:
        have = " ".join(", ".join(map(str, answer.data)).split()) or "none"
        raise RowRefused(
            f"the task has no field for {' and '.join(missing)} (it has {have[:80]}); say which are"
            " prompt, left and right"
        )
    pair, more = read_row(
        {part: answer.data[name] for part, name in names.items()}
        | common
        | {"choice": choice, "seconds": answer.lead_time, "weight": answer.meta.get("weight")},
        report,
        reading,
        names,
    )
    return pair, [*repairs, *more]


_KINDS = ("pairwise", "ranker", "choices")


def _beside_the_texts(answer: Answer, layout: Layout, report: ImportReport) -> list[str]:
    """What a row of JSON-MIN or CSV, where answers stand among the task's fields, holds beside the
    texts.
    """
    if "CSV" not in report.format and "JSON-MIN" not in report.format:
        return []
    known = {*layout.names_of(answer).values(), "items", "brief", "brief_version"}
    return [str(name) for name, cell in answer.data.items() if name not in known and cell]


def chosen_of(value: object) -> Any:
    """The one value of a Choices answer; the list where there are several."""
    chosen = value.get("choices") if isinstance(value, dict) else value
    return chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen


def _verdict(value: object, repairs: list[str]) -> str:
    chosen = chosen_of(value)
    if isinstance(chosen, str) and chosen in VERDICTS:
        return VERDICTS[chosen]
    verdict, said = read_word(chosen)
    if verdict is None or verdict not in VERDICTS.values():
        raise RowRefused(f"the verdict is {str(chosen)[:40]!r}; it must be {', '.join(VERDICTS)}")
    repairs.append(said)
    return verdict


def _order(value: object) -> dict:
    """Bucket -> items of a Ranker's value; a bare list is one bucket."""
    inner = value.get("ranker", value) if isinstance(value, dict) else value
    inner = {"rank": inner} if isinstance(inner, list) else inner
    if not isinstance(inner, dict) or not all(isinstance(group, list) for group in inner.values()):
        raise RowRefused("the ranking is no list of items")
    return inner


def _nothing_placed(value: object) -> bool:
    return not any(group for name, group in _order(value).items() if name != "_")


def _as_listed(value: object, data: dict) -> bool:
    """Is it the very order in which the page lists the items, in one list?

    Then it may be that nobody touched it.
    """
    lists, items = list(_order(value).items()), data.get("items")
    return (
        len(lists) == 1
        and not lists[0][0].startswith("place_")
        and isinstance(items, list)
        and [str(i.get("id")) for i in items if isinstance(i, dict)] == list(map(str, lists[0][1]))
    )


def _ranking(
    answer: Answer,
    order: object,
    verdict: str | None,
    common: dict,
    layout: Layout,
    repairs: list[str],
) -> Ranking:
    """A Ranking from a Ranker's answer. Raises RowRefused, PreferenceError."""
    items = answer.data["items"]
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and "id" in item for item in items
    ):
        raise RowRefused("the task's items are no list of texts with an id")
    if len(items) > MOST_CANDIDATES:  # before anything is made of them
        raise RowRefused(
            f"it ranks {len(items):,} outputs, which would make"
            f" {len(items) * (len(items) - 1) // 2:,} pairs; at most {MOST_CANDIDATES} outputs fit"
            " in a ranking"
        )
    texts = {
        str(item["id"]): str(
            item["body"] if "body" in item else item.get("html") or item.get("title") or ""
        )
        for item in items
    }
    if len(texts) < len(items):
        raise RowRefused("two items of the task have the same id")
    groups: list[list[str]] = []
    buckets: Sequence[str] = layout.buckets
    if not verdict:
        inner = _order(order)
        named = [name for name in inner if name != "_"]
        if len(named) == 1 and named[0] not in buckets and not named[0].startswith("place_"):
            groups = [[str(item)] for item in inner[named[0]]]
        else:
            known = list(buckets) or [f"place_{n}" for n in range(1, MOST_CANDIDATES + 1)]
            strange = [name for name in named if name not in known]
            if strange:
                raise RowRefused(
                    f"the buckets {', '.join(map(repr, strange))} have no known order; say which"
                    " are better, best first: --buckets BEST,...,WORST"
                )
            groups = [[str(item) for item in inner[name]] for name in known if inner.get(name)]
        placed = [item for group in groups for item in group]
        if len(placed) != len(set(placed)) or not set(placed) <= set(texts):
            raise RowRefused("the ranking names an item twice, or one that the task does not have")
        if len(placed) == 1:
            raise RowRefused("only one output was placed")
        if len(placed) < len(texts):
            repairs.append(
                f"{len(texts) - len(placed)} of {len(texts)} outputs were not placed; the ranking"
                " is of the others"
            )
            texts = {name: text for name, text in texts.items() if name in placed}
    elif verdict == "tie":
        groups, verdict = [list(texts)], None
    if len(set(texts.values())) < 2:
        raise RowRefused("fewer than two different texts were ranked")
    index = {name: number for number, name in enumerate(texts)}
    prompt = answer.data.get(layout.names.get("prompt", "prompt"))
    prompt = check_text(
        label("prompt", layout.names), as_text("the prompt", prompt, layout.printed)
    )
    for name, text in texts.items():
        check_text(f"the text of item {name!r}", text)
    seconds = read_number(answer.lead_time, "lead_time", None, repairs)
    places = [[index[name] for name in group] for group in groups]
    noted: Record = {name: _noted(answer.meta, name, repairs) for name in NOTED}
    return Ranking(
        id=f"label-studio-{answer.task or answer.row}-{answer.id or answer.row}",
        prompt=prompt,
        candidates=list(texts.values()),
        shown=list(range(len(texts))),
        groups=places,
        good=None if verdict else _good(answer.meta.get("good"), index, places),
        verdict=verdict,
        seconds=seconds,
        annotator=who(answer.annotator),
        brief=clean_name(common["brief"]) if common["brief"] else "",
        brief_version=int(read_number(common["brief_version"], "brief_version", 1, repairs) or 1),
        **noted,
    )


def _noted(meta: dict, name: str, repairs: list[str]) -> str:
    """A reason or an ideal answer that our own export noted beside a result, or ""."""
    text = meta.get(name)
    if text in (None, ""):
        return ""
    try:
        return check_text(name, text)
    except RowRefused as error:
        repairs.append(f"{error}, so it was left out")
        return ""


def _good(named: object, index: dict[str, int], places: list[list[int]]) -> list[int] | None:
    """Which were called good one by one, as our own export notes it; None where it does not, or
    where somebody has put them in another order since.
    """
    if not isinstance(named, list):
        return None
    good = [index[name] for name in named if isinstance(name, str) and name in index]
    return good if groups_of(good, list(index.values())) == places else None
