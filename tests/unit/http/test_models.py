"""`/v1/models` lists a tenant's collections beside its models, and its models whatever is wrong with collections."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from passerelle.domain.errors import Unavailable
from tests.serving import KEY
from tests.unit.pipelines.rag.reading import Scene, Shelves, answering


def _fails(error: Exception) -> Any:
    def fail() -> None:
        raise error

    return fail


async def test_collections_are_listed_as_models_after_the_others() -> None:
    async with answering(Scene(kept=Shelves(["docs", "faq"])), whole=True) as served:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0) as made:
            listed = [model async for model in made.models.list()]
            one = await made.models.retrieve("rag/faq")
    assert [model.id for model in listed] == ["assistant", "rag/docs", "rag/faq"]
    assert (one.id, one.owned_by, one.created) == ("rag/faq", "acme", 1767312000)
    assert (one.model_extra or {})["task"] == "chat"


@pytest.mark.parametrize(
    "scene",
    [
        Scene(opening=_fails(Unavailable("The database is away."))),
        Scene(opening=_fails(OSError("away"))),
        Scene(kept=Shelves(error=RuntimeError("canary"))),
    ],
    ids=["away", "not to be opened", "failing"],
)
async def test_models_are_listed_whatever_is_wrong_with_collections(scene: Scene) -> None:
    async with answering(scene, whole=True) as served, served.client() as http:
        async with http.get("/v1/models") as reply:
            assert reply.status == 200
            assert [model["id"] for model in (await reply.json())["data"]] == ["assistant"]


@pytest.mark.parametrize("model", ["rag/none", "rag/", "rag/docs/more", "other"])
async def test_what_there_is_not_is_no_model(model: str) -> None:
    async with answering(Scene(), whole=True) as served, served.client() as http:
        async with http.get(f"/v1/models/{model}") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (404, "model_not_found")


async def test_a_tenant_without_documents_lists_none() -> None:
    async with answering(Scene(), whole=True, rag=False) as served, served.client() as http:
        async with http.get("/v1/models") as reply:
            assert [model["id"] for model in (await reply.json())["data"]] == ["assistant"]
        async with http.get("/v1/models/rag/docs") as reply:
            assert reply.status == 404
