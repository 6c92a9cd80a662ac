"""Connections of TGI's native API: hung up on, closed, kept, and carrying nobody's token but ours."""

import asyncio
import gc
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import httpx2
import pytest
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.utils import get_async_session

from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from tests.contract.native import BODY, PATH, alone, ask_of, backend_of, post
from tests.fakes.script import Fail, Silent, Status, Wait
from tests.fakes.tgi import TgiFake
from tests.serving import Served, serving


@pytest.fixture
async def tgi() -> AsyncIterator[TgiFake]:
    async with TgiFake() as tgi:
        yield tgi


@pytest.fixture
async def served(tgi: TgiFake) -> AsyncIterator[Served]:
    async with serving(alone(tgi)) as served:
        yield served


@pytest.mark.parametrize("prompt", ["un", ["un", "deux", "trois"]], ids=["one", "several"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_hang_up_before_the_answer_reaches_the_engine_within_500_ms(
    served: Served, tgi: TgiFake, stream: bool, prompt: Any
) -> None:
    tgi.always(Silent())
    calls = 1 if isinstance(prompt, str) else len(prompt)
    async with served.client() as http:
        body = {**BODY, "prompt": prompt, "stream": stream, "logprobs": 1}
        call = asyncio.ensure_future(http.post(PATH, json=body))
        await tgi.until(lambda: tgi.live == calls)
        left = monotonic()
        call.cancel()
    await tgi.until(lambda: len(tgi.hung_up) == calls)

    assert monotonic() - left < 0.5
    await served.until(lambda: served.records)
    assert served.records[0].outcome == "hung_up"


@pytest.mark.parametrize("prompt", ["un", ["un", "deux", "trois"]], ids=["one", "several"])
async def test_a_hang_up_amid_a_stream_reaches_the_engine_within_500_ms(
    served: Served, tgi: TgiFake, prompt: Any
) -> None:
    tgi.answer = "un deux trois quatre cinq six sept huit"
    tgi.always(Wait(asyncio.Event(), before=3))
    calls = 1 if isinstance(prompt, str) else len(prompt)
    async with served.client() as http:
        body = {**BODY, "prompt": prompt, "stream": True, "logprobs": 1}
        reply = await http.post(PATH, json=body)
        seen = b""
        while seen.count(b'"text":" trois"') < calls:
            seen += await reply.content.readany()
        left = monotonic()
        reply.close()
    await tgi.until(lambda: len(tgi.hung_up) == calls)

    assert monotonic() - left < 0.5
    await served.until(lambda: served.records)
    assert [record.outcome for record in served.records] == ["hung_up"]


@pytest.mark.parametrize("prompt", ["un", ["un", "deux", "trois"]], ids=["one", "several"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_cancelled_start_has_hung_up_when_it_returns(tgi: TgiFake, stream: bool, prompt: Any) -> None:
    tgi.always(Silent())
    backend = backend_of(tgi.url)
    calls = 1 if isinstance(prompt, str) else len(prompt)
    starting = asyncio.ensure_future(
        backend.start(ask_of(stream=stream, prompt=prompt), Target("gpu", "tgi"))
    )
    await tgi.until(lambda: tgi.live == calls)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    session = backend._upstream._session
    assert not session.connector._acquired  # no connection is in use any more
    await tgi.until(lambda: len(tgi.hung_up) == calls)
    await backend.aclose()


async def test_a_stream_closed_twice_while_it_is_read_is_closed_once(tgi: TgiFake) -> None:
    tgi.always(Wait(asyncio.Event(), before=2))
    backend = backend_of(tgi.url)
    reply = await backend.start(ask_of(stream=True), Target("gpu", "tgi"))
    assert await reply.stream.read()
    assert await reply.stream.read()
    reading = asyncio.ensure_future(reply.stream.read())
    await asyncio.sleep(0)
    reply.stream.close()
    reply.stream.close()
    with pytest.raises(UpstreamFailed) as failed:
        await reading

    assert failed.value.fault is Fault.BROKEN
    await backend.aclose()
    await tgi.until(lambda: tgi.hung_up)


async def test_a_hundred_streams_leave_nothing_open(served: Served, tgi: TgiFake) -> None:
    tgi.answer = "un deux trois quatre cinq six sept huit"
    gone = asyncio.Event()

    async def one(http: Any, number: int) -> None:
        if number % 4 == 1:
            tgi.script(Wait(gone, before=3))
        elif number % 4 == 2:
            tgi.script(Fail("generation", after=3))
        body = {**BODY, "stream": True, "logprobs": 1, "prompt": ["a", "b"] if number % 4 == 3 else "a"}
        reply = await http.post(PATH, json=body)
        if number % 4 == 1:
            await reply.content.readany()
            reply.close()
        else:
            await reply.read()

    async with served.client() as http:
        for number in range(100):
            await one(http, number)
    await served.until(lambda: len(served.records) == 100)
    await tgi.until(lambda: tgi.live == 0)
    gone.set()

    assert tgi.open <= 3  # kept for the next request, however many there were
    backend = served.editions.current.backend("engine")
    await served.until(lambda: not backend._native._hub._closing and not backend._native._tasks)  # type: ignore[attr-defined]
    gc.collect()
    left = [
        thing for thing in gc.get_objects() if isinstance(thing, AsyncInferenceClient | httpx2.AsyncClient)
    ]
    assert left == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_connection_to_the_engine_is_used_again(served: Served, tgi: TgiFake, stream: bool) -> None:
    for _ in range(5):
        await post(served, stream=stream, details=True)
        await served.until(lambda: tgi.live == 0)
        await asyncio.sleep(0)

    assert tgi.connections <= 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_only_our_own_token_is_sent_and_only_to_the_engine(
    tgi: TgiFake, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TgiFake() as other:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, other.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_machine")
        monkeypatch.setattr("huggingface_hub.inference._providers.hf_inference.get_token", _never)
        tgi.script()
        tgi.script()
        tgi.script(Status(307, "", {"location": f"{other.url}/generate"}))
        bare, ours = backend_of(tgi.url), backend_of(tgi.url, token="hf_ours")
        for backend in (bare, ours):
            reply = await backend.start(ask_of(stream=stream), Target("gpu", "tgi"))
            if reply.stream:
                reply.stream.close()
        with pytest.raises(UpstreamFailed) as failed:
            await ours.start(ask_of(stream=stream), Target("gpu", "tgi"))
        await bare.aclose()
        await ours.aclose()

        assert failed.value.fault is Fault.BROKEN
        assert other.requests == []
    assert [request.bearer for request in tgi.requests] == ["", "hf_ours", "hf_ours"]
    assert {request.headers["x-request-id"] for request in tgi.requests} == {"req_1"}
    assert "hf_of_the_machine" not in str([request.headers for request in tgi.requests])


def _never() -> str:
    raise AssertionError("the login stored on the machine was read")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_each_client_of_the_library_is_closed_however_its_call_ends(
    served: Served, tgi: TgiFake, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, closed = [], []
    made, close = AsyncInferenceClient.__init__, AsyncInferenceClient.close

    def noted(self: AsyncInferenceClient, **options: Any) -> None:
        made(self, **options)
        opened.append(id(self))

    async def note(self: AsyncInferenceClient) -> None:
        await close(self)
        closed.append(id(self))

    monkeypatch.setattr(AsyncInferenceClient, "__init__", noted)
    monkeypatch.setattr(AsyncInferenceClient, "close", note)
    tgi.script()
    tgi.script(Fail("overloaded"))
    tgi.script(Status(500, ""))
    tgi.script(Status(200, "not json"))
    for _ in range(4):
        await _post_and_forget(served, stream=stream)

    await served.until(lambda: len(closed) == len(opened))
    assert len(opened) == 4


async def _post_and_forget(served: Served, *, stream: bool) -> None:
    async with (
        served.client() as http,
        http.post(PATH, json={**BODY, "echo": True, "stream": stream}) as reply,
    ):
        await reply.read()


async def test_other_users_of_the_library_keep_its_own_transport(served: Served) -> None:
    await post(served, echo=True)

    async with get_async_session() as session:
        assert session.follow_redirects
        assert type(session._transport) is httpx2.AsyncHTTPTransport


async def test_a_library_that_takes_no_transport_is_not_used(
    served: Served, tgi: TgiFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(AsyncInferenceClient, "_get_async_client")

    status, told = await post(served, echo=True)

    assert (status, told["error"]["code"]) == (400, "unsupported_parameter")
    assert tgi.requests == []


@pytest.mark.parametrize(
    ("path", "route"),
    [("", "/generate"), ("/v1", "/generate"), ("/tgi/v1", "/tgi/generate"), ("/tgi", "/tgi/generate")],
)
async def test_the_native_routes_stand_beside_the_openai_ones(tgi: TgiFake, path: str, route: str) -> None:
    tgi.script(Status(418, ""))
    backend = backend_of(tgi.url + path)
    with pytest.raises(UpstreamFailed):
        await backend.start(ask_of(stream=False), Target("gpu", "tgi"))
    await backend.aclose()

    assert [request.path for request in tgi.requests] == [route]
