"""`passerelle costs`, as finance uses it: with the service running and with none, on real files and a real ledger."""

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from passerelle.domain.calendar import Month
from tests.e2e.money import Done, Shop, books, configuration, engine, shop, superuser, verb
from tests.ledger_month import TENANTS, make_month, write_month

_RATES = Path("src/passerelle/ledger/rates/eurofxref.csv")
_NOW = Month.of(datetime.now(UTC), ZoneInfo("Europe/Paris"))
_LAST = _NOW.previous


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service with a few calls of this month, and with last month's of three tenants."""
    with engine() as url:
        config = configuration(url)
        config["tenants"] |= {key: {} for key in TENANTS}
        with shop(tmp_path_factory.mktemp("finance"), config) as running:
            running.chat("acme")
            running.chat("resold")
            running.embed("acme")
            running.await_requests("acme", 2)
            running.await_requests("resold", 1)
            asyncio.run(_book(running.service.data))
            yield running


async def _book(data: Path) -> None:
    async with books(data) as database:
        await write_month(database, make_month(5, _LAST, requests=40))


def _order(running: Shop, *words: str) -> Done:
    folders = ("--config", str(running.service.config), "--data", str(running.service.data))
    return verb("costs", *words, *folders)


def _done(running: Shop, *words: str) -> str:
    done = _order(running, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refused(running: Shop, *words: str) -> str:
    """The one line in which a verb says why it cannot."""
    done = _order(running, *words)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(("passerelle:", "Error:"))]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("form", ["json", "csv", "html", "xlsx", "focus"])
def test_a_report_is_what_the_service_gives_in_a_file_or_on_the_terminal(
    running: Shop, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"report.{form}"
    words = ("report", "--tenant", "acme", "--format", form)
    assert _done(running, *words, "--output", str(file)) == ""
    content = file.read_bytes()
    asked = running.call(f"/v1/costs?tenant=acme&format={form}", key=running.admin).raw

    if form == "json":
        told = orjson.loads(_done(running, *words))
        for each in (told, loaded := orjson.loads(content)):
            assert each["total"] == orjson.loads(asked)["total"]
        assert Decimal(loaded["total"]["amount"]) > 0
    elif form in ("csv", "focus"):
        assert content == asked
        assert _done(running, *words) == asked.decode()
    else:
        assert content[:4] == asked[:4]


def test_a_page_is_in_the_language_of_the_option(running: Shop) -> None:
    for language in ("fr", "en"):
        words = ("report", "--tenant", "acme", "--format", "html", "--language", language)
        assert f'<html lang="{language}">' in _done(running, *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tenant", "nobody"), "There is no tenant 'nobody'."),
        (("--month", "2026-13"), "a month is written as in 2026-11"),
        (("--month", "nov"), "a month is written as in 2026-11"),
        (("--month", ""), "a month is written as in 2026-11"),
        (("--month", "9998-01"), "9998-01 has not begun."),
        (("--month", "2019-01"), f"The ledger has nothing of 2019-01: it begins in {_LAST}."),
        (("--month", "2019-01", "--format", "focus"), "The ledger has nothing of 2019-01"),
        (
            ("--output", "/nowhere/at/all.json"),
            "/nowhere/at/all.json cannot be written: no such file or directory.",
        ),
        (("--format", "pdf"), "Invalid value for '--format'"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_line(running: Shop, words: tuple[str, ...], told: str) -> None:
    assert told in _refused(running, "report", *words)


@pytest.mark.parametrize("live", [(), ("--live",)])
def test_prices_say_what_applies_and_why(running: Shop, live: tuple[str, ...]) -> None:
    words = _done(running, "prices", *live)
    document = orjson.loads(_done(running, "prices", "--json", *live))

    assert "hosted/m: USD for a million tokens: 0.1 input" in words
    assert [entry["prices"]["input"]["amount"] for entry in document["prices"]] == ["0.1", "0.1"]


def _report(running: Shop, tenant: str, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(_done(running, "report", "--tenant", tenant, *words))
    return document


def test_a_credit_is_in_the_report_of_the_open_month(running: Shop) -> None:
    before = _report(running, "idle")
    reference = _done(
        running, "credit", "--tenant", "idle", "--amount", "2.50", "--reason", "Panne du 3 novembre"
    )
    after = _report(running, "idle")

    assert reference.startswith("credit:")
    assert Decimal(after["total"]["amount"]) == Decimal(before["total"]["amount"]) - Decimal("2.50")
    assert after["total"]["billed"] == "-2.50"
    assert after["corrections"] == "-2.5"
    assert _done(running, "verify").startswith("The ledger adds up")


@pytest.mark.parametrize(
    ("tenant", "amount", "reason", "told"),
    [
        ("nobody", "1", "x", "There is no tenant 'nobody'."),
        ("acme", "abc", "x", "`amount`"),
        ("acme", "0", "x", "`amount` must be above nought"),
        ("acme", "-1", "x", "`amount` must be above nought"),
        ("acme", "NaN", "x", "`amount`"),
        ("acme", "0.0000000000001", "x", "at most twelve decimals"),
        ("acme", "1e30", "x", "`amount`"),
        ("acme", "1e999999", "x", "`amount`"),
        ("acme", "1", "", "`reason`"),
        ("acme", "1", "a\x1b[2Jb", "`reason`"),
    ],
)
def test_a_credit_that_cannot_be_given_is_one_line_and_books_nothing(
    running: Shop, tenant: str, amount: str, reason: str, told: str
) -> None:
    before = _report(running, "acme")["total"]

    line = _refused(running, "credit", "--tenant", tenant, f"--amount={amount}", "--reason", reason)

    assert told in line
    assert _report(running, "acme")["total"] == before


def _invoice(file: Path, amount: Decimal, *, month: Month = _NOW) -> str:
    told = io.StringIO()
    csv.writer(told).writerows([("month", "amount", "currency"), (str(month), f"{amount:f}", "USD")])
    file.write_text(told.getvalue())
    return str(file)


def test_an_invoice_is_booked_once_however_often_it_is_given(running: Shop, tmp_path: Path) -> None:
    file = _invoice(tmp_path / "invoice.csv", Decimal("0.25"))
    words = ("reconcile", "--provider", "Hosted SA", "--month", str(_NOW), "--file", file)

    dry = orjson.loads(_done(running, *words, "--dry-run", "--json"))
    first = orjson.loads(_done(running, *words, "--json"))
    again = orjson.loads(_done(running, *words, "--json"))
    words_of = _done(running, *words)

    assert Decimal(dry["booked"]) == 0 < Decimal(dry["gap"])
    assert Decimal(first["ours"]) + Decimal(first["booked"]) == Decimal("0.25")
    assert (again["again"], Decimal(again["booked"]), Decimal(again["gap"])) == (True, Decimal(0), Decimal(0))
    assert "This invoice was booked before." in words_of
    assert _done(running, "verify").startswith("The ledger adds up")
    document = orjson.loads(_done(running, "report"))
    assert document["reconciled"] == ["Hosted SA"]


def test_a_gap_that_somebody_should_look_at_ends_with_status_1(running: Shop, tmp_path: Path) -> None:
    file = _invoice(tmp_path / "large.csv", Decimal(900))

    done = _order(
        running, "reconcile", "--provider", "Hosted SA", "--month", str(_NOW), "--file", file, "--dry-run"
    )

    assert done.returncode == 1, done.stderr
    assert "The gap is larger than is tolerated" in done.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"month,amount,currency\n2026-11,1", "may not be whole"),
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"what,is\nthis,here\n", "bad.csv"),
        (b"month,amount,currency\n2019-01,1,USD\n", "bad.csv"),
    ],
)
def test_an_invoice_that_cannot_be_read_is_one_line(
    running: Shop, tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)

    line = _refused(
        running, "reconcile", "--provider", "Hosted SA", "--month", str(_NOW), "--file", str(file)
    )

    assert told in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--month", str(_NOW)), "Give either --file or --api."),
        (("--month", str(_NOW), "--api", "--file", "pyproject.toml"), "Give either --file or --api."),
        (("--month", str(_NOW), "--file", "/nowhere.csv"), "does not exist"),
        (("--month", str(_NOW), "--file", "/tmp"), "is a directory"),
        (("--month", str(_NOW), "--api"), "cannot be asked what it charges"),
        (("--month", "nov", "--file", "pyproject.toml"), "a month is written as in 2026-11"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_one_line(
    running: Shop, words: tuple[str, ...], told: str
) -> None:
    assert told in _refused(running, "reconcile", "--provider", "Hosted SA", *words)


def test_rates_are_replaced_whole_or_not_at_all(running: Shop, tmp_path: Path) -> None:
    whole, half = tmp_path / "rates.csv", tmp_path / "half.csv"
    whole.write_bytes(_RATES.read_bytes())
    half.write_bytes(_RATES.read_bytes()[:-25])
    copy = running.service.data / "rates" / "eurofxref.csv"

    assert _done(running, "rates", "--file", str(whole)).startswith("The newest rates are of 20")
    kept = copy.read_bytes()
    line = _refused(running, "rates", "--file", str(half))

    assert "the rates from before stay in use" in line
    assert copy.read_bytes() == kept
    assert running.chat("acme") > 0
    assert "Give either --file or --fetch." in _refused(running, "rates")
    assert "Give either --file or --fetch." in _refused(running, "rates", "--fetch", "--file", str(whole))


def test_weights_are_told_where_tries_show_them_and_else_why_not(running: Shop) -> None:
    told = orjson.loads(_done(running, "calibrate", "hosted", "--json"))

    assert (told["backend"], told["weights"]) == ("hosted", {})
    few = "tries are too few to tell: 50 are needed."  # how many, the drain may change at any moment
    assert few in told["why"]
    assert few in _done(running, "calibrate", "hosted")
    assert "There is no backend 'nobody'." in _refused(running, "calibrate", "nobody")


def test_events_that_wait_are_listed(running: Shop) -> None:
    assert _done(running, "webhooks") == "All events were delivered.\n"
    assert orjson.loads(_done(running, "webhooks", "--json")) == []


def test_a_month_is_closed_once_it_is_over_and_told_of_again(running: Shop) -> None:
    assert f"{_NOW} has not ended in Europe/Paris." in _refused(running, "close", "--month", str(_NOW))
    assert "a month is written as in" in _refused(running, "close", "--month", "2026-13")

    first = _done(running, "close", "--month", str(_LAST))
    again = orjson.loads(_done(running, "close", "--month", str(_LAST), "--json"))

    assert first.startswith(f"{_LAST} is closed. SHA-256 of its entries: ")
    assert again["digest"] == first.split()[-1]
    assert (again["month"], again["fresh"], again["passed_over"]) == (str(_LAST), False, [])
    assert f"{_LAST} was closed on" in _done(running, "close", "--month", str(_LAST))
    assert _report(running, "client-a", "--month", str(_LAST))["closed"]
    assert _done(running, "verify", "--month", str(_LAST)).startswith("The ledger adds up")


_TAMPER = """UPDATE ledger_entries SET billed_pico = billed_pico {change} WHERE id = (
    SELECT min(id) FROM ledger_entries WHERE account = 'tenant:acme' AND kind = 'settle')"""


def test_verify_finds_an_amount_that_was_changed_behind_its_back(running: Shop) -> None:
    with superuser(running.service.data) as connection:
        connection.execute("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only")
        connection.execute(_TAMPER.format(change="+ 7"))
        try:
            words, machine = _order(running, "verify"), _order(running, "verify", "--json")
        finally:
            connection.execute(_TAMPER.format(change="- 7"))
            connection.execute("ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_append_only")

    assert (words.returncode, machine.returncode) == (1, 1)
    assert "What is billed in EUR adds up to 7 pico-units, not to 0." in words.stdout
    assert orjson.loads(machine.stdout)["findings"] == words.stdout.splitlines()
    assert "Traceback" not in words.stderr
    assert _done(running, "verify").startswith("The ledger adds up")


@pytest.mark.parametrize("month", ["2026-13", "9998-01", "2019-01"])
def test_a_month_that_there_is_not_cannot_be_verified(running: Shop, month: str) -> None:
    assert month in _refused(running, "verify", "--month", month) or month == "2026-13"


def test_the_verbs_do_the_same_where_no_service_runs(running: Shop) -> None:
    """In process, on the data that the service has left; and what was booked is there for the next service."""
    before = _report(running, "acme")
    assert running.service.stop() == 0

    assert "There is no tenant 'nobody'." in _refused(running, "report", "--tenant", "nobody")
    assert "has not ended" in _refused(running, "close", "--month", str(_NOW))
    _done(running, "credit", "--tenant", "acme", "--amount", "1", "--reason", "Geste")
    whole = running.service.order("costs", "verify")  # as a process of its own
    assert (whole.returncode, whole.stdout[:18]) == (0, "The ledger adds up"), whole.stderr
    amount = Decimal(_report(running, "acme")["total"]["amount"])

    assert amount == Decimal(before["total"]["amount"]) - 1
