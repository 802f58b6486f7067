"""What a picture of a chart is called."""

from __future__ import annotations

import pytest

from ui import charts


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("KL to reference", "kl-to-reference"),
        ("Win rate of the tuned model, by judge", "win-rate-of-the-tuned-model-by-judge"),
        ("../../etc/passwd", "etc-passwd"),
        ("", "chart"),
        ("…", "chart"),
        ("x" * 500, "x" * 60),
    ],
)
def test_a_name_that_every_disk_takes(title, name):
    assert charts.file_name(title) == name
