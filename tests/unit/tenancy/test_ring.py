"""Known keys work without the database; unknown ones cost it little; ended ones stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import KeysUnavailable
from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.tenancy import keys
from passerelle.tenancy import ring as room
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore, MintedKey
from tests.embedded import end, server_id

_PEPPER = b"p" * 32
_OPERATORS = b"an-operators-own-key-7f3b0c44"
_ENVIRONMENT = {_OPERATORS: Caller("env_1", "acme", Role.MEMBER, "API_KEYS entry 1")}


@dataclass
class Rig:
    """A ring and the store that another process would use."""

    database: Database
    store: KeyStore
    ring: KeyRing
    queries: list[str]

    async def member(self, expires_at: datetime | None = None) -> MintedKey:
        return await self.store.create(tenant="acme", role=Role.MEMBER, expires_at=expires_at)

    def another_ring(self) -> KeyRing:
        return KeyRing(self.store, _PEPPER, environment={})


def make_rig(database: Database) -> Rig:
    store = KeyStore(database, _PEPPER)
    queries: list[str] = []

    def note(*arguments: object) -> None:
        queries.append(str(arguments[2]))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    return Rig(database, store, KeyRing(store, _PEPPER, environment=_ENVIRONMENT), queries)


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_ring_knows_the_live_keys_and_the_environments(rig: Rig) -> None:
    minted, revoked = await rig.member(), await rig.member()
    await rig.store.revoke(revoked.info.id)
    await rig.ring.refresh()

    assert rig.ring.find(minted.text.encode()) == minted.info.caller()
    assert rig.ring.find(revoked.text.encode()) is None
    assert rig.ring.find(_OPERATORS) == _ENVIRONMENT[_OPERATORS]
    assert rig.ring.find(b"something else") is None


async def test_a_known_key_asks_the_database_nothing(rig: Rig) -> None:
    minted = await rig.member()
    await rig.ring.refresh()
    rig.queries.clear()

    assert rig.ring.find(minted.text.encode()) is not None
    assert rig.queries == []


async def test_a_key_made_elsewhere_is_known_from_its_first_call(rig: Rig) -> None:
    await rig.ring.refresh()
    minted = await rig.member()

    assert rig.ring.find(minted.text.encode()) is None
    assert await rig.ring.resolve(minted.text.encode()) == minted.info.caller()
    assert rig.ring.find(minted.text.encode()) == minted.info.caller()


@pytest.mark.parametrize(
    "secret", [b"", b"garbage", b"\xff" * 42, b"psr_" + b"a" * 38, b"psr_" + "é".encode() * 19]
)
async def test_what_cannot_be_a_key_never_reaches_the_database(rig: Rig, secret: bytes) -> None:
    assert await rig.ring.resolve(secret) is None
    assert rig.queries == []


async def test_a_key_that_became_known_meanwhile_is_found_without_a_question(rig: Rig) -> None:
    assert await rig.ring.resolve(_OPERATORS) == _ENVIRONMENT[_OPERATORS]
    assert rig.queries == []


async def test_an_unknown_key_is_looked_up_once_in_a_while(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = keys.mint().encode()
    assert await rig.ring.resolve(secret) is None
    rig.queries.clear()

    assert await asyncio.gather(*(rig.ring.resolve(secret) for _ in range(50))) == [None] * 50
    assert rig.queries == []

    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 6)
    assert await rig.ring.resolve(secret) is None
    assert len(rig.queries) == 1


async def test_many_calls_with_one_new_key_make_one_look_up_each_turn(rig: Rig) -> None:
    minted = await rig.member()
    rig.queries.clear()

    found = await asyncio.gather(*(rig.ring.resolve(minted.text.encode()) for _ in range(100)))

    assert found == [minted.info.caller()] * 100
    assert len(rig.queries) <= 8


async def test_what_is_remembered_of_garbage_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST_UNKNOWN", 10)
    secrets = [keys.mint().encode() for _ in range(30)]
    await asyncio.gather(*(rig.ring.resolve(secret) for secret in secrets))

    assert len(rig.ring._unknown) == 10


async def test_a_revoked_key_stops_at_the_next_refresh(rig: Rig) -> None:
    minted = await rig.member()
    other = rig.another_ring()
    for ring in (rig.ring, other):
        await ring.refresh()
    await rig.store.revoke(minted.info.id)
    await rig.ring.refresh()

    assert rig.ring.find(minted.text.encode()) is None
    assert await rig.ring.resolve(minted.text.encode()) is None
    assert other.find(minted.text.encode()) is not None
    await other.refresh()
    assert other.find(minted.text.encode()) is None


async def test_a_revoked_key_stops_whatever_the_two_clocks_say(rig: Rig) -> None:
    minted = await rig.member()
    await rig.ring.refresh()
    async with rig.database.begin() as connection:
        ahead = "UPDATE api_key SET revoked_at = clock_timestamp() + interval '1 hour', changed_at = clock_timestamp()"
        await connection.execute(text(ahead))
    await rig.ring.refresh()

    assert rig.ring.find(minted.text.encode()) is None


async def test_a_key_stops_when_it_expires_without_any_refresh(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    minted = await rig.member(datetime.now(UTC) + timedelta(hours=1))
    await rig.ring.refresh()
    assert rig.ring.find(minted.text.encode()) is not None
    rig.queries.clear()

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert rig.ring.find(minted.text.encode()) is None
    assert await rig.ring.resolve(minted.text.encode()) is None
    assert rig.queries == []


async def test_a_rotated_key_works_for_the_overlap_beside_the_new_one(rig: Rig) -> None:
    kept, cut = await rig.member(), await rig.member()
    news = [
        await rig.store.rotate(kept.info.id, overlap=timedelta(days=1)),
        await rig.store.rotate(cut.info.id, overlap=timedelta(0)),
    ]
    await rig.ring.refresh()

    assert rig.ring.find(kept.text.encode()) is not None
    assert rig.ring.find(cut.text.encode()) is None
    assert [rig.ring.find(new.text.encode()) for new in news] == [new.info.caller() for new in news]


async def test_a_refresh_with_nothing_new_reads_no_rows(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_OVERLAP", timedelta(0))
    await rig.member()
    await rig.ring.refresh()

    assert rig.ring._since is not None
    assert (await rig.store.changed_since(rig.ring._since)).keys == []


async def test_a_change_that_was_committed_late_is_not_missed(rig: Rig) -> None:
    minted = await rig.member()
    await rig.ring.refresh()
    async with rig.database.begin() as slow:
        change = "UPDATE api_key SET revoked_at = clock_timestamp(), changed_at = clock_timestamp()"
        await slow.execute(text(change))
        await rig.ring.refresh()
        assert rig.ring.find(minted.text.encode()) is not None
    await rig.ring.refresh()

    assert rig.ring.find(minted.text.encode()) is None


@contextlib.asynccontextmanager
async def refreshing(ring: KeyRing) -> AsyncIterator[None]:
    task = asyncio.create_task(ring.run(0.02))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_an_outage_leaves_known_keys_working_and_ends_by_itself(tmp_path: Path) -> None:
    embedded = EmbeddedPostgres(tmp_path)
    database = Database(await asyncio.to_thread(embedded.start))
    await database.migrate()
    rig = make_rig(database)
    known = await rig.member()
    await rig.ring.refresh()
    unknown = await rig.member()
    try:
        async with refreshing(rig.ring):
            await asyncio.to_thread(embedded.close)
            await eventually(lambda: _is(not rig.ring.reachable))
            assert rig.ring.find(known.text.encode()) == known.info.caller()
            with pytest.raises(KeysUnavailable):
                await rig.ring.resolve(keys.mint().encode())
            assert await rig.ring.resolve(b"garbage") is None

            await asyncio.to_thread(embedded.start)
            await eventually(lambda: _is(rig.ring.reachable))
            assert await rig.ring.resolve(unknown.text.encode()) == unknown.info.caller()
    finally:
        await database.aclose()
        await asyncio.to_thread(embedded.close)


async def test_a_database_that_says_nothing_is_an_outage_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_LOOKUP_SECONDS", 0.2)
    embedded = EmbeddedPostgres(tmp_path)
    database = Database(await asyncio.to_thread(embedded.start))
    await database.migrate()
    rig = make_rig(database)
    known = await rig.member()
    await rig.ring.refresh()
    server, backends = server_id(tmp_path), await _backends(database)
    try:
        for pid in (server, *backends):
            end(pid, signal.SIGSTOP)
        answers = await asyncio.gather(
            *(rig.ring.resolve(keys.mint().encode()) for _ in range(40)), return_exceptions=True
        )
        assert all(isinstance(answer, KeysUnavailable) for answer in answers)
        assert rig.ring.find(known.text.encode()) is not None
    finally:
        for pid in (server, *backends):
            end(pid, signal.SIGCONT)
        await database.aclose()
        await asyncio.to_thread(embedded.close)


async def test_a_broken_schema_does_not_end_the_refreshing(rig: Rig) -> None:
    async with refreshing(rig.ring):
        async with rig.database.begin() as connection:
            await connection.execute(text("ALTER TABLE api_key RENAME TO away"))
        await eventually(lambda: _is(not rig.ring.reachable))
        async with rig.database.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO api_key"))
        await eventually(lambda: _is(rig.ring.reachable))


async def _is(value: bool) -> bool:
    return value


async def _backends(database: Database) -> list[int]:
    async with database.begin() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        return list((await connection.execute(text(query))).scalars())
