"""The registers keep what they are told, give every row its number and line, and refuse what is not whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from passerelle.compliance.registers import (
    Breach,
    Notice,
    breaches,
    closed,
    keep_breaches,
    keep_notices,
    next_id,
    notices,
)
from passerelle.domain.errors import CannotRun

_AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
_BREACH = Breach("2026-001", _AT, "A disk: lost,\nand 'found'.", ("acme",), ("confidentiality",), risk="risk")
_NOTICE = Notice(
    "2026-001",
    "acme",
    "scaleway",
    date(2026, 10, 1),
    "dpo@acme.example",
    date(2026, 11, 1),
    date(2026, 10, 31),
)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    assert (breaches(tmp_path), notices(tmp_path)) == ((), ())
    keep_breaches(tmp_path, [_BREACH, replace(_BREACH, id="2026-002")])
    keep_notices(tmp_path, [_NOTICE])

    first, second = breaches(tmp_path)
    (sent,) = notices(tmp_path)
    assert replace(first, place=_BREACH.place) == _BREACH
    assert replace(sent, place=_NOTICE.place) == _NOTICE
    assert (first.place.file, first.place.line) == ("registers/breaches.yaml", 3)
    assert second.place.line > first.place.line
    assert not list((tmp_path / "registers").glob(".*"))


def test_numbers_go_on_within_a_year() -> None:
    assert next_id([], 2026) == "2026-001"
    assert next_id([_BREACH, replace(_BREACH, id="2026-017")], 2026) == "2026-018"
    assert next_id([_BREACH], 2027) == "2027-001"


def test_clocks_run_from_the_discovery() -> None:
    assert _BREACH.authority_by() - _AT == timedelta(hours=72)
    assert _BREACH.tenants_by(24) - _AT == timedelta(hours=24)


def test_a_breach_is_closed_once_and_with_what_the_law_asks_for() -> None:
    with pytest.raises(CannotRun, match="no effects or remedies"):
        closed([_BREACH], "2026-001", closed_at=_AT)
    done = closed([_BREACH], "2026-001", effects="none", remedies="keys turned", closed_at=_AT)
    assert done[0].closed_at == _AT
    with pytest.raises(CannotRun, match="was closed"):
        closed(done, "2026-001", closed_at=_AT)
    with pytest.raises(CannotRun, match="no breach '2026-009'"):
        closed(done, "2026-009", closed_at=_AT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("breaches: 3\n", "no list"),
        ("breaches:\n  - {id: a}\n", ":2: this row is not whole"),
        ("breaches:\n  - {id: a, discovered_at: '2026-11-20T08:00:00', facts: f}\n", ":2: this row"),
        (
            "breaches:\n  - {id: a, discovered_at: '2026-11-20T08:00:00Z', facts: f, who: me}\n",
            "'who' is not a word",
        ),
        ("breaches: [\n", "C01"),
    ],
)
def test_a_register_that_is_not_one_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "registers" / "breaches.yaml"
    file.parent.mkdir()
    file.write_text(text)

    with pytest.raises(CannotRun, match=told):
        breaches(tmp_path)
