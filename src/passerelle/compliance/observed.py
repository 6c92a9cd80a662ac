"""What a running service has seen: where data went, which measures answered, how old the oldest data is. From JSON.

The document is what `GET /admin/residency` says, with what else is known beside it: `oldest` (moments by tenant and
store), `probes` (by measure, whether it is on) and `audit` (by tenant, its chain's state and head). A part that is not
there was not looked at, which is something else than empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from passerelle.domain.errors import CannotRun


@dataclass(frozen=True, slots=True)
class Went:
    """Tries of a tenant in a month that were sent to one place."""

    tenant: str
    month: str
    backend: str
    provider: str | None
    country: str | None
    operators: tuple[str, ...]
    calls: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen; None = not looked at. `values` is the document."""

    as_of: datetime | None = None
    went: tuple[Went, ...] | None = None
    oldest: Mapping[str, Mapping[str, datetime]] | None = None
    probes: Mapping[str, bool] | None = None
    audit: Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_observed(values: Mapping[str, Any]) -> Observed:
    """A document. Raises CannotRun for one that is something else."""
    try:
        rows, oldest, probes = values.get("rows"), values.get("oldest"), values.get("probes")
        return Observed(
            as_of=datetime.fromisoformat(values["as_of"]) if values.get("as_of") else None,
            went=None if rows is None else _went(rows),
            oldest=None
            if oldest is None
            else {
                tenant: {store: datetime.fromisoformat(at) for store, at in stores.items() if at}
                for tenant, stores in oldest.items()
            },
            probes=None if probes is None else {str(name): bool(on) for name, on in probes.items()},
            audit=values.get("audit"),
            values=dict(values),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRun(
            "What was observed is not in the form of `passerelle dpa observe`.", "Save what that prints."
        ) from error


def read_file(file: Path) -> Observed:
    """The same from a file. Raises CannotRun."""
    try:
        values = orjson.loads(file.read_bytes())
    except OSError as error:
        raise CannotRun(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from error
    except ValueError as error:
        raise CannotRun(f"{file} is not JSON.", "Save what `passerelle dpa observe` prints.") from error
    if not isinstance(values, dict):
        raise CannotRun(f"{file} does not hold an object.", "Save what `passerelle dpa observe` prints.")
    return read_observed(values)


def _went(rows: Sequence[Mapping[str, Any]]) -> tuple[Went, ...]:
    return tuple(
        Went(
            tenant=row["tenant"],
            month=row["month"],
            backend=row["backend"],
            provider=row.get("provider") or None,
            country=row.get("country") or None,
            operators=tuple(row.get("operators") or ()),
            calls=int(row["calls"]),
            first=datetime.fromisoformat(row["first"]),
            last=datetime.fromisoformat(row["last"]),
        )
        for row in rows
    )
