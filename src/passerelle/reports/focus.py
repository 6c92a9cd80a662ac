"""A month as FOCUS, the FinOps Open Cost and Usage Specification: its Cost and Usage dataset, version 1.4 or 1.2.

A row is an hour of one account, one model, one meter at one price. The operator is the billing account and issues the
invoice, tenants are sub accounts; what the operator bears itself (retries, idle capacity, what reconciliation found) is
in sub accounts of its own, and only in an export of all tenants. `BilledCost` is what a tenant is charged, exactly, and
adds up to its report. No column holds a key, a request, a user or a free text of anybody's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.reports.focus_columns import COLUMNS, NUMBERS
from passerelle.reports.focus_row import Context, row_of
from passerelle.stores.database import Database, Outage

Version = Literal["1.4", "1.2"]
FocusRow = Mapping[str, str]  # by column; "" is null

_LIMIT = 600_000  # milliseconds

# `whole` is the hour that a share of capacity is a part of. Tags are those of the allow-list, as JSON.
_ROWS = text("""
SELECT date_trunc('hour', e.at, 'UTC') AS hour, e.account, e.kind, e.meter, e.unit, e.price_id, e.currency,
    e.certainty, e.fx_rate, e.fx_date, e.billed_currency,
    coalesce(e.backend, a.backend) AS backend, a.model, a.target, a.provider, a.country, a.use,
    CASE WHEN e.kind = 'allocate' THEN e.attempt_id END AS allocation,
    (SELECT jsonb_object_agg(t.key, t.value) FROM jsonb_each_text(
        CASE WHEN jsonb_typeof(a.tags) = 'object' THEN a.tags END) t WHERE t.key = ANY(:tags)) AS tags,
    sum(e.quantity) AS quantity, sum(e.amount_pico) AS amount, sum(coalesce(e.billed_pico, 0)) AS billed,
    count(*) FILTER (WHERE e.billed_pico IS NULL) AS unbilled, count(DISTINCT e.attempt_id) AS tries,
    max(CASE WHEN e.kind = 'allocate' THEN
        (SELECT -sum(o.amount_pico) FROM ledger_entries o
         WHERE o.attempt_id = e.attempt_id AND o.kind = 'allocate' AND o.account LIKE 'provider:%') END) AS whole
FROM ledger_entries e LEFT JOIN ledger_attempts a ON e.kind <> 'allocate' AND a.attempt_id = e.attempt_id
WHERE e.period = :month AND (CAST(:account AS text) IS NULL AND (e.account LIKE 'tenant:%'
        OR e.account LIKE 'operator:%' AND e.account <> ALL(:own)) OR e.account = :account)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19
ORDER BY 1, 2, 3, 12, 13, 14, 15, 4, 6, 8, 18
""")
# Accounts of the operator's that are no charge: what it earns, and the other side of its own capacity.
_NO_CHARGES = ("operator:margin", "operator:capacity", "operator:capacity:contra")


@dataclass(frozen=True, slots=True)
class Operator:
    """Who bills. `vendors` names who is paid for a backend, such as Hugging Face; others are the operator's own."""

    name: str
    id: str = "operator"
    vendors: Mapping[str, str] = field(default_factory=dict)


async def focus_rows(
    database: Database,
    *,
    tenant: str | None,
    month: Month,
    zone: ZoneInfo,
    operator: Operator,
    currency: str,
    version: Version = "1.4",
    tags: Sequence[str] = (),
) -> list[FocusRow]:
    """The rows of a tenant's month, or of all tenants and the operator with None, in the order of their hours.

    `currency` is the operator's; `tags` are the names of tags that may be seen. Raises Unavailable while the database
    does not answer.
    """
    asked: dict[str, Any] = {
        "month": str(month),
        "account": None if tenant is None else f"tenant:{tenant}",
        "own": list(_NO_CHARGES),
        "tags": list(tags),
    }
    try:
        async with database.begin() as connection:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            found = (await connection.execute(_ROWS, asked)).all()
    except Outage as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error
    context = Context(
        operator=operator.name,
        operator_id=operator.id,
        vendors=operator.vendors,
        currency=currency,
        bounds=month.bounds(zone),
        costs=tenant is None,
    )
    columns = COLUMNS[version]
    rows = (row_of(each, context) for each in found)
    return [{column: row.get(column, "") for column in columns} for row in rows]


def to_focus_csv(rows: Iterable[FocusRow], *, version: Version = "1.4") -> str:
    """The rows as CSV with a line of names. No cell begins like a formula, unless it is a number."""
    told = io.StringIO()
    columns = COLUMNS[version]
    writer = csv.writer(told, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([row[name] if name in NUMBERS else _plain(row[name]) for name in columns])
    return told.getvalue()


def _plain(cell: str) -> str:
    """A text that a spreadsheet takes for a text, in one line."""
    line = "".join(each if each.isprintable() else " " for each in cell)
    return f"'{line}" if line.lstrip()[:1] in ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠") else line
