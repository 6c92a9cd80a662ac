"""Inference Providers beyond the router's chat: who is chosen, tasks of single providers, who pays, credits."""

from __future__ import annotations

from typing import Any, ClassVar

import openai
import pytest

from passerelle.domain.facts import State
from tests.fakes.hub import HubFake, Mapped
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.router import Account, RouterFake
from tests.fakes.script import Fail
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, Served, one_backend, serving

_CHAT = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_MODEL = "openai/gpt-oss-120b"
_SECRETS = {"T": "hf_test", "SCW": "scw-secret-key"}


def _hub(router: RouterFake, *, model: str = _MODEL, **options: Any) -> dict[str, Any]:
    return one_backend("hf-providers", f"{router.url}/v1", model=model, token="env:T", **options)


async def _ask(served: Served, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with served.client() as http, http.post(_CHAT, json={**_BODY, **more}) as reply:
        return reply.status, await reply.json(), dict(reply.headers)


# Which provider


@pytest.mark.parametrize(("provider", "chosen"), [("cheapest", "ovhcloud"), ("fastest", "groq")])
async def test_the_best_live_provider_of_the_catalogue_is_asked_by_name(provider: str, chosen: str) -> None:
    async with RouterFake() as router:
        async with serving(_hub(router, provider=provider), environment=_SECRETS) as served:
            await served.scout.look()
            _, _, headers = await _ask(served)

    assert router.requests[-1].body["model"] == f"{_MODEL}:{chosen}"
    assert headers["x-passerelle-provider"] == chosen
    assert served.records[-1].attempts[-1].provider == chosen


async def test_the_next_best_provider_is_asked_when_the_best_one_fails() -> None:
    async with RouterFake() as router:
        async with serving(_hub(router, provider="cheapest"), environment=_SECRETS) as served:
            await served.scout.look()
            router.script(Fail("rate_limited"))
            status, _, headers = await _ask(served)

    assert (status, headers["x-passerelle-provider"], headers["x-passerelle-attempts"]) == (200, "groq", "2")


async def test_until_the_catalogue_is_known_the_router_chooses() -> None:
    async with RouterFake() as router:
        async with serving(_hub(router, provider="cheapest"), environment=_SECRETS) as served:
            status, _, _ = await _ask(served)

    assert status == 200
    assert router.requests[-1].body["model"] == f"{_MODEL}:cheapest"


def _restricted(router: RouterFake, **policy: Any) -> dict[str, Any]:
    configuration = _hub(router, provider="cheapest")
    configuration["policies"] = {"careful": policy}
    configuration["tenants"] = {"acme": {"policy": "careful"}}
    return configuration


async def test_only_providers_that_the_tenants_policy_permits_are_chosen() -> None:
    async with RouterFake() as router:
        # groq keeps data for up to 30 days, which ovhcloud, the cheapest, does not.
        configuration = _restricted(
            router, operators=["Hugging Face, Inc.", "Groq, Inc."], training="forbidden"
        )
        async with serving(configuration, environment=_SECRETS) as served:
            await served.scout.look()
            _, _, headers = await _ask(served)

    assert headers["x-passerelle-provider"] == "groq"


async def test_a_policy_that_forbids_every_provider_of_a_model_refuses_by_its_rule() -> None:
    async with RouterFake() as router:
        configuration = _restricted(router, operators=["Hugging Face, Inc.", "Scaleway SAS"])
        async with serving(configuration, environment=_SECRETS) as served:
            await served.scout.look()
            status, reply, _ = await _ask(served)

    assert (status, reply["error"]["code"]) == (403, "R01")
    assert "none of the 3 providers" in reply["error"]["message"]
    assert [request for request in router.requests if request.method == "POST"] == []


async def test_under_a_policy_nothing_is_sent_before_the_providers_are_known() -> None:
    async with RouterFake() as router:
        configuration = _restricted(router, operators=["Hugging Face, Inc.", "Groq, Inc."])
        async with serving(configuration, environment=_SECRETS) as served:
            status, reply, _ = await _ask(served)

    assert (status, reply["error"]["code"]) == (503, "no_target_up")
    assert router.requests == []


async def test_what_the_configuration_states_of_a_provider_goes_before_what_is_shipped() -> None:
    async with RouterFake() as router:
        configuration = _restricted(router, countries=["US", "FR"])
        configuration["backends"]["engine"]["providers"] = {"ovhcloud": {"location": {"country": "FR"}}}
        async with serving(configuration, environment=_SECRETS) as served:
            await served.scout.look()
            _, _, headers = await _ask(served)

    assert (headers["x-passerelle-provider"], headers["x-passerelle-country"]) == ("ovhcloud", "FR")


async def test_a_request_that_needs_structured_output_goes_to_a_provider_that_says_it_has_it() -> None:
    async with RouterFake() as router:
        configuration = _hub(router, provider="cheapest", model="Qwen/Qwen2.5-7B-Instruct")
        async with serving(configuration, environment=_SECRETS) as served:
            await served.scout.look()
            picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
            messages = [{"role": "user", "content": [{"type": "text", "text": "Quoi ?"}, picture]}]
            status, reply, _ = await _ask(served, messages=messages)

    assert (status, reply["error"]["code"]) == (400, "unsupported_parameter")
    assert "vision" in reply["error"]["message"]


async def test_a_survey_tells_of_models_that_nobody_serves() -> None:
    async with HubFake() as hub:
        configuration = _hub(hub, provider="scaleway")
        async with serving(configuration, environment=_SECRETS) as served:
            survey = (await served.scout.look())["engine"]
            assert survey is not None
            assert survey.problems == (f"scaleway does not serve {_MODEL} now.",)
            await hub.down()
            survey = (await served.scout.look())["engine"]
            assert survey is not None
            assert survey.state is State.DOWN


# Who pays


async def test_each_tenants_own_organisation_pays() -> None:
    async with RouterFake(account=Account(bill_to=("formation", "acme-org"))) as router:
        configuration = _hub(router, bill_to="formation")
        configuration["tenants"] = {"acme": {"bill_to": "acme-org"}, "other": {}}
        from passerelle.domain.caller import Caller, Role

        callers = {
            KEY.encode(): Caller("k1", "acme", Role.MEMBER),
            b"another-key-0123456789": Caller("k2", "other", Role.MEMBER),
        }
        async with serving(configuration, environment=_SECRETS, callers=callers) as served:
            await _ask(served)
            async with served.client("another-key-0123456789") as http, http.post(_CHAT, json=_BODY):
                pass

    assert router.billed == ["acme-org", "formation"]


async def test_an_account_without_credits_is_not_asked_again_and_others_are() -> None:
    async with RouterFake(account=Account(bill_to=("acme-org",))) as router, VllmFake(model="m") as spare:
        configuration = _hub(router)
        configuration["backends"]["spare"] = {"kind": "vllm", "url": spare.url}
        configuration["models"]["assistant"]["targets"].append({"backend": "spare", "model": "m", "rank": 2})
        configuration["models"]["other"] = {
            "targets": [{"backend": "engine", "model": "Qwen/Qwen2.5-7B-Instruct"}]
        }
        configuration["tenants"]["rich"] = {"bill_to": "acme-org"}
        from passerelle.domain.caller import Caller, Role

        callers = {
            KEY.encode(): Caller("k1", "acme", Role.MEMBER),
            b"another-key-0123456789": Caller("k2", "rich", Role.MEMBER),
        }
        async with serving(configuration, environment=_SECRETS, callers=callers) as served:
            router.script(Fail("credits"))
            _, _, headers = await _ask(served)
            assert (headers["x-passerelle-backend"], headers["x-passerelle-attempts"]) == ("spare", "2")
            asked = len(router.requests)

            _, _, headers = await _ask(served)
            assert (headers["x-passerelle-backend"], headers["x-passerelle-attempts"]) == ("spare", "1")
            status, reply, _ = await _ask(served, model="other")
            assert (status, reply["error"]["code"]) == (502, "upstream_credits")
            assert len(router.requests) == asked

            async with served.client("another-key-0123456789") as http, http.post(_CHAT, json=_BODY) as paid:
                assert paid.headers["x-passerelle-backend"] == "engine"


# Straight to a provider


def _direct(url: str, **options: Any) -> dict[str, Any]:
    return one_backend(
        "hf-providers",
        url,
        model="Qwen/Qwen2.5-7B-Instruct",
        token="env:SCW",
        via="direct",
        **{"provider": "scaleway", **options},
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_a_named_provider_is_asked_directly_under_its_own_name_of_the_model(stream: bool) -> None:
    async with HubFake() as hub, OpenAiLike(OPENAI, api_key="scw-secret-key") as provider:
        configuration = _direct(provider.url)
        configuration["policies"] = {"fr": {"countries": ["FR"]}}
        configuration["tenants"] = {"acme": {"policy": "fr"}}
        async with serving(configuration, environment=_SECRETS) as served:
            async with served.client() as http, http.post(_CHAT, json={**_BODY, "stream": stream}) as reply:
                text = await reply.text()

    assert (reply.status, reply.headers["x-passerelle-provider"]) == (200, "scaleway")
    assert "monde" in text
    request = provider.requests[0]
    assert (request.path, request.body["model"]) == (_CHAT, "qwen2.5-7b-instruct")
    assert "x-hf-bill-to" not in request.headers
    assert "hf_hub" not in request.headers["user-agent"]
    assert [each.path for each in hub.requests] == ["/api/models/Qwen/Qwen2.5-7B-Instruct"]


async def test_a_provider_that_wants_a_schema_in_other_words_is_given_it_in_those() -> None:
    schema = {"type": "object", "properties": {"ville": {"type": "string"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "lieu", "schema": schema}}
    async with HubFake(), OpenAiLike(OPENAI, model="qwen-at-cohere") as provider:
        async with serving(_direct(provider.url, provider="cohere"), environment=_SECRETS) as served:
            await _ask(served, response_format=asked)

    assert provider.requests[0].path == "/compatibility/v1/chat/completions"
    assert provider.requests[0].body["response_format"] == {"type": "json_object", "schema": schema}


async def test_a_provider_that_does_not_serve_the_model_is_told_and_asked_for_again_later() -> None:
    async with HubFake() as hub, OpenAiLike(OPENAI) as provider:
        del hub.mappings["Qwen/Qwen2.5-7B-Instruct"]["scaleway"]
        async with serving(_direct(provider.url), environment=_SECRETS) as served:
            status, reply, _ = await _ask(served)
            assert (status, reply["error"]["code"]) == (502, "upstream_model")
            assert provider.requests == []
            hub.mappings["Qwen/Qwen2.5-7B-Instruct"]["scaleway"] = Mapped(
                "qwen2.5-7b-instruct", "conversational"
            )
            assert (await _ask(served))[0] == 200
            assert (await _ask(served))[0] == 200

    assert len(hub.asked_mapping) == 2


# Tasks other than chat


def _task(hub: HubFake, task: str, model: str, **options: Any) -> dict[str, Any]:
    return one_backend("hf-providers", f"{hub.url}/v1", model=model, task=task, token="env:T", **options)


@pytest.mark.parametrize(
    ("model", "options", "path"),
    [
        ("BAAI/bge-multilingual-gemma2", {"provider": "scaleway"}, "/scaleway/v1/embeddings"),
        ("intfloat/multilingual-e5-large", {"provider": "together"}, "/together/v1/embeddings"),
        (
            "intfloat/multilingual-e5-large",
            {},
            "/hf-inference/models/intfloat/multilingual-e5-large/pipeline/feature-extraction",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("given", ["Bonjour", ["un", "deux", "trois"]])
async def test_embeddings_come_from_the_providers_own_route(
    model: str, options: dict[str, Any], path: str, given: Any
) -> None:
    async with HubFake() as hub:
        configuration = _task(hub, "embed", model, bill_to="formation", **options)
        async with serving(configuration, environment=_SECRETS) as served:
            async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0) as client:
                reply = await client.embeddings.create(model="assistant", input=given)

    assert [len(item.embedding) for item in reply.data] == [4] * (1 if isinstance(given, str) else 3)
    assert (hub.requests[-1].path, hub.requests[-1].body.get("encoding_format")) == (path, None)
    assert hub.requests[-1].headers["x-hf-bill-to"] == "formation"
    assert served.records[-1].attempts[-1].provider == path.split("/")[1]


async def test_documents_are_ranked_by_a_similarity_pipeline() -> None:
    async with HubFake() as hub:
        configuration = _task(hub, "rerank", "sentence-transformers/all-MiniLM-L6-v2")
        async with serving(configuration, environment=_SECRETS) as served, served.client() as http:
            body = {"model": "assistant", "query": "le pont de fer", "documents": ["un chat", "le pont"]}
            async with http.post("/v1/rerank", json=body) as reply:
                ranked = await reply.json()

    assert [result["index"] for result in ranked["results"]] == [1, 0]


async def test_texts_are_classified_one_by_one_by_a_pipeline() -> None:
    async with HubFake() as hub:
        configuration = _task(hub, "classify", "cmarkea/distilcamembert-base-sentiment")
        async with serving(configuration, environment=_SECRETS) as served, served.client() as http:
            body = {"model": "assistant", "input": ["très bien", "déçu", "c'est bien"]}
            async with http.post("/v1/classify", json=body) as reply:
                found = await reply.json()

    assert [item["label"] for item in found["data"]] == ["positif", "négatif", "positif"]


async def test_a_provider_without_credits_for_a_pipeline_is_told_like_any_other() -> None:
    async with HubFake() as hub:
        hub.always(Fail("credits"))
        configuration = _task(hub, "embed", "intfloat/multilingual-e5-large")
        async with serving(configuration, environment=_SECRETS) as served, served.client() as http:
            async with http.post("/v1/embeddings", json={"model": "assistant", "input": "x"}) as reply:
                payload = await reply.json()

    assert (reply.status, payload["error"]["code"]) == (502, "upstream_credits")


class _Novita(OpenAiLike):
    """Its text route is one of its own."""

    routes: ClassVar = {**OpenAiLike.routes, ("POST", "/v3/openai/completions"): "completions"}


async def test_the_legacy_text_route_goes_to_a_provider_that_has_it_and_nowhere_else() -> None:
    async with HubFake(), _Novita(OPENAI, model="qwen/qwen-2.5-7b") as provider:
        configuration = _direct(provider.url, provider="novita")
        async with serving(configuration, environment=_SECRETS) as served, served.client() as http:
            async with http.post(
                "/v1/completions", json={"model": "assistant", "prompt": "Il était"}
            ) as reply:
                text = await reply.text()
            served.publish(_direct(provider.url, provider="scaleway"))
            async with http.post(
                "/v1/completions", json={"model": "assistant", "prompt": "Il était"}
            ) as none:
                payload = await none.json()

    assert reply.status == 200, text
    assert (none.status, payload["error"]["param"]) == (400, "prompt")
