"""Kind `builtin`: the engine of this package as a backend, in OpenAI's format, streaming and not.

Work runs in one thread, so that the event loop never waits for it and calls take their turn.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import Any, ClassVar, Literal, TypeVar

import orjson
from pydantic import Field

from passerelle.backends.base import Reply
from passerelle.backends.builtin import chat
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import BadInput, BuiltinError, CannotFill, Unsupported
from passerelle.backends.builtin.rerank import rerank
from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Ask, Capability, Route, Task, Usage
from passerelle.domain.catalog import BackendSpec, Location, Party, Target
from passerelle.domain.errors import CannotRun, Fault, Told, UpstreamFailed
from passerelle.domain.facts import Load, State, Survey
from passerelle.wire.base64 import to_base64
from passerelle.wire.sse import DONE, event_of

EXTRACTIVE = "builtin/extractive"

_T = TypeVar("_T")


class BuiltinOptions(BackendOptions):
    """Options of kind `builtin`. `folder` holds an encoder of your own instead of the packaged one."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT, Task.EMBED, Task.RERANK})
    lacks: ClassVar[frozenset[Capability]] = frozenset({Capability.TOOLS, Capability.VISION})

    kind: Literal["builtin"]
    folder: str | None = Field(
        default=None, description="A folder with model.onnx and tokenizer.json, for another embedding model."
    )

    def where(self) -> Location:
        """In this process: nothing leaves it, and whoever runs it is the operator."""
        stated = super().where()
        return Location(stated.country, stated.operator or "self")

    def parties(self, name: str) -> tuple[Party, ...]:
        """Nobody: what is asked here never leaves the process that was asked."""
        return ()


class BuiltinBackend:
    """The engine behind the seam of all backends."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="builtin")

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`. The answer is whole before a stream of it begins."""
        if ask.route is Route.EMBEDDINGS:
            return await self._work(functools.partial(embed, ask.body, self._embedder, model=target.model))
        if ask.route is Route.RERANK:
            return await self._work(functools.partial(rerank, ask, self._embedder, model=target.model))
        produce = chat.produce if ask.route is Route.CHAT else chat.produce_completion
        produced = await self._work(functools.partial(produce, ask.body, self._embedder))
        usage = Usage(produced.prompt_tokens, produced.completion_tokens)
        if ask.stream:
            return Reply("self", stream=Pieces(chunks(ask, produced)), usage=usage)
        return Reply("self", orjson.dumps(completion(ask, produced)), usage=usage)

    async def _work(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Unsupported as error:
            raise UpstreamFailed(Fault.UNSUPPORTED, error.message, told=Told(param=error.what)) from error
        except CannotFill as error:
            raise UpstreamFailed(
                Fault.UNSUPPORTED, error.message, told=Told(param="response_format")
            ) from error
        except BadInput as error:
            told = Told(400, error.message, param=error.param, code="invalid_value")
            raise UpstreamFailed(Fault.REQUEST, error.message, told=told) from error
        except BuiltinError as error:  # the model is missing or damaged
            raise UpstreamFailed(Fault.SERVER, error.message) from error

    async def survey(self, models: Collection[str]) -> Survey:
        """It runs in this process and is always there."""
        return Survey(State.READY, about=(("runs", "in this process, without a language model"),))

    async def load(self) -> Load | None:
        """Its one thread has no queue of its own to speak of."""
        return None

    async def resume(self) -> None:
        """There is nothing to resume."""
        raise CannotRun("This backend cannot be resumed.", "It runs in this process.")

    async def aclose(self) -> None:
        """End the thread; work under way is finished first."""
        await asyncio.to_thread(self._thread.shutdown, wait=True)


def open_backend(spec: BackendSpec, *, models: Path) -> BuiltinBackend:
    """A backend of this kind; `models` keeps the packaged model once it is built."""
    folder = spec.options.folder
    return BuiltinBackend(Embedder(cache=models, folder=Path(folder) if folder else None))


class Pieces:
    """A stream whose pieces are there already."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    async def read(self) -> bytes:
        """The next piece; b"" at the end."""
        return next(self._pieces, b"")

    def close(self) -> None:
        """Nothing to let go of."""


def completion(ask: Ask, produced: chat.Produced) -> dict[str, Any]:
    """The whole answer in OpenAI's format."""
    total = produced.prompt_tokens + produced.completion_tokens
    message = {"role": "assistant", "content": produced.text, "refusal": None}
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": produced.finish_reason}
    choice |= {"message": message} if ask.route is Route.CHAT else {"text": produced.text}
    return {
        **_outer(ask, "chat.completion" if ask.route is Route.CHAT else "text_completion"),
        "choices": [choice],
        "usage": {
            "prompt_tokens": produced.prompt_tokens,
            "completion_tokens": produced.completion_tokens,
            "total_tokens": total,
        },
    }


def chunks(ask: Ask, produced: chat.Produced) -> Iterator[bytes]:
    """The answer as OpenAI's chunks: the role, words, the finish reason, the usage, the end mark."""
    is_chat = ask.route is Route.CHAT
    outer = _outer(ask, "chat.completion.chunk" if is_chat else "text_completion")

    def chunk(part: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish}
        choice |= {"delta": part} if is_chat else {"text": part.get("content", "")}
        return event_of(orjson.dumps({**outer, "choices": [choice]}))

    if is_chat:
        yield chunk({"role": "assistant", "content": ""})
    for piece in chat.pieces(produced.text):
        yield chunk({"content": piece})
    yield chunk({}, produced.finish_reason)
    usage = completion(ask, produced)["usage"]
    yield event_of(orjson.dumps({**outer, "choices": [], "usage": usage}))
    yield DONE


def embed(body: Mapping[str, Any], embedder: Embedder, *, model: str) -> Reply:
    """OpenAI's reply with the embeddings of a request; it says when a text was longer than the model reads."""
    given = body["input"]
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]
    if not all(given):
        raise BadInput("input", "must not hold an empty text.")
    embedded = embedder.embed(given, dimensions=body.get("dimensions"))
    encode = body.get("encoding_format") == "base64"
    rows = embedded.vectors.tolist()
    data = [
        {"object": "embedding", "index": index, "embedding": to_base64(row) if encode else row}
        for index, row in enumerate(rows)
    ]
    tokens = sum(embedded.tokens)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    reply = {"object": "list", "data": data, "model": f"builtin/{model}", "usage": usage}
    dropped = sum(embedded.dropped)
    ignored = (f"{dropped} tokens of input past {embedder.files.max_tokens} each",) if dropped else ()
    return Reply("self", orjson.dumps(reply), usage=Usage(prompt_tokens=tokens), ignored=ignored)


def _outer(ask: Ask, kind: str) -> dict[str, Any]:
    prefix = "chatcmpl" if ask.route is Route.CHAT else "cmpl"
    return {
        "id": f"{prefix}-{ask.request_id}",
        "object": kind,
        "created": int(time()),
        "model": EXTRACTIVE,
        "system_fingerprint": None,
    }
