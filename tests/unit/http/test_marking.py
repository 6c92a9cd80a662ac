"""Answers say that a machine wrote them: heads, bodies and streams; nothing where the tenant says so, or nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import orjson
import pytest

from passerelle.domain.ask import Route
from passerelle.domain.rag import Question, Turn
from passerelle.http.marking import EXTRACTIVE, GENERATED, Mark, is_first
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import KEY, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}]}
MARK = Mark(GENERATED, facing=True, model="m", provider="p", revision=None)


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer=lambda _: "Bonjour à vous.") as engine:
        yield engine


def configuration(engine: OpenAiLike, privacy: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    made = one_backend("openai", engine.url, model=engine.model)
    return {**made, "tenants": {"acme": {**({"privacy": privacy} if privacy else {}), **more}}}


async def post(
    client: aiohttp.ClientSession, body: dict[str, Any], path: str = _PATH
) -> aiohttp.ClientResponse:
    reply = await client.post(path, json=body)
    await reply.read()
    return reply


async def test_an_answer_is_marked_in_its_head_and_its_body_is_the_engine_s(engine):
    async with serving(configuration(engine)) as served, served.client() as client:
        reply = await post(client, _BODY)
        assert reply.headers["x-ai-generated"] == "true"
        assert "x-ai-disclosure" not in reply.headers
        assert "x_ai_provenance" not in await reply.json()


async def test_where_people_talk_to_it_the_answer_itself_says_what_wrote_it(engine):
    async with serving(configuration(engine, {"end_user_facing": True})) as served, served.client() as client:
        reply = await post(client, _BODY)
        assert reply.headers["x-ai-disclosure"] == "/v1/privacy/disclosure"
        said = (await reply.json())["x_ai_provenance"]
        assert (said["ai_generated"], said["generator"], said["model"]) == (True, "passerelle", engine.model)
        assert said["provider"] == reply.headers["x-passerelle-provider"]
        assert said["at"].endswith("Z")


async def test_openai_s_client_takes_marked_answers_and_streams(engine):
    async with serving(configuration(engine, {"end_user_facing": True})) as served:
        async with openai.AsyncOpenAI(base_url=served.url + "/v1", api_key=KEY) as client:
            whole = await client.chat.completions.create(**_BODY)
            assert whole.choices[0].message.content == "Bonjour à vous."
            assert whole.model_extra["x_ai_provenance"]["ai_generated"] is True
            stream = await client.chat.completions.create(**_BODY, stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            assert "".join(pieces) == "Bonjour à vous."


async def test_a_stream_says_it_in_its_head_and_in_a_comment_before_its_end(engine):
    async with serving(configuration(engine)) as served, served.client() as client:
        reply = await post(client, {**_BODY, "stream": True})
        assert reply.headers["x-ai-generated"] == "true"
        *_, comment, end, last = (await reply.text()).split("\n\n")
        assert (end, last) == ("data: [DONE]", "")
        said = orjson.loads(comment.removeprefix(": x-ai-provenance "))
        assert said["model"] == engine.model


async def test_kept_answers_are_marked_too(engine):
    made = configuration(engine, {"end_user_facing": True}, cache={"ttl": "1h"})
    async with serving(made) as served, served.client() as client:
        for state in ("miss", "hit"):
            reply = await post(client, _BODY)
            assert reply.headers["x-passerelle-cache"] == state
            assert reply.headers["x-ai-generated"] == "true"
            assert (await reply.read()).count(b"x_ai_provenance") == 1
        stream = await post(client, {**_BODY, "stream": True})
        assert stream.headers["x-passerelle-cache"] == "hit"
        assert ": x-ai-provenance" in await stream.text()


async def test_a_tenant_may_switch_it_off(engine):
    privacy = {"end_user_facing": True, "marking": {"enabled": False}}
    async with serving(configuration(engine, privacy)) as served, served.client() as client:
        for more in ({}, {"stream": True}):
            reply = await post(client, {**_BODY, **more})
            assert "x-ai-generated" not in reply.headers
            assert b"x-ai-provenance" not in await reply.read()


async def test_numbers_and_refusals_are_not_marked(engine):
    async with serving(configuration(engine)) as served, served.client() as client:
        reply = await post(client, {**_BODY, "model": "nobody"})
        assert reply.status == 404
        assert "x-ai-generated" not in reply.headers
    made = one_backend("openai", engine.url, model=engine.model, task="embed")
    async with serving(made) as served, served.client() as client:
        reply = await post(client, {"model": "assistant", "input": "a"}, "/v1/embeddings")
        assert reply.status == 200
        assert "x-ai-generated" not in reply.headers


async def test_sentences_that_were_picked_are_called_so():
    made = one_backend("builtin", "", model="extractive")
    async with serving(made) as served, served.client() as client:
        reply = await post(client, _BODY)
        assert reply.status == 200
        assert reply.headers["x-ai-generated"] == EXTRACTIVE.decode()


async def test_disclosures_are_the_tenant_s_own_or_ours(engine):
    own = {"end_user_facing": True, "marking": {"disclosure": {"fr": "Ici, un automate."}}}
    async with serving(configuration(engine, own), whole=True) as served, served.client() as client:
        french = await (await client.get("/v1/privacy/disclosure?language=fr")).json()
        assert (french["text"], french["own"], french["required"]) == ("Ici, un automate.", True, True)
        english = await (await client.get("/v1/privacy/disclosure?language=en")).json()
        assert (english["own"], english["language"]) == (False, "en")
        assert "artificial intelligence" in english["text"]
        german = await (await client.get("/v1/privacy/disclosure?language=de")).json()
        assert german["language"] == "en"
        spoken = await client.get("/v1/privacy/disclosure", headers={"accept-language": "fr-FR"})
        assert (await spoken.json())["language"] == "fr"
        wrong = await client.get("/v1/privacy/disclosure?language=x")
        assert (await wrong.json(), wrong.status)[1] == 400


@pytest.mark.parametrize("body", [b'{"a":1}', b'{"a":{"b":"}"}}\n', b'{"text":"\\"x_ai_provenance\\": no"} '])
def test_a_body_stays_json_with_one_member_more(body):
    said = orjson.loads(MARK.whole(body))
    assert said.pop("x_ai_provenance")["model"] == "m"
    assert said == orjson.loads(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"no", b'{"a":1,"x_ai_provenance":{"model":"theirs"}}'])
def test_what_cannot_be_marked_or_is_marked_stays_as_it_is(body):
    assert MARK.whole(body) == body


def test_what_does_not_end_as_a_stream_does_stays_as_it_is():
    assert MARK.closing(b"data: {}\n\n") == b"data: {}\n\n"


def test_a_conversation_begins_with_its_first_question():
    turns = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    assert is_first(Question("c", turns[:1]))
    assert not is_first(Question("c", turns))
    assert not is_first(Question("c", turns[:1], conversation="conv_1"))
    assert Route.CHAT.task is Route.COMPLETIONS.task
