"""Searching and answering as one seam: `Reading`, of the rooms that do each part."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Forbidden
from passerelle.domain.rag import Found, Happened, Question, Seeking, Thumb
from passerelle.gateway.gateway import tenant_of
from passerelle.pipelines.rag.answering import Answering, Gate
from passerelle.pipelines.rag.desk import Conversation
from passerelle.pipelines.rag.evidence import judged
from passerelle.pipelines.rag.keeping import Keeping
from passerelle.pipelines.rag.searching import Searcher
from passerelle.subjects.people import People


class Readings:
    """The seam `Reading`. Holds nothing open."""

    def __init__(
        self,
        gate: Gate,
        catalog: Callable[[], Catalog],
        *,
        searcher: Searcher,
        answering: Answering,
        keeping: Keeping,
        people: People,
    ) -> None:
        self._gate = gate
        self._catalog = catalog
        self._searcher = searcher
        self._answering = answering
        self._keeping = keeping
        self._people = people

    async def search(self, caller: Caller, seeking: Seeking) -> Sequence[Found]:
        """The best passages, with their relevance, best first. Raises PasserelleError."""
        tenant = tenant_of(caller, self._catalog())
        if tenant.rag is None:
            raise Forbidden("This tenant has no documents here.", code="rag_disabled")
        permit = await self._gate.admit(caller)
        try:
            return judged(seeking.text, await self._searcher.search(tenant, seeking))
        finally:
            permit.settle(0)

    async def answer(
        self, caller: Caller, question: Question, *, stream: bool
    ) -> AsyncGenerator[Happened, None]:
        """See `Answering.answer`. Whoever asks is known by a pseudonym from here on."""
        tenant = tenant_of(caller, self._catalog())
        words = self._people.unnamed(tenant, dict(question.options))
        self._people.admit(tenant.name, words.subjects)
        question = replace(question, options=words.body, subject=words.subject)
        async with aclosing(self._answering.answer(caller, question, stream=stream)) as happening:
            async for each in happening:
                yield each

    async def thumb(self, caller: Caller, answer: str, thumb: Thumb, *, comment: str = "") -> None:
        """What a reader thinks of an answer. Raises NotFound."""
        await self._keeping.thumb(caller, answer, thumb, comment=comment)

    async def conversations(
        self, caller: Caller, *, user: str = "", before: str | None = None, most: int = 50
    ) -> Sequence[Conversation]:
        """Those kept of this caller's key and that user, the newest first."""
        found = await self._keeping.conversations(
            caller, subject=self._subject(caller, user), before=before, most=most
        )
        return [replace(each, user=user) for each in found]

    async def conversation(self, caller: Caller, conversation: str, *, user: str = "") -> Conversation:
        """One of them with its turns. Raises NotFound."""
        found = await self._keeping.conversation(caller, conversation, subject=self._subject(caller, user))
        return replace(found, user=user)

    async def forget(self, caller: Caller, conversation: str, *, user: str = "") -> None:
        """Delete one. Raises NotFound."""
        await self._keeping.delete(caller, conversation, subject=self._subject(caller, user))

    def _subject(self, caller: Caller, user: str) -> str:
        """Whose conversations they are. Raises Forbidden where its data may not be used."""
        tenant = tenant_of(caller, self._catalog()).name
        subject = self._people.of(tenant, user)
        self._people.check(tenant, subject)
        return subject
