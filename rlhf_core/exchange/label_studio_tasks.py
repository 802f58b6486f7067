"""Tasks for Label Studio, with or without judgements, and the labelling config that shows them.

    pairs or candidate sets -> export_tasks -> JSON for its Import button
    labelling_config -> its Labeling Interface

Label Studio's Pairwise knows left and right only. Our config adds a ``<Choices name="verdict">``
beside it for tie, both bad and skip, and gives the Ranker one bucket a place, so that ties survive.
The way back is ``label_studio``. Knows nothing about models.

Source: Label Studio 1.23 (exports of a real server are in tests/fixtures/label_studio).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from rlhf_core.common.events import Record
from rlhf_core.exchange.exports import not_read_back
from rlhf_core.exchange.label_studio_answers import NOTED, PLACES, VERDICTS
from rlhf_core.exchange.ranking_rows import said_beside
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.preferences import Pair, Ranking, pairs_from_rankings


def labelling_config(kind: str, brief: Brief | None = None, places: int = 4) -> str:
    """The XML for Label Studio's Labeling Interface.

    Args:
        kind: "pairwise" or "ranker".
        brief: its instructions stand above the texts.
        places: buckets of the Ranker, as many as a task has outputs, at most 8; "place_1" is the
            best, several outputs in one are a tie. 0: a plain list, which can hold no tie.
    """
    headers = []
    if brief:
        told = (
            brief.title,
            f"Prefer: {brief.prefer}",
            f"Avoid: {brief.avoid}" if brief.avoid else "",
            f"Ties: {brief.ties}" if brief.ties else "",
        )
        headers = [
            f'  <Header value={quoteattr(line)} size="{4 if i == 0 else 6}"/>'
            for i, line in enumerate(told)
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
    lines = [
        "<View>",
        *headers,
        '  <Text name="prompt" value="$prompt"/>',
        *body,
        '  <Choices name="verdict" toName="prompt" choice="single" showInline="true">',
        *choices,
        "  </Choices>",
        "</View>",
    ]
    return "\n".join(lines) + "\n"


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
    if len({isinstance(item, Pair) for item in items}) > 1:
        raise ValueError(
            "Pairs and candidate sets need different labelling configs: export them one after the"
            " other."
        )
    tasks: dict[tuple, dict] = {}
    seen: Counter = Counter()
    for item in items:
        data: Record
        if isinstance(item, Pair):
            data = {"prompt": item.prompt, "answer1": item.a, "answer2": item.b}
            result = {
                "a": result_of("comparison", "pairwise", selected="left"),
                "b": result_of("comparison", "pairwise", selected="right"),
            }.get(item.choice)
            verdict = item.choice if item.choice in VERDICTS.values() else None
        else:
            ranking = item if isinstance(item, Ranking) else None
            texts = item.candidates if isinstance(item, Ranking) else item["texts"]
            order = ranking.shown if ranking else range(len(texts))
            names = [chr(97 + index) if index < 26 else f"x{index}" for index in range(len(texts))]
            prompt = item.prompt if isinstance(item, Ranking) else item["prompt"]
            data = {
                "prompt": prompt,
                "items": [
                    {"id": names[i], "title": f"Output {n}", "body": texts[i]}
                    for n, i in enumerate(order, 1)
                ],
            }
            verdict = ranking.verdict if ranking else None
            groups = ranking.groups if ranking else []
            places = {f"place_{n}": [names[i] for i in group] for n, group in enumerate(groups, 1)}
            result = result_of("rank", "ranker", ranker=places) if places else None
        if not isinstance(item, dict) and (item.brief or item.brief_version != 1):
            data |= {"brief": item.brief, "brief_version": item.brief_version}
        who = getattr(item, "annotator", "")
        key = json.dumps(data, ensure_ascii=False)
        # The second time that somebody judges the same is a task of its own: Label Studio has one
        # answer a person and task.
        seen[key, who] += 1
        task = tasks.setdefault((key, seen[key, who]), {"data": data})
        if judged and not isinstance(item, dict):
            words = [word for word, choice in VERDICTS.items() if choice == verdict]
            result = result or result_of("verdict", "choices", choices=words[:1])
            meta: Record = {"annotator": item.annotator}
            if isinstance(item, Pair) and item.weight != 1:
                meta["weight"] = item.weight
            if isinstance(item, Ranking) and item.good is not None:
                meta["good"] = [names[index] for index in item.good]
            if isinstance(item, Ranking):
                meta |= {name: text for name in NOTED if (text := getattr(item, name))}
            annotation = {
                "result": [{**result, "id": f"r{len(task.get('annotations', []))}", "meta": meta}],
                "was_cancelled": verdict == "skip",
            }
            if item.seconds is not None:
                annotation["lead_time"] = item.seconds
            task.setdefault("annotations", []).append(annotation)
    lost = []
    if judged:
        lost.append(
            "Label Studio's JSON-MIN and CSV exports leave out skipped tasks and who judged before"
            " the import; its JSON export keeps both."
        )
    rankings = [item for item in items if isinstance(item, Ranking)]
    if rankings:
        lost += _beside(rankings, judged)
    pairs = [item for item in items if isinstance(item, Pair)]
    lost += not_read_back([*pairs, *pairs_from_rankings(rankings)])
    return list(tasks.values()), lost


def _beside(rankings: list[Ranking], judged: bool) -> list[str]:
    """What of rankings a Ranker task does not show, with how often."""
    lost = [
        "The round, the order in which outputs were written, and whether the model ended them"
        " itself have no place in a Ranker task."
    ]
    noted = said_beside(rankings, "reason", "ideal")
    if noted and judged:
        lost.append(
            f"{' and '.join(noted)}: noted beside the results, where Label Studio shows them to"
            " nobody. Its JSON export brings them back; JSON-MIN and CSV drop them."
        )
    elif noted:
        lost.append(f"{' and '.join(noted)}: tasks to be judged are given without them.")
    if dropped := said_beside(rankings, "first", "asked"):
        lost.append(f"A Ranker task has no place for: {', '.join(dropped)}.")
    return lost


def result_of(control: str, kind: str, **value) -> dict:
    # Pairwise names itself in to_name, as real exports do.
    to_name = {"pairwise": control, "ranker": "answers", "choices": "prompt"}[kind]
    return {
        "from_name": control,
        "to_name": to_name,
        "type": kind,
        "value": value,
        "origin": "manual",
    }
