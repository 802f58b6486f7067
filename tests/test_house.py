"""The house keeps its rules where no linter sees them; its guide names files that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("rlhf_core", "ui", "pages", "benchmarks")
DRAWN = ("rlhf_core", "ui", "pages", "app.py")
LONGEST, SHOWPIECE = 400, {"rlhf_core/algorithms/ppo.py": 500}


def files(*places: str) -> list[Path]:
    return [
        f
        for place in places
        for f in ([ROOT / place], (ROOT / place).rglob("*.py"))[(ROOT / place).is_dir()]
    ]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_no_file_is_longer_than_a_reader_has_patience():
    lengths = {name_of(f): len(f.read_text(encoding="utf-8").splitlines()) for f in files(*DRAWN)}
    long = {name: n for name, n in lengths.items() if n > SHOWPIECE.get(name, LONGEST)}
    assert len(lengths) > 150 and not long


def local_imports(file: Path) -> list[str]:
    """Our own modules that a function of ``file`` imports."""
    tree, found = ast.parse(file.read_text(encoding="utf-8")), []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found += [name for name in names if name.split(".")[0] in OURS]
    return found


def test_imports_of_ours_stand_at_the_top_of_a_file_or_nowhere():
    excepted = ("rlhf_core/__main__.py", "rlhf_core/command_line/")  # --help needs no torch
    where = {name_of(f): local_imports(f) for f in files(*DRAWN)}
    assert not {n: m for n, m in where.items() if m and not n.startswith(excepted)}


def test_every_package_says_what_is_in_it():
    for file in files("rlhf_core", "ui", "pages"):
        if file.name == "__init__.py":
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), name_of(file)


def test_the_guide_names_files_that_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:rlhf_core|ui|pages|tests|docs|scripts)/[\w/.]+\.\w+)`", guide)
    assert len(named) >= 20 and all((ROOT / name).is_file() for name in named)
    where = guide[guide.index("### Where is it?") : guide.index("### Habits")]
    for question in ("KL penalty", "training data", "a lab", "a brief", "an algorithm"):
        assert question in where


def test_the_guide_answers_truly():
    """What the guide says stands in a file does stand there."""
    text = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in (
            "rlhf_core/algorithms/ppo.py",
            "rlhf_core/judging/briefs.py",
            "rlhf_core/labs/side_by_side.py",
            "ui/ranking/card.py",
        )
    }
    assert "def token_rewards(" in text["rlhf_core/algorithms/ppo.py"]
    assert re.search(r"^PRESETS\b", text["rlhf_core/judging/briefs.py"], re.MULTILINE)
    assert "def makers(" in text["rlhf_core/labs/side_by_side.py"]
    assert "judged.add_ranking(" in text["ui/ranking/card.py"]


def test_the_guides_row_of_packages_is_the_linters():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    row = next(line for line in guide.splitlines() if line.strip().startswith("command_line - "))
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8")
    layers = contract.split("layers =\n")[1].split("exhaustive")[0].split("\n")
    layers = [line.strip().strip("()") for line in layers if line.strip()]
    assert [layer.strip() for layer in row.split(" - ")] == layers[layers.index("command_line") :]
    assert {"__main__", *re.findall(r"\w+", row)} == {
        f.name.removesuffix(".py") for f in (ROOT / "rlhf_core").iterdir()
    } - {"__init__", "__pycache__", "py.typed"}


def test_commits_that_only_moved_things_are_looked_through():
    named = (ROOT / ".git-blame-ignore-revs").read_text(encoding="utf-8").split("\n")
    revisions = [line for line in named if line and not line.startswith("#")]
    assert revisions and all(re.fullmatch("[0-9a-f]{40}", line) for line in revisions)
