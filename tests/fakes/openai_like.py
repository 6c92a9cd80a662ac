"""Servers that speak OpenAI's API: api.openai.com itself, and the dialects of other engines as rows."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes import openai_shape as shape
from tests.fakes.engine import DONE, Answers, Engine, Stream, stream_reply
from tests.fakes.openai_shape import PROBLEMS, Json, Problem, Turn, Variant
from tests.fakes.script import Fail, Plan
from tests.fakes.speech import Limits, count, packed, prompt_text, say, tokens_of, vector
from tests.fakes.wire import Received, Reply, dump, json_reply, text_reply

OPENAI = Variant(
    "openai",
    server="cloudflare",
    opening={"role": "assistant", "content": "", "refusal": None},
    choice={"logprobs": None},
    chunk={"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"},
    message={"refusal": None, "annotations": []},
    ended={"logprobs": None},
    whole={"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"},
    null_usage=True,
    details=True,
    pretty=True,
    owner="system",
)


def _llama_error(problem: Problem) -> Json:
    return {"error": {"code": problem.status, "message": problem.message, "type": problem.type}}


# One chunk too many is normal here: the role comes with a null content, and errors of a stream come inside a 200.
LLAMA_CPP = Variant(
    "llama.cpp",
    server="llama.cpp",
    owner="llamacpp",
    opening={"role": "assistant", "content": None},
    chunk={"system_fingerprint": "b6500-a1b2c3d4"},
    whole={"system_fingerprint": "b6500-a1b2c3d4"},
    problems={
        **PROBLEMS,
        "overloaded": Problem(503, "Loading model", "unavailable_error"),
        "validation": Problem(400, '"messages" is required', "invalid_request_error"),
        "generation": Problem(500, "Context size has been exceeded.", "server_error"),
        "unauthorized": Problem(401, "Invalid API Key", "authentication_error"),
    },
    error=_llama_error,
    stream_error=lambda problem: b"data: " + dump(_llama_error(problem)) + b"\n\n",
    inside=frozenset({"validation", "generation"}),
    strict_model=False,
    sse="text/event-stream",
    pages={"/health": ("application/json; charset=utf-8", '{"status":"ok"}')},
)

OLLAMA = Variant(
    "ollama",
    server="",
    owner="library",
    each={"role": "assistant"},
    last={"role": "assistant", "content": ""},
    chunk={"system_fingerprint": "fp_ollama"},
    whole={"system_fingerprint": "fp_ollama"},
    problems={
        **PROBLEMS,
        "model": Problem(404, 'model "{model}" not found, try pulling it first', "api_error"),
        "overloaded": Problem(
            503, "server busy, please try again.  maximum pending requests exceeded", "api_error"
        ),
        "validation": Problem(400, "[] is too short - 'messages'", "invalid_request_error"),
    },
    escape_html=True,
    sse="text/event-stream",
    pages={"/": ("text/plain; charset=utf-8", "Ollama is running")},
)


def _sglang_error(problem: Problem) -> Json:
    flat = {"object": "error", "message": problem.message, "type": problem.type}
    return {**flat, "param": problem.param, "code": problem.status}


# Every delta repeats all its keys, as nulls; errors are flat outside a stream and wrapped inside one.
SGLANG = Variant(
    "sglang",
    id_prefix="",
    owner="sglang",
    opening={"role": "assistant", "content": "", "reasoning_content": None, "tool_calls": None},
    each={"role": None, "reasoning_content": None, "tool_calls": None},
    last={"role": None, "content": None, "reasoning_content": None, "tool_calls": None},
    choice={"logprobs": None},
    finishing={"matched_stop": None},
    message={"reasoning_content": None, "tool_calls": None},
    ended={"logprobs": None, "matched_stop": None},
    whole={"metadata": {"weight_version": "default"}},
    null_usage=True,
    problems={
        **PROBLEMS,
        "overloaded": Problem(503, "The request queue is full.", "SERVICE_UNAVAILABLE"),
        "validation": Problem(
            400, "The input (9000 tokens) is longer than the model's context length.", "BadRequestError"
        ),
        "generation": Problem(500, "Internal server error", "InternalServerError"),
    },
    error=_sglang_error,
    stream_error=lambda problem: b"data: " + dump({"error": _sglang_error(problem)}) + b"\n\n",
    inside=frozenset({"generation"}),
    done_after_error=True,
    strict_model=False,
    pages={"/health": ("text/plain", ""), "/health_generate": ("text/plain", "")},
)

# Any model's name will do, errors are plain text, and those of a stream have an event name.
LM_STUDIO = Variant(
    "lm-studio",
    server="",
    last={},
    each={"role": "assistant"},
    choice={"logprobs": None},
    chunk={"system_fingerprint": "qwen2.5-7b-instruct"},
    whole={"stats": {}, "system_fingerprint": "qwen2.5-7b-instruct"},
    problems={
        **PROBLEMS,
        "model": Problem(
            404, "No models loaded. Please load a model in the developer page or use the `lms load` command."
        ),
        "overloaded": Problem(500, "Model is unloaded."),
        "generation": Problem(500, "Context size has been exceeded."),
    },
    error=lambda problem: problem.message,
    stream_error=lambda problem: (
        b"event: error\ndata: " + dump({"error": {"message": problem.message}}) + b"\n\n"
    ),
    inside=frozenset({"overloaded", "generation"}),
    strict_model=False,
    unknown_route="Unexpected endpoint or method. ({route}). Returning 200 anyway",
    sse="text/event-stream",
)


class OpenAiLike(Engine):
    """A server of one variant. `loading` makes it say that its model is not there yet, on every route."""

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        ("POST", "/v1/chat/completions"): "chat",
        ("POST", "/v1/completions"): "completions",
        ("POST", "/v1/embeddings"): "embeddings",
        ("GET", "/v1/models"): "models",
    }
    keep_stop = False  # is a stop string left in the text?

    def __init__(
        self,
        variant: Variant = OPENAI,
        *,
        answer: Answers = "Bonjour le monde.",
        model: str = "qwen2.5-7b-instruct",
        api_key: str | None = None,
        dimensions: int = 8,
    ) -> None:
        super().__init__(answer)
        self.variant, self.model, self.api_key, self.dimensions = variant, model, api_key, dimensions
        self.server = variant.server
        self.loading = False
        self._numbers = itertools.count(1)

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        if self.loading:
            return self.variant.refusal("overloaded")
        if self.api_key and request.path.startswith("/v1") and request.bearer != self.api_key:
            return self.unauthorized(request)
        page = self.variant.pages.get(request.path)
        if page and request.method == "GET":
            return text_reply(page[1], 200, page[0]) if self.healthy else self.variant.refusal("overloaded")
        return await super().reply(request, plan)

    def unauthorized(self, request: Received) -> Reply:
        """The key is missing or wrong."""
        return self.variant.refusal("unauthorized")

    def refuse(self, request: Received) -> Reply | None:
        """Why this engine does not take a body, or None."""
        body = request.body
        if not isinstance(body, dict):
            return self.variant.refusal("validation", "We could not parse the JSON body of your request.")
        if self.variant.strict_model and body.get("model") != self.model:
            return self.variant.refusal("model", model=str(body.get("model")))
        return None

    def chat(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/chat/completions."""
        body = request.body
        wrong = self.refuse(request)
        if wrong is None and not isinstance(body.get("messages"), list):
            wrong = self._failed(Fail("validation"), plan, stream=bool(body.get("stream")))
        if wrong is not None:
            return wrong
        prompt, stream = prompt_text(body["messages"]), bool(body.get("stream"))
        if (fail := plan.get(Fail)) and not (stream and fail.after):
            return self._failed(fail, plan, stream=stream)
        turn = self.turn(request, plan, prompt)
        if not stream:
            return self.variant.answer(shape.chat_whole(turn), self.headers(request))
        return self._stream(turn, plan, request)

    def _stream(self, turn: Turn, plan: Plan, request: Received) -> Reply:
        event = self.variant.event
        stream = Stream(
            opening=tuple(map(event, shape.chat_opening(turn))),
            content=tuple(map(event, shape.chat_content(turn))),
            closing=tuple(map(event, shape.chat_closing(turn))),
            role=event(shape.role_chunk(turn)),
            empty=event(shape.empty_chunk(turn)),
            fail=self._inside,
            done=DONE if self.variant.done else b"",
        )
        return stream_reply(stream, plan, {"content-type": self.variant.sse, **self.headers(request)})

    def completions(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/completions."""
        body = request.body
        if (wrong := self.refuse(request)) is not None:
            return wrong
        try:
            prompts = [shape.tokens_as_text(item) for item in shape.prompts_of(body.get("prompt"))]
        except ValueError as error:
            return self.variant.refusal("validation", str(error))
        stream = bool(body.get("stream"))
        if (fail := plan.get(Fail)) and not (stream and fail.after):
            return self._failed(fail, plan, stream=stream)
        turns = [self.turn(request, plan, prompt) for prompt in prompts]
        counts = _sum([shape.usage(turn) for turn in turns])
        if not stream:
            choices = [c for i, turn in enumerate(turns) for c in shape.text_choices(turn, i * turn.choices)]
            head = {"id": turns[0].ident, "object": "text_completion", "created": turns[0].created}
            return self.variant.answer({**head, "model": self.model, "choices": choices, "usage": counts})
        return self._text_stream(turns, counts, plan=plan, request=request)

    def _text_stream(self, turns: list[Turn], counts: Json, *, plan: Plan, request: Received) -> Reply:
        chunks, first = [], turns[0]
        for position, turn in enumerate(turns):
            index = position * turn.choices
            chunks += [shape.text_chunk(turn, index, piece) for piece in turn.said.pieces]
            chunks.append(shape.text_chunk(turn, index, "", finish=turn.finish))
        if self.variant.usage_at_finish:
            chunks[-1]["usage"] = counts
        closing = {**shape.text_chunk(first, 0, ""), "choices": [], "usage": counts}
        empty = self.variant.event(shape.text_chunk(first, 0, ""))
        stream = Stream(
            content=tuple(map(self.variant.event, chunks)),
            closing=(self.variant.event(closing),) if first.usage or self.variant.usage_unasked else (),
            role=empty,
            empty=empty,
            fail=self._inside,
            done=DONE if self.variant.done else b"",
        )
        return stream_reply(stream, plan, {"content-type": self.variant.sse, **self.headers(request)})

    def embeddings(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/embeddings."""
        body = request.body
        if (wrong := self.refuse(request)) is not None:
            return wrong
        if fail := plan.get(Fail):
            return self._failed(fail, plan, stream=False)
        try:
            inputs = shape.prompts_of(body.get("input"))
        except ValueError as error:
            return self.variant.refusal("validation", str(error))
        size = body.get("dimensions") or self.dimensions
        vectors: list[Any] = [vector(item, size) for item in inputs]
        if body.get("encoding_format") == "base64":
            vectors = [base64.b64encode(packed(numbers)).decode() for numbers in vectors]
        data = [
            {"object": "embedding", "index": i, "embedding": numbers} for i, numbers in enumerate(vectors)
        ]
        tokens = sum(map(tokens_of, inputs))
        counts = {"prompt_tokens": tokens, "total_tokens": tokens}
        return self.variant.answer({"object": "list", "data": data, "model": self.model, "usage": counts})

    def models(self, request: Received, plan: Plan) -> Reply:
        """GET /v1/models."""
        model = {
            "id": self.model,
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": self.variant.owner,
        }
        return self.variant.answer({"object": "list", "data": [model]})

    def headers(self, request: Received) -> dict[str, str]:
        """More headers of an inference answer."""
        return {"x-request-id": f"req_{len(self.requests):012d}"}

    def turn(self, request: Received, plan: Plan, prompt: str) -> Turn:
        """What is answered to a prompt of this request."""
        body = request.body
        stop = body.get("stop") or ()
        limit = (
            body.get("max_completion_tokens") if body.get("max_tokens") is None else body.get("max_tokens")
        )
        limits = Limits(
            max_tokens=limit,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            keep_stop=self.keep_stop,
            tools=bool(body.get("tools")) and body.get("tool_choice") != "none",
        )
        return Turn(
            variant=self.variant,
            said=say(self.said(request, plan), limits, prompt_tokens=count(prompt)),
            ident=f"{self.variant.id_prefix}{next(self._numbers):024x}",
            model=self.model,
            created=int(time.time()),
            choices=body.get("n") or 1,
            logprobs=body.get("logprobs") not in (None, False),
            usage=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def _failed(self, fail: Fail, plan: Plan, *, stream: bool) -> Reply:
        """A failure before the first frame: a status code, or an event inside a 200."""
        if not stream or fail.kind not in self.variant.inside:
            return self.variant.refusal(fail.kind, fail.message, model=self.model)
        inside = plan if plan.get(Fail) is not None else Plan((*plan.touches, fail))
        nothing = Stream(content=(), role=b"", empty=b"", fail=self._inside)
        return stream_reply(nothing, inside, {"content-type": self.variant.sse})

    def _inside(self, fail: Fail) -> tuple[bytes, ...]:
        problem = self.variant.problem(fail.kind, fail.message, model=self.model)
        return (self.variant.stream_error(problem), *((DONE,) if self.variant.done_after_error else ()))

    @override
    def no_route(self, request: Received) -> Reply:
        if self.variant.unknown_route:
            return json_reply(
                {"error": self.variant.unknown_route.format(route=f"{request.method} {request.path}")}
            )
        return (
            json_reply({"detail": "Not Found"}, 404)
            if self.server == "uvicorn"
            else super().no_route(request)
        )


def _sum(counts: list[Json]) -> Json:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: sum(each[name] for each in counts) for name in names}
