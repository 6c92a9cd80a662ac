"""Keys and tokens are told apart by their form, and neither's trouble is the other's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import KeysUnavailable, Unauthenticated
from passerelle.stores.database import Database
from passerelle.tenancy.callers import Callers
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore
from tests.unit.tenancy.issuers import PEPPER, Rig, rigged

_DOTTED = b"an.operators-own-key.7f3b0c44-with-dots"
_OWN = Caller("env_1", "acme", Role.MEMBER, "API_KEYS entry 1")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rigged() as made:
        yield made


@pytest.fixture
def store(database: Database) -> KeyStore:
    return KeyStore(database, PEPPER)


@pytest.fixture
def callers(rig: Rig, store: KeyStore) -> Callers:
    callers = Callers(KeyRing(store, PEPPER, environment={_DOTTED: _OWN}), lambda: rig.tokens)
    callers.expect(rig.catalog)
    return callers


async def test_each_credential_goes_where_it_belongs(rig: Rig, store: KeyStore, callers: Callers) -> None:
    minted = await store.create(tenant="globex", role=Role.MEMBER)
    token = rig.oidc.token()
    assert callers.find(minted.text.encode()) is None
    assert callers.find(token) is None

    by_key, by_token = await callers.resolve(minted.text.encode()), await callers.resolve(token)
    assert by_key == minted.info.caller()
    assert by_token is not None
    assert by_token.tenant == "acme"
    assert (callers.find(minted.text.encode()), callers.find(token)) == (by_key, by_token)
    assert rig.oidc.fetched == 1


async def test_an_operators_key_with_dots_is_a_key(rig: Rig, callers: Callers) -> None:
    assert callers.find(_DOTTED) == _OWN
    assert await callers.resolve(_DOTTED) == _OWN
    assert rig.oidc.asked == []


async def test_what_is_neither_is_nobody(callers: Callers) -> None:
    assert await callers.resolve(b"garbage") is None
    assert await callers.resolve(b"a.b.c.d.e") is None
    with pytest.raises(Unauthenticated, match="malformed"):
        await callers.resolve(b"a.b.c")


async def test_a_provider_that_is_away_is_no_trouble_for_keys(
    rig: Rig, store: KeyStore, callers: Callers
) -> None:
    rig.oidc.mood = "hang up"
    with pytest.raises(KeysUnavailable):
        await callers.resolve(rig.oidc.token())
    minted = await store.create(tenant="acme", role=Role.MEMBER)
    assert await callers.resolve(minted.text.encode()) is not None


async def test_a_caller_is_alive_until_its_key_ends(rig: Rig, store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER, environment={_DOTTED: _OWN})
    callers = Callers(ring, lambda: rig.tokens)
    callers.expect(rig.catalog)
    kept, ended = [await store.create(tenant="acme", role=Role.MEMBER) for _ in range(2)]
    short = await store.create(
        tenant="acme", role=Role.MEMBER, expires_at=datetime.now(UTC) + timedelta(hours=1)
    )
    await ring.refresh()
    everybody = [_OWN, *(key.info.caller() for key in (kept, ended, short))]
    assert all(callers.alive(caller) for caller in everybody)

    await store.revoke(ended.info.id)
    await ring.refresh()
    assert [callers.alive(caller) for caller in everybody] == [True, True, False, True]
    ring._since = None  # as after a loss: all are read anew
    await ring.refresh()
    assert [callers.alive(caller) for caller in everybody] == [True, True, False, True]
    assert not callers.alive(Caller("key_unheard_of", "acme", Role.MEMBER))


async def test_a_key_with_an_end_dies_without_a_refresh(
    rig: Rig, store: KeyStore, callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    short = await store.create(tenant="acme", role=Role.MEMBER, expires_at=soon)
    caller = await callers.resolve(short.text.encode())
    assert caller is not None
    assert callers.alive(caller)
    monkeypatch.setattr("time.time", lambda: soon.timestamp() + 1)
    assert not callers.alive(caller)


async def test_a_caller_by_token_is_alive_until_its_token_or_issuer_ends(rig: Rig, callers: Callers) -> None:
    caller = await callers.resolve(rig.oidc.token())
    assert caller is not None
    assert callers.alive(caller)
    rig.trust(acme=())
    assert not callers.alive(caller)
