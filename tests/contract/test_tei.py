"""Text Embeddings Inference behind the gateway: its batches are one answer, on every route it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from openai import AsyncOpenAI

from passerelle.backends import tei
from tests.contract.tei import CLASSIFY, EMBED, RERANK, WAYS, Way, answered, asked, chats, configured, post
from tests.fakes.script import Status, Wait
from tests.fakes.tei import Launch, TeiFake
from tests.serving import KEY, Served, serving


@pytest.fixture(params=WAYS, ids=lambda way: way.task)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
async def engine(way: Way) -> AsyncIterator[TeiFake]:
    async with TeiFake(kind=way.kind) as engine:
        yield engine


@pytest.fixture
async def alone(way: Way, engine: TeiFake) -> AsyncIterator[Served]:
    async with serving(configured(way, engine)) as served:
        yield served


@pytest.mark.parametrize("count", [1, 32, 33, 100])
async def test_more_inputs_than_a_batch_are_one_answer_in_order(
    alone: Served, engine: TeiFake, way: Way, count: int
) -> None:
    status, payload, headers = await post(alone, way, chats(count))

    assert status == 200, payload
    told = answered(way, payload)
    assert len(told) == count
    assert set(told[::2]).isdisjoint(told[1::2])
    assert len(set(told[::2])) == 1
    sizes = [len(request.body[way.sent]) for request in asked(engine)]
    assert max(sizes) <= 32
    assert sum(sizes) == count
    assert len(sizes) == -(-count // 32)
    assert headers["x-passerelle-attempts"] == "1"


async def test_the_usage_of_all_batches_is_summed_told_and_recorded(
    alone: Served, engine: TeiFake, way: Way
) -> None:
    _, payload, _ = await post(alone, way, ["un deux trois"] * 70)

    words = 3 * 70 + (3 * 2 if way is RERANK else 0)  # the query is read once for each of three batches
    assert payload["usage"] == {"prompt_tokens": words, "total_tokens": words}
    await alone.until(lambda: alone.records)
    usage = alone.records[0].usage
    assert usage is not None
    assert usage.prompt_tokens == words


async def test_at_most_four_batches_are_in_flight(alone: Served, engine: TeiFake, way: Way) -> None:
    gate = asyncio.Event()
    engine.always(Wait(gate))
    call = asyncio.ensure_future(post(alone, way, chats(320)))
    await engine.until(lambda: engine.live == 4)
    assert len(asked(engine)) == 4
    gate.set()
    status, payload, _ = await call

    assert (status, len(answered(way, payload))) == (200, 320)
    assert len(asked(engine)) == 10


async def test_a_smaller_limit_is_learned_from_a_refusal_and_kept(way: Way) -> None:
    async with (
        TeiFake(kind=way.kind, launch=Launch(max_client_batch_size=5)) as engine,
        serving(configured(way, engine)) as served,
    ):
        status, payload, _ = await post(served, way, chats(12))
        assert (status, len(answered(way, payload))) == (200, 12)
        assert [len(request.body[way.sent]) for request in asked(engine)] == [12, 5, 5, 2]
        await post(served, way, chats(12))
        assert sorted(len(request.body[way.sent]) for request in asked(engine)[4:]) == [2, 5, 5]


async def test_what_the_engine_says_of_itself_sizes_the_batches(way: Way) -> None:
    async with (
        TeiFake(kind=way.kind, launch=Launch(max_client_batch_size=64)) as engine,
        serving(configured(way, engine)) as served,
    ):
        await served.scout.look()
        await post(served, way, chats(60))

        assert [len(request.body[way.sent]) for request in asked(engine)] == [60]


async def test_a_stated_batch_is_not_exceeded_whatever_the_engine_would_take(way: Way) -> None:
    async with (
        TeiFake(kind=way.kind) as engine,
        serving(configured(way, engine, batch=8)) as served,
    ):
        await served.scout.look()
        await post(served, way, chats(16))

        assert [len(request.body[way.sent]) for request in asked(engine)] == [8, 8]


async def test_a_batch_with_too_many_bytes_is_halved_until_it_fits(way: Way) -> None:
    texts = [f"chat {number} " + "x" * 300 for number in range(16)]
    async with (
        TeiFake(kind=way.kind, launch=Launch(payload_limit=2_000)) as engine,
        serving(configured(way, engine)) as served,
    ):
        status, payload, _ = await post(served, way, texts)

        assert (status, len(answered(way, payload))) == (200, 16)


async def test_a_batch_over_teis_default_limit_of_bytes_is_not_sent_whole(
    alone: Served, engine: TeiFake, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tei, "PAYLOAD", 2_000)  # the real 2,000,000 bytes would only take longer
    texts = ["x" * 900, "y" * 900, "z" * 900]
    status, payload, _ = await post(alone, way, texts)

    assert (status, len(answered(way, payload))) == (200, 3)
    assert sorted(len(request.body[way.sent]) for request in asked(engine)) == [1, 2]


async def test_connections_are_kept_after_batches(alone: Served, engine: TeiFake, way: Way) -> None:
    for _ in range(5):
        await post(alone, way, chats(128))

    assert engine.connections <= 5  # four batches at once, and what the classes are asked with


async def test_the_token_goes_to_every_route_of_the_engine(way: Way) -> None:
    async with TeiFake(kind=way.kind, api_key="secret") as engine:
        configuration = configured(way, engine, token="env:TEI_KEY")
        async with serving(configuration, environment={"TEI_KEY": "secret"}) as served:
            assert (await post(served, way, chats(2)))[0] == 200
            assert (await served.scout.look())["engine"] is not None


async def test_a_url_that_ends_in_v1_leads_to_the_same_routes(way: Way, engine: TeiFake) -> None:
    configuration = configured(way, engine)
    configuration["backends"]["engine"]["url"] = f"{engine.url}/v1"
    async with serving(configuration) as served:
        assert (await post(served, way, chats(2)))[0] == 200

    assert asked(engine)[0].path == way.native


async def test_the_sdk_embeds_more_than_a_batch_in_its_default_encoding() -> None:
    async with TeiFake(dimensions=32) as embedder, serving(configured(EMBED, embedder)) as served:
        async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client:
            packed = await client.embeddings.create(model="assistant", input=chats(70), dimensions=16)
            plain = await client.embeddings.create(
                model="assistant", input=chats(70), dimensions=16, encoding_format="float"
            )

        assert [request.body["encoding_format"] for request in asked(embedder)[:3]] == ["base64"] * 3
    assert [item.index for item in packed.data] == list(range(70))
    for one, other in zip(packed.data, plain.data, strict=True):
        assert len(one.embedding) == 16
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == 35 + 2 * 35


async def test_the_order_of_the_classes_is_asked_for_once() -> None:
    async with TeiFake(kind="classifier") as engine, serving(configured(CLASSIFY, engine)) as served:
        for _ in range(3):
            await post(served, CLASSIFY, ["chat"])

        assert [request.path for request in engine.requests].count("/info") == 1


async def test_options_of_the_scores_go_on_and_others_do_not() -> None:
    async with TeiFake(kind="reranker") as engine, serving(configured(RERANK, engine)) as served:
        more = {"raw_scores": True, "truncate": True, "top_n": 1, "return_documents": True, "user": "u"}
        async with (
            served.client() as http,
            http.post(RERANK.path, json={**RERANK.body(["un"]), **more}) as reply,
        ):
            assert reply.status == 200, orjson.dumps(await reply.json())

        assert asked(engine)[0].body == {
            "query": "un chat",
            "texts": ["un"],
            "raw_scores": True,
            "truncate": True,
        }


async def test_without_a_count_of_tokens_there_is_no_usage() -> None:
    async with TeiFake(kind="reranker") as engine, serving(configured(RERANK, engine)) as served:
        engine.always(Status(200, [{"index": 0, "score": 0.5}]))
        status, payload, _ = await post(served, RERANK, ["chat"])
        await served.until(lambda: served.records)

    assert status == 200
    assert "usage" not in payload
    assert served.records[0].usage is None


async def test_a_container_says_what_it_serves_and_what_does_not_fit() -> None:
    async with TeiFake(launch=Launch(max_client_batch_size=16, max_input_length=256)) as engine:
        configuration = configured(EMBED, engine, batch=64)
        targets = configuration["models"]["assistant"]["targets"]
        targets.append({"backend": "engine", "model": "BAAI/bge-m3", "rank": 2})
        async with serving(configuration) as served:
            survey = (await served.scout.look())["engine"]

    assert survey is not None
    assert survey.state == "ready"
    assert dict(survey.about) == {
        "model": "intfloat/multilingual-e5-small",
        "type": "embedding",
        "version": "1.9.3",
        "inputs at once": "16",
    }
    assert {name: known.facts.context for name, known in survey.models.items()} == {
        "intfloat/multilingual-e5-small": 256,
        "BAAI/bge-m3": 256,
    }
    batch, model = survey.problems
    assert "64" in batch
    assert "16" in batch
    assert "'BAAI/bge-m3'" in model
