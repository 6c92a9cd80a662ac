"""`/v1/jobs`: a tenant's own jobs, what is in them, what happens to them as it happens, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.jobs import Event
from passerelle.domain.rag import Rag as Rules
from passerelle.http.vigil import Patience
from passerelle.jobs.bell import Bell
from passerelle.jobs.desk import Desk
from passerelle.jobs.events import Events
from passerelle.jobs.owners import Owners
from passerelle.stores.database import Database
from tests.serving import FixedKeys, Served
from tests.unit.http.rag_scene import CALLERS, ask, code, events_of, running
from tests.unit.jobs.scene import Doing, Gate, items, made, over, working


@asynccontextmanager
async def _running(
    database: Database,
    *,
    keys: FixedKeys | None = None,
    patience: Patience | None = None,
    rules: Rules | None = None,
) -> AsyncIterator[Served]:
    bell = Bell(database)
    ringing = asyncio.create_task(bell.run())
    try:
        owners = Owners(database, Events(database, bell))
        async with running(jobs=owners, keys=keys, patience=patience, rules=rules) as served:
            yield served
    finally:
        ringing.cancel()
        with suppress(asyncio.CancelledError):
            await ringing


async def _reject(item: object, context: object) -> dict[str, object]:
    raise ValueError("secret words of the document")


async def test_a_job_is_shown_with_its_items_to_its_tenant_alone(database: Database) -> None:
    job = await made(database, items(3))
    async with working(database, Doing()):
        await over(database, job)
    async with _running(database) as served:
        status, card = await ask(served, "member", "GET", f"/v1/jobs/{job}")
        assert (status, card["state"], card["kind"]) == (200, "done", "essay")
        assert (card["progress"]["done"], card["progress"]["fraction"]) == (3, 1.0)
        _, first = await ask(served, "member", "GET", f"/v1/jobs/{job}/items?limit=2")
        assert ([each["key"] for each in first["data"]], first["has_more"]) == (["i1", "i2"], True)
        _, rest = await ask(served, "member", "GET", f"/v1/jobs/{job}/items?after=2&state=done")
        assert ([each["result"] for each in rest["data"]], rest["has_more"]) == ([{"said": "i3"}], False)
        assert "payload" not in rest["data"][0]
        for who, where in (("stranger", ""), ("operator", "?tenant=other")):
            for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/items"), ("GET", "/events"), ("POST", "/cancel"),
                                 ("POST", "/pause"), ("POST", "/resume"), ("POST", "/retry")):  # fmt: skip
                asked = f"/v1/jobs/{job}{path}{where}"
                assert await code(served, who, method, asked) == (404, "job_not_found"), asked
            assert (await ask(served, who, "GET", f"/v1/jobs{where}"))[1]["data"] == []
        assert (await ask(served, "operator", "GET", f"/v1/jobs/{job}?tenant=acme"))[0] == 200
        assert await code(served, "operator", "GET", f"/v1/jobs/{job}") == (400, "missing_tenant")


async def test_jobs_are_listed_page_by_page_the_newest_first(database: Database) -> None:
    made_ = [await made(database, 1, kind=kind) for kind in ("essay", "essay", "other")]
    async with _running(database) as served:
        _, first = await ask(served, "member", "GET", "/v1/jobs?limit=2")
        assert ([each["id"] for each in first["data"]], first["has_more"]) == (made_[:0:-1], True)
        _, rest = await ask(served, "member", "GET", f"/v1/jobs?limit=2&before={made_[1]}")
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (made_[:1], False)
        _, kind = await ask(served, "member", "GET", "/v1/jobs?kind=other")
        assert [each["id"] for each in kind["data"]] == made_[2:]


async def test_a_job_is_paused_resumed_cancelled_and_deleted_once_it_is_over(database: Database) -> None:
    job = await made(database, 2)
    path = f"/v1/jobs/{job}"
    async with _running(database) as served:
        assert (await ask(served, "member", "POST", f"{path}/pause"))[1]["state"] == "paused"
        assert (await ask(served, "member", "POST", f"{path}/resume"))[1]["state"] == "queued"
        assert await code(served, "member", "DELETE", path) == (409, "job_not_over")
        assert (await ask(served, "member", "POST", f"{path}/cancel"))[1]["state"] == "cancelled"
        assert await code(served, "member", "POST", f"{path}/pause") == (409, "job_over")
        assert (await ask(served, "member", "DELETE", path))[0] == 204
        assert await code(served, "member", "GET", path) == (404, "job_not_found")


async def test_failed_items_say_why_and_are_tried_again_all_or_some(database: Database) -> None:
    job = await made(database, 3)
    async with working(database, Doing(act=_reject, attempts=1)):
        await over(database, job)
    async with _running(database) as served:
        _, failed = await ask(served, "member", "GET", f"/v1/jobs/{job}/items?state=failed")
        assert all(each["error"]["code"] for each in failed["data"])
        assert "secret" not in str(failed)
        _, some = await ask(served, "member", "POST", f"/v1/jobs/{job}/retry", {"items": ["i2"]})
        assert (some["progress"]["queued"], some["progress"]["failed"]) == (1, 2)
        _, all_ = await ask(served, "member", "POST", f"/v1/jobs/{job}/retry")
        assert all_["progress"]["queued"] == 3
        wrong: Any
        for wrong in ({"items": []}, {"items": ["\0"]}, {"items": [1]}, {"keys": ["i2"]}):
            assert (await ask(served, "member", "POST", f"/v1/jobs/{job}/retry", wrong))[0] == 400


async def test_those_who_may_not_write_documents_do_not_stop_their_reading(database: Database) -> None:
    job, other = await made(database, 1, kind="rag-read"), await made(database, 1)
    async with _running(database, rules=Rules(writers=Role.TENANT_ADMIN)) as served:
        for method, path in (
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/retry"),
        ):
            asked = f"/v1/jobs/{job}{path}"
            assert await code(served, "member", method, asked) == (403, "not_a_writer")
        assert (await ask(served, "member", "GET", f"/v1/jobs/{job}"))[0] == 200
        assert (await ask(served, "member", "POST", f"/v1/jobs/{other}/cancel"))[0] == 200
        assert (await ask(served, "chief", "POST", f"/v1/jobs/{job}/cancel"))[0] == 200


async def test_events_come_as_they_happen_and_end_with_the_job(database: Database) -> None:
    gate = Gate()
    job = await made(database, 2)
    async with (
        _running(database) as served,
        working(database, Doing(act=gate)),
        served.client("member") as http,
    ):
        async with http.get(f"/v1/jobs/{job}/events") as reply:
            assert (reply.status, reply.content_type) == (200, "text/event-stream")
            assert await reply.content.readline() == b"retry: 2000\n"
            seen = b""
            while b"event: started" not in seen:
                seen += await reply.content.readline()
            gate.opened.set()
            seen += await reply.read()
        told = events_of(seen)
        numbers = [number for number, _, _ in told]
        assert numbers == [str(number) for number in range(1, len(told) + 1)]
        assert (told[0][1], told[-1][1], told[-1][2]["state"]) == ("created", "finished", "done")
        assert told[0][2]["job"] == job

        async with http.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "2"}) as reply:
            assert events_of(await reply.read()) == told[2:]
        async with http.get(f"/v1/jobs/{job}/events?after=3", headers={"Last-Event-ID": "2"}) as reply:
            assert events_of(await reply.read()) == told[3:]
        async with http.get(f"/v1/jobs/{job}/events?after={len(told)}") as reply:
            assert reply.status == 204


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 12, "²"])
async def test_a_number_that_is_none_is_refused(database: Database, last: str) -> None:
    job = await made(database, 1)
    async with _running(database) as served:
        headers = {"Last-Event-ID": last.encode().decode("latin-1")}
        asked = f"/v1/jobs/{job}/events"
        assert await code(served, "member", "GET", asked, headers=headers) == (400, "invalid_value")


class _Counted(Owners):
    """Knows how many follow a job."""

    following = 0

    async def follow(self, tenant: str, job: str, *, after: int = 0) -> AsyncGenerator[Event, None]:
        self.following += 1
        try:
            async for event in super().follow(tenant, job, after=after):
                yield event
        finally:
            self.following -= 1


async def test_nobody_follows_a_job_for_a_reader_who_hung_up(database: Database) -> None:
    job = await made(database, 1)
    owners = _Counted(database, Events(database, Bell(database)))
    async with running(jobs=owners) as served, served.client("member") as http:
        async with http.get(f"/v1/jobs/{job}/events") as reply:
            await reply.content.readline()
            await served.until(lambda: owners.following == 1)
            reply.close()
        await served.until(lambda: owners.following == 0)


async def test_silence_is_filled_and_a_revoked_key_ends_the_events(database: Database) -> None:
    callers = dict(CALLERS)
    keys = FixedKeys(callers)
    job = await made(database, 1)
    patience = Patience(tick=0.01, silence=0.03, trust=0.05)
    async with _running(database, keys=keys, patience=patience) as served, served.client("member") as http:
        async with http.get(f"/v1/jobs/{job}/events") as reply:
            seen = b""
            while b": keep-alive" not in seen:
                seen += await reply.content.readline()
            callers[b"member"] = Caller("key_other", "acme", Role.MEMBER)
            seen += await reply.read()
    number, name, error = events_of(seen)[-1]
    assert (number, name, error["error"]["code"]) == (None, "error", "key_revoked")


async def test_a_job_that_is_deleted_under_its_reader_ends_with_an_error(database: Database) -> None:
    job = await made(database, 1)
    async with _running(database) as served, served.client("member") as http:
        async with http.get(f"/v1/jobs/{job}/events?after=1") as reply:
            await reply.content.readline()
            await Desk(database).delete("acme", job)
            seen = await reply.read()
    assert events_of(seen)[-1][2]["error"]["code"] == "job_not_found"
