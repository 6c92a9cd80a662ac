"""Seals what is stored of a tenant with its own key: whoever has a copy and not the key, has nothing.

A sealed value is `magic, key's number, nonce, AES-256-GCM`, bound to its tenant and to what its owner says it cannot be
moved away from. In a column of text it stands as `sealed:1:<base64>`, in one of JSON as `{"sealed": "<base64>"}`; what
has no such mark is read as it is: rows from before, and those of tenants that did not ask for it. Nonces are random, so
that a key is good for 2^32 values (NIST SP 800-38D, 8.3).

Keys are kept in memory, and looked at again after seconds, so that one that another process destroyed is forgotten here.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.errors import Unavailable
from passerelle.sealing.keys import DataKey, DataKeys
from passerelle.sealing.values import Cipher, Opener, Seal
from passerelle.stores.database import within

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

_MOST_TENANTS = 1024  # whose keys are in memory
_CHECK_SECONDS = 3.0
_STALE_SECONDS = 600.0  # without the database's word
_LOOK_SECONDS = 3.0
_LARGE = 512 * 1024  # bytes; more is sealed in a thread
_UNREADABLE = (SQLAlchemyError, OSError)


@dataclass(slots=True)
class _Known:
    """A tenant's keys by number, None: destroyed or not ours; and when the database said so."""

    ciphers: dict[int, Cipher | None]
    foreign: frozenset[int]
    at: float
    newest: Cipher | None = None


@dataclass(slots=True)
class _Memory:
    tenants: OrderedDict[str, _Known] = field(default_factory=OrderedDict)
    looking: dict[str, asyncio.Lock] = field(default_factory=dict)
    ended: int = 0  # rises with every key that is destroyed here


class Seals:
    """Seals and opens for every tenant. `encrypted` says of a tenant's name whether it wants that."""

    def __init__(
        self,
        keys: DataKeys,
        *,
        encrypted: Callable[[str], bool] = lambda _: True,
        check_seconds: float = _CHECK_SECONDS,
    ) -> None:
        self._keys = keys
        self._encrypted = encrypted
        self._check_seconds = check_seconds
        self._memory = _Memory()

    def follow(self, encrypted: Callable[[str], bool]) -> None:
        """From here on this says which tenants want their data sealed."""
        self._encrypted = encrypted

    def tell(self, told: Callable[[str, int], Awaitable[None]]) -> None:
        """From here on this hears of every key that is made here, by its tenant and number."""
        self._keys.told = told

    async def seal(self, tenant: str, plain: bytes, bound: bytes = b"") -> bytes:
        """What may be stored, also of a tenant that did not ask for it. Raises Unavailable."""
        seal = await self._seal(tenant, always=True)
        if len(plain) > _LARGE:
            return await asyncio.to_thread(seal.seal, plain, bound)
        return seal.seal(plain, bound)

    async def open(self, tenant: str, sealed: bytes, bound: bytes = b"") -> bytes:
        """What was sealed so. Raises Destroyed, Unreadable, Unavailable."""
        opener = await self.opener(tenant)
        if len(sealed) > _LARGE:
            return await asyncio.to_thread(opener.open, sealed, bound)
        return opener.open(sealed, bound)

    async def of(self, tenant: str) -> Seal:
        """What seals and opens without waiting, for one piece of work; not to be held. Raises Unavailable.

        A tenant that has no key gets one, if it wants its data sealed.
        """
        return await self._seal(tenant, always=False)

    async def opener(self, tenant: str) -> Opener:
        """What opens without waiting, for one piece of work: no key is made for it. Raises Unavailable."""
        known = await self._known(tenant, self._keys.find, lambda _: True)
        return Opener(tenant, known.ciphers, known.foreign)

    def at_hand(self, tenant: str, *, fresh: bool = False) -> Seal | None:
        """As `of`, where that can be had without waiting; None elsewhere. `fresh`: the database said so seconds ago."""
        known = self._memory.tenants.get(tenant)
        most = self._check_seconds if fresh else _STALE_SECONDS
        if known is None or time.monotonic() - known.at >= most:
            return None
        if known.newest is None and self._encrypted(tenant):
            return None
        return self._made(tenant, known, always=False)

    async def destroy(self, tenant: str) -> int:
        """End a tenant's keys, for good: how many. What is written of it later gets a new one. May be repeated."""
        self._memory.ended += 1
        self._memory.tenants.pop(tenant, None)
        try:
            return await self._keys.destroy(tenant)
        except _UNREADABLE as error:
            raise _away() from error
        finally:  # what was read of it meanwhile
            self._memory.ended += 1
            self._memory.tenants.pop(tenant, None)

    async def rewrap(self, new: bytes) -> int:
        """Wrap all keys with a new key-encryption key: how many. Raises CannotRun, Unavailable."""
        try:
            return await self._keys.rewrap(new)
        except _UNREADABLE as error:
            raise _away() from error

    async def _seal(self, tenant: str, *, always: bool) -> Seal:
        if always or self._encrypted(tenant):
            known = await self._known(tenant, self._keys.make, lambda known: known.newest is not None)
        else:
            known = await self._known(tenant, self._keys.find, lambda _: True)
        return self._made(tenant, known, always=always)

    def _made(self, tenant: str, known: _Known, *, always: bool) -> Seal:
        if known.newest is None and (always or self._encrypted(tenant)):
            raise Unavailable(
                "The tenant's key is wrapped by another key-encryption key: start this process with the new one.",
                code="key_unavailable",
            )
        return Seal(
            tenant,
            known.ciphers,
            known.foreign,
            newest=known.newest,
            version=max(known.ciphers, default=0),
            on=always or self._encrypted(tenant),
        )

    async def _known(
        self,
        tenant: str,
        ask: Callable[[str], Awaitable[list[DataKey]]],
        enough: Callable[[_Known], bool],
    ) -> _Known:
        """A tenant's keys as the database had them seconds ago, asked by one for all who wait."""
        if (known := self._fresh(tenant)) is not None and enough(known):
            return known
        lock = self._memory.looking.setdefault(tenant, asyncio.Lock())
        try:
            async with lock:
                if (known := self._fresh(tenant)) is not None and enough(known):
                    return known
                return await self._look(tenant, ask, enough)
        finally:
            if not lock.locked():
                self._memory.looking.pop(tenant, None)

    async def _look(
        self,
        tenant: str,
        ask: Callable[[str], Awaitable[list[DataKey]]],
        enough: Callable[[_Known], bool],
    ) -> _Known:
        while True:
            ended = self._memory.ended
            try:
                found = await within(_LOOK_SECONDS, _one(ask(tenant)))
            except _UNREADABLE as error:
                stale = self._memory.tenants.get(tenant)
                if stale is not None and time.monotonic() - stale.at < _STALE_SECONDS and enough(stale):
                    return stale
                self._memory.tenants.pop(tenant, None)
                raise _away() from error
            if ended == self._memory.ended:
                return self._learn(tenant, found)

    def _fresh(self, tenant: str) -> _Known | None:
        known = self._memory.tenants.get(tenant)
        if known is None or time.monotonic() - known.at >= self._check_seconds:
            return None
        self._memory.tenants.move_to_end(tenant)
        return known

    def _learn(self, tenant: str, found: list[DataKey]) -> _Known:
        before = self._memory.tenants.get(tenant)
        # A key's number never means another key; its cipher is costlier to make than to keep.
        kept: Mapping[int, Cipher | None] = before.ciphers if before is not None else {}
        ciphers: dict[int, Cipher | None] = {
            each.version: None if each.key is None else (kept.get(each.version) or Cipher(each.key))
            for each in found
        }
        foreign = frozenset(each.version for each in found if each.foreign)
        newest = ciphers[found[-1].version] if found else None
        known = _Known(ciphers, foreign, time.monotonic(), newest)
        tenants = self._memory.tenants
        tenants[tenant] = known
        tenants.move_to_end(tenant)
        while len(tenants) > _MOST_TENANTS:
            tenants.popitem(last=False)
        return known


async def _one(asked: Awaitable[_T]) -> _T:
    return await asked


def _away() -> Unavailable:
    return Unavailable("The tenant's key cannot be looked up now.", code="key_unavailable")
