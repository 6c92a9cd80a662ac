"""Who answers a request: a tenant's documents where it names a collection as its model, the gateway otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from passerelle.domain.ask import Ask, Route
from passerelle.domain.caller import Caller
from passerelle.domain.errors import BadRequest, NotFound
from passerelle.domain.limits import Standing
from passerelle.domain.rag import MODEL_PREFIX
from passerelle.domain.retrieval import named
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway, tenant_of
from passerelle.gateway.record import Outcome
from passerelle.http.marking import Mark, disclosing, is_first, mark_of, told_of
from passerelle.http.rag_filters import conditions_of
from passerelle.pipelines.rag.desk import Rag
from passerelle.pipelines.rag.speaking import Speaking
from passerelle.pipelines.rag.spoken import question_of
from passerelle.text.words import language_of


class Reply(Protocol):
    """An answer that has begun, whoever gives it: read to its end, settled, and closed by its holder."""

    overhead: float  # seconds of ours

    @property
    def streams(self) -> bool:
        """Whether it is read in blocks."""

    @property
    def body(self) -> bytes:
        """The whole of it; empty for a stream."""

    @property
    def facts(self) -> list[tuple[bytes, bytes]]:
        """Headers that say who answered."""

    @property
    def standings(self) -> Sequence[Standing]:
        """How the caller's limits stand."""

    async def read(self) -> bytes:
        """The next block; b"" after the last. Raises UpstreamFailed, Blocked and Unavailable."""

    def closing(self) -> bytes:
        """The last bytes of a stream that was read to its end."""

    async def linger(self) -> None:
        """After the caller has everything: what is left to be done is waited for, shortly."""

    def cost(self) -> bytes:
        """What the tenant is charged, as the header says it."""

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """How it ended; the first call counts."""

    def close(self) -> None:
        """Stop what is still under way. Idempotent, and never waits."""


class Asking:
    """Asks whoever answers. Whoever makes one, closes it."""

    def __init__(self, gateway: Gateway, editions: Editions, rag: Rag) -> None:
        self._gateway = gateway
        self._editions = editions
        self._rag = rag
        self._speaking = Speaking()

    def ask(self, caller: Caller, ask: Ask) -> Awaitable[Reply]:
        """An answer that has begun; its holder closes it. Raises PasserelleError.

        Nothing stands between an ordinary model's request and the gateway.
        """
        if ask.model.startswith(MODEL_PREFIX):
            return self._from_documents(caller, ask)
        return self._gateway.ask(caller, ask)

    def mark(self, caller: Caller, ask: Ask, reply: Reply) -> Mark | None:
        """What an answer says of itself, by the rules of its caller's tenant."""
        edition = self._editions.current
        tenant = edition.catalog.tenants.get(caller.tenant or "")
        return mark_of(tenant, ask.route, reply.facts, edition) if tenant is not None else None

    async def aclose(self) -> None:
        """Stop answers that are still on their way."""
        await self._speaking.aclose()

    async def _from_documents(self, caller: Caller, ask: Ask) -> Reply:
        tenant = tenant_of(caller, self._editions.catalog)
        if tenant.rag is None or not _is_collection(ask.model.removeprefix(MODEL_PREFIX)):
            raise unknown_collection(ask.model)
        if ask.route is not Route.CHAT:
            raise BadRequest(
                f"{ask.model[:200]!r} is a collection of documents, which answers chats: POST /v1/chat/completions.",
                code="wrong_task",
                param="model",
            )
        question, ignored = question_of(caller, ask, conditions_of=conditions_of)
        reading = await self._rag.reading()
        happened = reading.answer(caller, question, stream=ask.stream)
        if text := told_of(tenant, first=is_first(question), language=language_of(question.asked)):
            happened = disclosing(happened, text)
        if ask.stream:
            return await self._speaking.stream(ask, happened, ignored)
        return await self._speaking.whole(ask, happened, ignored)


def _is_collection(name: str) -> bool:
    try:
        named(name, "collection")
    except ValueError:
        return False
    return True


def unknown_collection(model: str) -> NotFound:
    """The error of a model that would be a collection, where there is none."""
    return NotFound(
        f"The model {model[:200]!r} does not exist or is not yours to use. GET /v1/models lists the ones you may use.",
        code="model_not_found",
        param="model",
    )
