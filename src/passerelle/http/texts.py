"""Texts in bodies: what a database can keep."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

_SIGNS = frozenset("/\\?#")


def _whole(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL")
    return text


# Half a letter (a surrogate without the other) is refused by pydantic itself.
Text = Annotated[str, AfterValidator(_whole)]
Name = Annotated[str, AfterValidator(_whole), Field(min_length=1, max_length=200)]


def _addressable(name: str) -> str:
    if name != name.strip() or not name.isprintable() or name.startswith(".") or not _SIGNS.isdisjoint(name):
        raise ValueError("must be printable, without slashes, and begin with neither a dot nor a space")
    return name


# That can stand in a path, and after the prefix of a model's name.
PathName = Annotated[str, AfterValidator(_addressable), Field(min_length=1, max_length=128)]
