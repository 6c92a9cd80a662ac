"""People's rights on a real database: stores in memory that can be away, a seal, and workers beside a test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Held, Sighting, Subject, Values
from passerelle.jobs.desk import Desk
from passerelle.rights.desk import OVER, Standing
from passerelle.rights.opening import Ground, Opened
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions
from tests.unit.jobs.scene import until, working

PSEUDONYMS = Pseudonyms(b"p" * 32)
SIGNER = Signer(b"s" * 32)
SEEN = [
    Sighting(date(2026, 11, 2), "router", "together", "US", 3),
    Sighting(date(2026, 11, 5), "router", "together", "US", 1),
    Sighting(date(2026, 11, 5), "local", "self", "FR", 7),
]


class SealFake:
    """AES-GCM with a key for each tenant, which can be destroyed."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}
        self.destroyed: list[str] = []

    async def seal(self, tenant: str, plain: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(12)
        key = self._keys.setdefault(tenant, os.urandom(32))
        return nonce + AESGCM(key).encrypt(nonce, plain, tenant.encode() + b"\0" + bound)

    async def open(self, tenant: str, sealed: bytes, bound: bytes) -> bytes:
        if tenant not in self._keys:
            raise Unavailable("The key is gone.")
        return AESGCM(self._keys[tenant]).decrypt(sealed[:12], sealed[12:], tenant.encode() + b"\0" + bound)

    async def destroy(self, tenant: str) -> int:
        self.destroyed.append(tenant)
        return int(self._keys.pop(tenant, None) is not None)


@dataclass
class Store:
    """A holding in memory: rows by tenant and pseudonym. `away`: how often it does not answer."""

    name: str
    rows: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    away: int = 0
    slow: int = 0  # how often something is left after an erasure
    done: list[str] = field(default_factory=list)
    first: datetime | None = None

    async def find(self, subject: Subject) -> Held:
        self._asked()
        assert not subject.id, "a store is not told the person's own name in a job"
        return Held({"rows": len(self.rows.get(_of(subject), ()))}, f"of {self.name}")

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        for row in self.rows.get(_of(subject), ()):
            yield row

    async def erase(self, subject: Subject) -> Held:
        self._asked()
        self.done.append("erase")
        if self.slow:
            self.slow -= 1
            return Held({})
        return Held({"rows": len(self.rows.pop(_of(subject), ()))})

    async def wipe(self, tenant: str) -> Held:
        self._asked()
        self.done.append("wipe")
        mine = [each for each in self.rows if each[0] == tenant]
        return Held({"rows": sum(len(self.rows.pop(each)) for each in mine)})

    async def oldest(self, tenant: str) -> datetime | None:
        self._asked()
        return self.first

    def _asked(self) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable(f"{self.name} is away.")


def _of(subject: Subject) -> tuple[str, str]:
    return subject.tenant, subject.pseudonym


@dataclass
class Scene:
    """An office over stores, its seal, and what was noted."""

    office: Opened
    database: Database
    stores: Mapping[str, Store]
    seal: SealFake
    noted: list[tuple[str, ...]]
    restrictions: Restrictions

    async def over(self, standing: Standing, within: float = 20.0) -> Standing:
        """The request, once nothing more happens to it."""

        async def ended() -> Standing | None:
            found = await self.office.request(standing.request.tenant, standing.request.id)
            return found if found.state in OVER else None

        found = await until(ended, "the request is over", within)
        assert isinstance(found, Standing)
        return found

    @asynccontextmanager
    async def worked(self) -> AsyncIterator[None]:
        """Its jobs are worked on."""
        async with working(self.database, *self.office.kinds().values()):
            yield


def scene(
    database: Database,
    *names: str,
    tenants: Sequence[str] = ("acme",),
    seen: Sequence[Sighting] = SEEN,
) -> Scene:
    """An office over stores of these names."""
    stores = {name: Store(name) for name in (*names, "sightings", "keys", "jobs", "cache-exact")}
    seal, noted = SealFake(), list[tuple[str, ...]]()
    restrictions = Restrictions(database)

    async def sightings(tenant: str, subject: str | None) -> Sequence[Sighting]:
        return [] if "erase" in stores["sightings"].done else seen

    async def note(chain: str, actor: str, action: str, thing: str, detail: Mapping[str, Any]) -> None:
        noted.append((chain, actor, action, thing))

    catalog = Catalog("v1", {}, {}, {name: Tenant(name, ()) for name in tenants})
    ground = Ground(
        database=database,
        desk=lambda: Desk(database),
        holdings=list(stores.values()),
        pseudonym=PSEUDONYMS.of,
        restrictions=restrictions,
        seen=sightings,
        seal=seal,
        destroy=seal.destroy,
        note=note,
        signer=SIGNER,
        catalog=lambda: catalog,
    )
    return Scene(Opened(ground), database, stores, seal, noted, restrictions)


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)
