"""The engine's own source, for a page that shows it: read from the file, so that nothing is
imported (a page must not reach torch).
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent


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
    """How many lines of it are code: without its docstring."""
    node = ast.parse(function_source(module, name)).body[0]
    first = node.body[0]
    told = ast.get_docstring(node) is not None
    return node.end_lineno - (first.end_lineno - first.lineno + 1) * told
