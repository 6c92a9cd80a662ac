"""Numbers that European states give to people and to firms, by form, check digits and, where those are weak, a word.

A number of nine digits passes most checks one time in ten by chance. Such a number counts only where a word beside it
says what it is (`BSN`, `NIF`, `SIREN`): an order number, a price or a version is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from passerelle.text import personal_sums as sums

_BEFORE, _AFTER = 48, 24  # characters beside a number in which its word may stand
_PLAIN = re.compile(r"[^0-9A-Za-z]")
_S = r"[ \u00a0\u202f.-]?"  # what may stand between the groups of a number
_FROM, _TO = r"(?<![\w.,+/-])", r"(?![\w/-]|[.,]\d)"
_ANY = r"national id|identity (?:number|card|no)|id (?:number|card|no)|personal (?:number|id|code)|tax (?:id|number|no)|tin|numéro national|num[ée]ro fiscal|identifiant (?:national|fiscal)|num[ée]ro d['’]identi\w+|pi[èe]ce d['’]identité|carte d['’]identité|registre national"  # fmt: skip


class Rule(NamedTuple):
    """How one kind of number is recognised. `cue`: a word that must stand beside it; None where it needs none."""

    name: str
    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool]
    cue: re.Pattern[str] | None = None


def _number(pattern: str) -> re.Pattern[str]:
    return re.compile(_FROM + pattern + _TO, re.IGNORECASE)


def _cue(words: str, *, general: bool = True) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{words}{'|' + _ANY if general else ''})(?![^\W_])", re.IGNORECASE)


_FIRM = _cue(r"siren|siret|rcs|r\.c\.s\.?|tva|vat|num[ée]ro d['’]entreprise|company (?:number|no)|immatricul\w+", general=False)  # fmt: skip
_SWEDISH = _cue(r"personnummer|personnr|pnr|samordningsnummer|swedish")
_TRIPLES = rf"\d{{3}}{_S}\d{{3}}{_S}\d{{3}}"

RULES: tuple[Rule, ...] = (
    Rule("siret", "siren", _number(rf"{_TRIPLES}{_S}\d{{5}}"), sums.siret),
    Rule("fr-vat", "siren", _number(rf"FR{_S}\d\d{_S}{_TRIPLES}"), sums.french_vat),
    Rule("siren", "siren", _number(_TRIPLES), sums.siren, _FIRM),
    Rule("fr-tax", "national-id", _number(rf"[0-3]\d{_S}\d\d{_S}{_TRIPLES}"), sums.french_tax),
    Rule("de-tax", "national-id", _number(rf"[1-9]\d{_S}{_TRIPLES}"), sums.german_tax),
    Rule("es-dni", "national-id", _number(rf"\d{{2}}[.]?\d{{3}}[.]?\d{{3}}{_S}[A-HJ-NP-TV-Z]"), sums.spanish),
    Rule("es-nie", "national-id", _number(rf"[XYZ]{_S}\d{{7}}{_S}[A-HJ-NP-TV-Z]"), sums.spanish),
    Rule(
        "it-cf",
        "national-id",
        _number(
            rf"[A-Z]{{3}}{_S}[A-Z]{{3}}{_S}[\dL-NP-V]{{2}}[A-EHLMPR-T][\dL-NP-V]{{2}}{_S}[A-Z][\dL-NP-V]{{3}}{_S}[A-Z]"
        ),
        sums.italian,
    ),
    Rule(
        "nl-bsn",
        "national-id",
        _number(rf"(?:\d{{4}}{_S}\d\d{_S}\d{{3}}|{_TRIPLES})"),
        sums.dutch,
        _cue(r"bsn|burgerservicenummer|burger service nummer|sofi-?(?:nummer|nr)?|citizen service number"),
    ),
    Rule("be-rrn", "national-id", _number(rf"\d\d{_S}\d\d{_S}\d\d{_S}\d{{3}}{_S}\d\d"), sums.belgian),
    Rule("pl-pesel", "national-id", _number(r"\d{11}"), sums.polish, _cue(r"pesel|polish|polonais\w*")),
    Rule(
        "pt-nif",
        "national-id",
        _number(_TRIPLES),
        sums.portuguese,
        _cue(r"nif|contribuinte|n[úu]mero de identifica[çc][ãa]o fiscal|portugu\w+|portugais\w*"),
    ),
    Rule("ro-cnp", "national-id", _number(r"[1-8]\d{12}"), sums.romanian),
    Rule(
        "se-pnr",
        "national-id",
        _number(r"(?:(?:18|19|20)(?!\d{6}-(?:[01]\d|2[0-3])[0-5]\d))?\d{6}[-+]\d{4}"),
        sums.swedish,
    ),
    Rule("se-pnr-plain", "national-id", _number(r"(?:18|19|20)?\d{6}[-+ ]?\d{4}"), sums.swedish, _SWEDISH),
    Rule("fi-hetu", "national-id", _number(r"\d{6}[-+A-FU-Y]\d{3}[\dA-FHJ-NPR-Y]"), sums.finnish),
    Rule("cz-rc", "national-id", re.compile(rf"{_FROM}\d{{6}}/\d{{4}}{_TO}"), sums.czech),
    Rule(
        "at-svnr",
        "national-id",
        _number(rf"\d{{4}}{_S}\d{{6}}"),
        sums.austrian,
        _cue(r"svnr|sv-nr|sozialversicherungsnummer|versicherungsnummer|autrich\w+|austrian"),
    ),
    Rule(
        "dk-cpr",
        "national-id",
        _number(r"\d{6}[- ]?\d{4}"),
        sums.danish,
        _cue(r"cpr(?:-?(?:nummer|nr))?|personnummer|danois\w*|danish"),
    ),
    Rule(
        "ie-pps",
        "national-id",
        _number(rf"\d{{7}}{_S}[A-W][A-IW]?"),
        sums.irish,
        _cue(r"ppsn?|irish|irlandais\w*"),
    ),
)


_SPREAD = frozenset({"it-cf", "fi-hetu"})  # letters stand between their digits
# Where all the other numbers can begin: seven digits follow, with a separator between two at most.
_BEGINS = re.compile(
    _FROM + r"(?=(?:[A-Z]{1,2}[ \u00a0\u202f.-]?)?\d(?:[ \u00a0\u202f./+-]?\d){6})", re.IGNORECASE
)


def spans(text: str, kinds: frozenset[str], *, known: str = "") -> Iterator[tuple[str, int, int]]:
    """Where numbers of these kinds stand: kind, start, end. `known` is said of the whole text, such as its field's name."""
    begins = [match.start() for match in _BEGINS.finditer(text)]
    for rule in RULES:
        if rule.kind in kinds:
            for match in _matches(rule, text, begins):
                start, end = match.span()
                if _is_right(rule, match.group()) and (
                    rule.cue is None or _said(rule.cue, text, start, end, known)
                ):
                    yield rule.kind, start, end


def _is_right(rule: Rule, written: str) -> bool:
    plain = _PLAIN.sub("", written)
    if len(plain) != sum(map(str.isalnum, written)):
        return False  # digits of other scripts, in which nobody writes these
    return rule.check(written if rule.name == "fi-hetu" else plain)


def _matches(rule: Rule, text: str, begins: list[int]) -> Iterator[re.Match[str]]:
    if rule.name in _SPREAD:
        yield from rule.pattern.finditer(text)
        return
    for begin in begins:
        match = rule.pattern.match(text, begin)
        if match is not None:
            yield match


def _said(cue: re.Pattern[str], text: str, start: int, end: int, known: str) -> bool:
    """Does a word beside the number say what it is?"""
    if known and cue.search(known.replace("_", " ")):
        return True
    # One character more on each side, so that a word cut off there is seen to be cut off.
    before, after = text[max(0, start - _BEFORE) : start], text[end : end + _AFTER]
    return cue.search(before) is not None or cue.search(after) is not None
