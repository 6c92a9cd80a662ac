"""Personal data never reaches an engine, the cache, a record or the ledger, and stands in the answer all the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import pytest

from passerelle.domain.ask import Route
from passerelle.pipelines.models.asker import Asker
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, ToolCall
from tests.serving import KEY, Served, one_backend, serving
from tests.unit.gateway.internal import inside

MAIL, OTHER, NAME = "jean.dupont@laposte.net", "anna@orange.fr", "Zoé Durand"
_PATH = "/v1/chat/completions"
_REDACT = {"kinds": ["email", "phone", "name"]}


def _body(mail: str = MAIL, **more: Any) -> dict[str, Any]:
    return {"model": "assistant", "messages": [{"role": "user", "content": f"Write to {mail}."}], **more}


def _configuration(
    engine: OpenAiLike, *, redact: object = None, task: str = "chat", **tenant: Any
) -> dict[str, object]:
    configuration = one_backend("openai", engine.url, model=engine.model, task=task)
    configuration["tenants"] = {"acme": {"privacy": {"redact": redact or _REDACT}, **tenant}}
    return configuration


@asynccontextmanager
async def _served(engine: OpenAiLike, *, redact: object = None, **tenant: Any) -> AsyncIterator[Served]:
    async with serving(_configuration(engine, redact=redact, **tenant)) as served:
        yield served


def _pieces(text: str, size: int) -> tuple[str, ...]:
    return tuple(text[at : at + size] for at in range(0, len(text), size))


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="Sent to [EMAIL_1], and not to [EMAIL_2].") as engine:
        yield engine


async def _post(http: aiohttp.ClientSession, body: dict[str, Any], path: str = _PATH) -> tuple[int, Any, Any]:
    async with http.post(path, json=body) as reply:
        return reply.status, await reply.json(), reply.headers


def _seen(engine: OpenAiLike) -> str:
    return json.dumps([request.body for request in engine.requests], ensure_ascii=False)


async def test_an_engine_sees_placeholders_and_the_caller_what_they_stand_for(engine: OpenAiLike) -> None:
    async with _served(engine, tags=["by"]) as served, served.client() as http:
        status, answer, headers = await _post(http, _body(metadata={"by": MAIL}))
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == f"Sent to {MAIL}, and not to [EMAIL_2]."
    assert headers["x-passerelle-redacted"] == "2"
    assert MAIL not in _seen(engine)
    assert "Write to [EMAIL_1]." in _seen(engine)
    (record,) = served.records
    assert record.redacted == (("email", 2),)
    written = repr((served.ledger.began, served.ledger.ended))
    assert MAIL not in written + repr(record)
    assert "[EMAIL_1]" in written  # the label that reports are divided by


async def test_a_request_without_personal_data_is_relayed_as_ever(engine: OpenAiLike) -> None:
    async with _served(engine) as served, served.client() as http:
        _, answer, headers = await _post(http, _body("nobody"))
    assert "x-passerelle-redacted" not in headers
    assert answer["choices"][0]["message"]["content"].startswith("Sent to [EMAIL_1]")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_a_stream_is_whole_however_its_engine_cuts_it(size: int) -> None:
    text = "Hi [NAME_1], \\[email\\_1\\] [and] [EMAIL_1"
    async with OpenAiLike(OPENAI, answer=Answer(pieces=_pieces(text, size))) as engine:
        async with _served(engine) as served:
            client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0)
            async with client:
                stream = await client.chat.completions.create(
                    model="assistant",
                    messages=[{"role": "user", "content": f"Je m'appelle {NAME}, {MAIL}"}],
                    stream=True,
                )
                said, ends = "", []
                async for chunk in stream:
                    for choice in chunk.choices:
                        said += choice.delta.content or ""
                        ends.append(choice.finish_reason)
        assert said == f"Hi {NAME}, {MAIL} [and] [EMAIL_1"
        assert ends[-1] == "stop"
        assert NAME not in _seen(engine)


async def test_arguments_of_a_tool_are_put_back() -> None:
    answer = Answer(tools=(ToolCall("send", '{"to": "[EMAIL_1]", "by": "[NAME_1]"}'),))
    tools = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]
    async with OpenAiLike(OPENAI, answer=answer) as engine:
        async with _served(engine) as served, served.client() as http:
            body = _body(tools=tools)
            body["messages"][0]["content"] += f" Je m'appelle {NAME}"
            _, whole, _ = await _post(http, body)
            async with http.post(_PATH, json={**body, "stream": True}) as reply:
                streamed = await reply.text()
    (call,) = whole["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"to": MAIL, "by": NAME}
    arguments = ""
    for line in streamed.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                for piece in choice["delta"].get("tool_calls") or ():
                    arguments += piece["function"].get("arguments") or ""
    assert json.loads(arguments) == {"to": MAIL, "by": NAME}


async def test_the_cache_keeps_placeholders_and_each_caller_gets_its_own_back(engine: OpenAiLike) -> None:
    async with _served(engine, cache=True) as served, served.client() as http:
        _, first, asked = await _post(http, _body(MAIL))
        _, second, again = await _post(http, _body(OTHER))
        async with http.post(_PATH, json=_body(OTHER, stream=True)) as reply:
            streamed, headers = await reply.text(), reply.headers
    assert (asked["x-passerelle-cache"], again["x-passerelle-cache"]) == ("miss", "hit")
    assert headers["x-passerelle-cache"] == "hit"
    assert headers["x-passerelle-redacted"] == "1"
    assert MAIL in first["choices"][0]["message"]["content"]
    assert OTHER in second["choices"][0]["message"]["content"]
    assert OTHER in streamed
    assert MAIL not in json.dumps(second) + streamed
    assert len(engine.requests) == 1


async def test_guardrails_look_at_what_the_engine_would_see(engine: OpenAiLike) -> None:
    rule = [{"name": "no-mail", "kind": "words", "phrases": ["laposte"]}]
    async with _served(engine, guardrails=rule) as served, served.client() as http:
        status, answer, _ = await _post(http, _body())
    assert status == 200
    assert MAIL in answer["choices"][0]["message"]["content"]


async def test_without_restore_the_answer_keeps_its_placeholders(engine: OpenAiLike) -> None:
    async with _served(engine, redact={**_REDACT, "restore": False}) as served, served.client() as http:
        _, answer, headers = await _post(http, _body())
    assert answer["choices"][0]["message"]["content"].startswith("Sent to [EMAIL_1]")
    assert headers["x-passerelle-redacted"] == "1"


async def test_what_cannot_be_read_is_refused_before_any_engine(engine: OpenAiLike) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    async with _served(engine) as served, served.client() as http:
        status, answer, _ = await _post(
            http, {"model": "assistant", "messages": [{"role": "user", "content": [sound]}]}
        )
        other, ids, _ = await _post(http, {"model": "assistant", "prompt": [1, 2, 3]}, "/v1/completions")
    assert (status, answer["error"]["code"]) == (400, "unredactable")
    assert (other, ids["error"]["code"], ids["error"]["param"]) == (400, "unredactable", "prompt")
    assert engine.requests == []
    assert not served.ledger.open()


async def test_what_passerelle_asks_for_a_tenant_is_redacted_and_put_back(engine: OpenAiLike) -> None:
    async with inside(_configuration(engine)) as it:
        asker = Asker.within(it.gateway.ask, it.editions, tenant="acme", pipeline="rag")
        whole, told = await asker.whole(Route.CHAT, _body())
        said = ""
        async for piece in asker.stream(_body()):
            for choice in piece.get("choices", ()) if isinstance(piece, dict) else ():
                said += choice["delta"].get("content") or ""
    wanted = f"Sent to {MAIL}, and not to [EMAIL_2]."
    assert (whole["choices"][0]["message"]["content"], said) == (wanted, wanted)
    assert told.facts["redacted"] == "1"
    assert MAIL not in _seen(engine)


async def test_texts_are_embedded_without_it(engine: OpenAiLike) -> None:
    configuration = _configuration(engine, task="embed")
    async with inside(configuration) as it:
        asker = Asker.within(it.gateway.ask, it.editions, tenant="acme", pipeline="rag")
        body = {"model": "assistant", "input": [f"by {MAIL}", f"by {OTHER}"]}
        _, told = await asker.whole(Route.EMBEDDINGS, body)
    assert told.facts["redacted"] == "2"
    assert engine.requests[0].body["input"] == ["by [EMAIL_1]", "by [EMAIL_1]"]
