"""What is believed of an endpoint between two looks at the control plane, and when it is looked at again.

A look takes a while and may fail; a request waits for one only where nothing is known, or what is known may not be
so any more. A control plane that is away does not stop an endpoint that was seen.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.endpoints import Endpoint, EndpointControl

FRESH, AWAY = 60.0, 3.0  # seconds a running endpoint's state is believed, and any other's
_LONGEST = 600.0  # seconds a running endpoint is believed to run while a look at it is under way
_REST = 1.0  # seconds after a failed look in which all are told its failure
_GONE = frozenset(
    {Fault.MODEL, Fault.CREDENTIALS}
)  # the control plane answered: it is not there, or not ours


class Belief:
    """One endpoint as it was last seen."""

    def __init__(self, control: EndpointControl) -> None:
        self._control = control
        self._seen: Endpoint | None = None
        self._at = float("-inf")  # when it was seen
        self._failed: tuple[float, UpstreamFailed] | None = None  # the newest look, where it failed
        self._doubted = float("-inf")
        self._behind: asyncio.Future[Endpoint] | None = None

    async def now(self) -> Endpoint:
        """The endpoint as it is believed to be. Raises UpstreamFailed where nothing is known of it."""
        seen = self._seen
        if seen is None:
            return await self.look()
        age = monotonic() - self._at
        running = seen.state == "running"
        if age < (FRESH if running else AWAY):
            return seen
        if running and (age < _LONGEST or self._failed_within(FRESH)):
            self._look_behind()
            return seen
        try:
            return await self.look()
        except UpstreamFailed as failure:
            if failure.fault in _GONE:
                raise
            return seen

    async def look(self) -> Endpoint:
        """The endpoint as it is now. Raises UpstreamFailed; a look that has just failed is not repeated."""
        if self._failed is not None and self._failed_within(_REST):
            failure = self._failed[1]
            raise UpstreamFailed(failure.fault, failure.message, told=failure.told)
        try:
            found = await self._control.find()
        except UpstreamFailed as failure:
            self._failed = (monotonic(), failure)
            if failure.fault in _GONE:
                self._seen = None
            raise
        self.learn(found)
        return found

    async def doubted(self) -> Endpoint:
        """Look again, because its proxy did not let a request through; not more often than every few seconds."""
        if self._seen is not None and monotonic() - self._doubted < AWAY:
            return self._seen
        try:
            return await self.look()
        finally:
            self._doubted = monotonic()

    def learn(self, endpoint: Endpoint) -> None:
        """It was seen like this."""
        self._seen, self._at, self._failed = endpoint, monotonic(), None

    def forget(self) -> None:
        """It is not any more what it was."""
        self._seen = None

    async def aclose(self) -> None:
        """Look no more."""
        if self._behind is not None:
            self._behind.cancel()
            await asyncio.gather(self._behind, return_exceptions=True)

    def _failed_within(self, seconds: float) -> bool:
        return self._failed is not None and monotonic() - self._failed[0] < seconds

    def _look_behind(self) -> None:
        """Look while requests go on."""
        if self._behind is None or self._behind.done():
            self._behind = asyncio.ensure_future(self.look())
            self._behind.add_done_callback(_heard)


def _heard(looked: asyncio.Future[Endpoint]) -> None:
    """A failure is remembered; nobody waits for this look."""
    if not looked.cancelled():
        looked.exception()
