"""Is anything kept for longer than was said? The oldest record of each store beside the settings that purge it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Holding, Retention
from passerelle.rights.desk import Kept
from passerelle.rights.retained import first_of, slack_of
from passerelle.stores.database import Outage


async def compared(
    tenant: str, retentions: Sequence[Retention], holdings: Sequence[Holding], now: datetime
) -> list[Kept]:
    """Every class, in its order. A store that does not answer is told, and is not called late."""
    stores = {each.name: each for each in holdings}
    first = first_of(retentions)
    found: list[Kept] = []
    for each in retentions:
        holding = stores.get(each.store)
        if holding is None or first[each.store] is not each:
            found.append(Kept(each, None, late=False))
            continue
        try:
            oldest = await holding.oldest(tenant)
        except (Unavailable, *Outage) as error:
            away = error.message if isinstance(error, Unavailable) else "it does not answer"
            found.append(Kept(each, None, late=False, away=away))
            continue
        found.append(Kept(each, oldest, late=_late(each, oldest, now)))
    return found


def _late(retention: Retention, oldest: datetime | None, now: datetime) -> bool:
    if oldest is None or retention.seconds is None:
        return False
    return oldest + timedelta(seconds=retention.seconds + slack_of(retention.store)) < now
