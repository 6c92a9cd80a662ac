"""Months of bills: calendar months of the operator's time zone, whatever the clocks there do in between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Self
from zoneinfo import ZoneInfo

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month. Its name is ISO 8601's: `2026-11`."""

    year: int
    month: int

    @classmethod
    def read(cls, text: str) -> Self:
        """The month of a name. Raises ValueError for what names none."""
        found = _MONTH.fullmatch(text)
        if not found or not 1970 <= int(found[1]) <= 9998:
            raise ValueError("a month is written as in 2026-11")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, moment: datetime, zone: ZoneInfo) -> Self:
        """The month in which an aware moment falls in a time zone."""
        there = moment.astimezone(zone)
        return cls(there.year, there.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def next(self) -> Month:
        """The month after."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def previous(self) -> Month:
        """The month before."""
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    def begins(self, zone: ZoneInfo) -> datetime:
        """The moment at which it begins in a time zone, in UTC."""
        return datetime.combine(self.first, time(), tzinfo=zone).astimezone(UTC)

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """When it begins and when the next one does, in UTC."""
        return self.begins(zone), self.next.begins(zone)
