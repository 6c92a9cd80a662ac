"""Servers that speak almost OpenAI: what is a row, and what the rows say."""

import asyncio
from typing import Any, get_args

import pytest

from passerelle.backends.dialects import SERVERS, watch_for_abort, without_nulls
from passerelle.backends.http_backend import Sent
from passerelle.backends.openai import OpenAIOptions
from passerelle.domain.ask import Ask, Capability, Needs, Route
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, Told, UpstreamFailed
from tests.fakes.openai_like import SGLANG, OpenAiLike
from tests.fakes.script import Insert, Status, Wait
from tests.fakes.serve import ServeFake
from tests.serving import one_backend, serving

_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}]}
_PATH = "/v1/chat/completions"


def options(**fields: Any) -> OpenAIOptions:
    return OpenAIOptions.model_validate({"kind": "openai", "url": "http://host", **fields})


def ask() -> Ask:
    return Ask(Route.CHAT, "assistant", {}, True, False, "req-1", Needs(), 0.0)


def test_every_server_that_may_be_named_has_a_row() -> None:
    assert set(get_args(OpenAIOptions.model_fields["dialect"].annotation)) == set(SERVERS)
    assert options().dialect == "openai"


def test_what_a_target_lacks_depends_on_the_server() -> None:
    assert options().lacking() == options(dialect="sglang").lacking() == frozenset()
    assert options(dialect="transformers").lacking() == {Capability.STRUCTURED_OUTPUT, Capability.VISION}


def test_nulls_are_left_out() -> None:
    sent = Sent("/chat/completions", {"a": None, "b": 0, "c": False}, ("x",), {"h": "v"})

    assert without_nulls(ask(), sent, Target("b", "m")) == Sent(
        "/chat/completions", {"b": 0, "c": False}, ("x",), {"h": "v"}
    )


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("Server is pinned to '/a'; requested 'b'.", Fault.MODEL),
        ("Unexpected fields in the request: {'seed'}", Fault.UNSUPPORTED),
        ("prompt must be a string.", Fault.REQUEST),
    ],
)
def test_an_error_means_what_its_words_say(message: str, fault: Fault) -> None:
    failure = UpstreamFailed(Fault.REQUEST, "The engine answered 400.", told=Told(400, message))

    assert SERVERS["transformers"].meant(failure).fault is fault
    assert SERVERS["openai"].meant(failure) is failure


def test_a_model_that_writes_abort_is_not_aborted() -> None:
    block = (
        b'data: {"choices":[{"delta":{"content":"\\"abort\\""}}]}\n\ndata: "abort"\n\ndata: no "abort"\n\n'
    )

    assert watch_for_abort(ask())(block) is block


_ABORT = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":""},"finish_reason":"abort"}]}\n\n'
_ABORTED = {"id": "x", "choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "abort"}]}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_sglang_aborts_is_taken_elsewhere(stream: bool) -> None:
    async with OpenAiLike(SGLANG) as engine, OpenAiLike(answer="De secours.") as spare:
        configuration = one_backend("openai", engine.url, model="qwen2.5-7b-instruct", dialect="sglang")
        _add_spare(configuration, spare.url)
        engine.always(Insert(_ABORT) if stream else Status(200, _ABORTED))
        async with (
            serving(configuration) as served,
            served.client() as http,
            http.post(_PATH, json={**_BODY, "stream": stream}) as reply,
        ):
            text = await reply.text()
            assert (reply.status, reply.headers["x-passerelle-backend"]) == (200, "spare"), text
            await served.until(lambda: served.records)
            assert served.records[0].attempts[0].fault is Fault.SERVER


async def test_an_answer_that_sglang_aborts_midway_is_told() -> None:
    read = asyncio.Event()
    async with OpenAiLike(SGLANG, answer="un deux trois") as engine:
        engine.always(Wait(read, before=3), Insert(_ABORT, before=3))
        configuration = one_backend("openai", engine.url, model="qwen2.5-7b-instruct", dialect="sglang")
        async with (
            serving(configuration) as served,
            served.client() as http,
            http.post(_PATH, json={**_BODY, "stream": True}) as reply,
        ):
            text = ""
            while "deux" not in text:
                text += (await reply.content.readany()).decode()
            read.set()
            text += (await reply.read()).decode()

    assert '"error"' in text
    assert "trois" not in text
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    "fields", [{"response_format": {"type": "json_object"}}, {"n": 2}, {"top_k": 5}], ids=str
)
async def test_what_transformers_serve_would_ignore_goes_to_a_target_that_honours_it(
    fields: dict[str, Any],
) -> None:
    async with ServeFake() as engine, OpenAiLike(answer="De secours.") as spare:
        configuration = one_backend("openai", engine.url, model="/models/tiny", dialect="transformers")
        _add_spare(configuration, spare.url)
        async with (
            serving(configuration) as served,
            served.client() as http,
            http.post(_PATH, json={**_BODY, **fields}) as reply,
        ):
            assert (reply.status, reply.headers["x-passerelle-backend"]) == (200, "spare")
        assert engine.requests == []
        assert spare.requests[0].body.items() >= fields.items()


async def test_a_wrong_model_of_transformers_serve_is_the_operators_to_mend() -> None:
    async with ServeFake() as engine:
        configuration = one_backend("openai", engine.url, model="another", dialect="transformers")
        async with (
            serving(configuration) as served,
            served.client() as http,
            http.post(_PATH, json=_BODY) as reply,
        ):
            payload = await reply.json()

    assert (reply.status, payload["error"]["code"]) == (502, "upstream_model")
    assert "/models/tiny" not in payload["error"]["message"]


async def test_the_caller_is_told_what_transformers_serve_was_not_given() -> None:
    async with ServeFake() as engine:
        configuration = one_backend("openai", engine.url, model="/models/tiny", dialect="transformers")
        async with (
            serving(configuration) as served,
            served.client() as http,
            http.post(_PATH, json={**_BODY, "user": "u", "frequency_penalty": 0.5}) as reply,
        ):
            assert reply.status == 200
            assert reply.headers["x-passerelle-ignored"] == "user, frequency_penalty"


def _add_spare(configuration: dict[str, Any], url: str) -> None:
    configuration["backends"]["spare"] = {"kind": "openai", "url": url}
    target = {"backend": "spare", "model": "qwen2.5-7b-instruct", "rank": 2}
    configuration["models"]["assistant"]["targets"].append(target)
