"""OpenAI's text completions in the words of TGI's native API, and its answers in OpenAI's. Pure.

TGI's own `/v1/completions` reads ten fields (CompletionRequest in its docs/openapi.json) and drops every other one
without a word: grammars, log probabilities, `echo`, `best_of`, most ways to sample. `/generate` honours them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from passerelle.backends.tgi_words import FINISH, grammar_of, unsupported
from passerelle.domain.ask import Ask, Route
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.sse import DONE, event_of

MOST_PROMPTS = 128  # of one request; each is a call of its own

# What only the native API honours.
_NATIVE = frozenset(
    {
        "adapter_id",
        "best_of",
        "decoder_input_details",
        "details",
        "do_sample",
        "echo",
        "grammar",
        "logprobs",
        "response_format",
        "top_k",
        "top_n_tokens",
        "truncate",
        "typical_p",
        "watermark",
    }
)
# Values that ask for nothing, and that TGI would refuse where it has no such value.
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "response_format": ({"type": "text"},),
    "top_k": (0, -1),
    "top_n_tokens": (0,),
    "top_p": (1,),
    "typical_p": (1,),
}
# Sent under the names they came with.
_SAME = (
    "best_of",
    "frequency_penalty",
    "repetition_penalty",
    "seed",
    "top_k",
    "top_p",
    "truncate",
    "typical_p",
    "watermark",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A completions request in TGI's words, and what of the answers its caller wants to see.

    `parameters` are keyword arguments of `text_generation`. `logprobs` is how many of the likeliest tokens are listed
    at each position, None for no log probabilities at all.
    """

    id: str
    model: str
    created: int  # Unix seconds
    prompts: tuple[str, ...]
    parameters: Mapping[str, Any]
    ignored: tuple[str, ...]
    echo: bool
    logprobs: int | None
    details: bool


def needs_native(ask: Ask) -> bool:
    """Whether a request asks for what TGI's OpenAI routes would drop without a word."""
    return ask.route is Route.COMPLETIONS and any(_given(ask.body, name) for name in _NATIVE)


def _given(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or (value is False and name != "do_sample"):
        return False
    return value not in _NOTHING.get(name, ())


def wanted(ask: Ask, target: Target, *, adapters: Collection[str], created: int) -> Wanted:
    """The request in TGI's words. Raises UpstreamFailed(UNSUPPORTED) for what it cannot honour."""
    body = ask.body
    adapter = target.model if target.model in adapters else None
    _refuse(ask, adapter)
    likeliest = body.get("logprobs") if _given(body, "logprobs") else None
    echo = _given(body, "echo")
    parameters = {
        **{name: body[name] for name in _SAME if _given(body, name)},
        **_sampling(body),
        "adapter_id": adapter,
        "decoder_input_details": _given(body, "decoder_input_details")
        or (echo and likeliest is not None)
        or None,
        "grammar": _grammar(body),
        "max_new_tokens": body.get("max_completion_tokens") or body.get("max_tokens"),
        "return_full_text": (echo and not ask.stream) or None,
        "stop": [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop"),
        "top_n_tokens": _top_n(body.get("top_n_tokens"), likeliest),
    }
    return Wanted(
        id=f"cmpl-{ask.request_id}",
        model=target.model,
        created=created,
        prompts=_prompts(body["prompt"]),
        parameters={name: value for name, value in parameters.items() if value is not None},
        ignored=("presence_penalty",) if body.get("presence_penalty") else (),
        echo=echo,
        logprobs=None if likeliest is None else likeliest if type(likeliest) is int else 0,
        details=any(_given(body, name) for name in ("details", "decoder_input_details", "top_n_tokens")),
    )


def _refuse(ask: Ask, adapter: str | None) -> None:
    """Raise for what the native API does not have either, or has only outside streams."""
    body = ask.body
    if body.get("n") not in (None, 1):
        raise unsupported("n")
    for name in ("logit_bias", "suffix"):
        if body.get(name):
            raise unsupported(name)
    if _given(body, "adapter_id") and body["adapter_id"] != adapter:
        # An adapter is a model of the configuration: which one a tenant may ask is not the caller's to choose.
        raise unsupported("adapter_id", "other than the target's own")
    if _given(body, "grammar") and _given(body, "response_format"):
        raise unsupported("grammar", "together with response_format")
    if ask.stream and _given(body, "echo") and _given(body, "logprobs"):
        raise unsupported("echo", "together with logprobs in a stream")


def _prompts(prompt: Any) -> tuple[str, ...]:
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if not all(isinstance(text, str) for text in prompts):
        raise unsupported("prompt", "as token ids")
    if len(prompts) > MOST_PROMPTS:
        raise unsupported("prompt", f"with more than {MOST_PROMPTS} texts")
    return prompts


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    """`do_sample` and `temperature` as TGI's OpenAI routes set them: greedy at 0, sampled at any other or none.

    Left alone, the native API would be greedy where nothing is said, and refuse a temperature of 0.
    """
    temperature = body.get("temperature")
    sample = body["do_sample"] if _given(body, "do_sample") else temperature != 0
    return {"do_sample": sample, "temperature": temperature or None}


def _top_n(stated: Any, likeliest: Any) -> Any:
    """How many of the likeliest tokens TGI lists: enough for both who ask, None for none.

    What is no number goes on as it is, for TGI to refuse.
    """
    asked = [value for value in (stated, likeliest) if value is not None and not isinstance(value, bool)]
    odd = [value for value in asked if not isinstance(value, int)]
    return odd[0] if odd else max(asked, default=None) or None


def _grammar(body: Mapping[str, Any]) -> dict[str, Any] | None:
    grammar = body["grammar"] if _given(body, "grammar") else None
    if _given(body, "response_format"):
        grammar = grammar_of(body["response_format"])
    if not isinstance(grammar, dict):
        return grammar
    kind, value = grammar.get("type"), grammar.get("value")
    if kind == "json_schema" and isinstance(value, dict) and isinstance(value.get("schema"), dict):
        kind, value = "json", value["schema"]
    if kind == "json_object":
        kind = "json"
    if kind == "json" and isinstance(value, dict) and _holds_null(value):
        # huggingface_hub drops nulls at any depth, which a schema means something by; TGI reads it as text too.
        value = orjson.dumps(value).decode()
    return {**grammar, "type": kind, "value": value}


def _holds_null(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(_holds_null, node.values()))
    return node is None or (isinstance(node, list) and any(map(_holds_null, node)))


# Answers. Each takes outputs as the wire room gives them: absent fields are None.


def completion(wanted: Wanted, outputs: Iterable[tuple[Mapping[str, Any], str | None]]) -> dict[str, Any]:
    """The text completion of whole outputs, one for each prompt, each with the reply's header `x-prompt-tokens`.

    It has no usage where TGI did not say how long a prompt was. Raises UpstreamFailed for what is no answer.
    """
    choices, counts = [], []
    for index, (output, header) in enumerate(outputs):
        try:
            choices.append(_choice(wanted, index, output))
            counts.append(_counts(output["details"], header))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _not_understood() from error
    whole = {**_head(wanted), "choices": choices}
    known = [count for count in counts if count is not None]
    return {**whole, "usage": usage_for(known)} if len(known) == len(counts) else whole


def usage_for(counts: Iterable[tuple[int, int]]) -> dict[str, int]:
    """OpenAI's usage for tokens of prompts and of completions."""
    prompt, completion = map(sum, zip(*counts, strict=True))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _head(wanted: Wanted) -> dict[str, Any]:
    return {"id": wanted.id, "object": "text_completion", "created": wanted.created, "model": wanted.model}


def _choice(wanted: Wanted, index: int, output: Mapping[str, Any]) -> dict[str, Any]:
    text, details = output["generated_text"], output["details"]
    if not isinstance(text, str):
        raise _not_understood()
    reason = details["finish_reason"]
    choice = {
        "index": index,
        "text": text,
        "logprobs": _logprobs_of(wanted, index, details),
        "finish_reason": FINISH.get(reason, reason),
    }
    return {**choice, "details": details} if wanted.details else choice


def _counts(details: Mapping[str, Any], header: str | None) -> tuple[int, int] | None:
    """Tokens of the prompt and of all that was generated, the sequences that were not the best included."""
    if header is not None and header.isdecimal():
        prompt = int(header)
    elif details.get("prefill"):
        prompt = len(details["prefill"])
    else:
        return None
    others = details.get("best_of_sequences") or ()
    return prompt, details["generated_tokens"] + sum(other["generated_tokens"] for other in others)


def _logprobs_of(wanted: Wanted, index: int, details: Mapping[str, Any]) -> dict[str, Any] | None:
    if wanted.logprobs is None:
        return None
    positions = _Positions(wanted.logprobs)
    if wanted.echo:
        positions.echo(wanted.prompts[index], details.get("prefill") or ())
    tops = details.get("top_tokens") or ()
    for place, token in enumerate(details["tokens"]):
        positions.add(token, tops[place] if place < len(tops) else ())
    return positions.shown()


class _Positions:
    """OpenAI's `logprobs` of a text completion, position by position. Offsets are characters of the choice's text.

    Special tokens are left out: they are not in the text.
    """

    def __init__(self, most: int, start: int = 0) -> None:
        self._most = most
        self._end = start
        self._tokens: list[str] = []
        self._logprobs: list[float | None] = []
        self._tops: list[dict[str, float | None] | None] = []
        self._offsets: list[int] = []

    def add(self, token: Mapping[str, Any], tops: Iterable[Mapping[str, Any]]) -> None:
        """A generated token and the likeliest ones in its place."""
        if token["special"]:
            return
        listed = sorted(tops, key=lambda top: -(top["logprob"] or 0.0))[: self._most]
        top = {each["text"]: each["logprob"] for each in listed}
        self._put(token, {**top, token["text"]: token["logprob"]} if self._most else None, self._end)
        self._end += len(token["text"])

    def echo(self, prompt: str, prefill: Iterable[Mapping[str, Any]]) -> None:
        """The tokens of the prompt; the first has no probability, and one that begins it may not be in its text."""
        place = self._end
        for token in prefill:
            self._put(token, None, place)
            place += len(token["text"]) if prompt.startswith(token["text"], place) else 0
        self._end += len(prompt)

    def _put(self, token: Mapping[str, Any], top: dict[str, float | None] | None, offset: int) -> None:
        self._tokens.append(token["text"])
        self._logprobs.append(token["logprob"])
        self._tops.append(top)
        self._offsets.append(offset)

    def shown(self) -> dict[str, Any]:
        """As OpenAI writes it."""
        return {
            "tokens": self._tokens,
            "token_logprobs": self._logprobs,
            "top_logprobs": self._tops if self._most else None,
            "text_offset": self._offsets,
        }


class Chunks:
    """One prompt's events, made chunks of a text completion.

    `counts` is set once the answer is complete: tokens of the prompt and of the completion.
    """

    def __init__(self, wanted: Wanted, index: int) -> None:
        self._wanted = wanted
        self._index = index
        self._end = 0
        self._echo = wanted.prompts[index] if wanted.echo else ""
        self.counts: tuple[int, int] | None = None

    def take(self, event: Mapping[str, Any]) -> bytes:
        """The chunk of an event, b"" where it holds nothing to show. Raises UpstreamFailed for what is no event."""
        try:
            return self._chunk(event)
        except (KeyError, TypeError, AttributeError) as error:
            raise _not_understood() from error

    def _chunk(self, event: Mapping[str, Any]) -> bytes:
        token, details = event["token"], event["details"]
        said = "" if token["special"] else token["text"]
        if details is not None:
            self.counts = details["input_length"], details["generated_tokens"]
        elif not said:
            return b""
        text, self._echo = (
            self._echo + said,
            "",
        )  # not before the engine has begun: it may still fail, and be replaced
        reason = details["finish_reason"] if details is not None else None
        choice: dict[str, Any] = {"index": self._index, "text": text, "logprobs": None}
        if self._wanted.logprobs is not None and said:
            positions = _Positions(self._wanted.logprobs, self._end)
            positions.add(token, event["top_tokens"] or ())
            choice["logprobs"] = positions.shown()
        self._end += len(said)
        choice["finish_reason"] = FINISH.get(reason, reason) if reason else None
        if self._wanted.details and details is not None:
            choice["details"] = details
        return event_of(orjson.dumps({**_head(self._wanted), "choices": [choice]}))


def closing(wanted: Wanted, counts: Iterable[tuple[int, int]]) -> bytes:
    """The end of a stream whose prompts have all been answered: usage, then the end mark."""
    return event_of(orjson.dumps({**_head(wanted), "choices": [], "usage": usage_for(counts)})) + DONE


def _not_understood() -> UpstreamFailed:
    return UpstreamFailed(Fault.BROKEN, "The engine's answer is not one of TGI's native API.")
