"""`Vault`: which placeholder of one request stands for what. The same value has the same placeholder throughout.

A placeholder is `[EMAIL_1]`: words that models copy as they are. A request that says such a thing itself gets
placeholders of another form, `[EMAIL_A1]`, so that none can be taken for what somebody wrote. Placeholders are numbered
in the order in which they are met, and the form depends on the request alone: equal requests stay equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from string import ascii_uppercase

import orjson

from passerelle.domain.errors import BadRequest
from passerelle.domain.privacy import Datum

LABELS: Mapping[str, str] = {
    Datum.EMAIL: "EMAIL",
    Datum.PHONE: "PHONE",
    Datum.IBAN: "IBAN",
    Datum.CARD: "CARD",
    Datum.NIR: "NIR",
    Datum.SIREN: "SIREN",
    Datum.NATIONAL_ID: "ID",
    Datum.SSN: "SSN",
    Datum.IP: "IP",
    Datum.ADDRESS: "ADDRESS",
    Datum.BIRTH: "BIRTH",
    Datum.NAME: "NAME",
}
LONGEST = 48  # characters: more than any way to write a placeholder has
# What models make of the underscore: an escape of Markdown, a space, a hyphen.
_SIMILAR = re.compile(
    rf"\[ {{0,2}}(?:{'|'.join(LABELS.values())})(?:\\{{0,4}}_| |-)([A-Z]{{0,2}})[0-9]", re.IGNORECASE
)
FORMS: tuple[str, ...] = (
    "",
    *ascii_uppercase,
    *(one + other for one in ascii_uppercase for other in ascii_uppercase),
)


def form_of(body: Mapping[str, object]) -> str:
    """The letters before the numbers of a request's placeholders: the first that nothing it says looks like."""
    said = orjson.dumps(body).decode()
    used: set[str] = {match[1].upper() for match in _SIMILAR.finditer(said)}
    for form in FORMS:
        if form not in used:
            return form
    raise BadRequest(
        "The request holds text like every placeholder that could stand for its personal data; leave such text out.",
        code="unredactable",
    )


class Vault:
    """What the placeholders of one request stand for. `counts` is how often each kind was replaced."""

    def __init__(self, form: Callable[[], str]) -> None:
        """`form` is asked for once there is something to keep."""
        self._ask_form = form
        self._form: str | None = None
        self._known: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, int] = {}
        self._values: dict[str, str] = {}
        self.counts: dict[str, int] = {}

    @property
    def form(self) -> str:
        """See `form_of`."""
        if self._form is None:
            self._form = self._ask_form()
        return self._form

    @property
    def values(self) -> Mapping[str, str]:
        """What stands for what, by the placeholder's inside: `EMAIL_1`."""
        return self._values

    @property
    def labels(self) -> frozenset[str]:
        """The words of the placeholders that there are."""
        return frozenset([LABELS[kind] for kind in self._numbers])

    @property
    def total(self) -> int:
        """How much was replaced."""
        return sum(self.counts.values())

    def word(self, kind: str, value: str) -> str:
        """The inside of the placeholder for a value; it alone stands in fields that take no brackets."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        word = self._known.get((kind, value))
        if word is None:
            number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
            word = self._known[kind, value] = f"{LABELS[kind]}_{self.form}{number}"
            self._values[word] = value
        return word

    def placeholder(self, kind: str, value: str) -> str:
        """What stands for a value."""
        return f"[{self.word(kind, value)}]"

    def restart(self) -> None:
        """Number from 1 again, for a text that has nothing to do with those before; they cannot be put back any more."""
        self._known.clear()
        self._numbers.clear()
        self._values.clear()
