"""Embeddings by every kind that makes them: input forms, encodings, usage."""

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.contract.engines import EMBEDDERS, ROWS, SECRETS, Row
from tests.serving import KEY, Served, serving

_ABLE = [row for row in ROWS if "embeddings" not in row.cannot] + EMBEDDERS


@pytest.fixture(params=_ABLE, ids=lambda row: row.name)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Row, Any]]:
    row: Row = request.param
    async with row.make() as engine:
        yield row, engine


@pytest.fixture
async def served(engine: tuple[Row, Any]) -> AsyncIterator[Served]:
    row, fake = engine
    async with serving(row.configuration(fake, task="embed"), environment=SECRETS) as served:
        await row.known(served)
        yield served


async def test_the_sdk_gets_the_same_floats_in_either_encoding(served: Served) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client:
        packed = await client.embeddings.create(model="assistant", input=["un", "deux"])  # base64 on the wire
        plain = await client.embeddings.create(
            model="assistant", input=["un", "deux"], encoding_format="float"
        )

    assert [item.index for item in packed.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert plain.usage.prompt_tokens > 0


@pytest.mark.parametrize("given", ["un", ["un", "deux"], [5, 6], [[5, 6], [7]]], ids=repr)
async def test_every_form_of_input_reaches_the_engine_as_it_is(
    served: Served, engine: tuple[Row, Any], given: Any
) -> None:
    async with served.client() as http:
        async with http.post("/v1/embeddings", json={"model": "assistant", "input": given}) as reply:
            payload = await reply.json()

    if reply.status == 400 and not isinstance(given, str) and not isinstance(given[0], str):
        assert set(payload["error"]) == {"message", "type", "param", "code"}  # this engine takes no token ids
        return
    assert reply.status == 200, payload
    assert engine[1].requests[-1].body["input"] == given


async def test_base64_is_given_where_it_was_asked_for(served: Served) -> None:
    async with served.client() as http:
        body = {"model": "assistant", "input": "un", "encoding_format": "base64"}
        async with http.post("/v1/embeddings", json=body) as reply:
            payload = await reply.json()

    raw = base64.b64decode(payload["data"][0]["embedding"])
    assert len(struct.unpack(f"<{len(raw) // 4}f", raw)) == 8


async def test_a_model_for_something_else_does_not_embed_and_says_so(engine: tuple[Row, Any]) -> None:
    row, fake = engine
    other = "rerank" if "chat" in row.cannot else "chat"
    configuration = row.configuration(fake, task=other)
    async with serving(configuration, environment=SECRETS) as served, served.client() as http:
        async with http.post("/v1/embeddings", json={"model": "assistant", "input": "un"}) as reply:
            payload = await reply.json()

    assert (reply.status, payload["error"]["code"]) == (400, "wrong_task")
