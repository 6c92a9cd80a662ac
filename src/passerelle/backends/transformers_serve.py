"""The request of `transformers serve` (transformers 5.23), which answers an unknown field with 422.

Of OpenAI's fields it knows many that it does nothing with. One that would change the answer is refused here by its
name, so that a target which honours it may be tried; one that would not is left out and named to the caller. A field
that stands in no table could mean anything and is refused.

What no request can mend: temperature and top_p count only where the model's own generation settings sample;
`tools` reach the chat template, and calls are parsed for the families the server knows; the text of an assistant's
message that also calls tools is not shown to the model; hanging up ends a stream's generation, not a whole answer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from passerelle.backends.http_backend import Sent
from passerelle.backends.stops import stops_of
from passerelle.domain.ask import Ask, Capability, Route
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, Told, UpstreamFailed


class Way(StrEnum):
    """What becomes of a field that is set."""

    PASS = "pass"  # it is read there as OpenAI reads it  # noqa: S105 - no password
    NAME = "name"  # left out, and the caller is told
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Row:
    """A field's way. Its `neutral` values mean what its absence means: they are left out and nobody is told."""

    way: Way
    neutral: tuple[Any, ...] = ()

    def is_neutral(self, value: Any) -> bool:
        """Equal in type too: 0 log probabilities are some, False is none."""
        return any(type(value) is type(same) and value == same for same in self.neutral)


_PASS, _NAME, _REFUSE = Row(Way.PASS), Row(Way.NAME), Row(Way.REFUSE)
# It reads frequency_penalty p as a repetition penalty of 1 + p, which ruins the answer, and the other not at all.
_PENALTY = Row(Way.NAME, (0, 0.0))

_BOTH: Mapping[str, Row] = {
    "model": _PASS,
    "max_tokens": _PASS,
    "temperature": _PASS,
    "top_p": _PASS,
    "seed": _PASS,
    "stop": _PASS,
    "stream": _PASS,
    "stream_options": _PASS,  # a later version may ask for usage to be asked for
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "n": Row(Way.REFUSE, (1,)),
    "user": _NAME,
}

CHAT: Mapping[str, Row] = {
    **_BOTH,
    "messages": _PASS,
    "max_completion_tokens": _PASS,  # goes before max_tokens there too
    "logit_bias": Row(Way.PASS, ({},)),
    "chat_template_kwargs": _PASS,
    "tools": Row(Way.PASS, ([],)),
    "tool_choice": _PASS,  # weighed together with tools, below
    "parallel_tool_calls": _PASS,
    # Who asks, who pays, how fast: nothing of the answer.
    "metadata": _NAME,
    "prediction": _NAME,
    "prompt_cache_key": _NAME,
    "prompt_cache_options": _NAME,
    "prompt_cache_retention": _NAME,
    "safety_identifier": _NAME,
    "service_tier": _NAME,
    "store": Row(Way.NAME, (False,)),
    # Wishes about style that no engine promises to keep.
    "reasoning_effort": _NAME,
    "verbosity": _NAME,
    # Another answer, or a part of it that would be missing.
    "audio": _REFUSE,
    "function_call": Row(Way.REFUSE, ("none", "auto")),
    "functions": Row(Way.REFUSE, ([],)),
    "logprobs": Row(Way.REFUSE, (False,)),
    "modalities": Row(Way.REFUSE, (["text"],)),
    "moderation": _REFUSE,
    "response_format": Row(Way.REFUSE, ({"type": "text"},)),
    "top_logprobs": Row(Way.REFUSE, (0,)),
    "web_search_options": _REFUSE,
}

COMPLETIONS: Mapping[str, Row] = {
    **_BOTH,
    "prompt": _PASS,
    "best_of": Row(Way.REFUSE, (1,)),
    "echo": Row(Way.REFUSE, (False,)),
    "logit_bias": Row(Way.REFUSE, ({},)),
    "logprobs": Row(Way.REFUSE, (False,)),
    "suffix": Row(Way.REFUSE, ("",)),  # it is glued to the answer, which does not lead up to it
}

_ROWS: Mapping[Route, Mapping[str, Row]] = {Route.CHAT: CHAT, Route.COMPLETIONS: COMPLETIONS}

_TEXT = frozenset({"text", "input_text", "output_text"})
# Parts of a message that a model without eyes is not shown, and nobody is told.
_SEEN = frozenset({"image_url", "input_image", "video_url"})


def request(ask: Ask, sent: Sent, target: Target) -> Sent:
    """OpenAI's request in this server's words. Raises UpstreamFailed(UNSUPPORTED) for what it would ignore."""
    rows = _ROWS.get(ask.route)
    if rows is None:
        raise _unsupported("model", f"has no route for {ask.route.value}")
    body, ignored = _sift(sent.body, rows)
    if "stop" in body:
        stops = stops_of(body)
        if stops:
            body["stop"] = list(stops)
        else:
            del body["stop"]  # an empty list is an error there
    if ask.route is Route.CHAT:
        body["messages"] = [_message(message, target.offers) for message in body["messages"]]
        _choose_tools(body)
        if "logit_bias" in body:
            body["logit_bias"] = _biases(body["logit_bias"])
    else:
        body["prompt"] = _prompt(body["prompt"])
    return Sent(sent.path, body, ignored, sent.headers)


def _sift(body: Mapping[str, Any], rows: Mapping[str, Row]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields that are passed on, and the names of those that are not although they say something."""
    kept: dict[str, Any] = {}
    ignored: list[str] = []
    for name, value in body.items():
        row = rows.get(name, _REFUSE)
        if value is None or row.is_neutral(value):
            continue
        if row.way is Way.REFUSE:
            raise _unsupported(name)
        if row.way is Way.PASS:
            kept[name] = value
        else:
            ignored.append(name)
    return kept, tuple(ignored)


def _choose_tools(body: dict[str, Any]) -> None:
    """It knows no tool_choice: "auto" is what it does, and "none" is a request without tools."""
    choice = body.pop("tool_choice", "auto")
    parallel = body.pop("parallel_tool_calls", True)
    if "tools" not in body:
        return
    if choice == "none":
        del body["tools"]
    elif choice != "auto":
        raise _unsupported("tool_choice", "cannot be made to call a tool")
    elif parallel is not True:
        raise _unsupported("parallel_tool_calls", "cannot be held to one call at a time")


def _message(message: Mapping[str, Any], offers: frozenset[Capability]) -> dict[str, Any]:
    """A message without nulls and without an empty list of calls, which would cost it its text or the answer."""
    content = message.get("content")
    if isinstance(content, list):
        known = _TEXT | _SEEN if Capability.VISION in offers else _TEXT
        for part in content:
            if not isinstance(part, dict) or part.get("type") not in known:
                raise _unsupported("messages", "is not known to read every part of these messages")
    return {
        name: value
        for name, value in message.items()
        if value is not None and not (name == "tool_calls" and not value)
    }


def _biases(biases: Any) -> dict[str, float]:
    """Biases by token id; it takes only numbers with a fraction and falls over any other."""
    try:
        return {str(int(token)): float(bias) for token, bias in biases.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise _unsupported("logit_bias", "takes token ids with a number each") from error


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise _unsupported("prompt", "takes one text at a time")
    return prompt


def _unsupported(param: str, why: str = "") -> UpstreamFailed:
    message = f"transformers serve {why}." if why else f"transformers serve does not support {param}."
    return UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(param=param))
