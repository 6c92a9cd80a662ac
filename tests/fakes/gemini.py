"""Google's Gemini API on the wire: `models/{model}:generateContent`, its stream, and embeddings in batches.

After the reference of the Gemini API (v1beta). A stream has no end mark: its last event says why the answer ended.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tests.fakes.engine import Answers, Engine, Stream, stream_reply
from tests.fakes.script import Fail, Plan
from tests.fakes.speech import Limits, Said, count, say, vector
from tests.fakes.wire import Received, Reply, dump, json_reply

Json = dict[str, Any]

_FIELDS = frozenset(
    ["cachedContent", "contents", "generationConfig", "labels", "safetySettings", "systemInstruction",
     "system_instruction", "toolConfig", "tools"]
)  # fmt: skip
# HTTP status, Google's status and message of each failure.
_PROBLEMS: Mapping[str, tuple[int, str, str]] = {
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "generation": (500, "INTERNAL", "An internal error has occurred."),
    "server": (500, "INTERNAL", "An internal error has occurred."),
    "incomplete": (500, "INTERNAL", "An internal error has occurred."),
    "timeout": (504, "DEADLINE_EXCEEDED", "The request took too long."),
    "rate_limited": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    "credits": (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
    "validation": (400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified"),
    "model": (404, "NOT_FOUND", "models/{model} is not found for API version v1beta."),
    "unauthorized": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
}
_FINISH = {"end": "STOP", "length": "MAX_TOKENS", "stop": "STOP"}


class GeminiFake(Engine):
    """generativelanguage.googleapis.com with one model; `blocked` is why it refuses every prompt."""

    server = "scaffolding on HTTPServer2"
    routes: ClassVar[Mapping[tuple[str, str], str]] = {}
    base = "/v1beta"

    def __init__(
        self,
        answer: Answers = "Bonjour le monde.",
        *,
        model: str = "gemini-2.5-flash",
        api_key: str | None = None,
        blocked: str | None = None,
        dimensions: int = 8,
    ) -> None:
        super().__init__(answer)
        self.model, self.api_key, self.blocked, self.dimensions = model, api_key, blocked, dimensions
        self._numbers = itertools.count(1)

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        model, _, verb = request.path.removeprefix(f"{self.base}/models/").partition(":")
        verbs = {
            "generateContent": self._whole,
            "streamGenerateContent": self._streamed,
            "batchEmbedContents": self._embedded,
        }
        if request.method != "POST" or verb not in verbs:
            return _error(404, "NOT_FOUND", "Not Found")
        if self.api_key is not None and _key(request) != self.api_key:
            return _failed("unauthorized")
        if model != self.model:
            return _failed("model", model=model)
        body = request.body
        unknown = sorted(set(body) - _FIELDS - {"requests"}) if isinstance(body, dict) else ["body"]
        if unknown:
            message = f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
            return _error(400, "INVALID_ARGUMENT", message)
        return verbs[verb](request, plan)

    def _whole(self, request: Received, plan: Plan) -> Reply:
        if not request.body.get("contents"):
            return _failed("validation")
        if fail := plan.get(Fail):
            return _failed(fail.kind, fail.message, model=self.model)
        said, outer = self._said(request, plan)
        if self.blocked:
            return json_reply({**outer, "promptFeedback": {"blockReason": self.blocked}})
        config = request.body.get("generationConfig") or {}
        wanted = config.get("candidate_count") or config.get("candidateCount") or 1
        candidates = [_candidate(_parts(said), index, said.finish) for index in range(wanted)]
        return json_reply({**outer, "candidates": candidates})

    def _streamed(self, request: Received, plan: Plan) -> Reply:
        if parse_qs(urlsplit(request.target).query).get("alt") != ["sse"]:
            return _error(400, "INVALID_ARGUMENT", "This fake streams events only.")
        if (fail := plan.get(Fail)) and not fail.after:
            return _failed(fail.kind, fail.message, model=self.model)
        said, outer = self._said(request, plan)
        parts = _parts(said) if said.tools else [{"text": piece} for piece in said.pieces]
        return stream_reply(_stream(parts, said, outer), plan)

    def _said(self, request: Received, plan: Plan) -> tuple[Said, Json]:
        body = request.body
        config = body.get("generationConfig") or {}
        limits = Limits(
            config.get("max_output_tokens") or config.get("maxOutputTokens"),
            tuple(config.get("stop_sequences") or config.get("stopSequences") or ()),
            tools=bool(body.get("tools")),
        )
        system = body.get("system_instruction") or body.get("systemInstruction") or {}
        said = say(
            self.said(request, plan),
            limits,
            prompt_tokens=sum(map(_tokens, [system, *body["contents"]])),
        )
        usage = {
            "promptTokenCount": said.prompt_tokens,
            "candidatesTokenCount": said.completion_tokens - said.reasoning_tokens,
            "totalTokenCount": said.total_tokens,
        }
        usage |= {"cachedContentTokenCount": said.cached_tokens} if said.cached_tokens else {}
        usage |= {"thoughtsTokenCount": said.reasoning_tokens} if said.reasoning_tokens else {}
        number = next(self._numbers)
        return said, {"usageMetadata": usage, "modelVersion": self.model, "responseId": f"resp{number:016}"}

    def _embedded(self, request: Received, plan: Plan) -> Reply:
        """POST batchEmbedContents."""
        if fail := plan.get(Fail):
            return _failed(fail.kind, fail.message, model=self.model)
        texts = [one["content"]["parts"][0]["text"] for one in request.body["requests"]]
        return json_reply({"embeddings": [{"values": vector(text, self.dimensions)} for text in texts]})


def _key(request: Received) -> str:
    given = parse_qs(urlsplit(request.target).query).get("key")
    return given[0] if given else request.headers.get("x-goog-api-key", "")


def _tokens(content: Mapping[str, Any]) -> int:
    return sum(count(str(part.get("text") or "")) for part in content.get("parts") or ())


def _parts(said: Said) -> list[Json]:
    if not said.tools:
        return [{"text": said.text}]
    return [{"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in said.tools]


def _candidate(parts: list[Json], index: int, finish: str | None) -> Json:
    ended = {"finishReason": _FINISH[finish]} if finish else {}
    return {"content": {"parts": parts, "role": "model"}, **ended, "index": index}


def _event(value: Json) -> bytes:
    return b"data: " + dump(value) + b"\r\n\r\n"


def _stream(parts: list[Json], said: Said, outer: Json) -> Stream:
    def piece(part: Json) -> bytes:
        return _event({**outer, "candidates": [_candidate([part], 0, None)]})

    *before, last = parts or [{"text": ""}]
    empty = _event({**outer, "candidates": [_candidate([{"text": ""}], 0, None)]})
    return Stream(
        content=tuple(map(piece, before)),
        closing=(_event({**outer, "candidates": [_candidate([last], 0, said.finish)]}),),
        role=empty,
        empty=empty,
        fail=_inside,
        done=b"",
    )


def _inside(fail: Fail) -> tuple[bytes, ...]:
    status, word, message = _PROBLEMS[fail.kind]
    return (_event(_problem(status, word, fail.message or message)),)


def _failed(kind: str, message: str = "", **known: Any) -> Reply:
    status, word, usual = _PROBLEMS[kind]
    return _error(status, word, message or usual.format(**known))


def _problem(status: int, word: str, message: str) -> Json:
    return {"error": {"code": status, "message": message, "status": word}}


def _error(status: int, word: str, message: str) -> Reply:
    return json_reply(_problem(status, word, message), status)
