"""Every kind, one way to fail: before the first content another target answers, after it the caller is told."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import orjson
import pytest

from tests.contract.engines import ROWS, SECRETS, Row
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import (
    Close,
    Fail,
    HalfFrame,
    Pace,
    Reset,
    RoleFirst,
    Silent,
    Status,
    Truncate,
    Wait,
    bad_gateway,
    invalid_utf8,
    oversized,
)
from tests.serving import Served, serving

_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_PATH = "/v1/chat/completions"


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
async def engine(row: Row) -> AsyncIterator[Any]:
    async with row.make() as engine:
        yield engine


@pytest.fixture
async def spare() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="De secours.") as spare:
        yield spare


@pytest.fixture
async def alone(row: Row, engine: Any) -> AsyncIterator[Served]:
    configuration = row.configuration(engine)
    configuration["tenants"]["acme"] = {"attempts": 1}
    async with serving(configuration, environment=SECRETS) as served:
        await row.known(served)
        yield served


@pytest.fixture
async def paired(row: Row, engine: Any, spare: OpenAiLike) -> AsyncIterator[Served]:
    configuration = row.configuration(engine)
    configuration["backends"]["spare"] = {"kind": "openai", "url": spare.url}
    configuration["models"]["assistant"]["targets"].append(
        {"backend": "spare", "model": spare.model, "rank": 2}
    )
    async with serving(configuration, environment=SECRETS) as served:
        await row.known(served)
        yield served


_EARLY = [
    pytest.param([Fail("overloaded")], id="overloaded"),
    pytest.param([Fail("generation")], id="generation"),
    pytest.param([Fail("server")], id="server"),
    pytest.param([RoleFirst(), Fail("generation", after=1)], id="role-then-error"),
    pytest.param([Close()], id="closed"),
    pytest.param([Reset()], id="reset"),
    pytest.param([Close(after=0)], id="closed-after-head"),
    pytest.param([bad_gateway()], id="proxy-page"),
    pytest.param([Status(401, "")], id="401"),
    pytest.param([Status(402, {"error": "You have exceeded your monthly included credits"})], id="402"),
    pytest.param([Status(429, {"error": "slow down"})], id="429"),
    pytest.param([Status(504, "upstream timed out")], id="504"),
    pytest.param([Status(200, "not json")], id="200-not-json"),
    pytest.param([Status(307, "", {"location": "http://127.0.0.1:1/"})], id="redirect"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("touches", _EARLY)
async def test_a_failure_before_the_first_content_is_answered_by_the_next_target(
    paired: Served, engine: Any, spare: OpenAiLike, touches: list[Any], stream: bool
) -> None:
    engine.always(*touches)
    async with paired.client() as http, http.post(_PATH, json={**_BODY, "stream": stream}) as reply:
        text = (await reply.read()).decode()

    assert reply.status == 200, text
    assert reply.headers["x-passerelle-backend"] == "spare"
    assert reply.headers["x-passerelle-attempts"] == "2"
    assert "secours" in text
    await paired.until(lambda: paired.records)
    first, second = paired.records[0].attempts
    assert first.fault is not None
    assert (second.backend, second.fault) == ("spare", None)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("touches", _EARLY)
async def test_without_another_target_the_caller_gets_one_clear_error(
    alone: Served, engine: Any, touches: list[Any], stream: bool
) -> None:
    engine.always(*touches)
    async with alone.client() as http, http.post(_PATH, json={**_BODY, "stream": stream}) as reply:
        payload = await reply.json()

    assert reply.status in (502, 503)
    assert set(payload["error"]) == {"message", "type", "param", "code"}
    assert payload["error"]["code"].startswith("upstream_")
    assert reply.headers["x-passerelle-error-source"] == "upstream"
    if reply.status == 503:
        assert int(reply.headers["retry-after"]) >= 1
    await alone.until(lambda: alone.records)
    assert alone.records[0].outcome == "failed"


@pytest.mark.parametrize("status", [401, 403])
async def test_an_engines_401_is_never_the_callers(alone: Served, engine: Any, status: int) -> None:
    engine.always(Status(status, {"error": "Invalid username or password."}))
    async with alone.client() as http, http.post(_PATH, json=_BODY) as reply:
        payload = await reply.json()

    assert reply.status == 502
    assert payload["error"]["code"] == "upstream_credentials"
    assert reply.headers["x-should-retry"] == "false"
    assert "password" not in str(payload)


async def test_a_request_the_engine_refuses_is_not_taken_elsewhere(
    paired: Served, engine: Any, spare: OpenAiLike
) -> None:
    engine.always(Status(400, {"error": {"message": "top_k must be positive", "param": "top_k"}}))
    async with paired.client() as http, http.post(_PATH, json=_BODY) as reply:
        payload = await reply.json()

    assert reply.status == 400
    assert payload["error"]["message"] == "top_k must be positive"
    assert payload["error"]["param"] == "top_k"
    assert spare.requests == []


_LATE = [
    pytest.param([Fail("generation", after=3)], id="error-event"),
    pytest.param([Reset(after=3)], id="reset"),
    pytest.param([Close(after=3)], id="closed"),
    pytest.param([Truncate(after=3)], id="truncated"),
    pytest.param([HalfFrame(after=3)], id="half-frame"),
    pytest.param([invalid_utf8(before=3)], id="not-utf8"),
    pytest.param([oversized(20_000_000, before=3)], id="20-MB-line"),
]


@pytest.mark.parametrize("touches", _LATE)
async def test_a_failure_after_the_first_content_is_told_and_nothing_is_glued_on(
    paired: Served, engine: Any, spare: OpenAiLike, touches: list[Any]
) -> None:
    engine.answer = "un deux trois quatre cinq six sept huit"
    read = asyncio.Event()  # else all may arrive at once: a failure seen before anything was sent is mended
    engine.always(Wait(read, before=3), *touches)
    async with paired.client() as http, http.post(_PATH, json={**_BODY, "stream": True}) as reply:
        text = (await reply.content.readany()).decode()
        read.set()
        text += (await reply.read()).decode()

    assert reply.status == 200
    assert "un" in text
    assert "[DONE]" not in text
    last = orjson.loads(text.strip().rpartition("data: ")[2])
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert spare.requests == []
    await paired.until(lambda: paired.records)
    assert paired.records[0].outcome == "broken"
    await engine.until(lambda: engine.live == 0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_hang_up_before_the_answer_reaches_the_engine_within_500_ms(
    alone: Served, engine: Any, stream: bool
) -> None:
    engine.always(Silent())
    async with alone.client() as http:
        call = asyncio.ensure_future(http.post(_PATH, json={**_BODY, "stream": stream}))
        await engine.until(lambda: engine.live == 1)
        left = monotonic()
        call.cancel()
    await engine.until(lambda: engine.hung_up)

    assert monotonic() - left < 0.5
    await alone.until(lambda: alone.records)
    assert alone.records[0].outcome == "hung_up"


async def test_a_hang_up_amid_a_stream_reaches_the_engine_within_500_ms(alone: Served, engine: Any) -> None:
    step = asyncio.Event()
    engine.answer = "un deux trois quatre cinq six sept huit"
    engine.always(Pace(step))
    async with alone.client() as http:
        async with asyncio.TaskGroup() as group:
            feeder = group.create_task(_drip(step))
            reply = await http.post(_PATH, json={**_BODY, "stream": True})
            while b"deux" not in await reply.content.readany():
                pass
            feeder.cancel()
        left = monotonic()
        reply.close()
    await engine.until(lambda: engine.hung_up)

    assert monotonic() - left < 0.5
    await alone.until(lambda: alone.records)
    assert [record.outcome for record in alone.records] == ["hung_up"]


async def _drip(step: asyncio.Event) -> None:
    while True:
        step.set()
        await asyncio.sleep(0)
        step.clear()
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("limits", "stream", "touches", "code"),
    [
        ({"first_content": "80ms"}, True, [Silent()], "upstream_first_content_timeout"),
        ({"total": "80ms"}, False, [Silent()], "upstream_total_timeout"),
        ({"total": "80ms", "first_content": "10s"}, True, [Silent()], "upstream_total_timeout"),
    ],
)
async def test_each_time_limit_is_named_in_its_error(
    row: Row, engine: Any, limits: dict[str, Any], stream: bool, touches: list[Any], code: str
) -> None:
    configuration = row.configuration(engine, timeouts=limits)
    engine.always(*touches)
    async with serving(configuration, environment=SECRETS) as served, served.client() as http:
        await row.known(served)
        async with http.post(_PATH, json={**_BODY, "stream": stream}) as reply:
            payload = await reply.json()

    assert reply.status == 504
    assert payload["error"]["code"] == code
    await engine.until(lambda: engine.hung_up)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"between_chunks": "80ms"}, "upstream_between_chunks_timeout"),
        ({"total": "150ms"}, "upstream_total_timeout"),
    ],
)
async def test_silence_after_the_first_content_ends_the_stream_with_a_named_error(
    row: Row, engine: Any, limits: dict[str, Any], code: str
) -> None:
    engine.answer = "un deux trois quatre"
    engine.always(Wait(asyncio.Event(), before=3))
    configuration = row.configuration(engine, timeouts=limits)
    async with serving(configuration, environment=SECRETS) as served, served.client() as http:
        await row.known(served)
        async with http.post(_PATH, json={**_BODY, "stream": True}) as reply:
            text = (await reply.read()).decode()

    assert reply.status == 200
    assert orjson.loads(text.strip().rpartition("data: ")[2])["error"]["code"] == code
    assert "[DONE]" not in text
    await engine.until(lambda: engine.hung_up)


async def test_an_engine_that_comes_back_is_used_again(paired: Served, engine: Any) -> None:
    async with paired.client() as http:
        await engine.down()
        async with http.post(_PATH, json=_BODY) as reply:
            assert reply.headers["x-passerelle-backend"] == "spare"
        await engine.up()
        async with http.post(_PATH, json=_BODY) as reply:
            assert reply.headers["x-passerelle-backend"] == "engine"
