"""The numbers that a French or English sentence states, with either language's separators."""

from __future__ import annotations

import re

from passerelle.backends.builtin.sentences import BULLET

# 1 234,5 (any kind of space) · 1,234.5 · 3,5 · 3.5 · -12; not the digits of `A380` or of a version such as
# 1.2.3.
NUMERAL = re.compile(
    r"(?<![\w.,/])[-+]?(?:\d{1,3}(?:[ \xa0\u202f]\d{3})+|\d+)(?:[.,]\d+)*(?![\w/]*\d)", re.UNICODE
)
THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-+]?\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?")


PERCENT = re.compile(r"[ \xa0\u202f]?(?:%|pour ?cents?\b|per ?cents?\b)", re.IGNORECASE)


def numerals(sentence: str, *, percent: bool = False) -> list[float]:
    """The numbers in the sentence that are percentages, or those that are not, in order.

    `1,234` is read as a thousand and some, `1,5` as one and a half.
    """
    found = []
    bullet = BULLET.match(sentence)  # `3.` or `[3]` in front counts the sentences, it states nothing
    for match in NUMERAL.finditer(sentence, bullet.end() if bullet else 0):
        value = _value(match.group())
        if value is not None and (PERCENT.match(sentence, match.end()) is not None) == percent:
            found.append(value)
    return found


def _value(written: str) -> float | None:
    plain = re.sub(r"[ \xa0\u202f]", "", written)
    if THOUSANDS.fullmatch(plain):
        marks = ",." if "," in plain and (plain.find(",") < plain.find(".") or "." not in plain) else ".,"
        plain = plain.replace(marks[0], "").replace(marks[1], ".")
    plain = plain.replace(",", ".")
    try:
        value = float(plain)
    except ValueError:  # dots and commas of a date, a version, a list
        return None
    return value if abs(value) < 1e15 else None
