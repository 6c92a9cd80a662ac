"""Clients nobody here wrote, asking a collection as the model `rag/<collection>` of a running service.

OpenAI's SDK checks every answer against its own types here, which it does not do by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import openai
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_message import Annotation
from pydantic import BaseModel, SecretStr, TypeAdapter

from tests.e2e.rag_scene import House, house
from tests.fakes.script import Answer, Status, Wait

_TEXT = "La passerelle Mimram a été ouverte en 2004. Elle mesure 183 mètres et relie Strasbourg à Kehl."
_QUESTION = "En quelle année la passerelle Mimram a-t-elle été ouverte ?"
_ASKED: Any = {"model": "rag/ponts", "messages": [{"role": "user", "content": _QUESTION}]}
_ANNOTATIONS = TypeAdapter(list[Annotation])


def _config(url: str) -> dict[str, Any]:
    return {
        "version": 1,
        "backends": {"offline": {"kind": "builtin"}, "engine": {"kind": "openai", "url": url}},
        "models": {
            "quoter": {"task": "chat", "targets": [{"backend": "offline", "model": "extractive"}]},
            "embeddings": {"task": "embed", "targets": [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]},
            "talker": {"task": "chat", "targets": [{"backend": "engine", "model": "m"}]},
        },
        "tenants": {
            "quotes": {"rag": {"model": "quoter"}},
            "talks": {"rag": {"model": "talker", "embedder": "none"}},
            "seldom": {"rag": {"model": "talker", "embedder": "none"}, "limits": {"rpm": 1}},
        },
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("clients"), _config, models=model_cache) as running:
        for tenant in ("quotes", "talks", "seldom"):
            running.make(tenant, "app")
            writer = running.make(tenant, "writer", role="tenant-admin")
            given = {"text": _TEXT, "key": "mimram", "title": "Passerelle Mimram"}
            taken = writer.ask("POST", "/v1/rag/collections/ponts/documents", given)
            assert taken.status == 202, taken.raw
            running.over(writer, taken.json["job"])
        yield running


@pytest.fixture
def sdk(home: House) -> Iterator[Callable[..., OpenAI]]:
    made: list[OpenAI] = []

    def make(tenant: str = "quotes", **more: Any) -> OpenAI:
        given = {"api_key": home.keys[tenant]["app"].key, "max_retries": 0, **more}
        made.append(OpenAI(base_url=f"{home.service.url}/v1", _strict_response_validation=True, **given))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def talker(home: House) -> Iterator[Any]:
    """The engine of the tenants that have one; what it is told to say holds for one test."""
    yield home.model.fake
    home.model.fake.always()


def _is_cited(answer: ChatCompletion, text: str = "2004") -> None:
    message = answer.choices[0].message
    assert text in (message.content or "")
    annotations = _ANNOTATIONS.validate_python(
        [each.model_dump() for each in message.annotations or ()], strict=True
    )
    assert annotations
    for each in annotations:
        found = each.url_citation
        assert found.title == "Passerelle Mimram"
        assert found.url.startswith("/v1/rag/collections/ponts/documents/doc_")
        assert (message.content or "")[found.start_index : found.end_index].startswith("[1")


def test_the_sdk_is_answered_with_sources_in_its_own_types(sdk: Callable[..., OpenAI]) -> None:
    raw = sdk().chat.completions.with_raw_response.create(**_ASKED)
    answer = raw.parse()
    _is_cited(answer)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "rag/ponts"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert raw.headers["x-passerelle-provider"] == "self"
    assert str(raw.request_id).startswith("req_")
    ours = answer.choices[0].message.model_extra["passerelle"]
    assert (ours["collection"], ours["refused"], len(ours["citations"])) == ("ponts", False, 1)


def test_a_question_that_nothing_answers_is_refused_in_words_and_without_sources(
    sdk: Callable[..., OpenAI],
) -> None:
    asked = {**_ASKED, "messages": [{"role": "user", "content": "Qui a peint le plafond de la Sixtine ?"}]}
    message = sdk().chat.completions.create(**asked).choices[0].message
    assert message.content
    assert not message.annotations
    assert message.model_extra["passerelle"]["refused"] is True


@pytest.mark.parametrize("tenant", ["quotes", "talks"])
async def test_the_sdk_reads_a_stream_and_gets_the_same_answer(
    home: House, sdk: Callable[..., OpenAI], tenant: str
) -> None:
    whole = sdk(tenant).chat.completions.create(**_ASKED)
    chunks: list[ChatCompletionChunk] = list(
        sdk(tenant).chat.completions.create(**_ASKED, stream=True, stream_options={"include_usage": True})
    )
    key = home.keys[tenant]["app"].key
    async with AsyncOpenAI(
        api_key=key, base_url=f"{home.service.url}/v1", _strict_response_validation=True
    ) as client:
        texts, told = [], []
        async with client.chat.completions.stream(**_ASKED) as events:
            async for event in events:
                if event.type == "content.delta":
                    texts.append(event.delta)
            final: Any = await events.get_final_completion()
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content == "".join(texts) == final.choices[0].message.content
    for chunk in chunks:
        for choice in chunk.choices:
            told += (choice.delta.model_extra or {}).get("annotations", ())
    assert [Annotation.model_validate(each).url_citation for each in told] == [
        each.url_citation for each in whole.choices[0].message.annotations or ()
    ]
    assert [each["index"] for each in told] == list(range(len(told)))
    assert len(final.choices[0].message.annotations) == len(told) == (2 if tenant == "talks" else 1)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


class _Year(BaseModel):
    year: int


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "tools"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"extra_body": {"rag": {"k": 0}}}, "rag.k"),
    ],
)
def test_what_an_answer_from_documents_cannot_give_is_a_bad_request_that_names_it(
    sdk: Callable[..., OpenAI], more: Any, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        sdk().chat.completions.create(**_ASKED, **more)
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


def test_parse_is_refused_before_anything_is_asked(sdk: Callable[..., OpenAI], home: House) -> None:
    before = len(home.model.fake.requests)
    with pytest.raises(openai.BadRequestError) as refused:
        sdk("talks").chat.completions.parse(**_ASKED, response_format=_Year)
    assert refused.value.param == "response_format"
    assert "text with sources" in refused.value.message
    assert len(home.model.fake.requests) == before


def test_what_there_is_not_is_not_found(sdk: Callable[..., OpenAI]) -> None:
    for model in ("rag/nowhere", "rag/", "rag/a b "):
        with pytest.raises(openai.NotFoundError) as missing:
            sdk().chat.completions.create(**{**_ASKED, "model": model})
        assert missing.value.code in ("model_not_found", "collection_not_found"), model
        with pytest.raises(openai.NotFoundError):
            sdk().models.retrieve(model if model != "rag/" else "rag/%20")
    with pytest.raises(openai.AuthenticationError):
        sdk(api_key="wrong").models.list()


def test_collections_are_among_the_models(sdk: Callable[..., OpenAI]) -> None:
    names = [model.id for model in sdk().models.list()]
    assert names[-1] == "rag/ponts"
    assert sdk().models.retrieve("rag/ponts").owned_by == "quotes"


def test_an_engine_that_is_away_is_a_server_error_which_the_sdk_tries_again(
    sdk: Callable[..., OpenAI], talker: Any
) -> None:
    talker.always(Status(503, {"error": {"message": "busy"}}))
    with pytest.raises(openai.InternalServerError) as failed:
        sdk("talks").chat.completions.create(**_ASKED)
    assert failed.value.status_code in (502, 503)
    talker.always()
    talker.script(Status(503, {"error": {"message": "busy"}}))
    raw = sdk("talks", max_retries=2).chat.completions.with_raw_response.create(**_ASKED)
    assert "2004" in (raw.parse().choices[0].message.content or "")


def test_a_limit_is_a_rate_limit_error_that_says_when_to_come_back(sdk: Callable[..., OpenAI]) -> None:
    client = sdk("seldom")
    client.chat.completions.create(**_ASKED)
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(**_ASKED)
    assert float(limited.value.response.headers["retry-after"]) > 0
    with pytest.raises(openai.RateLimitError):
        list(client.chat.completions.create(**_ASKED, stream=True))


def test_whoever_leaves_a_stream_stops_the_engine(sdk: Callable[..., OpenAI], talker: Any) -> None:
    pieces = ("La passerelle Mimram a été ", "ouverte en 2004 [1]. ", "Elle ", "mesure ", "183 mètres [1].")
    talker.always(Answer(pieces=pieces), Wait(asyncio.Event(), before=5))
    stream = sdk("talks").chat.completions.create(**_ASKED, stream=True)
    with stream:
        first = next(chunk for chunk in stream if chunk.choices[0].delta.content)
    assert first.choices[0].delta.content == "La passerelle Mimram a été ouverte en 2004 [1]."
    deadline = time.monotonic() + 10
    while talker.live:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
async def http() -> AsyncIterator[DefaultAsyncHttpxClient]:
    """A client for LangChain, which closes none of its own."""
    async with DefaultAsyncHttpxClient() as http:
        yield http


class TestLangChain:
    """`ChatOpenAI`, as a chatbot's application has it."""

    more: ClassVar[dict[str, Any]] = {"max_retries": 0}

    async def test_it_answers_streams_and_counts(self, home: House, http: DefaultAsyncHttpxClient) -> None:
        for tenant in ("quotes", "talks"):
            model = ChatOpenAI(
                model="rag/ponts", base_url=f"{home.service.url}/v1", stream_usage=True, http_async_client=http,
                api_key=SecretStr(home.keys[tenant]["app"].key), **self.more,
            )  # fmt: skip
            whole = await model.ainvoke(_QUESTION)
            total: Any = None
            async for chunk in model.astream(_QUESTION):
                total = chunk if total is None else total + chunk
            assert isinstance(total, AIMessageChunk)
            assert "2004" in whole.text
            assert total.text == whole.text
            assert total.usage_metadata == whole.usage_metadata
            assert whole.usage_metadata is not None
            assert whole.response_metadata["finish_reason"] == "stop"

    async def test_it_sees_the_sdks_errors(self, home: House, http: DefaultAsyncHttpxClient) -> None:
        model = ChatOpenAI(
            model="rag/nowhere", base_url=f"{home.service.url}/v1", http_async_client=http,
            api_key=SecretStr(home.keys["quotes"]["app"].key), **self.more,
        )  # fmt: skip
        with pytest.raises(openai.NotFoundError):
            await model.ainvoke(_QUESTION)
        with pytest.raises(openai.BadRequestError):
            await model.bind(model="rag/ponts").bind_tools([_Year]).ainvoke(_QUESTION)
