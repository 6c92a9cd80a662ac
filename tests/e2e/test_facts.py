"""What backends say of themselves: asked in the background, used by plans, shown to operators."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.facts import State
from tests.fakes.router import RouterFake
from tests.fakes.tei import TeiFake
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}]}
_ADMIN = {KEY.encode(): Caller("key_admin", None, Role.ADMIN)}


def _two(small: str, large: str) -> dict[str, Any]:
    return {
        "backends": {"small": {"kind": "tgi", "url": small}, "large": {"kind": "vllm", "url": large}},
        "models": {
            "assistant": {
                "targets": [
                    {"backend": "small", "model": "tgi"},
                    {"backend": "large", "model": "m", "rank": 2},
                ]
            }
        },
        "tenants": {"acme": {}},
    }


async def test_a_request_longer_than_an_engine_says_it_reads_goes_to_one_that_reads_it() -> None:
    async with TgiFake() as small, VllmFake(model="m", max_model_len=65_536) as large:
        async with serving(_two(small.url, large.url)) as served, served.client() as http:
            survey = (await served.scout.look())["small"]
            assert survey is not None
            context = survey.models["tgi"].facts.context
            assert context
            for tokens, backend in ((10, "small"), (context + 1, "large")):
                async with http.post(_PATH, json={**_BODY, "max_tokens": tokens}) as reply:
                    assert reply.headers["x-passerelle-backend"] == backend


async def test_what_the_file_states_of_a_target_goes_before_what_its_engine_says() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {**_BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, picture]}]}
    async with TgiFake() as tgi:
        configuration = one_backend("tgi", tgi.url, model="tgi")
        async with serving(configuration) as served, served.client() as http:
            async with http.post(_PATH, json=body) as unknown:
                assert unknown.status == 200
            await served.scout.look()
            async with http.post(_PATH, json=body) as blind:
                assert (blind.status, (await blind.json())["error"]["param"]) == (400, "messages")
            configuration["models"]["assistant"]["targets"][0]["offers"] = ["vision"]  # type: ignore[index]
            served.publish(configuration)
            await served.scout.look()
            async with http.post(_PATH, json=body) as stated:
                assert stated.status == 200


async def test_an_engine_that_is_away_keeps_what_was_known_of_its_models() -> None:
    async with VllmFake(model="m") as engine:
        async with serving(one_backend("vllm", engine.url, model="m")) as served:
            before = (await served.scout.look())["engine"]
            await engine.down()
            after = (await served.scout.look())["engine"]

    assert before is not None
    assert after is not None
    assert (before.state, after.state) == (State.READY, State.DOWN)
    assert before.models == after.models != {}


async def test_a_new_configuration_is_asked_about_at_once_and_only_what_is_new_of_it() -> None:
    async with VllmFake(model="m") as old, VllmFake(model="m") as new:
        async with serving(one_backend("vllm", old.url, model="m")) as served:
            running = asyncio.ensure_future(served.scout.run())
            try:
                await served.until(lambda: old.requests)
                await served.until(lambda: served.editions.current.surveys()["engine"])
                configuration = one_backend("vllm", old.url, model="m")
                configuration["backends"]["fresh"] = {"kind": "vllm", "url": new.url}  # type: ignore[index]
                configuration["models"]["other"] = {"targets": [{"backend": "fresh", "model": "m"}]}  # type: ignore[index]
                served.publish(configuration)
                served.scout.changed()
                await served.until(lambda: served.editions.current.surveys()["fresh"])
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    assert (len(old.requests), len(new.requests)) == (1, 1)


async def test_an_administrator_sees_every_backend_and_what_is_wrong_with_it() -> None:
    async with VllmFake(model="m") as engine, TeiFake() as embedder, RouterFake() as router:
        configuration = one_backend("vllm", engine.url, model="not-served")
        configuration["backends"] |= {  # type: ignore[operator]
            "embedder": {"kind": "tei", "url": embedder.url},
            "hub": {"kind": "hf-providers", "token": "env:T", "url": f"{router.url}/v1", "provider": "groq"},
            "off": {"kind": "hf-providers", "token": "env:UNSET"},
        }
        configuration["models"] |= {  # type: ignore[operator]
            "vectors": {"task": "embed", "targets": [{"backend": "embedder", "model": embedder.model}]},
            "open": {"targets": [{"backend": "hub", "model": "openai/gpt-oss-120b"}]},
        }
        async with serving(configuration, environment={"T": "hf_test"}, callers=_ADMIN, whole=True) as served:
            async with served.client() as http, http.get("/admin/backends") as reply:
                cards = {card["name"]: card for card in (await reply.json())["backends"]}

    assert {name: card["state"] for name, card in cards.items()} == {
        "engine": "ready",
        "embedder": "ready",
        "hub": "ready",
        "off": "off",
    }
    assert cards["engine"]["problems"] == ["The engine does not list the model 'not-served'."]
    assert cards["off"]["problems"][0].startswith("It is switched off: ")
    (model,) = cards["hub"]["models"]
    assert (model["context"], model["price"]["output_per_million"]) == (131072, "0.75")
    assert model["providers"] == ["groq: USD 0.15/0.75 per million, 480 tokens/s"]


@pytest.mark.parametrize(
    ("name", "status", "code"), [("nobody", 404, "unknown_backend"), ("engine", 400, "cannot_resume")]
)
async def test_only_what_can_be_paused_is_resumed(name: str, status: int, code: str) -> None:
    async with VllmFake(model="m") as engine:
        configuration = one_backend("vllm", engine.url, model="m")
        async with serving(configuration, callers=_ADMIN, whole=True) as served:
            async with served.client() as http, http.post(f"/admin/backends/{name}/resume") as reply:
                payload = await reply.json()

    assert (reply.status, payload["error"]["code"]) == (status, code)


async def test_the_running_service_explains_with_what_it_knows() -> None:
    async with RouterFake() as router:
        configuration = one_backend(
            "hf-providers",
            f"{router.url}/v1",
            model="openai/gpt-oss-120b",
            token="env:T",
            provider="cheapest",
        )
        async with serving(configuration, environment={"T": "hf_test"}, callers=_ADMIN, whole=True) as served:
            query = {"tenant": "acme", "model": "assistant"}
            async with served.client() as http:
                async with http.get("/admin/explain", params=query) as before:
                    assert "the cheapest of its providers" in (await before.json())["text"]
                await served.scout.look()
                async with http.get("/admin/explain", params=query) as after:
                    plan = (await after.json())["plan"]
                async with http.get("/admin/explain", params={**query, "tenant": "x"}) as wrong:
                    assert wrong.status == 404

    assert [step["provider"] for step in plan["targets"]] == ["ovhcloud", "groq", "fireworks-ai"]


async def test_cached_tokens_and_the_callers_cache_control_pass_through() -> None:
    part = {"type": "text", "text": "Un long règlement.", "cache_control": {"type": "ephemeral"}}
    body = {**_BODY, "messages": [{"role": "user", "content": [part]}], "prompt_cache_key": "s"}
    async with VllmFake(model="m") as engine:
        async with serving(one_backend("vllm", engine.url, model="m")) as served, served.client() as http:
            async with http.post(_PATH, json=body) as reply:
                assert reply.status == 200

    assert engine.requests[0].body["messages"][0]["content"] == [part]
    assert engine.requests[0].body["prompt_cache_key"].startswith("u_")  # it may name a person
