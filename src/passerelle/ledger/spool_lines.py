"""The spool's lines: an event as bytes and back, and whatever was altered on the way is noticed.

A line is the CRC-32 of the rest in eight hexadecimal digits, a space, the event's mark, a space, its fields as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any
from zlib import crc32

import orjson

from passerelle.domain.ledger import Began, Certainty, Ended, Line, Unit, UsageSource

HEADER = b"passerelle-spool 1\n"
FORMAT = b"passerelle-spool "  # what the header of any version begins with

Event = Began | Ended

_SOURCES = {each.value: each for each in UsageSource}
_UNITS = {each.value: each for each in Unit}
_CERTAINTIES = {each.value: each for each in Certainty}
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # Unix milliseconds of the years 1 to 9999
_MOST = 10**38  # numbers in the tables have 38 digits
_MOST_SEQUENCE = 2**31


def encode(event: Event) -> bytes:
    """An event as one line, its end included."""
    try:
        body = (b"b " if type(event) is Began else b"e ") + orjson.dumps(event, default=_plain)
    except TypeError:
        # A number beyond 64 bits or a lone surrogate. The mark says who can read it back.
        text = json.dumps(event, default=_plain)
        body = (b"B " if type(event) is Began else b"E ") + text.encode("ascii")
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Event | None:
    """The event of a line without its end; None for one that is damaged, or that nobody can have meant."""
    body = line[9:]
    if line[:9] != b"%08x " % crc32(body):
        return None
    mark, content = body[:2], body[2:]
    try:
        said: dict[str, Any] = orjson.loads(content) if mark in (b"b ", b"e ") else json.loads(content)
        if mark in (b"b ", b"B "):
            return _began(said)
        return _ended(said) if mark in (b"e ", b"E ") else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _plain(value: object) -> dict[str, Any]:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in the spool")


def _began(said: dict[str, Any]) -> Began:
    event = Began(**said)
    _check_texts(
        (
            event.attempt_id,
            event.request_id,
            event.tenant,
            event.key_id,
            event.route,
            event.model,
            event.backend,
            event.target,
            event.catalog,
        ),
        (event.country,),
    )
    _check_number(event.sequence, -_MOST_SEQUENCE, _MOST_SEQUENCE - 1)
    _check_number(event.at, _FIRST, _LAST)
    _check_object(event.tags)
    return event


def _ended(said: dict[str, Any]) -> Ended:
    said["usage_source"] = _SOURCES[said["usage_source"]]
    said["lines"] = tuple([_line(line) for line in said["lines"]])
    event = Ended(**said)
    _check_texts(
        (event.attempt_id, event.outcome, event.payer),
        (event.fault, event.provider, event.upstream_id, event.payee),
    )
    _check_number(event.at, _FIRST, _LAST)
    if type(event.served) is not bool:
        raise TypeError("true or false is wanted")
    _check_object(event.usage)
    return event


def _line(said: dict[str, Any]) -> Line:
    said["unit"] = _UNITS[said["unit"]]
    said["certainty"] = _CERTAINTIES[said["certainty"]]
    line = Line(**said)
    _check_texts((line.meter, line.currency), (line.price_id,))
    _check_number(line.quantity, 1 - _MOST, _MOST - 1)
    _check_number(line.amount, 1 - _MOST, _MOST - 1)
    return line


def _check_texts(needed: tuple[object, ...], other: tuple[object, ...]) -> None:
    for value in needed:
        if type(value) is not str:
            raise TypeError("text is wanted")
    for value in other:
        if value is not None and type(value) is not str:
            raise TypeError("text or nothing is wanted")


def _check_number(value: object, least: int, most: int) -> None:
    if type(value) is not int:
        raise TypeError("a whole number is wanted")
    if not least <= value <= most:
        raise ValueError("the number is out of bounds")


def _check_object(value: object) -> None:
    if value is not None and type(value) is not dict:
        raise TypeError("an object is wanted")
