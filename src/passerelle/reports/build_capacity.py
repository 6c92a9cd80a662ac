"""Hours of capacity in a month: what they cost, how much of that was worked, and whose share is whose. Pure."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal

from passerelle.reports.build_amounts import share
from passerelle.reports.document import Hours
from passerelle.reports.rows import CapacityPart, Rows, SharingTerms

_MILLISECONDS = 3_600_000


def hours(rows: Rows, tenant: str | None) -> tuple[Hours, ...]:
    """Of every backend that was paid by the hour; of a tenant's report, those it had a share in."""
    parts: dict[str, list[CapacityPart]] = defaultdict(list)
    for part in rows.capacity:
        parts[part.backend].append(part)
    found = [
        _of(backend, each, rows.sharing.get(backend, SharingTerms()), tenant)
        for backend, each in sorted(parts.items())
        if tenant is None or any(part.tenant == tenant for part in each)
    ]
    return tuple(found)


def _of(backend: str, parts: list[CapacityPart], terms: SharingTerms, tenant: str | None) -> Hours:
    payees = [part for part in parts if is_payee(part.account)]
    cost = -sum(part.billed for part in payees)
    idle = -sum(part.billed for part in payees if part.idle)
    milliseconds = sum(part.milliseconds for part in payees)
    return Hours(
        backend=backend,
        hours=(Decimal(milliseconds) / _MILLISECONDS).quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN),
        cost=cost,
        used=cost - idle,
        idle=idle,
        idle_borne_by=terms.idle,
        share=-sum(part.billed for part in payees if (part.tenant == tenant if tenant else part.tenant)),
        utilisation=share(cost - idle, cost),
        weights=terms.weights,
    )


def is_payee(account: str) -> bool:
    """Is it who is paid for the hours?"""
    return account.startswith("provider:") or account == "operator:capacity"
