"""The index of corrections: what teaches now, in the store of passages, found by words and by meaning.

PostgreSQL is the truth, and the index may lag behind it: what is not as it stands there is marked, and put right before
anybody chooses examples. Now and then both are counted, because the index can be lost on its own. A correction that was
revoked is deleted from it. No collection of documents can have the name of an index of corrections: it has a colon.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from weakref import WeakValueDictionary

from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.domain.retrieval import LONGEST_QUESTION, Chunk, Collection, Condition, Hit, Mode, Query
from passerelle.domain.survey_work import Kept
from passerelle.pipelines.surveys.asking_seams import Embed
from passerelle.pipelines.surveys.corrections_rows import CORRECTION, kept_of
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Sealing
from passerelle.stores.database import Database

Key: TypeAlias = tuple[str, str]  # tenant and codebook

EVERY = 60.0  # seconds between two counts
_AT_ONCE = 64
_ROUNDS = 10_000  # of corrections that were not indexed; there are never so many
_MOST_COUNTED = 4_096  # keys that are remembered
_MEANT = 2_000  # characters of which the meaning is asked: models read no more, and some refuse more

_PENDING = text(f"""
SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND NOT indexed
ORDER BY greatest(revision, coalesce(revoked_revision, 0)) LIMIT :most
""")  # noqa: S608 - constants
_OTHERS = text("""
SELECT EXISTS (SELECT FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook
    AND indexed_by IS NOT NULL AND indexed_by <> :mark)
""")
_NONE_INDEXED = text("""
UPDATE survey_correction SET indexed = false, indexed_by = NULL
WHERE tenant = :tenant AND codebook = :codebook AND (indexed OR indexed_by IS NOT NULL)
""")
_INDEXED = text("""
UPDATE survey_correction SET indexed = true, indexed_by = :mark WHERE tenant = :tenant AND codebook = :codebook
    AND id = ANY(CAST(:ids AS text[])) AND (revoked_at IS NOT NULL) = :revoked RETURNING id
""")
_LIVE = text("""
SELECT id FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND revoked_at IS NULL
""")
_AGAIN = text("""
UPDATE survey_correction SET indexed = false WHERE tenant = :tenant AND codebook = :codebook
    AND revoked_at IS NULL AND id = ANY(CAST(:ids AS text[]))
""")


def collection_of(codebook: str) -> str:
    """The name of the index of a codebook's corrections."""
    return f"internal:corrections:{codebook}"


def meant(text: str) -> str:
    """What of a text is embedded; a model refuses an empty one."""
    return text.strip()[:_MEANT] or "-"


class Index:
    """`mark` says what embeds a tenant's texts, and what stands behind that name: of another one, all is embedded anew."""

    def __init__(
        self,
        *,
        database: Database,
        chunks: Callable[[], Awaitable[Chunks]],
        mark: Callable[[str], str],
        every: float = EVERY,
        seals: Sealing,
    ) -> None:
        self._seals = seals
        self._database, self._chunks, self._mark, self._every = database, chunks, mark, every
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._counted: dict[tuple[str, str, str, int], float] = {}
        self._widths: dict[str, int] = {}

    async def sweep(self, tenant: str, codebook: str, embed: Embed | None) -> None:
        """Bring what is marked up to date. Raises Unavailable, and what `embed` raises."""
        async with self._lock(tenant, codebook):
            await self._sweep(tenant, codebook, embed)

    async def search(
        self,
        tenant: str,
        codebook: str,
        text: str,
        *,
        language: str,
        embed: Embed | None,
        revision: int,
        most: int,
    ) -> list[Hit]:
        """Corrections of that revision and before that are like the text. Raises Unavailable, and what `embed` raises."""
        asked = text.strip()[:LONGEST_QUESTION]
        if not asked:
            return []
        vector: Sequence[float] = (await embed([meant(asked)]))[0] if embed is not None else ()
        where = Collection(tenant, collection_of(codebook), len(vector))
        self._widths[self._mark_of(tenant, embed)] = len(vector)
        await self._current(where, codebook, embed)
        query = Query(
            text=asked,
            vector=vector,
            mode=Mode.HYBRID if len(vector) else Mode.TEXT,
            k=most,
            conditions=(Condition("revision", at_most=revision),),
            language=language[:2] if language[:2] in ("fr", "en") else None,
        )
        return await (await self._chunks()).search(where, query)

    async def drop(self, tenant: str, codebook: str) -> None:
        """Delete all of a codebook's. Raises Unavailable."""
        await (await self._chunks()).drop(tenant, collection_of(codebook))

    async def _current(self, where: Collection, codebook: str, embed: Embed | None) -> None:
        """Everything is in it that should be. Counts now and then, sweeps always."""
        mark = self._mark_of(where.tenant, embed)
        key = (where.tenant, codebook, mark, where.width)
        async with self._lock(where.tenant, codebook):
            await self._sweep(where.tenant, codebook, embed)
            now = time.monotonic()
            if key in self._counted and now - self._counted[key] < self._every:
                return
            if not await self._whole(where, codebook, mark):
                await self._sweep(where.tenant, codebook, embed)
            if len(self._counted) >= _MOST_COUNTED:
                self._counted.clear()
            self._counted[key] = now

    async def _whole(self, where: Collection, codebook: str, mark: str) -> bool:
        """Is it as PostgreSQL has it? What is too much is deleted at once, what is missing is marked."""
        chunks = await self._chunks()
        values = {"tenant": where.tenant, "codebook": codebook}
        there = await chunks.count(where, document=mark)
        if there != await chunks.count(where) or not there:  # somebody else's, or lost
            await self._begin_anew(where.tenant, codebook)
            return False
        async with self._database.begin() as connection:
            live = {row.id for row in await connection.execute(_LIVE, values)}
            if there == len(live):
                return True
            held = {one.id for one in await chunks.listed(where, mark)}
            await connection.execute(_AGAIN, {**values, "ids": sorted(live - held)})
        await self._delete(where, sorted(held - live))
        return live <= held

    async def _begin_anew(self, tenant: str, codebook: str) -> None:
        """Delete all of it, of whichever model, and mark everything."""
        await self.drop(tenant, codebook)
        async with self._database.begin() as connection:
            await connection.execute(_NONE_INDEXED, {"tenant": tenant, "codebook": codebook})

    async def _sweep(self, tenant: str, codebook: str, embed: Embed | None) -> None:
        values = {"tenant": tenant, "codebook": codebook}
        mark = self._mark_of(tenant, embed)
        async with self._database.begin() as connection:
            others = bool((await connection.execute(_OTHERS, {**values, "mark": mark})).scalar())
        if others:
            await self._begin_anew(tenant, codebook)
        for _ in range(_ROUNDS):
            opener = await self._seals.opener(tenant)
            async with self._database.begin() as connection:
                pending = [
                    kept_of(row, opener)
                    for row in await connection.execute(_PENDING, {**values, "most": _AT_ONCE})
                ]
            if not pending:
                return
            await self._write(tenant, codebook, pending, embed)
        raise Unavailable("Corrections come faster than they are indexed.", code="corrections_unavailable")

    async def _write(self, tenant: str, codebook: str, pending: Sequence[Kept], embed: Embed | None) -> None:
        live = [one for one in pending if one.revoked_at is None]
        gone = [one.id for one in pending if one.revoked_at is not None]
        mark = self._mark_of(tenant, embed)
        vectors = await self._vectors(mark, live, embed)
        where = Collection(tenant, collection_of(codebook), self._widths.get(mark, 0))
        chunks = await self._chunks()
        await self._delete(where, gone)
        if live:
            await chunks.upsert(where, [_chunk(one, mark) for one in live], vectors)
        async with self._database.begin() as connection:
            values = {"tenant": tenant, "codebook": codebook}
            ids = [one.id for one in live]
            rows = await connection.execute(_INDEXED, {**values, "ids": ids, "mark": mark, "revoked": False})
            stands = {row.id for row in rows}
            await connection.execute(_INDEXED, {**values, "ids": gone, "mark": None, "revoked": True})
        # Revoked or deleted while it was written: whoever did that may have been here before it was.
        await self._delete(where, [one for one in ids if one not in stands])

    async def _vectors(
        self, mark: str, live: Sequence[Kept], embed: Embed | None
    ) -> Sequence[Sequence[float]] | None:
        """A vector for each; one is asked for where only deletions are to be done, to know how long they are."""
        if embed is None:
            self._widths[mark] = 0
            return None
        if not live and mark in self._widths:
            return None
        vectors = await embed([meant(one.correction.text) for one in live] or [meant("")])
        self._widths[mark] = len(vectors[0])
        return vectors

    async def _delete(self, where: Collection, ids: Sequence[str]) -> None:
        chunks = await self._chunks()
        for start in range(0, len(ids), _AT_ONCE):
            await chunks.delete(where, ids=ids[start : start + _AT_ONCE])

    def _mark_of(self, tenant: str, embed: Embed | None) -> str:
        """As a document's id: all corrections that the same model has embedded are one document of the index."""
        said = ["words"] if embed is None else ["model", self._mark(tenant)]
        return hashlib.sha256("\0".join(said).encode()).hexdigest()[:16]

    def _lock(self, tenant: str, codebook: str) -> asyncio.Lock:
        return self._locks.setdefault((tenant, codebook), asyncio.Lock())


def _chunk(kept: Kept, mark: str) -> Chunk:
    """A correction as a passage, with what was right and what was wrong."""
    one = kept.correction
    told = {
        "revision": kept.revision,
        "version": one.codebook,
        "right": None if one.right is None else list(one.right),
        "wrong": list(one.wrong),
        "right_polarity": one.right_polarity,
        "wrong_polarity": one.wrong_polarity,
        "confirmed": one.confirmed,
    }
    metadata = {
        name: str(value) if name.endswith("polarity") else value
        for name, value in told.items()
        if value is not None
    }
    return Chunk(
        kept.id, mark, one.text, language=one.language[:2] if one.language else "", metadata=metadata
    )
