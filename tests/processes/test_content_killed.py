"""A job of texts whose service is killed in the middle: what was written stays, and what is paid twice is what was under way."""

from __future__ import annotations

import asyncio
import signal
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from passerelle.domain.content import Piece
from tests.database import postgres
from tests.e2e.money import KEYS, Shop, configuration, shop, until
from tests.fakes.script import Wait
from tests.unit.enrichment.author import Author, courses

__all__ = ["postgres"]

_MANY = 60
_AT_ONCE = 4
_SMALL = "0.004"  # of which a few texts cost about a tenth each
_KEY = KEYS["acme"]


class _Stage:
    """The model, on a loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.author = Author()
        self.author.model = "m"

    def calls(self) -> int:
        return sum(each.method == "POST" for each in self.author.requests)

    def texts(self) -> Counter[str]:
        """How often each text was asked for."""
        asked = [
            each.body["messages"][-1]["content"] for each in self.author.requests if each.method == "POST"
        ]
        return Counter(asked)


@contextmanager
def _stage() -> Iterator[_Stage]:
    made, ready, end = _Stage(), threading.Event(), asyncio.Event()

    async def run() -> None:
        async with made.author:
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: made.loop.run_until_complete(run()), name="author")
    thread.start()
    assert ready.wait(10)
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(end.set)
        thread.join(10)
        made.loop.close()


@dataclass
class _House:
    """A service, and the model behind it."""

    shop: Shop
    stage: _Stage

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        sent = {"content-type": "application/json", "authorization": f"Bearer {_KEY}"}
        data = None if body is None else orjson.dumps(body)
        url = f"{self.shop.service.url}/v1/content{path}"
        with urllib.request.urlopen(
            urllib.request.Request(url, data, sent, method=method), timeout=60
        ) as reply:
            return orjson.loads(reply.read())

    def start(self, given: Sequence[Piece], budget: str | None = None) -> dict[str, Any]:
        items = [{"key": each.key, "text": each.text, "form": "markdown", "language": "fr"} for each in given]
        body = {"recipe": "course-page-fr", "items": items}
        if budget is not None:
            body["budget"] = {"amount": budget, "currency": "EUR"}
        job: dict[str, Any] = self.call("/jobs", body)["job"]
        return job

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call(f"/jobs/{job}")
        return found

    def over(self, job: str) -> dict[str, Any]:
        until(lambda: self.job(job)["finished_at"] is not None, within=60)
        return self.job(job)

    def booked(self) -> Decimal:
        """What the ledger has charged the tenant so far."""
        report = self.shop.report(key=self.shop.chief("acme"))
        return Decimal(report["total"]["amount"])


@contextmanager
def _house(folder: Path, stage: _Stage, address: str) -> Iterator[_House]:
    config = configuration(stage.author.url)
    config["tenants"] |= {"acme": {"models": {"default": "assistant"}}}
    extra = {"DATABASE_URL": address, "PASSERELLE_JOB_CONCURRENCY": str(_AT_ONCE)}
    with shop(folder, config, extra=extra) as made:
        yield _House(made, stage)


def _spent(job: dict[str, Any]) -> Decimal:
    return Decimal(job["spent"]["amount"])


def test_a_budget_stops_a_job_a_larger_one_goes_on_and_a_killed_service_too(
    tmp_path: Path, postgres: Any
) -> None:
    address = postgres.make()
    given = courses(_MANY, seed=3, most=10)
    with _stage() as stage:
        stage.author.always(Wait(0.05))
        with _house(tmp_path, stage, address) as first:
            job = first.start(given, budget=_SMALL)["id"]
            stopped = first.over(job)
            counts = stopped["counts"]
            assert stopped["state"] == "partly-failed"
            assert counts["written"] + counts["over_budget"] == _MANY
            assert 0 < counts["written"] == stage.calls() < _MANY // 2
            assert _spent(stopped) <= Decimal(_SMALL)
            until(lambda: first.booked() == _spent(stopped))

            first.call(f"/jobs/{job}", {"budget": {"amount": "1", "currency": "EUR"}}, "PATCH")
            until(lambda: stage.calls() >= _MANY // 2, within=60)
            assert first.shop.service.stop(signal.SIGKILL) == -signal.SIGKILL
        before = stage.calls()
        assert before < _MANY
        with _house(tmp_path, stage, address) as second:
            done = second.over(job)
            items = second.call(f"/jobs/{job}/items?limit=100")["data"]
            until(lambda: second.booked() >= _spent(done))
            print({"killed after": before, "calls": stage.calls(), "spent": _spent(done)})
            calls = stage.calls()
            again = second.start(given, budget="1")

        assert (done["state"], done["counts"]["written"]) == ("done", _MANY)
        assert [each["number"] for each in items] == list(range(1, _MANY + 1))
        # What was under way is asked twice, and no more.
        asked = stage.texts()
        assert len(asked) == _MANY
        assert set(asked.values()) <= {1, 2}
        assert calls - _MANY <= _AT_ONCE
        assert done["unpriced"] <= _AT_ONCE
        assert (again["state"], again["counts"]["reused"], _spent(again)) == ("done", _MANY, 0)
        assert stage.calls() == calls
