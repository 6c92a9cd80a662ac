"""What French and English words say of numbers, months, days and units: tables, and the reading of number words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple


def _table(text: str) -> dict[str, int]:
    return {
        word: int(number) for number, *words in map(str.split, text.strip().splitlines()) for word in words
    }


# Folded: lower case, no accents.
MONTHS: Mapping[str, int] = MappingProxyType(
    _table(
        """
        1 janvier january janv jan
        2 fevrier february fevr feb
        3 mars march mar
        4 avril april avr apr
        5 mai may
        6 juin june jun
        7 juillet july juil jul
        8 aout august aug
        9 septembre september sept sep
        10 octobre october oct
        11 novembre november nov
        12 decembre december dec
        """
    )
)
WEEKDAYS: Mapping[str, int] = MappingProxyType(
    _table(
        """
        1 lundi lundis monday mondays
        2 mardi mardis tuesday tuesdays
        3 mercredi mercredis wednesday wednesdays
        4 jeudi jeudis thursday thursdays
        5 vendredi vendredis friday fridays
        6 samedi samedis saturday saturdays
        7 dimanche dimanches sunday sundays
        """
    )
)

_ONES = _table(
    """
    0 zero
    1 un une one
    2 deux two
    3 trois three
    4 quatre four
    5 cinq five
    6 six
    7 sept seven
    8 huit eight
    9 neuf nine
    10 dix ten
    11 onze eleven
    12 douze twelve
    13 treize thirteen
    14 quatorze fourteen
    15 quinze fifteen
    16 seize sixteen
    17 seventeen
    18 eighteen
    19 nineteen
    20 vingt vingts twenty
    30 trente thirty
    40 quarante forty
    50 cinquante fifty
    60 soixante sixty
    70 septante seventy
    80 huitante eighty
    90 nonante ninety
    """
)
_TIMES = _table(
    "100 cent cents hundred\n1000 mille thousand\n1000000 million millions\n1000000000 milliard milliards billion"
)
# Numbers that stand in other words: they answer for a number of the other text, and ask for none there.
IMPLIED: Mapping[str, int] = MappingProxyType(
    _table(
        """
        0 aucun aucune no none nul nulle sans without
        1 premier premiere premiers premieres first once single seul seule unique
        2 second seconde secondes seconds deuxieme both double doubles binome pair pairs couple twice duo demi demie half moitie
        3 troisieme third triple trio tiers trimestre quarterly
        4 quatrieme fourth quart quarter
        5 cinquieme fifth
        6 sixieme sixth semestre
        7 septieme seventh
        8 huitieme eighth
        9 neuvieme ninth
        10 dixieme tenth dizaine decade decennie
        11 onzieme eleventh
        12 douzieme twelfth douzaine dozen
        15 quinzaine fortnight quinzieme
        20 vingtieme twentieth vingtaine
        30 trentaine
        50 moitie half cinquantaine demi demie
        100 centaine centaines
        1000 millier milliers
        """
    )
)
_SAY_NO_NUMBER = frozenset({"un", "une", "one", "neuf", "second", "seconde", "zero", "cent", "cents"})
SURE_FROM = 5  # smaller number words come and go with the style of a sentence

NUMBER_WORDS = "|".join(sorted({*_ONES, *_TIMES}, key=len, reverse=True))
# A run of number words: `vingt et un`, `quatre-vingt-dix`, `one hundred and twenty`.
WORDED = re.compile(
    rf"(?<![\w'-])(?:{NUMBER_WORDS})(?:(?:[ -]|(?<=cent) et |[ -]et[ -](?=une?\b|onze\b)|(?<=hundred) and |(?<=thousand) and )(?:{NUMBER_WORDS})){{0,7}}(?![\w])"
)
ANY_IMPLIED = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(IMPLIED, key=len, reverse=True))})(?!\w)")


class Worded(NamedTuple):
    """A number that is written in words. `sure`: it asks for itself in the other text."""

    value: Decimal
    sure: bool
    asks: bool


def worded(run: str) -> Worded:
    """What a run of number words says."""
    words = [word for word in re.split(r"[ -]+", run) if word not in {"et", "and"}]
    if len(words) > 1 and words[0] in {"un", "une", "one"} and words[1] not in _TIMES:
        words = words[1:]  # an article: `un dix`
    value = Decimal(_valued(words))
    alone = len(words) == 1
    return Worded(value, value >= SURE_FROM, not (alone and words[0] in _SAY_NO_NUMBER))


def _valued(words: Sequence[str]) -> int:
    whole = part = 0
    for word in words:
        if word in _TIMES:
            times = _TIMES[word]
            if times == 100:
                part = max(part, 1) * times
            else:
                whole, part = whole + max(part, 1) * times, 0
        elif word in {"vingt", "vingts"} and part % 100 == 4:
            part += 76  # quatre-vingts
        else:
            part += _ONES[word]
    return whole + part


# Units by how they are written after a number; the second figure says how many of the unit it is.
_UNITS: Mapping[str, tuple[str, str]] = {
    "minute": ("1", "min mins mn minute minutes"),
    "hour": ("60", "h hr hrs heure heures hour hours"),
    "second": ("1", "sec secs s secondes seconds"),
    "day": ("1", "j jour jours journee journees day days"),
    "week": ("1", "semaine semaines week weeks wk wks"),
    "month": ("1", "mois month months"),
    "year": ("12", "an ans annee annees year years yr yrs"),
    "percent": ("1", "% pourcent percent"),
    "EUR": ("1", "€ eur euro euros"),
    "USD": ("1", "$ usd dollar dollars"),
    "GBP": ("1", "£ gbp pound pounds"),
    "CHF": ("1", "chf"),
    "kEUR": ("1000", "k€ keur"),
    "MEUR": ("1000000", "m€ meur"),
    "km": ("1", "km kilometre kilometres kilometer kilometers"),
    "m": ("1", "metre metres meter meters"),
    "cm": ("1", "cm"),
    "mm": ("1", "mm"),
    "kg": ("1", "kg kilo kilos"),
    "degree": ("1", "°c °f"),
    "MB": ("1", "mo mb"),
    "GB": ("1", "go gb"),
    "TB": ("1", "to tb"),
    "m2": ("1", "m²"),
}
_DIMENSIONS = {"year": "month", "minute": "minute", "hour": "minute", "kEUR": "EUR", "MEUR": "EUR"}


class Unit(NamedTuple):
    """A unit by its dimension; `worth` turns a figure into it."""

    name: str
    worth: Decimal


UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        word: Unit(_DIMENSIONS.get(name, name), Decimal(worth))
        for name, (worth, words) in _UNITS.items()
        for word in words.split()
    }
)
_WORDS = sorted((re.escape(word) for word in UNITS if word not in {"to", "s"}), key=len, reverse=True)
UNIT = rf"(?:pour ?cent|per ?cent|{'|'.join(_WORDS)}|s(?= |$|[.,;)])|to(?=[.,;)]))(?!\w)"


def unit_of(word: str) -> Unit:
    """The unit that a folded word names."""
    return UNITS["percent" if word.startswith(("pour", "per")) else word]
