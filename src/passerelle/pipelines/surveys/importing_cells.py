"""What a cell says: a number, a day, a text without characters that steer. French and English ways of writing."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from passerelle.text.words import folded

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:[ \u00a0\u202f]\d{3})+|\d+)(?:[.,]\d+)?|[+-]?[.,]\d+")
_OF = re.compile(
    r"^(?P<part>[^/]+?)\s*(?:/|\bsur\b|\bout of\b|\bof\b)\s*(?P<whole>\d+(?:[.,]\d+)?)$", re.IGNORECASE
)
_LABELLED = re.compile(
    r"^(?P<number>\d{1,3}(?:[.,]\d+)?)\s*(?:-|–|=|:|\.\s|\(|etoiles?\b|stars?\b|points?\b|pts?\b)",
    re.IGNORECASE,
)
_STARS, _EMPTY_STARS = "★⭐🌟", "☆"
_STAR_LINE = re.compile(rf"^(?:[{_STARS}{_EMPTY_STARS}]\ufe0f?\s*){{1,10}}$")
_WORDS = {
    "tres insatisfait": 1, "pas du tout satisfait": 1, "very dissatisfied": 1, "very unsatisfied": 1,
    "insatisfait": 2, "peu satisfait": 2, "plutot insatisfait": 2, "pas satisfait": 2, "dissatisfied": 2, "unsatisfied": 2,
    "neutre": 3, "moyennement satisfait": 3, "ni satisfait ni insatisfait": 3, "neutral": 3,
    "neither satisfied nor dissatisfied": 3, "satisfait": 4, "plutot satisfait": 4, "assez satisfait": 4, "satisfied": 4,
    "somewhat satisfied": 4, "tres satisfait": 5, "tout a fait satisfait": 5, "very satisfied": 5,
    "extremely satisfied": 5,
}  # fmt: skip
_FEMININE = re.compile(r"(?<=satisfait)(?:e|s|es|\(e\)|\.e|·e)+$")
_ISO = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?=$|[T\s])")
_PLAIN = re.compile(r"^(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})(?=$|[\sT,])")
_NAMED = re.compile(
    r"^(?:[a-z]+\.?,? )?(\d{1,2})(?:er|st|nd|rd|th)?[ -]([a-z]{3,10})\.?,?[ -](\d{4}|\d{2})\b"
)
_AMERICAN = re.compile(r"^(?:[a-z]+\.?,? )?([a-z]{3,10})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b")
_MONTHS = {
    "jan": 1, "fev": 2, "feb": 2, "mar": 3, "avr": 4, "apr": 4, "mai": 5, "may": 5, "jui": 0, "jun": 6, "jul": 7, "aou": 8,
    "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_CENTURY = 2000
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile(r"\r\n?|\u2028|\u2029|\u0085")
_FORMULA = re.compile(r"^\s*(?:=(?=[A-Za-z0-9(+\-@'\"$])|@(?=[A-Z]+\()|[+\-](?=[@=A-Za-z]+[(!|]))")


def number_of(text: str) -> float | None:
    """The number a cell says: `4`, `4,5`, `4/5`, `4 sur 5`, `4 - Bien`, `★★★★☆`, `Très satisfait`; None for none.

    Words of satisfaction stand on five steps, from 1.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return _float(text)
    if _STAR_LINE.match(text):
        return float(sum(text.count(star) for star in _STARS))
    plain = _FEMININE.sub("", " ".join(folded(text).split()))
    if plain in _WORDS:
        return float(_WORDS[plain])
    if match := _OF.match(plain):
        part = match["part"].strip()
        return _float(part) if _NUMBER.fullmatch(part) else None
    if match := _LABELLED.match(plain):
        return _float(match["number"])
    return None


def scale_of(text: str) -> float | None:
    """The highest number a cell's own scale has: 5 of `4/5`; None where it says none."""
    match = _OF.match(text.strip())
    return _float(match["whole"]) if match and _NUMBER.fullmatch(match["part"].strip()) else None


def _float(text: str) -> float:
    return float(re.sub(r"[ \u00a0\u202f]", "", text).replace(",", "."))


def day_of(text: str, *, month_first: bool = False) -> date | None:
    """The day a cell says, in ISO form, `31/12/2026`, `31 déc. 2026` or `December 31, 2026`; None for none.

    `month_first` reads `12/31/2026`. Two figures of a year are of this century.
    """
    text = text.strip()
    if match := _ISO.match(text):
        year, month, day = (int(each) for each in match.groups())
        return _day(year, month, day)
    if match := _PLAIN.match(text):
        first, second, year = (int(each) for each in match.groups())
        day, month = (second, first) if month_first else (first, second)
        return _day(year + _CENTURY * (len(match[3]) == 2), month, day)
    plain = " ".join(folded(text).split())
    if match := _NAMED.match(plain):
        return _day(int(match[3]) + _CENTURY * (len(match[3]) == 2), _month(match[2]), int(match[1]))
    if match := _AMERICAN.match(plain):
        return _day(int(match[3]), _month(match[1]), int(match[2]))
    return None


def months_first(texts: list[str]) -> bool | None:
    """Whether numbers of a column name the month first; None where nothing in it tells."""
    pairs = [(int(match[1]), int(match[2])) for text in texts if (match := _PLAIN.match(text.strip()))]
    if any(first > 12 for first, _ in pairs):
        return False
    return True if any(second > 12 for _, second in pairs) else None


def _month(name: str) -> int:
    if name.startswith("jui"):
        return 7 if name.startswith("juil") else 6
    return _MONTHS.get(name[:3], 0)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found if _FIRST_YEAR <= year <= _LAST_YEAR else None


def cleaned(text: str) -> tuple[str, bool, bool]:
    """A text in NFC with plain ends of lines, whether characters that steer were taken out, whether some are lost."""
    if text.isascii() and text.isprintable():
        return text.strip(), False, False
    text = _LINE_ENDS.sub("\n", text)
    without = _CONTROL.sub("", text)
    whole = _SURROGATE.sub("\ufffd", without)
    steered = len(without) != len(text) and _CONTROL.sub("", text.lstrip("\ufeff")) != text.lstrip("\ufeff")
    return unicodedata.normalize("NFC", whole).strip(), steered, "\ufffd" in whole


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would reckon with a cell instead of showing it."""
    return text[:1] in "=@+- \t" and _FORMULA.match(text) is not None
