"""A try becomes one row, and two entries that cancel out for each of its lines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given

from passerelle.domain.ledger import Ended, UsageSource
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


def test_a_try_without_an_end_is_unknown_and_has_an_estimated_entry_of_nought() -> None:
    attempt, entries = named(began(1), None)

    assert attempt["outcome"] == "unknown"
    assert attempt["ended_at"] == attempt["began_at"]
    assert (attempt["served"], attempt["usage"], attempt["usage_source"]) == (False, None, UsageSource.NONE)
    assert [(entry["account"], entry["amount_pico"], entry["certainty"]) for entry in entries] == [
        ("tenant:client-a", 0, "estimated"),
        ("provider:hub:payable", 0, "estimated"),
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
        assert sum(int(str(entry["amount_pico"])) for entry in entries if entry["line"] == number) == 0
    assert len({(entry["line"], entry["account"]) for entry in entries}) == 2 * len(ended_.lines)
