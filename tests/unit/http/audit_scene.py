"""The whole surface over a real audit log and real keys; what else routes stand on is not there."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from types import SimpleNamespace
from typing import Any

import httpx2

from passerelle.audit.desk import Office
from passerelle.audit.log import Audit
from passerelle.audit.tally import Tally
from passerelle.domain.caller import Caller, Role
from passerelle.http.build import build_app
from passerelle.http.services import Services
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database
from passerelle.tenancy.store import KeyStore
from tests.serving import FixedKeys

CALLERS = {
    b"admin": Caller("key_000000000000a", None, Role.ADMIN),
    b"head": Caller("key_000000000000b", "acme", Role.TENANT_ADMIN),
    b"member": Caller("key_000000000000c", "acme", Role.MEMBER),
    b"other": Caller("key_000000000000d", "beta", Role.TENANT_ADMIN),
}


class Ring:
    async def refresh(self) -> None:
        """Nothing is kept."""


@dataclass
class Scene:
    office: Office
    tally: Tally
    app: Any

    async def ask(self, method: str, path: str, key: str = "admin", **more: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, headers={"authorization": f"Bearer {key}"}, **more)


def scene(database: Database, **given: Any) -> Scene:
    audit = Audit(database, Signer(b"s" * 32))
    tally = Tally(database, audit)
    office = Office(audit, tally, database)
    parts = {
        each.name: None
        for each in fields(Services)
        if each.default is MISSING and each.default_factory is MISSING
    }
    tenants = {
        name: SimpleNamespace(name=name, rag=None, content=None, surveys=None) for name in ("acme", "beta")
    }
    parts |= {
        "keys": FixedKeys(CALLERS),
        "key_ring": Ring(),
        "key_store": KeyStore(database, b"p" * 32),
        "editions": SimpleNamespace(catalog=SimpleNamespace(tenants=tenants, cors_origins=())),
        "asking": SimpleNamespace(ask=None, mark=None),
        "audit": office,
        **given,
    }
    services = Services(**parts)
    app = _app(services)
    app.app.state.services = services
    return Scene(office, tally, app)


_built: list[Any] = []


def _app(services: Services) -> Any:
    """One for all tests, which takes a second to build: what it stands on is looked up at each request."""
    if not _built:
        _built.append(build_app(services))
    return _built[0]
