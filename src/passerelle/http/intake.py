"""From bytes to an `Ask`: a body within its limits, JSON that means one thing, fields of the right type."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.exceptions import HTTPException

from passerelle.domain.ask import IMAGE_BYTES, Ask, Capability, Needs, Route, Task
from passerelle.domain.cache import NO_WISHES
from passerelle.domain.errors import BadRequest, ClientGone, TooLarge, UnsupportedMedia
from passerelle.http.credentials import Head
from passerelle.http.wishes import wishes_of

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_SPACES = frozenset({b" ", b"\t", b"\n", b"\r"})
DEEPEST = 64  # levels of nesting
LONGEST_USER = 512  # characters
_MOST_DROPPED, _DROP_SECONDS = 64 * 1_048_576, 2.0  # of a body that is too long


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may be."""

    body: int = 20 * 1_048_576  # bytes
    upload: int = 64 * 1_048_576  # bytes of one that brings files, where files are taken


async def read_body(head: Head, receive: Receive, limits: Limits) -> bytes:
    """The whole body. Raises TooLarge, UnsupportedMedia, ClientGone; never keeps more than the limit."""
    media = head.content_type
    if media is not None and media.partition(b";")[0].strip().lower() != b"application/json":
        raise UnsupportedMedia(
            "The body must be JSON, sent with the header `content-type: application/json`."
        )
    if head.content_encoding not in (None, b"identity"):
        raise UnsupportedMedia("The body must not be compressed; leave out the header `content-encoding`.")
    parts: list[bytes] = []
    declared, size, more = head.length or 0, 0, True
    while more and max(declared, size) <= limits.body:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The caller hung up before the whole request was read.")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
    if max(declared, size) > limits.body:
        await _drop_rest(receive, more=more)
        raise TooLarge(f"The body is longer than the limit of {limits.body} bytes.")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def bounded_body(head: Head, receive: Receive, limits: Limits) -> Receive:
    """A `receive` that gives a body in parts and ends it at the limit. Raises HTTPException(413) past it.

    The framework's own exception, because it takes every other one of a body's for bad JSON.
    """
    size = head.length or 0

    async def received() -> MutableMapping[str, Any]:
        nonlocal size
        if size <= limits.body:
            message = await receive()
            if head.length is None:
                size += len(message.get("body", b""))
            if size <= limits.body:
                return message
            await _drop_rest(receive, more=bool(message.get("more_body")))
        else:
            await _drop_rest(receive, more=True)
        raise HTTPException(413)

    return received


async def _drop_rest(receive: Receive, *, more: bool) -> None:
    """Read on for a while and keep nothing: most clients look for an answer only once they have sent it all."""
    dropped = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DROP_SECONDS):
            while more and dropped < _MOST_DROPPED:
                message = await receive()
                dropped += len(message.get("body", b""))
                more = message.get("more_body", False)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object a body holds. Raises BadRequest, also where JSON readers disagree about its meaning."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's own message quotes nothing of the body: it names the place and what was expected.
        raise BadRequest(
            f"The body is not valid JSON: {error.msg} at character {error.pos}.", code="invalid_json"
        ) from error
    if not isinstance(document, dict):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    keys = _count_keys(document)
    # orjson keeps the last of two equal keys, others the first: a body with both says two things at once. Where no
    # space stands before a colon, every key shows as a quote before one, and there are as many of those as the
    # document holds keys only if none was doubled. Otherwise the slow reader looks.
    before_colons = [piece[-1:] for piece in body.split(b":")]
    before_colons.pop()
    if before_colons.count(b'"') != keys or not _SPACES.isdisjoint(before_colons):
        try:
            json.loads(body, object_pairs_hook=_refuse_doubled)
        except RecursionError as error:  # pragma: no cover - the depth was checked above
            raise BadRequest("The body is nested too deeply.", code="invalid_json") from error
    return document


def _count_keys(document: dict[str, Any]) -> int:
    """How many keys the objects of a document hold. Raises BadRequest when it is nested too deeply."""
    keys = 0
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                keys += len(node)
                below += [value for value in node.values() if type(value) is dict or type(value) is list]
            else:
                below += [value for value in node if type(value) is dict or type(value) is list]
        if not below:
            return keys
        level = below
    raise BadRequest(f"The body is nested more than {DEEPEST} levels deep.", code="invalid_json")


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise BadRequest(
                f"The key {key[:100]!r} stands twice in one object.", code="invalid_json", param=key[:100]
            )
        seen.add(key)


# Fields that would let a caller choose where a request goes: that is the operator's to say.
_ROUTING = ("api_base", "base_url", "api_key", "custom_llm_provider", "api_version")

_Check = Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


_FIELDS: dict[str, tuple[_Check, str]] = {
    "stream": (lambda value: type(value) is bool, "true or false"),
    "stream_options": (lambda value: type(value) is dict, "an object"),
    "n": (lambda value: _is_count(value) and value <= 128, "a whole number from 1 to 128"),
    "max_tokens": (_is_count, "a whole number of at least 1"),
    "max_completion_tokens": (_is_count, "a whole number of at least 1"),
    "temperature": (_is_number, "a number"),
    "top_p": (_is_number, "a number"),
    "presence_penalty": (_is_number, "a number"),
    "frequency_penalty": (_is_number, "a number"),
    "tools": (
        lambda value: type(value) is list and all(type(tool) is dict for tool in value),
        "a list of objects",
    ),
    "response_format": (lambda value: type(value) is dict, "an object"),
    "stop": (
        lambda value: (
            type(value) is str or (type(value) is list and all(type(stop) is str for stop in value))
        ),
        "a string or a list of strings",
    ),
    "logit_bias": (lambda value: type(value) in (dict, list), "an object"),
    **dict.fromkeys(
        ("user", "safety_identifier", "prompt_cache_key"),
        (
            lambda value: type(value) is str and len(value) <= LONGEST_USER,
            f"a string of at most {LONGEST_USER} characters",
        ),
    ),
    "dimensions": (_is_count, "a whole number of at least 1"),
    "encoding_format": (lambda value: value in ("float", "base64"), "float or base64"),
    "top_n": (_is_count, "a whole number of at least 1"),
    "return_documents": (lambda value: type(value) is bool, "true or false"),
    "raw_scores": (lambda value: type(value) is bool, "true or false"),
}


def _is_messages(value: Any) -> bool:
    return (
        type(value) is list
        and bool(value)
        and all(
            type(message) is dict
            and type(message.get("role")) is str
            and type(message.get("content")) in (str, list, type(None))
            for message in value
        )
    )


def _is_texts(value: Any) -> bool:
    """A string, a list of strings, a list of token ids, or a list of such lists; nothing empty."""
    if type(value) is str:
        return True
    if type(value) is not list or not value:
        return False
    kinds = set(map(type, value))
    if kinds == {list}:
        return all(part and set(map(type, part)) == {int} for part in value)
    return kinds in ({str}, {int})


def _is_text(value: Any) -> bool:
    return type(value) is str and bool(value)


def _is_text_or_texts(value: Any) -> bool:
    """A string, or a list of at least one."""
    return type(value) is str or (type(value) is list and bool(value) and set(map(type, value)) == {str})


def _is_documents(value: Any) -> bool:
    """A list of at least one document: a string, or an object with a `text`."""
    return (
        type(value) is list
        and bool(value)
        and all(
            type(document) is str or (type(document) is dict and type(document.get("text")) is str)
            for document in value
        )
    )


_INPUT: dict[Route, tuple[tuple[str, _Check, str], ...]] = {
    Route.CHAT: (
        ("messages", _is_messages, "a list of at least one message, each with a role and a content"),
    ),
    Route.COMPLETIONS: (("prompt", _is_texts, "a string, a list of strings, or token ids"),),
    Route.EMBEDDINGS: (("input", _is_texts, "a string, a list of strings, or token ids"),),
    Route.RERANK: (
        ("query", _is_text, "a string that is not empty"),
        (
            "documents",
            _is_documents,
            "a list of at least one document, each a string or an object with a text",
        ),
    ),
    Route.CLASSIFY: (("input", _is_text_or_texts, "a string or a list of strings"),),
}
# Routes whose answer is whole or not at all, and what they give.
_NOT_STREAMED = {Route.EMBEDDINGS: "Embeddings", Route.RERANK: "Rankings", Route.CLASSIFY: "Classifications"}


def make_ask(
    route: Route,
    body: dict[str, Any],
    *,
    request_id: str,
    arrived: float,
    size: int,
    control: bytes | None = None,
) -> Ask:
    """The ask a body means on a route, and the header `Cache-Control` beside it.

    Raises BadRequest naming the first field that is wrong.
    """
    model = body.get("model")
    if type(model) is not str or not model:
        raise BadRequest(
            "`model` must name a model; GET /v1/models lists them.", code="missing_model", param="model"
        )
    for field, check, wanted in _INPUT[route]:
        if not check(body.get(field)):
            raise BadRequest(f"`{field}` must be {wanted}.", code="invalid_value", param=field)
    for name, value in body.items():
        rule = _FIELDS.get(name)
        if rule is not None and value is not None and not rule[0](value):
            raise BadRequest(f"`{name}` must be {rule[1]}.", code="invalid_value", param=name)
        if name in _ROUTING:
            raise BadRequest(f"`{name}` is not a caller's to set.", code="unsupported_parameter", param=name)
    options = body.get("stream_options")
    stream = bool(body.get("stream"))
    if stream and route in _NOT_STREAMED:
        message = f"{_NOT_STREAMED[route]} are not streamed."
        raise BadRequest(message, code="unsupported_parameter", param="stream")
    if options is not None and not stream:
        raise BadRequest(
            "`stream_options` needs `stream` to be true.", code="invalid_value", param="stream_options"
        )
    needs = _needs(route, body, size)
    wishes = NO_WISHES
    if control is not None or "cache" in body:
        wishes = wishes_of(control, body.get("cache"))
        body = {
            name: value for name, value in body.items() if name != "cache"
        }  # which is no engine's to know
    return Ask(
        route=route,
        model=model,
        body=body,
        stream=stream,
        wants_usage=bool(options and options.get("include_usage")),
        request_id=request_id,
        needs=needs,
        arrived=arrived,
        size=_text_size(body["messages"], size) if Capability.VISION in needs.capabilities else size,
        wishes=wishes,
    )


_NO_NEEDS: dict[Route, frozenset[Capability]] = {
    Route.CHAT: frozenset(),
    Route.COMPLETIONS: frozenset({Capability.COMPLETIONS}),
    Route.EMBEDDINGS: frozenset(),
    Route.RERANK: frozenset(),
    Route.CLASSIFY: frozenset(),
}


def _needs(route: Route, body: dict[str, Any], size: int) -> Needs:
    """What a target must offer. The context is a floor that no tokenizer undercuts by much: 8 bytes a token."""
    capabilities = _NO_NEEDS[route]
    if route is Route.CHAT:
        if body.get("tools"):
            capabilities |= {Capability.TOOLS}
        images = _holds_image(body["messages"])
        if images:
            capabilities |= {Capability.VISION}
            size = 0  # an image's bytes are not its tokens
    wanted = body.get("response_format")
    if route.task is Task.CHAT and wanted and wanted.get("type") not in (None, "text"):
        capabilities |= {Capability.STRUCTURED_OUTPUT}
    output = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return Needs(capabilities, size // 8 + output if route not in _NOT_STREAMED else 0)


def _text_size(messages: list[dict[str, Any]], size: int) -> int:
    """Bytes of what is asked, in which every image counts the same; all else, tools too, counts as it is."""
    for message in messages:
        content = message.get("content")
        for part in content if type(content) is list else ():
            if type(part) is dict and part.get("type") in ("image_url", "input_image"):
                image = part.get("image_url")
                url = image.get("url") if type(image) is dict else image
                size += IMAGE_BYTES - (len(url) if type(url) is str else 0)
    return size


def _holds_image(messages: list[dict[str, Any]]) -> bool:
    for message in messages:
        content = message.get("content")
        if type(content) is list:
            for part in content:
                if type(part) is dict and part.get("type") in ("image_url", "input_image"):
                    return True
    return False
