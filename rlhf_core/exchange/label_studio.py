"""What people did in Label Studio, read back from its exports (Pairwise and Ranker tasks).

    its JSON, JSON-MIN, CSV or TSV export -> import_annotations -> ImportReport

What goes out to it is in ``label_studio_tasks``, what one answer means in ``label_studio_answers``.
An empty answer is no tie, and anything but left and right is an error. Knows nothing about models.

Sources: Label Studio 1.23 (exports of a real server are in tests/fixtures/label_studio),
label_studio_sdk.converter for JSON-MIN and CSV.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.binary_tables import is_binary_table
from rlhf_core.exchange.choices import is_blank
from rlhf_core.exchange.conversations import RowRefused
from rlhf_core.exchange.file_rows import Record, bare, records
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.label_studio_answers import Answer, judgement_of, objects_of, tags_of
from rlhf_core.exchange.label_studio_fields import layout_of, untyped
from rlhf_core.exchange.spreadsheets import COLUMNS as TABLES
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.judging.preferences import Pair, Ranking

# Columns of JSON-MIN and CSV beside the data.
_OURS = set("id annotator annotation_id created_at updated_at lead_time agreement history".split())
# By which key a value in JSON-MIN and CSV, which drop its type, is known.
_VALUES = {"selected": "pairwise", "ranker": "ranker", "choices": "choices"}
_TASK = "prompt answer1 answer2 items comparison rank verdict annotation_id lead_time"
COLUMNS = frozenset({*_TASK.split(), *TABLES})


def import_annotations(
    data: bytes,
    filename: str,
    *,
    fields: Sequence[str] = (),
    buckets: Sequence[str] = (),
    choice_map: Mapping[str, str] | None = None,
    question: str = "",
) -> ImportReport:
    """What people did, from a JSON, JSON-MIN, CSV or TSV export, or from a list of tasks.

    Args:
        fields: the names of prompt, left and right text in the tasks, where they are not ours or
            their usual aliases.
        buckets: the Ranker's buckets, best first, where they are not ours: an export does not say
            which is better.
        choice_map: what the values of a ``<Choices>`` mean (``choice_map.parse_map``).
        question: the control, or Argilla's question, that counts, where several could.

    Raises ImportRefused where the file as a whole cannot be read. The same person's later answer to
    a task replaces the earlier one, which is reported.
    """
    report = ImportReport(filename)
    rows = records(data, report, COLUMNS)
    if not looks_like_label_studio(rows):
        raise ImportRefused(
            f"{filename} is no Label Studio export of Pairwise or Ranker tasks: its entries hold"
            " neither annotations nor tasks of that kind."
        )
    configs: dict[str, list] = {}  # read once, however many tasks have it beside them
    answers = [answer for row in rows for answer in _answers(row, report, configs)]
    kinds = {kind for answer in answers for _, kind, _ in answer.results}
    named = " and ".join(sorted(kind.capitalize() for kind in kinds & {"pairwise", "ranker"}))
    report.format = f"Label Studio {report.format or 'JSON'}, {named or 'tasks'}"
    if report.counted == "row" or "JSON-MIN" in report.format:
        untyped(answers, fields)
    layout = layout_of(answers, report, fields, buckets, choice_map, question)
    judged: list[tuple[Answer, Pair | Ranking, list[str]]] = []
    for answer in answers:
        if answer.dropped:
            report.leave_out(answer.row, answer.shown, answer.dropped)
            continue
        try:
            judged.append((answer, *judgement_of(answer, report, layout)))
        except (RowRefused, PreferenceError) as error:
            report.leave_out(answer.row, answer.shown, str(error).rstrip("."))
    latest: dict[tuple, int] = {}  # (who, which task) -> index of the last answer
    first: dict[tuple, int] = {}  # (which annotation) -> index of its first copy
    for index, (answer, judgement, _) in enumerate(judged):
        if first.setdefault(_copy_key(answer, index), index) == index:
            key = _person_key(answer, judgement, index)
            if key not in latest or answer.when >= judged[latest[key]][0].when:
                latest[key] = index
    for index, (answer, judgement, repairs) in enumerate(judged):
        if first[_copy_key(answer, index)] != index:
            report.leave_out(
                answer.row, answer.shown, f"the annotation {answer.id} stands in the file twice"
            )
        elif latest[_person_key(answer, judgement, index)] != index:
            report.leave_out(
                answer.row,
                answer.shown,
                f"{judgement.annotator} answered this task more than once; the last answer counts",
            )
        else:
            report.take_judgement(answer.row, answer.shown, judgement, [*answer.repairs, *repairs])
    return report


def _about(answer: Answer) -> tuple:
    """Which task: its number alone does not say so where exports of two projects were joined."""
    return (str(answer.task), json.dumps(answer.data, sort_keys=True, default=str))


def _copy_key(answer: Answer, index: int) -> tuple:
    return (index,) if answer.id is None else (str(answer.id), _about(answer))


def _person_key(answer: Answer, judgement: Pair | Ranking, index: int) -> tuple:
    """The same for two answers of one known person to one task."""
    if answer.task is None or judgement.annotator == "unknown":
        return (index,)
    return (judgement.annotator, _about(answer))


def import_any(
    data: bytes,
    filename: str,
    *,
    fields: Sequence[str] = (),
    buckets: Sequence[str] = (),
    choice_map: Mapping[str, str] | None = None,
    question: str = "",
) -> ImportReport:
    """A Label Studio export or a table: what it is, its rows say. Raises ImportRefused.

    The rest is as in ``import_annotations``.
    """
    if is_binary_table(data):  # read once: each time costs a process
        return import_preferences(
            data, filename, fields=fields, choice_map=choice_map, question=question
        )
    probe = ImportReport(filename)
    told = frozenset(bare(part) for name in fields for part in name.split("+"))
    rows = records(data, probe, COLUMNS | told)
    if buckets or looks_like_label_studio(rows, strictly=True):
        return import_annotations(
            data, filename, fields=fields, buckets=buckets, choice_map=choice_map, question=question
        )
    return import_preferences(
        data, filename, fields=fields, choice_map=choice_map, question=question
    )


def looks_like_label_studio(rows: list[Record], strictly: bool = False) -> bool:
    """Are these tasks or annotations? ``strictly``: annotations only, no bare texts of a table."""
    for row in rows[:50]:
        value = row.value if isinstance(row.value, dict) else {}
        if _annotated(value) or "annotation_id" in value or isinstance(value.get("data"), dict):
            return True
        if (
            not strictly
            and ("items" in value or {"answer1", "answer2"} <= set(value))
            and not {"choice", "chosen"} & set(value)
        ):
            return True
    return False


def _annotated(value: dict) -> bool:
    """Does it hold a list of annotations, under today's name or the old one?"""
    for name in ("annotations", "completions"):
        found = value.get(name)
        if isinstance(found, list) and (
            isinstance(value.get("data"), dict)
            or (name == "annotations" and not all(isinstance(item, dict) for item in found))
            or any(isinstance(item, dict) and "result" in item for item in found)
        ):
            return True
    return value.get("annotations") == []


def _answers(row: Record, report: ImportReport, configs: dict[str, list]) -> list[Answer]:
    """Every answer in one entry: a task with its annotations, a row of JSON-MIN or CSV, a task."""
    value = row.value
    if not isinstance(value, dict):
        report.leave_out(row.row, value, "it is no task")
        return []
    annotations = value.get("annotations", value.get("completions"))
    data = value.get("data")
    if not isinstance(data, dict):
        data = {k: v for k, v in value.items() if k not in ("annotations", "completions")}
    if report.counted == "entry":
        report.counted = "task"
    if value.get("predictions"):
        report.say("lost", "Predictions: nobody made them by hand, so they are no judgements.")
    if value.get("drafts"):
        report.say("lost", "Drafts: they were never submitted.")
    if isinstance(annotations, list):
        if not annotations:
            _nobody_yet(data, report)
        replaced = {
            str(item["parent_annotation"]): item.get("id")
            for item in annotations
            if isinstance(item, dict) and item.get("parent_annotation") not in (None, "")
        }
        project = value.get("project")
        config = value.get("label_config") or (
            project.get("label_config") if isinstance(project, dict) else ""
        )
        if str(config) not in configs:
            configs[str(config)] = tags_of(config)
        tags = configs[str(config)]
        found = [_full(row, value, data, annotation, tags, report) for annotation in annotations]
        for answer in filter(None, found):
            if str(answer.id) in replaced and not answer.dropped:
                answer.dropped = (
                    f"the annotation {answer.id} was overwritten by {replaced[str(answer.id)]}"
                )
        return [answer for answer in found if answer]
    if "annotation_id" not in value and not ({"comparison", "rank", "verdict"} & set(value)):
        if is_blank(value.get("annotator")) or value.get("annotator") == []:
            _nobody_yet(data, report)
        else:
            report.leave_out(
                row.row,
                value,
                "it names an annotator, and has no annotation_id and no answer in a form that is"
                " known: export the project as JSON",
            )
        return []
    report.format = "JSON-MIN" if report.counted in ("task", "line") else "CSV"
    report.say(
        "lost",
        "Label Studio leaves skipped tasks out of JSON-MIN and CSV: they can only be had from its"
        " JSON export.",
    )
    if (
        value.get("annotation_id") in (None, "")
        and value.get("annotator") in (None, "", "None")
        and "annotation_id" in value
    ):
        _nobody_yet(data, report)
        return []
    results, texts = [], {}
    for name, item in data.items():
        items = item
        # A cell of a CSV export may hold JSON.
        if isinstance(item, str) and item.lstrip()[:2] in ("[{", '{"', "[]"):
            try:
                items = json.loads(item)
            except (ValueError, RecursionError):
                items = item
        parts = [items] if isinstance(items, dict) and set(_VALUES) & set(items) else []
        if isinstance(items, list):
            parts = [part for part in items if isinstance(part, dict)]
        kinds = [next((kind for key, kind in _VALUES.items() if key in part), "") for part in parts]
        if kinds and all(kinds):
            results += [
                (name, kind, {k: v for k, v in part.items() if k != "type"})
                for kind, part in zip(kinds, parts)
            ]
        elif name == "verdict" and isinstance(item, str) and item.strip():
            results.append((name, "choices", {"choices": [item]}))
        elif name in ("comparison", "verdict", "rank"):
            if items not in ("", None, []):
                kind = {"comparison": "pairwise", "rank": "ranker"}.get(name, "choices")
                results.append((name, kind, item))
        elif name not in _OURS:
            texts[name] = items if name == "items" else item
    return [
        Answer(
            row.row,
            texts,
            results,
            annotator=_who(value.get("annotator")),
            task=value.get("id"),
            id=value.get("annotation_id"),
            when=str(value.get("updated_at") or value.get("created_at") or ""),
            lead_time=value.get("lead_time"),
            repairs=row.repairs,
        )
    ]


def _full(
    row: Record,
    task: dict,
    data: dict,
    annotation: object,
    tags: Sequence[dict[str, str]],
    report: ImportReport,
) -> Answer | None:
    """One annotation of a full JSON export."""
    if not isinstance(annotation, dict) or not isinstance(annotation.get("result", []), list):
        report.leave_out(row.row, annotation, "the annotation is no object with a list of results")
        return None
    results = [item for item in annotation.get("result", []) if isinstance(item, dict)]
    metas = [item["meta"] for item in results if isinstance(item.get("meta"), dict)]
    meta: dict = next((meta for meta in metas if "annotator" in meta), {})
    return Answer(
        row.row,
        data,
        [
            (str(item.get("from_name")), str(item.get("type")).lower(), item.get("value"))
            for item in results
        ],
        annotator=str(meta.get("annotator") or _who(annotation.get("completed_by")))[:80],
        task=task.get("id"),
        id=annotation.get("id"),
        when=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        lead_time=annotation.get("lead_time"),
        cancelled=bool(annotation.get("was_cancelled") or annotation.get("skipped")),
        meta=meta,
        repairs=row.repairs,
        dropped=_rejected(annotation),
        objects=objects_of(results, tags),
    )


def _rejected(annotation: dict) -> str:
    """Why a reviewer's word keeps this annotation out; "" where none does."""
    action, reviews = annotation.get("last_action"), annotation.get("reviews")
    newest = reviews[-1] if isinstance(reviews, list) and reviews else None
    last = newest if isinstance(newest, dict) else {}
    said_no = last.get("accepted") is False
    if action == "rejected" or (said_no and action is None):
        by = f" ({_who(last['created_by'])})" if said_no and last.get("created_by") else ""
        return f"a reviewer{by} rejected this annotation"
    return ""


def _nobody_yet(data: dict, report: ImportReport) -> None:
    texts = [data.get("answer1"), data.get("answer2")]
    if isinstance(data.get("items"), list):
        texts = [item.get("body") for item in data["items"] if isinstance(item, dict)]
    report.unjudged.append({"prompt": data.get("prompt"), "texts": texts})


def _who(person: object) -> str:
    """An annotator's name: a user's number, an e-mail address, or what an object says."""
    if isinstance(person, dict):
        full = " ".join(
            str(person.get(part) or "").strip() for part in ("first_name", "last_name")
        ).strip()
        return str(
            person.get("email")
            or person.get("username")
            or full
            or (f"user {person['id']}" if person.get("id") is not None else "unknown")
        )
    if is_blank(person) or isinstance(person, bool):
        return "unknown"
    return f"user {person}" if isinstance(person, int) or str(person).isdecimal() else str(person)
