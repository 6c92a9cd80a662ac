"""A receipt: what was asked, what every store had and has, who upstream saw it. Pure; `proofs` signs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from passerelle.domain.catalog import Catalog, Party
from passerelle.domain.privacy import Deed, Held, Retention, Sighting
from passerelle.rights.letters import Addressed, letters
from passerelle.rights.requests import Request

VERSION = 1
_MOST_DAYS = 400  # that are named of one party; first and last are always told


@dataclass(frozen=True, slots=True)
class Store:
    """What a store had, and has now. `rows`: of an export. `note`: what it cannot find or keeps, and why."""

    name: str
    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    rows: int | None = None
    note: str = ""

    @classmethod
    def of(cls, name: str, before: Mapping[str, int], after: Held) -> Store:
        """After something was deleted."""
        return cls(name, before, after.counts, note=after.note)


@dataclass(frozen=True, slots=True)
class Doing:
    """How it was done. `software` is this program's version, `catalog` the configuration in force."""

    software: str
    catalog: Catalog
    retentions: Sequence[Retention]
    at: datetime


def receipt_of(
    request: Request, stores: Sequence[Store], seen: Sequence[Sighting], how: Doing
) -> dict[str, Any]:
    """The receipt of a request, which nobody has signed yet. Nothing in it names a person but by a pseudonym."""
    return {
        "object": "privacy.receipt",
        "version": VERSION,
        "request": request.id,
        "deed": request.deed.value,
        "tenant": request.tenant,
        "subject": request.subject,
        "asked_by": request.asked_by,
        "asked_at": told(request.asked_at),
        "due_at": told(request.due_at),
        "finished_at": told(how.at),
        "in_time": how.at <= request.due_at,
        "software": {"name": "passerelle", "version": how.software},
        "configuration": how.catalog.version,
        "stores": [_store(each, request.deed) for each in stores],
        "upstream": [_upstream(*each, request, how) for each in _by_party(seen)],
        "retention": [_retention(each) for each in how.retentions],
    }


def told(moment: datetime) -> str:
    """A time in UTC, to the second."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _store(store: Store, deed: Deed) -> dict[str, Any]:
    said: dict[str, Any] = {"store": store.name, "note": store.note}
    if deed is Deed.EXPORT:
        return {**said, "found": dict(store.before), "rows": store.rows or 0}
    return {
        **said,
        "before": dict(store.before),
        "after": dict(store.after),
        "total_before": sum(store.before.values()),
        "total_after": sum(store.after.values()),
    }


def _retention(retention: Retention) -> dict[str, Any]:
    return {
        "store": retention.store,
        "what": retention.what,
        "seconds": None if retention.seconds is None else round(retention.seconds),
        "setting": retention.setting,
        "purge": retention.purge,
    }


def _by_party(seen: Sequence[Sighting]) -> list[tuple[tuple[str, str, str | None], list[Sighting]]]:
    parties: dict[tuple[str, str, str | None], list[Sighting]] = {}
    for each in sorted(seen, key=lambda one: (one.provider, one.backend, one.country or "", one.day)):
        parties.setdefault((each.provider, each.backend, each.country), []).append(each)
    return list(parties.items())


def _upstream(
    party: tuple[str, str, str | None], seen: Sequence[Sighting], request: Request, how: Doing
) -> dict[str, Any]:
    provider, backend, country = party
    days = sorted({each.day.isoformat() for each in seen})
    known = _known(how.catalog, backend, provider)
    to = Addressed(provider, request.tenant, request.subject, request.id, request.deed, days[0], days[-1])
    return {
        "provider": provider,
        "backend": backend,
        "country": country,
        "calls": sum(each.calls for each in seen),
        "first_day": days[0],
        "last_day": days[-1],
        "days": days[:_MOST_DAYS],
        # What the configuration says of that party; null: not known.
        "retention_days": None if known is None else known.retention_days,
        "trains": None if known is None else known.trains,
        "letter": letters(to) if request.deed in (Deed.ERASE, Deed.WIPE, Deed.EXPORT) else {},
    }


def _known(catalog: Catalog, backend: str, provider: str) -> Party | None:
    spec = catalog.backends.get(backend)
    if spec is None:
        return None
    parties = (*spec.parties, *spec.hosts)
    return next(
        (each for each in parties if each.name == provider), parties[-1] if len(parties) == 1 else None
    )
