"""Text Embeddings Inference behind the gateway: what it refuses, how it fails, and when it is hung up on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest

from tests.contract.tei import CLASSIFY, EMBED, RERANK, WAYS, Way, answered, asked, chats, configured, post
from tests.fakes.script import Close, Fail, HalfFrame, Reset, Silent, Status, bad_gateway
from tests.fakes.tei import Kind, Launch, TeiFake
from tests.serving import Served, serving


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


@pytest.fixture
async def spare(way: Way) -> AsyncIterator[TeiFake]:
    async with TeiFake(kind=way.kind) as spare:
        yield spare


@pytest.fixture
async def paired(way: Way, engine: TeiFake, spare: TeiFake) -> AsyncIterator[Served]:
    configuration = configured(way, engine)
    configuration["backends"]["spare"] = {"kind": "tei", "url": spare.url}
    target = {"backend": "spare", "model": spare.model, "rank": 2}
    configuration["models"]["assistant"]["targets"].append(target)
    async with serving(configuration) as served:
        yield served


_NATIVE = {"error": "Model is overloaded", "error_type": "Overloaded"}
_FLAT = {"message": "Model is overloaded", "code": 429, "type": "overloaded"}
_EARLY = [
    pytest.param([Fail("overloaded")], id="429-without-retry-after"),
    pytest.param([Status(429, _NATIVE)], id="429-native"),
    pytest.param([Status(429, _FLAT)], id="429-flat"),
    pytest.param([Fail("generation")], id="424"),
    pytest.param([Status(503, {"error": "unhealthy", "error_type": "Unhealthy"})], id="503"),
    pytest.param([Status(401, "")], id="401"),
    pytest.param([Close()], id="closed"),
    pytest.param([Reset()], id="reset"),
    pytest.param([Close(after=0)], id="closed-after-head"),
    pytest.param([HalfFrame(after=0)], id="half-a-body"),
    pytest.param([bad_gateway()], id="proxy-page"),
    pytest.param([Status(200, "no json")], id="200-not-json"),
    pytest.param([Status(200, "null")], id="200-null"),
    pytest.param([Status(200, [])], id="200-empty-list"),
    pytest.param([Status(200, {"data": []})], id="200-empty-data"),
    pytest.param([Status(200, [{"index": 7, "score": 1.0}])], id="200-for-another-input"),
    pytest.param([Status(200, _NATIVE)], id="200-with-an-error"),
    pytest.param([Status(307, "", {"location": "http://127.0.0.1:1/"})], id="redirect"),
]


@pytest.mark.parametrize("touches", _EARLY)
@pytest.mark.parametrize("count", [1, 100])
async def test_a_failed_batch_sends_the_whole_request_to_the_next_target(
    paired: Served, engine: TeiFake, spare: TeiFake, way: Way, touches: list[Any], count: int
) -> None:
    for _ in range(-(-count // 32) - 1):
        engine.script()  # all batches but one succeed
    engine.script(*touches)
    status, payload, headers = await post(paired, way, chats(count))

    assert status == 200, payload
    assert len(answered(way, payload)) == count
    assert headers["x-passerelle-backend"] == "spare"
    assert sum(len(request.body[way.sent]) for request in asked(spare)) == count
    await paired.until(lambda: paired.records)
    first, second = paired.records[0].attempts
    assert first.fault is not None
    assert (second.backend, second.fault) == ("spare", None)


@pytest.mark.parametrize("touches", _EARLY)
async def test_without_another_target_the_caller_gets_one_clear_error(
    alone: Served, engine: TeiFake, way: Way, touches: list[Any]
) -> None:
    engine.always(*touches)
    status, payload, headers = await post(alone, way, chats(3))

    assert status in (502, 503)
    assert set(payload["error"]) == {"message", "type", "param", "code"}
    assert payload["error"]["code"].startswith("upstream_")
    assert headers["x-passerelle-error-source"] == "upstream"
    if status == 503:
        assert int(headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("native", "flat", "status", "code"),
    [
        (
            {"error": "`inputs` must have less than 512 tokens. Given: 600", "error_type": "Validation"},
            {
                "message": "`inputs` must have less than 512 tokens. Given: 600",
                "code": 422,
                "type": "Validation",
            },
            422,
            "validation",
        ),
        (
            {"error": "Tokenization error", "error_type": "tokenizer"},
            {"message": "Tokenization error", "code": 422, "type": "tokenizer"},
            422,
            "tokenizer",
        ),
        (
            {"error": "`inputs` cannot be empty", "error_type": "Empty"},
            {"message": "`inputs` cannot be empty", "code": 400, "type": "Empty"},
            400,
            "empty",
        ),
    ],
)
async def test_an_input_the_engine_refuses_is_the_callers_in_the_engines_words(
    paired: Served, engine: TeiFake, spare: TeiFake, way: Way, native: Any, flat: Any, status: int, code: str
) -> None:
    engine.always(Status(status, flat if way is EMBED else native))
    answered, payload, headers = await post(paired, way, chats(2))

    assert answered == status
    assert payload["error"]["message"] == flat["message"]
    assert payload["error"]["code"] == code
    assert headers["x-passerelle-error-source"] == "upstream"
    assert spare.requests == []


async def test_one_text_that_is_too_long_refuses_the_whole_request() -> None:
    async with TeiFake() as embedder, serving(configured(EMBED, embedder)) as served:
        status, payload, _ = await post(served, EMBED, [*chats(40), "x " * 600])

    assert status == 422
    assert "must have less than 512 tokens" in payload["error"]["message"]


async def test_one_input_with_too_many_bytes_is_the_callers(way: Way) -> None:
    async with (
        TeiFake(kind=way.kind, launch=Launch(payload_limit=2_000)) as engine,
        serving(configured(way, engine)) as served,
    ):
        status, payload, _ = await post(served, way, ["chat", "x" * 3_000, "chat"])

    assert status == 413
    assert "length limit" in payload["error"]["message"]


async def test_an_engine_that_contradicts_itself_about_its_batches_has_failed(
    alone: Served, engine: TeiFake, way: Way
) -> None:
    message = "batch size 3 > maximum allowed batch size 32"
    engine.always(Status(422, {"error": message, "error_type": "Validation"}))
    status, payload, _ = await post(alone, way, chats(3))

    assert (status, payload["error"]["code"]) == (503, "upstream_error")


@pytest.mark.parametrize(
    ("way", "other"),
    [
        (EMBED, "reranker"),
        (EMBED, "classifier"),
        (RERANK, "embedding"),
        (RERANK, "classifier"),
        (CLASSIFY, "embedding"),
    ],
)
async def test_a_container_with_another_type_of_model_is_not_asked_twice(way: Way, other: Kind) -> None:
    async with TeiFake(kind=other) as engine:
        configuration = configured(way, engine)
        configuration["tenants"] = {"acme": {"attempts": 3}}
        async with serving(configuration) as served:
            status, payload, _ = await post(served, way, chats(2))
            await served.until(lambda: served.records)

        assert (status, payload["error"]["code"]) == (400, "unsupported_parameter")
        assert "model is not a" in payload["error"]["message"]
        assert len(asked(engine)) == len(served.records[0].attempts) == 1


async def test_another_target_answers_for_a_container_with_another_type_of_model(way: Way) -> None:
    wrong: Kind = "reranker" if way is EMBED else "embedding"
    async with TeiFake(kind=wrong) as engine, TeiFake(kind=way.kind) as spare:
        configuration = configured(way, engine)
        configuration["backends"]["spare"] = {"kind": "tei", "url": spare.url}
        target = {"backend": "spare", "model": spare.model, "rank": 2}
        configuration["models"]["assistant"]["targets"].append(target)
        async with serving(configuration) as served:
            status, _, headers = await post(served, way, chats(2))

    assert (status, headers["x-passerelle-backend"]) == (200, "spare")


async def test_an_engine_that_never_answers_is_given_up_within_the_limit(way: Way, engine: TeiFake) -> None:
    engine.always(Silent())
    async with serving(configured(way, engine, timeouts={"total": "80ms"})) as served:
        status, payload, _ = await post(served, way, chats(100))

    assert (status, payload["error"]["code"]) == (504, "upstream_total_timeout")
    await engine.until(lambda: engine.live == 0)
    assert len(engine.hung_up) == 4


async def test_a_hang_up_reaches_every_batch_within_500_ms(alone: Served, engine: TeiFake, way: Way) -> None:
    engine.always(Silent())
    async with alone.client() as http:
        call = asyncio.ensure_future(http.post(way.path, json=way.body(chats(320))))
        await engine.until(lambda: engine.live == 4)
        left = monotonic()
        call.cancel()
    await engine.until(lambda: engine.live == 0)

    assert monotonic() - left < 0.5
    assert len(engine.hung_up) == 4
    assert len(asked(engine)) == 4
    await alone.until(lambda: alone.records)
    assert [record.outcome for record in alone.records] == ["hung_up"]


async def test_when_one_batch_fails_the_engine_is_hung_up_on_for_the_others(
    alone: Served, engine: TeiFake, way: Way
) -> None:
    engine.always(Silent())
    engine.script(Silent())
    engine.script(Fail("validation"))
    status, _, _ = await post(alone, way, chats(320))

    assert status == 422
    await engine.until(lambda: engine.live == 0)
    assert len(engine.hung_up) == 3
    assert len(asked(engine)) == 4
