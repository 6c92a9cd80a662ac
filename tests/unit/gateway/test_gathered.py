"""A cache's embeddings are few records, and no less is on disk before an engine hears of them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Began, Certainty, Ended, Exchange, Line, Unit, UsageSource
from passerelle.gateway.gathered import Gathered
from tests.books import Ledger

_START = 1_700_000_040_000  # the first millisecond of a minute
_EURO = Exchange("EUR", "1")


def _began(
    name: str, *, at: int = 0, held: int | None = 10, use: str = "cache-embed", **fields: object
) -> Began:
    began = Began(
        name, "req_1", "acme", "internal:cache-embed", "embeddings", "vectors", 1, "engine", "e5", "FR", _START + at,
        "v1", use=use, held=held, held_currency=None if held is None else "EUR",
    )  # fmt: skip
    return replace(began, **fields)  # type: ignore[arg-type]


def _ended(name: str, *, at: int = 20, quantity: int = 3, **fields: object) -> Ended:
    line = Line(
        "input", quantity, Unit.TOKENS, "EUR", quantity, Certainty.EXACT, "sku@1", quantity, 2 * quantity
    )
    usage = {"prompt_tokens": quantity, "total_tokens": quantity}
    ended = Ended(
        name, _START + at, "answered", None, True, "engine", f"up-{name}", usage, UsageSource.PROVIDER,
        "tenant:acme", (line,), exchange=_EURO, first_ms=7,
    )  # fmt: skip
    return replace(ended, **fields)  # type: ignore[arg-type]


class _Day:
    """A journal behind ours, and its clock."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.at = 0
        self.journal = Gathered(self.ledger, now=lambda: (_START + self.at) / 1000)

    def call(self, name: str, *, at: int = 0, took: int = 20, **fields: Any) -> None:
        self.journal.begin(_began(name, at=at))
        self.at = at + took
        self.journal.end(_ended(name, at=at + took, **fields))


def test_calls_of_a_minute_are_one_record_with_the_sum_of_what_they_used() -> None:
    day = _Day()
    for i in range(50):
        day.call(f"t.{i}", at=i * 100, quantity=i)
    assert [began.attempt_id for began in day.ledger.began] == ["t.0"]
    assert not day.ledger.ended
    day.at = 60_000
    day.journal.flush()
    (ended,) = day.ledger.ended
    (line,) = ended.lines
    assert (ended.attempt_id, ended.served, ended.payer) == ("t.0", True, "tenant:acme")
    assert (line.quantity, line.cost, line.billed) == (1225, 1225, 2450)
    assert ended.usage == {"prompt_tokens": 1225, "total_tokens": 1225}
    assert ended.at - _START == 50 * 20  # what its calls took, not the pauses between them
    assert day.ledger.began[0].held == 640


def test_what_is_open_is_always_at_least_what_its_calls_can_cost() -> None:
    day = _Day()
    for i in range(200):
        day.journal.begin(_began(f"t.{i}"))
    assert len(day.ledger.began) == 4
    assert sum(began.held or 0 for began in day.ledger.began) >= 200 * 10
    for i in range(200):
        day.journal.end(_ended(f"t.{i}"))
    day.journal.close()
    assert len(day.ledger.ended) == 4
    assert not day.ledger.open()
    assert sum(ended.lines[0].quantity for ended in day.ledger.ended) == 600


def test_other_calls_are_written_as_they_are() -> None:
    day = _Day()
    began, ended = _began("t.1", use="cache-judge"), _ended("t.1")
    day.journal.begin(began)
    day.journal.end(ended)
    assert (day.ledger.began, day.ledger.ended) == ([began], [ended])
    assert day.journal.owner == day.ledger.owner


@pytest.mark.parametrize(
    "fields",
    [{"tenant": "globex"}, {"model": "other"}, {"target": "other"}, {"catalog": "v2"}, {"held": None}],
)
def test_calls_of_another_tenant_or_target_are_records_of_their_own(fields: dict[str, object]) -> None:
    day = _Day()
    day.journal.begin(_began("t.1"))
    day.journal.begin(replace(_began("t.2"), **fields))  # type: ignore[arg-type]
    assert len(day.ledger.began) == 2


@pytest.mark.parametrize(
    "fields",
    [{"payer": "operator:retry", "outcome": "failed"}, {"exchange": Exchange("EUR", "1.1")}, {"at": 60_001}],
)
def test_a_call_that_is_paid_otherwise_is_a_record_of_its_own(fields: dict[str, object]) -> None:
    day = _Day()
    day.call("t.1")
    day.journal.begin(_began("t.2"))
    day.journal.end(_ended("t.2", **fields))  # type: ignore[arg-type]
    day.journal.close()
    assert {ended.attempt_id for ended in day.ledger.ended} == {"t.1", "t.2.own"}
    assert not day.ledger.open()


def test_a_call_that_cost_nothing_leaves_the_rest_as_it_was() -> None:
    day = _Day()
    nothing: dict[str, Any] = {
        "lines": (), "payer": "operator:retry", "outcome": "failed", "served": False, "usage": None
    }  # fmt: skip
    day.call("t.1", **nothing)
    day.call("t.2", at=30)
    day.call("t.3", at=60, **nothing)
    day.journal.close()
    (ended,) = day.ledger.ended
    assert (ended.attempt_id, ended.payer, ended.outcome, ended.served) == (
        "t.1",
        "tenant:acme",
        "answered",
        True,
    )
    assert ended.lines[0].quantity == 3


def test_a_record_waits_for_its_calls_and_a_full_disk_for_nothing() -> None:
    day = _Day()
    day.journal.begin(_began("t.1"))
    day.at = 61_000
    day.journal.flush()
    assert not day.ledger.ended
    day.ledger.full = True
    assert not day.journal.room()
    with pytest.raises(Unavailable):
        day.journal.begin(_began("t.2", at=61_000))
    day.journal.end(_ended("t.1", at=61_000))
    (ended,) = day.ledger.ended
    assert ended.at - _START == 61_000  # in the minute in which it ended, whose month it is charged in
    day.ledger.full = False
    day.call("t.3", at=62_000)
    day.journal.begin(_began("t.4", at=62_000))
    day.ledger.full = True
    day.journal.end(_ended("t.4", at=63_000, payer="operator:retry"))  # which needs a record of its own
    assert len(day.ledger.ended) == 1
    day.ledger.full = False
    day.journal.close()
    assert [ended.attempt_id for ended in day.ledger.ended[1:]] == ["t.3", "t.4.own"]
    assert not day.ledger.open()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_every_record_ends_once_and_nothing_is_lost(seed: int) -> None:
    draw = random.Random(seed)
    day, open_calls, billed = _Day(), dict[str, int](), 0
    for i in range(400):
        day.at += draw.choice([1, 50, 5_000])
        if open_calls and draw.random() < 0.5:
            name = draw.choice(list(open_calls))
            quantity = draw.randrange(5)
            payer = draw.choice(["tenant:acme", "tenant:acme", "operator:retry"])
            day.journal.end(_ended(name, at=day.at, quantity=quantity, payer=payer))
            billed += 2 * quantity
            del open_calls[name]
        else:
            day.journal.begin(_began(f"t.{i}", at=day.at, held=draw.choice([1, 10, 2_000])))
            open_calls[f"t.{i}"] = day.at
    for name in open_calls:
        day.journal.end(_ended(name, at=day.at, quantity=1))
        billed += 2
    day.journal.close()
    names = [ended.attempt_id for ended in day.ledger.ended]
    assert len(names) == len(set(names)) == len(day.ledger.began)
    assert not day.ledger.open()
    assert sum(line.billed for ended in day.ledger.ended for line in ended.lines) == billed
    moments = {began.attempt_id: began.at for began in day.ledger.began}
    assert all(ended.at >= moments[ended.attempt_id] for ended in day.ledger.ended)
