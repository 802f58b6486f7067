"""The projector's charts: large enough for the last row, and the same data."""

from __future__ import annotations

import pytest

from ui import charts, projector
from ui.charts import compare as charts_compare
from ui.charts import ppo as charts_ppo
from ui.charts import scored_outputs as charts_outputs

METRICS = [
    {"step": step, "reward_mean": 0.1 * step, "reward_std": 1.0, "kl_to_reference": 0.2 * step}
    for step in range(4)
]
EXAMPLES = [
    {"prompt": "A cat is", "text": " a cat.", "before": 0.0, "after": 1.0, "laplace": 0.5},
    {"prompt": "A cat is", "text": " a dog.", "before": 0.0, "after": -1.0, "laplace": 0.5},
]
CHARTS = (
    lambda: charts_ppo.reward(METRICS, 15),
    lambda: charts_ppo.reward([], 15),
    lambda: charts_ppo.kl_to_reference(METRICS, 15, target=2.0),
    lambda: charts_outputs.scores(EXAMPLES),
    lambda: charts_compare.win_rate({"win_rate": 0.8, "interval": [0.7, 0.9], "judge": "you"}),
)


@pytest.mark.parametrize("make", CHARTS)
def test_every_letter_of_a_chart_can_be_read_and_lines_are_thicker(make):
    usual, large = make().figure, make().figure
    projector.enlarge(large)
    layout = large.layout
    sizes = [layout.font.size, layout.legend.font.size]
    for axis in (layout.xaxis, layout.yaxis):
        sizes += [axis.tickfont.size, axis.title.font.size]
    sizes += [note.font.size for note in layout.annotations]
    assert min(sizes) >= 18, sizes
    assert layout.height > usual.layout.height
    for name in ("xaxis", "yaxis"):  # once: an object that both had would grow twice
        grown = layout[name].tickfont.size / usual.layout[name].tickfont.size
        assert grown == pytest.approx(projector.LARGER)
    for before, after in zip(usual.data, large.data, strict=True):
        assert list(after.y) == list(before.y), "the data stays what it is"
        if before.line.width:
            assert after.line.width > before.line.width


def test_a_chart_that_is_drawn_is_enlarged_only_for_the_projector(monkeypatch):
    drawn = []
    monkeypatch.setattr(charts.st, "plotly_chart", lambda figure, **more: drawn.append(figure))
    for on in (False, True):
        monkeypatch.setattr(projector, "on", lambda on=on: on)
        charts.draw(charts_ppo.reward(METRICS, 15), key="x", brief="up", height=232)
    assert [figure.layout.xaxis.tickfont.size for figure in drawn] == [13, 13 * projector.LARGER]
    assert drawn[0].layout.height == 232 < drawn[1].layout.height
