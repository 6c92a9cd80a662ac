"""How many gateway processes there are: each shows itself every few seconds in Redis, and counts those it sees."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from time import monotonic

from passerelle.stores.redis import Call, Outage, Redis, Script

_BEAT = 3.0  # seconds
_GONE = 12.0  # seconds after its last beat
_PATIENCE = 0.4
_KEY = "passerelle:{roll}"

# ARGV: who beats, and for how many seconds that counts (0: it leaves). The answer is how many there are.
_SCRIPT = Script("""
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now))
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[1])
  redis.call('EXPIRE', KEYS[1], 60)
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return redis.call('ZCARD', KEYS[1])
""")


class Roll:
    """This process among the others. Whoever starts it, closes it."""

    def __init__(self, redis: Redis, *, least: int = 1, beat: float = _BEAT, gone: float = _GONE) -> None:
        """`least` is how many there are for certain: the workers of this one."""
        self._redis = redis
        self._least = max(1, least)
        self._beat = beat
        self._gone = gone
        self._name = secrets.token_hex(8)
        # A Redis that was emptied has not heard of everybody yet: a smaller count is believed when it has lasted.
        self._seen: deque[tuple[float, int]] = deque()  # moment and count
        self._beating: asyncio.Task[None] | None = None

    def replicas(self) -> int:
        """How many there are, this one included; while Redis is away, how many there were."""
        return max(self._least, max((count for _, count in self._seen), default=0))

    async def start(self) -> None:
        """Show this process, and go on doing so."""
        await self._show(self._gone)
        self._beating = asyncio.get_running_loop().create_task(self._forever())

    async def aclose(self) -> None:
        """Leave."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
            self._beating = None
            await self._show(0)

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(self._beat)
            await self._show(self._gone)

    async def _show(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                [seen] = await self._redis.run(_SCRIPT, [Call([_KEY], [self._name, str(seconds)])])
        except Outage:
            return
        if isinstance(seen, int) and seen >= 0:  # what is none was not said by our script
            now = monotonic()
            self._seen.append((now, seen))
            while len(self._seen) > 1 and self._seen[1][0] <= now - self._gone:
                self._seen.popleft()
