"""A gateway whose texts are worked on by an office in memory, and callers of two tenants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from passerelle.domain.content import ContentRules
from passerelle.domain.rag import Rag as Rules
from passerelle.http.intake import Limits
from passerelle.jobs.owners import JobsDesk
from passerelle.pipelines.enrichment.desk import Content
from tests.fakes.content import ContentFake
from tests.fakes.rag import RagFake
from tests.serving import FixedKeys, Served, one_backend, serving
from tests.unit.http.rag_scene import CALLERS

RULES = ContentRules()


@asynccontextmanager
async def running(
    content: Content | None = None,
    *,
    rules: ContentRules | None = RULES,
    rag: RagFake | None = None,
    rag_rules: Rules | None = None,
    jobs: JobsDesk | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Served]:
    """The whole surface. `rules` are tenant acme's; None: it has no texts."""
    configuration = one_backend("vllm", "http://localhost:1")
    configuration["tenants"] = {"acme": {}, "other": {}}
    async with serving(
        configuration,
        keys=FixedKeys(CALLERS),
        whole=True,
        content=content or ContentFake(),
        rag=rag,
        jobs=jobs,
        limits=limits,
    ) as served:
        catalog = served.editions.catalog
        acme = replace(catalog.tenants["acme"], content=rules, rag=rag_rules)
        other = replace(catalog.tenants["other"], content=RULES)
        served.editions.publish(replace(catalog, tenants={**catalog.tenants, "acme": acme, "other": other}))
        yield served


def form(*files: tuple[str, str], **fields: Any) -> aiohttp.FormData:
    """A form with files, whose other fields are JSON."""
    made = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for name, said in fields.items():
        made.add_field(name, said if isinstance(said, str) else json.dumps(said))
    for name, content in files:
        made.add_field("file", content.encode(), filename=name, content_type="text/plain")
    return made


async def send(served: Served, who: str, path: str, body: aiohttp.FormData) -> tuple[int, dict[str, Any]]:
    """Status and document of a form that is sent."""
    async with served.client(who) as http, http.post(path, data=body) as reply:
        return reply.status, json.loads(await reply.read())
