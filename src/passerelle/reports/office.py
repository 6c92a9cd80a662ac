"""What an operator does with the ledger: checks it, compares it with invoices, corrects it, closes its months."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy.exc import DBAPIError

from passerelle.domain.billing import Sharing
from passerelle.domain.calendar import Month
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import BadRequest, CannotRun, NotFound, Unavailable
from passerelle.domain.ledger import Certainty, EntryKind, Exchange, Unit
from passerelle.domain.money import PICO, pico
from passerelle.gateway.edition import Editions
from passerelle.ledger import book
from passerelle.ledger.calibration import Calibration, calibrate, samples
from passerelle.ledger.closing import Closed, check_closed, close
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.posting import Posting, post
from passerelle.ledger.reconcile import Invoicer, Reconciliation, reconcile
from passerelle.ledger.reconcile_files import read_invoice
from passerelle.ledger.reference_rates import install_rates
from passerelle.reports.desk import Desk
from passerelle.stores.database import Database, Outage
from passerelle.wire.ecb import fetch_rates
from passerelle.wire.hub_billing import usage

HUGGING_FACE = "huggingface"
_UTC = ZoneInfo("UTC")  # of the months in Hugging Face's invoices
_SAMPLED = timedelta(days=30)
_MOST_GIVEN = 1_000_000_000 * PICO  # at once


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the running books can be asked for.

    `pending` drains what is written down and says what is left of it, and of hours before a moment, or None; `count` has budgets know of bookings
    by their names; `reload_rates` takes installed rates up.
    """

    pending: Callable[[datetime | None], Awaitable[str | None]]
    count: Callable[[Sequence[str]], Awaitable[None]]
    reload_rates: Callable[[], Awaitable[None]]
    exchanger: Callable[[], Exchanger]


class Office:
    """Acts on the ledger of one database. Every method raises Unavailable while it does not answer."""

    def __init__(
        self, database: Database, editions: Editions, desk: Desk, *, keeping: Keeping, data: Path
    ) -> None:
        self._database = database
        self._editions = editions
        self._desk = desk
        self._keeping = keeping
        self._data = data

    async def verify(self, month: str | None) -> tuple[list[str], int]:
        """Everything that does not add up, and how many reports were summed again.

        The rules of every entry, the digests of closed months, and each figure of each tenant's month.
        """
        await self._keeping.pending(None)
        found = [*await book.verify(self._database), *await check_closed(self._database)]
        tenants: list[str | None] = [*self._editions.catalog.tenants, None]
        for tenant in tenants:
            _, wrong = await self._desk.verify(tenant, month)
            found += [f"{tenant or 'The operator'}: {each}" for each in wrong]
        return found, len(tenants)

    async def close(self, month: str, *, force: bool) -> Closed:
        """Close a month. Raises CannotRun for one that cannot be closed, with the reason."""
        zone = ZoneInfo(self._editions.catalog.time_zone)
        asked = read_month(month)
        waits = await self._keeping.pending(asked.bounds(zone)[1])
        return await close(
            self._database,
            asked,
            now=datetime.now(UTC),
            zone=zone,
            pending=lambda: waits,
            force=force,
        )

    async def reconcile(
        self,
        provider: str,
        month: str,
        *,
        content: bytes | None,
        source: str,
        currency: str | None,
        organization: str | None,
        booking: bool,
    ) -> Reconciliation:
        """Compare a month with an invoice, a file's content or Hugging Face's own figures, and book what differs."""
        asked, catalog = read_month(month), self._editions.catalog
        await self._keeping.pending(None)
        asked_for = content is None
        if content is None:
            content = await self._ask_hugging_face(provider, asked, catalog, organization)
            source, currency = "Hugging Face's usage", currency or "USD"
        invoice = await asyncio.to_thread(
            read_invoice, content, month=asked, source=source, currency=currency, asked=asked_for
        )
        zone = _UTC if provider == HUGGING_FACE else ZoneInfo(catalog.time_zone)
        done = await reconcile(
            self._database,
            invoice,
            invoicer(provider, catalog),
            zone=zone,
            exchange=self._exchange(invoice.currency, catalog.currency, asked.next.first - timedelta(days=1)),
            book=booking,
        )
        await self._keeping.count([done.reference])
        return done

    async def credit(self, tenant: str, amount: Decimal, reason: str) -> str:
        """Give money back to a tenant, in the operator's currency; the booking's name. It is the operator's loss."""
        catalog = self._editions.catalog
        if tenant not in catalog.tenants:
            raise NotFound(f"There is no tenant {tenant[:100]!r}.", code="unknown_tenant", param="tenant")
        try:
            given = pico(amount)
        except (ValueError, ArithmeticError) as error:  # an exponent may be past all arithmetic
            said = error if isinstance(error, ValueError) else "is no amount of money"
            raise BadRequest(f"`amount`: {said}.", code="invalid_value", param="amount") from error
        if not 0 < given <= _MOST_GIVEN:
            raise BadRequest(
                f"`amount` must be above nought, and at most {_MOST_GIVEN // PICO}.",
                code="invalid_value",
                param="amount",
            )
        name = f"credit:{secrets.token_hex(8)}"
        sides = ((f"tenant:{tenant}", -given), ("operator:credit", given))
        postings = [
            Posting(
                reference=name,
                line=1,
                at=datetime.now(UTC),
                tenant=tenant,
                account=account,
                kind=EntryKind.CREDIT,
                meter="credit",
                quantity=1,
                unit=Unit.REQUESTS,
                currency=catalog.currency,
                amount=0,
                certainty=Certainty.EXACT,
                billed_currency=catalog.currency,
                billed=billed,
                reason=reason[:200],
            )
            for account, billed in sides
        ]
        try:
            async with self._database.begin() as connection:
                await post(connection, postings)
        except (psycopg.Error, DBAPIError, *Outage) as error:
            raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error
        await self._keeping.count([name])
        return name

    async def rates(self, content: bytes | None) -> date:
        """Install rates of exchange from a file's content, or from the European Central Bank; their newest day."""
        raw = content if content is not None else await fetch_rates()
        newest = await asyncio.to_thread(install_rates, self._data, raw)
        await self._keeping.reload_rates()
        return newest

    async def calibrate(self, backend: str) -> tuple[Calibration, Sharing]:
        """The weights that a backend's last month of tries shows, beside those that are in force."""
        spec = self._editions.catalog.backends.get(backend)
        if spec is None:
            raise NotFound(f"There is no backend {backend[:100]!r}.", code="unknown_backend", param="backend")
        found = await samples(self._database, backend, datetime.now(UTC) - _SAMPLED)
        return await asyncio.to_thread(calibrate, found), spec.sharing

    def _exchange(self, source: str, target: str, day: date) -> Exchange | None:
        rate = self._keeping.exchanger().rate(source, target, day)
        return rate.into(target) if rate else None

    async def _ask_hugging_face(
        self, provider: str, month: Month, catalog: Catalog, organization: str | None
    ) -> bytes:
        if provider != HUGGING_FACE:
            raise CannotRun(
                f"{provider} cannot be asked what it charges.", "Download its invoice and give it as a file."
            )
        specs = [catalog.backends[name] for name in invoicer(provider, catalog).backends]
        token = next((spec.secrets["token"] for spec in specs if "token" in spec.secrets), None)
        name = organization or next((spec.payer for spec in specs if spec.payer), None)
        if token is None or name is None:
            raise CannotRun(
                "No backend of Hugging Face has a token and an organisation that pays.",
                "Name the organisation, or download its usage and give it as a file.",
            )
        begins, ends = month.bounds(_UTC)
        return await usage(token, name, begins=begins, ends=ends)


def invoicer(provider: str, catalog: Catalog) -> Invoicer:
    """Who sends a provider's invoice: Hugging Face for its endpoints and all behind its router, others for themselves."""
    if provider != HUGGING_FACE:
        return Invoicer(provider, providers=frozenset({provider}))
    backends = frozenset(
        name
        for name, spec in catalog.backends.items()
        if spec.kind == "hf-endpoint"
        or (spec.kind == "hf-providers" and getattr(spec.options, "via", "router") == "router")
    )
    return Invoicer(HUGGING_FACE, backends=backends)


def read_month(text: str) -> Month:
    """A month by its name. Raises BadRequest."""
    try:
        return Month.read(text)
    except ValueError as error:
        raise BadRequest(f"`month`: {error}.", code="invalid_value", param="month") from error
