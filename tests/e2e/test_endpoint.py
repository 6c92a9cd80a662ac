"""A dedicated endpoint: found by its name, woken within the caller's patience, or passed over while it wakes."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import openai
import pytest

from passerelle.domain.errors import CannotRun
from passerelle.domain.facts import State
from tests.fakes.endpoint import EndpointFake
from tests.fakes.script import Fail
from tests.fakes.tei import TeiFake
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import Served, serving

_PATH = "/v1/chat/completions"
_BODY = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}], "max_tokens": 20}
_ENVIRONMENT = {"HF_TOKEN": "hf_test"}


def _configuration(spare: str | None = None, **options: Any) -> dict[str, Any]:
    endpoint = {"kind": "hf-endpoint", "endpoint": "formation/qwen-eu", "token": "env:HF_TOKEN", **options}
    backends: dict[str, Any] = {"dedicated": endpoint}
    targets = [{"backend": "dedicated", "model": "Qwen/Qwen2.5-7B-Instruct", "rank": 1}]
    if spare is not None:
        backends["spare"] = {"kind": "vllm", "url": spare}
        targets.append({"backend": "spare", "model": "m", "rank": 2})
    return {
        "backends": backends,
        "models": {"assistant": {"targets": targets}},
        "tenants": {"acme": {}},
    }


async def _ask(served: Served, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with served.client() as http, http.post(_PATH, json={**_BODY, **more}) as reply:
        return reply.status, await reply.json(), dict(reply.headers)


def _vllm(**more: Any) -> VllmFake:
    return VllmFake(model="served-name", **more)


async def test_it_is_found_by_its_name_and_asked_by_the_name_its_engine_goes_by() -> None:
    async with EndpointFake(_vllm(answer="Salut.")) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            status, reply, headers = await _ask(served)

    assert (status, reply["choices"][0]["message"]["content"]) == (200, "Salut.")
    assert endpoint.asked[0].body["model"] == "served-name"
    assert endpoint.asked[0].bearer == "hf_test"
    assert headers["x-passerelle-backend"] == "dedicated"
    assert headers["x-passerelle-provider"] == "Hugging Face, Inc."


async def test_what_was_learned_of_it_is_not_asked_again_for_every_request() -> None:
    async with EndpointFake(_vllm()) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            for _ in range(3):
                await _ask(served)

    assert len(endpoint.asked) == 3
    assert [request.path for request in endpoint.requests if request.method == "GET"] == [
        "/v2/endpoint/formation/qwen-eu",
        "/v1/models",
    ]


async def test_an_engine_started_again_with_another_name_is_asked_by_the_new_one() -> None:
    engine = _vllm()
    async with EndpointFake(engine) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            assert (await _ask(served))[0] == 200
            engine.model = "another-name"
            status, _, headers = await _ask(served)

    assert (status, headers["x-passerelle-attempts"]) == (200, "1")
    assert endpoint.asked[-1].body["model"] == "another-name"


async def test_an_endpoint_with_tgi_speaks_its_dialect() -> None:
    async with EndpointFake(TgiFake("Salut."), image="tgi") as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            status, reply, _ = await _ask(served, presence_penalty=0.5)

    assert status == 200
    assert reply["id"]
    assert "presence_penalty" not in endpoint.asked[0].body
    assert endpoint.asked[0].body["model"] == "tgi"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_sleeps_is_waited_for_when_nobody_else_could_answer(stream: bool) -> None:
    async with EndpointFake(_vllm(answer="Réveillé."), state="scaledToZero") as endpoint:
        limits = {"first_content": "5s"}
        async with serving(_configuration(timeouts=limits), environment=_ENVIRONMENT) as served:
            async with served.client() as http:
                asking = asyncio.ensure_future(http.post(_PATH, json={**_BODY, "stream": stream}))
                await served.until(lambda: endpoint.state == "initializing")
                assert not asking.done()
                endpoint.state = "running"
                async with await asking as reply:
                    text = await reply.text()

    assert reply.status == 200
    assert "Réveillé." in text.replace('"}', "") or stream
    assert endpoint.woken == 1
    assert all(0 < int(request.headers["x-scale-up-timeout"]) <= 600 for request in endpoint.asked)


async def test_a_caller_that_waits_less_than_it_takes_to_wake_is_told_before_it_leaves() -> None:
    async with EndpointFake(_vllm(), state="scaledToZero") as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            client = openai.AsyncOpenAI(
                base_url=f"{served.url}/v1", api_key=served.key, timeout=2.0, max_retries=0
            )
            async with client:
                with pytest.raises((openai.InternalServerError, openai.APITimeoutError)):
                    await client.chat.completions.create(
                        model="assistant", messages=[{"role": "user", "content": "Bonjour"}]
                    )
            await served.until(lambda: served.records)

    held = [
        int(request.headers["x-scale-up-timeout"])
        for request in endpoint.requests
        if "x-scale-up-timeout" in request.headers and request.path != "/health"  # which wakes it for later
    ]
    assert held
    assert max(held) <= 2


async def test_while_it_wakes_the_next_target_answers_and_the_prompt_stays_away_from_it() -> None:
    async with (
        EndpointFake(_vllm(), state="scaledToZero") as endpoint,
        VllmFake(model="m", answer="D'ici là.") as spare,
    ):
        async with serving(_configuration(spare.url), environment=_ENVIRONMENT) as served:
            status, _, headers = await _ask(served)
            assert (status, headers["x-passerelle-backend"]) == (200, "spare")
            await served.until(lambda: endpoint.woken == 1)
            assert endpoint.asked == []

            for _ in range(5):
                await _ask(served)
            assert endpoint.woken == 1

            endpoint.state = "running"
            await served.until(lambda: endpoint.live == 0)
            _, _, headers = await _ask(served)
            assert headers["x-passerelle-backend"] == "dedicated"

    assert [attempt.fault for attempt in served.records[0].attempts] == ["waking", None]


async def test_where_it_is_to_be_waited_for_all_the_same_the_next_target_is_not_asked() -> None:
    async with (
        EndpointFake(_vllm(), state="scaledToZero") as endpoint,
        VllmFake(model="m") as spare,
    ):
        configuration = _configuration(spare.url, while_asleep="wait")
        async with serving(configuration, environment=_ENVIRONMENT) as served:
            asking = asyncio.ensure_future(_ask(served))
            await served.until(lambda: endpoint.state == "initializing")
            endpoint.state = "running"
            _, _, headers = await asking

    assert headers["x-passerelle-backend"] == "dedicated"
    assert spare.requests == []


async def test_one_that_fell_asleep_unnoticed_is_passed_over_and_woken() -> None:
    async with EndpointFake(_vllm()) as endpoint, VllmFake(model="m") as spare:
        async with serving(_configuration(spare.url), environment=_ENVIRONMENT) as served:
            await _ask(served)
            endpoint.state = "scaledToZero"
            status, _, headers = await _ask(served)
            await served.until(lambda: endpoint.state == "initializing")
            endpoint.state = "running"

    assert (status, headers["x-passerelle-backend"]) == (200, "spare")
    assert [attempt.fault for attempt in served.records[-1].attempts] == ["waking", None]


async def test_when_the_next_target_fails_the_one_that_wakes_is_waited_for_after_all() -> None:
    async with EndpointFake(_vllm(), state="scaledToZero") as endpoint, VllmFake(model="m") as spare:
        spare.always(Fail("server"))
        async with serving(_configuration(spare.url), environment=_ENVIRONMENT) as served:
            asking = asyncio.ensure_future(_ask(served))
            await served.until(lambda: endpoint.state == "initializing" and spare.requests)
            endpoint.state = "running"
            status, _, headers = await asking

    assert (status, headers["x-passerelle-backend"]) == (200, "dedicated")


async def test_a_paused_one_is_a_clear_error_and_nothing_is_sent_to_it() -> None:
    async with EndpointFake(_vllm(), state="paused") as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            status, reply, _ = await _ask(served)

    assert (status, reply["error"]["code"]) == (503, "upstream_paused")
    assert endpoint.asked == []


async def test_one_paused_unnoticed_is_known_by_what_its_proxy_answers() -> None:
    async with EndpointFake(_vllm()) as endpoint, VllmFake(model="m") as spare:
        async with serving(_configuration(spare.url), environment=_ENVIRONMENT) as served:
            await _ask(served)
            endpoint.state = "paused"
            status, _, headers = await _ask(served)

    assert (status, headers["x-passerelle-backend"]) == (200, "spare")
    assert served.records[-1].attempts[0].fault == "paused"


async def test_an_administrator_resumes_a_paused_one() -> None:
    async with EndpointFake(_vllm(), state="paused") as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            backend = served.editions.current.backend("dedicated")
            await backend.resume()
            endpoint.state = "running"
            status, _, _ = await _ask(served)
            await backend.resume()  # of one that runs changes nothing
            endpoint.control_down = True
            with pytest.raises(CannotRun):
                await backend.resume()

    assert (status, endpoint.resumed) == (200, 1)


async def test_nothing_is_sent_to_one_that_runs_in_another_country_than_was_said() -> None:
    async with EndpointFake(_vllm(), region="us-east-1") as endpoint:
        configuration = _configuration(location={"country": "IE"})
        async with serving(configuration, environment=_ENVIRONMENT) as served:
            status, reply, _ = await _ask(served)
            survey = (await served.scout.look())["dedicated"]

    assert (status, reply["error"]["code"]) == (502, "upstream_place")
    assert endpoint.asked == []
    assert survey is not None
    assert "us-east-1 (US), but its location says IE" in survey.problems[0]


async def test_a_control_plane_that_is_away_does_not_stop_a_known_endpoint() -> None:
    async with EndpointFake(_vllm()) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            await _ask(served)
            endpoint.control_down = True
            assert (await _ask(served))[0] == 200


@pytest.mark.parametrize(("token", "name", "code"), [
    ("hf_other", "formation/qwen-eu", "upstream_credentials"),
    ("hf_test", "formation/nothing", "upstream_model"),
])  # fmt: skip
async def test_a_wrong_token_or_name_is_the_operators_to_mend(token: str, name: str, code: str) -> None:
    async with EndpointFake(_vllm()):
        async with serving(_configuration(endpoint=name), environment={"HF_TOKEN": token}) as served:
            status, reply, _ = await _ask(served)

    assert (status, reply["error"]["code"]) == (502, code)


async def test_a_survey_tells_replicas_schedule_hardware_and_price_without_waking_it() -> None:
    async with EndpointFake(_vllm(), state="scaledToZero", min_replica=0) as endpoint:
        async with serving(_configuration(location={"country": "IE"}), environment=_ENVIRONMENT) as served:
            survey = (await served.scout.look())["dedicated"]
            assert survey is not None
            assert survey.state is State.ASLEEP
            about = dict(survey.about)
            assert about["replicas"] == "0 ready, at least 0, at most 2"
            assert about["scales to zero"] == "after 60 minutes without a request"
            assert about["hardware"] == "aws eu-west-1, nvidia-l4 x1"
            price = survey.models["Qwen/Qwen2.5-7B-Instruct"].facts.price
            assert price is not None
            assert (price.per_hour, price.currency) == (Decimal("0.8"), "USD")
            endpoint.state = "running"
            await served.scout.look()

    assert endpoint.woken == 0
    assert {request.path for request in endpoint.requests} == {
        "/v2/endpoint/formation/qwen-eu",
        "/v2/provider/formation",
    }


async def test_one_that_never_sleeps_is_asked_for_its_context() -> None:
    async with EndpointFake(_vllm()):
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            survey = (await served.scout.look())["dedicated"]
            assert survey is not None
            context = survey.models["Qwen/Qwen2.5-7B-Instruct"].facts.context
            assert context
            status, reply, _ = await _ask(served, max_tokens=context + 1)

    assert (status, reply["error"]["code"]) == (400, "context_length_exceeded")


async def test_an_endpoint_with_tgi_gives_what_only_its_native_api_can() -> None:
    async with EndpointFake(TgiFake("Salut le monde."), image="tgi") as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served, served.client() as http:
            body = {"model": "assistant", "prompt": "Dis", "logprobs": 1, "max_tokens": 5}
            async with http.post("/v1/completions", json=body) as reply:
                payload = await reply.json()

    assert reply.status == 200, payload
    assert payload["choices"][0]["logprobs"]["tokens"]
    assert endpoint.asked[-1].path == "/generate"


async def test_an_endpoint_with_tei_embeds_any_number_of_texts_and_ranks() -> None:
    configuration = _configuration()
    configuration["models"]["assistant"]["task"] = "embed"
    async with EndpointFake(TeiFake(), image="tei") as endpoint:
        async with serving(configuration, environment=_ENVIRONMENT) as served, served.client() as http:
            body = {"model": "assistant", "input": [f"texte {number}" for number in range(70)]}
            async with http.post("/v1/embeddings", json=body) as reply:
                vectors = (await reply.json())["data"]

    assert [vector["index"] for vector in vectors] == list(range(70))
    assert len(endpoint.asked) == 3


async def test_an_endpoint_is_refused_a_task_its_engine_does_not_have() -> None:
    configuration = _configuration()
    configuration["models"]["assistant"]["task"] = "rerank"
    async with EndpointFake(_vllm()) as endpoint:
        async with serving(configuration, environment=_ENVIRONMENT) as served, served.client() as http:
            body = {"model": "assistant", "query": "x", "documents": ["y"]}
            async with http.post("/v1/rerank", json=body) as reply:
                payload = await reply.json()

    assert (reply.status, payload["error"]["code"]) == (400, "unsupported_parameter")
    assert endpoint.asked == []
