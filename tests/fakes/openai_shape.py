"""The JSON of engines that speak OpenAI's API: one table of differences, and the functions that read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.speech import Said, words
from tests.fakes.wire import Reply, dump, json_reply, text_reply

Json = dict[str, Any]

FINISH = {"end": "stop", "length": "length", "stop": "stop"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something an engine complains about."""

    status: int
    message: str
    type: str = ""
    code: str | int | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def nested(problem: Problem) -> Json:
    """OpenAI's own form."""
    four = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
    return {"error": four}


def in_stream(problem: Problem) -> bytes:
    """OpenAI's form as an event of a stream that goes no further."""
    return b"data: " + dump(nested(problem)) + b"\n\n"


PROBLEMS: Mapping[str, Problem] = {
    "overloaded": Problem(503, "The engine is currently overloaded, please try again later", "server_error"),
    "rate_limited": Problem(
        429,
        "Rate limit reached for requests",
        "requests",
        "rate_limit_exceeded",
        headers={
            "retry-after": "2",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "2s",
        },
    ),
    "credits": Problem(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "server": Problem(
        500, "The server had an error while processing your request. Sorry about that!", "server_error"
    ),
    "generation": Problem(500, "The model produced invalid content.", "model_error"),
    "incomplete": Problem(500, "The server had an error while processing your request.", "server_error"),
    "timeout": Problem(504, "Gateway Timeout", "server_error"),
    "validation": Problem(
        400, "Invalid type for 'messages': expected an array.", "invalid_request_error", None, "messages"
    ),
    "model": Problem(
        404, "The model `{model}` does not exist.", "invalid_request_error", "model_not_found", "model"
    ),
    "unauthorized": Problem(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """How one engine's wire differs from the others'. Keys given as None are sent as null."""

    name: str
    server: str = "uvicorn"
    id_prefix: str = "chatcmpl-"
    owner: str = "organization_owner"

    opening: Json | None = None  # delta of a stream's first chunk; None if content comes at once
    each: Json = field(default_factory=dict)  # what every delta with content carries as well
    last: Json | None = field(
        default_factory=dict
    )  # delta of the chunk that finishes; None: on the last content
    choice: Json = field(default_factory=dict)  # more keys of every choice of a chunk
    finishing: Json = field(default_factory=dict)  # more keys of the choice that finishes
    chunk: Json = field(default_factory=dict)  # more keys of every chunk
    message: Json = field(default_factory=dict)  # more keys of a whole answer's message
    ended: Json = field(default_factory=dict)  # more keys of a whole answer's choice
    whole: Json = field(default_factory=dict)  # more keys of a whole answer

    null_usage: bool = False  # "usage": null in every chunk of a stream that will report it
    usage_unasked: bool = False  # reported in a stream whether asked for or not
    usage_at_finish: bool = False  # in the chunk that finishes, not in one of its own
    details: bool = False  # cached and reasoning tokens are always broken out
    null_details: bool = False  # "prompt_tokens_details": null in a whole answer that has none
    done: bool = True  # streams end with [DONE]

    problems: Mapping[str, Problem] = field(default_factory=lambda: PROBLEMS)
    error: Callable[[Problem], Json | str] = nested  # text is sent as text
    stream_error: Callable[[Problem], bytes] = in_stream
    inside: frozenset[str] = frozenset()  # failures told inside a 200 even before the first content
    done_after_error: bool = False

    strict_model: bool = True  # another model's name is refused
    unknown_route: str = ""  # a path nobody serves is answered with 200 and this error
    omit_null: bool = False  # keys without a value are left out
    sse: str = "text/event-stream; charset=utf-8"
    pretty: bool = False  # whole answers are indented
    escape_html: bool = False  # <, > and & are written as \u003c ...
    pages: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # path -> content type, body

    def encode(self, value: Any) -> bytes:
        """JSON as this engine writes it."""
        data = dump(_without_null(value) if self.omit_null else value)
        if self.escape_html:
            for sign in "<>&":
                data = data.replace(sign.encode(), f"\\u{ord(sign):04x}".encode())
        return data

    def event(self, value: Any) -> bytes:
        """One event of a stream."""
        return b"data: " + self.encode(value) + b"\n\n"

    def answer(self, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """A whole answer."""
        data = (
            json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
            if self.pretty
            else self.encode(value)
        )
        return Reply(200, (data,), {"content-type": "application/json", **(headers or {})})

    def refusal(self, kind: str, message: str = "", **placeholders: str) -> Reply:
        """A failure as a status code."""
        problem = self.problem(kind, message, **placeholders)
        told = self.error(problem)
        if isinstance(told, str):
            reply = text_reply(told, problem.status)
            return replace(reply, headers={**reply.headers, **problem.headers})
        return json_reply(told, problem.status, problem.headers)

    def problem(self, kind: str, message: str = "", **placeholders: str) -> Problem:
        """The row of the table, with another message if one is given."""
        problem = self.problems[kind]
        return replace(problem, message=message or problem.message.format(**placeholders))


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(item) for name, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and what is answered to it."""

    variant: Variant
    said: Said
    ident: str
    model: str
    created: int
    choices: int = 1
    logprobs: bool = False
    usage: bool = False  # asked for in the stream

    @property
    def finish(self) -> str:
        """OpenAI's word for why the answer ends."""
        return "tool_calls" if self.said.tools else FINISH[self.said.finish]


def usage(turn: Turn) -> Json:
    """Tokens; every choice is paid for."""
    said, completion = turn.said, turn.said.completion_tokens * turn.choices
    counts: Json = {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": said.prompt_tokens + completion,
    }
    if turn.variant.details or said.cached_tokens:
        counts["prompt_tokens_details"] = {"cached_tokens": said.cached_tokens}
    if turn.variant.details or said.reasoning_tokens:
        counts["completion_tokens_details"] = {"reasoning_tokens": said.reasoning_tokens * turn.choices}
    return counts


def chat_logprobs(pieces: Iterable[str]) -> Json:
    """Log probabilities in the chat route's form."""
    tokens = [{"token": p, "logprob": -0.25, "bytes": list(p.encode()), "top_logprobs": []} for p in pieces]
    return {"content": tokens}


def text_logprobs(pieces: Iterable[str]) -> Json:
    """Log probabilities in the completions route's form."""
    tokens = list(pieces)
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    scores = [-0.25] * len(tokens)
    tops = [{token: -0.25} for token in tokens]
    return {"text_offset": offsets, "token_logprobs": scores, "tokens": tokens, "top_logprobs": tops}


def _chunk(turn: Turn, choices: list[Json], counts: Json | None = None) -> Json:
    head = {"id": turn.ident, "object": "chat.completion.chunk", "created": turn.created, "model": turn.model}
    tail: Json = {"usage": counts} if counts or (turn.variant.null_usage and turn.usage) else {}
    return {**head, **turn.variant.chunk, "choices": choices, **tail}


def _choice(
    turn: Turn, index: int, delta: Json, *, finish: str | None = None, piece: str | None = None
) -> Json:
    variant = turn.variant
    extra = {**variant.choice, **(variant.finishing if finish else {})}
    if turn.logprobs and piece is not None:
        extra["logprobs"] = chat_logprobs([piece])
    return {"index": index, "delta": delta, **extra, "finish_reason": finish}


def chat_opening(turn: Turn) -> list[Json]:
    """The chunks before any content."""
    if turn.variant.opening is None:
        return []
    return [_chunk(turn, [_choice(turn, i, turn.variant.opening)]) for i in range(turn.choices)]


def role_chunk(turn: Turn) -> Json:
    """A chunk that only has the role, for engines that are told to begin with one."""
    return _chunk(turn, [_choice(turn, 0, turn.variant.opening or {"role": "assistant", "content": ""})])


def empty_chunk(turn: Turn) -> Json:
    """A chunk whose content is empty."""
    return _chunk(turn, [_choice(turn, 0, {**turn.variant.each, "content": ""})])


def _deltas(turn: Turn) -> list[tuple[Json, str | None]]:
    if not turn.said.tools:
        return [({**turn.variant.each, "content": piece}, piece) for piece in turn.said.pieces]
    deltas: list[tuple[Json, str | None]] = []
    for index, call in enumerate(turn.said.tools):
        named = {"name": call.name, "arguments": ""}
        first = {
            "index": index,
            "id": f"call_{turn.ident[-8:]}{index}",
            "type": "function",
            "function": named,
        }
        deltas.append(({**turn.variant.each, "tool_calls": [first]}, None))
        for piece in words(call.arguments):
            more = {"index": index, "function": {"arguments": piece}}
            deltas.append(({**turn.variant.each, "tool_calls": [more]}, None))
    return deltas


def chat_content(turn: Turn) -> list[Json]:
    """The chunks with content, and the one that finishes if that has none; choices take turns."""
    deltas, joined = _deltas(turn), turn.variant.last is None
    counts = usage(turn) if turn.variant.usage_at_finish else None
    if not joined or not deltas:
        deltas.append((turn.variant.last or {}, None))
    chunks = []
    for position, (delta, piece) in enumerate(deltas, 1):
        final = position == len(deltas)
        for index in range(turn.choices):
            choice = _choice(turn, index, delta, finish=turn.finish if final else None, piece=piece)
            chunks.append(_chunk(turn, [choice], counts if final else None))
    return chunks


def chat_closing(turn: Turn) -> list[Json]:
    """The chunk that reports usage, if the engine sends one."""
    wanted = turn.usage or turn.variant.usage_unasked
    return [_chunk(turn, [], usage(turn))] if wanted and not turn.variant.usage_at_finish else []


def chat_whole(turn: Turn) -> Json:
    """A chat answer that is not streamed."""
    variant, said = turn.variant, turn.said
    message: Json = {"role": "assistant", "content": said.text, **variant.message}
    if said.tools:
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": f"call_{turn.ident[-8:]}{index}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(said.tools)
        ]
    ended = dict(variant.ended)
    if turn.logprobs:
        ended["logprobs"] = chat_logprobs(said.pieces)
    counts = usage(turn)
    if variant.null_details:
        counts.setdefault("prompt_tokens_details", None)
    head = {"id": turn.ident, "object": "chat.completion", "created": turn.created, "model": turn.model}
    choices = [
        {"index": i, "message": message, **ended, "finish_reason": turn.finish} for i in range(turn.choices)
    ]
    return {**head, "choices": choices, **variant.whole, "usage": counts}


def text_chunk(turn: Turn, index: int, text: str, *, finish: str | None = None) -> Json:
    """One chunk of the completions route."""
    head = {"id": turn.ident, "object": "text_completion", "created": turn.created, "model": turn.model}
    extra = turn.variant.finishing if finish else {}
    seen = text_logprobs([text]) if turn.logprobs and text else None
    choice = {"index": index, "text": text, "logprobs": seen, "finish_reason": finish, **extra}
    return {
        **head,
        "choices": [choice],
        **({"usage": None} if turn.variant.null_usage and turn.usage else {}),
    }


def text_choices(turn: Turn, first: int) -> list[Json]:
    """The choices of a completions answer that is not streamed, numbered from `first`."""
    seen = text_logprobs(turn.said.pieces) if turn.logprobs else None
    return [
        {
            "index": first + i,
            "text": turn.said.text,
            "logprobs": seen,
            "finish_reason": turn.finish,
            **turn.variant.finishing,
        }
        for i in range(turn.choices)
    ]


def prompts_of(value: Any) -> list[str | list[int]]:
    """One or many inputs, each text or token ids, as the completions and embeddings routes take them.

    Raises ValueError for anything else, and for an empty list.
    """
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value:
        if all(isinstance(item, int) for item in value):
            return [value]
        if all(isinstance(item, str) or (isinstance(item, list) and item) for item in value):
            return list(value)
    raise ValueError("input must be text, token ids, or a list of them")


def tokens_as_text(item: str | list[int]) -> str:
    """A prompt as text: token ids become one word each."""
    return item if isinstance(item, str) else " ".join(f"t{number}" for number in item)
