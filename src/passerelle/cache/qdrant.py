"""Members on a Qdrant server: one collection for each length of vectors, every search inside one tenant's partition.

What a point carries besides its vector is sealed under the tenant's secret, for its own place: what somebody else has
written there, moved or changed is not believed. The seal holds the vector too, and similarities are worked out from
that one. A search that takes too long opens a rest, in which nobody is asked: slowness costs its time once.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from passerelle.cache.entry import Member, Near, State
from passerelle.cache.seams import Clock
from passerelle.cache.secrets import Secrets, Unreadable, Unready
from passerelle.stores.qdrant import Hit, Missing, Outage, Point, Qdrant, Where

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector
    from passerelle.cache.erasing import Erasure

PATIENCE = 0.010  # seconds for a search, of the 15 ms that looking may take in all
_PREFIX = "passerelle-cache-"  # of collections; the length of the vectors follows
_SHORTEST, _LONGEST = 0.5, 30.0  # seconds of rest
_UNDER_WAY = 16  # searches at a time: those that nobody waits for any more are still the server's
_FORM = 1  # of what is sealed


class Rest:
    """After a failure nobody asks for a while, then one does; each failure in a row doubles the while."""

    def __init__(self, shortest: float = _SHORTEST, longest: float = _LONGEST) -> None:
        self._shortest, self._longest = shortest, longest
        self._until = 0.0
        self._pause = 0.0
        self._trying = False

    def ask(self, now: float) -> bool:
        """May one ask now? Then `well` or `failed` follows."""
        if not self._pause:
            return True
        if now < self._until or self._trying:
            return False
        self._trying = True
        return True

    def well(self) -> None:
        """There was an answer in time."""
        self._pause, self._trying = 0.0, False

    def failed(self, now: float) -> None:
        """There was none."""
        if self._pause and now < self._until and not self._trying:
            return  # one of those that were under way together
        self._pause = min(self._longest, max(self._shortest, 2 * self._pause))
        self._until, self._trying = now + self._pause, False


class Large:
    """Finds, writes and erases members on a server. Whoever makes it, closes it; the server's client is another's."""

    def __init__(self, qdrant: Qdrant, secrets: Secrets, *, clock: Clock, patience: float = PATIENCE) -> None:
        self._qdrant, self._secrets, self._clock, self._patience = qdrant, secrets, clock, patience
        self._rest = Rest()
        self._under_way: set[asyncio.Task[list[Hit]]] = set()
        self._made: set[str] = set()

    async def near(self, tenant: str, partition: str, vector: Vector, *, most: int) -> list[Near]:
        """The nearest, nearest first. Raises Outage: away, slow or resting; Missing where the collection is gone."""
        loop = asyncio.get_running_loop()
        if len(self._under_way) >= _UNDER_WAY or not self._rest.ask(loop.time()):
            raise Outage("Qdrant is not asked for a while: it has failed or been slow.")
        where = Where(
            equal={"partition": partition, "tenant": tenant},
            above={"expires": self._clock()},
        )
        search = self._qdrant.search(_collection(len(vector)), vector.tolist(), where=where, most=most)
        task = asyncio.ensure_future(self._watched(search))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        # The task is not cancelled with its caller: a server that is slow is found out whoever waits.
        done, _ = await asyncio.wait({task}, timeout=self._patience)
        if not done:
            raise Outage("Qdrant took too long.")
        await self._secrets.ready(tenant, within=self._patience)
        return self._opened(tenant, partition, vector, task.result())

    async def count(self, tenant: str, partition: str) -> int:
        """How many members of a partition are there, the expired ones left out."""
        where = Where(equal={"partition": partition, "tenant": tenant}, above={"expires": self._clock()})
        return sum([await self._qdrant.count(name, where) for name in await self._collections()])

    async def write(self, members: Sequence[Member]) -> None:
        """Write members, over those of the same ids; they can be found when this returns."""
        by_width: dict[int, list[Member]] = {}
        for member in members:
            by_width.setdefault(len(member.vector), []).append(member)
        for width, some in by_width.items():
            name = _collection(width)
            for tenant in {member.tenant for member in some}:
                await self._secrets.ready(tenant, within=self._patience)
            try:
                points = [self._point(member) for member in some]
            except Unready:
                raise Outage("A tenant's key is not known.") from None
            if name not in self._made:
                await self._make(name, width)
            try:
                await self._qdrant.put(name, points)
            except Missing:
                self._made.discard(name)
                raise

    async def erase(self, erasure: Erasure) -> None:
        """Delete from every collection; nothing of it is on the server when this returns."""
        tenant = erasure.tenant
        for name in await self._collections():
            if erasure.everything:
                await self._qdrant.delete(name, Where(equal={"tenant": tenant}))
                continue
            for partition in erasure.partitions:
                await self._qdrant.delete(name, Where(equal={"partition": partition, "tenant": tenant}))
            if erasure.members:
                await self._qdrant.delete(name, sorted(_place(tenant, member) for member in erasure.members))

    async def sweep(self) -> None:
        """Delete what has expired, of every tenant."""
        for name in await self._collections():
            await self._qdrant.delete(name, Where(upto={"expires": self._clock()}))

    async def aclose(self) -> None:
        """Wait for the searches under way; each has its own limit."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _watched(self, search: Any) -> list[Hit]:
        loop = asyncio.get_running_loop()
        slow = loop.call_later(self._patience, lambda: self._rest.failed(loop.time()))
        begun = loop.time()
        try:
            hits: list[Hit] = await search
        except Missing:
            self._rest.well()
            raise
        except Outage:
            if loop.time() - begun < self._patience:
                self._rest.failed(loop.time())
            raise
        finally:
            slow.cancel()
        if loop.time() - begun < self._patience:
            self._rest.well()
        return hits

    def _ended(self, task: asyncio.Task[list[Hit]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # has been told to whoever waited, if anybody still did

    async def _collections(self) -> list[str]:
        # Asked each time: another process may have made one.
        return [name for name in await self._qdrant.collections() if name.startswith(_PREFIX)]

    async def _make(self, name: str, width: int) -> None:
        await self._qdrant.make(
            name, width=width, tenant="partition", words=("tenant",), numbers=("expires",)
        )
        self._made.add(name)

    def _point(self, member: Member) -> Point:
        place = _place(member.tenant, member.id)
        sealed = self._secrets.seal(member.tenant, _seal(member.partition, place), _packed(member))
        payload = {
            "tenant": member.tenant,
            "partition": member.partition,
            "expires": member.expires,
            "sealed": base64.b64encode(sealed).decode(),
        }
        return Point(place, member.vector.tolist(), payload)

    def _opened(self, tenant: str, partition: str, vector: Vector, hits: Iterable[Hit]) -> list[Near]:
        from passerelle.cache.brute import cosine  # noqa: PLC0415 - numpy

        found = []
        for hit in hits:
            try:
                sealed = base64.b64decode(hit.payload["sealed"], validate=True)
                member = _unpacked(
                    self._secrets.unseal(tenant, _seal(partition, hit.id), sealed), tenant, partition
                )
            except (Unreadable, ValueError, KeyError, TypeError):
                continue  # damaged, of another pepper, or written by somebody else
            similarity = cosine(vector, member.vector)
            if similarity is not None and member.expires > self._clock():
                found.append(Near(similarity, member))
        return sorted(found, key=lambda near: -near.similarity)


def _collection(width: int) -> str:
    return f"{_PREFIX}{width}"


def _place(tenant: str, member: str) -> str:
    """The id of a member's point: the same in every process, and never that of another tenant's member."""
    digest = hashlib.sha256(orjson.dumps([tenant, member])).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


def _seal(partition: str, place: str) -> str:
    return f"qdrant {partition} {place}"


def _packed(member: Member) -> bytes:
    import numpy as np  # noqa: PLC0415 - there are members only where numpy is in use

    vector = np.ascontiguousarray(member.vector, dtype="<f4")
    return orjson.dumps(
        {
            "form": _FORM,
            "id": member.id,
            "cluster": member.cluster,
            "text": member.text,
            "vector": base64.b64encode(vector.tobytes()).decode(),
            "language": member.language,
            "created": member.created,
            "expires": member.expires,
            "state": member.state,
            "tags": member.tags,
            "subjects": member.subjects,
        }
    )


def _unpacked(content: bytes, tenant: str, partition: str) -> Member:
    """Raises ValueError or KeyError for another form."""
    import numpy as np  # noqa: PLC0415 - as above

    told = orjson.loads(content)
    if told["form"] != _FORM:
        raise ValueError("written by another version")
    return Member(
        id=told["id"],
        tenant=tenant,
        partition=partition,
        cluster=told["cluster"],
        text=told["text"],
        vector=np.frombuffer(base64.b64decode(told["vector"]), dtype="<f4"),
        language=told["language"],
        created=told["created"],
        expires=told["expires"],
        state=State(told["state"]),
        tags=tuple(told["tags"]),
        subjects=tuple(told["subjects"]),
    )
