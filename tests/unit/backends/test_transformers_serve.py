"""What `transformers serve` is sent: what it would misread is refused by name, what changes nothing is named."""

from collections.abc import Mapping
from typing import Any

import pytest

from passerelle.backends import openai
from passerelle.backends.http_backend import Sent
from passerelle.backends.transformers_serve import CHAT, COMPLETIONS, Row, Way, request
from passerelle.domain.ask import Ask, Capability, Needs, Route
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from tests.fakes.serve import KNOWN

_TARGET = Target("serve", "/models/tiny")
_MESSAGES = [{"role": "user", "content": "Bonjour"}]
_TOOLS = [{"type": "function", "function": {"name": "weather"}}]
_INPUT: dict[Route, dict[str, Any]] = {
    Route.CHAT: {"messages": _MESSAGES},
    Route.COMPLETIONS: {"prompt": "Bonjour"},
    Route.EMBEDDINGS: {"input": "Bonjour"},
}


def sent(*, route: Route = Route.CHAT, target: Target = _TARGET, **fields: Any) -> Sent:
    body = {"model": "assistant", **_INPUT[route], **fields}
    ask = Ask(route, "assistant", body, bool(body.get("stream")), False, "req-1", Needs(), 0.0)
    return request(ask, openai.request(ask, target), target)


def body(**fields: Any) -> dict[str, Any]:
    """The fields that go out beside the model and the input."""
    more = sent(**fields).body
    return {name: value for name, value in more.items() if name not in ("model", "messages", "prompt")}


def refused(**fields: Any) -> str | None:
    with pytest.raises(UpstreamFailed) as caught:
        sent(**fields)
    assert caught.value.fault is Fault.UNSUPPORTED
    assert (
        str(caught.value.told.param) in caught.value.message or "transformers serve" in caught.value.message
    )
    return caught.value.told.param


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("functions", [{"name": "weather"}]),
        ("function_call", {"name": "weather"}),
        ("audio", {"voice": "alloy"}),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {}),
        ("moderation", {"model": "omni"}),
        ("logit_bias", {"salut": 1}),
        ("logit_bias", [1.0]),
        ("top_k", 5),
        ("foo", 1),
        ("generation_config", "{}"),
    ],
)
def test_a_field_that_would_change_the_answer_is_refused_by_name(field: str, value: Any) -> None:
    assert refused(**{field: value}) == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("best_of", 3),
        ("echo", True),
        ("logprobs", 0),  # the chosen token's own
        ("logit_bias", {"5": 1}),
        ("suffix", "FIN"),
        ("prompt", ["un", "deux"]),
        ("prompt", [1, 2]),
        ("max_completion_tokens", 3),
    ],
)
def test_a_completion_that_it_would_garble_is_refused_by_name(field: str, value: Any) -> None:
    assert refused(route=Route.COMPLETIONS, **{field: value}) == field


def test_embeddings_are_refused() -> None:
    assert refused(route=Route.EMBEDDINGS) == "model"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "u-1"),
        ("metadata", {"a": "b"}),
        ("store", True),
        ("service_tier", "flex"),
        ("safety_identifier", "u-1"),
        ("prompt_cache_key", "k"),
        ("prediction", {"type": "content", "content": "x"}),
        ("reasoning_effort", "low"),
        ("verbosity", "low"),
        ("presence_penalty", 0.5),
        ("frequency_penalty", 0.5),  # it would become a repetition penalty of 1.5
    ],
)
def test_a_field_that_does_no_harm_is_left_out_and_named(field: str, value: Any) -> None:
    assert sent(**{field: value}).ignored == (field,)
    assert field not in sent(**{field: value}).body


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "logprobs": False, "top_logprobs": 0, "modalities": ["text"], "store": False},
        {"response_format": {"type": "text"}, "presence_penalty": 0, "frequency_penalty": 0.0},
        {"functions": [], "function_call": "auto", "logit_bias": {}, "tools": [], "stop": []},
        {
            "stop": None,
            "temperature": None,
            "tools": None,
            "chat_template_kwargs": None,
            "user": None,
            "foo": None,
        },
        {"tool_choice": "required", "parallel_tool_calls": False},  # without tools they say nothing
    ],
)
def test_what_means_the_same_as_its_absence_is_left_out_in_silence(fields: dict[str, Any]) -> None:
    assert body(**fields) == {}
    assert sent(**fields).ignored == ()


def test_what_it_reads_as_openai_does_is_passed_on() -> None:
    fields: dict[str, Any] = {
        "max_tokens": 5,
        "max_completion_tokens": 4,
        "temperature": 0.2,
        "top_p": 1,
        "seed": 3,
    }
    fields["chat_template_kwargs"] = {"enable_thinking": False}

    assert body(**fields) == fields
    assert sent().body == {"model": "/models/tiny", "messages": _MESSAGES}
    assert body(stream=True) == {"stream": True, "stream_options": {"include_usage": True}}


def test_biases_get_the_fraction_that_it_insists_on() -> None:
    biases = body(logit_bias={"5": 100, "7": -1.5})["logit_bias"]

    assert biases == {"5": 100.0, "7": -1.5}
    assert {type(bias) for bias in biases.values()} == {float}


@pytest.mark.parametrize(("stop", "given"), [("FIN", ["FIN"]), (["a", "", "b"], ["a", "b"]), ("", None)])
def test_stop_strings_are_a_list_without_empty_ones(stop: Any, given: Any) -> None:
    assert body(stop=stop).get("stop") == given


def test_a_choice_of_tools_is_kept_where_it_can_be() -> None:
    assert body(tools=_TOOLS, tool_choice="auto", parallel_tool_calls=True) == {"tools": _TOOLS}
    assert body(tools=_TOOLS, tool_choice="none") == {}
    assert refused(tools=_TOOLS, tool_choice="required") == "tool_choice"
    assert refused(tools=_TOOLS, tool_choice={"type": "function"}) == "tool_choice"
    assert refused(tools=_TOOLS, parallel_tool_calls=False) == "parallel_tool_calls"


def test_a_message_keeps_its_text_where_the_server_would_lose_it() -> None:
    messages = [
        {"role": "assistant", "content": "Bonjour", "tool_calls": [], "refusal": None},
        {"role": "assistant", "content": "Salut", "tool_calls": None},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
    ]

    assert sent(messages=messages).body["messages"] == [
        {"role": "assistant", "content": "Bonjour"},
        {"role": "assistant", "content": "Salut"},
        messages[2],
    ]


def test_what_a_model_cannot_see_is_refused_instead_of_lost() -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    audio = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]
    seeing = Target("serve", "/models/tiny", offers=frozenset({Capability.VISION}))

    assert refused(messages=image) == "messages"
    assert refused(messages=audio, target=seeing) == "messages"
    assert sent(messages=image, target=seeing).body["messages"] == image


def test_a_list_of_one_prompt_is_that_prompt() -> None:
    assert sent(route=Route.COMPLETIONS, prompt=["un"]).body["prompt"] == "un"


@pytest.mark.parametrize(("rows", "path"), [(CHAT, "/v1/chat/completions"), (COMPLETIONS, "/v1/completions")])
def test_every_field_of_the_server_has_a_row_and_nothing_else_goes_out(
    rows: Mapping[str, Row], path: str
) -> None:
    """All but the field that replaces every setting of the model, limits included."""
    assert KNOWN[path] - set(rows) == {"generation_config"}
    assert {name for name, row in rows.items() if row.way is Way.PASS} <= KNOWN[path]
