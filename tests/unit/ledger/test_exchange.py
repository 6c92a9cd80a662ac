"""Reference rates: whole and believable files, the rate of the day, exact amounts."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import zipfile
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import Exchange
from passerelle.ledger.exchange import SAME, Exchanger, Rate, load_rates
from passerelle.ledger.reference_rates import install_rates, packaged_rates, read_rates, written

_HIST = """Date,USD,JPY,BGN,GBP,ILS,
2026-01-02,1.25,180.5,N/A,0.8,N/A,
2025-12-31,1.24,180.1,1.9558,0.81,3.5,
2025-12-30,1.23,180,1.9558,0.82,3.6,
2025-12-23,1.22,179,1.9558,0.83,3.7,
"""
_DAILY = """Date, USD, JPY, GBP, 
05 January 2026, 1.2600, 181.00, 0.80100, 
"""  # noqa: W291 - ECB's daily file ends its lines so
_TODAY = date(2026, 1, 6)


def _zip(text: str, *, name: str = "eurofxref-hist.csv") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return made.getvalue()


def _exchanger(text: str = _HIST) -> Exchanger:
    return Exchanger(read_rates(text.encode()))


def test_a_rate_is_that_of_the_day_or_of_the_last_day_before_it() -> None:
    exchanger = _exchanger()

    assert exchanger.rate("EUR", "USD", date(2025, 12, 31)) == Rate("1.24", date(2025, 12, 31))
    assert exchanger.rate("EUR", "USD", date(2026, 1, 1)) == Rate(
        "1.24", date(2025, 12, 31)
    )  # a TARGET holiday
    assert exchanger.rate("EUR", "USD", date(2026, 1, 4)) == Rate("1.25", date(2026, 1, 2))  # a Sunday
    assert exchanger.rate("EUR", "USD", date(2025, 12, 29)) == Rate("1.22", date(2025, 12, 23))
    assert exchanger.rate("EUR", "USD", date(2030, 1, 1)) == Rate("1.25", date(2026, 1, 2))


def test_between_two_other_currencies_it_goes_through_the_euro() -> None:
    exchanger = _exchanger()
    day = date(2026, 1, 2)

    assert exchanger.rate("USD", "EUR", day) == Rate("0.8", day)
    assert exchanger.rate("USD", "GBP", day) == Rate("0.64", day)
    assert exchanger.rate("JPY", "EUR", day) == Rate("0.00554016620499", day)
    assert exchanger.rate("GBP", "JPY", day) == Rate("225.625", day)


def test_one_currency_is_not_exchanged_even_where_nobody_publishes_its_rate() -> None:
    exchanger = _exchanger()

    assert exchanger.rate("EUR", "EUR", date(1990, 1, 1)) is SAME
    assert exchanger.rate("XYZ", "XYZ", date(2026, 1, 1)) == Rate("1")
    assert SAME.into("EUR") == Exchange("EUR", "1", None)


def test_what_is_not_known_is_none_and_never_one() -> None:
    exchanger = _exchanger()

    assert exchanger.rate("XYZ", "EUR", date(2026, 1, 2)) is None
    assert exchanger.rate("EUR", "XYZ", date(2026, 1, 2)) is None
    assert exchanger.rate("USD", "EUR", date(2025, 12, 22)) is None
    assert exchanger.rate("USD", "EUR", date(2025, 12, 22)) is None  # remembered


def test_a_currency_without_a_rate_today_keeps_its_last_for_a_week_and_no_longer() -> None:
    later = _HIST.replace(
        "Date,USD,JPY,BGN,GBP,ILS,\n", "Date,USD,JPY,BGN,GBP,ILS,\n2026-01-08,1.25,180,N/A,.8,N/A,\n"
    )
    later = later.replace(",.8,", ",0.8,")

    assert _exchanger().rate("ILS", "EUR", date(2026, 1, 5)) == Rate("0.285714285714", date(2025, 12, 31))
    assert _exchanger(later).rate("BGN", "EUR", date(2026, 1, 8)) is None
    crossed = _exchanger().rate("USD", "ILS", date(2026, 1, 2))  # both of one day
    assert crossed == Rate("2.82258064516", date(2025, 12, 31))


def test_rates_that_are_a_week_old_are_stale() -> None:
    exchanger = _exchanger()

    assert exchanger.newest == date(2026, 1, 2)
    assert not exchanger.stale(date(2026, 1, 9))
    assert exchanger.stale(date(2026, 1, 10))
    assert not exchanger.stale(date(2020, 1, 1))


@given(st.integers(-(10**24), 10**24), st.integers(1, 10**12 - 1), st.integers(0, 16))
def test_an_amount_is_the_decimal_product_rounded_half_to_even(amount: int, digits: int, places: int) -> None:
    text = format(Decimal(digits).scaleb(-places), "f")
    with localcontext() as context:
        context.prec = 60
        exact = (amount * Decimal(text)).to_integral_value(rounding=ROUND_HALF_EVEN)

    assert Rate(text).of(amount) == int(exact)
    assert type(Rate(text).of(amount)) is int


@pytest.mark.parametrize(("amount", "there"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (0, 0)])
def test_halves_go_to_the_even_neighbour(amount: int, there: int) -> None:
    assert Rate("0.5").of(amount) == there


@pytest.mark.parametrize(
    "text", ["", "0", "0.000", "-1", "1e3", "1,2", "NaN", "1.2345678901234", ".5", "1.", "١"]
)
def test_what_is_no_rate_cannot_be_made_one(text: str) -> None:
    with pytest.raises(ValueError, match="a rate is a decimal above nought"):
        Rate(text)


def test_what_is_written_beside_an_amount_is_enough_to_multiply_again() -> None:
    rate = _exchanger().rate("USD", "EUR", date(2025, 12, 30))
    assert rate is not None
    written_down = rate.into("EUR")

    assert (written_down.on, written_down.currency) == ("2025-12-30", "EUR")
    assert Rate(written_down.rate).of(123_456_789) == rate.of(123_456_789)


def test_the_three_forms_of_ecbs_files_are_read() -> None:
    table = read_rates(_HIST.encode())

    assert read_rates(_zip(_HIST)) == table
    assert read_rates(("\ufeff" + _HIST.replace("\n", "\r\n")).encode()) == table
    assert read_rates(b"# Source: ECB\n# more\n" + _HIST.encode()) == table
    assert read_rates(_DAILY.encode()).days == (date(2026, 1, 5),)
    assert read_rates(_DAILY.encode()).euro[0]["GBP"] == "0.80100"
    assert read_rates(written(table, remarks=["a"])) == table


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "does not begin with"),
        (b"<html>Not found</html>", "does not begin with"),
        (b"Date,USD,JPY,\n", "holds no rates"),
        (b"Date,USD,USD,\n2026-01-02,1,1,\n", "names a currency twice"),
        (b"\xff\xfe" + _HIST.encode("utf-16-le"), "UTF-8"),
        (_HIST.encode() + b"\xe9", "UTF-8"),
        (_HIST.encode()[:-3], r"breaks off, or is damaged: line 5 has \d fields, not 7"),
        (_HIST.encode()[:-20], "breaks off"),
        (_HIST.replace("1.25", "-1.25").encode(), "has '-1.25' for USD in line 2, which is no rate"),
        (_HIST.replace("1.25", "0").encode(), "no rate"),
        (_HIST.replace("1.25", "0.0").encode(), "no rate"),
        (_HIST.replace("1.25", "1000000000").encode(), "no rate"),
        (_HIST.replace("1.25", "1e9").encode(), "no rate"),
        (_HIST.replace("1.25", "NaN").encode(), "no rate"),
        (_HIST.replace("1.25", "١").encode(), "no rate"),
        (_HIST.replace("1.25", "12.5").encode(), "has 12.5 for USD on 2026-01-02, and 1.24 just before"),
        (_HIST.replace("1.25,180.5", "180.5,1.25").encode(), "just before"),
        (_HIST.replace("2026-01-02", "2026-13-02").encode(), "no date"),
        (_HIST.replace("2026-01-02", "2025-12-30").encode(), "out of order: line 3"),
        (_HIST.replace("2026-01-02", "02 Janvier 2026").encode(), "no date"),
        ("\n".join([_HIST.splitlines()[0], *reversed(_HIST.splitlines()[1:])]).encode(), "out of order"),
        (_HIST.replace("0.8,N/A,", "0.8,N/A,9").encode(), "too many fields"),
        (_zip(_HIST)[:-30], "archive that breaks off"),
        (_zip(_HIST)[:60], "archive that breaks off"),
        (b"PK\x03\x04", "archive that breaks off"),
        (_zip(_HIST, name="readme.txt"), "0 tables"),
        (_zip("x" * (17 * 1_048_576)), "longer than"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else ""
    ),  # an archive's bytes hold the time it was made at
)
def test_a_file_that_is_not_whole_or_not_believable_is_refused_and_the_old_rates_stay(
    tmp_path: Path, raw: bytes, cause: str
) -> None:
    install_rates(tmp_path, _HIST.encode(), today=_TODAY)
    before = (tmp_path / "rates" / "eurofxref.csv").read_bytes()

    with pytest.raises(CannotRun, match=cause) as caught:
        install_rates(tmp_path, raw, today=_TODAY)
    assert "Fetch it again" in caught.value.cure
    assert "\n" not in caught.value.message
    assert (tmp_path / "rates" / "eurofxref.csv").read_bytes() == before
    assert [file.name for file in (tmp_path / "rates").iterdir()] == ["eurofxref.csv"]


def test_a_damaged_byte_in_an_archive_is_seen() -> None:
    raw = bytearray(_zip(_HIST))
    raw[60] ^= 0xFF
    with pytest.raises(CannotRun, match="archive"):
        read_rates(bytes(raw))


@given(st.integers(0, len(_HIST) - 2))
def test_a_file_cut_short_is_refused_or_is_a_shorter_whole_one(length: int) -> None:
    whole = read_rates(_HIST.encode())
    try:
        table = read_rates(_HIST.encode()[:length])
    except CannotRun:
        return
    assert set(zip(table.days, map(str, table.euro), strict=True)) < set(
        zip(whole.days, map(str, whole.euro), strict=True)
    )


@given(
    st.binary(max_size=300) | st.text(alphabet="Date,USDJPY0123456789.-\n# N/A", max_size=200).map(str.encode)
)
def test_no_bytes_make_anything_but_rates_or_one_sentence(raw: bytes) -> None:
    try:
        table = read_rates(raw)
    except CannotRun:
        return
    assert table.days


def test_days_that_are_installed_one_by_one_add_up(tmp_path: Path) -> None:
    assert install_rates(tmp_path, _HIST.encode(), today=_TODAY) == date(2026, 1, 2)
    assert install_rates(tmp_path, _DAILY.encode(), today=_TODAY) == date(2026, 1, 5)
    own = read_rates((tmp_path / "rates" / "eurofxref.csv").read_bytes())

    assert own.days[0] == date(2025, 12, 23)
    assert own.days[-1] == date(2026, 1, 5)
    assert own.euro[-1]["GBP"] == "0.80100"


def test_what_is_installed_goes_before_what_came_with_the_package(tmp_path: Path) -> None:
    packaged = packaged_rates()
    newest = packaged.days[-1]
    day = newest + timedelta(days=3)
    dollar = packaged.euro[-1]["USD"]
    text = f"Date,USD,\n{day},{dollar}1,\n{newest},{dollar}2,\n"

    assert load_rates(tmp_path).newest == newest
    install_rates(tmp_path, text.encode(), today=day)
    exchanger = load_rates(tmp_path)
    assert exchanger.newest == day
    assert exchanger.rate("EUR", "USD", day) == Rate(f"{dollar}1", day)
    assert exchanger.rate("EUR", "USD", newest) == Rate(f"{dollar}2", newest)
    # The copy has no yen: the package's last is not too old for it.
    assert exchanger.rate("EUR", "JPY", day) == Rate(packaged.euro[-1]["JPY"], newest)


def test_an_older_copy_does_not_go_before_the_package(tmp_path: Path) -> None:
    packaged = packaged_rates()
    day = packaged.days[-5]
    install_rates(tmp_path, f"Date,USD,\n{day},1.0001,\n".encode(), today=packaged.days[-1])

    assert load_rates(tmp_path).rate("EUR", "USD", day) == Rate(packaged.euro[-5]["USD"].rstrip("0"), day)


def test_a_copy_that_somebody_broke_is_named_and_can_be_mended(tmp_path: Path) -> None:
    file = tmp_path / "rates" / "eurofxref.csv"
    install_rates(tmp_path, _HIST.encode(), today=_TODAY)
    file.write_bytes(file.read_bytes()[:-10])

    with pytest.raises(CannotRun, match=r"rates/eurofxref\.csv breaks off") as caught:
        load_rates(tmp_path)
    assert "or remove the file" in caught.value.cure
    install_rates(tmp_path, _HIST.encode(), today=_TODAY)
    load_rates(tmp_path)


def test_rates_of_a_day_to_come_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="which is not yet"):
        install_rates(tmp_path, _HIST.encode(), today=date(2025, 12, 31))


def test_the_copy_keeps_eight_hundred_days(tmp_path: Path) -> None:
    text = _HIST.replace("2025-12-23", "2023-01-02")
    install_rates(tmp_path, text.encode(), today=_TODAY)

    assert read_rates((tmp_path / "rates" / "eurofxref.csv").read_bytes()).days[0] == date(2025, 12, 30)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rates").write_text("a file where a folder should be")

    with pytest.raises(CannotRun, match="cannot be used"):
        install_rates(tmp_path, _HIST.encode(), today=_TODAY)


def test_the_pinned_file_says_whose_it_is_and_covers_a_year() -> None:
    raw = files("passerelle.ledger").joinpath("rates/eurofxref.csv").read_bytes()
    remarks = [line for line in raw.decode().splitlines() if line.startswith("#")]
    table = packaged_rates()

    assert "European Central Bank" in remarks[0]
    assert any(re.search(r"Retrieved: \d{4}-\d\d-\d\d", line) for line in remarks)
    assert any(re.search(r"SHA-256 of the archive: [0-9a-f]{64}", line) for line in remarks)
    assert any("free to reuse" in line for line in remarks)
    assert table.days[-1] - table.days[0] >= timedelta(days=365)
    assert {"USD", "GBP", "CHF", "JPY"} <= set(table.euro[-1])
    assert (
        hashlib.sha256(raw).hexdigest()
        == hashlib.sha256(written(table, remarks=[r[2:] for r in remarks])).hexdigest()
    )


def test_nothing_is_read_when_it_is_imported() -> None:
    program = (
        "import builtins, io, sys\n"
        "import passerelle.ledger.reference_rates\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(args[0]) if name == 'open' else None)\n"
        "del sys.modules['passerelle.ledger.reference_rates']\n"
        "import passerelle.ledger.exchange, passerelle.ledger.reference_rates\n"
        "assert not [each for each in seen if 'eurofxref' in str(each)], seen\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_memory_of_rates_is_bounded() -> None:
    exchanger = _exchanger()
    for offset in range(10_050):
        exchanger.rate("USD", "EUR", date(2026, 1, 2) + timedelta(days=offset))

    assert len(exchanger._found) <= 10_000
