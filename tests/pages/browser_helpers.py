"""What the tests of pages in a browser share: every page's address, the looks they are drawn in,
and how a tab goes out of sight.
"""

from __future__ import annotations

from conftest import App
from rlhf_core.labs.registry import LABS
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store import blobs, database

PAGES = {
    "home": "",
    "briefs": "briefs",
    "prompt": "prompt",
    "rank": "rank",
    "mirror": "mirror",
    "reward-model": "reward_model",
    "ppo": "ppo",
    "before-after": "before_after",
    "rounds": "rounds",
    "models": "models",
    "glossary": "glossary",
    "my-rlhf": "my_rlhf",
    "human-side": "human_side",
    **{lab.page.replace("_", "-"): lab.page for lab in LABS},
    "import-export": "import_export",
    "room": "room",
    "paper-trail": "paper_trail",
}
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "375": {
        "color_scheme": "light",
        "viewport": {"width": 375, "height": 812},
        "device_scale_factor": 2,
    },
}
# Called with whether the tab is hidden now.
HIDE = (
    "hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () =>"
    " hidden}); document.dispatchEvent(new Event('visibilitychange')) }"
)


def kept(app: App, run: str) -> Session:
    """The session that ``app`` keeps as ``run``, as another server would find it."""
    url = database.url_of(app.runs)
    store = InDatabase(database.Database(url), blobs.Blobs(blobs.place_of(app.runs)))
    return store.load(run)
