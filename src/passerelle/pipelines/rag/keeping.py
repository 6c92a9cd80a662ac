"""`Keeping`: what stays of an answer. Its figures always, its words only where the tenant says so, and only so long.

An answer is given whether or not it can be kept: keeping is told beside it, and what fails of it is logged by its kind.
Only who goes on with a conversation, looks at one, or judges an answer needs the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, NotFound, Unavailable
from passerelle.domain.naming import Naming
from passerelle.domain.rag import MOST_TURNS, Answered, Question, Thumb, Turn
from passerelle.pipelines.rag import conversations
from passerelle.pipelines.rag.conversations import Owner, owner_of, storable
from passerelle.pipelines.rag.desk import Conversation
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database, Outage, within
from passerelle.stores.erased import since

LONGEST_COMMENT = 2_000  # characters
LONGEST_ANSWER = 200_000  # characters that are kept
FIGURES = 400 * 86_400.0  # seconds that figures are kept: a year can be compared with the one before

_ASKED = 3.0  # seconds that somebody who needs the database waits for it
_TOLD = 0.25  # seconds that an answer's last word waits for the name of its conversation
_MOST_TELLING = 256  # answers whose keeping is under way; those beyond are not kept
_AT_ONCE = 5_000

_Result = TypeVar("_Result")

_log = structlog.get_logger(__name__)

# Held against whoever begins to drop the collection: nothing of it is written after it is gone.
_STANDS = text("""
SELECT FROM rag_collection WHERE tenant = :tenant AND name = :collection AND NOT dropping FOR SHARE
""")
_KEEP = text("""
INSERT INTO rag_answer (id, tenant, collection, key_id, model, refusal, citations, supported, cost, seconds,
    conversation, number, question, answer)
VALUES (:id, :tenant, :collection, :key, :model, :refusal, :citations, :supported, :cost, CAST(:seconds AS jsonb),
    :conversation, CASE WHEN CAST(:conversation AS text) IS NOT NULL THEN (
        SELECT coalesce(max(number), 0) + 1 FROM rag_answer WHERE tenant = :tenant AND conversation = :conversation)
    END, :question, :answer)
ON CONFLICT (id) DO NOTHING
""")
_THUMB = text("""
UPDATE rag_answer SET thumb = :thumb, comment = :comment
WHERE id = :id AND tenant = :tenant AND (key_id = :key OR :all) RETURNING id
""")
_OLD = text("""
DELETE FROM rag_answer WHERE id IN (
    SELECT id FROM rag_answer WHERE at <= :until AND conversation IS NULL LIMIT :most)
""")
_ERASE_CONVERSATIONS = text("""
DELETE FROM rag_conversation WHERE tenant = :tenant AND id IN (
    SELECT id FROM rag_conversation
    WHERE tenant = :tenant AND (CAST(:collection AS text) IS NULL OR collection = :collection) LIMIT :most)
""")
_ERASE_ANSWERS = text("""
DELETE FROM rag_answer WHERE tenant = :tenant AND id IN (
    SELECT id FROM rag_answer
    WHERE tenant = :tenant AND (CAST(:collection AS text) IS NULL OR collection = :collection) LIMIT :most)
""")


class Keeping:
    """What is kept of answers. Whoever makes one, closes it.

    `rules`: how long each tenant keeps conversations now, None: not at all; of tenants that are not named, each
    conversation ends when it was said that it would. `figures`: seconds that figures without words are kept.
    """

    def __init__(
        self,
        database: Database,
        *,
        rules: Callable[[], Mapping[str, float | None]] = dict,
        figures: float = FIGURES,
        seals: Sealing | None = None,
    ) -> None:
        self._database = database
        self._seals: Sealing = seals or Unsealed()
        self._rules = rules
        self._figures = figures
        self._telling: dict[str, asyncio.Task[str | None]] = {}  # by the answer's id

    async def turns(self, caller: Caller, question: Question, *, keep: float | None) -> tuple[Turn, ...]:
        """What was said before in the conversation that a question names, oldest first; empty where it names none.

        At most `MOST_TURNS`. Raises NotFound, BadRequest where it is about another collection or the tenant keeps
        none, and Unavailable.
        """
        if question.conversation is None:
            return ()
        if keep is None:
            raise BadRequest(
                "Conversations are not kept for this tenant: send the earlier turns with the question.",
                code="conversations_not_kept",
                param="conversation",
            )
        owner, named = owner_of(caller, question.subject), question.conversation
        opener = await self._seals.opener(owner.tenant)

        async def load(connection: AsyncConnection) -> list[Turn]:
            found = await conversations.look(connection, owner, named)
            if found.collection != question.collection:
                raise BadRequest(
                    "This conversation is about another collection; begin a new one.",
                    code="other_collection",
                    param="conversation",
                )
            kept = await conversations.turns(connection, owner, found.id, most=MOST_TURNS // 2, opener=opener)
            return [
                turn for one in kept for turn in (Turn("user", one.question), Turn("assistant", one.answer))
            ]

        return tuple(await self._asked(load))

    async def keep(
        self, caller: Caller, question: Question, answered: Answered, *, keep: float | None
    ) -> str | None:
        """Keep what stays of an answer; the conversation it is kept in, None where it is in none.

        `keep`: seconds that the tenant keeps conversations, None: not at all. Raises nothing, and waits no longer
        than a quarter of a second; it goes on, also when whoever called is gone.
        """
        if len(self._telling) >= _MOST_TELLING:
            _log.warning("rag_answer_not_kept", error="crowded")
            return None
        task = asyncio.ensure_future(self._tell(caller, question, answered, keep))
        self._telling[answered.id] = task
        task.add_done_callback(lambda _: self._telling.pop(answered.id, None))
        if keep is None:
            return None
        await asyncio.wait({task}, timeout=_TOLD)
        return task.result() if task.done() and not task.cancelled() else None

    async def thumb(self, caller: Caller, answer: str, thumb: Thumb, *, comment: str = "") -> None:
        """What a reader thinks of an answer that this key, or for an administrator any of the tenant, was given.

        The last one counts. Raises NotFound, BadRequest for too long a comment, and Unavailable.
        """
        if len(comment) > LONGEST_COMMENT:
            message = f"A comment has at most {LONGEST_COMMENT} characters."
            raise BadRequest(message, code="comment_too_long", param="comment")
        if (task := self._telling.get(answer)) is not None:
            await asyncio.wait({task}, timeout=_ASKED)  # its reader was faster than the database
        seal = await self._seals.of(caller.tenant or "")
        values = {
            "id": storable(answer),
            "tenant": caller.tenant or "",
            "key": caller.key_id,
            "all": caller.role is not Role.MEMBER,
            "thumb": thumb.value,
            "comment": seal.seal_text(storable(comment), conversations.BOUND),
        }

        async def write(connection: AsyncConnection) -> bool:
            return (await connection.execute(_THUMB, values)).one_or_none() is not None

        if not await self._asked(write):
            raise NotFound(f"There is no answer {answer[:100]!r}.", code="answer_not_found", param="answer")

    async def conversations(
        self, caller: Caller, *, subject: str = "", before: str | None = None, most: int = 50
    ) -> Sequence[Conversation]:
        """Those of this key and that person, by its pseudonym, the newest first; those before that one. Raises Unavailable."""
        owner = owner_of(caller, subject)
        return await self._asked(
            lambda connection: conversations.listed(connection, owner, before=before, most=most)
        )

    async def conversation(self, caller: Caller, conversation: str, *, subject: str = "") -> Conversation:
        """One of them with its last turns. Raises NotFound and Unavailable."""
        owner = owner_of(caller, subject)
        opener = await self._seals.opener(owner.tenant)

        async def load(connection: AsyncConnection) -> Conversation:
            found = await conversations.look(connection, owner, conversation)
            most = conversations.MOST_SHOWN
            kept = await conversations.turns(connection, owner, found.id, most=most, opener=opener)
            return replace(found, turns=tuple(kept))

        return await self._asked(load)

    async def delete(self, caller: Caller, conversation: str, *, subject: str = "") -> None:
        """Delete one, with what was said of its answers. Raises NotFound and Unavailable."""
        owner = owner_of(caller, subject)
        await self._asked(lambda connection: conversations.delete(connection, owner, conversation))

    async def forget(self, at: datetime) -> None:
        """Delete conversations whose time is over, and figures that are older than figures are kept."""
        more = True
        while more:
            async with self._database.begin() as connection:
                _, more = await conversations.delete_ended(connection, at, self._rules())
        until = at - timedelta(seconds=self._figures)
        await self._each(_OLD, {"until": until})

    async def rename(self, of: Naming) -> None:
        """Have conversations that earlier versions kept known by pseudonyms. May be repeated."""
        more = True
        while more:
            async with self._database.begin() as connection:
                more = await conversations.rename(connection, of)

    async def erase(self, tenant: str, collection: str | None = None) -> int:
        """Delete all that is kept of a tenant's answers, or of those from one collection; how many there were.

        Once the collection is being dropped, nothing of it is kept any more.
        """
        values = {"tenant": tenant, "collection": collection}
        counted = await self._counted(tenant, collection)
        await self._each(_ERASE_CONVERSATIONS, values)  # with their answers
        await self._each(_ERASE_ANSWERS, values)
        return counted

    async def aclose(self) -> None:
        """Let what is under way end; it is bounded."""
        if self._telling:
            await asyncio.wait(set(self._telling.values()), timeout=_ASKED)

    async def _tell(
        self, caller: Caller, question: Question, answered: Answered, keep: float | None
    ) -> str | None:
        try:
            return await within(_ASKED, self._write(caller, question, answered, keep))
        except Exception as error:  # noqa: BLE001 - the answer is given, whatever becomes of its figures
            _log.warning("rag_answer_not_kept", error=type(error).__name__)
            return None

    async def _write(
        self, caller: Caller, question: Question, answered: Answered, keep: float | None
    ) -> str | None:
        owner = owner_of(caller, question.subject)
        seal = await self._seals.of(owner.tenant)
        async with self._database.begin() as connection:
            where = {"tenant": owner.tenant, "collection": question.collection}
            if (await connection.execute(_STANDS, where)).first() is None:
                return None
            named = None
            if keep is not None:
                named = await conversations.continued(
                    connection,
                    owner,
                    question,
                    seconds=keep,
                    opener=seal,
                    since=since(answered.seconds.get("total", 0.0)),
                )
            values = {
                **_figures(owner, answered),
                **where,
                "conversation": named,
                "question": None,
                "answer": None,
            }
            if named is not None:
                said = {"question": question.asked, "answer": answered.text[:LONGEST_ANSWER]}
                values |= {
                    name: seal.seal_text(storable(words), conversations.BOUND) for name, words in said.items()
                }
            await connection.execute(_KEEP, values)
        return named

    async def _asked(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        """What somebody waits for. Raises Unavailable where the database does not answer."""

        async def run() -> _Result:
            async with self._database.begin() as connection:
                return await work(connection)

        try:
            return await within(_ASKED, run())
        except Outage as error:
            _log.warning("rag_kept_unavailable", error=type(error).__name__)
            raise Unavailable(
                "What is kept of conversations and answers cannot be reached; questions without one are answered.",
                code="conversations_unavailable",
            ) from error

    async def _counted(self, tenant: str, collection: str | None) -> int:
        async with self._database.begin() as connection:
            return int(
                (await connection.execute(_COUNT, {"tenant": tenant, "collection": collection})).scalar() or 0
            )

    async def _each(self, statement: Any, values: Mapping[str, Any]) -> None:
        """Run a deletion in steps, each of them short."""
        while True:
            async with self._database.begin() as connection:
                gone = await connection.execute(statement, {**values, "most": _AT_ONCE})
            if gone.rowcount < _AT_ONCE:
                return


_COUNT = text("""
SELECT count(*) FROM rag_answer
WHERE tenant = :tenant AND (CAST(:collection AS text) IS NULL OR collection = :collection)
""")


def _figures(owner: Owner, answered: Answered) -> dict[str, Any]:
    """What is kept of every answer: no word of it, of its question or of its sources."""
    return {
        "id": answered.id,
        "key": owner.key,
        "model": answered.model,
        "refusal": answered.refusal.value if answered.refusal is not None else None,
        "citations": len(answered.citations),
        "supported": sum([citation.supported for citation in answered.citations]),
        "cost": answered.cost,
        "seconds": orjson.dumps(dict(answered.seconds)).decode(),
    }
