"""The endpoint's proxy is asleep, waking, awake or paused, and says so as the real one does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fakes.client import get, post
from tests.fakes.endpoint import EndpointFake
from tests.fakes.script import Reset
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Bonjour"}]}
TOKEN = {"Authorization": "Bearer hf_test"}
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("engine", [TgiFake(), VllmFake()])
async def test_awake_it_passes_requests_to_its_engine(engine: TgiFake | VllmFake) -> None:
    async with EndpointFake(engine) as endpoint:
        heard = await post(endpoint.url + CHAT, ASK, TOKEN)
        assert heard.json["choices"][0]["message"]["content"] == "Bonjour le monde."
        assert (await get(f"{endpoint.url}/health", TOKEN)).status == 200
        assert (await post(endpoint.url + CHAT, ASK)).status == 401
        endpoint.script(Reset(after=1))
        assert endpoint.requests[0].path == CHAT


async def test_asleep_it_answers_503_and_starts_waking() -> None:
    async with EndpointFake(TgiFake(), state="scaledToZero") as endpoint:
        assert (await post(endpoint.url + CHAT, ASK, TOKEN)).status == 503
        assert (endpoint.state, endpoint.woken) == ("initializing", 1)
        assert (await post(endpoint.url + CHAT, ASK, TOKEN)).status == 503
        endpoint.state = "running"
        assert (await post(endpoint.url + CHAT, ASK, TOKEN)).status == 200
        assert endpoint.woken == 1


async def test_a_patient_request_is_held_until_a_replica_is_ready() -> None:
    async with EndpointFake(TgiFake(), state="scaledToZero") as endpoint:
        held = asyncio.create_task(post(endpoint.url + CHAT, ASK, {**TOKEN, "X-Scale-Up-Timeout": "30"}))
        await endpoint.until(lambda: endpoint.live == 1)
        assert not held.done()
        endpoint.state = "running"
        assert (await held).status == 200


async def test_patience_ends() -> None:
    async with EndpointFake(TgiFake(), state="initializing") as endpoint:
        heard = await post(endpoint.url + CHAT, ASK, {**TOKEN, "X-Scale-Up-Timeout": "0"})
        assert heard.status == 503


async def test_a_held_client_may_hang_up() -> None:
    async with EndpointFake(TgiFake(), state="scaledToZero") as endpoint:
        held = asyncio.create_task(post(endpoint.url + CHAT, ASK, {**TOKEN, "X-Scale-Up-Timeout": "30"}))
        await endpoint.until(lambda: endpoint.live == 1)
        held.cancel()
        await endpoint.until(lambda: endpoint.hung_up and endpoint.live == 0)


async def test_paused_it_never_wakes() -> None:
    async with EndpointFake(TgiFake(), state="paused") as endpoint:
        heard = await post(endpoint.url + CHAT, ASK, {**TOKEN, "X-Scale-Up-Timeout": "30"})
        assert (heard.status, heard.json) == (400, {"error": "Bad Request: Invalid state"})
        assert (endpoint.state, endpoint.woken) == ("paused", 0)
