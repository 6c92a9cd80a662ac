"""Holds of many processes that share a Redis: a ceiling is one ceiling, however many gateways there are.

What is set aside or spent is told to Redis in one lane, batch after batch. While Redis is away a process admits what
fits its share of what was left, and tells what it spent when Redis is back, once. A Redis that comes back empty is
begun anew with what its processes know, and raised to what the ledger says. To be used on one event loop.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path

from passerelle.ledger.holds import Account, Limit, LocalHolds, Look, Reserved, Total
from passerelle.ledger.lane import Job, Lane
from passerelle.ledger.purses import LONG_AWAY, NANO, Purse, Sheet
from passerelle.stores.redis import Call, Outage, Redis, Script

PATIENCE = 0.2  # seconds for one batch, connection and all
LEASE = 30.0  # seconds for which a hold outlives the process that took it

_TEXT = Path(__file__).with_suffix(".lua")
_MANY = 200  # holds in one run
_FIRST_PAUSE, _PAUSE = 0.1, 1.0  # seconds before Redis is tried again
_MONTHS = 24

# The ledger is read every so often, in seconds, and for no more than a twentieth of the time.
_READ_AWAY, _READ_FRESH, _READ = 10.0, 12.0, 60.0
_SHARE_OF_TIME = 20.0
_FRESH = 60.0  # seconds for which what Redis said of others' holds is believed, and a new hash is young
# What ended so long ago is in the ledger, and what is not told by then is not told any more. The first is for a hash
# that was begun anew: its processes tell nothing late.
_SOON, _LAG, _LONG = 10.0, 900.0, 600.0


class SharedHolds(LocalHolds):
    """A store of holds in Redis. `degraded`: this process is on its own."""

    def __init__(
        self,
        redis: Redis,
        *,
        currency: str,
        replicas: Callable[[], int] = lambda: 1,
        lease: float = LEASE,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        told: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`currency` is the operator's: amounts of another are counted apart. `draw` gives numbers from 0 to 1.

        `told` hears each change of `degraded`.
        """
        super().__init__(clock=clock)
        self.tally = self._tally
        self.degraded = False
        self._currency = currency
        self._replicas = replicas
        self._lease = str(int(lease * 1000))
        self._draw = draw
        self._told = told
        self._process = secrets.token_hex(8)
        self._numbers = count(1)
        self._purses: dict[str, Purse] = {}
        self._untold: dict[str, Purse] = {}
        self._lane = Lane(
            redis,
            Script(_TEXT.read_text(encoding="utf-8")),
            patience=patience,
            news=self._news,
            lost=self.lose,
        )
        self._watch: asyncio.Task[None] | None = None
        self._since = 0.0  # when Redis went away, or when a hash was begun anew
        self._read_at, self._read_for = -1e9, 0.0

    async def take(self, hold: Reserved, limits: Sequence[Limit], month: int) -> Limit | None:
        """See `HoldStore`. Never raises for Redis's sake."""
        purse = self._purse(hold.account.tenant)
        hold.amount = -(-hold.amount // NANO) * NANO
        hold.name = f"{self._process}.{next(self._numbers):x}"
        self._expire()
        asked = not self.degraded
        if asked:
            refused: list[Limit] = []
            try:
                await self._lane.ask(self._take(purse, hold, limits, month, refused))
            except Outage:
                pass
            except asyncio.CancelledError:
                self._give_back(purse, hold)
                raise
            else:
                return refused[0] if refused else None
        fresh = time.monotonic() - self._since < _FRESH
        full = purse.full(hold, limits, month, replicas=max(1, self._replicas()), fresh=fresh)
        if full is None:
            self._keep(hold)
            purse.live[hold.name] = hold
        elif asked:  # it may have been taken, although nobody has heard so
            self._give_back(purse, hold)
        return full

    def spent(self, total: Total, month: int) -> int:
        """See `HoldStore`."""
        purse = self._purses.get(total.tenant)
        sheet = purse.sheets.get(month) if purse is not None else None
        return sheet.spent(total.name) if sheet is not None else total.posted.get(month, 0)

    def pending(self, total: Total) -> int:
        """See `HoldStore`."""
        purse = self._purses.get(total.tenant)
        return total.pending + (purse.others.get(total.name, 0) if purse is not None else 0)

    async def refresh(self, totals: Sequence[Total], month: int) -> Look | None:
        """See `HoldStore`."""
        names: dict[str, list[str]] = {}
        for total in totals:
            names.setdefault(total.tenant, []).append(total.name)
        for tenant in names:
            self._purse(tenant).forget(month - _MONTHS)
        if not self.degraded:
            self._lane.add(self._renewals())
            self._lane.add(self._look(self._purse(each), month, named) for each, named in names.items())
            self._lane.push()
            await self._lane.quiet()
        now = time.monotonic()
        young = now - self._since < _FRESH
        every = _READ_AWAY if self.degraded else _READ_FRESH if young else _READ * max(1, self._replicas())
        if not names or now - self._read_at < max(every, _SHARE_OF_TIME * self._read_for):
            return None
        self._read_at = now
        return Look(None if self.degraded else _SOON if young else _LAG)

    def hear(self, said: Mapping[tuple[str, str], int], month: int, look: Look) -> None:
        """See `HoldStore`. It raises what is known and lowers nothing: what the ledger lacks is on its way there."""
        self._read_for = time.monotonic() - self._read_at
        low: dict[str, dict[str, int]] = {}
        for (tenant, name), billed in said.items():
            purse = self._purses.get(tenant)
            if purse is None:
                continue
            sheet = purse.sheet(month)
            if self.degraded and look.lag is None:
                sheet.ledger[name] = billed
                sheet.marks.clear()
            elif not self.degraded and look.lag is not None and billed // NANO * NANO > sheet.spent(name):
                low.setdefault(tenant, {})[name] = billed
        for tenant, raised in low.items():
            self._lane.add([self._look(self._purses[tenant], month, list(raised), raised)])
        if low:
            self._lane.push()

    async def settled(self) -> None:
        """Wait until Redis has heard all, or is away."""
        if not self.degraded:
            self._lane.push()
        await self._lane.quiet()

    async def aclose(self) -> None:
        """Tell what is not told, as far as Redis takes it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        self._lane.push()
        await self._lane.quiet()

    def _free(self, hold: Reserved) -> None:
        super()._free(hold)
        self._give_back(self._purse(hold.account.tenant), hold)

    def _give_back(self, purse: Purse, hold: Reserved) -> None:
        if hold.live:
            super()._free(hold)
        purse.live.pop(hold.name, None)
        purse.returned[hold.name] = None
        self._tell(purse)

    def _tally(self, account: Account, month: int, billed: int, opening: bool) -> None:  # noqa: FBT001
        purse = self._purse(account.tenant)
        sheet = purse.sheet(month)
        # Of a total that Redis has counted, it must hear all, whether or not a budget asks for it now.
        told = not opening and (bool(account.totals) or any(name in sheet.seen for name in account.names))
        sheet.count(account.names, billed, told=told)
        if told:
            self._tell(purse)

    def _purse(self, tenant: str) -> Purse:
        purse = self._purses.get(tenant)
        if purse is None:
            purse = self._purses[tenant] = Purse(tenant)
        return purse

    # The lane.

    def _tell(self, purse: Purse) -> None:
        self._untold[purse.name] = purse
        self._lane.soon()

    def _news(self, most: int) -> list[Job]:
        jobs: list[Job] = []
        for name in list(islice(self._untold, most)):
            jobs += self._posts(self._untold.pop(name))
        return jobs

    def lose(self) -> None:
        """Go on alone, until Redis answers again."""
        self._untold.update(self._purses)
        if not self.degraded:
            self.degraded = self._lane.closed = True
            self._told(self.degraded)
            self._since = time.monotonic()
            self._watch = asyncio.get_running_loop().create_task(self._until_back())

    async def back(self) -> bool:
        """Ask whether Redis is there, and if it is, tell what it missed and hear what we did; False = it is not."""
        if not self.degraded:
            return True
        if time.monotonic() - self._since > _LONG:
            for sheet in self._sheets():
                # What the ledger says has what was not told; without it, telling is all there is.
                sheet.epoch = LONG_AWAY if sheet.ledger and sheet.epoch else sheet.epoch
        self._lane.add(self._renewals())
        for purse in self._purses.values():
            for month, sheet in purse.sheets.items():
                if sheet.ledger or sheet.seen:
                    self._lane.add([self._look(purse, month, list({**sheet.seen, **sheet.ledger}))])
        try:
            await self._lane.ask(self._renewal(Purse("probe"), ()))
        except Outage:
            return False
        for sheet in self._sheets():
            sheet.ledger.clear()
            sheet.marks.clear()
        self._since = time.monotonic()
        self.degraded = self._lane.closed = False
        self._told(self.degraded)
        return True

    async def _until_back(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(pause * (0.75 + self._draw() / 2))
            if await self.back():
                break
            pause = _PAUSE
        self._watch = None
        self._lane.push()

    def _sheets(self) -> Iterator[Sheet]:
        return (sheet for purse in self._purses.values() for sheet in purse.sheets.values())

    # The script's verbs.

    def _take(
        self, purse: Purse, hold: Reserved, limits: Sequence[Limit], month: int, refused: list[Limit]
    ) -> Job:
        names = hold.account.names
        arguments = [hold.name, _raw(hold), str(hold.amount // NANO)]
        for limit in limits:
            arguments += (str(names.index(limit.total.name)), str(limit.ceiling.amount // NANO))
        call = self._call(purse, "take", month, names, arguments)

        def heard(answer: str) -> None:
            full = self._heard(purse, month, names, answer, admitted=hold)
            if full:
                refused.append(limits[full - 1])
            elif job.answer is None or job.answer.done():  # whoever asked is gone
                self._give_back(purse, hold)
            else:
                self._keep(hold)
                purse.live[hold.name] = hold

        job = Job(call, heard)
        return job

    def _posts(self, purse: Purse) -> Iterator[Job]:
        """What this tenant spent, month by month, and with the last of them what is given back."""
        found = [(month, sheet, sheet.post(next(self._numbers))) for month, sheet in purse.sheets.items()]
        posts = [each for each in found if each[2] is not None] or found[-1:]
        for index, (month, sheet, post) in enumerate(posts):
            last = index == len(posts) - 1
            returned = tuple(islice(purse.returned, _MANY)) if last else ()
            if post is None and not returned:
                continue
            sent = post.sent if post is not None else {}
            number = post.number if post is not None else 0
            call = self._call(purse, "post", month, tuple(sent), [str(number), *returned], sent)
            yield Job(call, self._posted(purse, sheet, month, tuple(sent), returned))
            if len(purse.returned) > len(returned) and last:
                self._untold[purse.name] = purse

    def _posted(
        self, purse: Purse, sheet: Sheet, month: int, names: tuple[str, ...], returned: tuple[str, ...]
    ) -> Callable[[str], None]:
        def heard(answer: str) -> None:
            purse.gone(returned)
            self._heard(purse, month, names, answer, post=bool(names))
            if any(amount // NANO for amount in sheet.unsent.values()):
                self._tell(purse)

        return heard

    def _look(
        self, purse: Purse, month: int, names: Sequence[str], raised: Mapping[str, int] | None = None
    ) -> Job:
        """How totals stand; `raised`: they stand at least so high."""
        call = self._call(purse, "post", month, names, ["0"], raised=raised)

        def heard(answer: str) -> None:
            self._heard(purse, month, names, answer)

        return Job(call, heard)

    def _renewals(self) -> Iterator[Job]:
        for purse in self._purses.values():
            holds = list(purse.live.values())
            for begin in range(0, len(holds), _MANY):
                yield self._renewal(purse, holds[begin : begin + _MANY])

    def _renewal(self, purse: Purse, holds: Sequence[Reserved]) -> Job:
        arguments = [word for hold in holds for word in (hold.name, _raw(hold))]

        def heard(_: str) -> None:
            for hold in holds:
                purse.kept(hold)

        return Job(self._call(purse, "renew", 0, (), arguments), heard)

    def _call(
        self,
        purse: Purse,
        verb: str,
        month: int,
        names: Sequence[str],
        arguments: Sequence[str],
        sent: Mapping[str, int] | None = None,
        *,
        raised: Mapping[str, int] | None = None,
    ) -> Call:
        # One hash tag for all keys: a cluster keeps them on one server. A brace would end the tag.
        home = f"passerelle:{{{purse.name.replace('}', ']')}}}:money:{self._currency}"
        keys = (f"{home}:{month}", f"{home}:pending", f"{home}:held", f"{home}:leases")
        sheet = purse.sheets.get(month) or Sheet()
        known = sheet.epoch if raised is None else LONG_AWAY
        words = [verb, self._process, known, secrets.token_hex(6), self._lease, str(len(names))]
        for name in names:
            most = sheet.spent(name) if raised is None else raised[name]
            words += (name, sheet.begun(name), str(most // NANO))
            words.append(str(sent.get(name, 0)) if sent else "0")
        return Call(keys, [*words, *arguments])

    def _heard(
        self,
        purse: Purse,
        month: int,
        names: Sequence[str],
        answer: str,
        *,
        post: bool = False,
        admitted: Reserved | None = None,
    ) -> int:
        epoch, result, *numbers = answer.split()
        sheet = purse.sheet(month)
        seen = {name: int(number) * NANO for name, number in zip(names, numbers[::2], strict=True)}
        if sheet.epoch not in ("", epoch):
            self._since = time.monotonic()
        if post:
            sheet.posted(epoch, seen, stale=result == "1")
        else:
            sheet.heard(epoch, seen)
        if admitted is not None and result == "0":
            purse.kept(admitted)
        purse.pending({name: int(number) * NANO for name, number in zip(names, numbers[1::2], strict=True)})
        return int(result)


def _raw(hold: Reserved) -> str:
    """As it is held: its amount and the names of its totals."""
    return "\x1f".join((str(hold.amount // NANO), *hold.account.names))
