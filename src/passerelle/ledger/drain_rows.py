"""A settled try as rows of the tables: one for itself, two for each of its lines. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import orjson

from passerelle.domain.ledger import Began, Certainty, Ended, Line, Unit, UsageSource

ATTEMPT_COLUMNS = (
    "attempt_id", "request_id", "tenant", "key_id", "route", "model", "sequence", "backend", "target", "country",
    "began_at", "ended_at", "catalog", "tags", "outcome", "fault", "served", "provider", "upstream_id", "usage",
    "usage_source", "payer",
)  # fmt: skip
ENTRY_COLUMNS = (
    "attempt_id", "line", "at", "tenant", "account", "kind", "meter", "quantity", "unit", "price_id", "currency",
    "amount_pico", "certainty",
)  # fmt: skip

UNKNOWN = "unknown"  # the outcome of a try whose process died before it wrote the end
NO_CURRENCY = "XXX"  # ISO 4217's

Row = tuple[object, ...]

_SPECIAL = re.compile(r"[\\\n\r\t]").search
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_LONGEST_NAME = 250  # characters; an index of PostgreSQL takes 2,704 bytes a row
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows(began: Began | None, ended: Ended | None) -> tuple[Row, list[Row]]:
    """The row of a try and those of its entries. One of both events may be missing, never both."""
    if ended is None:
        if began is None:
            raise ValueError("nothing is known of the try")
        ended = _unknown(began)
    if began is None:
        began = _nameless(ended)
    at = _moment(ended.at)
    name, tenant = _name(ended.attempt_id), _name(began.tenant)
    attempt = (
        name,
        _name(began.request_id),
        tenant,
        _clean(began.key_id),
        _clean(began.route),
        _clean(began.model),
        began.sequence,
        _clean(began.backend),
        _clean(began.target),
        _optional(began.country),
        _moment(began.at),
        at,
        _clean(began.catalog),
        _document(began.tags),
        _clean(ended.outcome),
        _optional(ended.fault),
        ended.served,
        _optional(ended.provider),
        None if ended.upstream_id is None else _name(ended.upstream_id),
        _document(ended.usage),
        ended.usage_source.value,
        _name(ended.payer),
    )
    payer, payee = _accounts(began, ended)
    entries: list[Row] = []
    for number, line in enumerate(ended.lines, 1):
        for account, amount in ((payer, line.amount), (payee, -line.amount)):
            entries.append(_entry((name, number, at, tenant), account, line, amount))
    return attempt, entries


def copied(lines: Iterable[Row]) -> bytes:
    """Rows in the text form of PostgreSQL's COPY."""
    return "".join(["\t".join([_field(value) for value in line]) + "\n" for line in lines]).encode()


def _field(value: object) -> str:
    if type(value) is str:
        return value.translate(_ESCAPES) if _SPECIAL(value) else value
    if value is None:
        return "\\N"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _entry(head: Row, account: str, line: Line, amount: int) -> Row:
    return (
        *head,
        account,
        "settle",
        _clean(line.meter),
        line.quantity,
        line.unit.value,
        _optional(line.price_id),
        _clean(line.currency),
        amount,
        line.certainty.value,
    )


def _accounts(began: Began, ended: Ended) -> tuple[str, str]:
    payer = _name(ended.payer)
    payee = _name(ended.payee or f"provider:{ended.provider or began.backend or UNKNOWN}:payable")
    # An account that pays itself still shows both sides.
    return payer, payee if payee != payer else f"{payee}:contra"


def _unknown(began: Began) -> Ended:
    """The end of a try that has none. What it cost is nought until somebody knows better, and says so."""
    line = Line("request", 0, Unit.REQUESTS, NO_CURRENCY, 0, Certainty.ESTIMATED)
    return Ended(
        attempt_id=began.attempt_id,
        at=began.at,
        outcome=UNKNOWN,
        fault=None,
        served=False,
        provider=None,
        upstream_id=None,
        usage=None,
        usage_source=UsageSource.NONE,
        payer=f"tenant:{began.tenant}",
        lines=(line,),
    )


def _nameless(ended: Ended) -> Began:
    """The beginning of a try whose first line was damaged: its cost is known, and who pays."""
    kind, _, name = ended.payer.partition(":")
    return Began(
        attempt_id=ended.attempt_id,
        request_id="",
        tenant=name if kind == "tenant" else "",
        key_id="",
        route="",
        model="",
        sequence=0,
        backend="",
        target="",
        country=None,
        at=ended.at,
        catalog="",
    )


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _clean(text: str) -> str:
    """The text as PostgreSQL can hold it: no NUL, no half of a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _name(text: str) -> str:
    """A text that an index holds: whatever an engine calls itself, its row fits."""
    return _clean(text[:_LONGEST_NAME])


def _optional(text: str | None) -> str | None:
    return None if text is None else _clean(text)


def _document(value: Mapping[str, object] | None) -> str | None:
    if value is None:
        return None
    try:
        told = orjson.dumps(value)
    except TypeError:  # a number beyond 64 bits, half of a surrogate pair
        told = b""
    if told and b"\\u0000" not in told:
        return told.decode()
    try:
        return json.dumps(_cleaned(value), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        return None


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {_clean(str(name)): _cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, float) and not -1e308 <= value <= 1e308:
        return None  # JSON has no infinity, and no number that is none
    return value
