"""What an invoice is made of, and how its figures and months are read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun
from passerelle.domain.money import pico

_DECIMAL = re.compile(r"-?\d{1,24}(?:[.,](\d{1,24}))?(?:[eE]-?\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of an invoice. `amount` is in pico-units of `currency`, below nought for what is given back."""

    amount: int
    currency: str
    product: str = ""
    description: str = ""
    model: str = ""
    group: str = ""  # Hugging Face's resource group
    quantity: Decimal | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """Everything that a provider charges for one month, in one currency. `sha256` is that of the file."""

    month: Month
    currency: str
    charges: tuple[Charge, ...]
    source: str
    sha256: str

    @property
    def total(self) -> int:
        """Pico-units."""
        return sum(charge.amount for charge in self.charges)


def figure(text: str, where: str) -> Decimal:
    """A figure, exactly. Raises CannotRun for what is none; `where` begins its sentence."""
    plain = text.replace("\u2212", "-")
    if not _DECIMAL.fullmatch(plain):
        shown = text[:40]
        raise CannotRun(
            f"{where} has the figure {shown!r}." if text else f"{where} has no amount.",
            "Write plain digits, without a currency's sign.",
        )
    return Decimal(plain.replace(",", "."))


def whole_pico(amount: Decimal, where: str) -> int:
    """An amount in pico-units. Raises CannotRun for one that is finer than they are."""
    try:
        return pico(amount)
    except ValueError:
        raise CannotRun(f"{where} has more than twelve decimals.", "Round it to what is charged.") from None


def check_month(row: Mapping[str, str], where: str, month: Month) -> None:
    """Raises CannotRun unless what the row says of its period lies in the month."""
    told = [row[name] for name in ("month", "begins", "ends") if row.get(name)]
    if not told:
        raise CannotRun(f"{where} does not say its month.", f"Write it, as in {month}.")
    dates = [part for each in told for part in re.split(r"\s*(?:/|\bto\b|–|\.\.)\s*|\s+-\s+", each) if part]
    end = month.next.first
    for index, part in enumerate(dates):
        if part == str(month):
            continue
        found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:[T ][0-9:.]+(?:Z|[+-]00:?00)?)?", part)
        try:
            day = date.fromisoformat(found[1]) if found else None
            other = None if day else Month.read(part)
        except ValueError:
            raise CannotRun(
                f"{where} has the month {part!r}.", f"Write it as in {month}, or as dates such as {month}-01."
            ) from None
        # The end of a period may be written as the first moment after it.
        after = day == end and 0 < index == len(dates) - 1
        if other is not None or (day is not None and not month.first <= day < end and not after):
            raise CannotRun(f"{where} is of {part}, not of {month}.", "Give that month, or its own file.")
