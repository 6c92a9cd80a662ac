"""The key ring: every live key in memory, so that a call costs one digest and one look-up.

It learns of changes made elsewhere by asking every few seconds. A key it does not know is looked up once, unless
it cannot be one of ours.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.caller import Caller
from passerelle.domain.errors import KeysUnavailable, Unavailable
from passerelle.stores.database import within
from passerelle.tenancy import keys
from passerelle.tenancy.store import KeyInfo, KeyStore

_log = structlog.get_logger(__name__)

_MOST_UNKNOWN = 10_000  # digests remembered as unknown
_UNKNOWN_SECONDS = 5.0
_MOST_LOOKUPS = 8  # at once
_LOOKUP_SECONDS = 3.0  # waiting for its turn included
_REFRESH_SECONDS = 10.0
# A change is dated before it can be seen: each question reaches back further than any transaction lasts.
_OVERLAP = timedelta(seconds=30)
# Whatever keeps keys from being read is an outage to the ring.
_UNREADABLE = (Unavailable, SQLAlchemyError, OSError)


class KeyRing:
    """Finds the caller behind a key."""

    def __init__(self, store: KeyStore, pepper: bytes, *, environment: Mapping[bytes, Caller]) -> None:
        self._store = store
        self._pepper = pepper
        self._own: dict[bytes, tuple[Caller, float | None]] = {  # by digest; the end in Unix seconds
            keys.digest(pepper, key): (caller, None) for key, caller in environment.items()
        }
        self._live = dict(self._own)
        self._digests = {caller.key_id: digest for digest, (caller, _) in self._own.items()}
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._lookups = asyncio.Semaphore(_MOST_LOOKUPS)
        self._refreshing = asyncio.Lock()
        self._since: datetime | None = None
        self.reachable = True

    def find(self, secret: bytes) -> Caller | None:
        """The caller, if the key is known here and has not ended."""
        found = self._live.get(keys.digest(self._pepper, secret))
        if found is None:
            return None
        caller, ends = found
        return caller if ends is None or time.time() < ends else None

    def alive(self, caller: Caller) -> bool:
        """Is the key of this caller, by its id, known here and has not ended?"""
        found = self._live.get(self._digests.get(caller.key_id, b""))
        return found is not None and (found[1] is None or time.time() < found[1])

    async def resolve(self, secret: bytes) -> Caller | None:
        """The caller of a key, from the database if it is not known here. Raises KeysUnavailable."""
        digest = keys.digest(self._pepper, secret)
        if digest in self._live or not _may_exist(secret) or self._is_unknown(digest):
            return self.find(secret)
        try:
            await within(_LOOKUP_SECONDS, self._look_up(digest))
        except _UNREADABLE as error:
            raise KeysUnavailable from error
        return self.find(secret)

    async def refresh(self) -> None:
        """Learn what changed since the last time. Raises Unavailable, or what else the database raises."""
        try:
            await within(_REFRESH_SECONDS, self._catch_up())
        except OSError as error:
            raise Unavailable("The database of keys does not answer.", code="keys_unavailable") from error

    async def run(self, seconds: float) -> None:
        """Refresh for ever; an outage of the database leaves the known keys working."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.refresh()
            except _UNREADABLE as error:
                if self.reachable:
                    _log.warning("keys_not_refreshed", error=type(error).__name__)
                self.reachable = False
            else:
                self.reachable = True

    async def _look_up(self, digest: bytes) -> None:
        async with self._lookups:
            if digest in self._live or self._is_unknown(digest):
                return  # somebody else asked meanwhile
            info = await self._store.find(digest)
            if info is None or not self._learn(info):
                self._remember_unknown(digest)

    async def _catch_up(self) -> None:
        async with self._refreshing:
            changes = await self._store.changed_since(self._since)
            if (
                self._since is None
            ):  # all that are in use, so that one looked up before and not among them has ended
                self._live = dict(self._own)
                self._digests = {caller.key_id: digest for digest, (caller, _) in self._own.items()}
            for info in changes.keys:
                self._learn(info)
            self._since = changes.asked_at - _OVERLAP

    def _learn(self, info: KeyInfo) -> bool:
        """Is the key in use? A revoked one is not, whatever this machine's clock says."""
        ends = info.expires_at.timestamp() if info.expires_at is not None else None
        if info.revoked_at is not None or (ends is not None and ends <= time.time()):
            self._live.pop(info.digest, None)
            self._digests.pop(info.id, None)
            return False
        self._live[info.digest] = (info.caller(), ends)
        self._digests[info.id] = info.digest
        self._unknown.pop(info.digest, None)
        return True

    def _is_unknown(self, digest: bytes) -> bool:
        until = self._unknown.get(digest)
        return until is not None and time.monotonic() < until

    def _remember_unknown(self, digest: bytes) -> None:
        self._unknown[digest] = time.monotonic() + _UNKNOWN_SECONDS
        self._unknown.move_to_end(digest)
        while len(self._unknown) > _MOST_UNKNOWN:
            self._unknown.popitem(last=False)


def _may_exist(secret: bytes) -> bool:
    """Is it worth a question to the database?"""
    return secret.isascii() and keys.looks_minted(secret.decode("ascii"))
