"""Text completions in the words of TGI's native API and back, value by value."""

from typing import Any

import orjson
import pytest

from passerelle.backends.tgi_completion import Chunks, closing, completion, needs_native, wanted
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.sse import data_of, events

_TARGET = Target("gpu", "tgi")
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def _ask(*, route: Route = Route.COMPLETIONS, stream: bool = False, **body: Any) -> Ask:
    whole = {"model": "assistant", "prompt": "Dis bonjour.", **body}
    return Ask(route, "assistant", whole, stream, False, "req_1", Needs(), 0.0)


def _wanted(*, stream: bool = False, **body: Any) -> Any:
    return wanted(_ask(stream=stream, **body), _TARGET, adapters=(), created=7)


def _token(text: str, logprob: float | None = -0.5, *, special: bool = False) -> dict[str, Any]:
    return {"id": 5, "text": text, "logprob": logprob, "special": special}


def _output(**details: Any) -> dict[str, Any]:
    usual = {
        "finish_reason": "eos_token",
        "generated_tokens": 3,
        "prefill": [],
        "seed": None,
        "tokens": [_token("Bon"), _token("jour"), _token("</s>", special=True)],
        "top_tokens": None,
        "best_of_sequences": None,
    }
    return {"generated_text": "Bonjour", "details": {**usual, **details}}


@pytest.mark.parametrize(
    "field",
    [
        {"logprobs": 0},
        {"logprobs": 5},
        {"echo": True},
        {"best_of": 2},
        {"grammar": {"type": "regex", "value": "a+"}},
        {"response_format": {"type": "json_object"}},
        {"details": True},
        {"decoder_input_details": True},
        {"top_n_tokens": 2},
        {"top_k": 40},
        {"typical_p": 0.9},
        {"truncate": 100},
        {"watermark": True},
        {"do_sample": False},
        {"adapter_id": "lora"},
    ],
    ids=str,
)
def test_what_the_completions_route_would_drop_needs_the_native_api(field: dict[str, Any]) -> None:
    assert needs_native(_ask(**field))
    assert not needs_native(_ask(route=Route.CHAT, **field))


@pytest.mark.parametrize(
    "field",
    [
        {},
        {"temperature": 0, "top_p": 0.5, "seed": 3, "stop": "x", "max_tokens": 3, "frequency_penalty": 1},
        {"repetition_penalty": 1.1, "user": "u", "suffix": None, "presence_penalty": 1},
        {"logprobs": None, "echo": False, "best_of": 1, "details": False, "top_k": -1, "typical_p": 1.0},
        {"logprobs": False, "top_k": 0, "top_n_tokens": 0, "watermark": False, "grammar": None},
        {"response_format": {"type": "text"}},
    ],
    ids=str,
)
def test_what_asks_for_nothing_else_stays_on_the_completions_route(field: dict[str, Any]) -> None:
    assert not needs_native(_ask(**field))


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ({}, {}),
        ({"temperature": 0}, {"do_sample": False}),
        ({"temperature": 0.3}, {"temperature": 0.3}),
        ({"do_sample": False}, {"do_sample": False}),
        ({"max_tokens": 5}, {"max_new_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_new_tokens": 6}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop": ["x", "y"]}),
        ({"top_p": 1, "typical_p": 1, "top_k": -1, "best_of": 1}, {}),
        ({"top_p": 0.5, "typical_p": 0.5, "top_k": 3, "best_of": 2, "seed": 0}, None),
        ({"frequency_penalty": 0, "repetition_penalty": 1.2, "truncate": 9, "watermark": True}, None),
        ({"logprobs": 0}, {}),
        ({"logprobs": True}, {}),
        ({"logprobs": 3}, {"top_n_tokens": 3}),
        ({"logprobs": 3, "top_n_tokens": 4}, {"top_n_tokens": 4}),
        ({"logprobs": "drei"}, {"top_n_tokens": "drei"}),
        ({"echo": True}, {"return_full_text": True}),
        ({"echo": True, "logprobs": 0}, {"return_full_text": True, "decoder_input_details": True}),
        ({"decoder_input_details": True}, {"decoder_input_details": True}),
    ],
    ids=str,
)
def test_each_parameter_has_one_meaning_on_both_routes(
    field: dict[str, Any], parameters: dict[str, Any] | None
) -> None:
    assert _wanted(**field).parameters == {"do_sample": True, **(field if parameters is None else parameters)}


_NULL = {"type": "object", "properties": {"a": {"const": None}}}


@pytest.mark.parametrize(
    ("field", "grammar"),
    [
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": _SCHEMA}}},
            _SCHEMA,
        ),
        ({"response_format": {"type": "json_object"}}, {"type": "object", "properties": {}}),
        ({"response_format": {"type": "json_object", "value": _SCHEMA}}, _SCHEMA),
        ({"response_format": {"type": "json_schema", "value": {"name": "x", "schema": _SCHEMA}}}, _SCHEMA),
        ({"grammar": {"type": "json", "value": _SCHEMA}}, _SCHEMA),
        ({"grammar": {"type": "json", "value": '{"properties":{}}'}}, '{"properties":{}}'),
        ({"grammar": {"type": "json", "value": _NULL}}, orjson.dumps(_NULL).decode()),
    ],
    ids=str,
)
def test_a_schema_becomes_a_grammar_with_every_null_kept(field: dict[str, Any], grammar: Any) -> None:
    assert _wanted(**field).parameters["grammar"] == {"type": "json", "value": grammar}


@pytest.mark.parametrize("name", ["grammar", "response_format"])
def test_a_regular_expression_goes_as_it_is(name: str) -> None:
    regex = {"type": "regex", "value": "[0-9]+"}

    assert _wanted(**{name: regex}).parameters["grammar"] == regex


def test_an_adapter_is_the_targets_and_never_the_callers_choice() -> None:
    lora = Target("gpu", "lora")

    own = wanted(_ask(adapter_id="lora"), lora, adapters={"lora"}, created=7)
    with pytest.raises(UpstreamFailed) as refused:
        wanted(_ask(adapter_id="other"), lora, adapters={"lora", "other"}, created=7)

    assert own.parameters["adapter_id"] == "lora"
    assert refused.value.told.param == "adapter_id"
    assert "adapter_id" not in _wanted(echo=True).parameters


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"suffix": "fin"}, "suffix"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2], [3]]}, "prompt"),
        ({"prompt": ["x"] * 129}, "prompt"),
        ({"adapter_id": "lora"}, "adapter_id"),
        ({"grammar": {"type": "regex", "value": "a"}, "response_format": {"type": "json_object"}}, "grammar"),
        ({"stream": True, "echo": True, "logprobs": 1}, "echo"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_neither_route_can_do_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(UpstreamFailed) as refused:
        _wanted(**body)

    assert (refused.value.fault, refused.value.told.param) == (Fault.UNSUPPORTED, param)


def test_a_presence_penalty_is_left_out_and_named() -> None:
    assert _wanted(echo=True, presence_penalty=0.5).ignored == ("presence_penalty",)
    assert _wanted(echo=True, presence_penalty=0).ignored == ()


def test_a_whole_answer_is_openais() -> None:
    answer = completion(_wanted(best_of=2), [(_output(), "4")])

    assert answer == {
        "id": "cmpl-req_1",
        "object": "text_completion",
        "created": 7,
        "model": "tgi",
        "choices": [{"index": 0, "text": "Bonjour", "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7},
    }


@pytest.mark.parametrize(
    ("said", "told"), [("eos_token", "stop"), ("stop_sequence", "stop"), ("length", "length")]
)
def test_finish_reasons_are_openais(said: str, told: str) -> None:
    answer = completion(_wanted(), [(_output(finish_reason=said), "4")])

    assert answer["choices"][0]["finish_reason"] == told


def test_several_prompts_are_choices_in_order_and_their_tokens_add_up() -> None:
    asked = _wanted(prompt=["un", "deux"], top_k=3)

    answer = completion(asked, [(_output(), "4"), ({**_output(), "generated_text": "Bonsoir"}, "5")])

    assert [(choice["index"], choice["text"]) for choice in answer["choices"]] == [
        (0, "Bonjour"),
        (1, "Bonsoir"),
    ]
    assert answer["usage"] == {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}


def test_sequences_that_were_not_the_best_are_not_shown_and_are_counted() -> None:
    worse = {"generated_text": "non", "generated_tokens": 2}

    answer = completion(_wanted(best_of=2), [(_output(best_of_sequences=[worse]), "4")])

    assert [choice["text"] for choice in answer["choices"]] == ["Bonjour"]
    assert answer["usage"]["completion_tokens"] == 5


def test_without_the_header_the_prompt_is_counted_or_there_is_no_usage() -> None:
    prefill = [_token("Dis", None), _token(" bonjour.")]

    assert completion(_wanted(), [(_output(prefill=prefill), None)])["usage"]["prompt_tokens"] == 2
    assert "usage" not in completion(_wanted(), [(_output(), None)])
    assert "usage" not in completion(_wanted(prompt=["a", "b"]), [(_output(), "4"), (_output(), None)])


def test_log_probabilities_are_given_for_what_is_in_the_text() -> None:
    tops = [
        [_token("Bon", -0.5), _token("Sal", -0.9), _token("Cou", -3.0)],
        [_token("soir", -0.1), _token("ne", -0.2)],
        [_token("</s>", -0.5, special=True)],
    ]

    answer = completion(_wanted(logprobs=2), [(_output(top_tokens=tops), "4")])

    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["Bon", "jour"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"Bon": -0.5, "Sal": -0.9}, {"soir": -0.1, "ne": -0.2, "jour": -0.5}],
        "text_offset": [0, 3],
    }
    assert (
        completion(_wanted(logprobs=0), [(_output(), "4")])["choices"][0]["logprobs"]["top_logprobs"] is None
    )


def test_an_echo_has_its_own_log_probabilities_and_offsets() -> None:
    prefill = [_token("<s>", None), _token("Dis", -1.0), _token(" bonjour.", -2.0)]
    output = {**_output(prefill=prefill), "generated_text": "Dis bonjour.Bonjour"}

    logprobs = completion(_wanted(echo=True, logprobs=0), [(output, "3")])["choices"][0]["logprobs"]

    assert logprobs["tokens"] == ["<s>", "Dis", " bonjour.", "Bon", "jour"]
    assert logprobs["token_logprobs"] == [None, -1.0, -2.0, -0.5, -0.5]
    assert logprobs["text_offset"] == [0, 0, 3, 12, 15]


def test_details_are_shown_to_who_asks_and_to_nobody_else() -> None:
    output = _output()

    shown = completion(_wanted(details=True), [(output, "4")])["choices"][0]
    hidden = completion(_wanted(top_k=3), [(output, "4")])["choices"][0]

    assert shown["details"] == output["details"]
    assert "details" not in hidden


@pytest.mark.parametrize(
    "output",
    [
        {},
        {"generated_text": "x", "details": None},
        {"generated_text": None, "details": _output()["details"]},
        {"generated_text": "x", "details": {}},
        {"generated_text": "x", "details": []},
    ],
    ids=str,
)
def test_what_is_no_answer_is_a_broken_one(output: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        completion(_wanted(), [(output, "4")])

    assert failed.value.fault is Fault.BROKEN


# Streams


def _event(token: dict[str, Any], *, last: bool = False, tops: Any = None) -> dict[str, Any]:
    details = {"finish_reason": "length", "generated_tokens": 2, "input_length": 4, "seed": None}
    return {"index": 1, "token": token, "details": details if last else None, "top_tokens": tops}


def _chunk(raw: bytes) -> Any:
    (event,) = events(raw)
    return orjson.loads(data_of(event) or b"")


def test_events_become_chunks_and_the_last_one_has_the_reason() -> None:
    chunks = Chunks(_wanted(stream=True, logprobs=1), 3)

    first = _chunk(chunks.take(_event(_token("Bon"), tops=[_token("Bon"), _token("x", -9.0)])))
    unfinished = chunks.counts
    last = _chunk(chunks.take(_event(_token("jour"), last=True)))

    assert first["choices"] == [
        {
            "index": 3,
            "text": "Bon",
            "logprobs": {
                "tokens": ["Bon"],
                "token_logprobs": [-0.5],
                "top_logprobs": [{"Bon": -0.5}],
                "text_offset": [0],
            },
            "finish_reason": None,
        }
    ]
    assert (first["id"], first["object"], first["created"]) == ("cmpl-req_1", "text_completion", 7)
    assert last["choices"][0]["finish_reason"] == "length"
    assert last["choices"][0]["logprobs"]["text_offset"] == [3]
    assert (unfinished, chunks.counts) == (None, (4, 2))


def test_a_special_token_is_no_text() -> None:
    chunks = Chunks(_wanted(stream=True, logprobs=1), 0)

    assert chunks.take(_event(_token("<pad>", special=True))) == b""
    last = _chunk(chunks.take(_event(_token("</s>", special=True), last=True)))["choices"][0]
    assert (last["text"], last["logprobs"], last["finish_reason"]) == ("", None, "length")


def test_a_streamed_echo_comes_with_the_first_text_and_once() -> None:
    chunks = Chunks(_wanted(stream=True, echo=True), 0)

    texts = [_chunk(chunks.take(_event(_token(text))))["choices"][0]["text"] for text in ("Bon", "jour")]

    assert texts == ["Dis bonjour.Bon", "jour"]


def test_a_streams_last_chunk_has_the_details_that_were_asked_for() -> None:
    chunks = Chunks(_wanted(stream=True, details=True), 0)

    assert "details" not in _chunk(chunks.take(_event(_token("Bon"))))["choices"][0]
    last = _chunk(chunks.take(_event(_token("jour"), last=True)))["choices"][0]
    assert last["details"]["input_length"] == 4


@pytest.mark.parametrize(
    "event", [{}, {"token": None, "details": None}, {"token": {"text": 5}, "details": None}]
)
def test_what_is_no_event_breaks_the_stream(event: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        Chunks(_wanted(stream=True), 0).take(event)

    assert failed.value.fault is Fault.BROKEN


def test_a_stream_ends_with_the_sum_of_all_tokens_and_the_end_mark() -> None:
    usage, done = events(closing(_wanted(stream=True), [(4, 2), (5, 1)]))

    chunk = orjson.loads(data_of(usage) or b"")
    assert (chunk["choices"], chunk["usage"]["total_tokens"]) == ([], 12)
    assert data_of(done) == b"[DONE]"
