"""What people judge is called a judgement, and what it says of two texts a pair, on every page the
same: no third word for it stands in what the pages draw. (A joke may be a comparison; what comes in
and goes out speaks the field's words too.)
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SPEAKS_THE_FIELDS_WORDS = ("importing", "import_export")
FILES = [
    file
    for folder in ("pages", "ui", "rlhf_core/common", "rlhf_core/labs", "rlhf_core/evaluation")
    for file in sorted((ROOT / folder).glob("**/*.py"))
    if not file.stem.startswith(SPEAKS_THE_FIELDS_WORDS)
]
WORD = re.compile(r"\bcomparisons?\b", re.IGNORECASE)


def sentences(file: Path):
    """The strings of a script that people may read: no docstrings, names of fields or values."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    parts = {
        id(part): whole
        for whole in ast.walk(tree)
        if isinstance(whole, ast.JoinedStr | ast.Expr)
        for part in ast.iter_child_nodes(whole)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            said = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = "" if id(node) in parts else node.value
        else:
            continue
        if " " in said or said[:1].isupper():
            yield said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_page_says_comparison(file):
    assert [said for said in sentences(file) if WORD.search(said)] == []


def test_no_saved_result_and_no_term_says_comparison():
    kept = [*(ROOT / "assets" / "labs").glob("*.json"), ROOT / "assets" / "example.json"]
    for file in [*kept, ROOT / "rlhf_core" / "common" / "glossary.json"]:
        found = json.dumps(json.loads(file.read_text(encoding="utf-8")), ensure_ascii=False)
        said = [one for one in re.findall(r'"([^"]* [^"]*)"', found) if WORD.search(one)]
        assert not [one for one in said if "a mood, a comparison" not in one], file.name


def test_the_scan_sees_what_it_looks_for(tmp_path):
    script = tmp_path / "page.py"
    script.write_text(
        'st.caption(f"From {n} few comparisons")\nlabel = "Comparisons"\nrow["comparisons"]\n',
        encoding="utf-8",
    )
    assert len([said for said in sentences(script) if WORD.search(said)]) == 2
