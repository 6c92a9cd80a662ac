"""A body means one thing, or is refused with one clear error."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ask import Capability, Needs, Route
from passerelle.domain.errors import BadRequest, ClientGone, TooLarge, UnsupportedMedia
from passerelle.http.credentials import read_head
from passerelle.http.intake import Limits, make_ask, parse_object, read_body

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _JSON, max_size=5), st.booleans())
def test_a_body_without_doubled_keys_is_read_as_it_is(document: dict[str, object], spaced: bool) -> None:
    body = json.dumps(document).encode() if spaced else orjson.dumps(document)

    assert parse_object(body) == document


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _JSON, min_size=1, max_size=4),
    st.sampled_from([":", " : ", "\t:", ": ", "\n:\n"]),
    st.data(),
)
def test_a_doubled_key_is_always_found(document: dict[str, object], colon: str, data: st.DataObject) -> None:
    members = [(key, orjson.dumps(value).decode()) for key, value in document.items()]
    doubled = data.draw(st.sampled_from(members))
    members.insert(data.draw(st.integers(0, len(members))), (doubled[0], "1"))
    inner = ",".join(json.dumps(key, ensure_ascii=False) + colon + value for key, value in members)
    body = data.draw(st.sampled_from(["{%s}", '{"a":[{%s}]}', '{"x":":\\":","y":{%s}}'])) % inner

    with pytest.raises(BadRequest, match="stands twice"):
        parse_object(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 65 + b"1" + b"}" * 65,
    ],
)
def test_what_is_not_one_json_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_object(body)

    assert caught.value.code == "invalid_json"


def _chat(**fields: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "model"),
        (_chat(model=7), "model"),
        (_chat(messages=[]), "messages"),
        (_chat(messages="hello"), "messages"),
        (_chat(messages=[{"content": "x"}]), "messages"),
        (_chat(messages=[{"role": "user", "content": 5}]), "messages"),
        (_chat(stream="yes"), "stream"),
        (_chat(n=0), "n"),
        (_chat(n=True), "n"),
        (_chat(n=1000), "n"),
        (_chat(max_tokens=-1), "max_tokens"),
        (_chat(tools={}), "tools"),
        (_chat(response_format="json"), "response_format"),
        (_chat(stop=5), "stop"),
        (_chat(stream_options={"include_usage": True}), "stream_options"),
        (_chat(temperature="hot"), "temperature"),
        (_chat(api_base="http://169.254.169.254"), "api_base"),
        (_chat(base_url="http://169.254.169.254"), "base_url"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, object], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        make_ask(Route.CHAT, body, request_id="r", arrived=0.0, size=10)

    assert caught.value.param == param


def test_null_means_absent() -> None:
    ask = make_ask(
        Route.CHAT,
        _chat(stream=None, n=None, tools=None, stream_options=None),
        request_id="r",
        arrived=0,
        size=1,
    )

    assert not ask.stream
    assert ask.needs.capabilities == frozenset()


def test_unknown_fields_stay() -> None:
    body = _chat(chat_template_kwargs={"thinking": False}, min_p=0.1)

    assert make_ask(Route.CHAT, body, request_id="r", arrived=0, size=1).body == body


def test_what_a_request_needs_is_seen() -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    body = _chat(messages=image, tools=[{"type": "function"}], response_format=schema, max_tokens=100)

    needs = make_ask(Route.CHAT, body, request_id="r", arrived=0, size=800).needs

    assert needs.capabilities == {Capability.TOOLS, Capability.VISION, Capability.STRUCTURED_OUTPUT}
    assert needs.context == 100


@pytest.mark.parametrize("value", ["x", ["x", "y"], [1, 2], [[1], [2, 3]]])
def test_embeddings_take_every_form_of_input(value: object) -> None:
    assert make_ask(Route.EMBEDDINGS, {"model": "e", "input": value}, request_id="r", arrived=0, size=1)


@pytest.mark.parametrize("value", [[], [[]], [1, "x"], [None], {}, 5, None, [[1], "x"], [1.5]])
def test_embeddings_refuse_other_input(value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        make_ask(Route.EMBEDDINGS, {"model": "e", "input": value}, request_id="r", arrived=0, size=1)

    assert caught.value.param == "input"


_RANK = {"model": "r", "query": "q", "documents": ["a"]}
_CLASSIFY = {"model": "c", "input": "a"}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.RERANK, _RANK),
        (Route.RERANK, {**_RANK, "documents": ["a", "", {"text": "b", "title": "t"}]}),
        (Route.RERANK, {**_RANK, "top_n": None, "return_documents": None, "raw_scores": True, "other": 1}),
        (Route.CLASSIFY, _CLASSIFY),
        (Route.CLASSIFY, {**_CLASSIFY, "input": ["a", ""]}),
        (Route.CLASSIFY, {**_CLASSIFY, "stream": False, "other": 1}),
    ],
)
def test_rankings_and_classifications_take_what_they_are_documented_to_take(
    route: Route, body: dict[str, object]
) -> None:
    ask = make_ask(route, body, request_id="r", arrived=0, size=1_000_000)

    assert ask.body == body
    assert ask.needs == Needs()


@pytest.mark.parametrize(
    ("route", "fields", "param"),
    [
        (Route.RERANK, {"model": None}, "model"),
        (Route.RERANK, {"query": None}, "query"),
        (Route.RERANK, {"query": ""}, "query"),
        (Route.RERANK, {"query": ["q"]}, "query"),
        (Route.RERANK, {"documents": None}, "documents"),
        (Route.RERANK, {"documents": []}, "documents"),
        (Route.RERANK, {"documents": "a"}, "documents"),
        (Route.RERANK, {"documents": {"text": "a"}}, "documents"),
        (Route.RERANK, {"documents": ["a", 5]}, "documents"),
        (Route.RERANK, {"documents": [{"title": "a"}]}, "documents"),
        (Route.RERANK, {"documents": [{"text": None}]}, "documents"),
        (Route.RERANK, {"top_n": 0}, "top_n"),
        (Route.RERANK, {"top_n": 1.5}, "top_n"),
        (Route.RERANK, {"top_n": True}, "top_n"),
        (Route.RERANK, {"return_documents": "yes"}, "return_documents"),
        (Route.RERANK, {"raw_scores": 1}, "raw_scores"),
        (Route.RERANK, {"stream": True}, "stream"),
        (Route.RERANK, {"api_base": "http://169.254.169.254"}, "api_base"),
        (Route.CLASSIFY, {"input": None}, "input"),
        (Route.CLASSIFY, {"input": []}, "input"),
        (Route.CLASSIFY, {"input": [1, 2]}, "input"),
        (Route.CLASSIFY, {"input": ["a", None]}, "input"),
        (Route.CLASSIFY, {"input": [["a", "b"]]}, "input"),
        (Route.CLASSIFY, {"input": {"text": "a"}}, "input"),
        (Route.CLASSIFY, {"stream": True}, "stream"),
    ],
)
def test_a_wrong_field_of_a_ranking_or_classification_is_named(
    route: Route, fields: dict[str, object], param: str
) -> None:
    body = {**(_RANK if route is Route.RERANK else _CLASSIFY), **fields}

    with pytest.raises(BadRequest) as caught:
        make_ask(route, body, request_id="r", arrived=0, size=1)

    assert caught.value.param == param


class _Wire:
    """ASGI's receive over a list of messages."""

    def __init__(self, *messages: dict[str, object]) -> None:
        self._messages = list(messages)

    async def __call__(self) -> dict[str, object]:
        return self._messages.pop(0)


def _part(body: bytes, more: bool) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts_is_joined() -> None:
    wire = _Wire(_part(b"ab", True), _part(b"c", True), _part(b"", False))

    assert await read_body(read_head([]), wire, Limits(body=3)) == b"abc"


@pytest.mark.parametrize("declared", [None, b"9"])
async def test_a_body_past_the_limit_is_refused_after_the_caller_was_let_finish(
    declared: bytes | None,
) -> None:
    wire = _Wire(_part(b"ab", True), _part(b"cd", True), _part(b"dropped", False))
    headers = [(b"content-length", declared)] if declared else []

    with pytest.raises(TooLarge):
        await read_body(read_head(headers), wire, Limits(body=3))

    assert wire._messages == []


async def test_a_hang_up_amid_the_body_is_told_apart() -> None:
    with pytest.raises(ClientGone):
        await read_body(read_head([]), _Wire(_part(b"a", True), {"type": "http.disconnect"}), Limits())


@pytest.mark.parametrize("header", [(b"content-type", b"text/plain"), (b"content-encoding", b"gzip")])
async def test_what_is_not_plain_json_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(UnsupportedMedia):
        await read_body(read_head([header]), _Wire(), Limits())
