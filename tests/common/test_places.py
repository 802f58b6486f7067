"""Where things lie is known in one place, so that a checkout and an installed package differ in
nothing else.
"""

from __future__ import annotations

import re

from conftest import ROOT
from rlhf_core.common import places


def test_in_a_checkout_everything_lies_beside_the_engine() -> None:
    assert not places.INSTALLED and places.BESIDE == ROOT == places.ENGINE.parent
    assert (places.ASSETS / "pocket-gpt2" / "model.safetensors").is_file()


def test_nobody_else_looks_for_the_assets_or_climbs_out_of_the_engine() -> None:
    climbs = re.compile(r"[\"']assets[\"'/]|parent\.parent\.parent|parents\[[2-9]\]")
    files = [f for place in ("rlhf_core", "ui", "pages") for f in (ROOT / place).rglob("*.py")]
    found = {f.relative_to(ROOT).as_posix() for f in files if climbs.search(f.read_text("utf-8"))}
    assert found == {"rlhf_core/common/places.py"}
