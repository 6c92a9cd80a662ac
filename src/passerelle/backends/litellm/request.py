"""OpenAI's requests as arguments of LiteLLM's calls. Pure.

Only names on a list are handed on: LiteLLM takes addresses, credentials, retries and mocks by the same road as a
model's parameters, and none of them is a caller's to set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, Told, UpstreamFailed

# Parameters of a chat that change the answer: one that the provider does not take is refused by name.
_NEEDED = frozenset(
    [
        "audio",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "modalities",
        "n",
        "prediction",
        "response_format",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
    ]
)
# Parameters that an answer is still an answer without: they are left out and named.
_WISHED = frozenset(
    [
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "service_tier",
        "user",
        "verbosity",
    ]
)
# Not OpenAI's, and known to providers that LiteLLM translates for.
_OTHERS = frozenset({"thinking", "top_k"})
# What says nothing: an engine is not asked to bear with it.
_NEUTRAL: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "function_call": "auto",
    "functions": [],
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "service_tier": "auto",
    "stop": [],
    "tools": [],
    "top_logprobs": 0,
    "store": False,
}
_OWN = frozenset({"model", "messages", "stream", "stream_options", "input", "query", "documents"})
_MOST_NAMED = 16  # parameters that an answer's header names
_MOST_CHARS = 64


def unsupported(param: str, message: str) -> UpstreamFailed:
    """The failure that says which parameter this backend cannot honour."""
    return UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(param=param))


def chat(
    ask: Ask, *, provider: str, supported: Collection[str] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arguments of `acompletion` and the parameters left out; `supported` is what LiteLLM says the model takes.

    Raises UpstreamFailed(UNSUPPORTED) for what would be misread, or make this process fetch or run something.
    """
    given = {
        name: value
        for name, value in ask.body.items()
        if name not in _OWN and value is not None and _NEUTRAL.get(name, _ABSENT) != value
    }
    if given.get("max_completion_tokens"):
        given.pop("max_tokens", None)  # two names of one field
    _check_tools(given)
    _check_media(ask.body["messages"], provider)
    if ask.stream and given.get("n", 1) != 1:
        raise unsupported("n", "LiteLLM streams one choice at a time.")
    handed: dict[str, Any] = {"messages": ask.body["messages"], "stream": ask.stream}
    if ask.stream:
        handed["stream_options"] = {"include_usage": True}
    ignored: list[str] = []
    for name, value in given.items():
        takes = supported is None or name in supported
        if (takes and name in _NEEDED | _WISHED) or name in _OTHERS:
            handed[name] = value
        elif name in _NEEDED:
            raise unsupported(name, f"{provider} does not support {name} for this model.")
        else:
            ignored.append(name[:_MOST_CHARS])
    return handed, tuple(ignored[:_MOST_NAMED])


_ABSENT = object()


def _check_tools(given: Mapping[str, Any]) -> None:
    """Functions are the caller's to run; any other tool would be run by the provider, or by this process."""
    for tool in given.get("tools", ()):
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise unsupported("tools", "Only tools of type function are handed to this provider.")


def _check_media(messages: Any, provider: str) -> None:
    """LiteLLM would fetch a URL for most providers; Anthropic takes https ones and fetches them itself."""
    for url in _urls(messages):
        remote = url.lower().startswith(("http://", "https://"))
        if remote and not (provider == "anthropic" and url.startswith("https://")):
            raise unsupported(
                "messages", "Send images and files as data: URLs; this provider is given no addresses."
            )


def _urls(messages: Any) -> Iterator[str]:
    """Every address in the parts of messages, wherever a part keeps it."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") != "text":
                yield from _texts(part)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def embeddings(ask: Ask) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arguments of `aembedding` and the parameters left out. The encoding is ours to make."""
    handed: dict[str, Any] = {"input": ask.body["input"]}
    if ask.body.get("dimensions") is not None:
        handed["dimensions"] = ask.body["dimensions"]
    left = (name for name, value in ask.body.items() if value is not None and name not in _EMBEDDED)
    return handed, tuple(name[:_MOST_CHARS] for name in left)[:_MOST_NAMED]


_EMBEDDED = frozenset({"model", "input", "dimensions", "encoding_format", "stream"})


def ranking(ask: Ask, documents: list[str]) -> dict[str, Any]:
    """Arguments of `arerank`: every document is scored, and what is kept of them is ours to say."""
    return {
        "query": ask.body["query"],
        "documents": documents,
        "top_n": len(documents),
        "return_documents": False,
    }
