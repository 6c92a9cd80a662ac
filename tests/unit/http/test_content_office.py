"""The routes over the office itself, on PostgreSQL: what fits together up to the work, which nobody does here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from passerelle.jobs.desk import Desk
from passerelle.pipelines.enrichment.desk import Office
from passerelle.pipelines.enrichment.opening import Ground, Opened
from passerelle.pipelines.rag.desk import Nowhere
from passerelle.stores.database import Database
from tests.serving import Served
from tests.unit.http.content_scene import form, running, send
from tests.unit.http.rag_scene import ask, code

TABLE = "id,titre,texte\nc1,Vente,Une formation de 3 jours à Lyon.\nc2,,\nc3,Achat,Deux jours à Lille.\n"


class _Content:
    """The office, once it is known what it stands on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.served: Served | None = None

    async def office(self) -> Office:
        assert self.served is not None
        gateway: Any = None  # nobody works here
        ground = Ground(self._database, Desk(self._database), self.served.editions, gateway, Nowhere())
        return await Opened(ground).office()


@asynccontextmanager
async def _running(database: Database) -> AsyncIterator[Served]:
    content = _Content(database)
    async with running(content) as served:
        content.served = served
        yield served


async def test_a_file_becomes_a_job_whose_texts_wait(database: Database) -> None:
    async with _running(database) as served:
        _, recipes = await ask(served, "member", "GET", "/v1/content/recipes")
        name = next(each["name"] for each in recipes["data"] if "rewrite" in each["operations"])
        _, found = await send(served, "member", "/v1/content/read", form(("t.csv", TABLE)))
        assert ([each["key"] for each in found["data"]], found["skipped"][0]["row"]) == (["c1", "c3"], 3)
        order = {"recipe": name, "mapping": {"text": "texte", "key": "id"}}
        status, thought = await send(
            served, "member", "/v1/content/estimate", form(("t.csv", TABLE), order=order)
        )
        assert (status, thought["pieces"], thought["reused"]) == (200, 2, 0)
        status, started = await send(
            served, "member", "/v1/content/jobs", form(("t.csv", TABLE), order=order)
        )
        assert status == 202, started
        path = f"/v1/content/jobs/{started['job']['id']}"
        _, job = await ask(served, "member", "GET", path)
        assert (job["counts"]["queued"], job["recipe"]) == (2, name)
        _, items = await ask(served, "member", "GET", f"{path}/items?limit=1")
        assert ([each["key"] for each in items["data"]], items["has_more"]) == (["c1"], True)
        _, item = await ask(served, "member", "GET", f"{path}/items/2")
        assert (item["source"], item["standing"]) == ("Deux jours à Lille.", "queued")
        assert (await ask(served, "member", "GET", f"{path}/items/2/diff"))[1]["fields"] == []
        decided = await ask(
            served, "member", "POST", f"{path}/items/2/decisions", {"text": {"decision": "accepted"}}
        )
        assert decided[0] in (400, 409)
        assert (await ask(served, "member", "POST", f"{path}/decisions", {"decision": "accepted"}))[1][
            "fields"
        ] == 0
        assert await code(served, "member", "DELETE", path) == (409, "job_not_over")
        assert await code(served, "stranger", "GET", path) == (404, "job_not_found")
        assert await code(served, "stranger", "GET", f"{path}/items") == (404, "job_not_found")
        assert (await ask(served, "stranger", "GET", "/v1/content/jobs"))[1]["data"] == []


async def test_recipes_and_brands_are_kept(database: Database) -> None:
    async with _running(database) as served:
        _, recipes = await ask(served, "member", "GET", "/v1/content/recipes")
        base = recipes["data"][0]
        body = {"name": "la-notre", "extends": base["name"], "title": "La nôtre"}
        status, made = await ask(served, "member", "POST", "/v1/content/recipes", body)
        assert (status, made["version"], made["task"]) == (201, 1, base["task"])
        assert (await ask(served, "member", "GET", "/v1/content/recipes/la-notre"))[1] == made
        assert (await code(served, "member", "DELETE", f"/v1/content/recipes/{base['name']}"))[0] in (
            404,
            409,
        )
        brand = {"tone": "Clair.", "glossary": [{"use": "apprenant", "never": ["élève"]}], "address": "vous"}
        status, first = await ask(served, "member", "PUT", "/v1/content/brand", brand)
        assert (status, first["version"]) == (200, 1), first
        assert (await ask(served, "member", "PUT", "/v1/content/brand", brand))[1]["version"] == 1
        assert (await ask(served, "stranger", "GET", "/v1/content/brand"))[1]["version"] == 0
