"""What was signed: of each agreement its annex as it was that day, kept by the hash of the manifest it belongs to.

`DPA/signed/<tenant>/<date>-<first 8 of the manifest's SHA-256>.json`. Nothing here changes a record that there is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from passerelle.compliance.facts import Place
from passerelle.domain.errors import CannotRun

FOLDER = "signed"


@dataclass(frozen=True, slots=True)
class Listed:
    """A sub-processor as an annex lists it. None = not known."""

    id: str
    legal_name: str = ""
    country: str | None = None  # where it processes
    seat: str | None = None
    tools: tuple[str, ...] = ()
    module: int | None = None
    retention_days: int | None = None
    pinned: bool | None = None
    uses: tuple[str, ...] = ()
    through: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return self.legal_name or self.id


@dataclass(frozen=True, slots=True)
class Annex:
    """What a tenant agreed to, or would: where its data goes, to whom, and for how long it stays.

    `values` is the same as it stands in the manifest.
    """

    countries: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    listed: tuple[Listed, ...] = ()
    retention: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)  # seconds, by store
    measures: Mapping[str, bool] = field(default_factory=dict)
    notice_days: int = 30
    policy: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, and what it was put under."""

    tenant: str
    on: date
    by: str
    file: str
    file_sha256: str
    manifest_sha256: str
    annex: Annex
    place: Place


def read_annex(values: Mapping[str, Any]) -> Annex:
    """The `annex` of a manifest."""
    return Annex(
        countries=frozenset(values.get("countries") or ()),
        operators=frozenset(values.get("operators") or ()),
        providers=frozenset(values.get("providers") or ()),
        listed=tuple(_listed(each) for each in values.get("subprocessors") or ()),
        retention=times((str(each["store"]), each.get("seconds")) for each in values.get("retention") or ()),
        measures={str(name): bool(on) for name, on in (values.get("measures") or {}).items()},
        notice_days=int(values.get("notice_days") or 0),
        policy=dict(values.get("policy") or {}),
        values=dict(values),
    )


def times(kept: Iterable[tuple[str, float | None]]) -> dict[str, tuple[float | None, ...]]:
    """How long each store keeps what it has: every time that is said of it, the shortest first."""
    found: dict[str, list[float | None]] = {}
    for store, seconds in kept:
        found.setdefault(store, []).append(seconds)
    longest = float("inf")
    return {
        store: tuple(sorted(each, key=lambda s: longest if s is None else s)) for store, each in found.items()
    }


def _listed(values: Mapping[str, Any]) -> Listed:
    return Listed(
        id=str(values["id"]),
        legal_name=str(values.get("legal_name") or ""),
        country=values.get("country"),
        seat=values.get("seat"),
        tools=tuple(values.get("tools") or ()),
        module=values.get("module"),
        retention_days=values.get("retention_days"),
        pinned=values.get("pinned"),
        uses=tuple(values.get("uses") or ()),
        through=tuple(values.get("through") or ()),
    )


def digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of an annex, whatever the order of its keys."""
    return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()


def signatures(dpa: Path, tenant: str) -> tuple[Signed, ...]:
    """Of a tenant, oldest first. Raises CannotRun for a record that is not what was written."""
    files = sorted((dpa / FOLDER / tenant).glob("*.json"))
    return tuple(sorted((_read(file, dpa) for file in files), key=lambda each: (each.on, each.place.file)))


def last(records: Iterable[Signed], *, today: date) -> Signed | None:
    """What holds on a day: the newest that was signed by then."""
    return next((each for each in reversed(tuple(records)) if each.on <= today), None)


def _read(file: Path, dpa: Path) -> Signed:
    below = file.relative_to(dpa).as_posix()
    try:
        values = orjson.loads(file.read_bytes())
        if digest_of(values["annex"]) != values["annex_sha256"]:
            raise CannotRun(
                f"{file} was changed after it was signed.", "Bring it back from where it is kept."
            )
        return Signed(
            tenant=values["tenant"],
            on=date.fromisoformat(values["signed_on"]),
            by=values["signed_by"],
            file=values["file"],
            file_sha256=values["file_sha256"],
            manifest_sha256=values["manifest_sha256"],
            annex=read_annex(values["annex"]),
            place=Place(below),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRun(
            f"{file} is not the record of a signature.", "Bring it back from where it is kept."
        ) from error


def record(signed: Signed) -> bytes:
    """A record as it is written."""
    values = {
        "tenant": signed.tenant,
        "signed_on": signed.on.isoformat(),
        "signed_by": signed.by,
        "file": signed.file,
        "file_sha256": signed.file_sha256,
        "manifest_sha256": signed.manifest_sha256,
        "annex_sha256": digest_of(signed.annex.values),
        "annex": signed.annex.values,
    }
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def place_of(tenant: str, on: date, manifest_sha256: str) -> Place:
    """Where a record belongs."""
    return Place(f"{FOLDER}/{tenant}/{on.isoformat()}-{manifest_sha256[:8]}.json")
