"""The JSON that TGI 3.3.7 writes, key by key in its own order: no state, no decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes.script import Fail
from tests.fakes.speech import Said, token_id, words
from tests.fakes.wire import Reply, json_reply

Json = dict[str, Any]

CHAT_FINISH = {"end": "stop", "length": "length", "stop": "stop_sequence"}
NATIVE_FINISH = {"end": "eos_token", "length": "length", "stop": "stop_sequence"}

# kind of failure -> status, message, error_type
ERRORS: Mapping[str, tuple[int, str, str]] = {
    "overloaded": (429, "Model is overloaded", "overloaded"),
    "generation": (424, "Request failed during generation: Server error: CUDA out of memory", "generation"),
    "server": (424, "Request failed during generation: Server error: transport error", "generation"),
    "validation": (422, "Input validation error: `inputs` cannot be empty", "validation"),
    "incomplete": (500, "Incomplete generation", "incomplete_generation"),
    "tool": (422, "Tool error: Tool with name x not found", "tool_error"),
}


def error(kind: str, message: str = "") -> Reply:
    """A failure as a status code, as the routes report it before anything is streamed."""
    status, usual, error_type = ERRORS[kind]
    return json_reply({"error": message or usual, "error_type": error_type}, status)


def native_failure(fail: Fail) -> Json:
    """A failure inside `/generate_stream`."""
    _, usual, error_type = ERRORS[fail.kind]
    return {
        "error": fail.message or usual,
        "error_type": error_type + ("_stream" if fail.kind == "incomplete" else ""),
    }


def openai_failure(fail: Fail) -> Json:
    """A failure inside a stream of the OpenAI routes: 422 whatever happened."""
    return {"error": {"message": fail.message or ERRORS[fail.kind][1], "http_status_code": 422}}


def stream_headers(prompt: str) -> dict[str, str]:
    """The few headers a stream carries."""
    characters = str(len(prompt))
    return {"x-compute-type": "1-nvidia-a10g", "x-compute-characters": characters, "x-accel-buffering": "no"}


def headers(said: Said, prompt: str, *, queue_time: int) -> dict[str, str]:
    """The headers of a finished answer: where its time went, in ms, and what it cost."""
    times = {"total": 10 + queue_time, "validation": 1, "queue": queue_time, "inference": 9}
    return {
        "x-compute-type": "1-nvidia-a10g",
        "x-compute-time": f"{times['total'] / 1000}",
        "x-compute-characters": str(len(prompt)),
        **{f"x-{name}-time": str(ms) for name, ms in times.items()},
        "x-time-per-token": "3",
        "x-prompt-tokens": str(said.prompt_tokens),
        "x-generated-tokens": str(said.completion_tokens),
    }


def usage(told: Iterable[Said]) -> dict[str, int]:
    """Tokens of one answer, or of a batch."""
    told = list(told)
    prompt, completion = (
        sum(said.prompt_tokens for said in told),
        sum(said.completion_tokens for said in told),
    )
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def text(content: str) -> Json:
    """A message or a delta with text; TGI repeats the role in each."""
    return {"role": "assistant", "content": content}


def choice(delta: Json, *, finish: str | None = None, logprobs: Json | None = None) -> Json:
    """The one choice of a chat chunk."""
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def logprobs(pieces: Iterable[str]) -> Json:
    """Log probabilities of tokens, the same for all."""
    return {"content": [{"token": piece, "logprob": -0.25, "top_logprobs": []} for piece in pieces]}


def message(said: Said) -> Json:
    """The message of a whole chat answer. Arguments of tool calls are text that holds JSON."""
    if not said.tools:
        return text(said.text)
    functions = [{"description": None, "name": call.name, "arguments": call.arguments} for call in said.tools]
    calls = [{"id": str(i), "type": "function", "function": function} for i, function in enumerate(functions)]
    return {"role": "assistant", "tool_calls": calls}


def chat_choices(said: Said, *, seen: bool) -> Iterable[Json]:
    """The choices of a chat stream's chunks, one token each.

    `seen` adds log probabilities. The end-of-sequence token is a chunk of its own and special, so it carries
    the reason and no text.
    """
    last = None if said.finish == "end" else len(said.pieces) - 1
    for index, piece in enumerate(said.pieces):
        finish = CHAT_FINISH[said.finish] if index == last else None
        yield choice(text(piece), finish=finish, logprobs=logprobs([piece]) if seen else None)
    if last is None:
        yield choice(text(""), finish="stop")


def tool_choices(said: Said, finish: str | None) -> Iterable[Json]:
    """The choices of a stream of tool calls: every delta repeats id and type, only the first has the name."""
    for index, call in enumerate(said.tools):
        for part, piece in enumerate(words(call.arguments)):
            function = {"name": call.name if part == 0 else None, "arguments": piece}
            called = {"index": index, "id": str(index), "type": "function", "function": function}
            yield choice({"role": "assistant", "tool_calls": [called]})
    if finish:
        yield choice(text(""), finish=finish)


def token(piece: str, *, special: bool = False) -> Json:
    """One generated token."""
    return {"id": 2 if special else token_id(piece), "text": piece, "logprob": -0.25, "special": special}


def token_event(index: int, piece: str, *, special: bool = False) -> Json:
    """One event of `/generate_stream` that is not the last."""
    return {"index": index, "token": token(piece, special=special), "generated_text": None, "details": None}


def top_tokens(piece: str, most: int) -> list[Json]:
    """The likeliest tokens in the place of one that was generated, which comes first."""
    others = [{**token(f"{piece}~{rank}"), "logprob": -1.0 - rank} for rank in range(1, most)]
    return [token(piece), *others]


def _generated(said: Said) -> list[tuple[str, bool]]:
    """What was generated, each with whether it is special: an end of sequence is, and is in no text."""
    return [(piece, False) for piece in said.pieces] + ([("</s>", True)] if said.finish == "end" else [])


def token_events(said: Said, prefix: str, *, details: bool, top_n: int = 0) -> Iterable[Json]:
    """All events of `/generate_stream`; the last one has the whole text. Empty lists are left out."""
    generated = _generated(said)
    for index, (piece, special) in enumerate(generated, 1):
        event = token_event(index, piece, special=special)
        if top_n:
            event["top_tokens"] = top_tokens(piece, top_n)
        if index == len(generated):
            ended = {
                "finish_reason": NATIVE_FINISH[said.finish],
                "generated_tokens": said.completion_tokens,
                "seed": None,
                "input_length": said.prompt_tokens,
            }
            event |= {"generated_text": prefix + said.text, "details": ended if details else None}
        yield event


def details(said: Said, inputs: str, *, prefill: bool, top_n: int = 0, best_of: int = 1) -> Json:
    """The details of `/generate`; `prefill` lists the prompt's tokens too, the one that begins it first.

    The sequences beside the best one all say `moindre`.
    """
    seen = [{"id": token_id(word), "text": word, "logprob": -0.5} for word in words(inputs)]
    tokens = [token(piece, special=special) for piece, special in _generated(said)]
    sequence = {
        "finish_reason": NATIVE_FINISH[said.finish],
        "generated_tokens": said.completion_tokens,
        "seed": None,
        "prefill": [{"id": 1, "text": "<s>", "logprob": None}, *seen] if prefill else [],
        "tokens": tokens,
    }
    worse = {**sequence, "generated_text": "moindre", "generated_tokens": 1, "tokens": [token("moindre")]}
    whole = {**sequence, "best_of_sequences": [worse] * (best_of - 1)} if best_of > 1 else sequence
    tops = [top_tokens(piece, top_n) for piece, _ in _generated(said)] if top_n else []
    return {**whole, "top_tokens": tops} if tops else whole


def simple_tokens(inputs: str) -> list[Json]:
    """What `/tokenize` says: character offsets into the input."""
    tokens, start = [], 0
    for word in words(inputs):
        tokens.append({"id": token_id(word), "text": word, "start": start, "stop": start + len(word)})
        start += len(word)
    return tokens
