"""Numbers with their units, dates, times, amounts and identifiers that a French or English text states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum

from passerelle.text.words import language_of


class Kind(Enum):
    """What is counted or named."""

    WEB = "web"
    NAME = "identifier"
    DAY = "day of a month"
    UNSURE_DAY = "day of a month, or month and day"
    YEAR = "year"
    TIME = "time"
    EURO = "euro"
    DOLLAR = "dollar"
    POUND = "pound"
    FRANC = "franc"
    PERCENT = "percent"
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WORKDAYS = "working days"
    WEEKS = "weeks"  # are told as days
    MONTHS = "months"
    YEARS = "years"  # are told as months
    LENGTH = "kilometres"
    WEIGHT = "kilograms"
    SIZE = "megabytes"
    DEGREES = "degrees"
    NUMBER = "number"  # of whatever it is

    @property
    def settles(self) -> bool:
        """Do two texts contradict each other when each states one that the other lacks, even if others are shared?"""
        return self not in {Kind.WEB, Kind.NAME, Kind.NUMBER, Kind.UNSURE_DAY}


Statements = Mapping[Kind, frozenset[str]]

_UNITS: Mapping[Kind, str] = {
    Kind.EURO: "€ euro euros eur",
    Kind.DOLLAR: "$ dollar dollars usd",
    Kind.POUND: "£ pound pounds gbp livre livres sterling",
    Kind.FRANC: "chf franc francs",
    Kind.PERCENT: "% percent pourcent",
    Kind.SECONDS: "s sec second seconds seconde secondes",
    Kind.MINUTES: "min mn minute minutes",
    Kind.HOURS: "h hour hours heure heures hrs hr",
    Kind.DAYS: "day days jour jours j",
    Kind.WEEKS: "week weeks semaine semaines",
    Kind.MONTHS: "month months mois",
    Kind.YEARS: "year years an ans annee annees",
    Kind.LENGTH: "km kilometre kilometres kilometer kilometers",
    Kind.WEIGHT: "kg kilo kilos kilogram kilograms kilogramme kilogrammes",
    Kind.SIZE: "mo mb megabytes megaoctets",
    Kind.DEGREES: "° °c degree degrees degre degres",
}
_UNIT = {word: kind for kind, written in _UNITS.items() for word in written.split()}
_WORKING = re.compile(r"\s+(?:ouvres?|ouvrables?)\b")
_WORKING_BEFORE = re.compile(r"\s*(?:business|working|work)\s+days?\b")

_MONTHS = (
    "january janvier jan janv", "february fevrier feb fevr", "march mars mar", "april avril apr avr", "may mai",
    "june juin jun", "july juillet jul juil", "august aout aug", "september septembre sep sept",
    "october octobre oct", "november novembre nov", "december decembre dec",
)  # fmt: skip
_MONTH = {word: number for number, written in enumerate(_MONTHS, 1) for word in written.split()}
_A_MONTH = "|".join(sorted(_MONTH, key=len, reverse=True))

_DIGIT = re.compile(r"[0-9]")
_WEB = re.compile(r"\b(?:https?://|www\.)[^\s<>()\[\]\"']+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_SLASHED = re.compile(r"\b(\d{1,2})[/.](\d{1,2})[/.](\d{4}|\d{2})\b|\b(\d{1,2})/(\d{1,2})\b(?![/\d])")
_DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:er|st|nd|rd|th)?\s+(?:of\s+)?({_A_MONTH})\b\.?,?(?:\s+(\d{{4}})\b)?"
)
_MONTH_FIRST = re.compile(
    rf"\b({_A_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s*(?:%|\d))(?:,?\s+(\d{{4}})\b)?"
)
_CLOCK = re.compile(
    r"\b([01]?\d|2[0-4])\s?(?:h|:)\s?([0-5]\d)\b(?:\s*([ap])\.?m\b\.?)?|\b(1[0-2]|0?\d)\s*([ap])\.?m\b\.?"
)
_PHONE = re.compile(r"(?<![\w.,])(?:\+\d{1,3}[ .-]?)?(?:\(0\))?\(?\d{1,4}\)?(?:[ .-]\d{2,4}){2,6}(?![\w])")
_LONGEST_DATE = 8  # digits
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:[ .]\d{3})+")
_CODE = re.compile(r"\b(?=[a-z-]*\d)(?=[\d-]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*\b")
_GLUED = re.compile(r"\d+(?:er|re|e|eme|st|nd|rd|th|x|k|h|j|s|min|mn|km|kg|mo|mb|eur|usd|chf|h\d\d|am|pm)")
_NUMERAL = re.compile(r"(?<![\w.,])[-+]?(?:\d{1,3}(?:[ \xa0\u202f]\d{3})+(?!\d)|\d+)(?:[.,]\d+)*", re.UNICODE)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-+]?\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?")
_AFTER = re.compile(r"[ \xa0\u202f]?(per ?cents?\b|pour ?cents?\b|[€$£%]|°c?|[a-z]+)")
_SCALES = {"million": 10**6, "millions": 10**6, "milliard": 10**9, "milliards": 10**9, "billion": 10**9,
           "k": 10**3, "thousand": 10**3, "mille": 10**3}  # fmt: skip
_SAME_AS = {Kind.WEEKS: (7, Kind.DAYS), Kind.YEARS: (12, Kind.MONTHS)}
_TELLING = 400  # characters that tell a language
_LONGEST_NUMBER = 6  # digits without a separator from which they name something rather than count it

_SMALL = (
    "one un une", "two deux", "three trois", "four quatre", "five cinq", "six", "seven sept", "eight huit",
    "nine neuf", "ten dix", "eleven onze", "twelve douze", "thirteen treize", "fourteen quatorze", "fifteen quinze",
    "sixteen seize", "seventeen dix-sept", "eighteen dix-huit", "nineteen dix-neuf",
)  # fmt: skip
_TENS = {20: "twenty vingt", 30: "thirty trente", 40: "forty quarante", 50: "fifty cinquante", 60: "sixty soixante",
         70: "seventy", 80: "eighty", 90: "ninety quatre-vingt-dix"}  # fmt: skip
_WRITTEN = {word: number for number, written in enumerate(_SMALL, 1) for word in written.split()}
_WRITTEN |= {word: number for number, written in _TENS.items() for word in written.split()}
_WRITTEN |= {
    f"{ten}-{unit}": number + digit
    for number, written in _TENS.items()
    for ten in written.split()
    for digit, units in enumerate(_SMALL[:9], 1)
    for unit in units.split()
}
_WRITTEN |= {"hundred": 100, "cent": 100}
_A_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_COUNTABLE = frozenset([word for word in _UNIT if len(word) > 1 and word.isalpha()]) | {"business", "working"}


def statements_of(plain: str, *, original: str) -> Statements:
    """What a folded text states; `original` is the text as it was written, which tells its language."""
    found: dict[Kind, set[str]] = {}
    for kind, value in _Reading(plain, french=language_of(original[:_TELLING]) == "fr").all():
        found.setdefault(kind, set()).add(value)
    return {kind: frozenset(values) for kind, values in found.items()}


class _Reading:
    """A text of which each thing that was understood is taken away, so that it is not read again as another."""

    def __init__(self, plain: str, *, french: bool) -> None:
        self._rest = plain
        self._french = french

    def all(self) -> Iterator[tuple[Kind, str]]:
        """Everything it states, the most telling forms first."""
        for match in self._taken(_WEB):
            yield Kind.WEB, re.sub(r"^https?://|^www\.", "", match.group().rstrip(".,;:!?/"))
        self._rest = _in_digits(self._rest)
        if _DIGIT.search(self._rest) is None:
            return
        for match in self._taken(_PHONE, is_long):
            digits = re.sub(r"\D", "", match.group().replace("(0)", ""))
            yield Kind.NAME, re.sub(r"^33", "0", digits) if match.group().startswith("+") else digits
        yield from self._dates()
        yield from self._times()
        for match in self._taken(_CODE, is_name):
            yield Kind.NAME, match.group().replace("-", "")
        yield from self._numbers()

    def _taken(self, pattern: re.Pattern[str], holds: object = None) -> list[re.Match[str]]:
        """Every match that holds, each of which is blank from now on."""
        found = [match for match in pattern.finditer(self._rest) if not callable(holds) or holds(match)]
        for match in found:
            start, end = match.span()
            self._rest = f"{self._rest[:start]}{' ' * (end - start)}{self._rest[end:]}"
        return found

    def _dates(self) -> Iterator[tuple[Kind, str]]:
        for match in self._taken(_ISO):
            year, month, day = map(int, match.groups())
            yield Kind.YEAR, str(year)
            yield Kind.DAY, f"{month}-{day}"
        for match in self._taken(_DAY_FIRST):
            yield Kind.DAY, f"{_MONTH[match[2]]}-{int(match[1])}"
            if match[3]:
                yield Kind.YEAR, match[3]
        for match in self._taken(_MONTH_FIRST):
            yield Kind.DAY, f"{_MONTH[match[1]]}-{int(match[2])}"
            if match[3]:
                yield Kind.YEAR, match[3]
        for match in self._taken(_SLASHED, self._is_date):
            first, second = int(match[1] or match[4]), int(match[2] or match[5])
            if match[3]:
                yield Kind.YEAR, match[3] if len(match[3]) == 4 else f"20{match[3]}"
            if self._french or first > 12:
                yield Kind.DAY, f"{second}-{first}"
            elif second > 12:
                yield Kind.DAY, f"{first}-{second}"
            else:  # the third of April or the fourth of March
                yield Kind.UNSURE_DAY, "-".join(sorted((str(first), str(second))))

    def _is_date(self, match: re.Match[str]) -> bool:
        """`24/7`, `1/2` and a price per something are none."""
        first, second = int(match[1] or match[4]), int(match[2] or match[5])
        fits = (1 <= first <= 31 and 1 <= second <= 12) or (1 <= first <= 12 and 1 <= second <= 31)
        return fits and (match[3] is not None or len(match[5] or "") == 2)

    def _times(self) -> Iterator[tuple[Kind, str]]:
        for match in self._taken(_CLOCK):
            hour, minute, half = int(match[1] or match[4]), int(match[2] or 0), match[3] or match[5]
            hour = hour % 12 + 12 * (half == "p") if half else hour
            # `9h`, `9 am` and `9:00` are one, and so are 24 hours and `24h`.
            yield (Kind.TIME, f"{hour}:{minute:02}") if minute else _hours(hour)

    def _numbers(self) -> Iterator[tuple[Kind, str]]:
        text = self._rest
        for match in _NUMERAL.finditer(text):
            written = match.group()
            value = _value(written)
            if value is None or (written.isdigit() and len(written) >= _LONGEST_NUMBER):
                yield Kind.NAME, re.sub(r"\D", "", written)
                continue
            kind, scale = _unit(text, match.start(), match.end())
            if kind is Kind.NUMBER and written.isdigit() and len(written) == 4 and 1900 <= value <= 2100:
                kind = Kind.YEAR
            kind, value = _in_one_unit(kind, value * scale)
            yield kind, f"{value:.12g}"


def _in_digits(text: str) -> str:
    """Numbers that are written as words, in digits: only in front of a unit, for `neuf` is also new."""
    found = list(_A_WORD.finditer(text))
    for word, after in zip(reversed(found[:-1]), reversed(found[1:]), strict=True):
        number = _WRITTEN.get(word.group())
        if number is not None and after.group() in _COUNTABLE and after.start() == word.end() + 1:
            text = f"{text[: word.start()]}{number}{text[word.end() :]}"
    return text


def is_long(match: re.Match[str]) -> bool:
    """Has it more digits than a date, and is it no amount in groups of three?"""
    written = match.group()
    return sum(map(str.isdigit, written)) > _LONGEST_DATE and _GROUPED.fullmatch(written) is None


def is_name(match: re.Match[str]) -> bool:
    """Is it more than a number with its unit written against it?"""
    return _GLUED.fullmatch(match.group()) is None


def _unit(text: str, start: int, end: int) -> tuple[Kind, int]:
    """What a number counts, and by how much what follows multiplies it."""
    scale = 1
    if (match := _AFTER.match(text, end)) and match[1] in _SCALES:
        scale, end = _SCALES[match[1]], match.end()
        end = (
            end + len(joint)
            if text.startswith(joint := " d'", end) or text.startswith(joint := " de ", end)
            else end
        )
        match = _AFTER.match(text, end)
    if _WORKING_BEFORE.match(text, end):
        return Kind.WORKDAYS, scale
    if match is not None:
        word = "%" if match[1].rstrip("s").endswith("cent") else match[1]
        kind = _UNIT.get(word)
        if kind is Kind.DAYS and _WORKING.match(text, match.end()):
            return Kind.WORKDAYS, scale
        if kind is not None:
            return kind, scale
    before = text[max(0, start - 2) : start].strip()
    return (_UNIT[before[-1]] if before and before[-1] in "€$£" else Kind.NUMBER), scale


def _hours(hour: int) -> tuple[Kind, str]:
    kind, value = _in_one_unit(Kind.HOURS, hour)
    return kind, f"{value:.12g}"


def _in_one_unit(kind: Kind, value: float) -> tuple[Kind, float]:
    """Two weeks are fourteen days, and a year is twelve months; months are not counted in days."""
    times, other = _SAME_AS.get(kind, (1, kind))
    if times > 1:
        return other, value * times
    if kind is Kind.HOURS and value and value % 24 == 0:
        return Kind.DAYS, value / 24
    return kind, value


def _value(written: str) -> float | None:
    """`1,234` is a thousand and some, `1,5` one and a half; None for versions and lists."""
    plain = re.sub(r"[ \xa0\u202f]", "", written)
    if _THOUSANDS.fullmatch(plain):
        marks = ",." if "," in plain and (plain.find(",") < plain.find(".") or "." not in plain) else ".,"
        plain = plain.replace(marks[0], "").replace(marks[1], ".")
    try:
        value = float(plain.replace(",", "."))
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None
