"""A try becomes one row, and two entries that cancel out for each of its lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from passerelle.domain.ledger import Ended, Exchange, UsageSource
from passerelle.ledger.drain_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, rows
from tests.unit.ledger.events import began, ended, line
from tests.unit.ledger.test_spool_lines import BEGINNINGS, ENDS


def named(began_: object, ended_: object) -> tuple[dict[str, object], list[dict[str, object]]]:
    attempt, entries = rows(began_, ended_)  # type: ignore[arg-type]
    return (
        dict(zip(ATTEMPT_COLUMNS, attempt, strict=True)),
        [dict(zip(ENTRY_COLUMNS, entry, strict=True)) for entry in entries],
    )


def test_the_payer_is_debited_and_the_provider_credited() -> None:
    attempt, entries = named(began(5), ended(5))

    assert attempt["began_at"] == datetime(2025, 11, 21, 12, 0, 0, 5000, tzinfo=UTC)
    assert attempt["tags"] == '{"course":"français"}'
    assert [(entry["line"], entry["meter"], entry["account"], entry["amount_pico"]) for entry in entries] == [
        (1, "input", "tenant:client-a", 7_000_000),
        (1, "input", "provider:scaleway:payable", -7_000_000),
        (2, "output", "tenant:client-a", 350_000),
        (2, "output", "provider:scaleway:payable", -350_000),
    ]
    assert {entry["kind"] for entry in entries} == {"settle"}


@pytest.mark.parametrize(
    ("changes", "accounts"),
    [
        ({"provider": None}, ["tenant:client-a", "provider:hub:payable"]),
        ({"payer": "operator:retry"}, ["operator:retry", "provider:scaleway:payable"]),
        ({"payee": "operator:capacity"}, ["tenant:client-a", "operator:capacity"]),
        ({"payer": "operator:x", "payee": "operator:x"}, ["operator:x", "operator:x:contra"]),
    ],
)
def test_who_pays_whom(changes: dict[str, str], accounts: list[str]) -> None:
    _, entries = named(began(1), ended(1, lines=(line("input", 1),), **changes))

    assert [entry["account"] for entry in entries] == accounts


def test_a_try_without_an_end_is_the_operators_at_the_most_it_can_have_cost() -> None:
    attempt, entries = named(began(1, held=12, held_currency="USD"), None)

    assert attempt["outcome"] == "unknown"
    assert attempt["ended_at"] == attempt["began_at"]
    assert (attempt["served"], attempt["usage"], attempt["usage_source"]) == (False, None, UsageSource.NONE)
    assert attempt["payer"] == "operator:lost"
    told = ("account", "meter", "quantity", "currency", "amount_pico", "certainty", "price_id", "billed_pico")
    assert [tuple(entry[name] for name in told) for entry in entries] == [
        ("operator:lost", "request", 1, "USD", 12, "estimated", None, None),
        ("provider:hub:payable", "request", 1, "USD", -12, "estimated", None, None),
    ]


@pytest.mark.parametrize("held", [{}, {"held": 12}, {"held_currency": "USD"}])
def test_a_try_without_an_end_or_a_known_price_is_unpriced(held: dict[str, Any]) -> None:
    _, entries = named(began(1, **held), None)

    assert [(entry["amount_pico"], entry["certainty"], entry["currency"]) for entry in entries] == [
        (0, "unpriced", "XXX"),
        (0, "unpriced", "XXX"),
    ]


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({}, "operator:margin"),
        ({"payee": "operator:margin"}, "operator:margin:contra"),
        ({"payee": "operator:margin", "payer": "operator:margin"}, "operator:margin:contra:contra"),
    ],
)
def test_what_is_billed_beyond_the_cost_is_a_margin(changes: dict[str, str], margin: str) -> None:
    lines = (line("input", 1, cost=5, billed=7), line("output", 1, cost=5, billed=5))
    _, entries = named(began(1), ended(1, lines=lines, exchange=Exchange("EUR", "1"), **changes))

    assert [(entry["line"], entry["amount_pico"], entry["billed_pico"]) for entry in entries] == [
        (1, 70_000, 7), (1, -70_000, -5), (1, 0, -2), (2, 70_000, 5), (2, -70_000, -5),
    ]  # fmt: skip
    assert entries[2]["account"] == margin


def test_without_an_exchange_nothing_is_billed() -> None:
    _, entries = named(began(1), ended(1, lines=(line("input", 1, cost=5, billed=7, saved=3),)))

    assert [(entry["billed_pico"], entry["billed_currency"], entry["saved_pico"]) for entry in entries] == [
        (None, None, 3),
        (None, None, None),
    ]


def test_a_cost_whose_beginning_is_damaged_is_still_somebodys() -> None:
    attempt, entries = named(None, ended(1))
    assert (attempt["tenant"], attempt["request_id"], attempt["payer"]) == ("client-a", "", "tenant:client-a")
    assert len(entries) == 4

    assert named(None, ended(1, payer="operator:retry"))[0]["tenant"] == ""
    with pytest.raises(ValueError, match="nothing is known"):
        rows(None, None)


@given(BEGINNINGS, ENDS)
def test_whatever_a_try_holds_the_database_can_hold_and_its_entries_cancel_out(
    began_: object, ended_: Ended
) -> None:
    attempt, entries = named(began_, ended_)

    for value in [*attempt.values(), *(value for entry in entries for value in entry.values())]:
        if isinstance(value, str):
            assert "\0" not in value
            assert "\\u0000" not in value or "\\\\u0000" in value
            value.encode()
    for number in range(1, len(ended_.lines) + 1):
        sides = [entry for entry in entries if entry["line"] == number]
        assert sum(int(str(entry["amount_pico"])) for entry in sides) == 0
        assert sum(int(str(entry["billed_pico"] or 0)) for entry in sides) == 0
        assert len({entry["account"] for entry in sides}) == len(sides) in (2, 3)
