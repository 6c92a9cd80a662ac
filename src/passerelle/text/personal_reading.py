"""All personal data of the wanted kinds in a text of any length, so that nothing of it is left when it is taken out.

Unlike `personal.found`, which tells what a text speaks of, this reads to the end, and where two kinds overlap it gives
what both cover as one. Of an introduced name or a day of birth only the name and the day are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from passerelle.text import personal_ids
from passerelle.text.personal import PATTERNS, Found, spans_of

KINDS = frozenset(PATTERNS) | {rule.kind for rule in personal_ids.RULES}
_DIGIT = re.compile(r"\d")
_LONG = re.compile(r"\d(?:[ \u00a0\u202f./()-]{0,2}\d){6}")  # what a number of a person holds at the least
_NUMBERS = KINDS - {"name", "email", "ip", "siren", "national-id"}
_NUMBERED = frozenset({"siren", "national-id"})
_LONGER = frozenset({"phone", "card", "nir", "ssn"})
_INTRODUCED = re.compile(
    r"(?:je m['’]appelle|mon nom est|my name is|i am called|M\.|Mme|Mlle|Mr\.?|Mrs\.?|Ms\.?|Monsieur|Madame) ",
    re.IGNORECASE,
)
_DAY = re.compile(r"\d{1,4}[ ./-](?:\d{1,2}|[^\W\d_]{3,9})[ ./-]\d{2,4}\Z")
_DOUBTFUL = frozenset({"address", "card", "iban", "phone"})
_ACCOUNT = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d\d")
_GAPS = " \u00a0\u202f.-"
# ISO 13616, the registry of SWIFT: characters of an IBAN.
IBAN_LENGTHS: Mapping[str, int] = {
    "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27,
    "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
}  # fmt: skip
_LESSONS = re.compile(r"\bcours\b", re.IGNORECASE)  # `3 cours de Python` is where nobody lives


def read(text: str, kinds: frozenset[str], *, known: str = "") -> list[Found]:
    """In order, none overlapping. `known` is said of the whole text, such as the name of the field that holds it.

    Linear in the length of the text: some tens of microseconds for each 1,000 characters.
    """
    spans: list[Found] = []
    digits = _DIGIT.search(text) is not None
    if digits:
        long = _LONG.search(text) is not None
        if not kinds.isdisjoint(
            _NUMBERED
        ):  # before others, which would take a number with check digits for theirs
            spans += [Found(*span) for span in personal_ids.spans(text, kinds, known=known)]
        for kind in PATTERNS:
            if kind in kinds and kind in _NUMBERS and (long or kind not in _LONGER):
                spans += [_narrowed(span, text) for span in spans_of(kind, text)]
    if "email" in kinds and "@" in text:
        spans += spans_of("email", text)
    if "name" in kinds:
        spans += [_narrowed(span, text) for span in spans_of("name", text)]
    if "ip" in kinds and (digits or ":" in text):
        spans += spans_of("ip", text)
    return joined(_sifted(spans, text))


def joined(spans: list[Found]) -> list[Found]:
    """Spans in order; those that overlap are one, of the kind that begins first, and of two such the longer."""
    kept: list[Found] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if kept and span.start < kept[-1].end:
            kept[-1] = kept[-1]._replace(end=max(kept[-1].end, span.end))
        else:
            kept.append(span)
    return kept


def _narrowed(span: Found, text: str) -> Found:
    """Without the words that lead up to it."""
    if span.kind == "name":
        led = _INTRODUCED.match(text, span.start, span.end)
        return span._replace(start=led.end()) if led is not None else span
    if span.kind == "birth":
        day = _DAY.search(text[span.start : span.end])
        return span._replace(start=span.start + day.start()) if day is not None else span
    return span


def _sifted(spans: list[Found], text: str) -> list[Found]:
    """Without what only looks like one beside its kind: lessons for a street, a part of a number for a number."""
    doubtful = [span for span in spans if span.kind in _DOUBTFUL]
    if not doubtful:
        return spans
    accounts = list(_accounts(text))
    wrong = {span for span in doubtful if _is_wrong(span, text, accounts)}
    return [span for span in spans if span not in wrong]


def _is_wrong(span: Found, text: str, accounts: list[tuple[int, int]]) -> bool:
    if span.kind == "address":
        return _LESSONS.search(text[span.start : span.end]) is not None
    if span.kind == "card":
        if text[span.start - 1 : span.start].isalpha() and text[span.end : span.end + 1].isalpha():
            return True
        if not _is_issued("".join([char for char in text[span.start : span.end] if char.isdigit()])):
            return True
    inside = any(begin <= span.start and span.end <= end for begin, end in accounts)
    return inside and not (span.kind == "iban" and (span.start, span.end) in accounts)


def _is_issued(number: str) -> bool:
    """Do cards of this length begin so (ISO/IEC 7812; the ranges of the card schemes)?"""
    if len(number) in (13, 14):
        return number[0] == ("4" if len(number) == 13 else "3")
    if number[0] == "2":
        return (len(number) == 16 and 2221 <= int(number[:4]) <= 2720) or number.startswith("2131")
    return len(number) > 15 or number[0] == "3"


def _accounts(text: str) -> Iterator[tuple[int, int]]:
    """Where numbers stand that are as long as an IBAN of their country, whether their check digits are right or not."""
    for match in _ACCOUNT.finditer(text):
        left = IBAN_LENGTHS.get(match[1].upper(), 0)
        at = match.start()
        while (
            left and at < len(text) and (text[at].isalnum() or (text[at] in _GAPS and text[at - 1].isalnum()))
        ):
            left -= text[at].isalnum()
            at += 1
        if not left and at > match.end() and not text[at : at + 1].isalnum():
            yield match.start(), at
