"""A process among those that share a Redis: it knows of every deletion, or holds nothing."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.cache.holdings import Holdings
from passerelle.cache.news import Item, News
from passerelle.cache.seams import Clock
from passerelle.cache.secrets import Secrets
from passerelle.cache.shared import CHANNEL, OtherEpoch, Shared, set_back
from passerelle.stores.redis import Garbled, Redis


class Joined:
    """Keeps the holdings as others change them. `trusted`: nothing has been missed."""

    def __init__(
        self,
        redis: Redis,
        secrets: Secrets,
        holdings: Holdings,
        *,
        clock: Clock,
        told: Callable[[bool], None],
    ) -> None:
        """`told` hears each change of `trusted`."""
        self.trusted = False
        self.unwritten = 0
        self.shared = Shared(
            redis, secrets, holdings.labels, clock=clock, refused=holdings.refuse, lost=self._unwritten
        )
        self.news = News(
            redis, CHANNEL, opened=self._opened, heard=self._heard, quiet=self._quiet, lost=self._lost
        )
        self._holdings = holdings
        self._clock = clock
        self._told = told
        self._ahead = 0

    def notice(self, error: BaseException) -> None:
        """A question to Redis has failed: where it is another one than we knew, everything is learned anew."""
        if isinstance(error, OtherEpoch):
            self.news.restart()

    async def aclose(self) -> None:
        """Write what waits, for a second at most, and hear no more."""
        await self.shared.aclose()
        await self.news.aclose()

    def _unwritten(self, number: int) -> None:
        self.unwritten += number

    async def _opened(self) -> None:
        now = await self.shared.hello()
        self._holdings.begin(now.epoch, now.graves, dict(now.generations))
        self._ahead = 0
        self.trusted = True
        self.shared.writing.resume()
        self._told(True)  # noqa: FBT003 - as `told` says

    def _lost(self) -> None:
        self.trusted = False
        self.shared.writing.pause()
        self._holdings.lose()
        self._told(False)  # noqa: FBT003 - as above

    def _heard(self, item: Item) -> None:
        if item.epoch != self._holdings.epoch:
            raise OtherEpoch("Redis has started anew.")
        if item.kind == "gone":
            self._holdings.bury(item.tenant, item.label, item.seq)
        elif item.kind == "bump":
            self._holdings.bump(item.tenant, item.label, item.seq)
        elif item.kind == "ids":
            self._holdings.drop(item.tenant, item.ids)
        elif item.kind == "member" and item.ids and item.origin != self.shared.origin:
            self._learned(item, item.ids[0])

    def _learned(self, item: Item, name: str) -> None:
        opened = self.shared.member(item.tenant, name, item.body)
        if opened is None or self._holdings.hearing is None:
            return
        member, mark = opened
        if not self._holdings.gone(member, mark):
            set_back(member, self._clock() + item.life)
            self._holdings.enlist(member)
            self._holdings.hearing.hear(member)

    async def _quiet(self) -> None:
        """Ask whether the server still is the one we know, and whether every number has been heard of."""
        seq = await self.shared.pulse()
        if seq < self._holdings.graves.seq or self._ahead > self._holdings.graves.seq:
            raise Garbled("Redis and we do not know of the same deletions.")
        self._ahead = seq
