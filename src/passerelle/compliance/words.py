"""How a language says what the documents are made of: days, lengths of time, countries, and words for our own ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from babel import Locale

from passerelle.compliance import words_en, words_fr
from passerelle.domain.privacy import Retention

# What a gap begins with, in any language: a fact that nobody has written yet.
MARKS: Final = ("[À compléter", "[To complete")
LANGUAGES: Final[Mapping[str, Mapping[str, Any]]] = {"fr": words_fr.WORDS, "en": words_en.WORDS}
_DAY: Final = 86_400
_PROTECTED: Final = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|<[^>\n]*>|\]\([^)\n]*\)", re.DOTALL)
_APOSTROPHE: Final = re.compile(r"(?<=\w)'")
_BEFORE: Final = re.compile(r" +([;:?!»])(?!-)")
_UNIT: Final = re.compile(
    r"(?<=\d) (?=(?:jours?|heures?|minutes?|mois|ans?|%|€)\b)|(?<=\bart\.) (?=\d)|(?<=§) (?=\d)"
)


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str

    @property
    def known(self) -> Mapping[str, Any]:
        """Its table."""
        return LANGUAGES[self.language]

    def word(self, group: str, id: Any) -> str:  # noqa: A002 - ours, of the table
        """The words for one of our ids; the id itself where there are none."""
        return str(self.known[group].get(id, id))

    def country(self, code: str | None) -> str:
        """A country by its name."""
        if not code:
            return str(self.known["unknown"])
        return str(Locale(self.language).territories.get(code, code))

    def day(self, on: date | None) -> str:
        """A day in words: `22 novembre 2026`, `1er décembre 2026`, `22 November 2026`."""
        if on is None:
            return str(self.known["unknown"])
        first = "1er" if self.language == "fr" and on.day == 1 else str(on.day)
        return f"{first} {str(self.known['months']).split()[on.month - 1]} {on.year}"

    def count(self, number: int, unit: str) -> str:
        """`1 jour`, `30 jours`. French counts nought like one."""
        one, many = self.known["units"][unit]
        single = number == 1 or (number == 0 and self.language == "fr")
        return f"{number} {one if single else many}"

    def span(self, seconds: float | None) -> str:
        """A length of time, in the largest unit that leaves no rest."""
        if seconds is None:
            return str(self.known["until_deleted"])
        whole = round(seconds)
        if whole % _DAY == 0:
            return self.count(whole // _DAY, "day")
        if whole % 3600 == 0:
            return self.count(whole // 3600, "hour")
        one, many = self.known["minutes"]
        minutes = max(1, round(whole / 60))
        return f"{minutes} {one if minutes == 1 else many}"

    def days(self, number: int | None) -> str:
        """A retention in days; of nought, that nothing is kept."""
        if number == 0:
            return str(self.known["nothing"])
        return str(self.known["unknown"]) if number is None else self.count(number, "day")

    def label(self, kept: Retention) -> str:
        """A class of data; one store may hold several."""
        return str(self.known["classes"].get(kept.what) or self.word("stores", kept.store))

    def kept(self, kept: Retention) -> str:
        """For how long."""
        if kept.seconds is None:
            return str(self.known["kept"].get(kept.store) or self.span(None))
        return self.span(kept.seconds)

    def ends(self, kept: Retention) -> str:
        """What puts an end to it: a periodic job by its name, or what happens in its store."""
        if kept.seconds is None or not kept.purge:
            return str(self.known["ends"].get(kept.store, self.known["deleted"]))
        return str(self.known["purges"].get(kept.purge, f"`{kept.purge}`"))

    def truth(self, value: object) -> str:
        """Yes, no, or not documented."""
        return str(
            self.known["unknown"] if value is None else self.known["yes"] if value else self.known["no"]
        )

    def called(self, name: str, *, unnamed: bool) -> str:
        """A party's name; of one that somebody else chooses, how it is come by."""
        return f"{self.known['unnamed']} ({name})" if unnamed else name

    def gap(self, what: str) -> str:
        """The mark of a fact that nobody has written yet."""
        return f"[{self.known['gap']}{' :' if self.language == 'fr' else ':'} {what}]"

    def typeset(self, text: str) -> str:
        """Apostrophes as printers set them and, in French, spaces that do not break; code and addresses stay."""
        parts, last = [], 0
        for found in _PROTECTED.finditer(text):
            parts += [self._set(text[last : found.start()]), found[0]]
            last = found.end()
        return "".join([*parts, self._set(text[last:])])

    def _set(self, prose: str) -> str:
        prose = _APOSTROPHE.sub("\u2019", prose)
        if self.language != "fr":
            return prose
        prose = _BEFORE.sub("\u00a0\\1", prose).replace("« ", "«\u00a0")
        return _UNIT.sub("\u00a0", prose)
