"""What an operator does with the ledger is booked in two halves, once, and told to budgets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.errors import BadRequest, CannotRun, NotFound, Unavailable
from passerelle.gateway.edition import Editions
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.reference_rates import packaged_rates
from passerelle.reports.desk import Desk
from passerelle.reports.office import HUGGING_FACE, Keeping, Office, invoicer
from passerelle.stores.database import Database
from tests.books import pricing
from tests.ledger_month import PARIS, TENANTS, make_month, write_month
from tests.serving import catalog_of

_LAST = Month.of(datetime.now(UTC), PARIS).previous


class _Nothing:
    async def aclose(self) -> None:
        pass


class _Books:
    """What the running books are told, and what they say that waits."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self.waits: str | None = None
        self.asked: list[datetime | None] = []

    async def pending(self, until: datetime | None) -> str | None:
        self.asked.append(until)
        return self.waits if until else None

    async def count(self, references: Sequence[str]) -> None:
        self.counted += references

    async def reload(self) -> None:
        self.counted.append("rates")


_CATALOG = catalog_of(
    {
        "operator": {"currency": "EUR", "time_zone": "Europe/Paris"},
        "backends": {
            "offline": {"kind": "builtin"},
            "hub": {"kind": "hf-providers", "provider": "cheapest", "token": "env:HF_TOKEN"},
            "direct": {"kind": "hf-providers", "via": "direct", "provider": "novita", "token": "env:NOVITA"},
            "endpoint": {"kind": "hf-endpoint", "endpoint": "formation/qwen", "token": "env:HF_TOKEN"},
        },
        "models": {"assistant": {"targets": [{"backend": "offline", "model": "extractive"}]}},
        "tenants": {key: {} for key in TENANTS},
    },
    environment={"HF_TOKEN": "hf_test", "NOVITA": "sk_test"},
    models=Path("unused"),
)


@pytest.fixture
async def editions() -> AsyncIterator[Editions]:
    made = Editions(_CATALOG, lambda _: _Nothing(), pricing)  # type: ignore[arg-type, return-value]
    yield made
    await made.aclose()


def _office(database: Database, editions: Editions, books: _Books, data: Path) -> Office:
    rates = Exchanger(packaged_rates())
    keeping = Keeping(books.pending, books.count, books.reload, lambda: rates)
    desk = Desk(database, editions, exchanger=lambda: rates)
    return Office(database, editions, desk, keeping=keeping, data=data)


async def _entries(database: Database) -> list[tuple[Any, ...]]:
    query = text(
        "SELECT account, kind, amount_pico, billed_pico, reason FROM ledger_entries ORDER BY account DESC"
    )
    async with database.begin() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_credit_is_the_tenants_gain_and_the_operators_loss(
    database: Database, editions: Editions, tmp_path: Path
) -> None:
    books = _Books()
    name = await _office(database, editions, books, tmp_path).credit("client-a", Decimal("1.5"), "Panne")

    assert books.counted == [name]
    assert await _entries(database) == [
        ("tenant:client-a", "credit", 0, -1_500_000_000_000, "Panne"),
        ("operator:credit", "credit", 0, 1_500_000_000_000, "Panne"),
    ]


@pytest.mark.parametrize(
    ("tenant", "amount", "error"),
    [
        ("nobody", "1", NotFound),
        ("client-a", "0", BadRequest),
        ("client-a", "-1", BadRequest),
        ("client-a", "Infinity", BadRequest),
        ("client-a", "NaN", BadRequest),
        ("client-a", "1e-13", BadRequest),
        ("client-a", "1e10", BadRequest),
        ("client-a", "1e999999", BadRequest),
    ],
)
async def test_a_credit_that_is_none_books_nothing(
    database: Database, editions: Editions, tmp_path: Path, tenant: str, amount: str, error: type[Exception]
) -> None:
    books = _Books()
    with pytest.raises(error):
        await _office(database, editions, books, tmp_path).credit(tenant, Decimal(amount), "x")

    assert (await _entries(database), books.counted) == ([], [])


async def test_a_credit_while_the_database_is_away_is_an_outage(editions: Editions, tmp_path: Path) -> None:
    away = Database("postgresql+psycopg://nobody@/none?host=/nowhere")
    try:
        with pytest.raises(Unavailable):
            await _office(away, editions, _Books(), tmp_path).credit("client-a", Decimal(1), "x")
    finally:
        await away.aclose()


async def test_a_month_is_closed_when_nothing_of_it_waits(
    database: Database, editions: Editions, tmp_path: Path
) -> None:
    await write_month(database, make_month(3, _LAST, requests=20))
    books = _Books()
    office = _office(database, editions, books, tmp_path)

    books.waits = "Hours are still to be shared out: ask again in some minutes."
    with pytest.raises(CannotRun, match="Hours are still to be shared out"):
        await office.close(str(_LAST), force=False)
    books.waits = None
    closed = await office.close(str(_LAST), force=False)

    assert (closed.fresh, closed.passed_over) == (True, ())
    assert books.asked[-1] == _LAST.bounds(PARIS)[1]
    assert not (await office.close(str(_LAST), force=False)).fresh
    assert await office.verify(str(_LAST)) == ([], len(TENANTS) + 1)


async def test_a_month_that_goes_on_is_not_closed_by_force_either(
    database: Database, editions: Editions, tmp_path: Path
) -> None:
    await write_month(database, [])
    with pytest.raises(CannotRun, match="has not ended in Europe/Paris"):
        await _office(database, editions, _Books(), tmp_path).close(str(_LAST.next), force=True)


async def test_rates_are_installed_whole_and_taken_up(
    database: Database, editions: Editions, tmp_path: Path
) -> None:
    books = _Books()
    office = _office(database, editions, books, tmp_path)
    raw = Path("src/passerelle/ledger/rates/eurofxref.csv").read_bytes()

    with pytest.raises(CannotRun, match="breaks off"):
        await office.rates(raw[:-25])
    assert books.counted == []
    assert not (tmp_path / "rates").exists()
    assert await office.rates(raw) == packaged_rates().days[-1]
    assert books.counted == ["rates"]


async def test_only_hugging_face_can_be_asked_and_only_for_an_organisation_that_pays(
    database: Database, editions: Editions, tmp_path: Path
) -> None:
    office = _office(database, editions, _Books(), tmp_path)
    asked: dict[str, Any] = {
        "content": None, "source": "", "currency": None, "organization": None, "booking": False,
    }  # fmt: skip

    with pytest.raises(CannotRun, match="acme cannot be asked"):
        await office.reconcile("acme", "2026-10", **asked)
    with pytest.raises(CannotRun, match="organisation that pays"):
        await office.reconcile(HUGGING_FACE, "2026-10", **asked)
    with pytest.raises(BadRequest, match="`month`"):
        await office.reconcile(HUGGING_FACE, "2026-13", **asked)


def test_hugging_face_invoices_its_endpoints_and_all_behind_its_router() -> None:
    assert invoicer(HUGGING_FACE, _CATALOG).backends == {"hub", "endpoint"}
    assert invoicer("novita", _CATALOG).accounts == ["provider:novita:payable"]


async def test_weights_are_those_of_a_backend_that_there_is(
    database: Database, editions: Editions, tmp_path: Path
) -> None:
    office = _office(database, editions, _Books(), tmp_path)

    found, _ = await office.calibrate("offline")
    assert (found.tries, dict(found.weights)) == (0, {})
    with pytest.raises(NotFound, match="There is no backend"):
        await office.calibrate("nobody")
