"""Charts as SVG text: pure, without script, style or words of their own; colours come from the page's classes.

Every chart has a title and a description for those who cannot see it, and differs by more than colour. Coordinates
are floats; amounts stay whole pico-units, and what is written beside a mark is formatted by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from passerelle.domain.money import PICO

_LEFT, _TOP = 52.0, 40.0
_RISE, _BARS, _GAP, _FOOT = 190.0, 84.0, 52.0, 24.0  # heights: panel of sums, panel of days, between, below


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart says of itself. `id` is unique in the page."""

    id: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Course:
    """A month as it went: amounts in pico-units by day, of `length` days, those that have not begun left out."""

    amounts: Sequence[int]
    length: int
    budget: int | None = None
    forecast: tuple[int, int, int] | None = None  # P10, P50 and P90 of the whole month
    weekends: frozenset[int] = frozenset()  # days of the month, from 1


@dataclass(frozen=True, slots=True)
class Labels:
    """The words in and beside the panels. `budget` and the three of `forecast` name lines; the rest are headings."""

    sums: str
    days: str
    budget: str
    forecast: tuple[str, str, str]
    axis: Callable[[int, int], str]  # an amount at so many decimals, for a tick
    money: Callable[[int], str]  # an amount, for the end of a line


def ticks(least: int, most: int, count: int = 4) -> list[int]:
    """Round amounts from at or under the least to at or over the most: steps of 1, 2 or 5 times a power of ten."""
    span = max(most - least, 1)
    power = 10 ** max(len(str(span // count)) - 1, 0)
    step = next(power * each for each in (1, 2, 5, 10, 20) if power * each * count >= span)
    first, last = least // step, -(-most // step)
    return [step * each for each in range(first, max(last, first + 1) + 1)]


def course(course: Course, labels: Labels, words: Words, *, width: int) -> str:
    """Two panels over the same days: what has added up, with budget and forecast, and each day by itself.

    Two panels and not two scales in one: a line and bars of different sizes cannot be mistaken for each other.
    """
    right = 112.0 if width > 500 else 78.0
    plot = _Plot(width - _LEFT - right, course.length)
    height = _TOP + _RISE + _GAP + _BARS + _FOOT
    body = [
        *(_weekend(plot, day, height) for day in sorted(course.weekends)),
        *_sums(plot, course, labels),
        *_days(plot, course, labels),
        *_feet(plot, 5 if width < 500 else 1, height),
    ]
    return figure(words, f'viewBox="0 0 {width} {height:g}"', "course", "".join(body))


def bar(part: int, whole: int, words: Words | None = None, *, shade: str = "mark") -> str:
    """One bar as wide as its share of the room; without words it is for the eye alone, beside a figure that is read."""
    return _strip([(0.0, _share(part, whole), shade)], words, height=10)


def stacked(parts: Sequence[tuple[int, str]], words: Words) -> str:
    """Parts of a whole side by side, each with its class; `idle` is hatched."""
    whole = sum(amount for amount, _ in parts)
    marks, at = [], 0.0
    for amount, shade in parts:
        share = _share(amount, whole)
        marks.append((at, share, shade))
        at += share
    return _strip(marks, words, height=18)


def gauge(spent: int, amount: int, words: Words) -> str:
    """What is spent of a budget, with a line where the budget ends."""
    whole = max(spent, amount, 1)
    marks = [(0.0, 100.0, "track"), (0.0, _share(spent, whole), "over" if spent > amount else "mark")]
    return _strip(marks, words, height=14, limit=_share(amount, whole) if spent > amount else None)


@dataclass(frozen=True, slots=True)
class _Plot:
    width: float
    days: int

    def x(self, day: float) -> float:
        """The end of a day."""
        return _LEFT + self.width * day / self.days


@dataclass(frozen=True, slots=True)
class _Scale:
    top: float
    height: float
    marks: list[int]

    def y(self, amount: int) -> float:
        least, most = self.marks[0], self.marks[-1]
        return self.top + self.height * (most - amount) / (most - least)

    @property
    def places(self) -> int:
        """Decimals that a step needs."""
        step, places = self.marks[1] - self.marks[0], 0
        while places < 12 and step % (PICO // 10**places):
            places += 1
        return places


def _sums(plot: _Plot, course: Course, labels: Labels) -> list[str]:
    sums = [0]
    for amount in course.amounts:
        sums.append(sums[-1] + amount)
    seen = [*sums, *(course.forecast or ())]
    least, most = min(seen), max(seen)
    # A budget many times what is spent would press the line flat; the text beside the chart names it.
    budget = course.budget if course.budget is not None and 0 < course.budget <= 4 * max(most, 1) else None
    scale = _Scale(_TOP, _RISE, ticks(least, max(most, budget or 0, 1)))
    ends: list[tuple[float, str, str]] = []
    out = [_heading(labels.sums, _TOP - 26), *_grid(plot, scale, labels)]
    last, now = len(course.amounts), sums[-1]
    if course.forecast:
        low, middle, high = (scale.y(amount) for amount in course.forecast)
        x, y, edge = plot.x(last), scale.y(now), plot.x(course.length)
        out.append(f'<path class="fan" d="M{x:.1f} {y:.1f}L{edge:.1f} {high:.1f}V{low:.1f}Z"/>')
        out.append(f'<path class="likely" d="M{x:.1f} {y:.1f}L{edge:.1f} {middle:.1f}"/>')
        named = zip((low, middle, high), labels.forecast, course.forecast, strict=True)
        ends += [(at, f"{name} {labels.money(amount)}", "soft") for at, name, amount in named]
    if budget is not None:
        at = scale.y(budget)
        out.append(f'<path class="budget" d="M{_LEFT:g} {at:.1f}H{plot.x(course.length):.1f}"/>')
        out.append(f'<text class="limit" x="{_LEFT + 6:g}" y="{at - 5:.1f}">{escape(labels.budget)}</text>')
    points = " ".join(f"{plot.x(day):.1f},{scale.y(amount):.1f}" for day, amount in enumerate(sums))
    out.append(f'<polyline class="sum" points="{points}"/>')
    out.append(f'<circle class="dot" cx="{plot.x(last):.1f}" cy="{scale.y(now):.1f}" r="3.5"/>')
    if last == course.length:
        ends = [(scale.y(now), labels.money(now), "strong")]
    else:
        anchor = "end" if last > course.length * 0.3 else "start"
        at = plot.x(last) - 7 if anchor == "end" else plot.x(last) + 7
        y = scale.y(now) + (-9 if anchor == "end" else 14)
        out.append(f'<text class="strong halo" x="{at:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
                   f"{escape(labels.money(now))}</text>")  # fmt: skip
    return out + _ends(plot, ends)


def _days(plot: _Plot, course: Course, labels: Labels) -> list[str]:
    top = _TOP + _RISE + _GAP
    amounts = course.amounts
    scale = _Scale(top, _BARS, ticks(min([0, *amounts]), max([1, *amounts]), count=2))
    out = [_heading(labels.days, top - 14), *_grid(plot, scale, labels)]
    gap = min(plot.width / plot.days * 0.14, 2.5)
    for day, amount in enumerate(amounts, start=1):
        if amount:
            y, base = sorted((scale.y(amount), scale.y(0)))
            left, wide = plot.x(day - 1) + gap, plot.width / plot.days - 2 * gap
            shade = "credit" if amount < 0 else "mark"
            out.append(f'<rect class="{shade}" x="{left:.1f}" y="{y:.1f}" width="{wide:.1f}" '
                       f'height="{max(base - y, 0.75):.1f}"/>')  # fmt: skip
    return out


def _grid(plot: _Plot, scale: _Scale, labels: Labels) -> list[str]:
    out = []
    for amount in scale.marks:
        y = scale.y(amount)
        kind = "base" if amount == 0 else "grid"
        out.append(f'<path class="{kind}" d="M{_LEFT:g} {y:.1f}h{plot.width:.1f}"/>')
        text = escape(labels.axis(amount, scale.places))
        out.append(f'<text class="tick" x="{_LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return out


def _feet(plot: _Plot, every: int, height: float) -> list[str]:
    shown = [day for day in range(1, plot.days + 1) if every == 1 or day == 1 or day % every == 0]
    middle = plot.width / plot.days / 2
    return [
        f'<text class="tick" x="{plot.x(day) - middle:.1f}" y="{height - 8:g}" text-anchor="middle">{day}</text>'
        for day in shown
    ]


def _ends(plot: _Plot, ends: Sequence[tuple[float, str, str]]) -> list[str]:
    """Labels where lines end, pushed apart so that none hides another."""
    out, free = [], float("-inf")
    for y, text, shade in sorted(ends):
        at = max(y + 4, free)
        free = at + 15
        x = plot.x(plot.days) + 8
        out.append(f'<text class="{shade}" x="{x:.1f}" y="{at:.1f}">{escape(text)}</text>')
    return out


def _weekend(plot: _Plot, day: int, height: float) -> str:
    wide = plot.width / plot.days
    return (
        f'<rect class="weekend" x="{plot.x(day - 1):.1f}" y="{_TOP:g}" width="{wide:.1f}" '
        f'height="{height - _TOP - _FOOT:g}"/>'
    )


def _heading(text: str, y: float) -> str:
    return f'<text class="heading" x="0" y="{y:g}">{escape(text)}</text>'


def _strip(
    marks: Sequence[tuple[float, float, str]], words: Words | None, *, height: int, limit: float | None = None
) -> str:
    body = []
    for at, wide, shade in marks:
        fill = ""
        if shade == "idle" and words is not None:
            body.append(_hatch(f"{words.id}-hatch"))
            fill = f' fill="url(#{words.id}-hatch)"'
        if wide > 0:
            body.append(
                f'<rect class="{shade}"{fill} x="{at:.3f}%" width="{wide:.3f}%" y="0" height="{height}"/>'
            )
    if limit is not None:
        body.append(f'<rect class="tip" x="{limit:.3f}%" width="2" y="0" height="{height}"/>')
    return figure(words, f'width="100%" height="{height}"', "strip", "".join(body))


def _hatch(name: str) -> str:
    return (
        f'<defs><pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="under" width="6" height="6"/>'
        '<rect class="stripe" width="2" height="6"/></pattern></defs>'
    )


def figure(words: Words | None, size: str, kind: str, body: str) -> str:
    """A drawing with its title and description; without words it is for the eye alone."""
    if words is None:
        return f'<svg class="{kind}" {size} aria-hidden="true" focusable="false">{body}</svg>'
    title, description = f"{words.id}-title", f"{words.id}-desc"
    return (
        f'<svg class="{kind}" {size} role="img" aria-labelledby="{title} {description}">'
        f'<title id="{title}">{escape(words.title)}</title>'
        f'<desc id="{description}">{escape(words.description)}</desc>{body}</svg>'
    )


def _share(part: int, whole: int) -> float:
    return 100 * min(max(part, 0), whole) / whole if whole > 0 else 0.0
