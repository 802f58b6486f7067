"""The engine's own source, for a page that shows it and for a record of what made a run: read from
the files, so that nothing is imported (a page must not reach torch).
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import textwrap
from dataclasses import dataclass
from functools import cache

from rlhf_core.common.places import ENGINE

VERSION = "1.0.0-dev"  # before the first release (CHANGELOG.md); the commit says which


@cache
def engine_version() -> str:
    """Which engine this is: 12 hex digits, of all its source and word lists. Any change makes it
    another one, whether it changes a number or not; being installed does not.
    """
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*")):
        name = path.relative_to(ENGINE).as_posix()
        if path.suffix in (".py", ".txt", ".tsv") and not name.startswith("_app/"):
            digest.update(name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


@cache
def commit() -> str:
    """The commit of the repository that the engine was started from; OPOSSUM_COMMIT where there is
    none, as in an image; else "". What was changed since is not seen here, but in
    ``engine_version``.
    """
    told = os.environ.get("OPOSSUM_COMMIT", "").strip()
    if told:
        return told if re.fullmatch(r"[0-9a-f]{7,40}", told) else ""
    try:
        git = ENGINE.parent / ".git"
        if git.is_file():  # a worktree
            git = (git.parent / git.read_text(encoding="utf-8").split(":", 1)[1].strip()).resolve()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref: "):
            ref = head.removeprefix("ref: ")
            common = git / "commondir"
            top = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
            if (top / ref).is_file():
                head = (top / ref).read_text(encoding="utf-8").strip()
            else:
                packed = (top / "packed-refs").read_text(encoding="utf-8")
                head = next(line.split()[0] for line in packed.splitlines() if line.endswith(ref))
    except (OSError, IndexError, StopIteration, ValueError):
        return ""
    return head if re.fullmatch(r"[0-9a-f]{40}", head) else ""


@cache
def function_source(module: str, name: str) -> str:
    """The text of the top-level function ``name`` of ``rlhf_core``'s ``module`` ("package.module").

    Raises LookupError where there is none.
    """
    text = ENGINE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return f"{ast.get_source_segment(text, node)}\n"
    raise LookupError(f"{module} has no function {name}.")


def function_lines(module: str, name: str) -> int:
    """How many lines ``function_source`` has, as a listing numbers them."""
    return len(function_source(module, name).splitlines())


@dataclass(frozen=True)
class Excerpt:
    """Lines of the engine's source: ``path`` as the repository has it, ``first`` to ``last``
    counted from 1, ``text`` as it stands there, the common indent taken off.
    """

    path: str
    first: int
    last: int
    text: str


@cache
def excerpt(where: str) -> Excerpt:
    """The lines that ``where`` names: "package.module:name".

    The name is a function, a class, a method or field ("PPOSettings.beta"), a constant, or one
    numbered stage of a function ("update#3": from its comment "# 3." to the next one).
    Raises LookupError where there is no such thing.
    """
    module, _, name = where.partition(":")
    file = ENGINE.joinpath(*module.split(".")).with_suffix(".py")
    if not file.is_file():
        raise LookupError(f"There is no module {module}.")
    text = file.read_text(encoding="utf-8")
    name, _, stage = name.partition("#")
    within = ast.parse(text).body
    for part in name.split("."):
        found = [one for one in within if part in _names(one)]
        if not found:
            raise LookupError(f"{module} has no {name}.")
        node, within = found[0], getattr(found[0], "body", [])
    decorators = [one.lineno for one in getattr(node, "decorator_list", [])]
    first, last = min([node.lineno, *decorators]), node.end_lineno or node.lineno
    lines = text.splitlines()
    if stage:
        first, last = _stage(lines, first, last, stage)
    shown = textwrap.dedent("\n".join(lines[first - 1 : last])).rstrip()
    return Excerpt(f"{ENGINE.name}/{file.relative_to(ENGINE).as_posix()}", first, last, shown)


def _names(node: ast.stmt) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    found = [one for target in targets for one in getattr(target, "elts", [target])]
    return [one.id for one in found if isinstance(one, ast.Name)]


def _stage(lines: list[str], first: int, last: int, stage: str) -> tuple[int, int]:
    """Where the stage of that number begins and ends, in a function's lines."""
    begins = [n for n in range(first, last + 1) if re.match(r"\s*# \d+\. ", lines[n - 1])]
    found = [n for n in begins if lines[n - 1].strip().startswith(f"# {stage}. ")]
    if not found:
        raise LookupError(f"There is no stage {stage} there.")
    until = min([n - 1 for n in begins if n > found[0]], default=last)
    while not lines[until - 1].strip() or lines[until - 1].endswith(":"):  # opens the next one
        until -= 1
    return found[0], until
