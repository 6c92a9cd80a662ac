"""The groups of words of a language, made ready to be looked up; and the root of a word that is in none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from passerelle.cache import lexicon_en, lexicon_fr
from passerelle.text.words import Language

DROP = "drop"  # the group of what says nothing
SHORTEST = 4  # letters that must be left of a word
CONTINUES = 5  # letters in which words that continue one another agree
_ENDINGS = {
    "en": """ifications ification izations ization isations isation ations ation itions ition ments ment nesses
        ness ibilities ability ingly edly ings ing ably ally ies ied ers ors er or ed es ly al able ible s""",
    "fr": """issements issement ifications ification isations isation ations ation atrices atrice ateurs ateur
        itions ition ements ement ments ment euses euse eurs eur ables able ibles ible erait eront eraient
        erons antes ante ants ant aient ait ees ee es er ez ons ent ir is it ifs ives if ive s e""",
}
ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        language: tuple(sorted(endings.split(), key=len, reverse=True))
        for language, endings in _ENDINGS.items()
    }
)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words by their form, words by their root, and phrases by their first word, the longest first."""

    forms: Mapping[str, str]
    roots: Mapping[str, str]
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]


@lru_cache(maxsize=20_000)
def root(word: str, language: Language) -> str:
    """What a folded word shares with its other forms. Only compared, never shown."""
    for ending in ENDINGS[language]:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST:
            word = word[: -len(ending)]
            break
    if word[-1] in "ei" and len(word) > SHORTEST:
        word = word[:-1]
    if len(word) > SHORTEST and word[-1] == "y":
        word = word[:-1]
    return word[:-1] if len(word) > SHORTEST and word[-1] == word[-2] else word


def singular(word: str) -> str:
    """A word of a phrase without the plural's letter."""
    return word[:-1] if len(word) >= SHORTEST and word[-1] in "sx" else word


def akin(one: str, other: str) -> bool:
    """Whether two roots are of one family: one continues the other by a few letters."""
    short, long = (one, other) if len(one) < len(other) else (other, one)
    return len(short) >= CONTINUES and len(long) - len(short) <= SHORTEST and long.startswith(short)


def _read(groups: str, language: Language) -> Lexicon:
    forms: dict[str, str] = {}
    roots: dict[str, str] = {}
    phrases: dict[str, dict[tuple[str, ...], str]] = {}
    for line in groups.strip().splitlines():
        concept, _, listed = line.partition(": ")
        for item in listed.split(", "):
            parts = tuple(item.replace("-", " ").replace("'", " ").split())
            if len(parts) > 1:
                parts = tuple(map(singular, parts))
                phrases.setdefault(parts[0], {}).setdefault(parts, concept)
            else:
                forms.setdefault(parts[0], concept)
    for form, concept in forms.items():
        roots.setdefault(root(form, language), concept)
    return Lexicon(
        forms=MappingProxyType(forms),
        roots=MappingProxyType(roots),
        phrases=MappingProxyType(
            {
                first: tuple(sorted(found.items(), key=lambda row: -len(row[0])))
                for first, found in phrases.items()
            }
        ),
    )


LEXICA: Mapping[str, Lexicon] = MappingProxyType(
    {"en": _read(lexicon_en.GROUPS, "en"), "fr": _read(lexicon_fr.GROUPS, "fr")}
)
