"""Kind `litellm` against providers' own wire formats: what they are sent, and what is made of their replies."""

import asyncio
from typing import Any

import orjson
import pytest

from passerelle.backends.litellm import engine
from passerelle.backends.litellm.options import LiteLLMOptions
from passerelle.domain.ask import Capability, Route, Usage
from passerelle.domain.catalog import BackendSpec
from passerelle.domain.errors import CannotRun, Fault, UpstreamFailed
from passerelle.domain.facts import State
from tests.fakes.anthropic import AnthropicFake
from tests.fakes.bedrock import BedrockFake
from tests.fakes.gemini import GeminiFake
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, Fail, Silent, Status, Truncate
from tests.unit.backends.litellm.asks import MESSAGES, ask, backend, events, target

_CLAUDE = target("claude-sonnet-4-5")
_GEMINI = target("gemini-2.5-flash")
_KEY = {"api_key": "sk-ant-secret"}
# Where a chunk holds usage, LiteLLM looks at it in a way of which pydantic warns; outside tests that is silent.
_OUTDATED = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")


def _anthropic(fake: AnthropicFake) -> Any:
    return backend("anthropic", _KEY, api_base=fake.url)


async def test_marks_for_the_cache_reach_anthropic_and_its_counts_come_back() -> None:
    part = {"type": "text", "text": "un deux trois", "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "system", "content": [part]}, *MESSAGES]
    async with AnthropicFake() as fake, _anthropic(fake) as opened:
        fake.always(Answer(cached_tokens=2))
        whole = await opened.start(ask(messages=messages), _CLAUDE)
        streamed = await opened.start(ask(stream=True, messages=messages), _CLAUDE)
        text = await events(streamed.stream)

    assert fake.requests[0].body["system"] == [part]
    assert whole.usage == Usage(prompt_tokens=5, completion_tokens=3, cached_tokens=2, cache_write_tokens=1)
    chunk = orjson.loads(text.split(b"data: ")[-2])
    assert chunk["usage"]["prompt_tokens_details"]["cached_tokens"] == 2
    assert chunk["usage"]["cache_creation_input_tokens"] == 1
    assert chunk["usage"]["total_tokens"] == 8


async def test_a_provider_is_sent_its_key_and_nothing_of_litellms() -> None:
    async with AnthropicFake(api_key="sk-ant-secret") as fake, _anthropic(fake) as opened:
        reply = await opened.start(ask(max_tokens=9, temperature=0.5, top_k=3), _CLAUDE)

    (request,) = fake.requests
    assert request.headers["x-api-key"] == "sk-ant-secret"
    assert request.headers["x-request-id"] == "req-1"
    assert request.headers["user-agent"] == "passerelle"
    assert set(request.body) == {"model", "messages", "max_tokens", "temperature", "top_k"}
    assert reply.provider == "anthropic"
    assert reply.upstream_id == "req_000000000000000000000002"


@pytest.mark.parametrize(
    ("touch", "fault"),
    [
        (Fail("overloaded"), Fault.OVERLOADED),
        (Fail("rate_limited"), Fault.RATE_LIMITED),
        (Fail("credits"), Fault.CREDITS),
        (Fail("model"), Fault.MODEL),
        (Fail("server"), Fault.SERVER),
        (Fail("validation"), Fault.REQUEST),
        (Fail("unauthorized"), Fault.CREDENTIALS),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_each_failure_of_anthropic_has_its_fault(touch: Fail, fault: Fault, stream: bool) -> None:
    async with AnthropicFake() as fake, _anthropic(fake) as opened:
        fake.always(touch)
        with pytest.raises(UpstreamFailed) as caught:
            await opened.start(ask(stream=stream), _CLAUDE)

    assert caught.value.fault is fault
    assert len(fake.requests) == 1
    assert caught.value.__context__ is None
    assert caught.value.told.retry_after == (7.0 if fault is Fault.RATE_LIMITED else None)


async def test_a_prompt_past_the_context_is_refused_by_openais_name() -> None:
    async with AnthropicFake(context=1) as fake, _anthropic(fake) as opened:
        with pytest.raises(UpstreamFailed) as caught:
            await opened.start(ask(), _CLAUDE)

    assert caught.value.fault is Fault.REQUEST
    assert caught.value.told.code == "context_length_exceeded"
    assert caught.value.told.message == "prompt is too long: 2 tokens > 1 maximum"


@pytest.mark.parametrize("kind", ["overloaded", "rate_limited"])
async def test_a_failure_inside_a_stream_has_the_same_fault_as_outside(kind: Any) -> None:
    expected = {"overloaded": Fault.OVERLOADED, "rate_limited": Fault.RATE_LIMITED}[kind]
    async with AnthropicFake() as fake, _anthropic(fake) as opened:
        fake.always(Fail(kind, after=4))
        reply = await opened.start(ask(stream=True), _CLAUDE)
        with pytest.raises(UpstreamFailed) as caught:
            await events(reply.stream)
        await fake.until(lambda: fake.live == 0)

    assert caught.value.fault is expected


@pytest.mark.parametrize("make", [AnthropicFake, GeminiFake, BedrockFake])
async def test_a_stream_that_breaks_off_is_never_a_finished_answer(make: Any) -> None:
    name = make.__name__.removesuffix("Fake").lower()
    model = {
        "anthropic": _CLAUDE,
        "gemini": _GEMINI,
        "bedrock": target("anthropic.claude-3-5-sonnet-20240620-v1:0"),
    }[name]
    async with make("un deux trois quatre cinq") as fake:
        base = fake.url + ("/v1beta" if name == "gemini" else "")
        fake.always(Truncate(after=4))
        async with backend(name, {"api_key": "k"}, api_base=base) as opened:
            reply = await opened.start(ask(stream=True), model)
            with pytest.raises(UpstreamFailed) as caught:
                await events(reply.stream)

    assert caught.value.fault is Fault.BROKEN


async def test_a_cancelled_call_has_hung_up() -> None:
    async with AnthropicFake() as fake, _anthropic(fake) as opened:
        fake.always(Silent())
        call = asyncio.ensure_future(opened.start(ask(), _CLAUDE))
        await fake.until(lambda: fake.live == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await fake.until(lambda: fake.hung_up)


async def test_nothing_is_left_running_after_calls_that_went_well_and_badly() -> None:
    async with AnthropicFake() as fake, _anthropic(fake) as opened:
        await opened.start(ask(), _CLAUDE)
        await events((await opened.start(ask(stream=True), _CLAUDE)).stream)
        fake.always(Fail("server"))
        with pytest.raises(UpstreamFailed):
            await opened.start(ask(), _CLAUDE)
        for _ in range(5):
            await asyncio.sleep(0)
        running = [task.get_coro() for task in asyncio.all_tasks()]
        # A generator that the loop closes for somebody else has no such name.
        mine = {each.__qualname__ for each in running if hasattr(each, "__qualname__")}  # type: ignore[union-attr]

    assert not [name for name in mine if "Logging" in name or "litellm" in name.lower()]


async def test_gemini_answers_tools_cache_and_thought() -> None:
    async with GeminiFake(Answer(cached_tokens=1, reasoning_tokens=1)) as fake:
        async with backend("gemini", {"api_key": "AIza-secret"}, api_base=f"{fake.url}/v1beta") as opened:
            reply = await opened.start(ask(stop=["FIN"]), _GEMINI)

    (request,) = fake.requests
    assert request.headers["x-goog-api-key"] == "AIza-secret"
    assert "AIza" not in request.target
    assert reply.usage == Usage(prompt_tokens=2, completion_tokens=3, cached_tokens=1, reasoning_tokens=1)


async def test_gemini_says_with_a_400_that_the_key_is_wrong() -> None:
    async with GeminiFake(api_key="right") as fake:
        async with backend("gemini", {"api_key": "wrong"}, api_base=f"{fake.url}/v1beta") as opened:
            with pytest.raises(UpstreamFailed) as caught:
                await opened.start(ask(), _GEMINI)

    assert caught.value.fault is Fault.CREDENTIALS


async def test_a_prompt_that_gemini_blocks_ends_by_its_content() -> None:
    async with GeminiFake(blocked="SAFETY") as fake:
        async with backend("gemini", {"api_key": "k"}, api_base=f"{fake.url}/v1beta") as opened:
            reply = await opened.start(ask(), _GEMINI)

    assert orjson.loads(reply.body)["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_gemini_embeds_in_either_encoding(encoding: str) -> None:
    given = ask(route=Route.EMBEDDINGS, input=["un", "deux"], encoding_format=encoding)
    async with GeminiFake() as fake:
        async with backend("gemini", {"api_key": "k"}, api_base=f"{fake.url}/v1beta") as opened:
            reply = await opened.start(given, _GEMINI)

    data = orjson.loads(reply.body)["data"]
    assert [item["index"] for item in data] == [0, 1]
    assert {type(item["embedding"]) for item in data} == {list if encoding == "float" else str}


async def test_bedrock_takes_a_bearer_token_in_the_region_it_is_told() -> None:
    async with BedrockFake() as fake:
        async with backend("bedrock", {"api_key": "token"}, api_base=fake.url, region="eu-west-3") as opened:
            reply = await opened.start(
                ask(max_tokens=9), target("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
            )

    (request,) = fake.requests
    assert request.target == "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert request.bearer == "token"
    assert request.body == {
        "messages": [{"role": "user", "content": [{"text": "Dis bonjour."}]}],
        "inferenceConfig": {"maxTokens": 9},
    }
    assert (reply.provider, reply.upstream_id) == ("bedrock", "amzn-1")
    assert orjson.loads(reply.body)["choices"][0]["message"]["content"] == "Bonjour le monde."


@_OUTDATED
async def test_bedrock_is_signed_for_where_there_are_access_keys() -> None:
    secrets = {"access_key_id": "AKIATEST", "secret_access_key": "hidden", "session_token": "temporary"}
    async with BedrockFake() as fake:
        async with backend("bedrock", secrets, api_base=fake.url, region="eu-west-3") as opened:
            reply = await opened.start(ask(stream=True), target("anthropic.claude-3-5-sonnet-20240620-v1:0"))
            text = await events(reply.stream)

    (request,) = fake.requests
    assert request.path.endswith("/converse-stream")
    assert "Credential=AKIATEST/" in request.headers["authorization"]
    assert "/eu-west-3/bedrock/aws4_request" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "temporary"
    assert "hidden" not in str(request.headers)
    assert b'"content":" monde."' in text
    assert b'"completion_tokens":3' in text


@_OUTDATED
# Through LiteLLM's own handlers, through its store of clients, and through OpenAI's SDK.
@pytest.mark.parametrize("provider", ["mistral", "groq", "cloudflare", "perplexity", "scaleway"])
async def test_who_speaks_openais_api_is_asked_over_our_session_too(provider: str) -> None:
    async with OpenAiLike(OPENAI, model="m") as fake:
        async with backend(provider, {"api_key": "k"}, api_base=f"{fake.url}/v1") as opened:
            whole = await opened.start(ask(), target("m"))
            streamed = await opened.start(ask(stream=True), target("m"))
            text = await events(streamed.stream)
            fake.always(Status(429, {"error": {"message": "slow down"}}, {"retry-after": "3"}))
            with pytest.raises(UpstreamFailed) as caught:
                await opened.start(ask(), target("m"))

    assert orjson.loads(whole.body)["choices"][0]["message"]["content"] == "Bonjour le monde."
    assert b'"content":" monde."' in text
    assert {request.headers["user-agent"] for request in fake.requests} == {"passerelle"}
    assert not [name for request in fake.requests for name in request.headers if "stainless" in name]
    assert (caught.value.fault, caught.value.told.retry_after) == (Fault.RATE_LIMITED, 3.0)
    assert len(fake.requests) == 3
    assert fake.connections <= 2


async def test_azure_is_asked_by_its_own_paths_and_header() -> None:
    options = {"api_version": "2024-10-21"}
    async with OpenAiLike(OPENAI, model="gpt") as fake:
        fake.always(Status(404, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}}))
        async with backend("azure", {"api_key": "k"}, api_base=fake.url, **options) as opened:
            with pytest.raises(UpstreamFailed) as caught:
                await opened.start(ask(), target("gpt"))

    (request,) = fake.requests
    assert request.target == "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == "k"
    assert caught.value.fault is Fault.MODEL


async def test_documents_are_ranked_by_a_provider_that_ranks() -> None:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    given = ask(route=Route.RERANK, query="q", documents=["un", {"text": "deux"}], top_n=1)
    async with OpenAiLike(OPENAI) as fake:
        fake.always(Status(200, {"id": "r", "results": results, "meta": {}}))
        async with backend("cohere", {"api_key": "k"}, api_base=fake.url) as opened:
            reply = await opened.start(given, target("rerank-v3.5"))

    assert fake.requests[0].body["documents"] == ["un", "deux"]
    assert orjson.loads(reply.body)["results"] == [{"index": 1, "relevance_score": 0.9}]


async def test_a_provider_litellm_does_not_know_is_told_before_anybody_asks() -> None:
    async with backend("nobody", {"api_key": "k"}) as opened:
        survey = await opened.survey(["m"])
        with pytest.raises(UpstreamFailed) as caught:
            await opened.start(ask(), target("m"))

    assert survey.state is State.DOWN
    assert survey.problems == ("LiteLLM knows no provider nobody.",)
    assert caught.value.fault is Fault.MODEL


async def test_a_survey_reads_the_bundled_table() -> None:
    async with backend("anthropic", _KEY) as opened:
        survey = await opened.survey(["claude-sonnet-4-5", "not-there"])

    known = survey.models["claude-sonnet-4-5"].facts
    assert survey.state is State.UNKNOWN
    assert {Capability.TOOLS, Capability.VISION} <= known.has
    assert known.context == 200_000
    assert known.price is not None
    assert known.price.currency == "USD"
    assert survey.models["not-there"].facts.price is None


async def test_those_who_wait_for_the_import_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = engine.load

    def load() -> Any:
        calls.append(1)
        return real()

    monkeypatch.setattr(engine, "load", load)
    async with AnthropicFake() as fake, _anthropic(fake) as opened:
        first = asyncio.ensure_future(opened.start(ask(), _CLAUDE))
        await asyncio.sleep(0)
        first.cancel()  # whoever gives up does not take the import from the others
        await asyncio.gather(*(opened.start(ask(), _CLAUDE) for _ in range(4)), opened.survey([]))

    assert len(calls) == 1


def test_without_the_package_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    options = LiteLLMOptions.model_validate({"kind": "litellm", "provider": "anthropic"})

    with pytest.raises(CannotRun) as caught:
        engine.open_backend(BackendSpec("claude", "litellm", options))

    assert caught.value.cure == 'Install it: pip install "passerelle[litellm]".'


async def test_a_package_that_does_not_import_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load() -> Any:
        raise ImportError("no module")

    monkeypatch.setattr(engine, "load", load)
    async with backend("anthropic", _KEY) as opened:
        survey = await opened.survey(["m"])
        with pytest.raises(UpstreamFailed) as caught:
            await opened.start(ask(), _CLAUDE)

    assert survey.state is State.DOWN
    assert caught.value.fault is Fault.SERVER


async def test_the_legacy_route_is_refused() -> None:
    async with backend("anthropic", _KEY) as opened:
        with pytest.raises(UpstreamFailed) as caught:
            await opened.start(ask(route=Route.COMPLETIONS, prompt="x"), _CLAUDE)

    assert caught.value.fault is Fault.UNSUPPORTED
