"""A tenant's report as the tenant may see it: with terms of its own, what it is charged and nothing of what that costs."""

from __future__ import annotations

from dataclasses import replace

from passerelle.domain.billing import Terms
from passerelle.domain.ledger import EntryKind
from passerelle.reports.document import Report

_USE = frozenset({EntryKind.SETTLE.value, EntryKind.ALLOCATE.value})


def for_tenant(report: Report, terms: Terms | None) -> Report:
    """The report without the operator's costs, prices, margins and market, where the tenant is not charged at cost.

    A month that was charged under terms which have ended since is treated alike. Then every cost is what is billed;
    there are no prices, no hours of machines and no places to compare with; what the operator bears is not told. A
    tenant that is charged at cost sees all of its report.
    """
    if terms is None and not _marked_up(report):
        return report
    return replace(
        report,
        totals=replace(report.totals, cost=report.totals.billed, retries=0),
        by={
            name: tuple([replace(part, cost=part.billed) for part in parts])
            for name, parts in report.by.items()
        },
        hours=(),
        elsewhere=(),
        break_even=(),
        prices=(),
    )


def _marked_up(report: Report) -> bool:
    """Was use charged at anything but its cost? Credits and corrections are not use."""
    return any(part.cost != part.billed for part in report.by.get("kind", ()) if part.name in _USE)
