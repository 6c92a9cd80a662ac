"""Keys in the database: the text is nowhere, and what ended stays ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, NotFound, Unavailable
from passerelle.stores.database import Database
from passerelle.tenancy import keys
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore, MintedKey

_PEPPER = b"p" * 32
_DAY = timedelta(days=1)


@pytest.fixture
def store(database: Database) -> KeyStore:
    return KeyStore(database, _PEPPER)


async def member(store: KeyStore, tenant: str = "acme", expires_at: datetime | None = None) -> MintedKey:
    return await store.create(tenant=tenant, role=Role.MEMBER, name="chatbot", expires_at=expires_at)


async def test_a_new_key_is_found_by_its_digest_and_kept_as_nothing_else(
    store: KeyStore, database: Database
) -> None:
    minted = await member(store)

    assert keys.looks_minted(minted.text)
    assert await store.find(keys.digest(_PEPPER, minted.text.encode())) == minted.info
    assert await store.get(minted.info.id) == minted.info
    assert minted.info.caller() == Caller(minted.info.id, "acme", Role.MEMBER, "chatbot")
    assert minted.info.hint == keys.hint(minted.text)
    async with database.begin() as connection:
        row = (await connection.execute(text("SELECT api_key::text FROM api_key"))).scalar_one()
    assert minted.text not in row


async def test_times_are_utc_and_ids_sort_by_them(store: KeyStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    ids = []
    for _ in range(3):
        info = (await member(store)).info
        ids.append(info.id)
        assert before < info.created_at < datetime.now(UTC) + timedelta(seconds=1)
        assert info.created_at.utcoffset() == timedelta(0)
        await asyncio.sleep(0.002)  # ids of one millisecond have no order

    assert ids == sorted(ids)
    assert all(len(key_id) == 25 and key_id.startswith("key_") for key_id in ids)


@pytest.mark.parametrize(
    ("tenant", "role"), [("acme", Role.ADMIN), (None, Role.MEMBER), (None, Role.TENANT_ADMIN)]
)
async def test_only_and_every_admin_key_is_without_a_tenant(
    store: KeyStore, tenant: str | None, role: Role
) -> None:
    with pytest.raises(IntegrityError):
        await store.create(tenant=tenant, role=role)


async def test_a_list_is_of_one_tenant_or_of_all_newest_first(store: KeyStore) -> None:
    mine = [(await member(store)).info for _ in range(2)]
    theirs = (await member(store, "globex")).info
    admins = (await store.create(tenant=None, role=Role.ADMIN)).info

    assert await store.list_keys("acme") == mine[::-1]
    assert await store.list_keys("globex") == [theirs]
    assert await store.list_keys("nobody") == []
    assert await store.list_keys() == [admins, theirs, *mine[::-1]]


async def test_a_rotated_key_goes_on_for_the_overlap_and_the_new_one_is_like_it(store: KeyStore) -> None:
    old = await member(store)
    new = await store.rotate(old.info.id, overlap=_DAY)
    replaced = await store.get(old.info.id)

    assert new.text != old.text
    assert (new.info.tenant, new.info.role, new.info.name) == ("acme", Role.MEMBER, "chatbot")
    assert new.info.ends_at() is None
    assert replaced is not None
    assert replaced.rotated_to == new.info.id
    ends = replaced.ends_at()
    assert ends is not None
    assert abs(ends - datetime.now(UTC) - _DAY) < timedelta(minutes=1)


async def test_a_rotation_renews_the_time_to_live_and_never_lengthens_the_old_keys(store: KeyStore) -> None:
    old = await member(store, expires_at=datetime.now(UTC) + timedelta(hours=1))
    new = await store.rotate(old.info.id, overlap=_DAY)
    replaced = await store.get(old.info.id)

    assert replaced is not None
    assert replaced.expires_at == old.info.expires_at
    assert new.info.expires_at is not None
    assert old.info.expires_at is not None
    assert new.info.expires_at > old.info.expires_at
    assert new.info.expires_at - new.info.created_at < timedelta(hours=1, minutes=1)


@pytest.mark.parametrize("how", ["revoked", "rotated", "expired"])
async def test_a_key_that_ended_is_not_rotated(store: KeyStore, how: str) -> None:
    expires_at = datetime.now(UTC) - _DAY if how == "expired" else None
    key_id = (await member(store, expires_at=expires_at)).info.id
    if how == "revoked":
        await store.revoke(key_id)
    if how == "rotated":
        await store.rotate(key_id, overlap=timedelta(0))

    with pytest.raises(BadRequest, match="not in use any more"):
        await store.rotate(key_id, overlap=_DAY)
    assert len(await store.list_keys()) == (2 if how == "rotated" else 1)


async def test_of_two_rotations_at_once_one_wins(store: KeyStore) -> None:
    key_id = (await member(store)).info.id
    done = await asyncio.gather(
        *(store.rotate(key_id, overlap=_DAY) for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(result, MintedKey) for result in done) == 1
    assert sum(isinstance(result, BadRequest) for result in done) == 3
    assert len(await store.list_keys()) == 2


async def test_a_key_that_is_not_there_is_not_found(store: KeyStore) -> None:
    with pytest.raises(NotFound, match="There is no key 'key_0'"):
        await store.rotate("key_0", overlap=_DAY)
    await store.revoke("key_0")
    assert await store.get("key_0") is None
    assert await store.find(b"x" * 32) is None


async def test_no_key_has_an_id_or_a_tenant_that_the_database_cannot_hold(store: KeyStore) -> None:
    await member(store)

    assert await store.get("key_\0") is None
    assert await store.list_keys("acme\0") == []
    await store.revoke("key_\0")
    with pytest.raises(NotFound):
        await store.rotate("key_\0", overlap=_DAY)


async def test_a_database_that_is_not_there_can_be_tried_again_later(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle:hunter2@/nothing?host={tmp_path}")
    away = KeyStore(database, _PEPPER)
    tries = [
        lambda: member(away),
        lambda: away.rotate("key_0", overlap=_DAY),
        lambda: away.revoke("key_0"),
        lambda: away.get("key_0"),
        away.list_keys,
        lambda: away.changed_since(None),
        KeyRing(away, _PEPPER, environment={}).refresh,
    ]
    try:
        for work in tries:
            with pytest.raises(Unavailable, match="does not answer") as refused:
                await work()  # type: ignore[operator]
            assert "hunter2" not in str(refused.value)
    finally:
        await database.aclose()


async def test_a_revoked_key_keeps_the_moment_it_was_first_revoked(store: KeyStore) -> None:
    key_id = (await member(store)).info.id
    await store.revoke(key_id)
    first = await store.get(key_id)
    await store.revoke(key_id)

    assert first is not None
    assert first.ends_at() == first.revoked_at
    assert first.revoked_at is not None
    assert first.changed_at > first.created_at
    assert await store.get(key_id) == first


async def test_changes_are_those_since_a_moment_and_at_first_the_keys_in_use(store: KeyStore) -> None:
    live, revoked = await member(store), await member(store)
    await member(store, expires_at=datetime.now(UTC) - _DAY)
    await store.revoke(revoked.info.id)

    at_first = await store.changed_since(None)
    nothing = await store.changed_since(at_first.asked_at)
    await store.revoke(live.info.id)
    later = await store.changed_since(at_first.asked_at)

    assert [info.id for info in at_first.keys] == [live.info.id]
    assert nothing.keys == []
    assert [info.id for info in later.keys] == [live.info.id]
    assert later.asked_at > at_first.asked_at
