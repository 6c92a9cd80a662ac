"""Text completions that only TGI's native API can give, over a real socket and through Hugging Face's own client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from openai import AsyncOpenAI

from tests.contract.native import BODY, PATH, alone, chunks_of, post, text_of
from tests.fakes.script import HEAD, Answer, Crlf, Insert, Pace, Slice, Wait, keep_alive
from tests.fakes.tgi import TgiFake
from tests.serving import KEY, Served, serving

_SCHEMA = {"type": "object", "properties": {"a": {"const": None}}}


@pytest.fixture
async def tgi() -> AsyncIterator[TgiFake]:
    async with TgiFake() as tgi:
        yield tgi


@pytest.fixture
async def served(tgi: TgiFake) -> AsyncIterator[Served]:
    async with serving(alone(tgi)) as served:
        yield served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client:
        yield client


async def test_a_plain_completion_stays_on_the_openai_route(served: Served, tgi: TgiFake) -> None:
    await post(served, temperature=0, logprobs=None, echo=False)

    assert [request.path for request in tgi.requests] == ["/v1/completions"]


async def test_a_schema_and_a_regular_expression_reach_the_engine_whole(served: Served, tgi: TgiFake) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": _SCHEMA}}
    regex = {"type": "regex", "value": "[0-9]+"}

    told = [await post(served, response_format=wish) for wish in (schema, regex)]

    assert [status for status, _ in told] == [200, 200]
    assert [request.path for request in tgi.requests] == ["/generate", "/generate"]
    first, second = (request.body["parameters"]["grammar"] for request in tgi.requests)
    assert (first["type"], orjson.loads(first["value"])) == ("json", _SCHEMA)
    assert second == regex


async def test_log_probabilities_are_given_whole(client: AsyncOpenAI, served: Served) -> None:
    answer = await client.completions.create(**BODY, logprobs=2, echo=True)

    choice = answer.choices[0]
    assert choice.text == "Dis bonjour.Bonjour le monde."
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["<s>", "Dis", " bonjour.", "Bonjour", " le", " monde."]
    assert choice.logprobs.text_offset == [0, 0, 3, 12, 19, 22]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 3)
    assert served.records[0].usage is not None
    assert served.records[0].usage.completion_tokens == 3


async def test_log_probabilities_are_given_in_a_stream_and_usage_when_asked_for(
    client: AsyncOpenAI, served: Served, tgi: TgiFake
) -> None:
    stream = await client.completions.create(
        **BODY, logprobs=2, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.text for choice in choices) == "Bonjour le monde."
    shown = [choice.logprobs for choice in choices if choice.logprobs]
    assert [token for each in shown for token in each.tokens or ()] == ["Bonjour", " le", " monde."]
    assert [offset for each in shown for offset in each.text_offset or ()] == [0, 7, 10]
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5
    assert [request.path for request in tgi.requests] == ["/generate_stream"]
    await served.until(lambda: served.records)
    assert served.records[0].usage is not None
    assert served.records[0].usage.completion_tokens == 3


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_several_prompts_are_one_call_each_and_add_up(
    served: Served, tgi: TgiFake, stream: bool
) -> None:
    tgi.answer = lambda request: f"Réponse à {request.body['inputs']}"
    prompts = ["un", "deux deux", "trois", "quatre", "cinq", "six"]

    status, told = await post(
        served,
        prompt=prompts,
        top_k=3,
        stream=stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
    )

    assert status == 200
    chunks = chunks_of(told) if stream else [told]
    assert [text_of(chunks, index) for index in range(6)] == [f"Réponse à {prompt}" for prompt in prompts]
    assert chunks[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 19, "total_tokens": 26}
    assert sorted(request.body["inputs"] for request in tgi.requests) == sorted(prompts)
    assert len({request.headers["x-request-id"] for request in tgi.requests}) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_no_more_than_four_prompts_of_a_request_are_in_flight(
    served: Served, tgi: TgiFake, stream: bool
) -> None:
    go, most = asyncio.Event(), 0
    tgi.always(Wait(go, before=HEAD))
    call = asyncio.ensure_future(post(served, prompt=["x"] * 9, top_k=3, stream=stream))
    await tgi.until(lambda: tgi.live == 4)
    for _ in range(20):  # turns of the loop in which a fifth would have come
        await asyncio.sleep(0)
        most = max(most, tgi.live)
    go.set()

    assert (await call)[0] == 200
    assert most == 4
    assert len(tgi.requests) == 9


async def test_streamed_prompts_of_the_openai_route_are_all_counted(served: Served, tgi: TgiFake) -> None:
    await post(served, prompt=["un", "deux deux"], stream=True)

    await served.until(lambda: served.records)
    assert tgi.requests[0].path == "/v1/completions"
    assert served.records[0].usage is not None
    assert (served.records[0].usage.prompt_tokens, served.records[0].usage.completion_tokens) == (3, 6)


@pytest.mark.parametrize(
    "touches",
    [[], [Crlf()], [Slice(1)], [Slice(7)], [Slice(100_000)], [keep_alive()], [keep_alive(before=2)]],
    ids=repr,
)
async def test_any_cut_of_the_bytes_gives_the_same_stream(
    served: Served, tgi: TgiFake, touches: list[Any]
) -> None:
    # Line ends to the library's HTTP client, plain characters to JSON.
    tgi.answer = Answer(pieces=("Bonjour\u2028", "le\u0085", "monde\u2029", "\n\n", "é🙂"))
    tgi.script(*touches)

    status, text = await post(served, logprobs=0, stream=True)

    assert status == 200
    assert text_of(chunks_of(text)) == "Bonjour\u2028le\u0085monde\u2029\n\né🙂"
    assert text.count("data: [DONE]") == 1
    assert text.endswith("\n\ndata: [DONE]\n\n")


async def test_a_stream_ends_with_the_answer_though_the_engine_keeps_the_line(
    served: Served, tgi: TgiFake
) -> None:
    tgi.always(Insert(b":\n\n", 4), Wait(asyncio.Event(), before=4))

    status, text = await post(served, details=True, stream=True)

    assert status == 200
    assert text.endswith("data: [DONE]\n\n")
    await tgi.until(lambda: tgi.live == 0)


async def test_tokens_come_one_by_one(served: Served, tgi: TgiFake) -> None:
    step = asyncio.Event()
    tgi.always(Pace(step))
    async with served.client() as http:
        feeder = asyncio.ensure_future(_drip(step, tgi))
        reply = await http.post(PATH, json={**BODY, "stream": True, "details": True})
        first = await reply.content.readany()
        feeder.cancel()
        step.set()
        rest = await reply.read()

    assert b"Bonjour" in first
    assert b"monde" not in first
    assert b"monde" in rest


async def _drip(step: asyncio.Event, tgi: TgiFake) -> None:
    """Let exactly one event out."""
    await tgi.until(lambda: tgi.live == 1)
    step.set()
    await asyncio.sleep(0)
    step.clear()
    await asyncio.Event().wait()
