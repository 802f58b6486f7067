"""Charts drawn without a browser: where points lie, what is written, and what is refused."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import plotly.graph_objects as go
import pytest
from run_files import opened

from ui import charts
from ui.charts import Chart, compare, ppo, reward_model
from ui.export.drawing import WIDTH, svg

LINE = [(0, 1.0), (5, 3.0), (10, 2.0)]


def one_line(**more) -> Chart:
    figure = charts.frame("Step", "Height (m)", x_end=10)
    x, y = zip(*LINE)
    charts.add_line(figure, x, y, name="Tall", colour=charts.TEAL, hover="", **more)
    figure.update_yaxes(range=[0, 4])
    return Chart(figure, "Height", "it climbs.", "Height: 1, 3, 2.")


def parsed(chart: Chart, **more) -> ElementTree.Element:
    return ElementTree.fromstring(svg(chart, "c", **more))


def test_points_lie_where_the_axes_say():
    drawn = parsed(one_line())
    points = [
        tuple(map(float, point.split(",")))
        for point in drawn.find("polyline").get("points").split()
    ]
    ticks = {
        text.get("text-anchor") + text.text: (float(text.get("x")), float(text.get("y")))
        for text in drawn.iter("text")
        if text.get("x") and text.get("font-size") == "13"
    }
    (x0, y1), (x5, y3), (x10, y2) = points
    assert x5 - x0 == pytest.approx(x10 - x5, abs=0.2)
    assert x0 == pytest.approx(ticks["middle0"][0], abs=0.2) and x10 == pytest.approx(
        ticks["middle10"][0], abs=0.2
    )
    assert (y1 - y3) == pytest.approx(2 * (y1 - y2), abs=0.3) and y3 < y2 < y1
    assert y3 == pytest.approx(ticks["end3.0"][1] - 4.5, abs=0.3), "3 m lies at the tick called 3"


def test_axes_are_named_and_the_picture_is_told_in_words():
    drawn = parsed(one_line())
    words = [text.text for text in drawn.iter("text")]
    assert "Step" in words and "Height (m)" in words
    assert drawn.find("title").text == "Height" and drawn.find("desc").text == "Height: 1, 3, 2."
    assert drawn.get("role") == "img" and drawn.get("aria-labelledby") == "c-t c-d"


def test_a_gap_stays_a_gap():
    chart = one_line()
    chart.figure.data[0].update(x=[0, 1, 2, 3, 4], y=[1, 2, None, 2, 1])
    assert len(parsed(chart).findall("polyline")) == 2


def test_the_line_of_a_step_stands_at_its_tick():
    drawn = parsed(one_line(), follow=True)
    start, step = float(drawn.get("data-start")), float(drawn.get("data-step"))
    last = drawn.find("polyline").get("points").split()[-1]
    assert start + 10 * step == pytest.approx(float(last.split(",")[0]), abs=0.2)
    assert "now" in [line.get("class") for line in drawn.iter("line")]


def test_bars_levels_and_the_band_reach_as_far_as_they_say():
    chart = ppo.reward([{"step": 0, "reward_mean": 1.0, "reward_std": 0.5}], 4)
    bar = next(p.get("d") for p in parsed(chart).iter("path") if "V" in p.get("d"))
    drawn = parsed(chart)
    low, high = float(re.search(r" ([\d.]+)H", bar)[1]), float(re.search(r"V([\d.]+)", bar)[1])
    middle = float(drawn.find("circle").get("cy"))
    level = next(
        line for line in drawn.iter("line") if line.get("stroke-dasharray") and line.get("x1") < "9"
    )
    zero = float(level.get("y1"))
    assert low - middle == pytest.approx(middle - high, abs=0.2)
    assert zero - middle == pytest.approx(2 * (low - middle), abs=0.4), "1 is twice 0.5 above 0"


def every_chart() -> list[Chart]:
    session = opened()
    metrics, found = session.tuned.metrics, session.tuned.evaluation
    many = [{**metrics[-1], "step": step, "beta": 0.2 + step} for step in range(60)]
    made = []
    for rows in (metrics, many, [], [{"step": 0, "reward_mean": float("nan")}]):
        made += [
            *(ppo.reward(rows), ppo.kl_to_reference(rows, 80, 2.0), ppo.entropy(rows, 7)),
            *(ppo.clip_fraction(rows), ppo.value_loss(rows), ppo.approx_kl_update(rows)),
            ppo.reward_against_drift(rows),
        ]
    made += [reward_model.accuracy(session.learned.fit_records), reward_model.accuracy([])]
    made += [reward_model.reward_model_loss(session.learned.fit_records)]
    return made + [compare.judges(found["judges"]), compare.win_rate(found), compare.win_rate(None)]


def test_every_chart_of_the_file_is_drawn_inside_its_frame():
    for chart in every_chart():
        drawn = parsed(chart, follow=True)
        width, height = map(float, drawn.get("viewBox").split()[2:])
        assert width == WIDTH
        for text in drawn.iter("text"):
            size, words = float(text.get("font-size")), text.text or ""
            assert 9 <= size <= 24 and "<" not in words and "&" not in words
            if text.get("transform"):
                continue
            x, y, long = float(text.get("x")), float(text.get("y")), len(words) * size * 0.5
            left = x - {"start": 0, "middle": long / 2, "end": long}[text.get("text-anchor")]
            assert -6 <= left and left + long <= width + 6, (chart.title, words)
            assert 0 < y <= height, (chart.title, words)


def test_ticks_are_round_numbers():
    chart = one_line()
    chart.figure.update_yaxes(range=[-0.37, 0.92])
    words = [text.text for text in parsed(chart).iter("text")]
    found = [word for word in words if "." in word]
    assert found == ["\N{MINUS SIGN}0.2", "0.2", "0.4", "0.6", "0.8"]


def test_hostile_labels_are_words():
    chart = one_line()
    chart.figure.update_layout(showlegend=True)
    chart.figure.data[0].name = "<script>x</script>"
    chart.figure.add_annotation(text=charts.label("<b>$1 & <i>"), x=5, y=2, showarrow=False)
    drawn = parsed(chart)
    words = [text.text for text in drawn.iter("text")]
    assert "<script>x</script>" in words or "x" in words
    assert {element.tag for element in drawn.iter()} <= {
        *("svg", "title", "desc", "line", "text", "polyline", "circle")
    }
    assert not any(name.startswith("on") for element in drawn.iter() for name in element.attrib)


def test_what_it_cannot_draw_is_refused():
    figure = charts.frame("x", "y")
    figure.add_trace(go.Bar(x=[1], y=[2]))
    with pytest.raises(NotImplementedError, match="bar"):
        svg(Chart(figure, "t", "l", "a"), "c")
