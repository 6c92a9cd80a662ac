"""The spool's lines: an event as bytes and back, and whatever was altered on the way is noticed.

A line is the CRC-32 of the rest in eight hexadecimal digits, a space, the event's mark, a space, its fields as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from zlib import crc32

import orjson

from passerelle.domain.ledger import Began, Certainty, Ended, Exchange, Line, Unit, UsageSource

HEADER = b"passerelle-spool 1\n"
FORMAT = b"passerelle-spool "  # what the header of any version begins with

Event = Began | Ended

_SOURCES = {each.value: each for each in UsageSource}
_UNITS = {each.value: each for each in Unit}
_CERTAINTIES = {each.value: each for each in Certainty}
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # Unix milliseconds of the years 1 to 9999
_MOST = 10**38  # numbers in the tables have 38 digits
_MOST_SMALL = 2**31
_RATE = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?").fullmatch

# The form of nearly every line, which needs no more looking at: no escapes, numbers of a machine's size, short names.
# Quantifiers give nothing back, so that no line takes longer than its length.
_TEXT = rb'"[^"\\]*+"'
_MAYBE = rb'(?:null|"[^"\\]*+")'
_NUMBER = rb"-?[0-9]{1,18}+"
_MAYBE_SMALL = rb"(?:null|[0-9]{1,9}+)"
_MOMENT = rb"[0-9]{1,13}+"  # up to the year 2286
_DOCUMENT = rb"(?:null|\{(?:[^{}\\]++|\{[^{}\\]*+\})*+\})"
_ID = rb'"([^"\\]{1,250}+)"'
_ACCOUNT = rb'"(?!operator:margin)[^"\\]*+"'  # the third side of a line; as one of two it needs care


def _choice(kind: type[StrEnum]) -> bytes:
    return b'"(?:%b)"' % b"|".join(each.value.encode() for each in kind)


def _object(*members: tuple[str, bytes], more: bytes = b"") -> bytes:
    said = b",".join(b'"%b":%b' % (name.encode(), form) for name, form in members)
    return rb"\{%b%b\}" % (said, more)


_BEGINNING = _object(
    ("attempt_id", _ID),
    *((name, _TEXT) for name in ("request_id", "tenant", "key_id", "route", "model")),
    ("sequence", rb"[0-9]{1,9}+"),
    ("backend", _TEXT),
    ("target", _TEXT),
    ("country", _MAYBE),
    ("at", _MOMENT),
    ("catalog", _TEXT),
    ("tags", _DOCUMENT),
    ("use", _TEXT),
    ("held", rb"(?:null|%b)" % _NUMBER),
    ("held_currency", _MAYBE),
    # Which earlier versions did not write.
    more=rb'(?:,"subject":"[^"\\]{0,250}+")?+(?:,"evidence":%b)?+' % _DOCUMENT,
)
_LINE = _object(
    ("meter", _TEXT),
    ("quantity", _NUMBER),
    ("unit", _choice(Unit)),
    ("currency", _TEXT),
    ("amount", _NUMBER),
    ("certainty", _choice(Certainty)),
    ("price_id", _MAYBE),
    *((name, _NUMBER) for name in ("cost", "billed", "saved")),
)
_EXCHANGE = _object(
    ("currency", _TEXT),
    ("rate", rb'"[0-9]{1,20}+(?:\.[0-9]{1,30}+)?+"'),
    ("on", rb'(?:null|"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")'),
)
_END = _object(
    ("attempt_id", _ID),
    ("at", _MOMENT),
    ("outcome", _TEXT),
    ("fault", _MAYBE),
    ("served", rb"(?:true|false)"),
    ("provider", _MAYBE),
    ("upstream_id", _MAYBE),
    ("usage", _DOCUMENT),
    ("usage_source", _choice(UsageSource)),
    ("payer", _ACCOUNT),
    ("lines", rb"\[(?:%b(?:,%b)*+)?+\]" % (_LINE, _LINE)),
    ("payee", rb"(?:null|%b)" % _ACCOUNT),
    ("exchange", rb"(?:null|%b)" % _EXCHANGE),
    ("first_ms", _MAYBE_SMALL),
    ("revision", _MAYBE),
)
_IS_BEGINNING = re.compile(b"b " + _BEGINNING).fullmatch
_IS_END = re.compile(b"e " + _END).fullmatch


# Does a line begin a try, which one, and may its JSON go to PostgreSQL as it stands? A bare tuple: there are many.
Sight = tuple[bool, bytes, bool]


def encode(event: Event) -> bytes:
    """An event as one line, its end included."""
    try:
        body = (b"b " if type(event) is Began else b"e ") + orjson.dumps(event, default=_plain)
    except TypeError:
        # A number beyond 64 bits or a lone surrogate. The mark says who can read it back.
        text = json.dumps(event, default=_plain)
        body = (b"B " if type(event) is Began else b"E ") + text.encode("ascii")
    return b"%08x %b\n" % (crc32(body), body)


def look(line: bytes) -> Sight | None:
    """Whose line it is, without reading it where its form is the usual one; None where `decode` gives None.

    A plain line may still be one that PostgreSQL refuses and `decode` too: JSON in it is matched, not read.
    """
    body = line[9:]
    if line[:9] != b"%08x " % crc32(body):
        return None
    if found := _IS_BEGINNING(body):
        return True, found[1], True
    if found := _IS_END(body):
        return False, found[1], True
    event = decode(line)
    if event is None:
        return None
    name = event.attempt_id.encode("utf-8", "surrogatepass")
    return isinstance(event, Began), name, False


def content(line: bytes) -> bytes:
    """The JSON of a line."""
    return line[11:]


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
            event.use,
            event.subject,
        ),
        (event.country, event.held_currency),
    )
    _check_number(event.sequence, -_MOST_SMALL, _MOST_SMALL - 1)
    _check_number(event.at, _FIRST, _LAST)
    if event.held is not None:
        _check_number(event.held, 1 - _MOST, _MOST - 1)
    _check_object(event.tags)
    _check_object(event.evidence)
    return event


def _ended(said: dict[str, Any]) -> Ended:
    said["usage_source"] = _SOURCES[said["usage_source"]]
    said["lines"] = tuple([_line(line) for line in said["lines"]])
    if said.get("exchange") is not None:
        said["exchange"] = _exchange(said["exchange"])
    event = Ended(**said)
    _check_texts(
        (event.attempt_id, event.outcome, event.payer),
        (event.fault, event.provider, event.upstream_id, event.payee, event.revision),
    )
    _check_number(event.at, _FIRST, _LAST)
    if event.first_ms is not None:
        _check_number(event.first_ms, -_MOST_SMALL, _MOST_SMALL - 1)
    if type(event.served) is not bool:
        raise TypeError("true or false is wanted")
    _check_object(event.usage)
    return event


def _line(said: dict[str, Any]) -> Line:
    said["unit"] = _UNITS[said["unit"]]
    said["certainty"] = _CERTAINTIES[said["certainty"]]
    line = Line(**said)
    _check_texts((line.meter, line.currency), (line.price_id,))
    for number in (line.quantity, line.amount, line.cost, line.billed, line.saved):
        _check_number(number, 1 - _MOST, _MOST - 1)
    _check_number(line.cost - line.billed, 1 - _MOST, _MOST - 1)
    return line


def _exchange(said: dict[str, Any]) -> Exchange:
    exchange = Exchange(**said)
    _check_texts((exchange.currency, exchange.rate), (exchange.on,))
    if not _RATE(exchange.rate):
        raise ValueError("a rate is a decimal")
    if exchange.on is not None:
        date.fromisoformat(exchange.on)
    return exchange


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
