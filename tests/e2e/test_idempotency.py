"""OpenAI's SDK sends a request again with the same `Idempotency-Key`: the engine is asked once, the ledger charged once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from openai import APIStatusError, AsyncOpenAI, ConflictError

from passerelle.domain.caller import Caller, Role
from passerelle.http.front import App
from passerelle.http.intake import Limits
from passerelle.http.once import Once
from passerelle.idempotency.flights import Flights
from passerelle.idempotency.seal import Sealer
from passerelle.idempotency.store import AnswerStore
from passerelle.stores.database import Database
from tests.fakes.script import Answer, Close, Pace, Status
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, FixedKeys, Served, one_backend, serving

_KEYS = FixedKeys({KEY.encode(): Caller("key_test", "acme", Role.MEMBER)})
_MESSAGES = [{"role": "user", "content": "Dis bonjour."}]
_ONCE = {"Idempotency-Key": "order-17"}


@pytest.fixture
async def vllm() -> AsyncIterator[VllmFake]:
    async with VllmFake(model="m") as vllm:
        yield vllm


@pytest.fixture
async def served(vllm: VllmFake, database: Database) -> AsyncIterator[Served]:
    store = AnswerStore(database)

    def once(app: App) -> App:
        return Once(app, keys=_KEYS, limits=Limits(), flights=Flights(store), sealer=Sealer(b"p" * 32))

    async with serving(one_backend("vllm", vllm.url, model="m"), whole=True, wrap=once) as served:
        yield served
    await store.aclose()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client:
        yield client


async def chat(client: AsyncOpenAI, text: str = "Dis bonjour.") -> tuple[str | None, str | None]:
    """What was said, and whether it was said before."""
    raw = await client.chat.completions.with_raw_response.create(
        model="assistant", messages=[{"role": "user", "content": text}], extra_headers=_ONCE
    )
    return raw.parse().choices[0].message.content, raw.headers.get("idempotency-replayed")


def asked(vllm: VllmFake) -> int:
    return sum(request.path.endswith("/chat/completions") for request in vllm.requests)


async def test_ten_equal_chats_at_once_ask_the_engine_once_and_are_charged_once(
    client: AsyncOpenAI, vllm: VllmFake, served: Served
) -> None:
    heard = await asyncio.gather(*(chat(client) for _ in range(10)))

    assert {text for text, _ in heard} == {"Bonjour le monde."}
    assert sorted(str(replayed) for _, replayed in heard) == ["None"] + ["true"] * 9
    assert asked(vllm) == 1
    assert len(served.records) == 1


async def test_another_chat_under_the_same_key_is_a_conflict_that_the_sdk_does_not_repeat(
    client: AsyncOpenAI, vllm: VllmFake
) -> None:
    await chat(client)
    with pytest.raises(ConflictError) as refused:
        await chat(client.with_options(max_retries=3), "Dis au revoir.")

    assert refused.value.code == "idempotency_conflict"
    assert asked(vllm) == 1


async def test_a_stream_is_read_again_as_it_was(served: Served, vllm: VllmFake) -> None:
    body = {"model": "assistant", "messages": _MESSAGES, "stream": True}
    heard = []
    async with served.client() as http:
        for _ in range(2):
            async with http.post("/v1/chat/completions", json=body, headers=_ONCE) as reply:
                heard.append(await reply.read())
    assert heard[0] == heard[1]
    assert heard[0].endswith(b"data: [DONE]\n\n")
    assert asked(vllm) == 1

    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1") as client:
        for _ in range(2):
            stream = await client.chat.completions.create(
                model="assistant",
                messages=[{"role": "user", "content": "Dis bonjour."}],
                stream=True,
                extra_headers={"Idempotency-Key": "order-18"},
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert text == "Bonjour le monde."
    assert asked(vllm) == 2


async def test_a_stream_that_broke_is_run_again(served: Served, vllm: VllmFake) -> None:
    body = {"model": "assistant", "messages": _MESSAGES, "stream": True}
    vllm.script(Answer(), Close(after=3))
    heard = []
    async with served.client() as http:
        for _ in range(2):
            async with http.post("/v1/chat/completions", json=body, headers=_ONCE) as reply:
                heard.append(await reply.read())

    assert b"upstream_broken" in heard[0]
    assert heard[1].endswith(b"data: [DONE]\n\n")
    assert asked(vllm) == 2


async def test_an_engine_that_failed_is_asked_again(client: AsyncOpenAI, vllm: VllmFake) -> None:
    vllm.always(Status(500, "no"))
    with pytest.raises(APIStatusError) as failed:
        await chat(client)
    assert failed.value.status_code == 503
    vllm.always()

    assert await chat(client) == ("Bonjour le monde.", None)


async def test_who_waits_takes_over_from_a_stream_that_was_hung_up_on(served: Served, vllm: VllmFake) -> None:
    body = {"model": "assistant", "messages": _MESSAGES, "stream": True}
    gate = asyncio.Event()
    vllm.script(Pace(gate))

    async def post() -> bytes:
        async with served.client() as http:
            async with http.post("/v1/chat/completions", json=body, headers=_ONCE) as reply:
                return await reply.read()

    first = asyncio.ensure_future(post())
    await vllm.until(lambda: asked(vllm) == 1)
    second = asyncio.ensure_future(post())
    first.cancel()

    assert (await second).endswith(b"data: [DONE]\n\n")
    assert asked(vllm) == 2
    await vllm.until(lambda: len(vllm.hung_up) == 1)
    gate.set()
