"""The fake of Google's Gemini API says what the real one says."""

from typing import Any

from tests.fakes.client import Heard, post
from tests.fakes.gemini import GeminiFake
from tests.fakes.script import Answer, Fail, ToolCall

_BODY = {"contents": [{"role": "user", "parts": [{"text": "un deux"}]}]}


async def _ask(fake: GeminiFake, verb: str = "generateContent", key: str = "k", **more: Any) -> Heard:
    url = f"{fake.url}/v1beta/models/{fake.model}:{verb}"
    return await post(url, {**_BODY, **more}, {"x-goog-api-key": key})


async def test_a_whole_answer() -> None:
    async with GeminiFake() as fake:
        heard = await _ask(fake)

    (candidate,) = heard.json["candidates"]
    assert candidate["content"]["parts"] == [{"text": "Bonjour le monde."}]
    assert candidate["finishReason"] == "STOP"
    assert heard.json["usageMetadata"] == {
        "promptTokenCount": 2,
        "candidatesTokenCount": 3,
        "totalTokenCount": 5,
    }


async def test_a_stream_ends_with_the_event_that_says_why() -> None:
    async with GeminiFake() as fake:
        heard = await _ask(fake, "streamGenerateContent?alt=sse")

    candidates = [event["candidates"][0] for event in heard.events]
    assert "".join(one["content"]["parts"][0]["text"] for one in candidates) == "Bonjour le monde."
    assert [one.get("finishReason") for one in candidates] == [None, None, "STOP"]
    assert b"[DONE]" not in heard.body


async def test_a_function_is_called_with_an_object() -> None:
    async with GeminiFake(Answer(tools=(ToolCall("weather", '{"city":"Nantes"}'),))) as fake:
        heard = await _ask(fake, tools=[{"functionDeclarations": [{"name": "weather"}]}])

    (part,) = heard.json["candidates"][0]["content"]["parts"]
    assert part == {"functionCall": {"name": "weather", "args": {"city": "Nantes"}}}


async def test_failures_have_googles_status_outside_and_inside_a_stream() -> None:
    async with GeminiFake(api_key="k") as fake:
        fake.script(Fail("overloaded"))
        outside = await _ask(fake)
        fake.script(Fail("rate_limited", after=1))
        inside = await _ask(fake, "streamGenerateContent?alt=sse")
        wrong = await _ask(fake, key="other")
        unknown = await _ask(fake, stream=True)

    assert (outside.status, outside.json["error"]["status"]) == (503, "UNAVAILABLE")
    assert inside.events[-1]["error"]["code"] == 429
    assert (wrong.status, wrong.json["error"]["message"].split(".")[0]) == (400, "API key not valid")
    assert 'Unknown name "stream"' in unknown.json["error"]["message"]


async def test_texts_are_embedded_in_batches() -> None:
    requests = [{"model": "m", "content": {"parts": [{"text": text}]}} for text in ("un", "deux")]
    async with GeminiFake() as fake:
        heard = await _ask(fake, "batchEmbedContents", requests=requests)

    assert [len(one["values"]) for one in heard.json["embeddings"]] == [8, 8]
