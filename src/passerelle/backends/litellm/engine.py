"""Kind `litellm` behind the seam of all backends: LiteLLM translates, the connections are ours.

LiteLLM is imported in a thread when such a backend is first asked, about itself or for an answer, and never
for any other kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import orjson

from passerelle.backends import ranks
from passerelle.backends.base import Reply
from passerelle.backends.litellm import answer, request, table
from passerelle.backends.litellm.errors import translated
from passerelle.backends.litellm.library import Library, load
from passerelle.domain.ask import Ask, Route
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.errors import CannotRun, Fault, UpstreamFailed
from passerelle.domain.facts import Facts, Known, Load, State, Survey
from passerelle.wire.exchange import Exchange
from passerelle.wire.session import Session, open_session
from passerelle.wire.sse import DONE, event_of

_CURE = 'Install it: pip install "passerelle[litellm]".'

# What the last events of a whole stream hold; LiteLLM says "stop" for one that broke off as well. In JSON a quote
# inside a string is escaped, so no text that a model wrote can look like these.
_ENDS: Mapping[str, tuple[bytes, ...]] = {
    "anthropic": (b'"message_stop"',),
    "gemini": (b'"finishReason"', b'"blockReason"'),
}


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: what is asked, of which of the provider's models, and the way it goes."""

    ask: Ask
    model: str
    library: Library
    exchange: Exchange


class LiteLLMBackend:
    """One provider, asked through LiteLLM over a session of this backend's own."""

    def __init__(self, spec: BackendSpec) -> None:
        options = spec.options
        self._reaches: frozenset[str] = options.reaches()
        self._provider: str = options.provider
        self._served_by = spec.location.operator or options.provider
        self._access: dict[str, Any] = options.access(spec.secrets)
        self._connect = spec.limits.connect
        self._session: Session | None = None
        self._loading: asyncio.Task[Library] | None = None

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`."""
        library = await self._library()
        exchange = Exchange(
            self._pool(), request_id=ask.request_id, streams=ask.stream, ends=_ENDS.get(self._provider, ())
        )
        try:
            return await self._start(_Call(ask, target.model, library, exchange))
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what its many authors thought of
            failed = translated(error, exchange.failure, asked=bool(exchange.requests))
        except BaseException:  # cancelled: hang up on the provider
            exchange.close()
            raise
        exchange.close()
        raise failed  # out of the except block: LiteLLM's texts are not even its context

    async def _start(self, call: _Call) -> Reply:
        ask, payload, usage, stream = call.ask, b"", None, None
        if ask.route is Route.CHAT:
            supported = call.library.takes(self._provider, call.model)
            given, ignored = request.chat(ask, provider=self._provider, supported=supported)
            made = await self._made(call, "acompletion", given)
            if ask.stream:
                stream = Chunks(ask, made, call.exchange)
                await stream.begin()
            else:
                payload, usage = answer.completion(ask, made)
        elif ask.route is Route.EMBEDDINGS:
            given, ignored = request.embeddings(ask)
            payload, usage = answer.embeddings(ask, await self._made(call, "aembedding", given))
        elif ask.route is Route.RERANK:
            documents, ignored = ranks.documents_of(ask), ranks.unread(ask)
            made = await self._made(call, "arerank", request.ranking(ask, documents))
            payload = answer.ranking(ask, made, model=call.model)
        else:
            raise request.unsupported("prompt", f"Kind litellm does not answer /v1/{ask.route.value}.")
        if not call.exchange.requests:
            raise UpstreamFailed(
                Fault.SERVER,
                f"LiteLLM asks {self._provider} over connections of its own, which cannot be looked after.",
            )
        return Reply(
            self._served_by,
            payload,
            stream=stream,
            usage=usage,
            upstream_id=call.exchange.upstream_id,
            ignored=ignored,
        )

    async def _made(self, call: _Call, name: str, given: dict[str, Any]) -> Any:
        """What LiteLLM's function of that name makes. Raises whatever it raises."""
        library, ask = call.library, call.ask
        if not library.knows(self._provider):
            raise UpstreamFailed(Fault.MODEL, f"LiteLLM knows no provider {self._provider}.")
        model = f"{self._provider}/{call.model}"
        return await getattr(library.module, name)(
            model=model,
            **given,
            **self._access,
            client=library.over(call.exchange, model=model, access=self._access),
            litellm_logging_obj=library.unheard(
                model=model, stream=ask.stream, call=name, request_id=ask.request_id
            ),
            max_retries=0,
            num_retries=0,
            caching=False,
        )

    async def survey(self, models: Collection[str]) -> Survey:
        """Imports LiteLLM ahead of the first request, and reads what its bundled table says of the models."""
        try:
            library = await self._library()
        except UpstreamFailed as failure:
            return Survey(State.DOWN, problems=(failure.message,))
        about = (("asked through", f"LiteLLM {library.version()}"), ("provider", self._provider))
        if not library.knows(self._provider):
            problem = f"LiteLLM knows no provider {self._provider}."
            return Survey(State.DOWN, about=about, problems=(problem,))
        entries = await asyncio.to_thread(library.entries, self._provider, sorted(models))
        found = {name: Known(table.facts(entry) if entry else Facts()) for name, entry in entries.items()}
        return Survey(State.UNKNOWN, found, about)

    async def load(self) -> Load | None:
        """Providers do not tell."""
        return None

    async def resume(self) -> None:
        """There is nothing to resume."""
        raise CannotRun("This backend cannot be resumed.", "Only one of kind hf-endpoint can be paused.")

    async def aclose(self) -> None:
        """Close the pool; an import under way is left to end by itself."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _library(self) -> Library:
        """LiteLLM, imported once for all who wait. Raises UpstreamFailed where it cannot be."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(load))
        try:
            return await asyncio.shield(self._loading)
        except ImportError:
            self._loading = None
        raise UpstreamFailed(Fault.SERVER, f"LiteLLM cannot be imported. {_CURE}")

    def _pool(self) -> Session:
        if self._session is None:  # opened at the first call: it needs the running loop
            self._session = open_session(connect=self._connect, only=self._reaches or None)
        return self._session


def open_backend(spec: BackendSpec) -> LiteLLMBackend:
    """A backend of this kind. Raises CannotRun where LiteLLM is not installed."""
    if find_spec("litellm") is None:
        raise CannotRun(f"Backend {spec.name} is of kind litellm, and LiteLLM is not installed.", _CURE)
    return LiteLLMBackend(spec)


class Chunks:
    """LiteLLM's stream as events in OpenAI's dialect."""

    def __init__(self, ask: Ask, made: Any, exchange: Exchange) -> None:
        self._ask = ask
        self._made = made
        self._chunks: AsyncIterator[Any] = aiter(made)
        self._exchange = exchange
        self._first = b""
        self._ended = False

    async def begin(self) -> None:
        """Wait for the first event: LiteLLM sends some requests only when the answer to them is read."""
        self._first = await self.read()

    async def read(self) -> bytes:
        """The next event; b"" at the end. Raises UpstreamFailed."""
        if self._first:
            first, self._first = self._first, b""
            return first
        while not self._ended:
            try:
                chunk = await anext(self._chunks)
                if answer.finished(chunk):
                    self._check_end()
                payload = answer.chunk(self._ask, chunk)
            except StopAsyncIteration:
                self._ended = True
                return DONE
            except Exception as error:  # noqa: BLE001 - see `start`
                failed = translated(error, self._exchange.failure, asked=True)
            else:
                if payload is None:
                    continue
                return event_of(orjson.dumps(payload))
            self.close()
            raise failed
        return b""

    def _check_end(self) -> None:
        """LiteLLM says "stop" for an answer that broke off; what the provider said is beside it."""
        said = (
            getattr(self._made, name, None)
            for name in ("received_finish_reason", "intermittent_finish_reason")
        )
        if not any(said):
            raise UpstreamFailed(Fault.BROKEN, "The provider's stream ended before the answer did.")

    def close(self) -> None:
        """Hang up unless the reply was read to its end."""
        if not self._ended:
            self._ended = True
            self._exchange.close()
