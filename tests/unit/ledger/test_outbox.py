"""Every event arrives at least once, whatever receivers and the database do, or is given up in sight."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from passerelle.domain.billing import Webhook
from passerelle.domain.errors import Unavailable
from passerelle.ledger.outbox import CLAIM, FIRST, LONGEST, PATIENCE, Outbox, pause, undelivered
from passerelle.stores.database import Database
from passerelle.wire.webhooks import Sender, Sent, verify
from tests.fakes.receiver import Receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Place:
    """One process's outbox with all that is around it."""

    def __init__(self, database: Database, receiver: Receiver, sender: Sender, clock: Clock) -> None:
        self.database, self.receiver, self.sender, self.clock = database, receiver, sender, clock
        self.webhooks = [Webhook("office", receiver.url, SECRET)]
        self.told: list[tuple[str, str]] = []

    def outbox(self, sender: Any = None) -> Outbox:
        return Outbox(
            self.database,
            sender or self.sender,
            webhooks=lambda: self.webhooks,
            clock=self.clock,
            chance=lambda: 0.5,
            told=lambda webhook, outcome: self.told.append((webhook, outcome)),
        )

    async def add(self, *event_ids: str, webhook: str = "office", tenant: str = "client-a") -> None:
        async with self.database.begin() as connection:
            for event_id in event_ids:
                await connection.execute(
                    text("""INSERT INTO ledger_outbox (event_id, webhook, event, tenant, payload, created_at, next_at)
                        VALUES (:id, :webhook, 'budget.threshold', :tenant, '{"type": "budget.threshold"}', :at, :at)"""),
                    {"id": event_id, "webhook": webhook, "tenant": tenant, "at": self.clock.now},
                )

    async def row(self, event_id: str = "evt_1", webhook: str = "office") -> dict[str, Any]:
        query = text("SELECT * FROM ledger_outbox WHERE event_id = :id AND webhook = :webhook")
        async with self.database.begin() as connection:
            found = (await connection.execute(query, {"id": event_id, "webhook": webhook})).mappings().one()
            return dict(found)

    async def rename(self, old: str, new: str) -> None:
        async with self.database.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Place]:
    sender = Sender(limit=5)
    async with Receiver() as receiver:
        yield Place(database, receiver, sender, Clock())
        await sender.aclose()


async def test_what_is_due_is_delivered_signed_and_once(place: Place) -> None:
    await place.add("evt_1", "evt_2")
    outbox = place.outbox()

    assert await outbox.deliver_once() == 2
    assert await outbox.deliver_once() == 0
    posted = {each.event_id: each for each in place.receiver.posted}
    assert set(posted) == {"evt_1", "evt_2"}
    assert len(place.receiver.posted) == 2
    one = posted["evt_1"]
    assert orjson.loads(one.body) == {"type": "budget.threshold"}
    assert verify(SECRET, one.headers, one.body, now=place.clock.now) == "evt_1"
    row = await place.row()
    assert (row["delivered_at"], row["given_up_at"], row["problem"], row["tries"]) == (
        place.clock.now,
        None,
        None,
        1,
    )
    assert place.told == [("office", "delivered")] * 2


async def test_a_failing_receiver_is_asked_again_ever_more_seldom_and_given_up_in_the_end(
    place: Place,
) -> None:
    await place.add("evt_1")
    place.receiver.status = 500
    outbox, began, waits = place.outbox(), place.clock.now, []
    with capture_logs() as logs:
        while (row := await place.row())["given_up_at"] is None:
            waits.append((row["next_at"] - place.clock.now).total_seconds())
            place.clock.now = row["next_at"]
            assert await outbox.deliver_once() == 1

    assert waits[:5] == [0, 30, 60, 120, 240]
    assert max(waits) == LONGEST
    assert row["problem"] == "500"
    assert row["given_up_at"] == began + PATIENCE
    assert row["tries"] == len(place.receiver.posted) == len(waits)
    assert {each.event_id for each in place.receiver.posted} == {"evt_1"}
    place.clock.pass_(10**6)
    assert await outbox.deliver_once() == 0
    assert place.told[-1] == ("office", "given_up")
    assert [each["event"] for each in logs][-1] == "webhook_given_up"
    assert SECRET not in str(logs)
    assert place.receiver.url not in str(logs)


def test_pauses_double_and_are_spread() -> None:
    assert [pause(tries, 0.5) for tries in (1, 2, 3)] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pause(1, 0.0) == 0.75 * FIRST
    assert pause(1, 1.0) == 1.25 * FIRST
    assert pause(10**9, 0.5) == LONGEST


async def test_it_arrives_when_the_receiver_is_back(place: Place) -> None:
    await place.add("evt_1")
    outbox = place.outbox()
    for mood, word in (("hang up", "broken"), ("garbage", "broken")):
        place.receiver.mood = mood
        assert await outbox.deliver_once() == 1
        row = await place.row()
        assert (row["problem"], row["delivered_at"]) == (word, None)
        place.clock.now = row["next_at"]
    place.receiver.mood = "answer"
    await outbox.deliver_once()

    row = await place.row()
    assert (row["problem"], row["delivered_at"], row["tries"]) == (None, place.clock.now, 3)


async def test_a_receiver_may_ask_for_time_but_not_for_ever(place: Place) -> None:
    outbox = place.outbox()
    place.receiver.status = 429
    for event_id, asked, wait in (("evt_1", "600", 600), ("evt_2", "1", 30), ("evt_3", "86400", LONGEST)):
        place.receiver.headers = {"Retry-After": asked}
        await place.add(event_id)
        await outbox.deliver_once()
        assert (await place.row(event_id))["next_at"] == place.clock.now + timedelta(seconds=wait)


async def test_a_receiver_that_is_gone_is_not_asked_again(place: Place) -> None:
    await place.add("evt_1")
    place.receiver.status = 410
    outbox = place.outbox()
    await outbox.deliver_once()

    row = await place.row()
    assert (row["given_up_at"], row["problem"]) == (place.clock.now, "410")
    await place.add("evt_2")
    assert [
        (each.event_id, each.problem, each.given_up_at) for each in await undelivered(place.database)
    ] == [
        ("evt_2", None, None),
        ("evt_1", "410", row["given_up_at"]),
    ]
    place.receiver.status = 200
    await outbox.deliver_once()
    assert [each.event_id for each in await undelivered(place.database)] == ["evt_1"]
    place.clock.pass_(10**6)
    assert await outbox.deliver_once() == 0


async def test_killed_between_post_and_mark_it_is_sent_again_as_the_same_event(place: Place) -> None:
    await place.add("evt_1")
    place.receiver.gate.clear()
    killed = asyncio.ensure_future(place.outbox().deliver_once())
    await place.receiver.arrived(1)
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    place.receiver.gate.set()

    survivor = place.outbox()
    assert await survivor.deliver_once() == 0  # it may still be being sent
    place.clock.pass_(CLAIM.total_seconds())
    assert await survivor.deliver_once() == 1
    first, second = place.receiver.posted
    assert (first.event_id, first.body) == (second.event_id, second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert (await place.row())["tries"] == 2


async def test_two_processes_send_each_event_once(place: Place) -> None:
    ids = [f"evt_{number}" for number in range(60)]
    await place.add(*ids)
    outboxes = [place.outbox() for _ in range(4)]

    async def empty(outbox: Outbox) -> int:
        count = 0
        while sent := await outbox.deliver_once():
            count += sent
        return count

    assert sum(await asyncio.gather(*map(empty, outboxes))) == 60
    assert sorted(each.event_id for each in place.receiver.posted) == sorted(ids)


async def test_nothing_is_locked_while_a_receiver_thinks(place: Place) -> None:
    await place.add("evt_1")
    place.receiver.gate.clear()
    sending = asyncio.ensure_future(place.outbox().deliver_once())
    await place.receiver.arrived(1)
    async with place.database.begin() as connection:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
        assert (await connection.execute(text(waiting))).scalar() == 0
        await connection.execute(text("SELECT 1 FROM ledger_outbox FOR UPDATE NOWAIT"))
    place.receiver.gate.set()
    assert await sending == 1


async def test_a_slow_receiver_holds_up_no_other(place: Place) -> None:
    async with Receiver() as quick:
        place.webhooks.append(Webhook("quick", quick.url, SECRET))
        await place.add(*(f"evt_{number}" for number in range(30)))
        place.clock.pass_(1)
        await place.add("evt_q", webhook="quick")
        place.receiver.gate.clear()
        sending = asyncio.ensure_future(place.outbox().deliver_once())
        async with asyncio.timeout(20):
            while (await place.row("evt_q", "quick"))["delivered_at"] is None:
                await asyncio.sleep(0.01)
        assert not sending.done()
        place.receiver.gate.set()
        assert await sending == 9
        assert place.receiver.most_at_once <= 8


async def test_a_webhook_that_is_no_more_is_given_up_with_a_reason(place: Place) -> None:
    await place.add("evt_1")
    await place.add("evt_2", tenant="client-b")
    place.webhooks[:] = []
    outbox = place.outbox()
    assert await outbox.deliver_once() == 2
    assert (await place.row())["given_up_at"] is None  # another process may have read a newer file

    place.clock.pass_(3600)
    place.webhooks[:] = [Webhook("office", place.receiver.url, SECRET, tenants=frozenset({"client-z"}))]
    await outbox.deliver_once()
    assert {(await place.row(event))["problem"] for event in ("evt_1", "evt_2")} == {"not wanted"}
    await place.add("evt_3")
    place.webhooks[:] = []
    place.clock.pass_(3600)
    await outbox.deliver_once()
    row = await place.row("evt_3")
    assert (row["problem"], row["given_up_at"]) == ("not configured", place.clock.now)
    assert place.receiver.posted == []


async def test_what_arrived_while_the_database_was_away_is_not_sent_again(place: Place) -> None:
    await place.add("evt_1", "evt_2")
    place.receiver.gate.clear()
    outbox = place.outbox()
    sending = asyncio.ensure_future(outbox.deliver_once())
    await place.receiver.arrived(2)
    await place.rename("ledger_outbox", "away")
    place.receiver.gate.set()
    with pytest.raises(Unavailable):
        await sending
    with pytest.raises(Unavailable):
        await outbox.deliver_once()
    await place.rename("away", "ledger_outbox")

    place.clock.pass_(10 * CLAIM.total_seconds())
    assert await outbox.deliver_once() == 0
    assert len(place.receiver.posted) == 2
    assert (await place.row("evt_2"))["delivered_at"] is not None


async def test_it_runs_through_an_outage(place: Place) -> None:
    await place.rename("ledger_outbox", "away")
    with capture_logs() as logs:
        running = asyncio.ensure_future(place.outbox().run(0.01))
        async with asyncio.timeout(20):
            while not logs:
                await asyncio.sleep(0.01)
        await place.rename("away", "ledger_outbox")
        await place.add("evt_1")
        await place.receiver.arrived(1)
        async with asyncio.timeout(20):
            while len(logs) < 2:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [each["event"] for each in logs] == ["outbox_waits", "outbox_goes_on"]


async def test_a_row_that_cannot_be_sent_stops_no_other(place: Place) -> None:
    class Picky:
        async def send(self, url: str, secret: str, *, event_id: str, body: bytes, now: datetime) -> Sent:
            if event_id == "evt_1":
                raise KeyError("private")
            return await place.sender.send(url, secret, event_id=event_id, body=body, now=now)

    await place.add("evt_1", "evt_2")
    with capture_logs() as logs:
        await place.outbox(Picky()).deliver_once()

    assert (await place.row("evt_1"))["problem"] == "internal"
    assert (await place.row("evt_2"))["delivered_at"] is not None
    assert "private" not in str(logs)


async def test_what_has_arrived_stays_arrived_whatever_another_makes_of_it(place: Place) -> None:
    await place.add("evt_1")
    place.receiver.gate.clear()
    slow = asyncio.ensure_future(place.outbox().deliver_once())
    await place.receiver.arrived(1)
    place.clock.pass_(PATIENCE.total_seconds())
    place.receiver.gate.set()
    other = place.outbox(Refusing())
    await asyncio.gather(other.deliver_once(), slow)
    await other.deliver_once()

    row = await place.row()
    assert row["delivered_at"] is not None
    assert row["given_up_at"] is None


class Refusing:
    """A sender that meets only 410."""

    async def send(self, url: str, secret: str, *, event_id: str, body: bytes, now: datetime) -> Sent:
        return Sent(410)
