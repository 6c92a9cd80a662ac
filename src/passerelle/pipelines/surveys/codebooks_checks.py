"""What a codebook may be, before it is kept: everything that is wrong with one is told with what would be right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from passerelle.domain.errors import BadRequest
from passerelle.domain.surveys import Category, Codebook

MOST_CATEGORIES = 200
MOST_EXAMPLES = 50  # of one category
LONGEST_WORD = 64  # characters of a name or an id
LONGEST_TITLE = 200
LONGEST_TEXT = 2_000  # of a definition, of what belongs to it and what does not, of an example
LONGEST = 400_000  # of a codebook in all
LONGEST_NOTE = 2_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(r"\w(?:[\w .&+/#:'()-]{0,62}[\w)])?")
_LANGUAGE = re.compile(r"[a-z]{2}")


def checked(
    name: str,
    language: str,
    categories: Sequence[Category],
    *,
    merged: Mapping[str, str],
    before: Codebook | None,
) -> tuple[tuple[Category, ...], dict[str, str]]:
    """The categories without spaces around them, and what was merged. Raises BadRequest `codebook_wrong`."""
    named(name)
    if not _LANGUAGE.fullmatch(language):
        raise wrong("A codebook's language is two small letters, such as `fr` or `en`.", "language")
    if not 1 <= len(categories) <= MOST_CATEGORIES:
        raise wrong(f"A codebook has 1 to {MOST_CATEGORIES} categories; this one has {len(categories)}.")
    kept = tuple(_category(category, place) for place, category in enumerate(categories))
    _once([one.id for one in kept], "id")
    _once([one.name.casefold() for one in kept], "name")
    if sum(map(_length, kept)) > LONGEST:
        raise wrong(f"A codebook has at most {LONGEST:,} characters in all. Shorten its texts.")
    return kept, _merged(merged, {one.id for one in kept}, before)


def named(name: str) -> None:
    """Raises BadRequest `codebook_wrong` when no codebook can be called so."""
    if not _NAME.fullmatch(name):
        message = "A codebook's name has 1 to 64 letters of ASCII, digits, `.`, `_` and `-`, a letter or digit first."
        raise wrong(message, "name")


def noted(note: str) -> str:
    """The note without spaces around it. Raises BadRequest `codebook_wrong`."""
    return _said(note, "note", "note", LONGEST_NOTE)


def wrong(message: str, param: str = "categories") -> BadRequest:
    """Cause and cure, to be raised."""
    return BadRequest(message, code="codebook_wrong", param=param)


def _category(category: Category, place: int) -> Category:
    at = f"categories[{place}]"
    identity = unicodedata.normalize("NFC", category.id)
    if not _ID.fullmatch(identity):
        message = (
            f"The id of category {place + 1} is none: it has 1 to {LONGEST_WORD} letters, digits, spaces inside and "
            "signs of `_ . & + / # : ' ( ) -`, a letter or digit first."
        )
        raise wrong(message, f"{at}.id")
    name = _said(category.name, "name", f"{at}.name", LONGEST_TITLE)
    if not name:
        raise wrong(f"Category {identity} has no name. Give it one that people understand.", f"{at}.name")
    if len(category.examples) > MOST_EXAMPLES:
        raise wrong(
            f"Category {identity} has {len(category.examples)} examples; {MOST_EXAMPLES} are kept at most.",
            f"{at}.examples",
        )
    examples = (_said(one, "example", f"{at}.examples", LONGEST_TEXT) for one in category.examples)
    return Category(
        identity,
        name,
        _said(category.definition, "definition", f"{at}.definition", LONGEST_TEXT),
        _said(category.include, "`include`", f"{at}.include", LONGEST_TEXT),
        _said(category.exclude, "`exclude`", f"{at}.exclude", LONGEST_TEXT),
        tuple(dict.fromkeys(one for one in examples if one)),
    )


def _said(text: str, what: str, param: str, most: int) -> str:
    text = text.strip()
    if len(text) > most:
        raise wrong(f"A {what} has at most {most:,} characters; this one has {len(text):,}.", param)
    if "\0" in text or text.encode("utf-8", "ignore").decode() != text:
        raise wrong(f"A {what} holds a character that is none. Remove it.", param)
    return text


def _once(found: Sequence[str], what: str) -> None:
    twice = sorted({one for one in found if found.count(one) > 1})
    if twice:
        raise wrong(f"Two categories have the same {what}: {', '.join(twice[:5])}. Each has its own.")


def _length(category: Category) -> int:
    return sum(
        map(
            len,
            (category.name, category.definition, category.include, category.exclude, *category.examples),
        )
    )


def _merged(merged: Mapping[str, str], ids: Collection[str], before: Codebook | None) -> dict[str, str]:
    known = frozenset(before.ids) if before is not None else frozenset()
    for old, new in merged.items():
        if old not in known:
            raise wrong(f"`merged` speaks of {old[:80]!r}, which the version before does not have.", "merged")
        if old in ids:
            message = (
                f"{old!r} is merged into another category and is one itself. Leave it out of one of both."
            )
            raise wrong(message, "merged")
        if new not in ids:
            raise wrong(
                f"`merged` puts {new[:80]!r} in the place of {old!r}, which is no category here.", "merged"
            )
    return dict(merged)
