"""What a tenant agrees to when it signs: where its data goes, to whom, by which tool, for how long. Pure.

Kept in the manifest and with every signature, in plain values, so that what was served can be compared with it.
"""

from __future__ import annotations

from typing import Any

from passerelle.compliance.estate import Estate
from passerelle.compliance.estate_processors import Processor
from passerelle.compliance.manifest import plain


def annex_of(estate: Estate) -> dict[str, Any]:
    """The annex. `operators` and `providers` are names of the ledger; our own machines are `self`."""
    listed = estate.processors
    countries = (
        {each.country for each in listed} | {each.country for each in estate.own} | {estate.operator.country}
    )
    policy = estate.policy
    return {
        "countries": sorted(filter(None, countries)),
        "operators": sorted({"self", *(name for each in listed for name in each.operators)}),
        "providers": sorted({name for each in listed for name in (*each.providers, *each.through)}),
        "policy": plain(policy) if policy is not None else {},
        "notice_days": estate.operator.notice_days,
        "subprocessors": [_listed(each) for each in listed],
        "retention": [{"store": each.store, "seconds": each.seconds} for each in estate.retentions],
        "measures": {each.id: True for each in estate.measures},
    }


def _listed(processor: Processor) -> dict[str, Any]:
    return {
        "id": processor.id,
        "legal_name": processor.name,
        "country": processor.country,
        "seat": processor.seat,
        "tools": list(processor.tools),
        "module": processor.module,
        "retention_days": processor.retention_days,
        "pinned": processor.pinned,
        "uses": list(processor.uses),
        "through": list(processor.through),
    }
