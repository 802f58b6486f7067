"""One uploaded file, read: the row that the page shows of it, or why it cannot be used.

Knows nothing about file formats (``rlhf_core.exchange.taking_in``) and draws nothing.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange import taking_in
from rlhf_core.exchange.choice_column import ChoiceUnclear
from rlhf_core.exchange.import_report import SeveralFit
from rlhf_core.judging.preferences import MAX_BYTES


def row_of(
    name: str,
    data: bytes,
    told: dict,
    choice_map: dict[str, str] | None = None,
    before: dict | None = None,
) -> dict:
    """What is in one file, or why it cannot be used; with the file itself where it may have to be
    read again, by what a person says of its questions or its choice column; ``before``: the row
    that asked, so that an answer which leads nowhere can be given anew.
    """
    looks = st.session_state["looks"] = st.session_state.get("looks", 0) + 1
    row = {"file": name, "look": looks, "data": data, "told": told, "choices": []}
    try:
        report = taking_in.read(data[: MAX_BYTES + 1], name, **told, choice_map=choice_map)
    except ChoiceUnclear as error:
        said = choice_map or {}
        values = [
            {"value": v.key, "count": v.count, "means": said.get(v.key, v.guess)}
            for v in error.values
        ]
        return row | {
            "problem": f"{error.found} Say below what each value means.",
            "choices": values,
            "questions": (before or {}).get("questions", []),
            "question": told.get("question", ""),
        }
    except SeveralFit as error:
        problem = f"{error.found} Say below which one counts."
        return row | {"problem": problem, "questions": error.names, "question": ""}
    except PreferenceError as error:
        if before is None:
            return {"file": name, "look": looks, "problem": str(error)}
        said = choice_map or {}
        return row | {
            "problem": str(error),
            "choices": [
                value | {"means": said.get(value["value"], "")} for value in before["choices"]
            ]
            if choice_map
            else [],
            "questions": before.get("questions", []),
            "question": told.get("question", ""),
        }
    if not report.choices and not report.questions:
        del row["data"]
    return row | {
        "report": report.to_dict(),
        "pairs": report.pairs,
        "about": taking_in.about_file(data, report.to_dict()),
        "nameless": taking_in.nameless(report.pairs),
        "choices": report.choices,
        "questions": report.questions,
        "question": report.question,
    }
