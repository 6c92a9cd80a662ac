"""The engine behind the seam of all backends: OpenAI's shapes, true counts, honest refusals."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.engine import BuiltinBackend
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.sse import data_of, events

_TARGET = Target("offline", "extractive")
_QUESTION = (
    "La passerelle a été ouverte en 1894. Elle mesure 62 mètres. Quand la passerelle a-t-elle été ouverte ?"
)


def _ask(route: Route, *, stream: bool = False, **body: Any) -> Ask:
    return Ask(
        route, "m", body, stream=stream, wants_usage=True, request_id="req_1", needs=Needs(), arrived=0.0
    )


@pytest.fixture
async def backend(models: Path) -> AsyncIterator[BuiltinBackend]:
    backend = BuiltinBackend(Embedder(cache=models))
    yield backend
    await backend.aclose()


async def test_a_chat_is_a_chat_completion(backend: BuiltinBackend) -> None:
    reply = await backend.start(_ask(Route.CHAT, messages=[{"role": "user", "content": _QUESTION}]), _TARGET)

    answer = ChatCompletion.model_validate_json(reply.body, strict=True)
    assert answer.model == "builtin/extractive"
    assert answer.choices[0].message.content == "La passerelle a été ouverte en 1894."
    assert reply.usage is not None
    assert answer.usage is not None
    assert answer.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_a_stream_gives_the_same_words_and_counts(backend: BuiltinBackend) -> None:
    messages = [{"role": "user", "content": _QUESTION}]
    whole = orjson.loads((await backend.start(_ask(Route.CHAT, messages=messages), _TARGET)).body)
    reply = await backend.start(_ask(Route.CHAT, stream=True, messages=messages), _TARGET)
    assert reply.stream is not None
    blocks = []
    while block := await reply.stream.read():
        blocks.append(block)

    payloads = [data_of(event) or b"" for block in blocks for event in events(block)]
    assert payloads[-1] == b"[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(payload, strict=True) for payload in payloads[:-1]]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.model_dump(exclude_none=True) == whole["usage"]


async def test_a_legacy_prompt_is_answered(backend: BuiltinBackend) -> None:
    reply = await backend.start(_ask(Route.COMPLETIONS, prompt=_QUESTION), _TARGET)

    assert "1894" in Completion.model_validate_json(reply.body, strict=True).choices[0].text


@pytest.mark.parametrize(
    ("body", "fault", "param"),
    [
        ({"n": 2}, Fault.UNSUPPORTED, "n"),
        ({"logprobs": True}, Fault.UNSUPPORTED, "logprobs"),
        ({"modalities": ["audio"]}, Fault.UNSUPPORTED, "modalities"),
        ({"max_tokens": "many"}, Fault.REQUEST, "max_tokens"),
    ],
)
async def test_what_it_cannot_do_is_refused_by_name(
    backend: BuiltinBackend, body: dict[str, Any], fault: Fault, param: str
) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await backend.start(_ask(Route.CHAT, messages=[{"role": "user", "content": "x"}], **body), _TARGET)

    assert (caught.value.fault, caught.value.told.param) == (fault, param)


async def test_embeddings_are_openais_and_say_what_was_cut(backend: BuiltinBackend) -> None:
    reply = await backend.start(_ask(Route.EMBEDDINGS, input=["un mot", "mot " * 400]), _TARGET)

    parsed = CreateEmbeddingResponse.model_validate_json(reply.body, strict=True)
    assert [len(item.embedding) for item in parsed.data] == [384, 384]
    assert reply.ignored
    assert "past 256" in reply.ignored[0]


async def test_an_empty_text_is_a_bad_request(backend: BuiltinBackend) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await backend.start(_ask(Route.EMBEDDINGS, input=["x", ""]), _TARGET)

    assert caught.value.told.param == "input"


async def test_a_damaged_model_folder_is_a_failure_in_words(tmp_path: Path) -> None:
    backend = BuiltinBackend(Embedder(cache=tmp_path, folder=tmp_path / "nothing"))

    with pytest.raises(UpstreamFailed, match="nothing") as caught:
        await backend.start(_ask(Route.EMBEDDINGS, input="x"), Target("offline", "m"))

    assert caught.value.fault is Fault.SERVER
    await backend.aclose()
