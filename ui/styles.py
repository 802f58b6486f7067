"""What the pages look like: the style sheets in ``css/`` and the drawings in ``pictures/``, each
read once, when the module that uses it is imported.
"""

from __future__ import annotations

import base64
from pathlib import Path

HERE = Path(__file__).resolve().parent


def sheet(name: str) -> str:
    """The style sheet ``css/<name>.css``."""
    return (HERE / "css" / f"{name}.css").read_text(encoding="utf-8")


def picture(name: str) -> str:
    """The drawing ``pictures/<name>.svg``."""
    return (HERE / "pictures" / f"{name}.svg").read_text(encoding="utf-8")


def address(svg: str) -> str:
    """A drawing as an address that a page can hold."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def data_url(name: str) -> str:
    """The drawing ``pictures/<name>.svg`` as such an address."""
    return address(picture(name))
