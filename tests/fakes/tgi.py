"""Text Generation Inference 3.3.7 on the wire, with everything an OpenAI client trips over.

Errors of a stream are events inside a 200. `presence_penalty`, even 0, makes the model babble. Ids are empty,
`finish_reason` may be `stop_sequence` or `eos_token`, and tool calls finish with `stop`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes import axum, tgi_rules
from tests.fakes import tgi_shapes as shapes
from tests.fakes.engine import DONE, Answers, Engine, Stream, stream_reply
from tests.fakes.script import Answer, Fail, Plan
from tests.fakes.speech import Limits, Said, count, prompt_text, say
from tests.fakes.tgi_rules import Launch, Refusal
from tests.fakes.wire import Received, Reply, event, json_reply, text_reply

GARBAGE = "!!!! {{{{ !!!! zzzz !!!! {{{{"  # what a strong repetition penalty leaves of any answer
_PENALTY_TOO_STRONG = 1.5


class TgiFake(Engine):
    """A TGI container.

    `tool_finish` is the `finish_reason` that ends a stream of tool calls. None leaves it out, which is what
    TGI 3.1's own recorded streams show (the end-of-sequence token is swallowed by its tool parser).
    """

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        ("POST", "/v1/chat/completions"): "chat",
        ("POST", "/v1/completions"): "completions",
        ("POST", "/generate"): "generate",
        ("POST", "/generate_stream"): "generate_stream",
        ("POST", "/"): "compat_generate",
        ("POST", "/tokenize"): "tokenize",
        ("POST", "/chat_tokenize"): "chat_tokenize",
        ("GET", "/"): "health",
        ("GET", "/health"): "health",
        ("GET", "/ping"): "health",
        ("GET", "/info"): "info",
        ("GET", "/v1/models"): "models",
        ("GET", "/metrics"): "metrics",
    }
    open_paths = frozenset({"/chat_tokenize"})  # POST routes that --api-key does not protect

    def __init__(
        self,
        answer: Answers = "Bonjour le monde.",
        *,
        model: str = "Qwen/Qwen2.5-7B-Instruct",
        api_key: str | None = None,
        launch: Launch | None = None,
        tool_finish: str | None = "stop",
    ) -> None:
        super().__init__(answer)
        self.model, self.api_key, self.tool_finish = model, api_key, tool_finish
        self.launch = launch or Launch()

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        locked = self.api_key and request.method == "POST" and request.path not in self.open_paths
        if locked and request.headers.get("authorization", "").lower() != f"bearer {self.api_key}".lower():
            return text_reply("", 401)
        if request.method == "POST" and (refused := axum.refuse(request, limit=self.launch.payload_limit)):
            return refused
        try:
            return await super().reply(request, plan)
        except Refusal as refusal:
            return shapes.error(refusal.kind, refusal.message)

    # OpenAI's routes

    def chat(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/chat/completions."""
        if refused := axum.mistyped(request, tgi_rules.CHAT, ("messages",)):
            return refused
        body = request.body
        if "max_tokens" in body and "max_completion_tokens" in body:
            return text_reply(
                "Failed to deserialize the JSON body into the target type: duplicate field `max_tokens` "
                f"at line 1 column {len(request.raw)}",
                422,
            )
        parameters = tgi_rules.parameters_of_chat(body)
        prompt, stream, seen = (
            prompt_text(body["messages"]),
            bool(body.get("stream")),
            bool(body.get("logprobs")),
        )
        fail = self._failure(prompt, parameters, plan, stream=stream)
        tools = bool(body.get("tools")) and body.get("tool_choice") != "none"
        said = self._say(request, plan, prompt, parameters=parameters, tools=tools)
        if not stream:
            return (
                shapes.error(fail.kind, fail.message)
                if fail
                else self._whole_chat(said, prompt, logprobs=seen)
            )
        choices = (
            shapes.tool_choices(said, self.tool_finish)
            if said.tools
            else shapes.chat_choices(said, seen=seen)
        )
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        tail = [self._chunk([], usage=shapes.usage([said]))] if asked else []
        empty = event(self._chunk([shapes.choice(shapes.text(""))]))
        chunks = Stream(
            content=tuple(event(self._chunk([choice])) for choice in choices),
            closing=tuple(map(event, tail)),
            role=empty,
            empty=empty,
            fail=lambda failure: (event(shapes.openai_failure(failure)), DONE),
        )
        return stream_reply(chunks, _with(plan, fail), shapes.stream_headers(prompt))

    def _whole_chat(self, said: Said, prompt: str, *, logprobs: bool) -> Reply:
        choice = {
            "index": 0,
            "message": shapes.message(said),
            "logprobs": shapes.logprobs(said.pieces) if logprobs else None,
            "finish_reason": shapes.CHAT_FINISH[said.finish],
        }
        head = {"object": "chat.completion", "id": "", **self._stamp()}
        body = {**head, "choices": [choice], "usage": shapes.usage([said])}
        return json_reply(body, 200, shapes.headers(said, prompt, queue_time=self.launch.queue_time))

    def completions(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/completions."""
        if refused := axum.mistyped(request, tgi_rules.COMPLETION, ("prompt",)):
            return refused
        body, stream = request.body, bool(request.body.get("stream"))
        prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
        if body.get("suffix") is not None:
            message = "Suffix is not supported and can be achieved by preprocessing the prompt."
            return json_reply({"error": message, "error_type": "suffix not supported"}, 422)
        if len(prompts) > self.launch.max_client_batch_size:
            most = self.launch.max_client_batch_size
            message = f"Number of prompts exceeds the maximum allowed batch size of {most}"
            return json_reply({"error": message, "error_type": "batch size exceeded"}, 422)
        parameters = tgi_rules.parameters_of_chat({**body, "presence_penalty": None})
        failures = [self._failure(prompt, parameters, plan, stream=stream) for prompt in prompts]
        fail = next(filter(None, failures), None)
        told = [self._say(request, plan, prompt, parameters=parameters) for prompt in prompts]
        if not stream:
            whole = self._whole_completion(told, "".join(prompts))
            return shapes.error(fail.kind, fail.message) if fail else whole
        empty = event(self._completion_chunk(0, "", ""))
        chunks = Stream(
            content=tuple(map(event, self._completion_chunks(told))),
            role=empty,
            empty=empty,
            fail=lambda failure: (event(shapes.openai_failure(failure)), DONE),
        )
        return stream_reply(chunks, _with(plan, fail), shapes.stream_headers("".join(prompts)))

    def _whole_completion(self, told: list[Said], prompts: str) -> Reply:
        choices = [
            {
                "index": i,
                "text": said.text,
                "logprobs": None,
                "finish_reason": shapes.CHAT_FINISH[said.finish],
            }
            for i, said in enumerate(told)
        ]
        head = {"object": "text_completion", "id": "", **self._stamp()}
        body = {**head, "choices": choices, "usage": shapes.usage(told)}
        counts = shapes.headers(told[0], prompts, queue_time=self.launch.queue_time) if told else {}
        if told:
            counts["x-prompt-tokens"] = str(body["usage"]["prompt_tokens"])
            counts["x-generated-tokens"] = str(body["usage"]["completion_tokens"])
        return json_reply(body, 200, counts)

    def _completion_chunks(self, told: list[Said]) -> Iterable[dict[str, Any]]:
        """Prompts take turns. A chunk's reason is empty, not null; each prompt's last chunk has its usage."""
        for turn in range(max((len(said.pieces) for said in told), default=0) + 1):
            for index, said in enumerate(told):
                last = len(said.pieces) - (said.finish != "end")
                text = said.pieces[turn] if turn < len(said.pieces) else ""
                if turn == last:
                    ended = self._completion_chunk(index, text, shapes.NATIVE_FINISH[said.finish])
                    yield {**ended, "usage": shapes.usage([said])}
                elif turn < last:
                    yield self._completion_chunk(index, text, "")

    # TGI's own routes

    def generate(self, request: Received, plan: Plan) -> Reply:
        """POST /generate."""
        return self._native(request, plan, stream=False)

    def generate_stream(self, request: Received, plan: Plan) -> Reply:
        """POST /generate_stream."""
        return self._native(request, plan, stream=True)

    def compat_generate(self, request: Received, plan: Plan) -> Reply:
        """POST /: a list of one object, or a stream when the body says so."""
        stream = isinstance(request.body, dict) and request.body.get("stream") is True
        return self._native(request, plan, stream=stream, listed=True)

    def _native(self, request: Received, plan: Plan, *, stream: bool, listed: bool = False) -> Reply:
        if refused := axum.mistyped(request, tgi_rules.GENERATE, ("inputs",)):
            return refused
        inputs, parameters = request.body["inputs"], request.body.get("parameters") or {}
        fail = self._failure(inputs, parameters, plan, stream=stream)
        said = self._say(request, plan, inputs, parameters=parameters)
        prefix = inputs if parameters.get("return_full_text") else ""
        top_n = parameters.get("top_n_tokens") or 0
        if not stream:
            if fail:
                return shapes.error(fail.kind, fail.message)
            prefill = bool(parameters.get("decoder_input_details"))
            wanted = bool(parameters.get("details")) or prefill
            best_of = parameters.get("best_of") or 1
            details = (
                shapes.details(said, inputs, prefill=prefill, top_n=top_n, best_of=best_of)
                if wanted
                else None
            )
            body = {"generated_text": prefix + said.text, "details": details}
            times = shapes.headers(said, inputs, queue_time=self.launch.queue_time)
            return json_reply([body] if listed else body, 200, times)
        empty = event(shapes.token_event(1, ""))
        tokens = shapes.token_events(said, prefix, details=bool(parameters.get("details")), top_n=top_n)
        events = Stream(
            content=tuple(map(event, tokens)),
            role=empty,
            empty=empty,
            fail=lambda failure: (event(shapes.native_failure(failure)),),
            done=b"",
        )
        return stream_reply(events, _with(plan, fail), shapes.stream_headers(inputs))

    def tokenize(self, request: Received, plan: Plan) -> Reply:
        """POST /tokenize."""
        refused = axum.mistyped(request, tgi_rules.GENERATE, ("inputs",))
        return refused or json_reply(shapes.simple_tokens(request.body["inputs"]))

    def chat_tokenize(self, request: Received, plan: Plan) -> Reply:
        """POST /chat_tokenize."""
        if refused := axum.mistyped(request, tgi_rules.CHAT, ("messages",)):
            return refused
        text = prompt_text(request.body["messages"])
        return json_reply({"tokenize_response": shapes.simple_tokens(text), "templated_text": text})

    def health(self, request: Received, plan: Plan) -> Reply:
        """GET /health, /ping and /."""
        return (
            text_reply("")
            if self.healthy
            else json_reply({"error": "unhealthy", "error_type": "healthcheck"}, 503)
        )

    def info(self, request: Received, plan: Plan) -> Reply:
        """GET /info."""
        return json_reply(
            {
                "model_id": self.model,
                "model_sha": "main",
                "model_pipeline_tag": "text-generation",
                "max_concurrent_requests": self.launch.max_concurrent_requests,
                "max_best_of": self.launch.max_best_of,
                "max_stop_sequences": self.launch.max_stop_sequences,
                "max_input_tokens": self.launch.max_input_tokens,
                "max_total_tokens": self.launch.max_total_tokens,
                "validation_workers": 2,
                "max_client_batch_size": self.launch.max_client_batch_size,
                "router": "text-generation-router",
                "version": "3.3.7",
                "sha": None,
                "docker_label": None,
            }
        )

    def models(self, request: Received, plan: Plan) -> Reply:
        """GET /v1/models."""
        model = {"id": self.model, "object": "model", "created": 0, "owned_by": self.model}
        return json_reply({"object": "list", "data": [model]})

    def metrics(self, request: Received, plan: Plan) -> Reply:
        """GET /metrics: the two gauges a scheduler reads, and a counter."""
        waiting = max(0, self.working - self.launch.max_concurrent_requests)
        done = sum(seen.method == "POST" for seen in self.requests) - self.working
        return text_reply(
            f"# TYPE tgi_queue_size gauge\ntgi_queue_size {waiting}\n"
            f"# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size {self.working}\n"
            f"# TYPE tgi_request_count counter\ntgi_request_count {done}\n"
        )

    # parts

    def _failure(
        self, prompt: str, parameters: Mapping[str, Any], plan: Plan, *, stream: bool
    ) -> Fail | None:
        """Why this request fails by itself; a scripted failure comes first, an overflow next."""
        if (scripted := plan.get(Fail)) and not (stream and scripted.after):
            return scripted
        if self.working > self.launch.max_concurrent_requests:
            return Fail("overloaded")
        try:
            tgi_rules.validate(prompt, parameters, self.launch, stream=stream)
        except Refusal as refusal:
            return Fail("validation", message=refusal.message)
        return None

    def _say(
        self,
        request: Received,
        plan: Plan,
        prompt: str,
        *,
        parameters: Mapping[str, Any],
        tools: bool = False,
    ) -> Said:
        answer = self.said(request, plan)
        if (parameters.get("repetition_penalty") or 1.0) >= _PENALTY_TOO_STRONG:
            answer = Answer(GARBAGE)
        limits = Limits(
            max_tokens=parameters.get("max_new_tokens"),
            stop=tuple(parameters.get("stop") or ()),
            keep_stop=True,
            tools=tools,
        )
        return say(answer, limits, prompt_tokens=count(prompt))

    def _stamp(self) -> dict[str, Any]:
        return {"created": int(time.time()), "model": self.model, "system_fingerprint": "3.3.7-native"}

    def _chunk(self, choices: list[dict[str, Any]], *, usage: dict[str, int] | None = None) -> dict[str, Any]:
        head = {"object": "chat.completion.chunk", "id": "", **self._stamp()}
        return {**head, "choices": choices, "usage": usage}

    def _completion_chunk(self, index: int, text: str, finish: str) -> dict[str, Any]:
        choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
        return {"object": "text_completion", "id": "", **self._stamp(), "choices": [choice]}


def _with(plan: Plan, fail: Fail | None) -> Plan:
    if fail is None or plan.get(Fail) is not None:
        return plan
    return Plan((*plan.touches, fail))
