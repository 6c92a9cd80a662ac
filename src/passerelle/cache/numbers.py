"""The numbers that French and English questions state, with their units; number words and ordinals too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from passerelle.text.words import Language


class Number(NamedTuple):
    """One number: as written (`3.10` is not `3.1`), and in the base unit of its dimension, where it has one."""

    written: str
    dimension: str = ""
    value: float = 0.0


def _table(rows: str) -> Mapping[str, tuple[str, float]]:
    table: dict[str, tuple[str, float]] = {}
    for row in rows.strip().splitlines():
        dimension, factor, *names = row.split()
        for name in names:
            table[name] = (dimension, float(factor))
    return MappingProxyType(table)


UNITS = _table(
    """
    time 1 s sec second seconds seconde secondes
    time 60 min mins minute minutes mn
    time 3600 h hr hrs hour hours heure heures
    time 86400 day days jour jours journee journees
    time 604800 week weeks semaine semaines
    months 1 month months mois
    months 3 trimestre trimestres
    months 6 semestre semestres
    months 12 year years an ans annee annees yr yrs
    length 0.001 mm millimetre millimetres millimeter millimeters
    length 0.01 cm centimetre centimetres centimeter centimeters
    length 1 m metre metres meter meters
    length 1000 km kilometre kilometres kilometer kilometers kms
    length 1609.344 mile miles
    length 0.3048 foot feet ft pied pieds
    length 0.0254 inch inches pouce pouces
    length 0.9144 yard yards
    mass 0.001 mg milligramme milligrammes milligram milligrams
    mass 1 g gr gramme grammes gram grams
    mass 1000 kg kilo kilos kilogramme kilogrammes kilogram kilograms
    mass 1000000 tonne tonnes ton tons
    mass 453.592 lb lbs
    mass 28.3495 oz ounce ounces
    volume 0.001 ml millilitre millilitres milliliter milliliters
    volume 0.01 cl centilitre centilitres
    volume 1 l litre litres liter liters
    volume 3.785 gallon gallons
    data 1 byte bytes octet octets
    data 1000 kb ko
    data 1000000 mb mo
    data 1000000000 gb go gigabyte gigabytes
    data 1000000000000 tb to
    power 1 w watt watts
    power 1000 kw
    energy 1 wh
    energy 1000 kwh
    percent 1 % percent pourcent
    celsius 1 ° °c c celsius degre degres degree degrees
    fahrenheit 1 °f f fahrenheit
    eur 1 € euro euros eur
    usd 1 $ dollar dollars usd
    gbp 1 £ pound pounds gbp
    jpy 1 ¥ yen yens jpy
    chf 1 chf
    cent 1 cent cents centime centimes
    """
)
FRENCH_ONLY = frozenset({"to", "go", "mo", "ko", "mn", "an", "ans"})  # units that are words in English
MEASURES = frozenset({"time", "months", "length", "mass", "volume", "data", "eur", "usd", "gbp"})
_ENGLISH = """zero 0 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 ten 10 eleven 11 twelve 12
    thirteen 13 fourteen 14 fifteen 15 sixteen 16 seventeen 17 eighteen 18 nineteen 19 twenty 20 thirty 30
    forty 40 fifty 50 sixty 60 seventy 70 eighty 80 ninety 90 dozen 12 twice 2 double 2 triple 3 half 0.5"""
_FRENCH = """zero 0 deux 2 trois 3 quatre 4 cinq 5 six 6 sept 7 huit 8 neuf 9 dix 10 onze 11 douze 12 treize 13
    quatorze 14 quinze 15 seize 16 vingt 20 vingts 20 trente 30 quarante 40 cinquante 50 soixante 60 septante 70
    huitante 80 octante 80 nonante 90 double 2 triple 3 moitie 0.5 demi 0.5 demie 0.5 douzaine 12 quinzaine 15"""
_MANY = {"hundred": 100, "hundreds": 100, "thousand": 1000, "million": 10**6, "millions": 10**6,
         "billion": 10**9, "cent": 100, "cents": 100, "mille": 1000, "milliard": 10**9, "milliards": 10**9}  # fmt: skip
_ORDINALS = """first 1 second 2 third 3 fourth 4 fifth 5 sixth 6 seventh 7 eighth 8 ninth 9 tenth 10 premier 1
    premiere 1 deuxieme 2 troisieme 3 quatrieme 4 cinquieme 5 sixieme 6 septieme 7 huitieme 8 neuvieme 9 dixieme 10
    1er 1 1re 1 1ere 1"""


def _pairs(rows: str) -> Mapping[str, float]:
    parts = rows.split()
    return MappingProxyType({name: float(value) for name, value in zip(parts[::2], parts[1::2], strict=True)})


SMALL: Mapping[str, Mapping[str, float]] = MappingProxyType({"en": _pairs(_ENGLISH), "fr": _pairs(_FRENCH)})
MANY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "en": frozenset({"hundred", "hundreds", "thousand", "million", "millions", "billion"}),
        "fr": frozenset({"cent", "cents", "mille", "million", "millions", "milliard", "milliards"}),
    }
)
ORDINALS = _pairs(_ORDINALS)
ONE = frozenset({"one", "un", "une"})
# Words with which a number may begin.
SPELT: Mapping[str, frozenset[str]] = MappingProxyType(
    {language: ONE | {*small, *ORDINALS, "cent", "mille"} for language, small in SMALL.items()}
)
SUFFIXED = re.compile(r"(\d+(?:[.,]\d+)?)([^\W\d]+)(\d*)")
ORDINAL = frozenset({"st", "nd", "rd", "th", "e", "er", "re", "ere", "eme", "nde", "ieme"})
CLOCK = re.compile(r"(\d{1,2})[:h](\d{2})?")
LIST = re.compile(r"\d+(?:[./:-]\d+){2,}|\d+[/]\d+")
GROUPED = MappingProxyType({"en": re.compile(r"\d{1,3}(,\d{3})+"), "fr": re.compile(r"\d{1,3}([.]\d{3})+")})


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _written(text: str, language: Language) -> str:
    """A numeral without grouping, with a point for decimals; zeros in front stay."""
    text = re.sub(r"[ \xa0\u202f]", "", text)
    if GROUPED[language].fullmatch(text):
        return text.replace(",", "").replace(".", "")
    return text.replace(",", ".")


def _with_unit(written: str, unit: str) -> Number:
    dimension, factor = UNITS[unit]
    try:
        return Number(written, dimension, round(float(written) * factor, 6))
    except ValueError:
        return Number(written)


def listed(word: str) -> str | None:
    """A date, a version or another list of numbers as one identifier: `01/05/2024` is not `05/01/2024`."""
    if LIST.fullmatch(word) is None:
        return None
    return "/".join(part.lstrip("0") or "0" for part in re.split(r"[./:-]", word))


def number_at(tokens: Sequence[str], at: int, language: Language) -> tuple[Number, int] | None:
    """The number that begins at that word, and how many tokens it takes with its unit."""
    word = tokens[at]
    after = tokens[at + 1] if at + 1 < len(tokens) else ""
    if word[0].isdigit():
        return _numeral(word, after, tokens, at, language)
    if word in ONE:
        found = UNITS.get(after)
        known = found is not None and found[0] in MEASURES
        return (_with_unit("1", after), 2) if known else None
    if word in ORDINALS and not (word == "second" and after in UNITS):
        return Number(_plain(ORDINALS[word]), "ordinal", ORDINALS[word]), 1
    return _spelt(tokens, at, language)


def _numeral(
    word: str, after: str, tokens: Sequence[str], at: int, language: Language
) -> tuple[Number, int] | None:
    clock = CLOCK.fullmatch(word)
    if clock is not None:
        hours, minutes = int(clock[1]), int(clock[2] or 0)
        taken = 2 if after in {"am", "pm"} else 1
        hours = hours % 12 + 12 * (after == "pm") if taken == 2 else hours
        return Number(word, "time", hours * 3600.0 + minutes * 60), taken
    mixed = SUFFIXED.fullmatch(word)
    if mixed is not None:
        return _suffixed(_written(mixed[1], language), mixed[2], mixed[3])
    written = _written(word, language)
    if after in {"am", "pm"} and written.isdigit():
        return Number(written, "time", (int(written) % 12 + 12 * (after == "pm")) * 3600.0), 2
    if after in MANY[language] and "." not in written:
        return Number(_plain(float(written) * _MANY[after])), 2
    if language == "en" and after in FRENCH_ONLY:
        return Number(written), 1
    if after in UNITS and not (after == "second" and language == "en" and at + 2 < len(tokens)):
        return _with_unit(written, after), 2
    if at and tokens[at - 1] in {"€", "$", "£", "¥"}:
        return _with_unit(written, tokens[at - 1]), 1
    if after in ORDINAL and after in {"eme", "ieme", "er", "ere"}:
        return Number(written, "ordinal", float(written)), 2
    return Number(written), 1


def _suffixed(written: str, suffix: str, rest: str) -> tuple[Number, int] | None:
    if rest:
        return None
    if suffix in ORDINAL and written.isdigit():
        return Number(written, "ordinal", float(written)), 1
    if suffix in {"am", "pm"} and written.isdigit():
        return Number(written, "time", (int(written) % 12 + 12 * (suffix == "pm")) * 3600.0), 1
    if suffix in UNITS:  # 22Go is one, whatever the language around it
        return _with_unit(written, suffix), 1
    if suffix == "k" and written.isdigit():
        return Number(f"{written}000"), 1
    return None


def _spelt(tokens: Sequence[str], at: int, language: Language) -> tuple[Number, int] | None:
    """A number in words: `vingt et un`, `quatre-vingt-dix`, `two hundred and five`."""
    small, many = SMALL[language], MANY[language]
    joins = {"and"} if language == "en" else {"et"}
    total = part = 0.0
    here = at
    while here < len(tokens):
        word = tokens[here]
        if word in small:
            part = (
                part * 20
                if language == "fr" and word in {"vingt", "vingts"} and part == 4
                else part + small[word]
            )
        elif word in many and (here > at or word in {"cent", "mille"}):
            factor = _MANY[word]
            part = (part or 1) * factor
            if factor >= 1000:
                total, part = total + part, 0.0
        elif word in ONE and here > at and (language == "en" or tokens[here - 1] in {"et", "vingt", "cent"}):
            part += 1
        elif not (
            word in joins
            and here > at
            and here + 1 < len(tokens)
            and _continues(tokens[here + 1], small, part)
        ):
            break
        here += 1
    if here == at:
        return None
    written = _plain(total + part)
    if here < len(tokens) and tokens[here] in UNITS and tokens[here] not in {"c", "f", "to", "go"}:
        return _with_unit(written, tokens[here]), here - at + 1
    return Number(written), here - at


def _continues(word: str, small: Mapping[str, float], part: float) -> bool:
    """Whether `and` or `et` joins two parts of one number: `vingt et un`, not `two and three`."""
    return part >= 20 and (word in ONE or small.get(word, 100) < 20)
