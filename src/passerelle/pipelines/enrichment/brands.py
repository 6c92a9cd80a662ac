"""What a brand profile may say: bounded lists, and nothing that contradicts itself.

A profile that forbids what it forces can only fail every text that is checked against it, so it is refused as it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from passerelle.domain.content import Brand, Term
from passerelle.domain.errors import BadRequest
from passerelle.pipelines.enrichment.tables import storable

MOST_WORDS = 1_000  # entries of each list
MOST_FORMS = 50  # forbidden forms of one term
LONGEST = 200  # characters of an entry
LONGEST_TONE = 4_000  # characters


def checked_brand(brand: Brand) -> Brand:
    """The same, its words trimmed and each once. Raises BadRequest `brand_wrong` with cause and cure."""
    tone = storable(brand.tone).strip()
    if len(tone) > LONGEST_TONE:
        raise wrong(f"The tone has {len(tone)} characters; say it in at most {LONGEST_TONE}.", "tone")
    if len(brand.glossary) > MOST_WORDS:
        raise wrong(f"The glossary has {len(brand.glossary)} terms; keep at most {MOST_WORDS}.", "glossary")
    clean = replace(
        brand,
        tone=tone,
        banned=_words(brand.banned, "banned"),
        glossary=tuple(dict.fromkeys(map(_term, brand.glossary))),
        names=_words(brand.names, "names"),
    )
    _agree(clean)
    return clean


def wrong(message: str, param: str) -> BadRequest:
    """The error of a profile."""
    return BadRequest(message, code="brand_wrong", param=param)


def _words(given: Sequence[str], param: str, most: int = MOST_WORDS) -> tuple[str, ...]:
    if len(given) > most:
        raise wrong(f"`{param}` has {len(given)} entries; keep at most {most}.", param)
    found: dict[str, str] = {}
    for each in given:
        word = " ".join(storable(each).split())
        if not word:
            raise wrong(f"`{param}` has an empty entry; leave it out.", param)
        if len(word) > LONGEST:
            raise wrong(f"An entry of `{param}` is longer than {LONGEST} characters; shorten it.", param)
        found.setdefault(word, word)
    return tuple(found)


def _term(term: Term) -> Term:
    (use,) = _words([term.use], "glossary")
    never = _words(term.never, "glossary", MOST_FORMS)
    source = " ".join(storable(term.source).split())
    language = term.language.strip().lower()
    if len(source) > LONGEST or len(term.note) > LONGEST_TONE:
        raise wrong(f"The term {use!r} has a source or a note that is too long; shorten it.", "glossary")
    if language and not (len(language) == 2 and language.isascii() and language.isalpha()):
        message = f"The term {use!r} has the language {language[:20]!r}; write two letters, such as `fr`, or nothing."
        raise wrong(message, "glossary")
    return Term(use, never, source, language, storable(term.note).strip())


def _agree(brand: Brand) -> None:
    """Raises BadRequest where one entry forbids what another wants."""
    banned = set(_folded(brand.banned))
    wanted: dict[str, list[Term]] = {}
    for term in brand.glossary:
        wanted.setdefault(term.use.casefold(), []).append(term)
        if term.use.casefold() in banned:
            raise wrong(f"{term.use!r} is banned and a forced form of the glossary; drop one.", "banned")
    for name in brand.names:
        if name.casefold() in banned:
            raise wrong(f"{name!r} is banned and a name that is kept; drop one.", "banned")
    names = set(brand.names)
    for term in brand.glossary:
        for form in term.never:
            if form == term.use or form in names:
                raise wrong(f"{form!r} is forbidden and wanted at once; drop one.", "glossary")
            for other in wanted.get(form.casefold(), ()):
                # `Email` for `email` is a matter of writing, and no contradiction.
                if other is not term and _meet(other, term):
                    message = f"{form!r} is forbidden for {term.use!r}, and forced by another term; drop one."
                    raise wrong(message, "glossary")
    _one_each(brand.glossary)


def _one_each(glossary: Sequence[Term]) -> None:
    """A term of the source has one translation."""
    put: dict[str, list[Term]] = {}
    for term in glossary:
        if not term.source:
            continue
        for other in put.get(term.source.casefold(), ()):
            if other.use != term.use and _meet(other, term):
                message = f"{term.source!r} is to be put as {other.use!r} and as {term.use!r}; choose one."
                raise wrong(message, "glossary")
        put.setdefault(term.source.casefold(), []).append(term)


def _meet(one: Term, other: Term) -> bool:
    return not one.language or not other.language or one.language == other.language


def _folded(words: Iterable[str]) -> list[str]:
    return [word.casefold() for word in words]
