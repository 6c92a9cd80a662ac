"""A gateway whose documents and jobs are what a test says, callers of two tenants, and one request after another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson

from passerelle.domain.caller import Caller, Role
from passerelle.domain.rag import Rag as Rules
from passerelle.http.intake import Limits
from passerelle.http.vigil import Patience
from passerelle.jobs.owners import JobsDesk
from tests.fakes.rag import RagFake
from tests.serving import FixedKeys, Served, one_backend, serving

CALLERS = {
    b"member": Caller("key_m", "acme", Role.MEMBER),
    b"member-of-hr": Caller("key_h", "acme", Role.MEMBER, groups=frozenset({"hr"})),
    b"speaks-for-all": Caller("key_s", "acme", Role.MEMBER, groups=frozenset({"*"})),
    b"chief": Caller("key_c", "acme", Role.TENANT_ADMIN),
    b"stranger": Caller("key_x", "other", Role.TENANT_ADMIN),
    b"operator": Caller("key_o", None, Role.ADMIN),
}
RULES = Rules()
DOCUMENTS = "/v1/rag/collections/faq/documents"


@asynccontextmanager
async def running(
    rag: RagFake | None = None,
    *,
    jobs: JobsDesk | None = None,
    rules: Rules | None = RULES,
    keys: FixedKeys | None = None,
    patience: Patience | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Served]:
    """The whole surface. `rules` are tenant acme's; None: it has no documents."""
    configuration = one_backend("vllm", "http://localhost:1")
    configuration["tenants"] = {"acme": {}, "other": {}}
    async with serving(
        configuration,
        keys=keys or FixedKeys(CALLERS),
        whole=True,
        rag=rag or RagFake(),
        jobs=jobs,
        patience=patience,
        limits=limits,
    ) as served:
        catalog = served.editions.catalog
        acme = replace(catalog.tenants["acme"], rag=rules)
        served.editions.publish(replace(catalog, tenants={**catalog.tenants, "acme": acme}))
        yield served


async def ask(
    served: Served, who: str, method: str, path: str, body: Any = None, **named: Any
) -> tuple[int, dict[str, Any]]:
    """Status and document of one request."""
    async with served.client(who) as http, http.request(method, path, json=body, **named) as reply:
        said = await reply.read()
        return reply.status, orjson.loads(said) if said else {}


async def code(
    served: Served, who: str, method: str, path: str, body: Any = None, **named: Any
) -> tuple[int, Any]:
    """Status and code of one that is refused."""
    status, said = await ask(served, who, method, path, body, **named)
    return status, said.get("error", {}).get("code")


def events_of(stream: bytes) -> list[tuple[str | None, str, Any]]:
    """Number, name and data of a stream's events."""
    found = []
    for block in stream.decode().split("\n\n"):
        lines: Mapping[str, str] = dict(
            line.split(": ", 1) for line in block.split("\n") if line[:1] not in ("", ":")
        )
        if "data" in lines:
            found.append((lines.get("id"), lines["event"], orjson.loads(lines["data"])))
    return found
