"""One statement decides who runs a request; a claim is a lease; what is kept cannot be read."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.idempotency.seal import Reply, Sealer, Slot
from passerelle.idempotency.store import AnswerStore, Claim, Different, NotKept, Running
from passerelle.stores.database import Database

Stores = tuple[AnswerStore, AnswerStore]
_REPLY = Reply(200, [(b"content-type", b"text/plain")], b"Le secret de Madame Dupont", "req_1")


def slot(body: bytes = b"{}", *, tenant: str | None = "acme", key: bytes = b"k1") -> Slot:
    return Sealer(b"p" * 32).slot(tenant=tenant, role="member", route=b"POST /x", key=key, asked=[body])


async def claimed(store: AnswerStore, wanted: Slot | None = None) -> Claim:
    found = await store.claim(wanted or slot())
    assert isinstance(found, Claim), found
    return found


async def age(database: Database, column: str) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text(f"UPDATE idempotency_answers SET {column} = clock_timestamp() - interval '1 s'")
        )


async def count(database: Database) -> int:
    async with database.begin() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM idempotency_answers"))).scalar_one())


async def test_of_fifty_at_once_in_two_processes_one_runs(stores: Stores) -> None:
    found = await asyncio.gather(*(stores[number % 2].claim(slot()) for number in range(50)))

    assert sum(isinstance(each, Claim) for each in found) == 1
    assert sum(isinstance(each, Running) for each in found) == 49


async def test_the_answer_is_given_again_in_every_process(stores: Stores) -> None:
    one, two = stores
    await one.finish(await claimed(one), _REPLY)

    assert await one.claim(slot()) == _REPLY
    assert await two.claim(slot()) == _REPLY
    assert await two.claim(slot(b"other")) == Different()
    assert isinstance(await two.claim(slot(tenant="globex")), Claim)
    assert isinstance(await two.claim(slot(tenant=None)), Claim)


async def test_another_body_is_known_while_the_first_still_runs(stores: Stores) -> None:
    await claimed(stores[0])

    assert await stores[1].claim(slot(b"other")) == Different()


@pytest.mark.parametrize(("status", "longest"), [(200, 86_400), (400, 300), (404, 300)])
async def test_what_was_refused_is_forgotten_soon(
    stores: Stores, database: Database, status: int, longest: int
) -> None:
    """It cost nothing, so nothing else bounds how many such rows a tenant makes in a day."""
    await stores[0].finish(await claimed(stores[0]), replace(_REPLY, status=status))

    async with database.begin() as connection:
        left = text("SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM idempotency_answers")
        assert longest - 60 < float((await connection.execute(left)).scalar_one()) <= longest
    assert isinstance(await stores[1].claim(slot()), Reply)


async def test_an_answer_that_was_too_long_is_remembered_as_such(stores: Stores) -> None:
    await stores[0].finish(await claimed(stores[0]), None)

    assert await stores[1].claim(slot()) == NotKept()


async def test_what_was_given_up_runs_again_also_with_another_body(stores: Stores) -> None:
    await stores[0].give_up(await claimed(stores[0]))

    await claimed(stores[1], slot(b"other"))


async def test_a_lease_that_ended_is_taken_over_by_the_same_request_only(
    stores: Stores, database: Database
) -> None:
    one, two = stores
    first = await claimed(one)
    await age(database, "leased_until")

    assert await two.claim(slot(b"other")) == Different()
    second = await claimed(two)
    await one.finish(first, Reply(200, [], b"late", "req_late"))
    await one.give_up(first)
    assert await one.claim(slot()) == Running()
    await two.finish(second, _REPLY)
    assert await one.claim(slot()) == _REPLY


async def test_a_renewed_lease_is_not_taken_over(stores: Stores, database: Database) -> None:
    one, two = stores
    await claimed(one)
    await age(database, "leased_until")
    await one.renew()

    assert await two.claim(slot()) == Running()


async def test_the_background_renews_and_sweeps(stores: Stores, database: Database) -> None:
    one, two = stores
    await one.finish(await claimed(one, slot(key=b"old")), _REPLY)
    await age(database, "expires_at")
    await claimed(one)
    await age(database, "leased_until")
    running = asyncio.ensure_future(one.run(every=0.01))
    try:
        async with asyncio.timeout(10):
            while await count(database) > 1:
                await asyncio.sleep(0.01)
        assert await two.claim(slot()) == Running()
    finally:
        running.cancel()


async def test_after_its_time_an_answer_is_gone_swept_or_not(stores: Stores, database: Database) -> None:
    one, two = stores
    await one.finish(await claimed(one), _REPLY)
    await age(database, "expires_at")

    await claimed(two, slot(b"other"))
    assert await two.sweep() == 0
    await age(database, "expires_at")
    assert await two.sweep() == 1


async def test_a_sweep_deletes_more_than_one_batch(stores: Stores, database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO idempotency_answers (digest, fingerprint, state, holder, leased_until, expires_at)"
                " SELECT sha256(CAST(CAST(n AS text) AS bytea)), '', 'not_kept', '', now(), now() - interval '1 s'"
                " FROM generate_series(1, 1201) AS n"
            )
        )

    assert await stores[0].sweep() == 1201


async def test_a_tenant_is_erased_and_no_other(stores: Stores, database: Database) -> None:
    for tenant in ("acme", "globex", None):
        await stores[0].finish(await claimed(stores[0], slot(tenant=tenant)), _REPLY)

    assert await stores[1].erase("acme") == 1
    assert await stores[1].erase("acme") == 0
    assert await stores[1].claim(slot(tenant="globex")) == _REPLY
    assert await stores[1].erase(None) == 1
    assert await count(database) == 1


async def test_nothing_in_the_table_can_be_read_or_guessed(stores: Stores, database: Database) -> None:
    wanted = slot(b"Que sait-on de Madame Dupont ?", key=b"my-own-key")
    await stores[0].finish(await claimed(stores[0], wanted), _REPLY)

    async with database.begin() as connection:
        row = (await connection.execute(text("SELECT * FROM idempotency_answers"))).one()
    stored = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    for secret in (b"Dupont", b"my-own-key", b"text/plain", b"req_1", wanted.secret, b"/x"):
        assert secret not in stored


async def test_a_damaged_answer_is_not_run_again(stores: Stores, database: Database) -> None:
    await stores[0].finish(await claimed(stores[0]), _REPLY)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE idempotency_answers SET sealed = 'x'"))

    assert await stores[1].claim(slot()) == NotKept()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, database: Database) -> pytest.MonkeyPatch:
    """Undo it, and the database is there again."""

    def gone(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(Database, "begin", gone)
    return monkeypatch


async def test_without_the_database_nothing_is_claimed(stores: Stores, broken: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable) as refused:
        await stores[0].claim(slot())

    assert refused.value.code == "idempotency_unavailable"


async def test_an_answer_made_during_an_outage_is_written_after_it(
    stores: Stores, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = stores
    claim = await claimed(one)
    with monkeypatch.context() as away:
        away.setattr(Database, "begin", lambda _: (_ for _ in ()).throw(OSError("gone")))
        await one.finish(claim, _REPLY)
        assert await one.claim(slot()) == _REPLY
        assert await one.claim(slot(b"other")) == Different()
        with pytest.raises(Unavailable):
            await two.claim(slot())

    assert await two.claim(slot()) == Running()
    await one.write_waiting()
    assert await two.claim(slot()) == _REPLY


async def test_a_database_that_is_silent_is_an_outage_within_two_seconds() -> None:
    listening = socket.create_server(("127.0.0.1", 0))  # which takes connections, and never says a word
    port = listening.getsockname()[1]
    database = Database(f"postgresql://u:p@127.0.0.1:{port}/n")
    store = AnswerStore(database)
    async with asyncio.timeout(5):  # two for the slow: the driver by itself takes more than ten
        for refused in await asyncio.gather(*(store.claim(slot()) for _ in range(8)), return_exceptions=True):
            assert isinstance(refused, Unavailable)
    await store.aclose()
    listening.close()
    await database.aclose()


async def test_a_claim_that_is_taken_after_its_caller_left_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AnswerStore(database)
    ask = store._ask

    async def late(*arguments: Any) -> list[Any]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)  # the cancelling is slower than the statement
            await ask(*arguments)
            raise
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(store, "_ask", late)
        claiming = asyncio.create_task(store.claim(slot()))
        await asyncio.sleep(0.01)
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
    await store.aclose()

    assert await count(database) == 0
    await claimed(store)
