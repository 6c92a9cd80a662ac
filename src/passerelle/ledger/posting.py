"""Entries that no try has made: corrections, credits, shares of capacity. Booked in balance, and once.

What tries cost is posted by the drain; both put an entry into the first month that is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.ledger import Certainty, EntryKind, Unit


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a booking. `reference` is its name: with kind, line and account it is posted once, ever.

    `amount` is in pico-units of `currency`; `billed` in those of `billed_currency`, both with the account's sign:
    what an account owes is above nought. `tenant` is "" where no tenant is concerned.
    """

    reference: str
    line: int
    at: datetime
    tenant: str
    account: str
    kind: EntryKind
    meter: str
    quantity: int
    unit: Unit
    currency: str
    amount: int
    certainty: Certainty
    price_id: str | None = None
    fx_rate: str | None = None
    fx_date: date | None = None
    billed_currency: str | None = None
    billed: int | None = None
    backend: str | None = None
    reason: str | None = None


_POST = text("""
INSERT INTO ledger_entries
    (attempt_id, line, at, tenant, account, kind, meter, quantity, unit, price_id, currency, amount_pico, certainty,
     fx_rate, fx_date, billed_currency, billed_pico, backend, reason, period)
SELECT :reference, :line, :at, :tenant, :account, :kind, :meter, :quantity, :unit, :price_id, :currency, :amount,
    :certainty, CAST(:fx_rate AS numeric), CAST(:fx_date AS date), :billed_currency, CAST(:billed AS numeric),
    :backend, :reason,
    greatest(to_char(CAST(:at AS timestamptz) AT TIME ZONE time_zone, 'YYYY-MM'), first_open)
FROM ledger_calendar FOR SHARE
ON CONFLICT (attempt_id, kind, line, account) WHERE kind <> 'settle' DO NOTHING RETURNING 1
""")


async def post(connection: AsyncConnection, postings: Sequence[Posting]) -> int:
    """Book them in the connection's transaction; the number of those that were not booked already.

    Raises ValueError for what does not add up to nought, by reference and currency.
    """
    check_balance(postings)
    new = 0
    for each in postings:
        values = {name: getattr(each, name) for name in Posting.__dataclass_fields__}
        values |= {"kind": each.kind.value, "unit": each.unit.value, "certainty": each.certainty.value}
        new += len((await connection.execute(_POST, values)).all())
    return new


def check_balance(postings: Sequence[Posting]) -> None:
    """Raises ValueError for what does not add up to nought, by reference and currency."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for each in postings:
        sums[each.reference, "cost", each.currency] += each.amount
        if each.billed is not None:
            sums[each.reference, "billed", each.billed_currency or ""] += each.billed
    for (reference, side, currency), total in sums.items():
        if total:
            raise ValueError(f"{reference}: its {side} entries in {currency} add up to {total}, not to 0")
