"""What stands of a piece once people have decided: their own form, what they accepted, else the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from passerelle.domain.content import FIELDS, Choice, Decision, Value, Worked

Only = Literal["accepted", "all"]
EVERY: tuple[str, ...] = tuple(dict.fromkeys(name for names in FIELDS.values() for name in names))


def source_of(worked: Worked, field: str) -> Value | None:
    """What a field was before: the text; None for fields that a source has not."""
    return worked.piece.text if field == "text" else None


def written_of(worked: Worked, field: str) -> Value | None:
    """What was written of a field; None where nothing was."""
    return worked.written.values.get(field) if worked.written else None


def stands(worked: Worked, field: str) -> Value | None:
    """What a field is by what was decided. Undecided and rejected: the source, and nothing where there is none."""
    choice = worked.choices.get(field)
    if choice is None or choice.decision is Decision.REJECTED:
        return source_of(worked, field)
    return written_of(worked, field) if choice.value is None else choice.value


def fields_of(worked: Worked, fields: Sequence[str] = EVERY) -> list[str]:
    """The fields that were written or decided on, in their order."""
    values: Mapping[str, Value] = worked.written.values if worked.written else {}
    return [name for name in fields if name in values or name in worked.choices]


def choice_of(worked: Worked, field: str) -> Choice | None:
    """What was decided about a field."""
    return worked.choices.get(field)
