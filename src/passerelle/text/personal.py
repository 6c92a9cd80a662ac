"""Where a French or English text names somebody: addresses, numbers with their checksums, names they give.

Recognised by form, so a name in the middle of a sentence is not found. What belongs to nobody is left alone:
mailboxes such as `support@`, free and short telephone numbers, private network addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

LONGEST = 200_000  # characters that are read: nobody waits for more


class Found(NamedTuple):
    """Personal data in a text: what it is, and where (`text[start:end]`)."""

    kind: str
    start: int
    end: int


_GAP = r"[ \u00a0\u202f.-]?"
_NAME = r"[^\W\d_a-zà-ÿ][^\W\d_]{1,30}"
_STREETS_FR = "rue|avenue|av\\.|boulevard|bd|bld|allée|chemin|impasse|place|quai|route|square|cours"
_STREETS_EN = "street|st\\.|road|rd\\.?|avenue|ave\\.?|lane|drive|boulevard|blvd|court|terrace"
PATTERNS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "email": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"),
        "iban": re.compile(
            rf"(?<![A-Za-z0-9])[A-Z]{{2}}\d{{2}}(?:{_GAP}[A-Z0-9]){{11,30}}(?![A-Za-z0-9])", re.IGNORECASE
        ),
        "nir": re.compile(
            rf"(?<![\d.])[12]{_GAP}\d\d{_GAP}(?:[0-3]\d|[4-9]\d){_GAP}(?:\d\d|2[AB]){_GAP}\d{{3}}{_GAP}\d{{3}}{_GAP}\d\d(?!\d)",
            re.IGNORECASE,
        ),
        "card": re.compile(r"(?<![\d.,])[2-6]\d{3}(?:[ \u00a0\u202f-]?\d){9,15}(?![\d])"),
        "ssn": re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])"),
        "phone": re.compile(
            rf"(?<![\w.,/-])(?:(?:\+|00)[1-9]\d{{0,2}}{_GAP}(?:\(0?\d{{0,4}}\){_GAP})?\d(?:{_GAP}\d){{6,11}}"
            rf"|0[1-9](?:{_GAP}\d\d){{4}}|\(?[2-9]\d\d\)?[ .-][2-9]\d\d[ .-]\d{{4}}"
            rf"|0\d{{3,4}}[ -]\d{{3}}[ -]?\d{{3,4}})(?![\w/-]|[.,]\d)"
        ),
        "ip": re.compile(
            r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7})(?![\w:]|\.\d)",
            re.IGNORECASE,
        ),
        "address": re.compile(
            rf"(?<![\w.,])\d{{1,4}}(?: ?(?:bis|ter))?,? (?:(?i:{_STREETS_FR}) (?:d[eu]s? |de la |de l['’]|d['’])?\w+"
            rf"|(?:{_NAME} ){{1,3}}(?i:{_STREETS_EN})(?!\w))"
        ),
        "name": re.compile(
            r"(?:(?i:\bje m['’]appelle|\bmon nom est|\bmy name is|\bi am called)|\b(?:M\.|Mme|Mlle|Mr\.?|Mrs\.?|Ms\.?|Monsieur|Madame))"
            rf" {_NAME}(?:[ -]{_NAME}){{0,2}}"
        ),
        "birth": re.compile(
            r"\b(?:née? le|né\(e\) le|né·e le|date de naissance|born on|date of birth|birth date|dob)\b.{0,12}?"
            r"\d{1,4}[ ./-](?:\d{1,2}|[^\W\d_]{3,9})[ ./-]\d{2,4}",
            re.IGNORECASE,
        ),
    }
)
_BOXES = """support contact info help hello admin noreply no-reply sales service aide bonjour privacy press presse
    postmaster webmaster billing facturation security dpo rgpd commercial serviceclient accueil"""
SHARED_BOXES = frozenset(_BOXES.split())
EXAMPLE_HOSTS = ("example.com", "example.org", "example.net", "exemple.fr", "exemple.com")
FREE_CALLS = ("080", "081", "082", "089", "0033800", "0033805")
CARD_LENGTHS = range(13, 20)
IBAN_LENGTHS = range(15, 35)
NIR_DIGITS = 13


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _iban(text: str) -> bool:
    """ISO 13616: the rest of the number, read in base 36 and moved, by 97 is 1."""
    plain = re.sub(r"[^A-Za-z0-9]", "", text).upper()
    if len(plain) not in IBAN_LENGTHS:
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _nir(text: str) -> bool:
    """INSEE: the key is 97 less the number by 97; Corsica's 2A and 2B count as 19 and 18."""
    plain = re.sub(r"[^0-9AB]", "", text.upper()).replace("2A", "19").replace("2B", "18")
    return (
        len(plain) == NIR_DIGITS + 2
        and plain.isdigit()
        and 97 - int(plain[:NIR_DIGITS]) % 97 == int(plain[NIR_DIGITS:])
    )


def _card(text: str) -> bool:
    number = _digits(text)
    return len(number) in CARD_LENGTHS and _luhn(number)


def _mailbox(text: str) -> bool:
    box, _, host = text.lower().partition("@")
    example = host in EXAMPLE_HOSTS or host.endswith(tuple(f".{each}" for each in EXAMPLE_HOSTS))
    return box not in SHARED_BOXES and not example


def _phone(text: str) -> bool:
    return not _digits(text).startswith(FREE_CALLS)


def _ip(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {"email": _mailbox, "iban": _iban, "nir": _nir, "card": _card, "phone": _phone, "ip": _ip}
)


_GREEDY = frozenset({"iban", "card"})  # a word or a number that follows looks like more of them


def _spans(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    """Where a kind stands. Of what goes on too far, the longest beginning that is one."""
    check = CHECKS.get(kind)
    for match in pattern.finditer(text):
        start, end = match.span()
        if check is None or check(match.group()):
            yield Found(kind, start, end)
        elif kind in _GREEDY:
            shorter = (
                at for at in range(end - 1, start, -1) if text[at - 1].isalnum() and not text[at].isalnum()
            )
            at = next((at for at in shorter if check(text[start:at])), None)
            if at is not None:
                yield Found(kind, start, at)


def spans_of(kind: str, text: str) -> Iterator[Found]:
    """Where one kind of `PATTERNS` stands in a text, whatever its length."""
    return _spans(kind, PATTERNS[kind], text)


def found(text: str) -> tuple[Found, ...]:
    """All personal data of a text in order; where two kinds overlap, the one that begins first, then the longer."""
    text = text[:LONGEST]
    spans = [each for kind, pattern in PATTERNS.items() for each in _spans(kind, pattern, text)]
    kept: list[Found] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return tuple(kept)


def personal(text: str) -> str | None:
    """The kind of the first personal data found in the text, None where there is none."""
    text = text[:LONGEST]
    return next(
        (kind for kind, pattern in PATTERNS.items() if next(_spans(kind, pattern, text), None) is not None),
        None,
    )
