"""Money, numbers, shares and moments as people of a language write them. Exact: decimals in, one rounding, no float."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_currency, format_decimal

from passerelle.domain.calendar import Month
from passerelle.domain.money import decimal
from passerelle.reports.build_amounts import places as decimals

Language = Literal["fr", "en"]

_LOCALES = {"fr": "fr_FR", "en": "en_GB"}
# The code and not the symbol: `$` is the money of a dozen countries.
_MONEY = {"fr": "{}\xa0¤¤", "en": "¤¤\xa0{}"}
_PERCENT = {"fr": "{}\u202f%", "en": "{}%"}
_NONE = "–"


def ratio(part: int, whole: int, places: int = 3) -> Decimal | None:
    """One whole number over another, rounded half to even; None over nought."""
    if not whole:
        return None
    return Decimal(round(Fraction(part * 10**places, whole))).scaleb(-places)


def printable(name: str) -> str:
    """A name without characters that steer instead of being shown (controls, overrides of writing direction)."""
    return "".join("\ufffd" if unicodedata.category(each) in {"Cc", "Cf", "Cs"} else each for each in name)


@dataclass(frozen=True, slots=True)
class Formats:
    """How one language writes, in one currency and time zone."""

    language: Language
    currency: str
    zone: ZoneInfo

    @property
    def places(self) -> int:
        """Decimals of a bill in its currency."""
        return decimals(self.currency)

    def money(self, amount: Decimal | None, places: int | None = None, currency: str | None = None) -> str:
        """An amount with its currency's code, such as `1 234,50 EUR`; a dash for None."""
        if amount is None:
            return _NONE
        code = currency or self.currency
        quantized = _quantized(amount, decimals(code) if places is None else places)
        pattern = _MONEY[self.language].format(_pattern(quantized))
        text = format_currency(
            quantized,
            code,
            format=pattern,
            locale=self._locale,
            currency_digits=False,
            decimal_quantization=False,
        )
        return _signed(text)

    def pico(self, amount: int | None, places: int | None = None, currency: str | None = None) -> str:
        """Pico-units as money, rounded half to even."""
        return self.money(None if amount is None else decimal(amount), places, currency)

    def amount(self, amount: Decimal) -> str:
        """A rounded amount of its currency without the code, for a column whose head says it."""
        return self.number(_quantized(amount, self.places))

    def number(self, number: int | Decimal | None) -> str:
        """A number with the separators of the language and all its decimals; a dash for None."""
        if number is None:
            return _NONE
        pattern = _pattern(Decimal(number))
        return _signed(
            format_decimal(number, format=pattern, locale=self._locale, decimal_quantization=False)
        )

    def rounded(self, number: Decimal, places: int = 0) -> str:
        """A number at so many decimals."""
        return self.number(_quantized(number, places))

    def percent(self, share: Decimal | None, places: int = 0) -> str:
        """A share of 1 as percent; a dash for None."""
        if share is None:
            return _NONE
        return self._per_hundred(_quantized(share.scaleb(2), places))

    def rate(self, percent: Decimal) -> str:
        """A rate that is stated in percent, with all the decimals it is stated with: `20 %`, `5,5 %`."""
        whole = percent == percent.to_integral_value()
        return self._per_hundred(percent.quantize(Decimal(1)) if whole else percent.normalize())

    def day(self, day: date | None) -> str:
        """A date in words; a dash for None."""
        return _NONE if day is None else self._first(format_date(day, "long", locale=self._locale))

    def moment(self, moment: datetime) -> str:
        """An aware moment in the time zone, with its distance from UTC."""
        text = format_datetime(moment, "d MMMM y, HH:mm", tzinfo=self.zone, locale=self._locale)
        offset = moment.astimezone(self.zone).isoformat()[-6:].replace("-", "−")
        return self._first(f"{text} (UTC{offset})")

    def month(self, name: str) -> str:
        """A month in words: `octobre 2026`."""
        return str(format_skeleton("yMMMM", Month.read(name).first, locale=self._locale))

    def country(self, code: str) -> str | None:
        """What a country of ISO 3166-1 is called; None for what is none."""
        return Locale.parse(self._locale).territories.get(code.upper()) if len(code) == 2 else None

    def one(self, count: int | Decimal) -> bool:
        """Whether a count takes the singular. In French so does everything under two."""
        return Locale.parse(self._locale).plural_form(count) == "one"

    @property
    def _locale(self) -> str:
        return _LOCALES[self.language]

    def _per_hundred(self, percent: Decimal) -> str:
        return _PERCENT[self.language].format(self.number(percent))

    def _first(self, text: str) -> str:
        return text.replace("1 ", "1er ", 1) if self.language == "fr" and text.startswith("1 ") else text


def _pattern(number: Decimal) -> str:
    exponent = number.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return "#,##0" + ("." + "0" * places if places else "")


def _signed(text: str) -> str:
    return text.replace("-", "−")


def _quantized(amount: Decimal, places: int) -> Decimal:
    quantized = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return abs(quantized) if quantized == 0 else quantized  # no minus before nought
