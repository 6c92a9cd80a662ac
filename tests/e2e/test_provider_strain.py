"""Inference Providers under strain: who may see a request and who did, odd catalogues, a Hub that is slow."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from passerelle.domain.facts import State
from tests.fakes.hub import HubFake
from tests.fakes.router import RouterFake
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, json_reply
from tests.serving import Served, one_backend, serving

_CHAT = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_MODEL = "openai/gpt-oss-120b"
_SECRETS = {"T": "hf_test"}


def _hub(router: RouterFake, *, model: str = _MODEL, **options: Any) -> dict[str, Any]:
    return one_backend("hf-providers", f"{router.url}/v1", model=model, token="env:T", **options)


def _task(hub: HubFake, task: str, model: str, **options: Any) -> dict[str, Any]:
    return _hub(hub, model=model, task=task, **options)


async def _ask(served: Served, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with served.client() as http, http.post(_CHAT, json={**_BODY, **more}) as reply:
        return reply.status, await reply.json(), dict(reply.headers)


async def test_another_provider_than_was_named_is_told_to_the_operator(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class _Elsewhere(RouterFake):
        def headers(self, request: Received) -> dict[str, str]:
            return {**super().headers(request), "x-inference-provider": "somebody\u00e9lse"}

    async with _Elsewhere() as router:
        async with serving(_hub(router, provider="groq"), environment=_SECRETS) as served:
            status, _, headers = await _ask(served)

    logged = "".join(capsys.readouterr())
    assert status == 200
    assert headers["x-passerelle-provider"].startswith("somebody")
    assert headers["x-passerelle-provider"].isascii()
    assert "another_provider_answered" in logged
    assert "groq" in logged
    assert "Dis bonjour" not in logged


@pytest.mark.parametrize("suffix", ["groq", "cheapest", "auto"])
async def test_a_model_that_names_a_provider_of_its_own_is_not_sent(suffix: str) -> None:
    async with RouterFake() as router:
        configuration = _hub(router, provider="ovhcloud", model=f"{_MODEL}:{suffix}")
        async with serving(configuration, environment=_SECRETS) as served:
            status, reply, _ = await _ask(served)

    assert (status, reply["error"]["code"]) == (502, "upstream_model")
    assert router.requests == []


async def test_what_is_stated_of_the_backend_does_not_let_the_router_choose_for_a_tenant_with_a_policy() -> (
    None
):
    """Before the catalogue is known, `cheapest` would be anybody."""
    async with RouterFake() as router:
        stated: dict[str, Any] = {"location": {"country": "US"}, "trains": False, "retention_days": 0}
        configuration = _hub(router, provider="cheapest", **stated)
        configuration["policies"] = {"us": {"countries": ["US"], "training": "forbidden"}}
        configuration["tenants"] = {"acme": {"policy": "us"}}
        configuration["backends"]["engine"]["providers"] = {"groq": {**stated}}
        async with serving(configuration, environment=_SECRETS) as served:
            assert (await _ask(served))[0] == 503
            assert router.requests == []
            await served.scout.look()
            status, _, headers = await _ask(served)

    assert (status, headers["x-passerelle-provider"]) == (200, "groq")


async def test_embeddings_under_a_policy_go_to_a_provider_it_permits() -> None:
    async with HubFake() as hub:
        configuration = _task(hub, "embed", "intfloat/multilingual-e5-large", provider="cheapest")
        us = {"location": {"country": "US"}}
        configuration["policies"] = {"us": {"countries": ["US"]}}
        configuration["tenants"] = {"acme": {"policy": "us"}}
        configuration["backends"]["engine"]["providers"] = {"together": us}
        async with serving(configuration, environment=_SECRETS) as served, served.client() as http:
            body = {"model": "assistant", "input": "Bonjour"}
            async with http.post("/v1/embeddings", json=body) as before:
                assert before.status == 503
            await served.scout.look()
            async with http.post("/v1/embeddings", json=body) as reply:
                assert (reply.status, reply.headers["x-passerelle-provider"]) == (200, "together")

    asked = [request.path for request in hub.requests if request.method == "POST"]
    assert asked == ["/together/v1/embeddings"]


async def test_a_provider_that_is_not_known_here_is_passed_over_for_one_that_is() -> None:
    async with HubFake() as hub:
        model = "intfloat/multilingual-e5-large"
        mapped = hub.mappings[model]
        hub.mappings[model] = {"brand-new": mapped["together"], "together": mapped["together"]}
        async with (
            serving(_task(hub, "embed", model), environment=_SECRETS) as served,
            served.client() as http,
        ):
            async with http.post("/v1/embeddings", json={"model": "assistant", "input": "x"}) as reply:
                assert reply.headers["x-passerelle-provider"] == "together"


async def test_a_survey_sends_nothing_of_a_tenant_and_asks_for_no_answer() -> None:
    async with HubFake() as hub:
        model = "intfloat/multilingual-e5-large"
        async with (
            serving(_task(hub, "embed", model), environment=_SECRETS) as served,
            served.client() as http,
        ):
            async with http.post("/v1/embeddings", json={"model": "assistant", "input": "secret"}) as reply:
                assert reply.status == 200
            hub.requests.clear()
            await served.scout.look()

    assert {request.method for request in hub.requests} <= {"GET"}
    assert all(request.body is None for request in hub.requests)


async def test_a_hub_that_is_slow_does_not_keep_the_catalogue_from_being_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("passerelle.backends.provider_survey._HUB_SECONDS", 0.2)
    asked, answer = asyncio.Event(), asyncio.Event()

    class _SlowHub(HubFake):
        async def reply(self, request: Received, plan: Plan) -> Reply:
            if request.path.startswith("/api/models/"):
                asked.set()
                await answer.wait()
            return await super().reply(request, plan)

    async with _SlowHub() as hub:
        configuration = _task(hub, "embed", "BAAI/bge-multilingual-gemma2", provider="cheapest")
        chat = {"targets": [{"backend": "engine", "model": _MODEL}]}
        configuration["models"] |= {"chat": chat}
        async with serving(configuration, environment=_SECRETS) as served:
            survey = (await served.scout.look())["engine"]
            answer.set()

    assert asked.is_set()
    assert survey is not None
    assert survey.state is State.READY
    assert survey.models[_MODEL].hosts
    assert "the Hub did not answer within the limit" in survey.problems[0]


@pytest.mark.parametrize(
    "entry",
    [
        {"providers": 5},
        {"providers": {"a": 1}},
        {"architecture": []},
        {"providers": [None, {"provider": {}}]},
    ],
)
async def test_an_odd_entry_of_the_catalogue_spoils_no_other(entry: dict[str, Any]) -> None:
    class _Odd(RouterFake):
        def models(self, request: Received, plan: Plan) -> Reply:
            whole = super().models(request, plan)
            data = orjson.loads(b"".join(whole.frames))["data"]
            return json_reply({"data": [*data, {"id": "org/odd", **entry}, {"id": None}, 7]})

    async with _Odd() as router:
        configuration = _hub(router, provider="cheapest")
        configuration["models"] |= {"odd": {"targets": [{"backend": "engine", "model": "org/odd"}]}}
        async with serving(configuration, environment=_SECRETS) as served:
            survey = (await served.scout.look())["engine"]

    assert survey is not None
    assert survey.state is State.READY
    assert survey.models[_MODEL].hosts
    assert survey.problems == ("No provider serves org/odd now.",)
