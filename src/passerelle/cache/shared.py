"""Answers and questions in Redis, where processes share them: each verb one run of a script, in one epoch.

An epoch ends when the server starts anew or loses its state: what it restored may be older than a deletion, so nothing
of an earlier epoch is read again. Every entry ends in Redis when it expires; the sets that find it for a deletion end
with the last of their entries.
"""

from __future__ import annotations

import asyncio
import secrets as chance
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from passerelle.cache import codec
from passerelle.cache.entry import Kept, Member
from passerelle.cache.graves import EVERYTHING, Graves, Labels, Mark
from passerelle.cache.lanes import Asking, Writing
from passerelle.cache.seams import Clock
from passerelle.cache.secrets import Secrets, Unreadable, Unready
from passerelle.stores.redis import Call, Garbled, Redis, Script

ROOT = "passerelle:{cache}:"  # one hash tag for all keys: a cluster keeps them on one server
CHANNEL = f"{ROOT}news"

_TEXT = Path(__file__).with_name("shared.lua")
_WRITES, _WRITE_BYTES = 5_000, 64 * 1024 * 1024
_UNREADY = 256  # writes that wait for a key
_PATIENCE = 0.3  # seconds for a batch, connection and all
_SLOW = 2.0  # seconds for what nobody's request waits for
_CHUNK = 64  # questions that are read together: less than a millisecond of the loop's time
_PART = 250  # entries that are deleted together: less than a millisecond of the server's
_OF_PARTITION = 12_000  # questions of one partition; those that expire first go
_SKEW = 1.0  # seconds by which two clocks may differ before an entry's times are counted anew


class OtherEpoch(Garbled):
    """The server is not the one that we knew, or has lost what it knew."""


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand with the server."""

    epoch: str
    graves: Graves
    generations: Mapping[tuple[str, str], int]  # by tenant and label


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, after which deletion it was begun, and its bytes."""

    kept: Kept
    mark: int
    size: int


class Shared:
    """What is in Redis, and the two ways to it. `refused` hears of what was deleted before it was written."""

    def __init__(
        self,
        redis: Redis,
        secrets: Secrets,
        labels: Labels,
        *,
        clock: Clock,
        refused: Callable[[Kept | Member], None],
        lost: Callable[[int], None],
    ) -> None:
        """`lost` hears how many writes found no room or no server."""
        script = Script(_TEXT.read_text(encoding="utf-8"))
        self.origin = chance.token_hex(8)  # of this process
        self.epoch = ""
        self._redis = redis
        self._secrets = secrets
        self._unready: set[asyncio.Task[None]] = set()
        self._labels = labels
        self._clock = clock
        self._refused = refused
        self._asking = Asking(redis, script, patience=_PATIENCE)
        self._slowly = Asking(redis, script, patience=_SLOW)
        self.writing = Writing(redis, script, most=_WRITES, size=_WRITE_BYTES, patience=_PATIENCE, lost=lost)

    @property
    def resting(self) -> bool:
        """Is Redis left alone for a moment?"""
        return self._asking.resting

    async def hello(self) -> Now:
        """Join the server's epoch, or begin one. Raises one of `Outage`."""
        fresh = chance.token_hex(8)
        answer = await self._slow(self._call("hello", "", await self._redis.run_id(), fresh))
        state = {bytes(name).decode(): bytes(value) for name, value in _pairs(answer)}
        epoch = state["name"].decode()
        changed = epoch != self.epoch
        self.epoch = epoch
        if changed:
            self.writing.forget()
        graves = Graves()
        generations = {}
        for name, value in state.items():
            kind, _, rest = name.partition(":")
            if kind == "gen":
                tenant, _, label = rest.partition("\x1f")
                generations[tenant, label] = int(value)
            elif kind == "last":
                await self._bury(graves, rest, int(value))
        graves.seq = max(graves.seq, int(state["seq"]))
        return Now(epoch, graves, generations)

    async def pulse(self) -> int:
        """The number of the last deletion or change. Raises one of `Outage`."""
        return int(await self._slow(self._call("pulse", "")))

    async def find(self, tenant: str, exact: str, *, within: float) -> Found | None:
        """The answer of that exact key. Raises one of `Outage`."""
        found = await self._answer(self._call("find", tenant, exact), tenant, within)
        return found if found is not None and found.kept.exact == exact else None

    async def by_id(self, tenant: str, name: str, *, within: float) -> Found | None:
        """The answer of that id. Raises one of `Outage`."""
        return await self._answer(self._call("get", tenant, name), tenant, within)

    async def load(self, tenant: str, partition: str) -> list[tuple[Member, int]]:
        """The questions of a partition, each with its mark, those that expire first first. Raises one of `Outage`."""
        ids = bytes(await self._slow(self._call("ids", tenant, partition))).decode().split()
        members = []
        await self._secrets.ready(tenant, within=_SLOW)
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            values = await self._slow(self._call("members", tenant, partition, *part))
            for name, (value, life) in zip(part, _pairs(values), strict=True):
                sealed = bytes(value or b"").partition(b"\n")[2]
                opened = self.member(tenant, name, sealed)
                if opened is not None and opened[0].partition == partition:
                    set_back(opened[0], self._clock() + life / 1000)
                    members.append(opened)
        return members

    def member(self, tenant: str, name: str, sealed: bytes) -> tuple[Member, int] | None:
        """A question as it was sealed; None where that does not verify."""
        try:
            return codec.member_of(self._secrets, tenant, name, sealed)
        except Unreadable:
            return None

    def keep(self, kept: Kept, content: bytes, mark: Mark, *, again: bool = True) -> None:
        """Write an answer soon; `again`: also where its tenant's key has to be waited for."""
        life = _life(kept.expires - self._clock())
        if mark.epoch == self.epoch and life > 0:
            try:
                sealed = codec.seal(self._secrets, kept.tenant, kept.id, content, mark.seq)
            except Unready:
                if again:
                    self._once_ready(kept.tenant, lambda: self.keep(kept, content, mark, again=False))
                return
            about: list[str | bytes] = [kept.id, str(mark.seq), str(life), sealed, kept.exact]
            self._write("keep", kept, [*about, *self._labels.of(kept)], len(sealed))

    def save(self, member: Member, content: bytes, mark: Mark, *, again: bool = True) -> None:
        """Write a question soon, and tell the other processes; `again` as above."""
        life = _life(member.expires - self._clock())
        if mark.epoch == self.epoch and life > 0:
            try:
                sealed = codec.seal(self._secrets, member.tenant, member.id, content, mark.seq)
            except Unready:
                if again:
                    self._once_ready(member.tenant, lambda: self.save(member, content, mark, again=False))
                return
            bound = (member.partition, str(_OF_PARTITION))
            about: list[str | bytes] = [member.id, str(mark.seq), str(life), sealed, *bound]
            self._write("save", member, [*about, *self._labels.of(member)], len(sealed))

    async def purge(self, tenant: str, label: str) -> tuple[int, int]:
        """Delete what has a label: the deletion's number, and how many entries. Raises one of `Outage`."""
        seq, total, more = 0, 0, 1
        while more:
            call = self._call("purge", tenant, label, str(seq), str(_PART))
            seq, count, more = (int(number) for number in await self._slow(call))
            total += count
        return seq, total

    async def bump(self, tenant: str, label: str) -> int:
        """The label's new generation. Raises one of `Outage`."""
        return int(await self._slow(self._call("bump", tenant, label)))

    def count(self, tenant: str, counts: Mapping[str, float]) -> None:
        """Add to counters soon; where it is not known whether that happened, it is not done twice."""
        about = [text for name, number in counts.items() for text in (name, repr(number))]
        self.writing.put(self._call("count", tenant, *about), 64 * len(about), lambda _: None, again=False)

    async def counts(self, tenant: str) -> dict[str, float]:
        """The counters. Raises one of `Outage`."""
        found = _pairs(await self._slow(self._call("counts", tenant)))
        return {bytes(name).decode(): float(value) for name, value in found}

    async def size(self, tenant: str) -> int:
        """How many entries a tenant has. Raises one of `Outage`."""
        return int(await self._slow(self._call("size", tenant)))

    async def having(self, tenant: str, label: str) -> list[str]:
        """Ids of the entries that have a label. Raises one of `Outage`."""
        return bytes(await self._slow(self._call("having", tenant, label))).decode().split()

    def _once_ready(self, tenant: str, write: Callable[[], None]) -> None:
        """Write what waits for its tenant's key, where there is room for it: a key is asked for once in a while."""
        if len(self._unready) >= _UNREADY:
            return

        async def wait() -> None:
            await self._secrets.ready(tenant, within=_SLOW)
            write()

        task = asyncio.ensure_future(wait())
        self._unready.add(task)
        task.add_done_callback(self._unready.discard)

    async def aclose(self) -> None:
        """Write what waits."""
        await asyncio.gather(*self._unready, return_exceptions=True)
        await self.writing.aclose()
        await self._asking.quiet()
        await self._slowly.quiet()

    async def _bury(self, graves: Graves, tenant: str, last: int) -> None:
        found = _pairs(await self._slow(self._call("graves", tenant)))
        for label, seq in found:
            graves.note(tenant, bytes(label).decode(), int(seq))
        if not found:  # the server has lost them: whatever is older than the last of them may be gone
            graves.note(tenant, EVERYTHING, last)

    async def _answer(self, call: Call, tenant: str, within: float) -> Found | None:
        await self._secrets.ready(tenant, within=within)
        found = _known(await self._asking.ask(call, within=within))
        if not isinstance(found, list) or len(found) != 3:
            return None
        try:
            sealed = bytes(found[1]).partition(b"\n")[2]
            kept, mark = codec.kept_of(self._secrets, tenant, bytes(found[0]).decode(), sealed)
        except (Unreadable, UnicodeDecodeError):
            return None
        ends = self._clock() + int(found[2]) / 1000
        if abs(ends - kept.expires) > _SKEW:  # the writer's clock is not ours: the server's counts
            kept = replace(kept, created=kept.created + ends - kept.expires, expires=ends)
        return Found(kept, mark, len(found[1]))

    def _write(self, verb: str, entry: Kept | Member, about: Sequence[str | bytes], size: int) -> None:
        def heard(answer: Any) -> None:
            if answer == b"gone":
                self._refused(entry)

        self.writing.put(self._call(verb, entry.tenant, *about), size, heard)

    async def _slow(self, call: Call) -> Any:
        return _known(await self._slowly.ask(call, within=_SLOW))

    def _call(self, verb: str, tenant: str, *arguments: str | bytes) -> Call:
        return Call([ROOT], [verb, self.epoch, self.origin, tenant, *arguments])


def _known(answer: Any) -> Any:
    if answer == b"other":
        raise OtherEpoch("Redis has started anew.")
    return answer


def _pairs(answer: Any) -> list[tuple[Any, Any]]:
    return list(zip(answer[::2], answer[1::2], strict=True))


def _life(seconds: float) -> int:
    """Whole milliseconds, never longer than that."""
    return ceil(seconds * 1000) if seconds > 0 else 0


def set_back(member: Member, ends: float) -> None:
    """Where the writer's clock is not ours, the server's counts: it ends then."""
    if abs(ends - member.expires) > _SKEW:
        member.created, member.expires = member.created + ends - member.expires, ends
