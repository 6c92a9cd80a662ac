"""`Bill`: opened once, settled once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from passerelle.domain.ask import Ask, Usage
from passerelle.domain.caller import Caller
from passerelle.gateway.record import Attempt, Outcome, Record, Sink


class Bill:
    """Collects what a request did and hands every sink exactly one record of it."""

    __slots__ = (
        "_ask",
        "_caller",
        "_catalog",
        "_settled",
        "_sinks",
        "_tenant",
        "attempts",
        "opened",
        "usage",
    )

    def __init__(self, caller: Caller, ask: Ask, *, tenant: str, catalog: str, sinks: Sequence[Sink]) -> None:
        self._caller = caller
        self._ask = ask
        self._tenant = tenant
        self._catalog = catalog
        self._sinks = sinks
        self._settled = False
        self.opened = monotonic()
        self.attempts: list[Attempt] = []
        self.usage: Usage | None = None

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """Close the account. Only the first call counts; never raises for a call that comes later."""
        if self._settled:
            return
        self._settled = True
        record = Record(
            request_id=self._ask.request_id,
            tenant=self._tenant,
            key_id=self._caller.key_id,
            route=self._ask.route,
            model=self._ask.model,
            outcome=outcome,
            attempts=tuple(self.attempts),
            usage=self.usage,
            stream=self._ask.stream,
            seconds=monotonic() - self.opened,
            catalog=self._catalog,
            code=code,
        )
        for sink in self._sinks:
            sink(record)
