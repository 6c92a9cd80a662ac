"""A dedicated endpoint under strain: many first requests at once, odd documents, changes while requests are under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.domain.errors import UpstreamFailed
from passerelle.domain.facts import State
from passerelle.wire import endpoints
from passerelle.wire.endpoints import EndpointControl
from tests.fakes.endpoint import EndpointFake
from tests.fakes.script import Fail
from tests.fakes.vllm import VllmFake
from tests.fakes.wire import Received, Reply
from tests.serving import Served, serving

_PATH = "/v1/chat/completions"
_PROMPT = "Un secret du client"
_BODY = {"model": "assistant", "messages": [{"role": "user", "content": _PROMPT}], "max_tokens": 5}
_ENVIRONMENT = {"HF_TOKEN": "hf_test"}
_MODEL = "Qwen/Qwen2.5-7B-Instruct"


def _configuration(**options: Any) -> dict[str, Any]:
    endpoint = {"kind": "hf-endpoint", "endpoint": "formation/qwen-eu", "token": "env:HF_TOKEN", **options}
    return {
        "backends": {"dedicated": endpoint},
        "models": {"assistant": {"targets": [{"backend": "dedicated", "model": _MODEL}]}},
        "tenants": {"acme": {"attempts": 1}},
    }


async def _ask(http: aiohttp.ClientSession) -> int:
    async with http.post(_PATH, json=_BODY) as reply:
        await reply.read()
        return reply.status


async def _burst(served: Served, count: int) -> list[int]:
    async with served.client() as http:
        return await asyncio.gather(*(_ask(http) for _ in range(count)))


class _Odd(EndpointFake):
    """Its control plane says whatever it is told to."""

    said: Any = None

    def document(self) -> Any:
        return super().document() if self.said is None else self.said


async def test_two_hundred_first_requests_look_once_and_ask_for_the_name_once() -> None:
    async with EndpointFake(VllmFake(model="served-name")) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            statuses = await _burst(served, 200)

    assert statuses == [200] * 200
    assert sorted(request.path for request in endpoint.requests if request.method == "GET") == [
        "/v1/models",
        "/v2/endpoint/formation/qwen-eu",
    ]


async def test_a_wrong_token_is_not_tried_again_for_every_request() -> None:
    async with EndpointFake(VllmFake(model="m")) as endpoint:
        async with serving(_configuration(), environment={"HF_TOKEN": "hf_wrong"}) as served:
            assert await _burst(served, 50) == [502] * 50

    assert len(endpoint.requests) <= 2


async def test_an_overloaded_engine_is_not_reported_to_the_control_plane_by_every_request() -> None:
    engine = VllmFake(model="m")
    async with EndpointFake(engine) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            await _burst(served, 1)
            engine.answer = "x"
            endpoint.script(*(Fail("overloaded") for _ in range(40)))
            statuses = await _burst(served, 40)

    assert set(statuses) <= {200, 503}
    looks = [request for request in endpoint.requests if request.path.startswith("/v2/endpoint/")]
    assert len(looks) <= 3


async def test_a_survey_that_finds_it_elsewhere_does_not_take_a_prompt_along() -> None:
    """What was permitted where it was is not sent to where it is now."""
    elsewhere = VllmFake(model="m")
    names = asyncio.Event()
    asked = asyncio.Event()

    class _SlowNames(EndpointFake):
        async def reply(self, request: Received, plan: Any) -> Reply:
            if request.path == "/v1/models" and not names.is_set():
                asked.set()
                await names.wait()
            return await super().reply(request, plan)

    async with elsewhere, _SlowNames(VllmFake(model="m")) as endpoint:
        configuration = _configuration(location={"country": "IE"})
        async with serving(configuration, environment=_ENVIRONMENT) as served, served.client() as http:
            asking = asyncio.ensure_future(_ask(http))
            await asked.wait()
            document = endpoint.document
            endpoint.document = lambda: {  # type: ignore[method-assign]
                **document(),
                "provider": {"vendor": "aws", "region": "us-east-1"},
                "status": {**document()["status"], "url": elsewhere.url},
            }
            await served.scout.look()
            names.set()
            await asking
            assert (await _ask(http)) == 502  # and nothing is sent from now on

    assert [request for request in elsewhere.requests if request.method == "POST"] == []


async def test_requests_that_go_away_leave_nothing_behind() -> None:
    async with EndpointFake(VllmFake(model="m"), state="scaledToZero") as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served, served.client() as http:
            asking = [asyncio.ensure_future(_ask(http)) for _ in range(20)]
            await served.until(lambda: endpoint.woken)
            for request in asking:
                request.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await served.until(lambda: len(served.records) == 20)
            endpoint.state = "running"
            assert await _ask(http) == 200

    assert _left_over() == []


async def test_closing_while_it_wakes_and_while_it_is_surveyed_ends_both() -> None:
    async with EndpointFake(VllmFake(model="m"), state="scaledToZero") as endpoint:
        configuration = _configuration()
        async with serving(configuration, environment=_ENVIRONMENT) as served:
            backend = served.editions.current.backend("dedicated")
            assert await _burst_while_waking(served, endpoint)
            surveying = asyncio.ensure_future(backend.survey([_MODEL]))
            await asyncio.sleep(0)
        surveying.cancel()
        await asyncio.gather(surveying, return_exceptions=True)

    assert _left_over() == []


async def _burst_while_waking(served: Served, endpoint: EndpointFake) -> bool:
    async with served.client() as http:
        asking = asyncio.ensure_future(_ask(http))
        await served.until(lambda: endpoint.woken == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await served.until(lambda: len(served.records) == 1)
    return True


def _left_over() -> list[str]:
    """Tasks of ours that are still there."""
    here = asyncio.current_task()
    return [
        str(task.get_coro())
        for task in asyncio.all_tasks()
        if task is not here and not task.done() and "passerelle" in str(task.get_coro())
    ]


# What the control plane may say


_ODD: list[Any] = [
    {},
    [],
    None,
    "text",
    {"status": {"state": None}},
    {"status": {"state": {"a": 1}}, "provider": {}, "compute": None, "model": {}},
]


@pytest.mark.parametrize("said", [odd for odd in _ODD if odd is not None])
async def test_a_document_that_is_not_understood_is_one_clear_error(said: Any) -> None:
    async with _Odd(VllmFake(model="m")) as endpoint:
        endpoint.said = said
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            assert await _burst(served, 1) == [503]
            survey = (await served.scout.look())["dedicated"]

    assert survey is not None
    assert (survey.state, len(survey.problems)) == (State.DOWN, 1)
    assert "was not understood" in survey.problems[0]
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("compute", {"scaling": {"minReplica": None, "maxReplica": "many", "scaleToZeroTimeout": "soon"}}),
        ("compute", {"scaling": [], "accelerator": None, "instanceType": 7}),
        ("model", {"repository": None, "image": ["vLLM"]}),
        ("healthRoute", None),
    ],
)
async def test_an_odd_field_that_nothing_needs_stops_no_request(part: str, value: Any) -> None:
    async with _Odd(VllmFake(model="m")) as endpoint:
        whole = endpoint.document()
        endpoint.said = {**whole, part: {**whole[part], **value} if isinstance(value, dict) else value}
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            survey = (await served.scout.look())["dedicated"]
            assert await _burst(served, 1) == [200]

    assert survey is not None
    assert survey.state is State.READY


@pytest.mark.parametrize(
    "route", ["health", "@elsewhere.example/", ".elsewhere.example/x", "//elsewhere.example/x"]
)
async def test_a_health_route_never_leads_to_another_host(route: str) -> None:
    async with _Odd(VllmFake(model="m")) as endpoint:
        endpoint.said = {**endpoint.document(), "healthRoute": route}
        found = await EndpointControl("formation", "qwen-eu", token="hf_test").find()

    assert found.health_route == "/" + route.lstrip("/")


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_paths = st.sampled_from(
    [
        ("status",), ("status", "state"), ("status", "url"), ("status", "readyReplica"), ("provider",),
        ("provider", "region"), ("compute",), ("compute", "scaling"), ("model",), ("model", "image"),
        ("healthRoute",), ("type",), ("name",),
    ]
)  # fmt: skip


async def test_whatever_the_control_plane_says_is_understood_or_one_failure() -> None:
    async with _Odd(VllmFake(model="m")) as endpoint:
        control = EndpointControl("formation", "qwen-eu", token="hf_test")
        whole = endpoint.document()
        loop = asyncio.get_running_loop()

        async def find() -> None:
            with contextlib.suppress(UpstreamFailed):
                found = await control.find()
                assert isinstance(found.state, str)
                assert found.url is None or found.url.startswith("http")

        @given(path=_paths, value=_json)
        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        def says(path: tuple[str, ...], value: Any) -> None:
            endpoint.said = _changed(whole, path, value)
            asyncio.run_coroutine_threadsafe(find(), loop).result(10)

        await asyncio.to_thread(says)


def _changed(document: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = path
    return {**document, name: _changed(document[name], tuple(rest), value) if rest else value}


async def test_neither_token_nor_prompt_is_in_the_log_or_the_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with _Odd(VllmFake(model="m")) as endpoint:
        endpoint.said = {"message": "Bearer hf_test"}
        async with serving(_configuration(), environment=_ENVIRONMENT) as served, served.client() as http:
            async with http.post(_PATH, json=_BODY) as reply:
                told = await reply.text()
            await served.scout.look()
            endpoint.said = None
            endpoint.control_down = True
            await served.scout.look()

    written = caplog.text + "".join(capsys.readouterr()) + told
    assert "hf_test" not in written
    assert _PROMPT not in written


async def test_a_document_of_five_megabytes_is_read() -> None:
    async with _Odd(VllmFake(model="m")) as endpoint:
        endpoint.said = {**endpoint.document(), "more": "x" * 5_000_000}
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            assert await _burst(served, 1) == [200]


async def test_a_control_plane_that_never_answers_is_given_up_and_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "_SECONDS", 0.2)
    never = asyncio.Event()

    class _Hanging(EndpointFake):
        async def reply(self, request: Received, plan: Any) -> Reply:
            await never.wait()
            return await super().reply(request, plan)

    async with _Hanging(VllmFake(model="m")) as endpoint:
        async with serving(_configuration(), environment=_ENVIRONMENT) as served:
            assert await _burst(served, 50) == [504] * 50
            looks = [request for request in endpoint.requests if request.path.startswith("/v2/")]
            assert len(looks) <= 3
            await served.until(lambda: not any(t.name == "passerelle-hub" for t in threading.enumerate()))
            never.set()
