"""All words of the reports that people read, by key, in French and English; no other file of a report has any."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from passerelle.reports.formats import Formats, Language
from passerelle.reports.texts_content_en import CONTENT_ENGLISH
from passerelle.reports.texts_content_fr import CONTENT_FRENCH
from passerelle.reports.texts_en import ENGLISH
from passerelle.reports.texts_fr import FRENCH
from passerelle.reports.texts_surveys_en import SURVEYS_ENGLISH
from passerelle.reports.texts_surveys_fr import SURVEYS_FRENCH

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "fr": {**FRENCH, **SURVEYS_FRENCH, **CONTENT_FRENCH},
    "en": {**ENGLISH, **SURVEYS_ENGLISH, **CONTENT_ENGLISH},
}

# Lexique des règles typographiques en usage à l'Imprimerie nationale: narrow no-break spaces inside quotes and before
# high punctuation. Written with plain spaces in the texts, for whoever edits them.
_BEFORE = re.compile(r" (?=[:;!?»%])")
_AFTER = re.compile(r"(?<=«) ")


def typeset(text: str, language: Language) -> str:
    """A text with the spaces of its language."""
    return _AFTER.sub("\u202f", _BEFORE.sub("\u202f", text)) if language == "fr" else text


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of one language."""

    language: Language

    def __call__(self, key: str, /, **values: str) -> str:
        """The text of a key with its values put in. Raises KeyError for an unknown key or a value that is missing."""
        return typeset(TEXTS[self.language][key], self.language).format(**values)

    def __contains__(self, key: str) -> bool:
        return key in TEXTS[self.language]

    def count(self, key: str, count: int, formats: Formats, **values: str) -> str:
        """So many of something: `1 request`, `12 345 requêtes`."""
        form = "one" if formats.one(count) else "other"
        return self(f"{key}.{form}", count=formats.number(count), **values)

    def named(self, group: str, name: str) -> str | None:
        """What a word of the ledger is called, where its group has a name for it."""
        key = f"{group}.{name or 'none'}"
        return self(key) if key in self else None
