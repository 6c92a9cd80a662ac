"""What is paid by the hour, from when on: a row whenever it changes, and one an hour that says it has not.

A state goes on until the next row, also while nobody looks: a machine that was on when this service stopped is taken
to be on until it starts again. What is learned by asking is known to within the time between two questions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import structlog
from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.billing import Idle, Sharing
from passerelle.domain.errors import Unavailable
from passerelle.domain.facts import State
from passerelle.domain.money import NO_CURRENCY
from passerelle.ledger.capacity import UNPRICED, Stretch
from passerelle.ledger.quotes import Quote
from passerelle.ledger.tables import CAPACITY
from passerelle.stores.database import Database, Outage, within

RENTED = "rented"  # paid whatever it does
GONE = "gone"  # it has left the configuration

_PAID = frozenset(
    {State.READY, State.WAKING}
)  # Hugging Face's invoices begin while a replica is being started
_NOT_PAID = frozenset({State.ASLEEP, State.PAUSED})
_HEARTBEAT = timedelta(hours=1)
_SECONDS = 10.0
_LONGEST_QUEUE = 10_000
_LAST = text("""
SELECT DISTINCT ON (backend) backend, state FROM ledger_capacity ORDER BY backend, at DESC
""")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One observation. `replicas` and `quote` None = as they last were."""

    backend: str
    at: datetime
    state: str
    paid: bool | None  # None = as it last was
    replicas: int | None
    quote: Quote | None
    payee: str
    sharing: Sharing


class CapacityLog:
    """Writes states down. What the database could not take is kept, in order, for the next time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Seen] = deque(maxlen=_LONGEST_QUEUE)

    @property
    def waiting(self) -> int:
        """Observations that are not written yet; hours are shared out once there are none."""
        return len(self._waiting)

    async def record(
        self,
        backend: str,
        *,
        at: datetime,
        state: State,
        quote: Quote,
        payee: str,
        sharing: Sharing,
        replicas: int | None = None,
        rented: bool = False,
    ) -> None:
        """What a backend said of itself at a moment. `payee` is the account of whoever is paid.

        `rented` is a machine that is paid whatever it does; any other is paid while it is ready or being started, and
        not while it sleeps or is paused. Where it could not be asked, and where `replicas` or the price is not known,
        it is taken to be as it last was. A price that was never known is no price, and is booked so.

        Raises Unavailable while the database cannot take it; it is then written by the next call.
        """
        paid = True if rented or state in _PAID else False if state in _NOT_PAID else None
        name = RENTED if rented else state.value
        await self._write(_Seen(backend, at, name, paid, replicas, quote, payee, sharing))

    async def gone(self, backend: str, at: datetime) -> None:
        """It has left the configuration: from here on its hours are nobody's. Raises Unavailable like `record`."""
        await self._write(
            _Seen(backend, at, GONE, paid=False, replicas=0, quote=None, payee="", sharing=Sharing())
        )

    async def names(self) -> frozenset[str]:
        """The backends that are being counted; those among them that are not configured any more are `gone`.

        Raises Unavailable while the database does not answer.
        """
        try:
            rows = await within(_SECONDS, self._last())
        except (psycopg.Error, DBAPIError, *Outage) as error:
            raise _away() from error
        return frozenset(row.backend for row in rows if row.state != GONE)

    async def _last(self) -> Sequence[Row[Any]]:
        async with self._database.begin() as connection:
            return (await connection.execute(_LAST)).all()

    async def _write(self, seen: _Seen) -> None:
        if len(self._waiting) == _LONGEST_QUEUE:
            _log.error("capacity_forgotten", backend=self._waiting[0].backend)
        self._waiting.append(seen)
        try:
            while self._waiting:
                first = self._waiting[0]
                await within(_SECONDS, self._put(first))
                if self._waiting and self._waiting[0] is first:  # another task may have written it too
                    self._waiting.popleft()
        except (psycopg.Error, DBAPIError, *Outage) as error:
            raise _away() from error

    async def _put(self, seen: _Seen) -> None:
        async with self._database.begin() as connection:
            before = await _before(connection, seen.backend, seen.at)
            row = _row(seen, before)
            if row is None:
                return
            same = before is not None and all(
                getattr(before, name) == row[name] for name in row if name != "at"
            )
            if same and before is not None and seen.at - before.at < _HEARTBEAT:
                return
            await connection.execute(upsert(CAPACITY).values(row).on_conflict_do_nothing())


def stretch(row: Row[Any]) -> Stretch:
    """A row of the table as a value."""
    return Stretch(
        at=milliseconds(row.at),
        replicas=row.replicas,
        per_hour=int(row.per_hour_pico),
        currency=row.currency,
        price_id=row.price_id,
        payee=row.payee,
        sure=row.state == RENTED,
        sharing=_read(row.sharing),
    )


def milliseconds(moment: datetime) -> int:
    """Unix milliseconds of an aware moment, exactly."""
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(milliseconds=1)


async def _before(connection: AsyncConnection, backend: str, at: datetime) -> Row[Any] | None:
    """What held at a moment. A clock that was put back writes before rows that are there already."""
    query = select(CAPACITY).where(CAPACITY.c.backend == backend, CAPACITY.c.at <= at)
    return (await connection.execute(query.order_by(CAPACITY.c.at.desc()).limit(1))).first()


def _row(seen: _Seen, before: Row[Any] | None) -> dict[str, Any] | None:
    """The row of an observation; None for one that says nothing of anything that was ever paid."""
    if before is None and (seen.paid is None or seen.state == GONE):
        return None
    price = _price(seen, before)
    last = before.replicas if before is not None else 0
    if seen.paid is None:
        replicas = last
    elif seen.paid:
        # One that is being started is paid before it counts as ready.
        replicas = max(seen.replicas if seen.replicas is not None else last, 1)
    else:
        replicas = 0
    return {
        "backend": seen.backend,
        "at": seen.at,
        "state": seen.state,
        "replicas": replicas,
        **price,
        "payee": before.payee if before is not None and seen.state == GONE else seen.payee,
        "sharing": before.sharing if before is not None and seen.state == GONE else _written(seen.sharing),
    }


def _price(seen: _Seen, before: Row[Any] | None) -> dict[str, Any]:
    capacity = seen.quote.capacity if seen.quote else None
    if capacity is not None:
        return {
            "per_hour_pico": capacity.per_hour,
            "currency": capacity.currency,
            "price_id": capacity.price_id,
        }
    if before is not None:
        return {
            "per_hour_pico": before.per_hour_pico,
            "currency": before.currency,
            "price_id": before.price_id,
        }
    currency = seen.quote.currency if seen.quote else NO_CURRENCY
    return {"per_hour_pico": 0, "currency": currency, "price_id": UNPRICED}


def _written(sharing: Sharing) -> dict[str, Any]:
    """As a document; weights as text, so that they stay exact."""
    return {
        "weights": {name: str(weight) for name, weight in sorted(sharing.weights.items())},
        "idle": sharing.idle.value,
        "shares": dict(sorted(sharing.shares.items())),
    }


def _read(document: Mapping[str, Any]) -> Sharing:
    return Sharing(
        weights={name: Decimal(weight) for name, weight in document["weights"].items()},
        idle=Idle(document["idle"]),
        shares=dict(document["shares"]),
    )


def _away() -> Unavailable:
    return Unavailable("The ledger's database cannot be written.", code="ledger_unavailable")
