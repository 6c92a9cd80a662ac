"""Numbers, dates, times and amounts of a text, whatever the language writes them like.

`1 200,50 €`, `€1,200.50` and `1200.50 EUR` are one amount; `12 mars 2026` and `March 12, 2026` are one day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal

from passerelle.pipelines.enrichment.checks_lexicon import (
    ANY_IMPLIED,
    IMPLIED,
    MONTHS,
    UNIT,
    UNITS,
    WEEKDAYS,
    WORDED,
    unit_of,
    worded,
)

Day = tuple[int | None, int, int | None]  # year, month, day


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of a text as it is written there. `values` are all that it may mean; `amounts` the same in its unit."""

    shown: str
    at: int
    end: int
    values: frozenset[str] = frozenset()
    unit: str = ""
    amounts: frozenset[str] = frozenset()
    sure: bool = True
    asks: bool = True


@dataclass(slots=True)
class Facts:
    """All figures of a text."""

    figures: list[Fact] = field(default_factory=list)
    days: list[tuple[str, frozenset[Day]]] = field(default_factory=list)
    weekdays: dict[int, str] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)
    years: set[str] = field(default_factory=set)
    amounts: set[tuple[str, str]] = field(default_factory=set)

    def take(self, more: Iterable[int]) -> None:
        """Numbers that stand in the text besides."""
        self.values.update(map(str, more))


_MONTH = rf"({'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
_FULL = r"(janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre|january|february|march|april|may|june|july|august|september|october|november|december)"
_TH = r"(?:er|st|nd|rd|th)?"
_DAY_FIRST = re.compile(
    rf"(?<![\w/.,])(?:(\d{{1,2}}){_TH} ?(?:-|–|au|a|et|to|and|&) ?)?(\d{{1,2}}){_TH}(?: of)? {_MONTH}(?:,? (\d{{4}}))?(?!\w)"
)
_MONTH_FIRST = re.compile(
    rf"(?<!\w){_MONTH} (\d{{1,2}}){_TH}(?: ?(?:-|–|to|and|&) ?(\d{{1,2}}){_TH}(?!\w))?(?:,? (\d{{4}}))?(?!\w)(?! ?(?:%|€))"
)
_MONTH_YEAR = re.compile(rf"(?<!\w){_MONTH} (\d{{4}})(?!\w)")
_ISO = re.compile(r"(?<![\w/.-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_SLASHED = re.compile(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_MONTH_ALONE = re.compile(
    rf"(?<!\w)(?:en|in|debut|fin|mi|mid|de|d'|depuis|since|until|by|early|late|jusqu'en|des|from|before|avant)(?: |-|(?<=')){_FULL}(?!\w)"
)
_WEEKDAY = re.compile(rf"(?<!\w)(?:{'|'.join(WEEKDAYS)})(?!\w)")

_HALVES = re.compile(
    r"(?<!\w)(?:(\d{1,2}|une|an|one) (?:heures?|hours?) (?:et demie?|and a half)|(demi-heures?|half(?: an|-| )hours?)"
    r"|(quarts? d'heure|quarters? of an hour)|(trois quarts d'heure|three quarters of an hour)|(midi|noon)|(minuit|midnight))(?!\w)"
)
_HOURS = re.compile(
    r"(?<![\w.,:])(\d{1,2}) ?(?:h(?:eures?|ours?|rs?)?)[ ,]?(?: ?(?:et|and) )?(\d{1,2})(?: ?(?:minutes?|mins?|mn))?(?![\w%€]|[.,:]\d| (?:[%€]))"
)
_CLOCK = re.compile(r"(?<![\w.,:])(\d{1,2}):(\d{2})(?::\d{2})?(?: ?([ap])\.?m\b\.?)?(?![\w:])")
_AM_PM = re.compile(r"(?<![\w.,:])(\d{1,2})(?:\.(\d{2}))? ?([ap])\.?m\b\.?")
_TO_PM = re.compile(r"(?<![\w.,:])(\d{1,2})(?::(\d{2}))? ?(?:-|–|to|and) ?(?=(\d{1,2})(?::\d{2})? ?p\.?m\b)")

_PHONE = re.compile(r"(?<![\w.,])(?:\+\d{1,3} ?(?:\(0\) ?)?|0)[1-9](?:[ .-]?\d{2}){4}(?!\w)")
_SIGN = r"(€|\$|£|(?:eur|usd|gbp|chf) )"
_TIMES = {"million": 10**6, "millions": 10**6, "milliard": 10**9, "milliards": 10**9, "billion": 10**9, "thousand": 1000, "mille": 1000, "k": 1000, "bn": 10**9}  # fmt: skip
_NUMBER = re.compile(
    rf"(?<![\w.,])(?:{_SIGN} ?)?(\d{{1,3}}(?: \d{{3}})+(?!\d)(?:[.,]\d{{1,3}}(?!\d))?|\d+(?:[.,]\d+)*)"
    rf"(?:(?:eres?|ers?|res?|emes?|es?|ndes?|nds?|st|rd|th)(?!\w)|(?: (millions?|milliards?|billion|thousand|mille)(?!\w)|(k|bn)(?![\w€]))?(?: ?(?:d'|de )?({UNIT}))?)"
)
_WORDED_UNIT = re.compile(rf" (?:d'|de )?({UNIT})")
_ROMAN = re.compile(r"(?<!\w)([ivx]{1,6})(?:e|eme|er|th|st|nd|rd)?(?!\w)")
_RANGE = re.compile(r" ?(?:-|–|—|a|to|et|and|ou|or|/) ?")
_ROMANS = {"i": 1, "v": 5, "x": 10}
_DECADES = range(1000, 2101)


def facts(plain: str, flat: str, *more: str) -> Facts:
    """The figures of a text; `flat` is it, folded, each character in its place."""
    found = Facts()
    rest = _days(plain, flat, found)
    rest = _times(plain, rest, found)
    rest = _figures(plain, rest, found)
    rest = _words(plain, rest, found)
    for word in ANY_IMPLIED.findall(rest):
        found.values.add(str(IMPLIED[word]))
    if "moitie" in rest or "half" in rest or "demi" in rest:
        found.values.update(("50", "0.5"))
    found.values.update(str(_roman(each)) for each in _ROMAN.findall(rest))
    for figure in found.figures:
        found.values |= figure.values
        found.amounts |= {(figure.unit, amount) for amount in figure.amounts}
    found.years = {str(day[0]) for _, days in found.days for day in days if day[0] is not None}
    return found


def _days(plain: str, flat: str, found: Facts) -> str:
    def keep(match: re.Match[str], *days: Day) -> str:
        found.days.append((plain[match.start() : match.end()].strip(" ,"), frozenset(days)))
        return " " * len(match.group())

    def day_first(match: re.Match[str]) -> str:
        first, day, month, year = match.groups()
        when = int(year) if year else None
        if first:
            keep(match, (when, MONTHS[month], int(first)))
        return keep(match, (when, MONTHS[month], int(day)))

    def month_first(match: re.Match[str]) -> str:
        month, day, last, year = match.groups()
        when = int(year) if year else None
        if last:
            keep(match, (when, MONTHS[month], int(last)))
        return keep(match, (when, MONTHS[month], int(day)))

    def slashed(match: re.Match[str]) -> str:
        one, _, other, year = match.groups()
        when = int(year) + (2000 if len(year) == 2 else 0)
        days = [
            (when, int(m), int(d))
            for d, m in ((one, other), (other, one))
            if 1 <= int(m) <= 12 and 1 <= int(d) <= 31
        ]
        return keep(match, *days) if days else match.group()

    flat = _ISO.sub(lambda m: keep(m, (int(m[1]), int(m[2]), int(m[3]))), flat)
    flat = _SLASHED.sub(slashed, flat)
    flat = _DAY_FIRST.sub(day_first, flat)
    flat = _MONTH_FIRST.sub(month_first, flat)
    flat = _MONTH_YEAR.sub(lambda m: keep(m, (int(m[2]), MONTHS[m[1]], None)), flat)
    flat = _MONTH_ALONE.sub(lambda m: keep(m, (None, MONTHS[m[1]], None)), flat)
    for match in _WEEKDAY.finditer(flat):
        found.weekdays.setdefault(WEEKDAYS[match.group()], plain[match.start() : match.end()])
    return flat


def _times(plain: str, flat: str, found: Facts) -> str:
    def keep(match: re.Match[str], minutes: Iterable[int], values: Iterable[int], end: int = 0) -> str:
        found.figures.append(
            Fact(
                plain[match.start() : match.end()].strip(),
                match.start(),
                end or match.end(),
                frozenset(map(str, values)),
                "minute",
                frozenset(map(str, minutes)),
            )
        )
        return " " * len(match.group())

    def halves(match: re.Match[str]) -> str:
        hours, half, quarter, three, noon, _ = match.groups()
        if hours:
            count = int(hours) if hours.isdigit() else 1
            return keep(match, [count * 60 + 30], [])
        minutes = 30 if half else 15 if quarter else 45 if three else 720 if noon else 0
        return keep(match, [minutes], [12] if noon else [])

    def clock(match: re.Match[str], half: str = "") -> str:
        hour, minute = int(match[1]), int(match[2] or 0)
        half = half or (match[3] if len(match.groups()) > 2 else None) or ""
        exact = hour % 12 + 12 * (half == "p") if half else hour
        return keep(match, [exact * 60 + minute], [hour, exact, *([minute] if minute else [])])

    flat = _HALVES.sub(halves, flat)
    flat = _TO_PM.sub(lambda m: clock(m, "p") if int(m[1]) % 12 < int(m[3]) % 12 else m.group(), flat)
    flat = _CLOCK.sub(clock, flat)
    flat = _AM_PM.sub(clock, flat)
    return _HOURS.sub(clock, flat)


def _figures(plain: str, flat: str, found: Facts) -> str:
    figures: list[Fact] = []

    def phone(match: re.Match[str]) -> str:
        digits = re.sub(r"\(0\)|\D", "", match.group())[-9:]
        figures.append(Fact(match.group(), match.start(), match.end(), frozenset({f"0{digits}"})))
        return " " * len(match.group())

    def number(match: re.Match[str]) -> str:
        sign, digits, many, short, unit = match.groups()
        values = _values(digits)
        if times := _TIMES.get(many or short or "", 0):
            values |= {_plain(Decimal(value) * times) for value in values if value.count(".") < 2}
        if unit == "s" and digits.isdigit() and int(digits) in _DECADES:
            unit = None
        name, amounts = "", frozenset[str]()
        if word := (sign or unit or "").strip():
            kind = unit_of(word)
            name = kind.name
            amounts = frozenset(
                _plain(Decimal(value) * kind.worth) for value in values if value.count(".") < 2
            )
        shown = plain[match.start() : match.end()].strip()
        figures.append(Fact(shown, match.start(), match.end(), values, name, amounts))
        return " " * len(match.group())

    flat = _NUMBER.sub(number, _PHONE.sub(phone, flat))
    figures.sort(key=lambda figure: figure.at)
    for place, figure in enumerate(figures):
        found.figures.append(_within_range(figure, figures, place, flat))
    return flat


def _within_range(figure: Fact, figures: list[Fact], place: int, flat: str) -> Fact:
    """`20 à 30 €`: the first is of euros too."""
    if figure.unit:
        return figure
    beside: Fact | None = None
    if place + 1 < len(figures) and _RANGE.fullmatch(flat, figure.end, figures[place + 1].at):
        beside = figures[place + 1]
    elif place and _RANGE.fullmatch(flat, figures[place - 1].end, figure.at):
        beside = figures[place - 1]
    if beside is None or not beside.unit:
        return figure
    worth = next(
        (
            kind.worth
            for word, kind in UNITS.items()
            if kind.name == beside.unit and beside.shown.lower().endswith(word)
        ),
        Decimal(1),
    )
    amounts = frozenset(_plain(Decimal(value) * worth) for value in figure.values if value.count(".") < 2)
    return Fact(figure.shown, figure.at, figure.end, figure.values, beside.unit, amounts)


def _words(plain: str, flat: str, found: Facts) -> str:
    def word(match: re.Match[str]) -> str:
        said = worded(match.group())
        unit = _WORDED_UNIT.match(flat, match.end())
        end = unit.end() if unit else match.end()
        value = _plain(said.value)
        kind = unit_of(unit[1]) if unit else None
        found.figures.append(
            Fact(
                plain[match.start() : end],
                match.start(),
                end,
                frozenset({value}),
                kind.name if kind else "",
                frozenset({_plain(said.value * kind.worth)}) if kind else frozenset(),
                sure=said.sure or (kind is not None and said.value > 1),
                asks=said.asks,
            )
        )
        return " " * len(match.group())

    return WORDED.sub(word, flat)


def _values(digits: str) -> frozenset[str]:
    """All that a number may mean: `1,200` is twelve hundred in English, and little over one in French."""
    grouped = " " in digits
    digits = digits.replace(" ", "")
    marks = [each for each in digits if each in ".,"]
    if not marks:
        return frozenset({_plain(Decimal(digits))})
    head, _, tail = digits.rpartition(marks[-1])
    decimal = re.sub(r"[.,]", "", head) + "." + tail
    if grouped or (len(set(marks)) == 2 and marks.count(marks[-1]) == 1):
        return frozenset({_plain(Decimal(decimal))})
    groups = re.split(r"[.,]", digits)
    thousands = len(groups[0]) <= 3 and groups[0] != "0" and all(len(group) == 3 for group in groups[1:])
    whole = _plain(Decimal("".join(groups)))
    if len(marks) > 1:
        return frozenset({whole}) if thousands else frozenset({digits})
    return frozenset({_plain(Decimal(decimal)), *([whole] if thousands else [])})


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _roman(text: str) -> int:
    values = [_ROMANS[each] for each in text]
    return sum(-one if one < other else one for one, other in zip(values, [*values[1:], 0], strict=True))


def spare(there: Facts, here: Facts) -> set[str]:
    """Parts of days that may answer for a number here: those of days that are not days here as well."""
    return there.years | {
        str(part)
        for _, days in there.days
        if not has_day(here, days)
        for day in days
        for part in day
        if part is not None
    }


def has_value(facts: Facts, figure: Fact, more: AbstractSet[str] = frozenset()) -> bool:
    """Whether a figure of another text stands in these, whatever its unit: as it is, or as the same amount."""
    if any((figure.unit, amount) in facts.amounts for amount in figure.amounts):
        return True
    if figure.unit == "minute" and len(figure.values) > 1:
        return all(value in facts.values or value in more for value in figure.values)  # hours and minutes
    return any(value in facts.values or value in more for value in figure.values)


def has_day(facts: Facts, days: frozenset[Day]) -> bool:
    """Whether a day of another text stands in these; a part that is left out in one has to stand somewhere."""

    def stands(part: int) -> bool:
        return str(part) in facts.values or str(part) in facts.years

    def same(one: Day, other: Day) -> bool:
        return one[1] == other[1] and all(
            mine is None or mine == theirs or (theirs is None and stands(mine))
            for mine, theirs in ((one[0], other[0]), (one[2], other[2]))
        )

    if any(same(one, other) for one in days for _, others in facts.days for other in others):
        return True
    return any(day[2] is not None and all(stands(part) for part in day if part is not None) for day in days)
