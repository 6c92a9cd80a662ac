"""Conversations that are kept: whose they are, what was said in them, and an end to them.

A conversation belongs to the key that began it and to the `user` that key named, of which only the pseudonym is known
here; to everybody else it is not there. Its words end with it; the figures of its answers stay without them.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.caller import Caller
from passerelle.domain.errors import NotFound
from passerelle.domain.naming import Naming
from passerelle.domain.rag import Question
from passerelle.pipelines.rag.desk import Conversation, KeptTurn
from passerelle.sealing.values import Destroyed, Opener
from passerelle.stores.erased import ERASED

MOST_LISTED = 500
BOUND = b"rag_answer"  # what words of people and models are sealed for
MOST_SHOWN = 500  # turns of one conversation
_LONGEST_KEPT = 3e9  # seconds: PostgreSQL's calendar ends somewhere
_AT_ONCE = 500
_NEAREST = 50  # of an owner's conversations among which one is looked for that goes on

_OWNED = 'tenant = :tenant AND key_id = :key AND "user" = :user'
_LIVE = f"{_OWNED} AND ends_at > clock_timestamp()"
_SEEN = 'id, collection, "user", created_at, updated_at'
_ENDS = "ends_at = clock_timestamp() + make_interval(secs => :keep)"

_LOOK = text(f"SELECT {_SEEN} FROM rag_conversation WHERE id = :id AND {_LIVE}")  # noqa: S608 - constants
_LIST = text(f"""
SELECT {_SEEN} FROM rag_conversation WHERE {_LIVE} AND (CAST(:before AS text) IS NULL OR (updated_at, id) <
    (SELECT updated_at, id FROM rag_conversation WHERE id = :before AND {_OWNED}))
ORDER BY updated_at DESC, id DESC LIMIT :most
""")  # noqa: S608 - constants
_TURNS = text("""
SELECT * FROM (
    SELECT id, number, question, answer, at FROM rag_answer WHERE tenant = :tenant AND conversation = :id
    ORDER BY number DESC LIMIT :most) AS newest
ORDER BY number
""")
_BEGIN = text(f"""
INSERT INTO rag_conversation (id, tenant, collection, key_id, "user", ends_at)
SELECT :id, :tenant, :collection, :key, :user, clock_timestamp() + make_interval(secs => :keep) WHERE NOT {ERASED}
""")
# Its lock is held until the answer is written: answers that come at once are numbered one after another.
_GO_ON = text(f"""
UPDATE rag_conversation SET updated_at = clock_timestamp(), {_ENDS}
WHERE id = :id AND collection = :collection AND {_LIVE} RETURNING id
""")  # noqa: S608 - constants
_LIKELY = text(f"""
SELECT near.id, latest.question, latest.answer FROM (
    SELECT id, updated_at FROM rag_conversation WHERE collection = :collection AND {_LIVE}
    ORDER BY updated_at DESC, id DESC LIMIT :most
) AS near CROSS JOIN LATERAL (
    SELECT number, question, answer FROM rag_answer WHERE tenant = :tenant AND conversation = near.id
    ORDER BY number DESC LIMIT 1
) AS latest
WHERE latest.number = :number ORDER BY near.updated_at DESC
""")  # noqa: S608 - constants
_OWN_LOCK = text(f"SELECT id FROM rag_conversation WHERE id = :id AND {_OWNED} FOR UPDATE")  # noqa: S608 - constants
_ENDED = text("""
SELECT id FROM rag_conversation WHERE ends_at <= :at OR EXISTS (
    SELECT FROM unnest(CAST(:tenants AS text[]), CAST(:seconds AS float8[])) AS rule(tenant, seconds)
    WHERE rule.tenant = rag_conversation.tenant AND updated_at + make_interval(secs => rule.seconds) <= :at)
LIMIT :most FOR UPDATE SKIP LOCKED
""")
_BARE = text("""
UPDATE rag_answer SET conversation = NULL, number = NULL, question = NULL, answer = NULL, comment = ''
WHERE conversation = ANY(CAST(:ids AS text[]))
""")
# Earlier versions kept the name itself.
_NAMED = text("""
SELECT DISTINCT tenant, "user" FROM rag_conversation
WHERE "user" <> '' AND "user" !~ '^u_[0-9a-f]{40}$' LIMIT :most
""")
_RENAME = text('UPDATE rag_conversation SET "user" = :pseudonym WHERE tenant = :tenant AND "user" = :user')
_DROP = text("DELETE FROM rag_conversation WHERE id = ANY(CAST(:ids AS text[]))")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a conversation is."""

    tenant: str
    key: str
    user: str  # a pseudonym

    def values(self) -> dict[str, str]:
        """For a statement."""
        return {"tenant": self.tenant, "key": self.key, "user": self.user}


def owner_of(caller: Caller, subject: str = "") -> Owner:
    """The owner a caller speaks for: its key, and the pseudonym of whom it names."""
    return Owner(caller.tenant or "", caller.key_id, subject)


def storable(words: str) -> str:
    """As PostgreSQL can hold it: no NUL, no half of a letter."""
    return words.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


async def look(connection: AsyncConnection, owner: Owner, conversation: str) -> Conversation:
    """A conversation without its turns. Raises NotFound."""
    values = {**owner.values(), "id": storable(conversation)}
    row = (await connection.execute(_LOOK, values)).one_or_none()
    if row is None:
        raise unknown(conversation)
    return _conversation(row)


async def turns(
    connection: AsyncConnection, owner: Owner, conversation: str, *, most: int, opener: Opener
) -> Sequence[KeptTurn]:
    """The last turns of a conversation that is known to be the owner's, oldest first."""
    values = {"tenant": owner.tenant, "id": conversation, "most": most}
    rows = await connection.execute(_TURNS, values)
    return [KeptTurn(_said(opener, row.question), _said(opener, row.answer), row.id, row.at) for row in rows]


async def listed(
    connection: AsyncConnection, owner: Owner, *, before: str | None, most: int
) -> Sequence[Conversation]:
    """An owner's conversations, that with the latest turn first; those before that one."""
    bounded = max(1, min(most, MOST_LISTED))
    before = storable(before) if before is not None else None
    rows = await connection.execute(_LIST, {**owner.values(), "before": before, "most": bounded})
    return [_conversation(row) for row in rows]


async def continued(
    connection: AsyncConnection,
    owner: Owner,
    question: Question,
    *,
    seconds: float,
    opener: Opener,
    since: datetime,
) -> str | None:
    """The conversation that an answer belongs to, under its lock; None where it, or its person, was erased meanwhile.

    `since`: when answering began. The one that is named; or the one whose last turn its application repeats; or a new one.
    """
    keep = min(seconds, _LONGEST_KEPT)
    values = {**owner.values(), "collection": question.collection, "keep": keep}
    named = question.conversation or await _likely(connection, values, question, opener)
    if named is not None:
        found = (await connection.execute(_GO_ON, {**values, "id": named})).scalar()
        if found is not None or question.conversation is not None:
            return None if found is None else str(found)
    made = f"conv_{secrets.token_hex(12)}"
    begun = await connection.execute(_BEGIN, {**values, "id": made, "subject": owner.user, "since": since})
    return made if begun.rowcount else None


async def _likely(
    connection: AsyncConnection, values: Mapping[str, Any], question: Question, opener: Opener
) -> str | None:
    """Ordinary chat clients name no conversation: they send all of it each time.

    What was said is sealed, so that it is compared here and not by the database.
    """
    told = question.turns[:-1]
    if len(told) < 2 or (told[-2].role, told[-1].role) != ("user", "assistant"):
        return None
    asked = {
        **values,
        "number": sum([turn.role == "user" for turn in told]),
        "most": _NEAREST,
    }
    said = (storable(told[-2].text), storable(told[-1].text))
    for row in await connection.execute(_LIKELY, asked):
        with contextlib.suppress(Destroyed):  # it goes on with nothing
            if said == (_said(opener, row.question), _said(opener, row.answer)):
                return str(row.id)
    return None


async def delete(connection: AsyncConnection, owner: Owner, conversation: str) -> None:
    """Delete an owner's conversation; the figures of its answers stay. Raises NotFound."""
    values = {**owner.values(), "id": storable(conversation)}
    if (await connection.execute(_OWN_LOCK, values)).one_or_none() is None:
        raise unknown(conversation)
    await end(connection, [conversation])


async def delete_ended(
    connection: AsyncConnection, at: datetime, rules: Mapping[str, float | None]
) -> tuple[int, bool]:
    """Delete conversations whose time is over; how many, and whether there may be more.

    `rules` say how long tenants keep them now (None: not at all), where that is shorter than it was.
    """
    values = {
        "at": at,
        "tenants": list(rules),
        "seconds": [min(seconds or 0.0, _LONGEST_KEPT) for seconds in rules.values()],
        "most": _AT_ONCE,
    }
    ids = [row.id for row in await connection.execute(_ENDED, values)]
    await end(connection, ids)
    return len(ids), len(ids) == _AT_ONCE


async def rename(connection: AsyncConnection, of: Naming) -> bool:
    """Put pseudonyms in place of names that earlier versions kept; whether there may be more."""
    found = list(await connection.execute(_NAMED, {"most": _AT_ONCE}))
    if found:
        values = [
            {"tenant": row.tenant, "user": row.user, "pseudonym": of(row.tenant, row.user)} for row in found
        ]
        await connection.execute(_RENAME, values)
    return len(found) == _AT_ONCE


async def end(connection: AsyncConnection, ids: list[str]) -> None:
    """Delete these, with their words; the figures of their answers stay."""
    if ids:
        await connection.execute(_BARE, {"ids": ids})
        await connection.execute(_DROP, {"ids": ids})


def unknown(conversation: str) -> NotFound:
    """The error of a conversation that is not there, is over, or is somebody else's."""
    return NotFound(
        f"There is no conversation {conversation[:100]!r}, or it has ended.",
        code="conversation_not_found",
        param="conversation",
    )


def _said(opener: Opener, stored: str | None) -> str:
    return opener.open_text(stored or "", BOUND)


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(row.id, row.collection, row.user, row.created_at, row.updated_at)
