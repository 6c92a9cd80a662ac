"""Charts are well-formed, say what they show, and draw amounts where they belong."""

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from passerelle.domain.money import PICO
from passerelle.reports.charts import Course, Labels, Words, bar, course, gauge, stacked, ticks

WORDS = Words("chart", 'A <title> & "more"', "What <it> shows")
LABELS = Labels(
    "Sums <EUR>",
    "Days",
    "Budget & all",
    ("P10", "P50", "P90"),
    axis=lambda amount, places: f"{amount / PICO:.{places}f}",
    money=lambda amount: f"{amount / PICO:.2f}",
)


def _parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def _of(svg: str, kind: str) -> list[ET.Element]:
    return [each for each in _parsed(svg).iter() if kind in (each.get("class") or "").split()]


def _drawn(chart: Course, width: int = 760) -> str:
    return course(chart, LABELS, WORDS, width=width)


@pytest.mark.parametrize(
    ("least", "most", "marks"),
    [
        (0, 100, [0, 50, 100]),
        (0, 87, [0, 50, 100]),
        (0, 1, [0, 1]),
        (0, 0, [0, 1]),
        (-30, 70, [-50, 0, 50, 100]),
        (0, 9 * PICO, [0, 5 * PICO, 10 * PICO]),
    ],
)
def test_ticks_are_round_and_hold_everything(least: int, most: int, marks: list[int]) -> None:
    assert ticks(least, most, 2) == marks


@pytest.mark.parametrize("width", [360, 760])
@pytest.mark.parametrize(
    "chart",
    [
        Course([PICO] * 31, 31),
        Course([PICO] * 3, 31, budget=20 * PICO, forecast=(8 * PICO, 10 * PICO, 12 * PICO)),
        Course([-PICO, 0, 5 * PICO], 28, budget=PICO),
        Course([-PICO], 30, forecast=(-3 * PICO, -2 * PICO, 0)),
        Course([1], 30),
        Course([10**26] * 2, 30, budget=10**28),
    ],
)
def test_every_month_makes_a_well_formed_chart_inside_its_frame(chart: Course, width: int) -> None:
    root = _parsed(_drawn(chart, width))
    height = float(root.attrib["viewBox"].split()[3])

    assert root.get("role") == "img"
    assert root.findtext("title") == WORDS.title
    assert root.findtext("desc") == WORDS.description
    for each in root.iter("rect"):
        assert 0 <= float(each.attrib["x"]) <= width
        assert 0 <= float(each.attrib["y"]) <= height
        assert float(each.attrib["height"]) > 0
    for each in root.iter("text"):
        assert -1 <= float(each.attrib["y"]) <= height


def test_days_are_as_high_as_their_amounts() -> None:
    svg = _drawn(Course([2 * PICO, 0, 4 * PICO], 30))
    heights = [float(each.attrib["height"]) for each in _of(svg, "mark")]

    assert len(heights) == 2
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.11)


def test_what_is_given_back_hangs_below_the_line() -> None:
    svg = _drawn(Course([3 * PICO, -PICO], 30))
    (given,), (charged,) = _of(svg, "credit"), _of(svg, "mark")

    assert float(given.attrib["y"]) == pytest.approx(
        float(charged.attrib["y"]) + float(charged.attrib["height"]), abs=0.11
    )


def test_a_budget_beyond_the_scale_is_not_drawn() -> None:
    assert _of(_drawn(Course([PICO], 30, budget=4 * PICO)), "budget")
    assert not _of(_drawn(Course([PICO], 30, budget=5 * PICO)), "budget")


def test_labels_at_the_end_of_lines_do_not_hide_each_other() -> None:
    svg = _drawn(Course([PICO] * 9, 30, forecast=(10 * PICO, 10 * PICO + 1, 10 * PICO + 2)))
    heights = sorted(float(each.attrib["y"]) for each in _of(svg, "soft"))

    assert len(heights) == 3
    assert all(after - before >= 14 for before, after in pairwise(heights))


def test_a_bar_is_as_wide_as_its_share() -> None:
    (mark,) = _of(bar(1, 4), "mark")

    assert mark.attrib["width"] == "25.000%"
    assert _parsed(bar(1, 4)).get("aria-hidden") == "true"
    assert not _of(bar(-1, 4), "mark")
    assert not _of(bar(1, 0), "mark")
    assert _of(bar(5, 4), "mark")[0].attrib["width"] == "100.000%"


def test_stacked_parts_fill_the_room_and_idle_is_hatched() -> None:
    svg = stacked([(1, "used"), (3, "idle")], WORDS)
    (used,), (idle,) = _of(svg, "used"), _of(svg, "idle")

    assert (used.attrib["width"], idle.attrib["x"], idle.attrib["width"]) == ("25.000%", "25.000%", "75.000%")
    assert idle.attrib["fill"] == "url(#chart-hatch)"
    assert _parsed(svg).find(".//pattern[@id='chart-hatch']") is not None


def test_a_gauge_marks_where_a_budget_that_is_passed_ends() -> None:
    assert _of(gauge(5, 4, WORDS), "tip")[0].attrib["x"] == "80.000%"
    assert _of(gauge(5, 4, WORDS), "over")
    assert not _of(gauge(3, 4, WORDS), "tip")
    assert _parsed(gauge(0, 0, WORDS)) is not None
