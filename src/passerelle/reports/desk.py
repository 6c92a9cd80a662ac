"""The desk where a month is asked for: it reads the ledger once, has the rest worked out off the loop, and gives a form.

Who may ask for whose month is decided where the question comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import orjson
import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.ask import Needs
from passerelle.domain.calendar import Month
from passerelle.domain.catalog import Catalog, Target, Tenant
from passerelle.domain.errors import BadRequest, CannotRun, NotFound, Unavailable
from passerelle.domain.ledger import EntryKind
from passerelle.gateway.edition import Edition, Editions
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.forecast import Forecast as Foreseen
from passerelle.ledger.forecast import forecast
from passerelle.ledger.quotes import Quote
from passerelle.reports import energy
from passerelle.reports.as_csv import to_csv
from passerelle.reports.as_json import to_json
from passerelle.reports.build import build
from passerelle.reports.check import recompute_in
from passerelle.reports.document import Forecast, Report
from passerelle.reports.elsewhere import Market, elsewhere
from passerelle.reports.focus import Operator, Version, focus_rows, to_focus_csv
from passerelle.reports.read import read_in
from passerelle.reports.redact import for_tenant
from passerelle.reports.residency import Went, went
from passerelle.reports.rows import Rows
from passerelle.routing.plan import Plan
from passerelle.stores.database import Database, Outage

Language = Literal["fr", "en"]
Form = Literal["json", "csv", "html", "xlsx", "focus"]

_TYPES: dict[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "focus": "text/csv; charset=utf-8",
}
_SUFFIX = {"focus": "focus.csv"}


@dataclass(frozen=True, slots=True)
class Page:
    """A report in one form."""

    content: bytes
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class _Asked:
    tenant: Tenant | None
    month: Month
    now: datetime
    zone: ZoneInfo
    edition: Edition

    @property
    def catalog(self) -> Catalog:
        return self.edition.catalog

    @property
    def current(self) -> bool:
        """Is it the month we are in?"""
        return self.month == Month.of(self.now, self.zone)


class Desk:
    """Reports of any tenant's month."""

    def __init__(
        self,
        database: Database,
        editions: Editions,
        *,
        exchanger: Callable[[], Exchanger],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._editions = editions
        self._exchanger = exchanger
        self._now = now
        self._footprint: energy.Model | None = None

    async def report(self, tenant: str | None, month: str | None) -> Report:
        """A tenant's month, or the operator's with None; the month we are in, if none is named.

        Raises NotFound for a tenant or month that is not known, BadRequest for one that cannot be, Unavailable.
        """
        asked = self._ask(tenant, month)
        async with self._snapshot() as connection:
            return await self._made(connection, asked)

    async def page(
        self,
        tenant: str | None,
        month: str | None,
        *,
        form: Form,
        language: Language,
        version: Version,
        to_tenant: bool = False,
    ) -> Page:
        """The same in a form. `version` is FOCUS's; `to_tenant`, it is the tenant itself that will see it.

        Raises what `report` raises.
        """
        asked = self._ask(tenant, month)
        name = f"costs-{tenant or 'operator'}-{asked.month}.{_SUFFIX.get(form, form)}"
        if form == "focus":
            async with self._snapshot() as connection:
                await _first_open(connection, asked)
            content = await self._focus(asked, version)
        else:
            async with self._snapshot() as connection:
                report = await self._made(connection, asked)
            if to_tenant:
                report = for_tenant(report, asked.tenant.terms if asked.tenant else None)
            content = await asyncio.to_thread(_written, report, form, language)
        return Page(content, _TYPES[form], name)

    async def verify(self, tenant: str | None, month: str | None) -> tuple[Report, list[str]]:
        """A report, and every figure of it that its entries do not give when they are summed again."""
        asked = self._ask(tenant, month)
        async with self._snapshot() as connection:
            report = await self._made(connection, asked)
            return report, await recompute_in(connection, report)

    async def residency(
        self, tenant: str | None, since: str | None, until: str | None
    ) -> tuple[Month, Month, tuple[Went, ...]]:
        """What of a tenant, or of all, was sent where, from one month to another; unnamed, each is the one we are in.

        Raises NotFound for a tenant that is not known, BadRequest for months that cannot be, Unavailable.
        """
        asked, first = self._ask(tenant, until), self._ask(tenant, since or until).month
        if first > asked.month:
            message = f"{first} comes after {asked.month}."
            raise BadRequest(message, code="invalid_value", param="since")
        async with self._snapshot() as connection:
            rows = await went(
                connection,
                tenant=tenant,
                months=(first, asked.month),
                zone=asked.zone,
                catalog=asked.catalog,
            )
        return first, asked.month, rows

    def _ask(self, tenant: str | None, month: str | None) -> _Asked:
        edition = self._editions.current
        catalog = edition.catalog
        if tenant is not None and tenant not in catalog.tenants:
            raise NotFound(f"There is no tenant {tenant[:100]!r}.", code="unknown_tenant", param="tenant")
        zone, now = ZoneInfo(catalog.time_zone), self._now()
        try:
            asked = Month.read(month) if month is not None else Month.of(now, zone)
        except ValueError as error:
            raise BadRequest(f"`month`: {error}.", code="invalid_value", param="month") from error
        if asked > Month.of(now, zone):
            raise BadRequest(f"{asked} has not begun.", code="invalid_value", param="month")
        return _Asked(catalog.tenants[tenant] if tenant else None, asked, now, zone, edition)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.begin() as connection:
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                yield connection
        except (psycopg.Error, DBAPIError, *Outage) as error:
            raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error

    async def _made(self, connection: AsyncConnection, asked: _Asked) -> Report:
        name = asked.tenant.name if asked.tenant else None
        open_from = await _first_open(connection, asked)
        rows = await read_in(connection, tenant=name, month=asked.month, zone=asked.zone)
        names = text("SELECT DISTINCT provider FROM ledger_reconciliations WHERE month = :month ORDER BY 1")
        reconciled = (await connection.execute(names, {"month": str(asked.month)})).scalars().all()
        keys = text("SELECT name, id FROM api_key WHERE tenant = :tenant AND name <> ''")
        key_ids = (
            {row.name: row.id for row in await connection.execute(keys, {"tenant": name})} if name else {}
        )
        closed = asked.month < open_from
        try:
            return await asyncio.to_thread(
                self._build, asked, rows, closed=closed, reconciled=list(reconciled), key_ids=key_ids
            )
        except CannotRun as error:
            raise BadRequest(f"{error.cause} {error.cure}", code="cannot_be_reported") from error

    def _build(
        self, asked: _Asked, rows: Rows, *, closed: bool, reconciled: list[str], key_ids: dict[str, str]
    ) -> Report:
        tenant, catalog = asked.tenant, asked.catalog
        begins, ends = asked.month.bounds(asked.zone)
        places, breaks = (
            elsewhere(
                rows, tenant=tenant, begins=begins, until=min(ends, asked.now), market=self._market(asked)
            )
            if tenant
            else ((), ())
        )
        return build(
            rows,
            tenant=tenant.name if tenant else None,
            operator=catalog.operator,
            currency=catalog.currency,
            month=asked.month,
            zone=asked.zone,
            now=asked.now,
            closed=closed,
            budget=tenant.budget if tenant else None,
            tax=tenant.tax if tenant else None,
            forecast=_forecast(rows, asked) if asked.current else None,
            elsewhere=places,
            break_even=breaks,
            energy=energy.energy(
                rows, tenant=tenant.name if tenant else None, catalog=catalog, model=self._model()
            ),
            reconciled=reconciled,
            tags=tenant.tags
            if tenant
            else sorted({tag for each in catalog.tenants.values() for tag in each.tags}),
            key_ids=key_ids,
        )

    def _market(self, asked: _Asked) -> Market:
        edition, exchanger, day = asked.edition, self._exchanger(), asked.now.date()

        def plan(tenant: Tenant, model: str, needs: Needs) -> Plan:
            return edition.plan(tenant, edition.catalog.models[model], needs)

        def quote(target: Target, provider: str | None) -> Quote:
            known, at = edition.about(target)
            return edition.pricing.quote(target, known=known, at=at, provider=provider)

        return Market(
            catalog=edition.catalog,
            plan=plan,
            quote=quote,
            rate=lambda currency: exchanger.rate(currency, edition.catalog.currency, day),
            known=edition.known,
        )

    def _model(self) -> energy.Model | None:
        if self._footprint is None:
            try:
                self._footprint = energy.ecologits()
            except CannotRun:
                return None  # the report says that nothing is known of energy
        return self._footprint

    async def _focus(self, asked: _Asked, version: Version) -> bytes:
        tenant, catalog = asked.tenant, asked.catalog
        every = sorted({tag for each in catalog.tenants.values() for tag in each.tags})
        rows = await focus_rows(
            self._database,
            tenant=tenant.name if tenant else None,
            month=asked.month,
            zone=asked.zone,
            operator=Operator(catalog.operator or "Operator", vendors=_vendors(catalog)),
            currency=catalog.currency,
            version=version,
            tags=tenant.tags if tenant else every,
        )
        return (await asyncio.to_thread(to_focus_csv, rows, version=version)).encode()


async def _first_open(connection: AsyncConnection, asked: _Asked) -> Month:
    """The first month that is not closed. Raises NotFound for one from before the ledger began."""
    query = "SELECT min(period), (SELECT first_open FROM ledger_calendar) FROM ledger_entries"
    first, open_from = (await connection.execute(text(query))).one()
    if asked.month < Month.read(first or str(Month.of(asked.now, asked.zone))):
        since = f"it begins in {first}" if first else "it is empty"
        raise NotFound(
            f"The ledger has nothing of {asked.month}: {since}.", code="unknown_month", param="month"
        )
    return Month.read(open_from)


def _vendors(catalog: Catalog) -> dict[str, str]:
    """Who is paid for a backend, where that is somebody else's name than its own."""
    return {
        name: "Hugging Face"
        for name, spec in catalog.backends.items()
        if spec.kind in ("hf-endpoint", "hf-providers")
    }


def _forecast(rows: Rows, asked: _Asked) -> Forecast:
    hourly: dict[datetime, int] = {}
    for each in rows.hours:
        if each.kind in (EntryKind.SETTLE, EntryKind.ALLOCATE):
            hourly[each.hour] = hourly.get(each.hour, 0) + each.billed
    begins, _ = asked.month.bounds(asked.zone)
    booked = sum(each.billed for each in rows.hours if each.hour >= begins) - sum(
        billed for hour, billed in hourly.items() if hour >= begins
    )
    seen: Foreseen = forecast(hourly, now=asked.now, month=asked.month, zone=asked.zone, committed=booked)
    return Forecast(seen.method, seen.p10, seen.p50, seen.p90, seen.days, seen.confident)


def _written(report: Report, form: Form, language: Language) -> bytes:
    if form == "json":
        return orjson.dumps(to_json(report), option=orjson.OPT_INDENT_2)
    if form == "csv":
        return to_csv(report).encode()
    # What lays out pages and workbooks is of some weight, and a process may never be asked for one.
    if form == "xlsx":
        from passerelle.reports.as_xlsx import to_xlsx  # noqa: PLC0415

        return to_xlsx(report, language)
    from passerelle.reports.as_html import to_html  # noqa: PLC0415

    return to_html(report, language=language).encode()
