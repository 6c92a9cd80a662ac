"""How TGI's native API fails, and what the caller is told: as with any other route."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.native import BODY, PATH, alone, chunks_of, post, with_spare
from tests.fakes.engine import closed_port
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import (
    Close,
    Fail,
    HalfFrame,
    Insert,
    Reset,
    Silent,
    Status,
    Truncate,
    bad_gateway,
    invalid_utf8,
    oversized,
)
from tests.fakes.tgi import TgiFake
from tests.serving import Served, one_backend, serving

_NATIVE = {"/generate", "/generate_stream"}


@pytest.fixture
async def tgi() -> AsyncIterator[TgiFake]:
    async with TgiFake() as tgi:
        yield tgi


@pytest.fixture
async def spare() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="De secours.") as spare:
        yield spare


@pytest.fixture
async def served(tgi: TgiFake) -> AsyncIterator[Served]:
    async with serving(alone(tgi)) as served:
        yield served


@pytest.fixture
async def paired(tgi: TgiFake, spare: OpenAiLike) -> AsyncIterator[Served]:
    async with serving(with_spare(tgi, spare)) as served:
        yield served


_EARLY = [
    pytest.param([Fail("overloaded")], id="overloaded"),
    pytest.param([Fail("generation")], id="generation"),
    pytest.param([Fail("incomplete")], id="incomplete"),
    pytest.param([Close()], id="closed"),
    pytest.param([Reset()], id="reset"),
    pytest.param([Close(after=0)], id="closed-after-head"),
    pytest.param([HalfFrame(after=0)], id="half-frame"),
    pytest.param([bad_gateway()], id="proxy-page"),
    pytest.param([Status(401, "")], id="401"),
    pytest.param([Status(429, {"error": "Model is overloaded", "error_type": "overloaded"})], id="429"),
    pytest.param([Status(503, {"error": "x"})], id="503"),
    pytest.param([Status(200, "not json")], id="200-not-json"),
    pytest.param([Status(200, ["x"])], id="200-a-list"),
    pytest.param([Status(200, {"generated_text": "x"})], id="200-no-details"),
    pytest.param([Status(200, {"error": "Model is overloaded", "error_type": "overloaded"})], id="200-error"),
    pytest.param([Status(307, "", {"location": "http://127.0.0.1:1/"})], id="redirect"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("touches", _EARLY)
async def test_a_failure_before_the_first_content_is_answered_by_the_next_target(
    paired: Served, tgi: TgiFake, touches: list[Any], stream: bool
) -> None:
    tgi.always(*touches)
    async with (
        paired.client() as http,
        http.post(PATH, json={**BODY, "stream": stream, "echo": True}) as reply,
    ):
        text = (await reply.read()).decode()

    assert reply.status == 200, text
    assert reply.headers["x-passerelle-backend"] == "spare"
    assert {request.path for request in tgi.requests} <= _NATIVE
    await paired.until(lambda: paired.records)
    assert paired.records[0].attempts[0].fault is not None


@pytest.mark.parametrize("prompt", ["un", ["un", "deux", "trois"]], ids=["one", "several"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_overload_is_a_503_wherever_it_is_said(
    served: Served, tgi: TgiFake, stream: bool, prompt: Any
) -> None:
    tgi.always(Fail("overloaded"))

    status, told = await post(served, prompt=prompt, stream=stream, top_k=3)

    # Outside a stream TGI says it with status 429.
    code = "upstream_overloaded" if stream else "upstream_rate_limited"
    assert (status, told["error"]["code"]) == (503, code)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [({"top_k": -7}, "u32"), ({"top_n_tokens": 9}, "top_n_tokens"), ({"typical_p": 2}, "typical_p")],
)
async def test_what_the_engine_refuses_is_told_in_its_words_and_not_taken_elsewhere(
    paired: Served, spare: OpenAiLike, stream: bool, fields: dict[str, Any], said: str
) -> None:
    status, told = await post(paired, stream=stream, **fields)

    assert status == 422
    assert said in told["error"]["message"]
    assert spare.requests == []


async def test_what_only_whole_answers_can_have_is_refused_in_a_stream_by_the_engine(served: Served) -> None:
    status, told = await post(served, stream=True, best_of=2)

    assert (status, told["error"]["code"]) == (422, "validation")
    assert "streaming" in told["error"]["message"]


@pytest.mark.parametrize(
    "touches",
    [
        pytest.param([Fail("generation", after=3)], id="error-event"),
        pytest.param([Reset(after=3)], id="reset"),
        pytest.param([Close(after=3)], id="closed"),
        pytest.param([Truncate(after=3)], id="truncated"),
        pytest.param([HalfFrame(after=3)], id="half-frame"),
        pytest.param([Insert(b"data: }}\n\n", 3)], id="not-json"),
        pytest.param([Insert(b"data: [1]\n\n", 3)], id="not-an-object"),
        pytest.param([Insert(b'data: {"a":1}\n\n', 3)], id="not-an-event"),
        pytest.param([invalid_utf8(before=3)], id="not-utf8"),
        pytest.param([oversized(3_000_000, before=3)], id="3-MB-line"),
    ],
)
@pytest.mark.parametrize("prompt", ["un", ["un", "deux"]], ids=["one", "several"])
async def test_a_failure_after_the_first_content_is_told_and_nothing_is_glued_on(
    paired: Served, tgi: TgiFake, spare: OpenAiLike, touches: list[Any], prompt: Any
) -> None:
    tgi.answer = "un deux trois quatre cinq six sept huit"
    tgi.always(*touches)

    status, text = await post(paired, prompt=prompt, stream=True, top_k=3)

    assert status == 200
    assert "[DONE]" not in text
    assert set(chunks_of(text)[-1]["error"]) == {"message", "type", "param", "code"}
    assert spare.requests == []
    await tgi.until(lambda: tgi.live == 0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_dead_server_is_named_as_one(stream: bool) -> None:
    with closed_port() as url:
        async with serving(one_backend("tgi", url, model="tgi")) as served:
            status, told = await post(served, stream=stream, echo=True)

    assert (status, told["error"]["code"]) == (503, "upstream_unreachable")


@pytest.mark.parametrize(
    ("limits", "stream", "code"),
    [
        ({"total": "200ms"}, False, "upstream_total_timeout"),
        ({"first_content": "200ms"}, True, "upstream_first_content_timeout"),
    ],
)
async def test_a_silent_engine_is_left_after_the_time_limit(
    tgi: TgiFake, limits: dict[str, Any], stream: bool, code: str
) -> None:
    tgi.always(Silent())
    async with serving(one_backend("tgi", tgi.url, model="tgi", timeouts=limits)) as served:
        status, told = await post(served, stream=stream, echo=True)
        await tgi.until(lambda: tgi.hung_up)

    assert (status, told["error"]["code"]) == (504, code)
