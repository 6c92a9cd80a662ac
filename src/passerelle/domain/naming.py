"""Which of the names that a store has are a person's: a store that was given names is asked by pseudonyms all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from passerelle.domain.privacy import Subject

Naming = Callable[[str, str], str]  # a tenant and a name that it uses: that person's pseudonym


def names_of(subject: Subject, found: Iterable[str | None], of: Naming) -> list[str]:
    """Those of `found` that mean the subject: its pseudonym, or a name of which that is the pseudonym."""
    mine = subject.pseudonym
    return sorted({name for name in found if name and (name == mine or of(subject.tenant, name) == mine)})
