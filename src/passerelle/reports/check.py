"""Are a report's figures those of the entries? Summed again one entry at a time, the dullest way there is.

It has nothing in common with what made the report. Only what is no sum of entries is not looked at: the forecast, what
elsewhere would have cost, and energy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import Unavailable
from passerelle.reports.check_shown import shown
from passerelle.reports.document import Report
from passerelle.stores.database import Database, Outage

_LIMIT = 600_000  # milliseconds
_AT_ONCE = 5_000  # rows

_OURS = "internal:"  # before the ids of those who call for us
_READ = {"input", "cached_input", "cache_write", "audio_input"}
_WRITTEN = {"output", "reasoning", "audio_output"}

_ENTRIES = """
SELECT e.attempt_id AS name, e.kind, e.line, e.at, e.tenant, e.account, e.meter, e.quantity, e.unit, e.price_id,
    e.currency, e.amount_pico, e.certainty, e.fx_rate, e.fx_date, e.billed_pico, e.saved_pico,
    e.backend AS entry_backend, a.model, a.backend, a.provider, a.country, a.use, a.key_id, a.tags, a.served, a.payer,
    a.outcome, a.ended_at, a.tenant AS try_tenant
FROM ledger_entries e LEFT JOIN ledger_attempts a ON a.attempt_id = e.attempt_id AND e.kind = 'settle'
WHERE e.period = :month AND (CAST(:tenant AS text) IS NULL OR e.tenant = :tenant)
ORDER BY e.attempt_id, e.kind, e.line
"""
_SILENT = """
SELECT a.attempt_id AS name, a.tenant AS try_tenant, a.model, a.backend, a.provider, a.country, a.use, a.key_id, a.tags,
    a.served, a.payer, a.outcome, a.ended_at
FROM ledger_attempts a
WHERE a.ended_at >= :begins AND a.ended_at < :ends AND (CAST(:tenant AS text) IS NULL OR a.tenant = :tenant)
    AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.attempt_id = a.attempt_id AND e.kind = 'settle'
        AND e.at >= :begins AND e.at < :ends)
"""
_HOURS = """
SELECT backend, account, tenant, quantity, unit, billed_pico, reason FROM ledger_entries
WHERE period = :month AND kind = 'allocate'
"""

_Row = Mapping[str, Any]


async def recompute(database: Database, report: Report) -> list[str]:
    """What the report says and the entries do not, one sentence for each figure; empty where all of it agrees.

    Of a month that is open, entries may have come since it was read. Raises Unavailable while the database does not
    answer.
    """
    try:
        async with database.begin() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            return await recompute_in(connection, report)
    except (psycopg.Error, DBAPIError, *Outage) as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error


async def recompute_in(connection: AsyncConnection, report: Report) -> list[str]:
    """The same in a snapshot that is open already, such as the one that the report was read in."""
    await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
    with localcontext() as context:
        context.prec = 60
        again = _Again(report)
        async for row in _rows(connection, _ENTRIES, report):
            again.take_entry(row)
        again.end_try()
        async for row in _rows(connection, _SILENT, report):
            again.take_try(row, unpriced=False, cached=row["outcome"] == "cached")
        async for row in _rows(connection, _HOURS, report):
            again.take_hour(row)
        return again.differences()


async def _rows(connection: AsyncConnection, query: str, report: Report) -> AsyncIterator[_Row]:
    given = {"month": report.month, "tenant": report.tenant, "begins": report.begins, "ends": report.ends}
    used = {name: value for name, value in given.items() if f":{name}" in query}
    found = await connection.stream(text(query), used, execution_options={"yield_per": _AT_ONCE})
    async for row in found.mappings():
        yield dict(row)


class _Again:
    """Every figure of a report, by a name that people can find it by, summed while entries go by."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._zone = ZoneInfo(report.time_zone)
        self._first = report.begins.astimezone(self._zone).date()
        self._mine = report.tenant
        self._found: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._tags = {
            name.removeprefix("tag:"): {part.name for part in parts}
            for name, parts in report.by.items()
            if name.startswith("tag:")
        }
        self._try: _Row | None = None
        self._unpriced = self._saves = False

    def take_entry(self, row: _Row) -> None:
        """One entry, by the name of what made it; all of a try's come one after another."""
        if self._try is not None and (row["kind"] != "settle" or row["name"] != self._try["name"]):
            self.end_try()
        billed = row["billed_pico"] or Decimal(0)
        account = row["account"]
        self._sums[f"cost {row['currency']}"] += row["amount_pico"]
        self._sums["billed"] += billed
        values = self._values(row)
        if account.startswith("tenant:"):
            self._add(values, "billed", billed)
            if (row["use"] or "").startswith("cache-"):
                self._found["totals.cache_cost"] += billed
            self._found[f"days.{self._day(row['at'])}.billed"] += billed
            if row["certainty"] == "estimated":
                self._found["totals.estimated"] += billed
            if row["kind"] in ("adjust", "credit", "void"):
                self._found["corrections"] += billed
        self._add(values, "cost", self._cost(row, billed))
        borne = row["kind"] == "allocate" and account != "operator:margin" and not _is_paid(account)
        if borne and row["price_id"] is not None:
            self._priced(row)
        if row["kind"] == "settle":
            self._settled(row, values, billed)

    def _settled(self, row: _Row, values: list[str], billed: Decimal) -> None:
        self._try = row
        unknown = row["billed_pico"] is None and row["amount_pico"] != 0
        self._unpriced = self._unpriced or row["certainty"] == "unpriced" or unknown
        self._saves = self._saves or (row["saved_pico"] or 0) > 0
        ours = not row["payer"].startswith("tenant:")
        if ours and not _is_paid(row["account"]):
            self._found["totals.retries"] += billed
        if row["account"] != row["payer"]:
            return
        self._found["totals.saved"] += row["saved_pico"] or 0
        if row["price_id"] is not None:
            self._priced(row)
        meter = f"by.meter.{row['meter']}"
        if not ours or self._mine is None:
            self._found[f"{meter}.quantity"] += row["quantity"]
        if row["served"]:
            self._found[f"{meter}.requests"] += not row["key_id"].startswith(_OURS)
            if row["unit"] == "tokens" and row["meter"] in _READ:
                self._add(values, "input_tokens", row["quantity"])
            if row["unit"] == "tokens" and row["meter"] in _WRITTEN:
                self._add(values, "output_tokens", row["quantity"])

    def _priced(self, row: _Row) -> None:
        rate = "" if row["fx_rate"] is None else format(row["fx_rate"], "f")
        name = f"prices.{row['price_id']} {row['currency']} {rate} {row['fx_date'] or ''}"
        self._found[f"{name}.quantity"] += row["quantity"]
        self._found[f"{name}.amount"] += row["amount_pico"]

    def end_try(self) -> None:
        """All entries of a try have been seen."""
        if self._try is not None:
            cached = self._saves or self._try["outcome"] == "cached"
            self.take_try(self._try, unpriced=self._unpriced, cached=cached)
        self._try, self._unpriced, self._saves = None, False, False

    def take_try(self, row: _Row, *, unpriced: bool, cached: bool) -> None:
        """One try, once; of what callers asked alone."""
        if row["key_id"].startswith(_OURS):
            return
        self._found["totals.tries"] += 1
        if not row["served"]:
            self._found["totals.failed_tries"] += 1
            return
        self._found["totals.unpriced_requests"] += unpriced
        self._found["totals.cache_hits"] += cached
        self._found[f"days.{self._day(row['ended_at'])}.requests"] += 1
        settled = {**row, "kind": "settle", "meter": None, "tenant": row["try_tenant"], "entry_backend": None}
        self._add(self._values(settled), "requests", Decimal(1))

    def take_hour(self, row: _Row) -> None:
        """One entry about an hour of capacity, whosever."""
        name = f"hours.{row['backend'] or ''}"
        billed = row["billed_pico"] or Decimal(0)
        if _is_paid(row["account"]):
            if row["unit"] == "milliseconds":
                self._found[f"{name}.hours"] += abs(row["quantity"])
            return
        self._found[f"{name}.cost"] += billed
        if row["reason"] == "idle":
            self._found[f"{name}.idle"] += billed
        if row["tenant"] == self._mine or (self._mine is None and row["tenant"]):
            self._found[f"{name}.share"] += billed

    def differences(self) -> list[str]:
        """Figures that are not the same, and sums of all accounts that are not nought."""
        said = shown(self._report)
        self._follow(said)
        found = [
            f"{name} is {said.get(name, 0)} in the report and {self._found[name]} by the entries."
            for name in sorted(said.keys() | self._found.keys())
            if said.get(name, 0) != self._found[name]
        ]
        if self._mine is None:
            found += [f"The month's entries ({name}) add up to {sum_}, not to 0." for name, sum_ in
                      sorted(self._sums.items()) if sum_]  # fmt: skip
        return found

    def _follow(self, said: Mapping[str, Decimal]) -> None:
        """What follows from sums: hours of milliseconds, what is left of a budget's amount, tax."""
        listed = {f"hours.{each.backend}" for each in self._report.hours}
        for name in [name for name in self._found if name.startswith("hours.")]:
            backend, _, figure = name.rpartition(".")
            if backend not in listed and not self._found[f"{backend}.share"] and self._mine is not None:
                del self._found[name]  # others' hours
            elif figure == "hours":
                self._found[name] = (self._found[name] / 3_600_000).quantize(
                    Decimal("0.000001"), ROUND_HALF_EVEN
                )
        for backend in listed:
            self._found[f"{backend}.used"] = self._found[f"{backend}.cost"] - self._found[f"{backend}.idle"]
        for line in self._report.budget:
            kind, _, name = line.name.partition(":")
            of = "totals.billed" if kind == "tenant" else f"by.{kind}.{name}.billed"
            self._found[f"budget.{line.name}"] = self._found[of]
        tax = self._report.tax
        if tax is not None:
            cents = Decimal((0, (1,), int(tax.amount.as_tuple().exponent)))
            total = self._found["totals.billed"].scaleb(-12).quantize(cents, ROUND_HALF_EVEN)
            self._found["tax"] = (total * tax.percent / 100).quantize(cents, ROUND_HALF_EVEN)

    def _cost(self, row: _Row, billed: Decimal) -> Decimal:
        """Of a try, what was paid to others; of anything else, what somebody bears."""
        account, margin = row["account"], row["account"] == "operator:margin"
        if row["kind"] == "settle":
            if self._mine is not None and not row["payer"].startswith("tenant:"):
                return Decimal(0)
            return Decimal(0) if account == row["payer"] or margin else -billed
        if self._mine is not None:
            return billed if margin or account.startswith("tenant:") else Decimal(0)
        return Decimal(0) if _is_paid(account) else billed

    def _values(self, row: _Row) -> list[str]:
        """The parts of the report that a row belongs to."""
        settled = row["kind"] == "settle"

        def of(name: str) -> str:
            return (row[name] or "") if settled else ""

        found = [f"by.{name}.{of(name)}" for name in ("model", "provider", "country", "use")]
        backend = of("backend") or row["entry_backend"] or ""
        found += ["totals", f"by.backend.{backend}", f"by.key.{of('key_id')}", f"by.kind.{row['kind']}"]
        if row["meter"] is not None:
            found.append(f"by.meter.{of('meter')}")
        if self._mine is None:
            found.append(f"by.tenant.{row['tenant']}")
        for tag, names in self._tags.items():
            value = (row["tags"] or {}).get(tag) if settled else None
            found.append(f"by.tag:{tag}.{'' if value is None else value if value in names else '*'}")
        return found

    def _add(self, values: list[str], figure: str, amount: Decimal) -> None:
        for name in values:
            self._found[f"{name}.{figure}"] += amount

    def _day(self, at: datetime) -> date:
        return max(at.astimezone(self._zone).date(), self._first)


def _is_paid(account: str) -> bool:
    return account.startswith("provider:") or account == "operator:capacity" or account.endswith(":contra")
