"""`make soak` in a few seconds: nothing leaks, nothing is lost; and what does leak would be seen."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
import pytest

from tools.soak import __main__ as program
from tools.soak.client import End, Seen, Tally, Wish, ask, quantile
from tools.soak.loads import callers
from tools.soak.phases import _back
from tools.soak.samples import Sample, growths, slope
from tools.soak.soak import more

_AT_REST = Sample(at=0.0, rss=150.0, fds=30, threads=8, tasks=18, callers=1, engine=2, postgres=5)


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(SystemExit, match="something else"):
        program.empty(tmp_path)
    assert (tmp_path / "letters.txt").read_text() == "mine"


@pytest.mark.parametrize("leak", ["fds", "tasks", "callers", "threads", "postgres", "engine"])
def test_what_is_held_at_rest_and_was_not_before_is_told(leak: str) -> None:
    assert more(_AT_REST, replace(_AT_REST, at=9.0), slots=8) == []
    leaked = replace(_AT_REST, **{leak: getattr(_AT_REST, leak) + 20})
    assert len(more(_AT_REST, leaked, slots=8)) == 1


def test_a_trend_is_told_through_noise_and_noise_is_none() -> None:
    noise = [0.0, 3.0, -2.0, 1.0, -3.0, 2.0] * 20
    flat = [replace(_AT_REST, at=5.0 * i, rss=150 + each) for i, each in enumerate(noise)]
    rising = [replace(each, rss=each.rss + each.at / 600 * 20) for each in flat]
    (calm,) = growths(flat, {"rss": 8.0}, judged=True)
    (grown,) = growths(rising, {"rss": 8.0}, judged=True)
    assert not calm.grows
    assert grown.grows
    assert grown.per_ten_minutes == pytest.approx(20, abs=1)
    (unjudged,) = growths(rising, {"rss": 8.0}, judged=False)
    assert not unjudged.grows
    assert slope([(0.0, 1.0), (1.0, 9.0)]) == 0.0


def test_one_wild_sample_moves_no_slope() -> None:
    points = [(float(i), 2.0 * i) for i in range(20)]
    points[7] = (7.0, 1e9)
    assert slope(points) == pytest.approx(2.0, abs=0.1)


def test_it_is_back_to_normal_where_two_seconds_are() -> None:
    slow = [Seen(End.WHOLE, at=i / 10, seconds=1.0) for i in range(30)]
    lost = [Seen(End.REFUSED, at=3 + i / 10, seconds=0.01) for i in range(10)]
    quick = [Seen(End.WHOLE, at=4 + i / 10, seconds=0.06) for i in range(40)]
    back = _back(Tally([*slow, *lost, *quick]), ended=0.0, normal=0.06)
    assert back is not None
    assert 3.5 <= back <= 4.3
    assert _back(Tally([*slow, *lost]), ended=0.0, normal=0.06) is None


def test_a_quantile_of_nothing_is_no_number() -> None:
    assert quantile([], 0.95) != quantile([], 0.95)
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0


async def test_the_engine_serves_so_many_at_once_and_no_more() -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.soak.engine", "2", "0.05", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert engine.stdout is not None
        url = f"http://127.0.0.1:{int(await engine.stdout.readline())}"
        async with callers(url) as session:
            wishes = [Wish("any", stream=number % 2 == 0) for number in range(9)]
            leaving = ask(session, Wish("any", leaves=0.02))
            seen = await asyncio.gather(leaving, *(ask(session, wish) for wish in wishes))
            assert [each.end for each in seen] == [End.LEFT, *[End.WHOLE] * 9]
            assert max(each.seconds for each in seen) >= 9 / 2 * 0.05 * 0.9
            tally = await _of(session, "/tally")
        assert (tally["served"], tally["left"], tally["most_running"]) == (9, 1, 2)
    finally:
        engine.terminate()
        await engine.wait()


async def _of(session: aiohttp.ClientSession, path: str) -> dict[str, int]:
    async with session.get(path) as reply:
        found: dict[str, int] = orjson.loads(await reply.read())
        return found
