"""Whatever is done to keys in whatever order, every ring knows after a refresh exactly those that live."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from passerelle.domain.caller import Role
from passerelle.domain.errors import BadRequest
from passerelle.stores.database import Database
from passerelle.tenancy import keys
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore, MintedKey

_T = TypeVar("_T")
_PEPPER = b"p" * 32
_RINGS = st.integers(0, 1)


class KeyLife(RuleBasedStateMachine):
    """Two processes with a ring each on one database, and what must be true of every key."""

    minted = Bundle("minted")

    def __init__(self, address: str) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._database = Database(address)
        self._store = KeyStore(self._database, _PEPPER)
        self._rings = [KeyRing(self._store, _PEPPER, environment={}) for _ in range(2)]
        self._all: dict[str, MintedKey] = {}
        self._live: set[str] = set()
        self._replaced: set[str] = set()
        self._stale: list[set[str]] = [set(), set()]  # ended since the ring's last refresh
        self._await(self._empty())

    def teardown(self) -> None:
        """Close what was opened."""
        self._await(self._database.aclose())
        self._runner.close()

    @rule(target=minted, tenant=st.sampled_from([None, "acme", "globex"]))
    def create(self, tenant: str | None) -> str:
        role = Role.MEMBER if tenant else Role.ADMIN
        return self._know(self._await(self._store.create(tenant=tenant, role=role)))

    @rule(target=minted, key=minted, lasts=st.booleans())
    def rotate(self, key: str, lasts: bool) -> Any:
        old = self._all[key].info
        work = self._store.rotate(old.id, overlap=timedelta(hours=int(lasts)))
        if key not in self._live or key in self._replaced:
            with pytest.raises(BadRequest):
                self._await(work)
            return multiple()
        new = self._await(work)
        assert (new.info.tenant, new.info.role) == (old.tenant, old.role)
        self._replaced.add(key)
        if not lasts:
            self._end(key)
        return self._know(new)

    @rule(key=minted)
    def revoke(self, key: str) -> None:
        self._await(self._store.revoke(self._all[key].info.id))
        self._end(key)

    @rule(ring=_RINGS)
    def refresh(self, ring: int) -> None:
        self._await(self._rings[ring].refresh())
        self._stale[ring].clear()
        known = {key for key in self._all if self._rings[ring].find(key.encode()) is not None}
        assert known == self._live

    @rule(ring=_RINGS, key=minted)
    def call(self, ring: int, key: str) -> None:
        caller = self._await(self._rings[ring].resolve(key.encode()))
        if key in self._live:
            assert caller == self._all[key].info.caller()
        else:
            assert caller is None or key in self._stale[ring]

    @rule(ring=_RINGS)
    def call_with_a_strangers_key(self, ring: int) -> None:
        assert self._await(self._rings[ring].resolve(keys.mint().encode())) is None

    @rule(key=consumes(minted))
    def forget(self, key: str) -> None:
        assert key in self._all  # it lives on, and nothing more is done to it

    def _know(self, minted: MintedKey) -> str:
        self._all[minted.text] = minted
        self._live.add(minted.text)
        return minted.text

    def _end(self, key: str) -> None:
        if key in self._live:
            self._live.remove(key)
            for stale in self._stale:
                stale.add(key)

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(work)

    async def _empty(self) -> None:
        async with self._database.begin() as connection:
            await connection.execute(text("TRUNCATE api_key"))


def test_every_ring_knows_the_living_keys_after_any_history(database_url: str) -> None:
    limits = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )

    class OnThisDatabase(KeyLife):
        def __init__(self) -> None:
            super().__init__(database_url)

    run_state_machine_as_test(OnThisDatabase, settings=limits)
