"""Clients nobody here wrote, each as its own users call it, streaming and not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import AsyncInferenceClient
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import AsyncOpenAI, AuthenticationError, DefaultAsyncHttpxClient, NotFoundError
from pydantic import BaseModel, SecretStr

from tests.fakes.script import Answer, ToolCall
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, Served, serving


class Weather(BaseModel):
    """The weather of a city."""

    city: str


@pytest.fixture
async def vllm() -> AsyncIterator[VllmFake]:
    async with VllmFake(model="m") as vllm:
        yield vllm


@pytest.fixture
async def served(vllm: VllmFake, model_cache: Path) -> AsyncIterator[Served]:
    async with TgiFake() as tgi:
        configuration: dict[str, Any] = {
            "backends": {
                "vllm": {"kind": "vllm", "url": vllm.url},
                "tgi": {"kind": "tgi", "url": tgi.url},
                "offline": {"kind": "builtin"},
            },
            "models": {
                "assistant": {"task": "chat", "targets": [{"backend": "vllm", "model": "m"}]},
                "Qwen/Qwen2.5-7B-Instruct": {"task": "chat", "targets": [{"backend": "tgi", "model": "tgi"}]},
                "extractive": {"task": "chat", "targets": [{"backend": "offline", "model": "extractive"}]},
                "embeddings": {
                    "task": "embed",
                    "targets": [{"backend": "offline", "model": "all-MiniLM-L6-v2"}],
                },
            },
            "tenants": {"acme": {"models": {"default": "assistant"}}},
        }
        async with serving(configuration, models=model_cache, whole=True) as served:
            yield served


_CONTEXT = (
    "La passerelle a été ouverte en 1894. Elle mesure 62 mètres. Quand la passerelle a-t-elle été ouverte ?"
)


@pytest.mark.parametrize("model", ["assistant", "Qwen/Qwen2.5-7B-Instruct", "default"])
async def test_the_openai_sdk_chats(served: Served, model: str) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1") as client:
        whole = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Dis bonjour."}]
        )
        stream = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Dis bonjour."}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert whole.choices[0].message.content == text == "Bonjour le monde."
    assert whole._request_id is not None
    assert whole._request_id.startswith("req_")


async def test_the_openai_sdk_lists_and_finds_models_with_slashes(served: Served) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1") as client:
        names = [model.id async for model in client.models.list()]
        found = await client.models.retrieve("Qwen/Qwen2.5-7B-Instruct")

    assert names == ["assistant", "Qwen/Qwen2.5-7B-Instruct", "extractive", "embeddings"]
    assert found.id == "Qwen/Qwen2.5-7B-Instruct"


async def test_the_openai_sdk_sees_its_own_errors(served: Served) -> None:
    async with AsyncOpenAI(api_key="wrong", base_url=f"{served.url}/v1") as client:
        with pytest.raises(AuthenticationError) as wrong_key:
            await client.models.list()
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1") as client:
        with pytest.raises(NotFoundError) as wrong_model:
            await client.chat.completions.create(
                model="asistant", messages=[{"role": "user", "content": "x"}]
            )

    assert wrong_key.value.code == "invalid_api_key"
    assert wrong_model.value.code == "model_not_found"
    assert "assistant" in wrong_model.value.message


async def test_the_builtin_engine_answers_from_the_context_and_says_who_it_is(served: Served) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1") as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="extractive", messages=[{"role": "user", "content": _CONTEXT}]
        )
        stream = await client.chat.completions.create(
            model="extractive",
            messages=[{"role": "user", "content": _CONTEXT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]

    answer = raw.parse()
    assert answer.model == "builtin/extractive"
    assert "1894" in (answer.choices[0].message.content or "")
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == answer.choices[0].message.content
    assert chunks[-1].usage == answer.usage
    assert raw.headers["x-passerelle-provider"] == "self"


async def test_the_builtin_engine_refuses_what_it_cannot_do(served: Served) -> None:
    async with served.client() as http:
        body = {"model": "extractive", "messages": [{"role": "user", "content": "x"}], "n": 3}
        async with http.post("/v1/chat/completions", json=body) as reply:
            payload = await reply.json()

    assert (reply.status, payload["error"]["param"]) == (400, "n")


async def test_the_openai_sdk_embeds_with_the_builtin_model(served: Served) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1") as client:
        reply = await client.embeddings.create(model="embeddings", input=["a cat", "a kitten", "tax law"])
        short = await client.embeddings.create(model="embeddings", input="a cat", dimensions=64)

    cat, kitten, law = (item.embedding for item in reply.data)
    assert len(cat) == 384
    assert len(short.data[0].embedding) == 64
    assert (
        sum(a * b for a, b in zip(cat, kitten, strict=True))
        > sum(a * b for a, b in zip(cat, law, strict=True)) + 0.2
    )
    assert reply.usage.total_tokens >= 9


async def test_hugging_faces_client_chats(served: Served) -> None:
    client = AsyncInferenceClient(base_url=f"{served.url}/v1", api_key=KEY)
    try:
        whole = await client.chat_completion(
            [{"role": "user", "content": "Dis bonjour."}], model="assistant", max_tokens=20
        )
        pieces = await client.chat_completion(
            [{"role": "user", "content": "Dis bonjour."}], model="assistant", stream=True
        )
        text = "".join([piece.choices[0].delta.content or "" async for piece in pieces if piece.choices])
    finally:
        await client.close()

    assert whole.choices[0].message.content == text == "Bonjour le monde."


@pytest.fixture
async def http() -> AsyncIterator[DefaultAsyncHttpxClient]:
    """A client for LangChain, which closes none of its own."""
    async with DefaultAsyncHttpxClient() as http:
        yield http


async def test_langchain_chats_streams_and_calls_tools(
    served: Served, vllm: VllmFake, http: DefaultAsyncHttpxClient
) -> None:
    model = ChatOpenAI(
        model="assistant",
        base_url=f"{served.url}/v1",
        api_key=SecretStr(KEY),
        stream_usage=True,
        http_async_client=http,
    )

    whole = await model.ainvoke("Dis bonjour.")
    total: Any = None
    async for chunk in model.astream("Dis bonjour."):
        total = chunk if total is None else total + chunk
    vllm.always(Answer(tools=(ToolCall("Weather", '{"city":"Nantes"}'),)))
    called = await model.bind_tools([Weather]).ainvoke("Quel temps fait-il à Nantes ?")

    assert whole.content == "Bonjour le monde."
    assert isinstance(total, AIMessageChunk)
    assert total.content == "Bonjour le monde."
    assert total.usage_metadata is not None
    assert total.usage_metadata["output_tokens"] == 3
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("Weather", {"city": "Nantes"})]


async def test_langchain_embeds(served: Served, http: DefaultAsyncHttpxClient) -> None:
    model = OpenAIEmbeddings(
        model="embeddings",
        base_url=f"{served.url}/v1",
        api_key=SecretStr(KEY),
        check_embedding_ctx_length=False,
        http_async_client=http,
    )

    vectors = await model.aembed_documents(["un", "deux"])

    assert [len(vector) for vector in vectors] == [384, 384]
