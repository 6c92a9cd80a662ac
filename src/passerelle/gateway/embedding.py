"""Vectors of questions and answers: by the packaged model in process, or by the tenant's model through the gateway.

A model of the file is asked as a call of the tenant: its policy holds, and where that permits no target there is no
embedder, so no semantic cache. Texts of one tenant that come while others are on their way go together.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import structlog

from passerelle.backends.builtin.errors import BuiltinError
from passerelle.domain.ask import Ask, Needs, Route, Task
from passerelle.domain.errors import Fault, Unavailable, UpstreamFailed
from passerelle.gateway.internal import Asking, told
from passerelle.wire.base64 import from_base64

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector
    from passerelle.domain.cache import Semantic
    from passerelle.gateway.edition import Edition, Editions

_log = structlog.get_logger(__name__)

USE = "cache-embed"
_AT_ONCE = 2  # requests of one tenant to one model on their way; texts that come meanwhile go with the next
_MOST_TEXTS = 32  # in one request
_MOST_BYTES = 64_000
_MOST_WAITING = 1_000  # texts; more are refused, which makes them misses
_MOST_LANES = 10_000
_PATIENCE = 20.0  # seconds
_NEEDS = Needs()
_CHANGED = "Another model stands behind the cache's embedder now."
# E5 models tell what is alike only of texts that all bear the prefix of a question (Wang et al., 2022 and 2024).
_PREFIX = "query: "
_IS_E5 = re.compile(r"(?:^|[/_-])e5-(?!mistral)(?!.*instruct)", re.IGNORECASE).search


class Packaged(Protocol):
    """The packaged model, in process."""

    @property
    def version(self) -> str:
        """Vectors of one version can be compared with each other. Loads nothing. Raises where there is no model."""
        ...

    async def rows(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        """A float32 vector of length 1 for each text. `aside`: nobody waits, so those who do come first."""
        ...


class Embedding(Protocol):
    """An embedder that a tenant may use."""

    @property
    def version(self) -> str:
        """Part of what must be equal: vectors of different versions have nothing to say about each other."""
        ...

    async def vector(self, text: str) -> Vector:
        """Its vector, float32 of length 1. Raises whatever went wrong: that is a miss."""
        ...

    async def vectors(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        """A vector for each text; `aside`: nobody waits for them."""
        ...


class Embeddings:
    """The embedder of each tenant, on the edition of the configuration in force."""

    def __init__(
        self,
        ask: Asking,
        editions: Editions,
        packaged: Packaged,
    ) -> None:
        self._ask = ask
        self._editions = editions
        self._packaged = _InProcess(packaged)
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._edition: Edition | None = None
        self._behind: dict[str, _Behind] = {}  # by the name of the model, in that edition
        self._told: set[tuple[str, str]] = set()

    def of(self, semantic: Semantic, tenant: str) -> Embedding | None:
        """Its embedder; None where it may not be used, which `why_not` explains and the log tells once."""
        reason = self.why_not(semantic, tenant)
        if reason is not None:
            self._tell(tenant, semantic.embedder, reason)
            return None
        if semantic.embedder is None:
            return self._packaged
        behind = self._what_is(semantic.embedder)
        lane = self._lanes.get((tenant, behind.version))
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                self._lanes.clear()  # those that are at work hold themselves
            lane = self._lanes[tenant, behind.version] = _Lane(self, semantic.embedder, behind, tenant)
        return lane

    def why_not(self, semantic: Semantic, tenant: str) -> str | None:
        """Why the tenant has no embedder, in words for its operator; None where it has one."""
        if semantic.embedder is not None:
            return _objection(self._editions.current, semantic.embedder, tenant)
        try:
            return None if self._packaged.version else ""
        except BuiltinError as error:
            return str(error)

    async def ask(self, name: str, behind: _Behind, tenant: str, texts: Sequence[str]) -> Sequence[Vector]:
        """The vectors of some texts, in one call. Raises PasserelleError."""
        given = [behind.prefix + text for text in texts]
        ask = Ask(
            route=Route.EMBEDDINGS,
            model=name,
            body={"model": name, "input": given},
            stream=False,
            wants_usage=False,
            request_id="req_" + os.urandom(12).hex(),
            needs=_NEEDS,
            arrived=monotonic(),
            patience=_PATIENCE,
            size=sum([len(text.encode()) for text in given]),
            use=USE,
        )
        if self._what_is(name) != behind:
            raise Unavailable(_CHANGED)
        said = await told(self._ask, ask, tenant=tenant)
        if self._what_is(name) != behind:  # who knows which of the two has answered
            raise Unavailable(_CHANGED)
        return _vectors(said, len(texts))

    def _what_is(self, name: str) -> _Behind:
        edition = self._editions.current
        if edition is not self._edition:
            self._edition, self._behind = edition, {}
        behind = self._behind.get(name)
        if behind is None:
            behind = self._behind[name] = _behind(edition, name)
        return behind

    def _tell(self, tenant: str, embedder: str | None, reason: str) -> None:
        told = (tenant, self._editions.catalog.version)
        if told not in self._told:
            if len(self._told) >= _MOST_LANES:
                self._told.clear()
            self._told.add(told)
            _log.warning("semantic_cache_off", tenant=tenant, embedder=embedder, reason=reason)


@dataclass(frozen=True, slots=True)
class _Behind:
    """What stands behind the name of an embedding model. Vectors of one `version` can be compared with each other."""

    version: str
    prefix: str


@dataclass(frozen=True, slots=True)
class _InProcess:
    packaged: Packaged

    @property
    def version(self) -> str:
        return self.packaged.version

    async def vector(self, text: str) -> Vector:
        return (await self.packaged.rows([text]))[0]

    async def vectors(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        if not aside:
            return await self.packaged.rows(texts)
        # One at a time, so that whoever has a text to embed aside waits for one of these at most.
        return [(await self.packaged.rows([text], aside=True))[0] for text in texts]


@dataclass(slots=True)
class _Waiting:
    text: str
    vector: asyncio.Future[Vector]


class _Lane:
    """The texts of one tenant for one model, a few requests at a time."""

    def __init__(self, embeddings: Embeddings, name: str, behind: _Behind, tenant: str) -> None:
        self._embeddings = embeddings
        self._name = name
        self._behind = behind
        self._tenant = tenant
        self._waiting: list[_Waiting] = []
        self._going: set[asyncio.Task[None]] = set()
        self._due = False

    @property
    def version(self) -> str:
        return self._behind.version

    async def vector(self, text: str) -> Vector:
        return await self._wait(text)

    async def vectors(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        return await asyncio.gather(*[self._wait(text) for text in texts])

    def _wait(self, text: str) -> asyncio.Future[Vector]:
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= _MOST_WAITING:
            raise Unavailable("Too many texts wait for the embedding model of the cache.")
        waiting = _Waiting(text, loop.create_future())
        self._waiting.append(waiting)
        if not self._due and len(self._going) < _AT_ONCE:
            self._due = True
            loop.call_soon(self._go)  # with whatever else this turn of the loop brings
        return waiting.vector

    def _go(self) -> None:
        self._due = False
        while self._waiting and len(self._going) < _AT_ONCE:
            batch = self._batch()
            if not batch:
                return
            task = asyncio.ensure_future(self._send(batch))
            self._going.add(task)
            task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._going.discard(task)
        self._go()

    def _batch(self) -> list[_Waiting]:
        """The next texts that somebody still waits for."""
        self._waiting = [each for each in self._waiting if not each.vector.done()]
        taken, size = 0, 0
        for each in self._waiting[:_MOST_TEXTS]:
            size += len(each.text.encode())
            if taken and size > _MOST_BYTES:
                break
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        try:
            # Texts that are equal are sent once.
            places = {text: place for place, text in enumerate(dict.fromkeys(each.text for each in batch))}
            vectors = await self._embeddings.ask(self._name, self._behind, self._tenant, list(places))
            for each in batch:
                if not each.vector.done():
                    each.vector.set_result(vectors[places[each.text]])
        except BaseException as error:
            for each in batch:
                if not each.vector.done():
                    if isinstance(error, asyncio.CancelledError):
                        each.vector.cancel()
                    else:
                        each.vector.set_exception(error)
            if not isinstance(error, Exception):
                raise


def _objection(edition: Edition, name: str, tenant: str) -> str | None:
    """Why this tenant cannot have its texts embedded by it."""
    model, known = edition.catalog.models.get(name), edition.catalog.tenants.get(tenant)
    if model is None or known is None or model.task is not Task.EMBED:
        return "it is no embedding model of this configuration"
    if len({target.model for target in model.targets}) > 1:
        return "its targets are different models, whose vectors cannot be compared"
    if not edition.plan(known, model, _NEEDS).targets:
        return "the tenant's policy, or the state of its backends, leaves none of its targets"
    return None


def _behind(edition: Edition, name: str) -> _Behind:
    """Changes with the model that is behind the name, not with where it runs."""
    targets = edition.catalog.models[name].targets if name in edition.catalog.models else ()
    # The builtin engine puts its model's own prefix before what it embeds.
    kinds = {edition.catalog.backends[target.backend].kind for target in targets}
    is_e5 = "builtin" not in kinds and any(_IS_E5(target.model) for target in targets)
    prefix = _PREFIX if is_e5 else ""
    model = sha256(orjson.dumps([sorted({target.model for target in targets}), prefix])).hexdigest()
    return _Behind(f"{name}@{model[:12]}", prefix)


def _vectors(body: bytes, count: int) -> list[Vector]:
    """The vectors of an answer in OpenAI's format, in the order of the texts. Raises UpstreamFailed."""
    import numpy as np  # noqa: PLC0415 - heavy, and nobody else in the gateway needs it

    try:
        data = sorted(orjson.loads(body)["data"], key=lambda each: int(each["index"]))
        rows = np.asarray([_row(each["embedding"]) for each in data], dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if rows.shape[0] != count or not np.isfinite(rows).all() or not (lengths > 0).all():
            raise ValueError("no vector for each text")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UpstreamFailed(Fault.BROKEN, "The embedding model gave no vector for each text.") from error
    return list(rows / lengths)


def _row(given: Any) -> Any:
    return from_base64(given) if isinstance(given, str) else given
