"""vLLM 0.33 on the wire: strict about its model's name and about what it is sent, and it says so with a 400.

Keys that vLLM does not know are accepted and ignored. Errors of a running generation are events inside a 200.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes import openai_shape as shape
from tests.fakes.engine import Answers
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.openai_shape import PROBLEMS, Problem, Variant
from tests.fakes.script import Plan
from tests.fakes.speech import count, prompt_text, tokens_of
from tests.fakes.wire import Received, Reply, json_reply, text_reply

VLLM = Variant(
    "vllm",
    owner="vllm",
    opening={"role": "assistant", "content": ""},
    last={"content": ""},
    choice={"logprobs": None},
    finishing={"stop_reason": None},
    message={"refusal": None, "annotations": None, "audio": None, "function_call": None, "reasoning": None},
    ended={"logprobs": None, "stop_reason": None, "token_ids": None},
    whole={
        "service_tier": None,
        "system_fingerprint": None,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
    },
    null_details=True,
    problems={
        **PROBLEMS,
        "model": Problem(404, "The model `{model}` does not exist.", "NotFoundError", 404, "model"),
        "validation": Problem(400, "1 validation error:", "Bad Request", 400),
        "overloaded": Problem(
            503, "EngineCore encountered an issue. See stack trace.", "Service Unavailable", 503
        ),
        "generation": Problem(500, "Internal server error", "InternalServerError", 500),
        "server": Problem(500, "EngineCore encountered an issue.", "InternalServerError", 500),
        "incomplete": Problem(500, "No output received from the engine.", "InternalServerError", 500),
    },
    inside=frozenset({"generation", "server"}),
    done_after_error=True,
)

_FORMATS = ("float", "base64", "bytes", "bytes_only")


class VllmFake(OpenAiLike):
    """A vLLM server with one model; `auto_tools` is whether it was started with a tool parser."""

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        **OpenAiLike.routes,
        ("GET", "/health"): "health",
        ("GET", "/ping"): "health",
        ("GET", "/version"): "version",
        ("GET", "/metrics"): "metrics",
    }

    def __init__(
        self,
        answer: Answers = "Bonjour le monde.",
        *,
        model: str = "Qwen/Qwen2.5-7B-Instruct",
        api_key: str | None = None,
        dimensions: int = 8,
        max_model_len: int = 8192,
        auto_tools: bool = True,
    ) -> None:
        super().__init__(VLLM, answer=answer, model=model, api_key=api_key, dimensions=dimensions)
        self.max_model_len, self.auto_tools = max_model_len, auto_tools
        self.queue: int | None = (
            0  # requests that wait; None: started with --disable-log-stats, it counts nothing
        )

    @override
    def unauthorized(self, request: Received) -> Reply:
        return json_reply({"error": "Unauthorized"}, 401)

    @override
    def refuse(self, request: Received) -> Reply | None:
        body = request.body
        if not isinstance(body, dict):
            return _invalid("json_invalid", "body", "JSON decode error")
        wrong = next(itertools.chain(_types(request.path, body), _values(body)), None)
        if wrong is not None:
            return wrong
        if body.get("model") not in (None, "", self.model):
            return self.variant.refusal("model", model=str(body["model"]))
        if body.get("tools") and body.get("tool_choice", "auto") == "auto" and not self.auto_tools:
            return _bad(
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            )
        return self._too_long(body)

    def _too_long(self, body: Mapping[str, Any]) -> Reply | None:
        texts = (
            shape.prompts_of(body["input"]) if "input" in body else shape.prompts_of(body.get("prompt", ""))
        )
        used = count(prompt_text(body["messages"])) if "messages" in body else max(map(tokens_of, texts))
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if used + asked <= self.max_model_len:
            return None
        return _bad(
            f"This model's maximum context length is {self.max_model_len} tokens. However, you requested {asked} "
            f"output tokens and your prompt contains {used} input tokens, for a total of {used + asked} tokens. "
            "Please reduce the length of the input prompt or the number of requested output tokens."
        )

    @override
    def headers(self, request: Received) -> dict[str, str]:
        streamed = bool(request.body.get("stream"))
        if streamed or request.headers.get("endpoint-load-metrics-format") != "JSON":
            return {}
        load = '{"named_metrics":{"kv_cache_usage_perc":0.1,"num_requests_waiting":0.0}}'
        return {"endpoint-load-metrics": f"JSON {load}"}

    def health(self, request: Received, plan: Plan) -> Reply:
        """GET /health and /ping."""
        return text_reply("", 200 if self.healthy else 503)

    def version(self, request: Received, plan: Plan) -> Reply:
        """GET /version."""
        return json_reply({"version": "0.33.0"})

    @override
    def models(self, request: Received, plan: Plan) -> Reply:
        card = {
            "id": self.model,
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "vllm",
            "root": self.model,
            "parent": None,
            "max_model_len": self.max_model_len,
            "permission": [],
        }
        return json_reply({"object": "list", "data": [card]})

    def metrics(self, request: Received, plan: Plan) -> Reply:
        """GET /metrics: what a scheduler reads."""
        if self.queue is None:
            return text_reply("# TYPE python_info gauge\npython_info 1.0\n")
        labels = f'{{engine="0",model_name="{self.model}"}}'
        gauges = {"running": self.working, "waiting": self.queue}
        shown = [
            f"# TYPE vllm:num_requests_{name} gauge\nvllm:num_requests_{name}{labels} {float(number)}\n"
            for name, number in gauges.items()
        ]
        return text_reply(
            "".join(shown) + f"# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{labels} 0.1\n",
            content_type="text/plain; version=1.0.0; charset=utf-8",
        )


def _types(path: str, body: Mapping[str, Any]) -> Iterator[Reply]:
    """What pydantic refuses."""
    required = {"/v1/chat/completions": "messages", "/v1/embeddings": "input", "/v1/completions": "prompt"}[
        path
    ]
    if required not in body:
        yield _invalid("missing", f"body.{required}", "Field required")
    if "messages" in body and not isinstance(body["messages"], list):
        yield _invalid("list_type", "body.messages", "Input should be a valid list")
    if "encoding_format" in body and body["encoding_format"] not in _FORMATS:
        expected = "Input should be 'float', 'base64', 'bytes' or 'bytes_only'"
        yield _invalid("literal_error", "body.encoding_format", expected)
    given = body.get("response_format")
    if given is not None and (
        not isinstance(given, dict)
        or given.get("type") not in {"text", "json_object", "json_schema", "structural_tag"}
    ):
        expected = "Input should be 'text', 'json_object' or 'json_schema'"
        yield _invalid("literal_error", "body.response_format.type", expected)
    for name in ("input", "prompt"):
        try:
            shape.prompts_of(body.get(name, ""))
        except ValueError:
            yield _invalid("string_type", f"body.{name}", "Input should be a valid string")


def _values(body: Mapping[str, Any]) -> Iterator[Reply]:
    """What vLLM's own validators and sampling parameters refuse."""
    given = body.get("response_format") or {}
    limit = body.get("max_tokens")
    if body.get("stream_options") and not body.get("stream"):
        yield _invalid(
            "value_error", "stream_options", "Stream options can only be defined when `stream=True`."
        )
    if given.get("type") == "json_schema" and given.get("json_schema") is None:
        message = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        yield _invalid("value_error", "response_format", message)
    if body.get("tools") == []:
        message = (
            "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely."
        )
        yield _invalid("value_error", "tools", message)
    if body.get("tool_choice") not in (None, "none") and body.get("tools") is None:
        yield _invalid("value_error", "tool_choice", "When using `tool_choice`, `tools` must be set.")
    if (body.get("top_logprobs") or 0) > 0 and not body.get("logprobs"):
        message = "when using `top_logprobs`, `logprobs` must be set to true."
        yield _invalid("value_error", "top_logprobs", message)
    if (body.get("temperature") or 0) < 0:
        yield _bad(f"temperature must be non-negative, got {body['temperature']}.", "temperature")
    if not 0 < (1 if body.get("top_p") is None else body["top_p"]) <= 1:
        yield _bad(f"top_p must be in (0, 1], got {body['top_p']}.", "top_p")
    if limit is not None and limit < 1:
        yield _bad(f"max_tokens must be at least 1, got {limit}.", "max_tokens")


def _invalid(kind: str, where: str, message: str) -> Reply:
    told = f"1 validation error:\n  {{'type': '{kind}', 'loc': '{where}', 'msg': '{message}'}}"
    return json_reply(shape.nested(Problem(400, told, "Bad Request", 400, where)), 400)


def _bad(message: str, param: str | None = None) -> Reply:
    return json_reply(shape.nested(Problem(400, message, "BadRequestError", 400, param)), 400)
