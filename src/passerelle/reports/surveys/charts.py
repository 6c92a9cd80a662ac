"""Charts of a survey as SVG text: an interval on a scale, parts of a whole in their tones, and a line over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from passerelle.domain.survey_report import Estimate
from passerelle.reports.charts import Words, figure

_SHADES = {"positive": "good", "mixed": "both", "neutral": "plain", "negative": "bad"}
_LEFT, _RIGHT, _TOP, _RISE, _FOOT = 46.0, 14.0, 10.0, 150.0, 26.0


def whisker(found: Estimate, least: float, most: float, *, shade: str = "mark") -> str:
    """An interval and its value on a scale, for the eye alone: the figures stand beside it."""

    def at(value: float) -> float:
        return 100 * min(max((value - least) / (most - least), 0), 1) if most > least else 0.0

    low, high = at(found.low), at(found.high)
    body = [
        '<rect class="track" x="0" width="100%" y="7" height="2"/>',
        f'<rect class="{shade} reach" x="{low:.2f}%" width="{max(high - low, 0.5):.2f}%" y="5" height="6" rx="3"/>',
        f'<circle class="{shade}" cx="{at(found.value):.2f}%" cy="8" r="4"/>',
    ]
    if least < 0 < most:
        body.insert(1, f'<rect class="tip" x="{at(0):.2f}%" width="1" y="1" height="14"/>')
    return figure(None, 'width="100%" height="16"', "strip", "".join(body))


def toned(parts: Sequence[tuple[str, float]], words: Words | None, *, height: int = 18) -> str:
    """Shares in their tones side by side. Neutral is pale, mixed is hatched: it differs by more than colour."""
    name = f"{words.id}-both" if words else "both"
    body = [
        f'<defs><pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="good" width="6" height="6"/>'
        '<rect class="bad" width="3" height="6"/></pattern></defs>'
        if words
        else ""
    ]
    at = 0.0
    for tone, share in parts:
        if share > 0:
            fill = f' fill="url(#{name})"' if tone == "mixed" and words else ""
            shade = "" if fill else f' class="{_SHADES.get(tone, "plain")}"'
            body.append(
                f'<rect{shade}{fill} x="{at:.2f}%" width="{100 * share:.2f}%" y="0" height="{height}"/>'
            )
            at += 100 * share
    return figure(words, f'width="100%" height="{height}"', "strip", "".join(body))


@dataclass(frozen=True, slots=True)
class Point:
    """A period: its label, what is measured, and how that is written; None where it is not shown."""

    label: str
    found: Estimate | None
    said: str = ""


def course(points: Sequence[Point], ticks: Sequence[tuple[float, str]], words: Words, *, width: int) -> str:
    """A line with its band. A period that is not shown leaves a gap. `ticks` are values of the axis, lowest first."""
    least, most = ticks[0][0], ticks[-1][0]
    room = width - _LEFT - _RIGHT
    height = _TOP + _RISE + _FOOT

    def x(index: int) -> float:
        return _LEFT + room * (index + 0.5) / len(points)

    def y(value: float) -> float:
        return _TOP + _RISE * (most - min(max(value, least), most)) / (most - least)

    out = []
    for value, label in ticks:
        kind = "base" if value == 0 else "grid"
        out.append(f'<path class="{kind}" d="M{_LEFT:g} {y(value):.1f}h{room:.1f}"/>')
        out.append(
            f'<text class="tick" x="{_LEFT - 7:g}" y="{y(value) + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    for run in _runs(points):
        known = [(index, found) for index in run if (found := points[index].found)]
        upper = [f"{x(index):.1f} {y(found.high):.1f}" for index, found in known]
        lower = [f"{x(index):.1f} {y(found.low):.1f}" for index, found in reversed(known)]
        if len(known) > 1:
            out.append(f'<path class="fan" d="M{"L".join([*upper, *lower])}Z"/>')
            line = " ".join(f"{x(index):.1f},{y(found.value):.1f}" for index, found in known)
            out.append(f'<polyline class="sum" points="{line}"/>')
        else:
            index, found = known[0]
            out.append(f'<path class="sum" d="M{x(index):.1f} {y(found.low):.1f}V{y(found.high):.1f}"/>')
        out += [
            f'<circle class="dot" cx="{x(index):.1f}" cy="{y(found.value):.1f}" r="3.5"/>'
            for index, found in known
        ]
    every = max(1, -(-len(points) * 58 // int(room)))
    out += [
        f'<text class="tick" x="{x(index):.1f}" y="{height - 7:g}" text-anchor="middle">{escape(point.label)}</text>'
        for index, point in enumerate(points)
        if index % every == 0
    ]
    return figure(words, f'viewBox="0 0 {width} {height:g}"', "course", "".join(out))


def _runs(points: Sequence[Point]) -> list[list[int]]:
    runs: list[list[int]] = []
    for index, point in enumerate(points):
        if point.found is None:
            continue
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs
