"""The command ``export-html``: it hands over to the folder ``ui/export`` beside ``rlhf_core``, for
what is drawn is no business of the engine.
"""

from __future__ import annotations

import argparse

from rlhf_core.command_line.handing_over import hand_over
from rlhf_core.command_line.inputs import typed


def export_html(args: argparse.Namespace) -> int:
    folder = typed(args.bundle, "The name of the bundle")
    return hand_over("ui.export", ["--out", typed(args.out, "The name of the file"), "--", folder])
