"""What the tests of the exported file share: sessions to export, hostile strings, and a reader that
knows what may stand in the file.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from rlhf_core.session import saving
from rlhf_core.session.state import Session

BEFORE = Path(__file__).parent.parent.parent / "fixtures" / "before"
PLAIN, RICH = BEFORE / "command-line", BEFORE / "before-parts-123"
HOSTILE = (
    "</script><script>window.hit=1</script>",
    "</style><img src=http://evil.example/x.png onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "' onmouseover='window.hit=1",
    "<!-- <script> --> ]]> \\u003cscript\\u003e",
    "![p](http://evil.example/p.png) [l](javascript:window.hit=1)",
    "line\u2028separator\u2029and\x00nul\x07bell\x85",
    "\u202eright to left\u2066 \u05e9\u05dc\u05d5\u05dd",
    "lone \ud83d surrogate",
    "&lt;b&gt; &#36; $x$ {{x}} ${x}",
)
ELEMENTS = set(
    "html head meta link title style body main header img div h1 h2 h3 h4 h5 h6 p button nav a"
    " section dl dt dd ul li details summary pre figure figcaption svg desc line text rect path"
    " polyline polygon circle b small strong code input label span select script table thead tbody"
    " tr th td".split()
)
# Attributes that could fetch, run or send something, or style around the policy.
RISKY = ("src", "href", "action", "formaction", "srcset", "style", "data", "xlink:href", "poster")


class Reader(HTMLParser):
    """Every element, every text a reader sees, the scripts and the policy."""

    def __init__(self, source: str):
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.inside: list[str] = []
        self.scripts: dict[str, str] = {}
        self.style = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.inside = [tag, dict(attributes).get("id", "")] if tag in ("script", "style") else []

    def handle_endtag(self, tag):
        self.inside = []

    def handle_data(self, data):
        if self.inside[:1] == ["script"]:
            self.scripts[self.inside[1]] = self.scripts.get(self.inside[1], "") + data
        elif self.inside[:1] == ["style"]:
            self.style += data
        else:
            self.texts.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def policy(self) -> str:
        return next(
            row["content"]
            for tag, row in self.found
            if row.get("http-equiv") == "Content-Security-Policy"
        )

    @property
    def table(self) -> dict | None:
        return json.loads(self.scripts["data"])

    def check(self) -> None:
        """Nothing but ours is an element, and nothing is fetched or runs."""
        for tag, row in self.found:
            assert tag in ELEMENTS, tag
            for name, value in row.items():
                assert not name.startswith("on"), (tag, name)
                if name in RISKY:
                    inward = value.startswith(("#", "data:image/svg+xml;base64,"))
                    assert inward, (tag, name, value[:80])
        assert set(self.scripts) == {"", "data"}, "our script, and the data beside it"
        assert "url(" not in self.style and "@import" not in self.style


def opened(folder: Path = PLAIN) -> Session:
    session = saving.load(folder)
    session.status, session.note = "done", ""
    return session


def spoilt() -> Session:
    """A run in which everything that somebody else writes is hostile."""
    session = opened()
    bad = " ".join(HOSTILE)
    brief = session.asked.brief
    for name in ("title", "audience", "prefer", "avoid", "ties"):
        object.__setattr__(brief, name, bad)
    object.__setattr__(brief, "training_prompts", tuple(HOSTILE))
    session.model_name, session.model_hash = bad, bad
    session.made_by, session.settings = [bad], {bad: {bad: bad}, "ppo": {"steps": bad}}
    session.note = bad
    session.learned.summary = {**session.learned.summary, "note": bad}
    for place, row in enumerate(session.tuned.samples):
        hostile = HOSTILE[place % len(HOSTILE)]
        row.update(prompt=hostile, text=f" {hostile} " + "x" * 5_000)
    for pair in session.tuned.evaluation["pairs"]:
        pair.update(prompt=bad, before=bad, after=bad)
    for row in session.tuned.evaluation["judges"]:
        row["name"] = bad
    for row in session.judged.rankings:
        object.__setattr__(row, "annotator", bad)
    return session
