"""Words that a brand wants or does not want, and how readers are spoken to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from passerelle.domain.content import Address, Brand, Term
from passerelle.pipelines.enrichment.checks_reading import Reading, evened, flat

_QUOTED = re.compile(r"«[^»]{0,400}»|“[^”]{0,400}”|\"[^\"\n]{0,400}\"")
_VOUS = re.compile(
    r"(?<![\w-])(?:vous(?:-memes?)?|votre|vos|votres)(?!\w)|(?<=[a-z]-)vous(?!\w)|(?<![\w-])[a-z]{2,20}ez(?![\w])"
)
_TU = re.compile(
    r"(?<![\w-])(?:tu|toi(?:-meme)?|tes|ta|t'(?=[aeiouyh]))(?!\w)|(?<![\w-])t'(?=[aeiouyh])|(?<=[a-z]-)(?:toi|tu)(?!\w)"
)
_NO_VERB = frozenset(["chez", "assez", "nez", "rez", "lez"])


def _ends(word: str, *, wide: bool) -> str:
    """A folded word with the endings that its other forms have."""
    body = re.escape(word)
    if not word[-1].isalpha() or len(word) < 3:
        return body
    if word.endswith("al") and len(word) > 3:
        return f"{re.escape(word[:-2])}(?:als?|ales?|aux)"
    if wide and word.endswith("eux"):
        return f"{re.escape(word[:-3])}(?:eux|euses?)"
    if wide and word.endswith("if") and len(word) > 4:
        return f"{re.escape(word[:-2])}(?:ifs?|ives?)"
    if wide and word.endswith("er") and len(word) > 4:
        return f"{re.escape(word[:-2])}(?:ers?|ez|ees?|es?|ent|ons|ant|ait|aient|era|erez|eront|erons|ing|ed|ered|ering)"
    if wide and word.endswith("e") and len(word) > 4:
        return f"{re.escape(word[:-1])}(?:e|es|ed|ing|er|ers)"
    return f"{body}(?:e?s|x|e|ed|ing|'s)?" if wide else f"{body}(?:e?s|x)?"


def pattern(term: str, *, wide: bool = False) -> re.Pattern[str] | None:
    """What finds a term in a folded text, at the bounds of words; `wide` in more of its forms than the plural."""
    words = [word for word in re.split(r"[\s-]+", flat(evened(term)).strip()) if word]
    if not words:
        return None
    body = r"[ \n-]{1,3}".join(_ends(word, wide=wide) for word in words)
    return re.compile(rf"(?<!\w){body}(?!\w)")


def occurs(term: str, reading: Reading) -> list[str]:
    """A term where a text has it, as it is written there."""
    found = pattern(term)
    return (
        [reading.plain[each.start() : each.end()] for each in found.finditer(reading.flat)] if found else []
    )


def banned(brand: Brand, reading: Reading) -> list[str]:
    """Banned words that a text has, as they are written there."""
    shown: dict[str, None] = {}
    text = without(brand.names, reading)
    for word in brand.banned:
        if found := pattern(word, wide=True):
            shown.update((reading.plain[each.start() : each.end()], None) for each in found.finditer(text))
    return list(shown)


def without(names: tuple[str, ...], reading: Reading) -> str:
    """The folded text with names blanked: what they are made of is nobody's choice of words."""
    text = reading.flat
    for name in names:
        if found := pattern(name):
            text = found.sub(lambda each: " " * len(each.group()), text)
    return text


def forbidden(brand: Brand, reading: Reading, language: str) -> Iterator[tuple[str, str]]:
    """Forms that a glossary excludes and the text has, each with the form that stands for it."""
    for term in brand.glossary:
        if not _holds(term, language):
            continue
        text = without((*brand.names, term.use), reading)
        use = flat(evened(term.use))
        for never in term.never:
            if flat(evened(never)) == use:  # they differ in case or accents alone
                exact = re.search(rf"(?<!\w){re.escape(evened(never))}(?!\w)", reading.plain)
                if exact and never != term.use:
                    yield exact.group(), term.use
            elif (found := pattern(never)) and (where := found.search(text)):
                yield reading.plain[where.start() : where.end()], term.use


def required(brand: Brand, source: Reading, written: Reading, language: str, *, across: bool) -> list[str]:
    """Forced forms of what the source speaks of, which the text does not have."""
    wanted: dict[str, None] = {}
    for term in brand.glossary:
        if not _holds(term, language):
            continue
        named = (term.source,) if term.source else () if across and term.language else (term.use, *term.never)
        if term.source and not across:
            named = (term.use, *term.never)
        if any(occurs(each, source) for each in named if each) and not occurs(term.use, written):
            wanted[term.use] = None
    return list(wanted)


def _holds(term: Term, language: str) -> bool:
    return not term.language or not language or term.language == language


def spoken_to(reading: Reading) -> tuple[list[str], list[str]]:
    """How a French text speaks to its reader outside of quotations: its words of *tu*, and those of *vous*."""
    text = _QUOTED.sub(
        lambda each: " " * len(each.group()), reading.flat.replace("rendez-vous", "rendez_vous")
    )
    shown: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for kept, marks in zip(shown, (_TU, _VOUS), strict=True):
        for found in marks.finditer(text):
            word = reading.plain[found.start() : found.end()]
            if found.group() in _NO_VERB or (
                found.group().endswith("ez") and _a_name(reading.plain, found.start())
            ):
                continue
            kept[word.lower()] = None
    return list(shown[0]), list(shown[1])


def _a_name(text: str, at: int) -> bool:
    before = text[max(0, at - 3) : at].rstrip(" ")
    return text[at].isupper() and bool(before) and before[-1] not in ".!?:;\n…-*•(«"


def wrong_address(brand: Brand, reading: Reading) -> tuple[str, list[str]]:
    """The words that speak to the reader in the other way than the brand's; and which sentence says so."""
    tu, vous = spoken_to(reading)
    if brand.address is Address.TU and vous:
        return "address.tu", vous
    if brand.address is Address.VOUS and tu:
        return "address.vous", tu
    if brand.address is None and tu and vous:
        return "address.mixed", [tu[0], vous[0]]
    return "", []
