"""Pages of the documentation's site that are written elsewhere (mkdocs.yml): the README and its
kin as they stand, the command line as it explains itself, a page for each package of the engine.

A hook of MkDocs; ``make docs`` builds the site. Links between those files and ``docs/`` are put
right, so that one text serves the repository and the site.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rlhf_core.command_line.parser import parser  # noqa: E402

KIN = {  # a file of the repository -> its page
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "assets/pocket-gpt2/README.md": "model.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:]+?)(#[^)\s]*)?\)")


def linked(text: str, where: str) -> str:
    """``text`` of the file ``where`` with its links as the site has them; a link to what the site
    does not have is its words alone.
    """

    def put_right(found: re.Match) -> str:
        picture, words, target, part = found.groups()
        file = os.path.normpath(os.path.join(os.path.dirname(where), target)).replace(os.sep, "/")
        if file in KIN:
            return f"[{words}]({KIN[file]}{part or ''})"
        if file.startswith("docs/") and (ROOT / file).is_file():
            return f"[{words}]({file.removeprefix('docs/')}{part or ''})"
        return "" if picture else words

    return LINK.sub(put_right, text)


def of_repository(name: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    if text.startswith("---\n"):  # what a Space or the hub reads
        text = text.split("---\n", 2)[2].lstrip()
    text = re.sub(r"^```mermaid\n.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)
    return linked(text, name)


def command_line() -> str:
    """What ``--help`` says, of every command."""
    os.environ["COLUMNS"] = "100"
    top = parser("opossum")
    lines = ["# The command line", "", "`opossum` where the package is installed, in a checkout"]
    lines += ["`.venv/bin/python -m rlhf_core`. Each command says this itself, with `--help`.", ""]
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        lines += [f"## {name}", "", "```text", command.format_help().rstrip(), "```", ""]
    return "\n".join(lines)


def of_package(name: str) -> str:
    """A page on a package of the engine: its docstring's first line, and mkdocstrings' work."""
    words = ast.get_docstring(
        ast.parse((ROOT / "rlhf_core" / name / "__init__.py").read_text(encoding="utf-8"))
    )
    return f"# rlhf_core.{name}\n\n::: rlhf_core.{name}\n" if words else ""


def packages() -> list[str]:
    places = sorted((ROOT / "rlhf_core").glob("*/__init__.py"))
    return [p.parent.name for p in places if p.parent.name not in ("command_line", "_app")]


def on_files(files: Files, config) -> Files:
    pages = {page: of_repository(name) for name, page in KIN.items()}
    pages["command-line.md"] = command_line()
    pages |= {f"reference/{name}.md": of_package(name) for name in packages()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Of a file in ``docs/``: the rest has been put right already."""
    return markdown if page.file.generated_by else linked(markdown, f"docs/{page.file.src_uri}")
