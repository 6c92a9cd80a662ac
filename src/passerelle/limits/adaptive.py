"""How many calls an engine is sent at once, learned from what it says of its own queue: AIMD, as a pure value.

Calls that wait inside an engine wait in no tenant's order, and cannot be sent elsewhere any more. So when many have
waited there for two seconds, fewer are sent: 0.8 of what is in flight. One, or an eighth of those it works on, may wait:
else whatever becomes free there is idle until our next call has arrived. When none waits and all that may be sent is in
flight, one more is tried, or a twentieth more. What is not known changes nothing.
"""

from __future__ import annotations

from passerelle.domain.facts import Load

FRESH = 5.0  # seconds a reading is believed
_PATIENCE = 2.0  # seconds that calls may wait in the engine before fewer are sent
_CUT = 0.8
_STANDING = 8  # of the calls an engine works on, this part may wait there
_GROWTH = 20  # grow by this part of the limit, and by one at least


class Adaptive:
    """The learned limit of one backend; None = none was learned."""

    __slots__ = ("_last", "_since", "limit")

    def __init__(self) -> None:
        self.limit: int | None = None
        self._since: float | None = None  # since when every reading told of calls that wait
        self._last: float | None = None  # when the last reading came

    def heard(
        self, load: Load | None, *, now: float, in_flight: int, least: int, most: int | None = None
    ) -> None:
        """Take up a reading; None = it could not be had. `in_flight` are calls of ours, `most` = None no bound."""
        if load is None:
            return
        if self._last is None or now - self._last > FRESH:
            self._since = None
        self._last = now
        if load.waiting > max(1, load.running // _STANDING):
            self._queues(now, in_flight, least)
            return
        self._since = None
        if load.waiting:
            return
        # An engine that says nothing runs while ours are in flight does not count: its zeroes mean nothing.
        if self.limit is not None and in_flight >= self.limit and load.running > 0:
            grown = self.limit + max(1, self.limit // _GROWTH)
            self.limit = grown if most is None else max(self.limit, min(grown, most))

    def _queues(self, now: float, in_flight: int, least: int) -> None:
        if self._since is None:
            self._since = now
        elif now - self._since >= _PATIENCE:
            self._since = now  # what is cut now must show before more is
            cut = max(least, int(in_flight * _CUT))
            self.limit = cut if self.limit is None else min(self.limit, cut)
