"""Who serves a model is asked once for all who want to know, and seldom again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from huggingface_hub import constants

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire import provider_mappings
from passerelle.wire.provider_mappings import ProviderMappings
from tests.fakes.hub import HubFake
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, json_reply

_MODEL = "Qwen/Qwen2.5-7B-Instruct"


class _Hub(HubFake):
    """Says whatever it is told to of any model."""

    document: tuple[Any, int] | None = None

    async def reply(self, request: Received, plan: Plan) -> Reply:
        if self.document is not None and request.path.startswith("/api/models/"):
            self.asked_mapping.append(request.path)
            return json_reply(*self.document)
        return await super().reply(request, plan)


class _Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(provider_mappings, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    return _Clock(monkeypatch)


async def test_many_who_ask_at_once_hear_one_answer() -> None:
    async with _Hub() as hub:
        mappings = ProviderMappings("hf_test")
        answers = await asyncio.gather(*(mappings.of(_MODEL) for _ in range(100)))

    assert len(hub.asked_mapping) == 1
    assert {len(answer) for answer in answers} == {3}


async def test_a_model_that_is_not_there_is_not_asked_for_by_every_request(clock: _Clock) -> None:
    async with _Hub() as hub:
        mappings = ProviderMappings("hf_test")
        for _ in range(10):
            with pytest.raises(UpstreamFailed) as failed:
                await mappings.of("org/missing")
            mappings.forget("org/missing")
        assert failed.value.fault is Fault.MODEL
        assert len(hub.asked_mapping) == 1
        hub.mappings["org/missing"] = {}
        clock.now += 60
        assert await mappings.of("org/missing") == ()


async def test_what_is_forgotten_is_asked_again_once_in_a_while(clock: _Clock) -> None:
    async with _Hub() as hub:
        mappings = ProviderMappings("hf_test")
        for _ in range(10):
            await mappings.of(_MODEL)
            mappings.forget(_MODEL)
        assert len(hub.asked_mapping) == 2
        clock.now += 60
        mappings.forget(_MODEL)
        await mappings.of(_MODEL)

    assert len(hub.asked_mapping) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_hub_in_trouble_does_not_stop_a_provider_that_is_known(clock: _Clock, status: int) -> None:
    async with _Hub() as hub:
        mappings = ProviderMappings("hf_test")
        before = await mappings.of(_MODEL)
        clock.now += 4000
        hub.document = ({"error": "trouble"}, status)
        for _ in range(5):
            assert await mappings.of(_MODEL) == before
        assert len(hub.asked_mapping) == 2


@pytest.mark.parametrize(
    ("status", "fault", "words"),
    [
        (404, Fault.MODEL, "The Hub answered 404 about the model"),
        (403, Fault.CREDENTIALS, "The Hub refuses the token (403)."),
        (500, Fault.SERVER, "The Hub answered 500 about the model"),
    ],
)
async def test_a_refusal_is_told_by_its_cause(status: int, fault: Fault, words: str) -> None:
    async with _Hub() as hub:
        hub.document = ({"error": "no"}, status)
        with pytest.raises(UpstreamFailed) as failed:
            await ProviderMappings("hf_secret").of(_MODEL)

    assert failed.value.fault is fault
    assert words in failed.value.message
    assert "hf_secret" not in failed.value.message


async def test_a_hub_that_is_not_there_cannot_be_reached() -> None:
    async with _Hub() as hub:
        await hub.__aexit__(None, None, None)
        real, constants.ENDPOINT = constants.ENDPOINT, hub.url
        try:
            with pytest.raises(UpstreamFailed) as failed:
                await ProviderMappings(None).of(_MODEL)
        finally:
            constants.ENDPOINT = real
        await hub.__aenter__()

    assert (failed.value.fault, failed.value.message) == (Fault.CONNECT, "The Hub cannot be reached.")


@pytest.mark.parametrize("name", ["org/m:groq", "", "a/b/c", "x" * 300])
async def test_what_cannot_be_a_models_id_is_not_asked_for(name: str) -> None:
    async with _Hub() as hub:
        with pytest.raises(UpstreamFailed) as failed:
            await ProviderMappings("hf_test").of(name)

    assert failed.value.fault is Fault.MODEL
    assert hub.asked_mapping == []


@pytest.mark.parametrize(
    "said",
    [
        [],
        "text",
        {"id": _MODEL, "inferenceProviderMapping": "x"},
        {"id": _MODEL, "inferenceProviderMapping": {"groq": 5}},
        {"id": _MODEL, "inferenceProviderMapping": {"groq": {"status": "live"}}},
        {"inferenceProviderMapping": None},
    ],
)
async def test_an_answer_that_is_not_understood_is_one_clear_failure(said: Any) -> None:
    async with _Hub() as hub:
        hub.document = (said, 200)
        with pytest.raises(UpstreamFailed) as failed:
            await ProviderMappings("hf_test").of(_MODEL)

    assert failed.value.fault is Fault.BROKEN
    assert failed.value.message == f"What the Hub said of the model {_MODEL} was not understood."


async def test_odd_fields_of_one_provider_leave_the_others() -> None:
    async with _Hub() as hub:
        good = {"status": "live", "providerId": "g", "task": "conversational"}
        bad = {"status": None, "providerId": None, "task": 7}
        hub.document = ({"id": _MODEL, "inferenceProviderMapping": {"groq": good, "novita": bad}}, 200)
        found = await ProviderMappings("hf_test").of(_MODEL)

    assert [each.provider for each in found] == ["groq"]
