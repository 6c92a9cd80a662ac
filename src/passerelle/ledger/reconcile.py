"""Our books beside a provider's invoice of a month, and one correction that makes what we owe what it charges.

What is compared is by the moment of use, whatever month it is reported in: a provider knows nothing of closings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.domain.ledger import Certainty, EntryKind, Exchange, Unit
from passerelle.domain.money import PICO, decimal
from passerelle.ledger.posting import Posting, post
from passerelle.ledger.reconcile_lines import Charge, Invoice
from passerelle.stores.database import Database, Outage

ACCOUNT = "operator:reconciliation"

_LIMIT = 600_000  # milliseconds; a month of entries may take longer than any other query
_COLUMN_OF = {"product": "backend", "group": "tenant", "model": "model"}
_NO_NAMES: Mapping[str, str] = {}
_LOCK = "passerelle:reconcile"  # advisory: one reconciliation after another

# What is owed for use in a month: what others were charged with, whether it is theirs by its backend or by its
# account, and corrections by earlier invoices of that month, whenever they were booked.
_OWED = """
FROM ledger_entries e LEFT JOIN ledger_attempts a ON e.kind = 'settle' AND a.attempt_id = e.attempt_id
WHERE ((e.account LIKE 'provider:%' AND coalesce(e.backend, a.backend) = ANY(:backends)) OR e.account = ANY(:accounts))
    AND CASE WHEN e.attempt_id LIKE 'reconcile:%' THEN starts_with(e.attempt_id, :earlier)
        ELSE e.at >= :begins AND e.at < :ends END
"""
_OURS = text(f"SELECT e.currency, -sum(e.amount_pico) AS owed {_OWED} GROUP BY 1")
_PARTS = text(f"""SELECT coalesce(a.target, '') AS model, coalesce(a.tenant, e.tenant) AS tenant,
    coalesce(e.backend, a.backend, '') AS backend, count(*) FILTER (WHERE e.certainty = 'unpriced') AS unpriced,
    -sum(e.amount_pico) AS owed {_OWED} AND e.currency = :currency GROUP BY 1, 2, 3""")
_KNOWN = text("""SELECT EXISTS (SELECT FROM ledger_entries e
    LEFT JOIN ledger_attempts a ON e.kind = 'settle' AND a.attempt_id = e.attempt_id
    WHERE e.currency = :currency AND (e.account = ANY(:accounts)
        OR (e.account LIKE 'provider:%' AND coalesce(e.backend, a.backend) = ANY(:backends))))""")


@dataclass(frozen=True, slots=True)
class Invoicer:
    """Somebody who sends one invoice for several providers, as Hugging Face does for all behind its router.

    A payable is part of the invoice where its backend is one of `backends`, whatever provider served, or where its
    provider is one of `providers` (the names in `provider:<name>:payable`). `products` and `groups` say which
    backend, and which tenant, the invoice means by a product or a resource group.
    """

    name: str
    backends: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    products: Mapping[str, str] = field(default_factory=dict)  # product to backend
    groups: Mapping[str, str] = field(default_factory=dict)  # resource group to tenant

    @property
    def accounts(self) -> list[str]:
        """Its payable accounts, the one of its own first: corrections are booked there."""
        others = sorted(self.providers - {self.name})
        return [f"provider:{name}:payable" for name in (self.name, *others)]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A gap within either of the two is no reason to look."""

    share: Decimal = Decimal("0.005")  # of the invoice
    amount: int = PICO  # pico-units of the invoice's currency

    def covers(self, gap: int, invoiced: int) -> bool:
        """Is the gap small enough?"""
        return abs(gap) <= max(self.amount, int(self.share * abs(invoiced)))


@dataclass(frozen=True, slots=True)
class Gap:
    """One part of an invoice beside ours, in pico-units; None where one side does not know the part.

    `by` is `product`, `group` or `model`; `name` is the invoice's, else ours.
    """

    by: str
    name: str
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How an invoice and our books compare. Amounts are pico-units of `currency`.

    `ours` is what stood in the books before; `booked` was added by this call, 0 where nothing was to be added or
    where this very file had been booked before (`again`). `credits` are the invoice's lines below nought, in
    `theirs`. `alert`: the gap is beyond the tolerance and somebody should look. `unpriced` counts entries of ours
    that nobody knew a price for, which explain a gap.
    """

    provider: str
    month: Month
    currency: str
    ours: int
    theirs: int
    credits: int
    booked: int
    again: bool
    alert: bool
    reference: str
    parts: tuple[Gap, ...]
    unpriced: int

    @property
    def gap(self) -> int:
        """What they charge above what we had."""
        return self.theirs - self.ours


async def reconcile(
    database: Database,
    invoice: Invoice,
    invoicer: Invoicer,
    *,
    zone: ZoneInfo,
    exchange: Exchange | None,
    tolerance: Tolerance | None = None,
    book: bool = True,
) -> Reconciliation:
    """Compare, and with `book` correct what we owe to what is invoiced: once for a file, by the difference for others.

    `zone` is that of the invoice's month (Hugging Face's is UTC); `exchange` turns the invoice's currency into the
    operator's, None bills the correction to nobody. The correction is of the month's last moment, and is reported in
    the first month that is open. Raises CannotRun for a currency in which nothing was ever owed to this invoicer, and
    Unavailable while the database does not answer.
    """
    reference = f"reconcile:{invoicer.name}:{invoice.month}:{invoice.sha256[:16]}"
    try:
        async with database.begin() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": _LOCK})
            values = _values(invoice, invoicer, zone)
            ours = await _ours(connection, invoice, invoicer, values)
            parts, unpriced = await _parts(connection, invoice, invoicer, values)
            again = await _is_known(connection, reference)
            delta = 0 if again or not book else invoice.total - ours
            if delta:
                await post(connection, _correction(invoice, invoicer, reference, delta, exchange, zone))
            if book and not again:
                await _remember(connection, invoice, invoicer, reference, ours)
    except Outage as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error
    return Reconciliation(
        provider=invoicer.name,
        month=invoice.month,
        currency=invoice.currency,
        ours=ours,
        theirs=invoice.total,
        credits=sum(min(charge.amount, 0) for charge in invoice.charges),
        booked=delta,
        again=again,
        alert=not (tolerance or Tolerance()).covers(invoice.total - ours, invoice.total),
        reference=reference,
        parts=parts,
        unpriced=unpriced,
    )


def _values(invoice: Invoice, invoicer: Invoicer, zone: ZoneInfo) -> dict[str, Any]:
    begins, ends = invoice.month.bounds(zone)
    return {
        "backends": sorted(invoicer.backends),
        "accounts": invoicer.accounts,
        "earlier": f"reconcile:{invoicer.name}:{invoice.month}:",
        "begins": begins,
        "ends": ends,
    }


async def _ours(
    connection: AsyncConnection, invoice: Invoice, invoicer: Invoicer, values: Mapping[str, Any]
) -> int:
    """What we owe for the month by our books."""
    owed = {row.currency: int(row.owed) for row in (await connection.execute(_OURS, values)).all()}
    if invoice.currency not in owed:
        asked = {key: values[key] for key in ("backends", "accounts")} | {"currency": invoice.currency}
        if not (await connection.execute(_KNOWN, asked)).scalar():
            raise CannotRun(
                f"Nothing was ever owed to {invoicer.name} in {invoice.currency}.",
                "Check the invoice's currency, and which backends are on this invoice.",
            )
    others = sorted(currency for currency, amount in owed.items() if amount and currency != invoice.currency)
    if others:
        raise CannotRun(
            f"{invoicer.name} charges {invoice.currency} for {invoice.month}, and the ledger has what is owed to it"
            f" in {', '.join(others)} too.",
            "State its prices in the currency of its invoice.",
        )
    return owed.get(invoice.currency, 0)


async def _parts(
    connection: AsyncConnection, invoice: Invoice, invoicer: Invoicer, values: Mapping[str, Any]
) -> tuple[tuple[Gap, ...], int]:
    """The parts of the invoice beside ours, largest gap first, and how many entries of ours have no price."""
    rows = (await connection.execute(_PARTS, {**values, "currency": invoice.currency})).all()
    gaps: list[Gap] = []
    for by, names in (("product", invoicer.products), ("group", invoicer.groups), ("model", _NO_NAMES)):
        theirs: dict[str, int] = {}
        for charge in invoice.charges:
            if name := _part_of(charge, by):
                theirs[name] = theirs.get(name, 0) + charge.amount
        if not theirs:
            continue
        ours: dict[str, int] = {}
        for row in rows:
            if name := str(getattr(row, _COLUMN_OF[by])):
                ours[name.casefold()] = ours.get(name.casefold(), 0) + int(row.owed)
        matched = {name: names.get(name, name).casefold() for name in theirs}
        gaps += [Gap(by, name, ours.get(matched[name]), amount) for name, amount in theirs.items()]
        if by == "model" or names:
            alone = ours.keys() - set(matched.values())
            gaps += [Gap(by, name, ours[name], None) for name in alone if ours[name]]
    gaps.sort(key=lambda gap: (-abs((gap.theirs or 0) - (gap.ours or 0)), gap.by, gap.name))
    return tuple(gaps), sum(int(row.unpriced) for row in rows)


def _part_of(charge: Charge, by: str) -> str:
    name: str = getattr(charge, by)
    return name


async def _is_known(connection: AsyncConnection, reference: str) -> bool:
    query = text("SELECT EXISTS (SELECT FROM ledger_reconciliations WHERE id = :id)")
    return bool((await connection.execute(query, {"id": reference})).scalar())


def _correction(
    invoice: Invoice,
    invoicer: Invoicer,
    reference: str,
    delta: int,
    exchange: Exchange | None,
    zone: ZoneInfo,
) -> list[Posting]:
    """One line: what we owe them more, and the operator's account of it."""
    billed = (
        None
        if exchange is None
        else int((decimal(delta) * Decimal(exchange.rate)).scaleb(12).to_integral_value())
    )
    at = invoice.month.bounds(zone)[1].astimezone(UTC) - timedelta(milliseconds=1)
    return [
        Posting(
            reference=reference,
            line=1,
            at=at,
            tenant="",
            account=account,
            kind=EntryKind.ADJUST,
            meter="reconciliation",
            quantity=0,
            unit=Unit.REQUESTS,
            currency=invoice.currency,
            amount=sign * delta,
            certainty=Certainty.RECONCILED,
            fx_rate=None if exchange is None else exchange.rate,
            fx_date=None
            if exchange is None or exchange.on is None
            else datetime.fromisoformat(exchange.on).date(),
            billed_currency=None if exchange is None else exchange.currency,
            billed=None if billed is None else sign * billed,
            reason=f"invoice of {invoicer.name} for {invoice.month}",
        )
        for account, sign in ((ACCOUNT, 1), (invoicer.accounts[0], -1))
    ]


async def _remember(
    connection: AsyncConnection, invoice: Invoice, invoicer: Invoicer, reference: str, ours: int
) -> None:
    insert = text("""INSERT INTO ledger_reconciliations
        (id, provider, month, currency, ours_pico, theirs_pico, source, source_sha256)
        VALUES (:id, :provider, :month, :currency, :ours, :theirs, :source, :sha256)""")
    await connection.execute(
        insert,
        {
            "id": reference,
            "provider": invoicer.name,
            "month": str(invoice.month),
            "currency": invoice.currency,
            "ours": ours,
            "theirs": invoice.total,
            "source": invoice.source,
            "sha256": invoice.sha256,
        },
    )
