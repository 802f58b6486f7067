"""Where the files beside the engine lie: the app's scripts, what they draw by, and the assets.

In a checkout they are beside ``rlhf_core``. In an installed package the build has put them inside
it (``rlhf_core/_app``, pyproject.toml), so that no other package's ``ui`` or ``pages`` is met.
"""

from __future__ import annotations

from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent
INSTALLED = (ENGINE / "_app").is_dir()
BESIDE = ENGINE / "_app" if INSTALLED else ENGINE.parent  # app.py, serve.py, pages, ui, assets
ASSETS = BESIDE / "assets"
