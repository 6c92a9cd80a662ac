"""Names of a text: capitals within a sentence, acronyms, codes. Cautious: a name is sure where nothing else explains it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from passerelle.pipelines.enrichment.checks_lexicon import IMPLIED, MONTHS, WEEKDAYS
from passerelle.pipelines.enrichment.checks_reading import flat


class Kind(IntEnum):
    """How a name shows itself."""

    CAPITAL = 1  # Dupont
    PAIR = 2  # Marie Dupont
    ACRONYM = 3  # OPCO
    INNER = 4  # PowerPoint
    CODE = 5  # RS6372


_WORD = re.compile(r"[^\W\d_]\w*(?:[-&]\w+)*")
_BEGINS = re.compile(r"(?:^|[.!?:;…•|(\[/–—\-*#>«»“”\"])\s*$|(?:^|\s)(?:[LDJNSCMTQ]|Qu)'$")
_HONOURED = re.compile(r"(?:^|\s|')(?:M|Mme|Mlle|Mr|Mrs|Ms|Dr|Pr|Prof|Me)\.?\s$")
_INNER = re.compile(r"[a-zà-ÿ][A-ZÀ-Þ]")
_ROMAN = re.compile(r"[IVXLC]+(?:e|er|ème|th|st|nd|rd)?")
_SHORT_CODE = 2
_CAPITALISED = (
    "english french german spanish italian portuguese dutch chinese japanese arabic russian european american british "
    "anglais francais allemand espagnol italien portugais europeen americain britannique belgian swiss canadian "
    "united states kingdom union europeenne etats-unis royaume-uni internet web etat states france europe ok god mr mrs ms mme vat tva hour hours"
)
_COMMON = frozenset({*MONTHS, *WEEKDAYS, *IMPLIED, *_CAPITALISED.split()})
_LITTLE = "de des du d l la le les et a au aux of the and for pour sur en in"
_SMALL = frozenset(_LITTLE.split())
# Acronyms that are put into the other language.
_ACRONYMS: Mapping[str, str] = {
    "rgpd": "gdpr", "ia": "ai", "ue": "eu", "tva": "vat", "rh": "hr", "pme": "sme", "onu": "un", "ong": "ngo",
    "cv": "cv", "pib": "gdp", "faq": "faq", "ti": "it", "ttc": "vat", "ht": "vat", "qcm": "mcq", "tp": "it",
}  # fmt: skip
_NO_NAMES = frozenset({"eur", "usd", "gbp", "chf", "ok", "am", "pm"})


@dataclass(frozen=True, slots=True)
class Name:
    """A name as a text writes it. `words` folded."""

    shown: str
    words: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of texts, folded, and what begins them."""

    words: frozenset[str]
    stems: frozenset[str]
    heads: frozenset[str]
    initials: str = ""

    def knows(self, word: str) -> bool:
        """Whether a word stands in the texts, inflected or not."""
        if word in self.words or word.rstrip("sx") in self.words or f"{word}s" in self.words:
            return True
        parts = [part for part in re.split(r"[-&]", word) if part]
        if len(parts) > 1 and all(part in self.words for part in parts):
            return True
        return len(word) > 5 and word[:5] in self.stems

    def hints(self, word: str) -> bool:
        """Whether something in the texts begins like it, as `London` does like `Londres`."""
        return self.knows(word) or any(part[:3] in self.heads for part in re.split(r"[-&]", word) if part)

    def spells(self, acronym: str) -> bool:
        """Whether words of the texts have these initials, one after the other."""
        return acronym in self.initials


def vocabulary(texts: Iterable[str]) -> Vocabulary:
    """The words of texts, which are folded here."""
    text = "\n".join(texts)
    folded = flat(text)
    found = list(_WORD.finditer(folded))
    words = [each.group() for each in found]
    everything = {part for word in set(words) for part in (word, *re.split(r"[-&]", word)) if part}
    named = {words[place] for place, each in enumerate(found) if text[each.start()].isupper()}
    return Vocabulary(
        words=frozenset(everything),
        stems=frozenset(word[:5] for word in everything),
        heads=frozenset(part[:3] for word in named for part in (word, *word.split("-"))),
        initials="".join(word[0] for word in words if word not in _SMALL),
    )


def names(text: str, folded: str) -> dict[tuple[str, ...], Name]:
    """The names of a text, by their folded words; lines that are titles or shout say nothing of capitals."""
    found: dict[tuple[str, ...], Name] = {}
    for line, low in zip(text.split("\n"), folded.split("\n"), strict=True):
        if line != low:
            words = list(_WORD.finditer(line))
            for name in _of_line(line, words):
                found.setdefault(name.words, name)
    return found


def _of_line(line: str, words: list[re.Match[str]]) -> Iterator[Name]:
    capitals = sum(line[word.start()].isupper() for word in words)
    shouted = sum(word.end() - word.start() > 1 and word.group().isupper() for word in words)
    title = len(words) < 3 or capitals * 2 > len(words) or line.lstrip().startswith("#")
    shouts = len(words) > 2 and shouted * 2 > len(words)
    before: re.Match[str] | None = None
    for word in words:
        if not word.group().islower() and (name := _name(line, word, before, title=title, shouts=shouts)):
            yield name
        before = word


def _name(
    line: str, word: re.Match[str], before: re.Match[str] | None, *, title: bool, shouts: bool
) -> Name | None:
    shown = word.group()
    folded = flat(shown)
    if any(map(str.isdigit, shown)):
        return Name(shown, (folded,), Kind.CODE) if shown[0].isupper() and len(shown) > _SHORT_CODE else None
    if shown.isupper() and len(shown) > 1:
        return (
            None
            if shouts or folded in _NO_NAMES or _ROMAN.fullmatch(shown)
            else Name(shown, (folded,), Kind.ACRONYM)
        )
    if not shown[0].isupper():
        return Name(shown, (folded,), Kind.INNER) if _INNER.search(shown) and "·" not in line else None
    if _INNER.search(shown.split("-")[0]):
        return Name(shown, (folded,), Kind.INNER)
    if title or len(shown) < 3 or folded in _COMMON:
        return None
    lead = line[max(0, word.start() - 12) : word.start()]
    if _HONOURED.search(lead):
        return Name(shown, (folded,), Kind.PAIR)
    if _BEGINS.search(lead) or not lead.strip():
        return None
    if (
        before
        and before.group()[0].isupper()
        and line[before.end() : word.start()] == " "
        and len(before.group()) > 2
    ):
        first = flat(before.group())
        if first not in _COMMON:
            return Name(f"{before.group()} {shown}", (first, folded), Kind.PAIR)
    return Name(shown, (folded,), Kind.CAPITAL)


def missing(
    wanted: Mapping[tuple[str, ...], Name], there: Vocabulary, *, across: bool, loose: bool = False
) -> tuple[list[str], list[str]]:
    """Names that the other text does not know: those that surely had to be there, and those that may have had to.

    `across` languages, where places and institutions have other names; `loose`: two capitals are not sure to be a name.
    """
    sure: list[str] = []
    unsure: list[str] = []
    for name in wanted.values():
        if name.kind is Kind.ACRONYM:
            if not _acronym_known(name, there):
                (unsure if across else sure).append(name.shown)
        elif name.kind in (Kind.INNER, Kind.CODE):
            if not there.knows(name.words[0]) and not _apart(name, there):
                (unsure if across and len(name.shown) <= 3 else sure).append(name.shown)
        elif name.kind is Kind.PAIR:
            lacks = across and not any(map(there.knows, name.words)) and not all(map(there.hints, name.words))
            if lacks or (not across and not there.knows(name.words[-1])):
                (unsure if loose else sure).append(name.shown)
        elif across and not there.hints(name.words[0]):
            unsure.append(name.shown)
        elif not across and not there.knows(name.words[0]):
            sure.append(name.shown)
    return sure, unsure


def _acronym_known(name: Name, there: Vocabulary) -> bool:
    word = name.words[0]
    other = _ACRONYMS.get(word) or next((one for one, two in _ACRONYMS.items() if two == word), None)
    singular = word[:-1] if name.shown.endswith("s") else word
    return (
        there.knows(word)
        or there.knows(singular)
        or (other is not None and other in there.words)
        or there.spells(word)
    )


def _apart(name: Name, there: Vocabulary) -> bool:
    """`PowerPoint` written `power point`, `e-learning` of `eLearning`."""
    parts = [flat(part) for part in re.findall(r"[A-ZÀ-Þ]?[a-zà-ÿ]+|[A-ZÀ-Þ]+|\d+", name.shown)]
    return len(parts) > 1 and all(part in there.words for part in parts)
