"""Amounts of one currency in another: at the European Central Bank's reference rate of the day, exactly, with its date.

A rate is a short decimal that is kept with what was multiplied by it, so that anybody can multiply again.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

from passerelle.domain.ledger import Exchange
from passerelle.domain.money import plain
from passerelle.ledger.reference_rates import ReferenceRates, known_rates

_TWELVE = Context(prec=12, rounding=ROUND_HALF_EVEN)
_TEXT = re.compile(r"(?=.*[1-9])[0-9]{1,24}(\.[0-9]{1,24})?")
_EURO = "EUR"
# For so long a currency keeps its last rate while others get new ones: a holiday there, not the end of its rates.
_SILENCE = timedelta(days=7)
_LATE = timedelta(days=7)  # no holidays are so long that nothing is published for more than a week
_MOST_REMEMBERED = 10_000  # rates: years of them, for an operator with a few currencies


@dataclass(frozen=True, slots=True)
class Rate:
    """What an amount is multiplied by. `on` is the day of the reference rate, None where nothing is exchanged."""

    text: str  # a decimal above nought of at most 12 significant digits, without an exponent
    on: date | None = None
    _up: int = field(init=False, repr=False, compare=False)
    _down: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _TEXT.fullmatch(self.text) or len(self.text.replace(".", "").strip("0")) > 12:
            raise ValueError("a rate is a decimal above nought with at most twelve significant digits")
        whole, _, decimals = self.text.partition(".")
        object.__setattr__(self, "_up", int(whole + decimals))
        object.__setattr__(self, "_down", 10 ** len(decimals))

    def of(self, amount: int) -> int:
        """An amount of pico-units in the other currency: to the nearest, half to even."""
        down = self._down
        if down == 1:
            return amount * self._up
        whole, rest = divmod(amount * self._up, down)
        rest += rest
        return whole + 1 if rest > down or (rest == down and whole & 1) else whole

    def into(self, currency: str) -> Exchange:
        """How it is written down beside amounts that became amounts of this currency."""
        return Exchange(currency, self.text, self.on.isoformat() if self.on else None)


SAME = Rate("1")  # where both are one currency


class Exchanger:
    """Rates between currencies by day, found once each: asking again costs a look into a dictionary."""

    def __init__(self, table: ReferenceRates) -> None:
        """`table` does not change; newer rates are another exchanger."""
        self._table = table
        self._days = table.days
        self._found: dict[tuple[str, str, date], Rate | None] = {}

    @property
    def newest(self) -> date:
        """The day of the last rates that it has."""
        return self._days[-1]

    def stale(self, day: date) -> bool:
        """Is the newest rate more than seven days older than this day? Rates should be fetched, then."""
        return day - self.newest > _LATE

    def rate(self, source: str, target: str, day: date) -> Rate | None:
        """What one of `source` was in `target`: that day's rate or the last before it; through the euro.

        None for a currency that has no rate then, or a day before the first.
        """
        if source == target:
            return SAME
        key = (source, target, day)
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            found = self._found[key] = self._find(source, target, day)
            return found

    def _find(self, source: str, target: str, day: date) -> Rate | None:
        last = bisect_right(self._days, day) - 1
        for index in range(last, -1, -1):
            on = self._days[index]
            if self._days[last] - on > _SILENCE:
                return None
            rates = self._table.euro[index]
            from_euro = "1" if target == _EURO else rates.get(target)
            to_euro = "1" if source == _EURO else rates.get(source)
            if from_euro and to_euro:
                return Rate(plain(_TWELVE.divide(Decimal(from_euro), Decimal(to_euro))), on)
        return None


def load_rates(folder: Path) -> Exchanger:
    """The rates of the package and of the operator's copy in the data folder. Reads files: not in the event loop.

    Raises CannotRun for a copy that cannot be read or believed; an exchanger from before goes on as it was.
    """
    return Exchanger(known_rates(folder))
