"""Amounts, shares and moments are written as people of a language write them, exactly."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from passerelle.reports.formats import Formats, printable, ratio

PARIS = ZoneInfo("Europe/Paris")
FRENCH, ENGLISH = Formats("fr", "EUR", PARIS), Formats("en", "EUR", PARIS)


def test_money_has_its_code_and_the_separators_of_the_language() -> None:
    assert FRENCH.money(Decimal("1234567.5")) == "1\u202f234\u202f567,50\xa0EUR"
    assert ENGLISH.money(Decimal("1234567.5")) == "EUR\xa01,234,567.50"


@pytest.mark.parametrize(("currency", "text"), [("JPY", "JPY\xa01,235"), ("TND", "TND\xa01,234.500")])
def test_money_has_the_decimals_of_its_currency(currency: str, text: str) -> None:
    assert ENGLISH.money(Decimal("1234.5001"), currency=currency) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("0.005", "0,00"), ("0.015", "0,02"), ("-0.004", "0,00"), ("-1.2", "−1,20")]
)
def test_amounts_are_rounded_half_to_even_and_nought_has_no_sign(amount: str, text: str) -> None:
    assert FRENCH.amount(Decimal(amount)) == text


def test_large_amounts_keep_every_figure() -> None:
    assert ENGLISH.pico(123_456_789_012_345_678_901_234) == "EUR\xa0123,456,789,012.35"


def test_what_nobody_knows_is_a_dash() -> None:
    assert {FRENCH.money(None), FRENCH.percent(None), FRENCH.number(None), FRENCH.day(None)} == {"–"}


def test_percents_and_rates() -> None:
    assert FRENCH.percent(Decimal("0.4449"), 1) == "44,5\u202f%"
    assert ENGLISH.percent(Decimal("0.445")) == "44%"
    assert FRENCH.rate(Decimal("5.50")) == "5,5\u202f%"
    assert ENGLISH.rate(Decimal("20.0")) == "20%"
    assert ENGLISH.rate(Decimal("100")) == "100%"


def test_ratios_are_exact_and_none_over_nought() -> None:
    assert ratio(1, 3, 6) == Decimal("0.333333")
    assert ratio(10**30 + 1, 10**30, 2) == Decimal("1.00")
    assert ratio(1, 0) is None


def test_days_moments_and_months_in_words() -> None:
    assert FRENCH.day(date(2026, 10, 1)) == "1er octobre 2026"
    assert ENGLISH.day(date(2026, 10, 1)) == "1 October 2026"
    assert FRENCH.day(date(2026, 10, 11)) == "11 octobre 2026"
    assert (FRENCH.month("2026-08"), ENGLISH.month("2026-08")) == ("août 2026", "August 2026")


def test_a_moment_says_how_far_it_is_from_utc_in_the_hour_that_comes_twice() -> None:
    before, after = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    assert ENGLISH.moment(before) == "25 October 2026, 02:30 (UTC+02:00)"
    assert ENGLISH.moment(after) == "25 October 2026, 02:30 (UTC+01:00)"


def test_countries_are_named_and_what_is_no_country_is_not() -> None:
    assert (FRENCH.country("DE"), ENGLISH.country("de")) == ("Allemagne", "Germany")
    assert FRENCH.country("EEA") is None
    assert FRENCH.country("??") is None


def test_nought_is_singular_in_french_and_plural_in_english() -> None:
    assert [FRENCH.one(count) for count in (0, 1, 2, 1_000_000)] == [True, True, False, False]
    assert [ENGLISH.one(count) for count in (0, 1, 2)] == [False, True, False]


def test_characters_that_steer_are_shown_as_such() -> None:
    assert printable("a\u202eb\x00c\nd") == "a\ufffdb\ufffdc\ufffdd"
    assert printable("é 漢字") == "é 漢字"
