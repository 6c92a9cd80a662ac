"""Whether the ledger holds what callers saw: one record for every answer, and none for what was never run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import psycopg

from tools.soak.client import End, Seen


def connections(address: str) -> int:
    """How many connections the service has to its database."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'passerelle'"
    with psycopg.connect(_plain(address)) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def compare(address: str, seen: Iterable[Seen]) -> tuple[dict[str, int], list[str]]:
    """How many tries of each outcome were written down, and what is wrong with them."""
    query = "SELECT request_id, outcome FROM ledger_attempts"
    with psycopg.connect(_plain(address)) as connection:
        rows = [(str(request), str(outcome)) for request, outcome in connection.execute(query)]
    answered = Counter(request for request, outcome in rows if outcome == "answered")
    written = {request for request, _ in rows}
    wrong = []
    whole = [each for each in seen if each.end is End.WHOLE]
    ran = [each.request_id for each in whole if each.original is None]
    for name, found in (
        ("answers have no record", [each for each in ran if answered[each] == 0]),
        ("answers have more than one record", [each for each, number in answered.items() if number > 1]),
        ("replays were run", [e.request_id for e in whole if e.original and e.request_id in written]),
        ("replays are of requests with no record", [e.original for e in whole if e.original and not answered[e.original]]),
        (
            "refused requests were run",
            [
                each.request_id
                for each in seen
                if each.end in (End.SPENT, End.DENIED, End.BLOCKED) and answered[each.request_id]
            ],
        ),
    ):  # fmt: skip
        if found:
            wrong.append(f"{len(found)} {name}, such as {found[0]}")
    return dict(sorted(Counter(outcome for _, outcome in rows).items())), wrong


def _plain(address: str) -> str:
    return address.replace("postgresql+psycopg:", "postgresql:", 1)
