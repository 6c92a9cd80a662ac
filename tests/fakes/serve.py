"""`transformers serve` 5.23 on the wire: no `[DONE]`, no nulls, no unknown fields, and FastAPI's errors.

`tests/engines` compares it with the server itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes.engine import Answers
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.openai_shape import PROBLEMS, Json, Problem, Turn, Variant
from tests.fakes.script import Fail, Plan
from tests.fakes.wire import Received, Reply, dump, json_reply, text_reply


def _error(problem: Problem) -> Json | str:
    """What nobody foresaw is plain text, a dead worker has a handler of its own, the rest is FastAPI's."""
    if problem.status == 500:
        return "Internal Server Error"
    return {"error" if problem.status == 503 else "detail": problem.message}


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
        "model": Problem(400, "Server is pinned to '{model}'; requested 'x'."),
        "overloaded": Problem(503, "Continuous batching worker is not running"),
        "generation": Problem(500, "CUDA out of memory"),
    },
    error=_error,
    # Nothing in its words is escaped: a quote in them makes the event no JSON.
    stream_error=lambda problem: b'data: {"error": "%b"}\n\n' % problem.message.encode(),
    inside=frozenset({"generation"}),
)

# The fields of OpenAI's requests that its typed schemas list, and the server's own; others are refused.
_CHAT = """
    audio chat_template_kwargs frequency_penalty function_call functions generation_config logit_bias logprobs
    max_completion_tokens max_tokens messages metadata modalities model moderation n parallel_tool_calls
    prediction presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options temperature
    tool_choice tools top_logprobs top_p user verbosity web_search_options
"""
_COMPLETIONS = """
    best_of echo frequency_penalty generation_config logit_bias logprobs max_tokens model n presence_penalty
    prompt seed stop stream stream_options suffix temperature top_p user
"""
KNOWN: Mapping[str, frozenset[str]] = {
    "/v1/chat/completions": frozenset(_CHAT.split()),
    "/v1/completions": frozenset(_COMPLETIONS.split()),
}


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
        body = {name: value for name, value in request.body.items() if name != "tool_choice"}
        turn = super().turn(replace(request, raw=dump(body)), plan, prompt)
        if body.get("suffix"):  # glued on, whatever it was meant for
            turn = replace(turn, said=replace(turn.said, pieces=(*turn.said.pieces, body["suffix"])))
        # It does not do more, and does not say so.
        asked = replace(turn, choices=1, logprobs=False, usage=False)
        return replace(asked, ident=self._ident(request), model=f"{self.model}@main")

    @override
    def refuse(self, request: Received) -> Reply | None:
        body = request.body
        if not isinstance(body, dict):
            return json_reply(
                {"detail": [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}]}, 422
            )
        unexpected = {name for name in body if name not in KNOWN[request.path]}
        if unexpected:
            return json_reply({"detail": f"Unexpected fields in the request: {unexpected}"}, 422)
        if not isinstance(body.get("prompt", ""), str):
            return json_reply({"detail": "prompt must be a string."}, 400)
        if body.get("model") not in (None, self.model):
            told = f"Server is pinned to '{self.model}'; requested '{body['model']}'."
            return json_reply({"detail": told}, 400)
        if _crashes(body, request.path):
            return text_reply("Internal Server Error", 500)
        wrong = _late(body)
        if not wrong:
            return None
        if not body.get("stream"):
            return text_reply("Internal Server Error", 500)
        return self._failed(Fail("generation", message=wrong), Plan(), stream=True)

    @override
    def models(self, request: Received, plan: Plan) -> Reply:
        return json_reply(
            {"object": "list", "data": []}
        )  # it lists the Hub's cache, not the folder it serves

    def health(self, request: Received, plan: Plan) -> Reply:
        """GET /health."""
        return json_reply({"status": "ok"}) if self.healthy else json_reply({"status": "unhealthy"}, 503)


def _crashes(body: Mapping[str, Any], path: str) -> bool:
    """What the server does not check and falls over before it has begun to answer."""
    if path.endswith("/chat/completions"):
        messages = body.get("messages")
        if not (isinstance(messages, list) and messages):
            return True
        if any("tool_calls" in message and message["tool_calls"] is None for message in messages):
            return True
    return body.get("prompt") == "" or (
        "chat_template_kwargs" in body and body["chat_template_kwargs"] is None
    )


def _late(body: Mapping[str, Any]) -> str:
    """What it falls over when it generates, so that a stream has begun by then."""
    most, penalty = body.get("max_tokens"), body.get("frequency_penalty")
    if most is not None and most < 1:
        return f"`max_new_tokens` must be greater than 0, but is {most}."
    if penalty is not None and penalty <= -1:
        return f"`penalty` has to be a strictly positive float, but is {1.0 + penalty}"
    if body.get("stop") == []:
        return "Stop string preprocessing was unable to identify tokens matching one or more of the supplied stop string(s)."
    biases = body.get("logit_bias")
    if biases is not None and not (biases and all(type(bias) is float for bias in biases.values())):
        return f"`sequence_bias` has to be a dict with floats as values, but is {biases}."
    return ""
