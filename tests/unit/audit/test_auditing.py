"""What a process tells the log by itself: refusals by policy, its configuration, and the heads it writes to its own log."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from passerelle.audit import actions
from passerelle.auditing import open_auditing
from passerelle.domain.ask import Route
from passerelle.domain.errors import Finding
from passerelle.gateway.record import Outcome, Record

RECORD = Record(
    request_id="req_1", tenant="acme", key_id="key_1", route=Route.CHAT, model="m", outcome=Outcome.REFUSED, attempts=(),
    usage=None, stream=False, seconds=0.0, catalog="v1", code="R01",
)  # fmt: skip


@pytest.fixture
def auditing(database):
    return open_auditing(database, b"p" * 32)


def test_only_what_the_policy_refused_is_counted(auditing):
    for record in (
        RECORD,
        replace(RECORD, code="rate_limit_exceeded"),
        replace(RECORD, code=None),
        replace(RECORD, outcome=Outcome.ANSWERED),
        replace(RECORD, code="R06"),
    ):
        auditing.tell(record)
    counted = [(each.chain, each.object, each.actor) for each in auditing.office.tally._counts]
    assert counted == [("acme", "R01", actions.CALLERS), ("acme", "R06", actions.CALLERS)]


async def test_the_configuration_of_the_start_and_every_later_one_is_noted(auditing):
    live: Any = SimpleNamespace(catalog=SimpleNamespace(version="v1"), on_swap=[], on_refused=[])
    works = auditing.works(live, pace=60)
    for swapped in live.on_swap:
        swapped(SimpleNamespace(version="v2"))
    for refused in live.on_refused:
        refused((Finding("error", "C01", "words", "cure"),))
    running = [asyncio.ensure_future(work) for work in works]
    async with asyncio.timeout(5):
        while (await auditing.office.audit.head("")).number < 3:
            await asyncio.sleep(0.01)
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert [link.event.action for link in await auditing.office.read("", 0, 10)] == [
        actions.CONFIGURATION_APPLIED, actions.CONFIGURATION_APPLIED, actions.CONFIGURATION_REFUSED,
    ]  # fmt: skip


async def test_heads_are_written_to_the_service_s_own_log(auditing, monkeypatch):
    await auditing.office.audit.note("acme", "key_1", actions.KEY_REVOKED, "key_2")
    monkeypatch.setattr("passerelle.audit.desk._ANCHOR_SECONDS", 0.01)
    with capture_logs() as told:
        running = asyncio.ensure_future(auditing.office.anchor())
        async with asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0.01)
        running.cancel()
    assert (told[0]["event"], told[0]["chain"], told[0]["number"]) == ("audit_head", "acme", 1)
    assert told[0]["signature"]


def test_every_process_with_the_same_secret_signs_alike(database, auditing):
    assert open_auditing(database, b"p" * 32).signer.public == auditing.signer.public
