"""The money side of a process: opened in order, and closed so that nothing that was written down is lost."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import structlog

from passerelle.domain.billing import Webhook
from passerelle.domain.calendar import Month
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.domain.ledger import Exchange
from passerelle.domain.prices import Listed
from passerelle.gateway.books import Books
from passerelle.gateway.edition import Editions
from passerelle.gateway.gathered import Gathered
from passerelle.gateway.hours import Hours
from passerelle.gateway.pricing import Pricing
from passerelle.http.services import Money
from passerelle.ledger.alerts import Alerts
from passerelle.ledger.allocation import GRACE, Allocated, Allocation
from passerelle.ledger.allocation_lines import reference
from passerelle.ledger.budgets import Budgets
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.ledger.closing import set_time_zone
from passerelle.ledger.drain import Drain
from passerelle.ledger.exchange import Exchanger, Rate, load_rates
from passerelle.ledger.hourly import charged_by
from passerelle.ledger.outbox import Outbox, undelivered
from passerelle.ledger.price_tables import PriceTable, packaged
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.spent import Spent, spent
from passerelle.ledger.spool import Spool
from passerelle.reports.alerting import Alerting
from passerelle.reports.desk import Desk
from passerelle.reports.office import Keeping, Office
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder
from passerelle.stores.leader import Leader
from passerelle.telemetry.metrics import Metrics
from passerelle.wire.webhooks import Sender

if TYPE_CHECKING:
    from passerelle.ledger.shared_holds import SharedHolds  # which needs the library of Redis

_log = structlog.get_logger(__name__)

_SWEEP_SECONDS = 5.0
_NOTHING = Decimal(-100)  # percent of what it costs
_FIRST_PRICES = 2.0  # seconds that a start waits for them
_PRICE_SECONDS, _PRICE_LOOKS = 10.0, 360  # a new configuration is looked at soon, the same one every hour


@dataclass(slots=True)
class Accounting:
    """The open parts. `exchanger` and `tables` are replaced by newer ones; editions made from then on have them."""

    folder: DataFolder
    database: Database
    spool: Spool
    drain: Drain
    budgets: Budgets
    gathered: Gathered
    books: Books
    metrics: Metrics
    exchanger: Exchanger
    tables: list[PriceTable] = field(default_factory=list)

    def pricing(self, catalog: Catalog) -> Pricing:
        """The prices of an edition."""
        book = PriceBook(currency=catalog.currency, version=catalog.version, tables=self.tables)
        return Pricing(catalog, book, self.exchanger)

    async def load_tables(self, catalog: Catalog) -> bool:
        """Read the lists of prices that came with packages, if one is needed and was not read yet.

        Off the loop, because their libraries are slow to import. False when nothing was read.
        """
        if self.tables or not _wants_lists(catalog):
            return False
        self.tables[:] = await asyncio.to_thread(packaged)
        return True

    def rate(self, source: str, target: str, day: date) -> Rate | None:
        """What one of `source` was in `target` on a day, by the newest rates that are known."""
        return self.exchanger.rate(source, target, day)

    async def load_rates(self) -> None:
        """Read the rates of exchange again. Raises CannotRun for an operator's copy that cannot be believed."""
        self.exchanger = await asyncio.to_thread(load_rates, self.folder.path)

    async def restore(self, catalog: Catalog, key_names: Mapping[str, str]) -> None:
        """Begin from what the ledger says was spent this month. `key_names` is by id, of every key there was."""
        zone = ZoneInfo(catalog.time_zone)
        await set_time_zone(self.database, zone)
        month = Month.of(datetime.now(UTC), zone)
        self.budgets.calendar(zone)
        self.budgets.restore(await spent(self.database, month, currency=catalog.currency), key_names)

    async def sweep(self) -> None:
        """Free money that was set aside for calls which never ended, for ever, and tell how the spool stands."""
        while True:
            for hold in self.budgets.sweep():
                self.metrics.money.holds_expired.inc()
                _log.error("hold_expired", key_id=hold.account.key_id)
            self.metrics.money.spool_bytes.set(self.spool.waiting)
            await asyncio.sleep(_SWEEP_SECONDS)

    async def keep_budgets(self, currency: str) -> None:
        """Have budgets hear of other processes, for ever."""

        async def read(month: Month, ended_before: datetime | None) -> Spent:
            return await spent(self.database, month, currency=currency, ended_before=ended_before)

        while True:
            try:
                await self.budgets.refresh(read, now=int(self.books.now() * 1000))
            except Unavailable as error:
                _log.warning("budgets_not_refreshed", reason=str(error))
            await asyncio.sleep(_SWEEP_SECONDS)


@dataclass(slots=True)
class Running:
    """What goes on beside the calls once there are editions."""

    accounting: Accounting
    editions: Editions
    allocation: Allocation

    async def learn_prices(self, look: Callable[..., Awaitable[object]]) -> None:
        """Ask for prices that only a list knows, for a moment: else the first calls would have none."""
        catalog = self.editions.catalog
        asked = {
            name for name, spec in catalog.backends.items() if spec.cost is Listed.AUTO and spec.off is None
        }
        if not asked:
            return
        try:
            async with asyncio.timeout(_FIRST_PRICES):
                await asyncio.gather(self.accounting.load_tables(catalog), look(names=asked))
        except (TimeoutError, CannotRun):
            _log.warning("prices_come_later", backends=sorted(asked))
        self.editions.current.pricing.forget()

    async def keep_prices(self) -> None:
        """Have lists read when a configuration wants them, and prices looked up again as they come into force."""
        while True:
            catalog = self.editions.catalog
            try:
                await self.accounting.load_tables(catalog)
            except CannotRun as error:
                _log.error("price_lists_not_read", reason=error.cause, cure=error.cure)
            self.editions.current.pricing.forget()
            for _ in range(_PRICE_LOOKS):
                await asyncio.sleep(_PRICE_SECONDS)
                if self.editions.catalog is not catalog:
                    break

    async def count_hours(self, done: Sequence[Allocated]) -> None:
        """Have budgets know of hours that were shared out. Raises Unavailable."""
        await self.count([reference(each.backend, each.hour) for each in done])

    async def count(self, references: Sequence[str]) -> None:
        """Add to budgets what was booked under these names. Raises Unavailable."""
        if not references:
            return
        for tenant, month, billed in await charged_by(self.accounting.database, references):
            self.accounting.budgets.posted(tenant, billed, month=month)

    async def pending(self, until: datetime | None) -> str | None:
        """Write down what has ended; what is left of it, and of the hours before a moment, as a sentence."""
        self.accounting.gathered.flush(everything=True)
        try:
            await self.accounting.drain.drain_once()
            due = await self.allocation.due(until + GRACE) if until else {}
        except (Unavailable, OSError) as error:
            return f"Tries are still to be written down: {error}"
        if not due:
            return None
        backend, hour = min(due.items(), key=lambda each: each[1])
        return f"Hours of {backend} since {hour:%Y-%m-%d %H:%M} UTC are still to be shared out: ask again in some minutes."

    async def reload_rates(self) -> None:
        """Have the rates that were installed in force, for what ends from now on."""
        await self.accounting.load_rates()
        self.editions.publish(self.editions.catalog)

    def money(self) -> Money:
        """What the routes ask of it."""
        accounting = self.accounting
        database, editions = accounting.database, self.editions
        desk = Desk(database, editions, exchanger=lambda: accounting.exchanger)
        keeping = Keeping(self.pending, self.count, self.reload_rates, lambda: accounting.exchanger)
        office = Office(database, editions, desk, keeping=keeping, data=accounting.folder.path)
        return Money(accounting.budgets, desk, office, functools.partial(undelivered, database))


def _markup(editions: Editions, tenant: str) -> Decimal:
    """Percent that a tenant is charged above cost for hours; none of it where all its models have own prices."""
    found = editions.catalog.tenants.get(tenant)
    if found is None or found.terms is None:
        return Decimal(0)
    return _NOTHING if set(found.models) <= set(found.terms.prices) else found.terms.markup


async def run_accounting(stack: AsyncExitStack, accounting: Accounting, editions: Editions) -> Running:
    """Begin what goes on beside the calls, until the stack is closed."""
    database, metrics = accounting.database, accounting.metrics

    def webhooks() -> Sequence[Webhook]:
        return editions.catalog.webhooks

    def told(_: str, outcome: str) -> None:
        metrics.money.webhooks.labels(outcome).inc()

    sender = Sender()
    stack.push_async_callback(sender.aclose)
    log = CapacityLog(database)
    allocation = Allocation(
        database,
        rates=accounting,
        currency=editions.catalog.currency,
        ready=lambda: accounting.drain.current and not log.waiting,
        markup=functools.partial(_markup, editions),
    )
    running = Running(accounting, editions, allocation)
    outbox = Outbox(database, sender, webhooks=webhooks, told=told)
    alerting = Alerting(database, editions, accounting.budgets, Alerts(database, webhooks=webhooks))
    await in_background(stack, running.keep_prices())
    # Of all processes on this database, one does these.
    leader = Leader(database)
    leader.during(Hours(editions, log).run)
    leader.during(functools.partial(allocation.run, booked=running.count_hours))
    leader.during(alerting.run)
    leader.during(outbox.run)
    await in_background(stack, leader.run())
    return running


async def open_accounting(
    stack: AsyncExitStack,
    *,
    folder: DataFolder,
    database: Database,
    catalog: Catalog,
    metrics: Metrics,
    key_names: Mapping[str, str],
    sync_seconds: float,
    holds: SharedHolds | None = None,
) -> Accounting:
    """Open the books on a database whose schema is up to date. Raises CannotRun and Unavailable.

    With `holds`, budgets are those of all processes that share them; their Redis is open for longer than the books.

    What dead processes have left is written first, so that budgets know of it. On the way out the order is: no more
    tries, everything settled and drained, then the database.
    """
    spools = folder.path / "spool"
    spool = await asyncio.to_thread(Spool, spools, sync_seconds=sync_seconds)
    gathered = Gathered(spool)
    exchanger = await asyncio.to_thread(load_rates, folder.path)
    accounting: Accounting | None = None

    def lost(currency: str) -> Exchange | None:
        """What tries that died were worth; by the rates of today."""
        rates = accounting.exchanger if accounting else exchanger
        rate = rates.rate(currency, catalog.currency, datetime.now(UTC).date())
        return rate.into(catalog.currency) if rate else None

    drain = Drain(database, spools, own=spool, rate=lost)

    async def close() -> None:
        gathered.close()
        await asyncio.to_thread(spool.close)
        try:
            await drain.drain_once()
        except (Unavailable, OSError) as error:
            _log.warning("spool_left", reason=str(error)[:200], cure="The next start drains it.")

    stack.push_async_callback(close)
    if holds is not None:
        stack.push_async_callback(holds.aclose)
    budgets = Budgets(ZoneInfo(catalog.time_zone), store=holds)
    accounting = Accounting(
        folder=folder, database=database, spool=spool, drain=drain, budgets=budgets, gathered=gathered,
        books=Books(gathered, budgets), metrics=metrics, exchanger=exchanger,
    )  # fmt: skip
    await _catch_up(accounting, catalog, key_names)
    for work in (drain.run(), gathered.run(), accounting.sweep()):
        await in_background(stack, work)
    if holds is not None:
        await in_background(stack, accounting.keep_budgets(catalog.currency))
    return accounting


async def _catch_up(accounting: Accounting, catalog: Catalog, key_names: Mapping[str, str]) -> None:
    """Write down what dead processes have left, and have budgets begin from there. Raises CannotRun."""
    try:
        await accounting.drain.drain_once()
        await accounting.restore(catalog, key_names)
    except Unavailable as error:
        raise CannotRun(
            "The ledger cannot be read: the database does not answer.", "Check that PostgreSQL runs."
        ) from error


def _wants_lists(catalog: Catalog) -> bool:
    """Does a price come from a list? An endpoint's comes from Hugging Face alone."""
    stated = [
        (target.cost or catalog.backends[target.backend].cost, catalog.backends[target.backend].kind)
        for model in catalog.models.values()
        for target in model.targets
        if catalog.backends[target.backend].off is None
    ]
    return any(cost is Listed.AUTO and kind != "hf-endpoint" for cost, kind in stated)


async def in_background(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run something until the stack is closed."""
    task = asyncio.ensure_future(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
