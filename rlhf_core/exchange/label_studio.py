"""Label Studio both ways: our tasks out, what people did with them back in (Pairwise and Ranker).

    pairs or candidate sets -> export_tasks -> JSON for its Import button;  labelling_config -> its
    Labeling Interface its JSON, JSON-MIN, CSV or TSV export -> import_annotations -> ImportReport

Label Studio's Pairwise knows left and right only. Our config adds a ``<Choices name="verdict">``
beside it for tie, both bad and skip, and gives the Ranker one bucket a place, so that ties survive.
An empty answer is no tie, and anything but left and right is an error. Knows nothing about models.

Sources: Label Studio 1.23 (exports of a real server are in tests/fixtures/label_studio),
label_studio_sdk.converter for JSON-MIN and CSV.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, Record, records
from rlhf_core.exchange.label_studio_answers import PLACES, VERDICTS, Answer, judgement_of
from rlhf_core.exchange.spreadsheets import FIELD_OF, RowRefused, import_preferences
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.preferences import Pair, Ranking

_OURS = {
    "id",
    "annotator",
    "annotation_id",
    "created_at",
    "updated_at",
    "lead_time",
    "agreement",
    "history",
}  # columns of JSON-MIN and CSV beside the data
_VALUES = {
    "selected": "pairwise",
    "ranker": "ranker",
    "choices": "choices",
}  # by which key a value in JSON-MIN and CSV, which drop its type, is known
COLUMNS = frozenset(
    {
        "prompt",
        "answer1",
        "answer2",
        "items",
        "comparison",
        "rank",
        "verdict",
        "annotation_id",
        "lead_time",
        *FIELD_OF,
    }
)


# --- out ------------------------------------------------------------------------------------------


def labelling_config(kind: str, brief: Brief | None = None, places: int = 4) -> str:
    """The XML for Label Studio's Labeling Interface.

    Args:
        kind: "pairwise" or "ranker".
        brief: its instructions stand above the texts.
        places: buckets of the Ranker, as many as a task has outputs, at most 8; "place_1" is the
        best, several outputs in one are a tie. 0: a plain list,
            which can hold no tie.
    """
    headers = []
    if brief:
        lines = (
            brief.title,
            f"Prefer: {brief.prefer}",
            f"Avoid: {brief.avoid}" if brief.avoid else "",
            f"Ties: {brief.ties}" if brief.ties else "",
        )
        headers = [
            f'  <Header value={quoteattr(line)} size="{4 if i == 0 else 6}"/>'
            for i, line in enumerate(lines)
            if line
        ]
    if kind == "pairwise":
        body = [
            '  <Pairwise name="comparison" toName="answer1,answer2"/>',
            '  <View style="display: grid; grid-template-columns: 1fr 1fr; gap: 1em">',
            '    <Text name="answer1" value="$answer1"/>',
            '    <Text name="answer2" value="$answer2"/>',
            "  </View>",
        ]
    elif kind == "ranker":
        buckets = [
            f'    <Bucket name="place_{n}" title="{PLACES[n - 1]}"/>' for n in range(1, places + 1)
        ]
        ranker = '<Ranker name="rank" toName="answers"'
        body = [
            '  <List name="answers" value="$items" title="Outputs"/>',
            *([f"  {ranker}>", *buckets, "  </Ranker>"] if buckets else [f"  {ranker}/>"]),
        ]
    else:
        raise ValueError(f"kind must be pairwise or ranker, not {kind!r}")
    keys = {"Tie": "t", "Both bad": "n", "Skip": "s"}
    choices = [f'    <Choice value="{verdict}" hotkey="{keys[verdict]}"/>' for verdict in VERDICTS]
    return (
        "\n".join(
            [
                "<View>",
                *headers,
                '  <Text name="prompt" value="$prompt"/>',
                *body,
                '  <Choices name="verdict" toName="prompt" choice="single" showInline="true">',
                *choices,
                "  </Choices>",
                "</View>",
            ]
        )
        + "\n"
    )


def export_tasks(
    items: Sequence[Pair | Ranking | dict], *, judged: bool = True
) -> tuple[list[dict], list[str]]:
    """Tasks for Label Studio's Import, as plain data for a JSON file, and what they cannot hold.

    Args:
        items: all of one kind: pairs (Pairwise tasks), or rankings or candidate sets {"prompt",
            "texts"} (Ranker tasks).
        judged: with the judgements, as annotations; one task holds those of everybody who judged
        the same texts on the same sides. False: tasks to be done.

    Who judged stands in each result's ``meta``: Label Studio gives the annotations of an imported
    file to whoever imports it. Raises ValueError on a mixture.
    """
    if any(isinstance(item, Pair) for item in items) and not all(
        isinstance(item, Pair) for item in items
    ):
        raise ValueError(
            "Pairs and candidate sets need different labelling configs: export them one after the"
            " other."
        )
    tasks: dict[tuple, dict] = {}
    seen: Counter = Counter()
    for item in items:
        if isinstance(item, Pair):
            data = {"prompt": item.prompt, "answer1": item.a, "answer2": item.b}
            result = {
                "a": _result("comparison", "pairwise", selected="left"),
                "b": _result("comparison", "pairwise", selected="right"),
            }.get(item.choice)
            verdict = item.choice if item.choice in VERDICTS.values() else None
        else:
            ranking = item if isinstance(item, Ranking) else None
            texts, order = (
                (ranking.candidates, ranking.shown)
                if ranking
                else (item["texts"], range(len(item["texts"])))
            )
            names = [chr(97 + index) if index < 26 else f"x{index}" for index in range(len(texts))]
            prompt = ranking.prompt if ranking else item["prompt"]
            data = {
                "prompt": prompt,
                "items": [
                    {"id": names[i], "title": f"Output {n}", "body": texts[i]}
                    for n, i in enumerate(order, 1)
                ],
            }
            verdict = ranking.verdict if ranking else None
            groups = ranking.groups if ranking else []
            result = (
                _result(
                    "rank",
                    "ranker",
                    ranker={
                        f"place_{n}": [names[i] for i in group] for n, group in enumerate(groups, 1)
                    },
                )
                if groups
                else None
            )
        if not isinstance(item, dict) and item.brief:
            data |= {"brief": item.brief, "brief_version": item.brief_version}
        who = getattr(item, "annotator", "")
        key = json.dumps(data, ensure_ascii=False)
        seen[key, who] += (
            # the second time that somebody judges the same is a task of its own: Label Studio has
            # one answer a person and task
            1
        )
        task = tasks.setdefault((key, seen[key, who]), {"data": data})
        if judged and not isinstance(item, dict):
            result = result or _result(
                "verdict",
                "choices",
                choices=[next(word for word, choice in VERDICTS.items() if choice == verdict)],
            )
            meta = {"annotator": item.annotator} | (
                {"weight": item.weight} if isinstance(item, Pair) and item.weight != 1 else {}
            )
            annotation = {
                "result": [{**result, "id": f"r{len(task.get('annotations', []))}", "meta": meta}],
                "was_cancelled": verdict == "skip",
            }
            if item.seconds is not None:
                annotation["lead_time"] = item.seconds
            task.setdefault("annotations", []).append(annotation)
    lost = (
        [
            "Label Studio's JSON-MIN and CSV exports leave out skipped tasks and who judged before"
            " the import; its JSON export keeps both."
        ]
        if judged
        else []
    )
    if any(isinstance(item, Ranking) for item in items):
        lost.append(
            "The round, the order in which outputs were written, and whether the model ended them"
            " itself have no place in a Ranker task."
        )
    return list(tasks.values()), lost


def _result(control: str, kind: str, **value) -> dict:
    # Pairwise names itself in to_name, as real exports do.
    to_name = {"pairwise": control, "ranker": "answers", "choices": "prompt"}[kind]
    return {
        "from_name": control,
        "to_name": to_name,
        "type": kind,
        "value": value,
        "origin": "manual",
    }


# --- in -------------------------------------------------------------------------------------------


def import_annotations(
    data: bytes, filename: str, *, fields: Sequence[str] = (), buckets: Sequence[str] = ()
) -> ImportReport:
    """What people did, from a JSON, JSON-MIN, CSV or TSV export of Label Studio, or from a list of
    its tasks.

    Args:
        fields: the names of prompt, left and right text in the tasks, where they are not ours or
            their usual aliases.
        buckets: the Ranker's buckets, best first, where they are not ours: an export does not say
        which is better.

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
    answers = [answer for row in rows for answer in _answers(row, report)]
    kinds = {kind for answer in answers for _, kind, _ in answer.results}
    report.format = (
        f"Label Studio {report.format or 'JSON'},"
        f" {' and '.join(sorted(k.capitalize() for k in kinds & {'pairwise', 'ranker'})) or 'tasks'}"
    )
    judged: list[tuple[Answer, Pair | Ranking, list[Pair], list[str]]] = []
    for answer in answers:
        try:
            judged.append((answer, *judgement_of(answer, report, fields, buckets)))
        except (RowRefused, PreferenceError) as error:
            report.leave_out(answer.row, answer.shown, str(error).rstrip("."))
    latest: dict[tuple, int] = {}  # (who, which task) -> index of the last answer
    first: dict[tuple, int] = {}  # (which annotation) -> index of its first copy
    for index, (answer, judgement, *_) in enumerate(judged):
        if first.setdefault(_copy_key(answer, index), index) == index:
            key = _person_key(answer, judgement, index)
            if key not in latest or answer.when >= judged[latest[key]][0].when:
                latest[key] = index
    for index, (answer, judgement, pairs, repairs) in enumerate(judged):
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
            report.take(answer.row, answer.shown, judgement, pairs, [*answer.repairs, *repairs])
    return report


def _about(answer: Answer) -> tuple:
    """Which task: its number alone does not say, where exports of two projects were put together."""
    return (str(answer.task), json.dumps(answer.data, sort_keys=True, default=str))


def _copy_key(answer: Answer, index: int) -> tuple:
    return (index,) if answer.id is None else (str(answer.id), _about(answer))


def _person_key(answer: Answer, judgement: Pair | Ranking, index: int) -> tuple:
    """The same for two answers of one known person to one task."""
    return (
        (index,)
        if answer.task is None or judgement.annotator == "unknown"
        else (judgement.annotator, _about(answer))
    )


def import_any(data: bytes, filename: str) -> ImportReport:
    """A Label Studio export or a table of preferences: what it is, its rows say. Raises
    ImportRefused.
    """
    probe = ImportReport(filename)
    rows = records(data, probe, COLUMNS)
    return (
        import_annotations(data, filename)
        if looks_like_label_studio(rows, strictly=True)
        else import_preferences(data, filename)
    )


def looks_like_label_studio(rows: list[Record], strictly: bool = False) -> bool:
    """Are these tasks or annotations? ``strictly``: annotations only, no bare texts that any table
    might hold.
    """
    for row in rows[:50]:
        value = row.value if isinstance(row.value, dict) else {}
        if (
            isinstance(value.get("annotations", value.get("completions")), list)
            or "annotation_id" in value
            or isinstance(value.get("data"), dict)
        ):
            return True
        if (
            not strictly
            and ("items" in value or {"answer1", "answer2"} <= set(value))
            and not {"choice", "chosen"} & set(value)
        ):
            return True
    return False


def _answers(row: Record, report: ImportReport) -> list[Answer]:
    """Every answer in one entry of the file: a task with its annotations, a row of JSON-MIN or CSV,
    or a bare task.
    """
    value = row.value
    if not isinstance(value, dict):
        report.leave_out(row.row, value, "it is no task")
        return []
    annotations = value.get("annotations", value.get("completions"))
    data = (
        value["data"]
        if isinstance(value.get("data"), dict)
        else {k: v for k, v in value.items() if k not in ("annotations", "completions")}
    )
    if report.counted == "entry":
        report.counted = "task"
    if value.get("predictions"):
        report.say("lost", "Predictions: nobody made them by hand, so they are no judgements.")
    if value.get("drafts"):
        report.say("lost", "Drafts: they were never submitted.")
    if isinstance(annotations, list):
        if not annotations:
            _nobody_yet(data, report)
        return [
            answer
            for annotation in annotations
            if (answer := _full(row, value, data, annotation, report))
        ]
    if "annotation_id" not in value and not ({"comparison", "rank", "verdict"} & set(value)):
        _nobody_yet(data, report)
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
        if isinstance(item, str) and item.lstrip()[:2] in (
            "[{",
            '{"',
            "[]",
        ):  # a cell of a CSV export
            try:
                items = json.loads(item)
            except (ValueError, RecursionError):
                items = item
        parts = (
            [part for part in items if isinstance(part, dict)] if isinstance(items, list) else []
        )
        kinds = [next((kind for key, kind in _VALUES.items() if key in part), "") for part in parts]
        if kinds and all(kinds):
            results += [
                (name, kind, {k: v for k, v in part.items() if k != "type"})
                for kind, part in zip(kinds, parts)
            ]
        elif name == "verdict" and isinstance(item, str) and item.strip():
            results.append((name, "choices", {"choices": [item]}))
        elif name in ("comparison", "verdict", "rank"):
            results += (
                [(name, {"comparison": "pairwise", "rank": "ranker"}.get(name, "choices"), item)]
                if items not in ("", None, [])
                else []
            )
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
    row: Record, task: dict, data: dict, annotation: object, report: ImportReport
) -> Answer | None:
    """One annotation of a full JSON export."""
    if not isinstance(annotation, dict) or not isinstance(annotation.get("result", []), list):
        report.leave_out(row.row, annotation, "the annotation is no object with a list of results")
        return None
    results = [item for item in annotation.get("result", []) if isinstance(item, dict)]
    meta = next(
        (
            item["meta"]
            for item in results
            if isinstance(item.get("meta"), dict) and "annotator" in item["meta"]
        ),
        {},
    )
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
    )


def _nobody_yet(data: dict, report: ImportReport) -> None:
    texts = (
        [item.get("body") for item in data["items"] if isinstance(item, dict)]
        if isinstance(data.get("items"), list)
        else [data.get("answer1"), data.get("answer2")]
    )
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
    if person in (None, "", "None") or isinstance(person, bool):
        return "unknown"
    return f"user {person}" if isinstance(person, int) or str(person).isdecimal() else str(person)
