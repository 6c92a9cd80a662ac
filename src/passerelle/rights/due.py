"""When a request about people's data has to be answered: one month after it came (GDPR, article 12(3)). Pure.

A period of months ends on the day of the same number, or on the month's last where it has none (Regulation 1182/71,
article 3(2)(c)). That it may end later where that day is a holiday, is not used.
"""

from __future__ import annotations

import calendar
from datetime import datetime


def due(asked_at: datetime, *, months: int = 1) -> datetime:
    """The end of the period: the same time of the day, so many months later."""
    count = asked_at.year * 12 + asked_at.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return asked_at.replace(
        year=year, month=month, day=min(asked_at.day, calendar.monthrange(year, month)[1])
    )
