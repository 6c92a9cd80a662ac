"""Amazon Bedrock's Converse API on the wire: JSON, or a binary event stream (`application/vnd.amazon.eventstream`).

A message of the stream is: total length, length of the headers, a checksum of both, headers, payload, a checksum of
all (AWS SDKs, "event stream encoding").
"""

from __future__ import annotations

import binascii
import struct
from typing import Any

from typing_extensions import override

from tests.fakes.engine import Engine, Stream, stream_reply
from tests.fakes.script import Fail, Plan
from tests.fakes.speech import Limits, Said, count, prompt_text, say
from tests.fakes.wire import Received, Reply, dump, json_reply

_FINISH = {"end": "end_turn", "length": "max_tokens", "stop": "stop_sequence"}


class BedrockFake(Engine):
    """bedrock-runtime with any model; it takes a bearer token or a signature and checks neither."""

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        verb = request.path.rpartition("/")[2]
        if request.method != "POST" or verb not in ("converse", "converse-stream"):
            return _error(404, "UnknownOperationException", "")
        if not request.headers.get("authorization"):
            return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if fail := plan.get(Fail):
            kinds = {
                "overloaded": (503, "ServiceUnavailableException"),
                "rate_limited": (429, "ThrottlingException"),
            }
            status, kind = kinds.get(fail.kind, (500, "InternalServerException"))
            return _error(status, kind, "Too many requests, please wait before trying again.")
        said = self._say(request, plan)
        usage = {
            "inputTokens": said.prompt_tokens - said.cached_tokens,
            "outputTokens": said.completion_tokens,
            "totalTokens": said.total_tokens,
            "cacheReadInputTokens": said.cached_tokens,
        }
        if verb == "converse":
            message = {"role": "assistant", "content": [{"text": said.text}]}
            whole = {"output": {"message": message}, "stopReason": _FINISH[said.finish], "usage": usage}
            return json_reply(whole, headers={"x-amzn-requestid": "amzn-1"})
        reply = stream_reply(_stream(said, usage), plan)
        return Reply(200, reply.frames, {"content-type": "application/vnd.amazon.eventstream"}, stream=True)

    def _say(self, request: Received, plan: Plan) -> Said:
        body = request.body
        config = body.get("inferenceConfig") or {}
        limits = Limits(config.get("maxTokens"), tuple(config.get("stopSequences") or ()))
        return say(self.said(request, plan), limits, prompt_tokens=count(prompt_text(body["messages"])))


def _stream(said: Said, usage: dict[str, int]) -> Stream:
    return Stream(
        opening=(_message("messageStart", {"role": "assistant"}),),
        content=tuple(_delta(piece) for piece in said.pieces),
        closing=(
            _message("contentBlockStop", {"contentBlockIndex": 0}),
            _message("messageStop", {"stopReason": _FINISH[said.finish]}),
            _message("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
        ),
        role=_delta(""),
        empty=_delta(""),
        fail=lambda fail: (),
        done=b"",
    )


def _delta(text: str) -> bytes:
    return _message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


def _message(kind: str, payload: Any) -> bytes:
    said = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in said.items()
    )
    body = dump(payload)
    lengths = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    whole = lengths + struct.pack(">I", binascii.crc32(lengths)) + headers + body
    return whole + struct.pack(">I", binascii.crc32(whole))


def _error(status: int, kind: str, message: str) -> Reply:
    return json_reply({"message": message}, status, {"x-amzn-errortype": kind, "x-amzn-requestid": "amzn-1"})
