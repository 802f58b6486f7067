"""The engine's own source, for a page that shows it and for a record of what made a run: read from
the files, so that nothing is imported (a page must not reach torch).
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from functools import cache
from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent
NO_CODE = (  # kinds of tokens that make no line of code
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


@cache
def engine_version() -> str:
    """Which engine this is: 12 hex digits, of all its source and word lists. Any change makes it
    another one, whether it changes a number or not.
    """
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*")):
        if path.suffix in (".py", ".txt", ".tsv"):
            text = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(path.relative_to(ENGINE).as_posix().encode() + b"\0" + text)
    return digest.hexdigest()[:12]


@cache
def function_source(module: str, name: str) -> str:
    """The text of the top-level function ``name`` of ``rlhf_core``'s ``module`` ("package.module").

    Raises LookupError where there is none.
    """
    text = ENGINE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_source_segment(text, node) + "\n"
    raise LookupError(f"{module} has no function {name}.")


def function_lines(module: str, name: str) -> int:
    """How many lines of it are code: without its docstring, comments and blank lines."""
    text = function_source(module, name)
    node = ast.parse(text).body[0]
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    if ast.get_docstring(node) is not None:
        lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)
