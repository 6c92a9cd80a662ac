"""Whatever is done to keys in whatever order, every ring knows after a refresh exactly those that live; a ring that
is cut off from the database goes on with those it knows, and says of no other that it is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, KeysUnavailable, Unavailable
from passerelle.stores.database import Database
from passerelle.tenancy import keys, ring, store
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore, MintedKey
from tests.chaos.program import refused, socket_of, through
from tests.chaos.proxy import Proxy

_T = TypeVar("_T")
_PEPPER = b"p" * 32
_RINGS = st.integers(0, 1)
_HOUR = 3600.0
_AWAY = "away"  # what a call hears of a ring that cannot know


class Clock:
    """The time of rings and of the store, which passes when the machine says so. The database's own does not."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Key:
    """What the model knows of one."""

    minted: MintedKey
    ends: float | None
    revoked: bool = False
    replaced: bool = False

    def lives(self, now: float) -> bool:
        return not self.revoked and (self.ends is None or now < self.ends)


class Process:
    """One ring, on its own way to the database, and what it must know."""

    def __init__(self, proxy: Proxy, address: str) -> None:
        self.proxy = proxy
        self.database = Database(through(address, proxy))
        self.ring = KeyRing(KeyStore(self.database, _PEPPER), _PEPPER, environment={})
        self.away = False
        self.knows: set[str] = set()
        self.stale: set[str] = set()  # changed elsewhere since its last refresh

    async def call(self, key: str) -> Caller | str | None:
        try:
            return await self.ring.resolve(key.encode())
        except KeysUnavailable:
            return _AWAY

    async def close(self) -> None:
        await self.database.aclose()
        await self.proxy.aclose()


class KeyLife(RuleBasedStateMachine):
    """Two processes with a ring each, a third one that changes keys, and what must be true of every key."""

    minted = Bundle("minted")

    def __init__(self, address: str, clock: Clock) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._clock = clock
        clock.ahead = 0.0
        self._database = Database(address)
        self._store = KeyStore(self._database, _PEPPER)
        self._keys: dict[str, Key] = {}
        self._processes = self._await(self._open(address))

    def teardown(self) -> None:
        """Close what was opened."""
        for process in self._processes:
            self._await(process.close())
        self._await(self._database.aclose())
        self._runner.close()

    @rule(
        target=minted, tenant=st.sampled_from([None, "acme", "globex"]), hours=st.sampled_from([None, 1, 3])
    )
    def create(self, tenant: str | None, hours: int | None) -> str:
        role = Role.MEMBER if tenant else Role.ADMIN
        ends = None if hours is None else self._clock.now() + hours * _HOUR
        expires = None if ends is None else datetime.fromtimestamp(ends, UTC)
        minted = self._await(self._store.create(tenant=tenant, role=role, expires_at=expires))
        self._keys[minted.text] = Key(minted, ends)
        return minted.text

    @rule(target=minted, key=minted, hours=st.integers(0, 2))
    def rotate(self, key: str, hours: int) -> Any:
        old, now = self._keys[key], self._clock.now()
        work = self._store.rotate(old.minted.info.id, overlap=timedelta(hours=hours))
        if not old.lives(now) or old.replaced:
            with pytest.raises(BadRequest):
                self._await(work)
            return multiple()
        new = self._await(work)
        assert (new.info.tenant, new.info.role) == (old.minted.info.tenant, old.minted.info.role)
        old.replaced = True
        old.ends = min(now + hours * _HOUR, old.ends if old.ends is not None else float("inf"))
        self._changed(key)
        expires = new.info.expires_at
        self._keys[new.text] = Key(new, expires.timestamp() if expires is not None else None)
        return new.text

    @rule(key=minted)
    def revoke(self, key: str) -> None:
        self._await(self._store.revoke(self._keys[key].minted.info.id))
        self._keys[key].revoked = True
        self._changed(key)

    @rule()
    def time_passes(self) -> None:
        self._clock.ahead += 70 * 60

    @rule(which=_RINGS)
    def goes_away(self, which: int) -> None:
        process = self._processes[which]
        process.away = True
        self._await(refused(process.proxy))

    @rule(which=_RINGS)
    def comes_back(self, which: int) -> None:
        process = self._processes[which]
        process.away = False
        self._await(process.proxy.heal())

    @rule(which=_RINGS)
    def refresh(self, which: int) -> None:
        process = self._processes[which]
        if process.away:
            with pytest.raises(Unavailable):
                self._await(process.ring.refresh())
            return
        self._await(process.ring.refresh())
        process.stale.clear()
        process.knows = {key for key in self._keys if process.ring.find(key.encode()) is not None}
        assert process.knows == {key for key, each in self._keys.items() if each.lives(self._clock.now())}

    @rule(which=_RINGS, key=minted)
    def call(self, which: int, key: str) -> None:
        process, known = self._processes[which], self._keys[key]
        heard = self._await(process.call(key))
        if known.lives(self._clock.now()):
            knows = key in process.knows
            assert heard == (known.minted.info.caller() if knows or not process.away else _AWAY)
            if not process.away:
                process.knows.add(key)
        elif heard == _AWAY:
            assert process.away
        else:
            assert heard is None or key in process.stale

    @rule(which=_RINGS)
    def call_with_a_strangers_key(self, which: int) -> None:
        process = self._processes[which]
        assert self._await(process.call(keys.mint())) == (_AWAY if process.away else None)

    @invariant()
    def streams_and_calls_are_judged_alike(self) -> None:
        for process in self._processes:
            for key, each in self._keys.items():
                found = process.ring.find(key.encode())
                assert process.ring.alive(each.minted.info.caller()) == (found is not None)
                if each.lives(self._clock.now()):
                    assert found is not None or key not in process.knows  # also while the database is away
                else:
                    assert found is None or key in process.stale

    def _changed(self, key: str) -> None:
        for process in self._processes:
            process.stale.add(key)

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(work)

    async def _open(self, address: str) -> list[Process]:
        async with self._database.begin() as connection:
            await connection.execute(text("TRUNCATE api_key"))
        proxies = [Proxy(socket_of(address)) for _ in range(2)]
        for proxy in proxies:
            await proxy.accept()
        return [Process(proxy, address) for proxy in proxies]


def test_every_ring_knows_the_living_keys_after_any_history(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = settings(
        max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    clock = Clock()

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Self:
            return cls.fromtimestamp(clock.now(), tz)

    monkeypatch.setattr(ring, "time", SimpleNamespace(time=clock.now, monotonic=clock.monotonic))
    monkeypatch.setattr(store, "datetime", Shifted)

    class OnThisDatabase(KeyLife):
        def __init__(self) -> None:
            super().__init__(database_url, clock)

    run_state_machine_as_test(OnThisDatabase, settings=limits)
