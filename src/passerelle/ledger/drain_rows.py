"""A settled try as rows of the tables: one for itself, and two for each of its lines, or three with a margin. Pure.

This is the careful way, for whatever is unusual: half a try, text that PostgreSQL has no place for, numbers beyond
64 bits. `drain_sql` makes the same rows of all others in the database itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import orjson

from passerelle.domain.ledger import Began, Certainty, Ended, Exchange, Line, Unit, UsageSource
from passerelle.domain.money import NO_CURRENCY
from passerelle.ledger.exchange import Rate

ATTEMPT_COLUMNS = (
    "attempt_id", "request_id", "tenant", "key_id", "route", "model", "sequence", "backend", "target", "country",
    "began_at", "ended_at", "catalog", "tags", "outcome", "fault", "served", "provider", "upstream_id", "usage",
    "usage_source", "payer", "use", "held_pico", "held_currency", "first_ms", "revision",
    "evidence",
)  # fmt: skip
ENTRY_COLUMNS = (
    "attempt_id", "line", "at", "tenant", "account", "kind", "meter", "quantity", "unit", "price_id", "currency",
    "amount_pico", "certainty", "fx_rate", "fx_date", "billed_currency", "billed_pico", "saved_pico", "backend",
)  # fmt: skip

SIGHTING_COLUMNS = ("attempt_id", "tenant", "subject", "day", "backend", "provider", "country")

CACHED = "cached"  # the outcome of a try that no engine heard of
UNSEEN = frozenset({"connect", "timeout_connect"})  # faults before which nothing was sent
UNKNOWN = "unknown"  # the outcome of a try whose process died before it wrote the end
LOST = "operator:lost"  # pays for tries of which nobody knows the end
MARGIN = "operator:margin"  # has what is billed beyond the cost

Row = tuple[object, ...]


_SPECIAL = re.compile(r"[\\\n\r\t]").search
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_LONGEST_NAME = 250  # characters; an index of PostgreSQL takes 2,704 bytes a row
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Side(NamedTuple):
    """What one account owes for a line; above nought where it is to pay."""

    account: str
    amount: int
    billed: int
    saved: int | None = None


def rows(began: Began | None, ended: Ended | None, *, lost: Exchange | None = None) -> tuple[Row, list[Row]]:
    """The row of a try and those of its entries. One of both events may be missing, never both.

    `lost` is the rate at which the cost of a try without an end becomes the operator's currency, where it is known.
    """
    if ended is None:
        if began is None:
            raise ValueError("nothing is known of the try")
        ended = _unknown(began, lost)
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
        _name(began.backend),
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
        _clean(began.use),
        began.held,
        _optional(began.held_currency),
        ended.first_ms,
        _optional(ended.revision),
        _document(began.evidence),
    )
    entries = [
        _entry((name, number, at, tenant), side, line, began=began, exchange=ended.exchange)
        for number, line in enumerate(ended.lines, 1)
        for side in _sides(began, ended, line)
    ]
    return attempt, entries


def sighting(began: Began | None, ended: Ended | None) -> Row | None:
    """Who has seen what a person sent with a try; None where nobody has, or nobody knows whose it was."""
    if began is None or not began.subject:
        return None
    if ended is not None and (ended.outcome == CACHED or ended.fault in UNSEEN):
        return None
    provider = (ended.provider if ended is not None else None) or began.backend or UNKNOWN
    return (
        _name(began.attempt_id),
        _name(began.tenant),
        _name(began.subject),
        _moment(began.at).date(),
        _name(began.backend),
        _name(provider),
        _name(began.country or ""),
    )


def copied(lines: Iterable[Row]) -> bytes:
    """Rows in the text form of PostgreSQL's COPY."""
    return "".join(["\t".join([_field(value) for value in line]) + "\n" for line in lines]).encode()


def _field(value: object) -> str:
    if type(value) is str:
        return value.translate(_ESCAPES) if _SPECIAL(value) else value
    if value is None:
        return "\\N"
    return value.isoformat() if isinstance(value, date) else str(value)


def _sides(began: Began, ended: Ended, line: Line) -> list[_Side]:
    payer, payee = _accounts(began, ended)
    sides = [
        _Side(payer, line.amount, line.billed, line.saved or None),
        _Side(payee, -line.amount, -line.cost),
    ]
    if ended.exchange is not None and line.billed != line.cost:
        margin = MARGIN
        while margin in (payer, payee):
            margin = f"{margin}:contra"
        sides.append(_Side(margin, 0, line.cost - line.billed))
    return sides


def _entry(head: Row, side: _Side, line: Line, *, began: Began, exchange: Exchange | None) -> Row:
    return (
        *head,
        side.account,
        "settle",
        _clean(line.meter),
        line.quantity,
        line.unit.value,
        _optional(line.price_id),
        _clean(line.currency),
        side.amount,
        line.certainty.value,
        exchange and exchange.rate,
        exchange and exchange.on,
        exchange and _clean(exchange.currency),
        exchange and side.billed,
        side.saved,
        _name(began.backend) or None,
    )


def _accounts(began: Began, ended: Ended) -> tuple[str, str]:
    payer = _name(ended.payer)
    payee = _name(ended.payee or f"provider:{ended.provider or began.backend or UNKNOWN}:payable")
    # An account that pays itself still shows both sides.
    return payer, payee if payee != payer else f"{payee}:contra"


def _unknown(began: Began, exchange: Exchange | None) -> Ended:
    """The end of a try that has none: the most it can have cost, owed by the operator until an invoice says less."""
    line = Line("request", 1, Unit.REQUESTS, NO_CURRENCY, 0, Certainty.UNPRICED)
    if began.held is not None and began.held_currency is not None:
        cost = Rate(exchange.rate).of(began.held) if exchange else 0
        line = Line(
            "request",
            1,
            Unit.REQUESTS,
            began.held_currency,
            began.held,
            Certainty.ESTIMATED,
            cost=cost,
            billed=cost,
        )
    else:
        exchange = None
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
        payer=LOST,
        lines=(line,),
        exchange=exchange,
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
