"""`transformers serve` 5.23 on the wire: no `[DONE]`, no nulls, no unknown fields, and FastAPI's errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes.engine import Answers
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.openai_shape import PROBLEMS, Problem, Turn, Variant
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, dump, json_reply, text_reply

SERVE = Variant(
    "transformers-serve",
    id_prefix="",
    opening={"role": "assistant"},
    chunk={"system_fingerprint": ""},
    usage_at_finish=True,
    omit_null=True,
    done=False,
    problems={
        **PROBLEMS,
        "validation": Problem(422, "Unexpected fields in the request: {{'foo'}}"),
        "model": Problem(400, "Server is pinned to {model}"),
        "overloaded": Problem(503, "Continuous batching worker is not running"),
        "generation": Problem(500, "CUDA out of memory"),
    },
    error=lambda problem: {"detail": problem.message},
    stream_error=lambda problem: b"data: " + dump({"error": problem.message}) + b"\n\n",
    inside=frozenset({"generation"}),
)

# The fields of OpenAI's request that its typed schema lists, and the server's two own; others are refused.
_FIELDS = """
    messages model prompt audio frequency_penalty function_call functions logit_bias logprobs
    max_completion_tokens max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty
    prompt_cache_key prompt_cache_retention reasoning_effort response_format safety_identifier seed
    service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user
    verbosity web_search_options suffix echo best_of generation_config processor
"""
_KNOWN = frozenset(_FIELDS.split())


class ServeFake(OpenAiLike):
    """A server pinned to one model. Unsupported fields that it knows (`n`, `logprobs`, ...) are ignored."""

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        ("POST", "/v1/chat/completions"): "chat",
        ("POST", "/v1/completions"): "completions",
        ("GET", "/v1/models"): "models",
        ("GET", "/health"): "health",
    }
    keep_stop = True

    def __init__(self, answer: Answers = "Bonjour le monde.", *, model: str = "/models/tiny") -> None:
        super().__init__(SERVE, answer=answer, model=model)

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        reply = await super().reply(request, plan)
        return replace(reply, headers={**reply.headers, "x-request-id": self._ident(request)})

    def _ident(self, request: Received) -> str:
        return request.headers.get("x-request-id") or f"00000000-0000-4000-8000-{len(self.requests):012d}"

    @override
    def turn(self, request: Received, plan: Plan, prompt: str) -> Turn:
        turn = super().turn(request, plan, prompt)
        asked = replace(
            turn, choices=1, logprobs=False, usage=False
        )  # it does not do more, and does not say so
        return replace(asked, ident=self._ident(request), model=f"{self.model}@main")

    @override
    def refuse(self, request: Received) -> Reply | None:
        body = request.body
        if not isinstance(body, dict):
            return json_reply(
                {"detail": [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}]}, 422
            )
        unexpected = {name for name in body if name not in _KNOWN}
        if unexpected:
            return json_reply({"detail": f"Unexpected fields in the request: {unexpected}"}, 422)
        if body.get("model") not in (None, self.model):
            return json_reply({"detail": f"Server is pinned to {self.model}"}, 400)
        if _crashes(body, request.path):
            return text_reply("Internal Server Error", 500)
        return None

    @override
    def models(self, request: Received, plan: Plan) -> Reply:
        return json_reply(
            {"object": "list", "data": []}
        )  # it lists the Hub's cache, not the folder it serves

    def health(self, request: Received, plan: Plan) -> Reply:
        """GET /health."""
        return json_reply({"status": "ok"}) if self.healthy else json_reply({"status": "unhealthy"}, 503)


def _crashes(body: Mapping[str, Any], path: str) -> bool:
    """What the server does not check and then falls over."""
    messages = body.get("messages")
    chat = path.endswith("/chat/completions")
    return (body.get("max_tokens") or 1) < 0 or (chat and not (isinstance(messages, list) and messages))
