"""Several processes share exactly one limit."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.redis_server import RedisServer

_PROCESSES, _CALLS = 4, 200
_ROOT = Path(__file__).parents[3]


async def _admitted(url: str, meter: str, *, moment: str) -> int:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.unit.limits.asker", url, str(name), meter, moment, str(_CALLS)),
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        for name in range(_PROCESSES)
    ]
    said = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * _PROCESSES
    return sum(int(out) for out, _ in said)


async def test_800_calls_of_four_processes_on_a_limit_of_100_requests_a_minute_admit_100(
    redis_server: RedisServer,
) -> None:
    # At one moment: by the server's own clock, what sinks while they ask would be admitted too.
    assert await _admitted(redis_server.url, "requests", moment="1000000000") == 100


async def test_800_calls_of_four_processes_on_100_places_admit_100_by_the_servers_own_clock(
    one_redis: RedisServer,
) -> None:
    assert await _admitted(one_redis.url, "calls", moment="") == 100
