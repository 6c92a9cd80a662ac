"""Which of a caller's parameters reach LiteLLM."""

from typing import Any

import pytest

from passerelle.backends.litellm import request
from passerelle.domain.ask import Route
from passerelle.domain.errors import Fault, UpstreamFailed
from tests.unit.backends.litellm.asks import ask

_SUPPORTED = frozenset({"temperature", "stop", "tools", "max_tokens", "max_completion_tokens", "n"})


def _chat(
    provider: str = "gemini", *, stream: bool = False, **body: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    return request.chat(ask(stream=stream, **body), provider=provider, supported=_SUPPORTED)


@pytest.mark.parametrize(
    "name",
    ["api_base", "api_key", "mock_response", "fallbacks", "custom_llm_provider", "extra_headers", "extra_body",
     "aws_access_key_id", "vertex_credentials", "shared_session", "metadata", "num_retries", "caching"],
)  # fmt: skip
def test_what_steers_litellm_is_never_a_callers_to_set(name: str) -> None:
    handed, ignored = _chat(**{name: "http://evil.example"})

    assert name not in handed
    assert ignored == (name,)


def test_what_says_nothing_is_left_out_without_a_word() -> None:
    handed, ignored = _chat(presence_penalty=0, n=1, tools=[], seed=None, response_format={"type": "text"})

    assert set(handed) == {"messages", "stream"}
    assert ignored == ()


def test_a_wish_the_provider_cannot_grant_is_named() -> None:
    handed, ignored = _chat(presence_penalty=0.5, seed=7, temperature=0.2)

    assert handed["temperature"] == 0.2
    assert ignored == ("presence_penalty", "seed")


@pytest.mark.parametrize(
    ("name", "value"), [("logprobs", True), ("logit_bias", {"1": 5}), ("functions", [{}])]
)
def test_what_would_change_the_answer_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        _chat(**{name: value})

    assert (caught.value.fault, caught.value.told.param) == (Fault.UNSUPPORTED, name)


def test_a_stream_is_always_asked_for_its_usage() -> None:
    handed, _ = _chat(stream=True, stream_options={"include_usage": False})

    assert handed["stream_options"] == {"include_usage": True}


def test_the_newer_name_of_a_limit_replaces_the_older() -> None:
    handed, _ = _chat(max_tokens=5, max_completion_tokens=6)

    assert handed["max_completion_tokens"] == 6
    assert "max_tokens" not in handed


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}},
        {"type": "image_url", "image_url": "HTTPS://host/a.png"},
        {"type": "file", "file": {"file_id": "https://host/a.pdf"}},
        {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}},
    ],
)
def test_no_address_of_a_caller_is_fetched_by_this_process(part: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        _chat(messages=[{"role": "user", "content": [part]}])

    assert caught.value.told.param == "messages"
    assert "host" not in caught.value.message


def test_anthropic_is_given_addresses_that_it_fetches_itself() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://host/a.png"}}

    handed, _ = _chat("anthropic", messages=[{"role": "user", "content": [part]}])

    assert handed["messages"][0]["content"] == [part]


def test_a_data_url_is_an_image_like_any_other() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

    handed, _ = _chat(messages=[{"role": "user", "content": [part]}])

    assert handed["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    "tool", [{"type": "mcp", "server_url": "litellm_proxy"}, {"type": "web_search"}, "x"]
)
def test_only_functions_are_tools(tool: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        _chat(tools=[tool])

    assert caught.value.told.param == "tools"


def test_the_names_in_an_answers_header_are_few_and_short() -> None:
    _, ignored = _chat(**{f"{index}{'x' * 500}": 1 for index in range(100)})

    assert len(ignored) == 16
    assert max(map(len, ignored)) == 64


def test_an_embedding_is_asked_for_by_input_and_dimensions_alone() -> None:
    given = ask(route=Route.EMBEDDINGS, input=["un"], dimensions=4, encoding_format="base64", user="u")

    assert request.embeddings(given) == ({"input": ["un"], "dimensions": 4}, ("user",))
