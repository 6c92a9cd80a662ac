"""The service's own parts, opened on a scratch folder: configuration, PostgreSQL, spool, drain, allocation, reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg

from passerelle.backends.registry import kinds
from passerelle.domain.caller import Role
from passerelle.domain.catalog import BackendSpec, Catalog
from passerelle.domain.errors import ConfigurationRefused
from passerelle.domain.facts import State
from passerelle.gateway.edition import Editions
from passerelle.gateway.hours import payee_of
from passerelle.gateway.pricing import Pricing
from passerelle.ledger.allocation import GRACE, Allocation
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.ledger.closing import set_time_zone
from passerelle.ledger.drain import Drain
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.reference_rates import known_rates
from passerelle.ledger.spool import Spool
from passerelle.reports.desk import Desk
from passerelle.reports.office import Keeping, Office
from passerelle.routing.load import load
from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.stores.folder import DataFolder
from passerelle.tenancy.store import KeyStore
from tools.demo_costs.traffic import PARIS, Fact, Traffic, awake, hours_between
from tools.demo_costs.world import CONFIGURATION, ENVIRONMENT, KEYS, surveys


class Uncalled:
    """A backend of which nothing is ever asked."""

    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{self.spec.name} was asked for {name}")

    async def aclose(self) -> None:
        """Nothing was opened."""


@dataclass
class Demo:
    """The open parts, and what was told of every try."""

    folder: Path
    database: Database
    editions: Editions
    exchanger: Exchanger
    traffic: Traffic
    drain: Drain
    log: CapacityLog
    facts: list[Fact] = field(default_factory=list)
    hours: list[datetime] = field(default_factory=list)

    @property
    def desk(self) -> Desk:
        """Where reports are asked for."""
        return Desk(self.database, self.editions, exchanger=lambda: self.exchanger)

    @property
    def office(self) -> Office:
        """Where the ledger is verified."""

        async def pending(_: datetime | None) -> None:
            await self.drain.drain_once()

        async def nothing(*_: object) -> None:
            """Nobody counts budgets here."""

        keeping = Keeping(pending, nothing, nothing, lambda: self.exchanger)
        return Office(self.database, self.editions, self.desk, keeping=keeping, data=self.folder)

    async def book_tries(self, begins: datetime, ends: datetime, requests: int, *, seed: str) -> None:
        """Have so many requests made, spooled and drained."""
        made = await asyncio.to_thread(lambda: list(self.traffic.between(begins, ends, requests, seed=seed)))
        self.facts += made
        await self.drain.drain_once()

    async def book_hours(self, begins: datetime, ends: datetime) -> int:
        """Have all hours shared out that are over; the moments of the endpoint's waking are known. How many were booked."""
        self.hours = hours_between(begins, ends)
        before: bool | None = None
        await self._record("gpu", begins, State.READY)
        for hour in self.hours:
            if awake(hour) is not before:
                before = awake(hour)
                await self._record("endpoint", hour, State.READY if before else State.ASLEEP)
        catalog = self.editions.catalog

        def markup(tenant: str) -> Decimal:
            found = catalog.tenants[tenant].terms
            return found.markup if found else Decimal(0)

        job = Allocation(
            self.database, rates=self.exchanger, currency=catalog.currency, markup=markup, lag=timedelta(0)
        )
        return len(await job.allocate(ends + GRACE))

    async def _record(self, backend: str, at: datetime, state: State) -> None:
        edition = self.editions.current
        spec = edition.catalog.backends[backend]
        target = next(
            each
            for model in edition.catalog.models.values()
            for each in model.targets
            if each.backend == backend
        )
        quote = edition.pricing.quote(target, known=None, at=None)
        await self.log.record(
            backend,
            at=at,
            state=state,
            quote=quote,
            payee=payee_of(spec),
            sharing=spec.sharing,
            replicas=1,
            rented=backend == "gpu",
        )


def catalog_of(folder: Path, text: str = CONFIGURATION) -> Catalog:
    """The configuration, written into the folder and read by the service's loader."""
    file = folder / "providers.yaml"
    file.write_text(text, encoding="utf-8")
    options = {name: kind.options for name, kind in kinds(folder / "models").items()}
    loaded = load(text, kinds=options, environment=ENVIRONMENT, source=str(file))
    if loaded.catalog is None:
        raise ConfigurationRefused(loaded.errors)
    return loaded.catalog


@asynccontextmanager
async def opened(folder: Path, *, address: str | None = None) -> AsyncIterator[Demo]:
    """Everything on an empty folder, closed when the block ends; with `address`, on a database that is there already."""
    data = DataFolder(folder)
    data.open()
    catalog = catalog_of(folder)
    exchanger = Exchanger(known_rates(folder))

    def pricing(of: Catalog) -> Pricing:
        return Pricing(of, PriceBook(currency=of.currency, version=of.version), exchanger)

    async with AsyncExitStack() as stack:
        if address is None:
            embedded = EmbeddedPostgres(folder)
            address = await asyncio.to_thread(embedded.start)
            stack.push_async_callback(asyncio.to_thread, embedded.close)
            await asyncio.to_thread(_hasten, address)
        database = Database(address)
        stack.push_async_callback(database.aclose)
        await database.migrate()
        await set_time_zone(database, PARIS)
        editions = Editions(catalog, Uncalled, pricing)  # type: ignore[arg-type]
        stack.push_async_callback(editions.aclose)
        for name, survey in surveys(catalog).items():
            editions.current.learn(name, survey, editions.current.models_of(name))
        store = KeyStore(database, data.secret("pepper"))
        keys = {tenant: await _keys(store, tenant, names) for tenant, names in KEYS.items()}
        spools = folder / "spool"
        spool = Spool(spools)
        stack.callback(spool.close)
        drain = Drain(database, spools, own=spool)
        traffic = Traffic(editions.current, spool, keys)
        yield Demo(folder, database, editions, exchanger, traffic, drain, CapacityLog(database))


def _hasten(address: str) -> None:
    """What is written for a demonstration need not survive a loss of power."""
    plain = address.replace("postgresql+psycopg:", "postgresql:", 1)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")


async def _keys(store: KeyStore, tenant: str, names: Sequence[str]) -> list[str]:
    return [(await store.create(tenant=tenant, role=Role.MEMBER, name=name)).info.id for name in names]


def last_whole_hour(now: datetime) -> datetime:
    """Hours before this are over for long enough to be shared out."""
    return (now.astimezone(UTC) - GRACE).replace(minute=0, second=0, microsecond=0)
