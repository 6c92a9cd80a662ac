"""Engines that are gone are left alone, are asked again by one call, and are never sent many times what was asked."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import openai
import pytest

from tests.chaos.scene import TEXT, Heard, Scene, check, eventually, scene
from tests.fakes.script import HEAD, Fail, Pace, Reset, Status, Wait

_BUSY = Status(503, {"error": {"message": "busy", "type": "server_error"}})


def _state(play: Scene, backend: str = "engine") -> str:
    return play.served.watch.breakers.snapshot()[backend].state


async def _rest(play: Scene, rests: dict[str, float]) -> None:
    """Both backends fail until they rest, so many seconds each."""
    # Each rest is that part of 5 s which chance says; the first engine's breaker opens first.
    play.draws.numbers = [rests["engine"] / 5, rests["spare"] / 5]
    for proxy in (play.proxy, play.second):
        proxy.reset = True
    for _ in range(5):
        heard = await play.call()
        check(heard)
        assert heard.code == "upstream_broken"
    assert (_state(play, "engine"), _state(play, "spare")) == ("open", "open")


async def _crowd(play: Scene, size: int = 200) -> list[Heard]:
    """So many calls at once."""
    async with aiohttp.TCPConnector(limit=0) as connector:
        headers = {"Authorization": f"Bearer {play.served.key}"}
        async with aiohttp.ClientSession(play.served.url, headers=headers, connector=connector) as session:
            calls = [play.call(stream=bool(number % 2), session=session) for number in range(size)]
            return await asyncio.gather(*calls)


async def test_after_five_refused_connections_the_second_target_answers_at_once() -> None:
    async with scene(paired=True) as play:
        await play.proxy.refuse()
        for number in range(8):
            heard = await play.call(stream=bool(number % 2))
            check(heard)
            assert heard.backend == "spare"
        await play.settled(8)

        assert _state(play) == "open"
        tried = [[attempt.backend for attempt in record.attempts] for record in play.served.records]
        assert tried == [["engine", "spare"]] * 5 + [["spare"]] * 3


async def test_a_rest_ends_with_one_answer() -> None:
    async with scene(paired=True) as play:
        await play.proxy.refuse()
        for _ in range(5):
            await play.call()
        assert _state(play) == "open"
        await play.proxy.heal()
        play.clock.now += 0.5
        assert (await play.call()).backend == "spare"
        play.clock.now += 0.6
        heard = [await play.call() for _ in range(3)]

        assert [each.backend for each in heard] == ["engine"] * 3
        assert _state(play) == "closed"
        await play.settled(9)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_one_500_opens_nothing(stream: bool) -> None:
    async with scene(paired=True) as play:
        play.engine.script(Fail("server"))
        heard = [await play.call(stream=stream) for _ in range(2)]
        for each in heard:
            check(each)
        assert [each.backend for each in heard] == ["spare", "engine"]
        assert _state(play) == "closed"
        await play.settled(2)


async def test_an_engine_whose_answers_keep_breaking_off_rests_too() -> None:
    async with scene(paired=True) as play:
        play.engine.always(Pace(0.002), Reset(after=8))
        heard = [await play.call(stream=True) for _ in range(25)]
        for each in heard:
            check(each)
        assert _state(play) == "open"
        assert heard[-1].backend == "spare"
        await play.settled(25)


async def test_where_all_rest_callers_are_told_the_soonest_time_and_nobody_is_asked() -> None:
    async with scene(paired=True) as play:
        await _rest(play, {"engine": 4.0, "spare": 2.5})
        asked = play.proxy.connections + play.second.connections
        heard = await _crowd(play, 50)

        for each in heard:
            check(each)
            assert (each.status, each.code) == (503, "upstream_resting")
            assert (each.headers["retry-after"], each.headers["retry-after-ms"]) == ("3", "2500")
            assert each.headers["x-should-retry"] == "true"
        assert play.proxy.connections + play.second.connections == asked
        await play.settled(55)


async def test_two_hundred_callers_after_the_rest_are_one_probe_of_each_engine() -> None:
    async with scene(paired=True) as play:
        await _rest(play, {"engine": 1.0, "spare": 1.0})
        before = (play.proxy.connections, play.second.connections)
        play.clock.now += 1.5
        heard = await _crowd(play)

        asked = (play.proxy.connections - before[0], play.second.connections - before[1])
        assert asked == (1, 1)
        for each in heard:
            check(each)
            assert each.status == 503
        assert (_state(play, "engine"), _state(play, "spare")) == ("open", "open")
        await play.settled(205)


async def test_two_hundred_callers_while_a_probe_is_answered() -> None:
    async with scene(paired=True) as play:
        await _rest(play, {"engine": 1.0, "spare": 1.0})
        await play.proxy.heal()
        await play.second.heal()
        answer = asyncio.Event()
        for engine in (play.engine, play.spare):
            engine.always(Wait(answer, before=HEAD))
        play.clock.now += 1.5
        crowd = asyncio.ensure_future(_crowd(play))
        await eventually(lambda: len(play.served.records) == 5 + 198)
        await eventually(lambda: play.engine.requests and play.spare.requests)
        assert (len(play.engine.requests), len(play.spare.requests)) == (1, 1)
        answer.set()
        heard = await crowd

        for each in heard:
            check(each)
        found = Counter((each.backend, each.code) for each in heard)
        assert found == {("engine", None): 1, ("spare", None): 1, (None, "upstream_resting"): 198}
        assert (_state(play, "engine"), _state(play, "spare")) == ("closed", "closed")
        again = await _crowd(play, 20)
        assert {(each.backend, each.text) for each in again} == {("engine", TEXT)}
        await play.settled(225)


async def test_a_probe_whose_caller_leaves_hands_its_turn_on() -> None:
    async with scene() as play:
        play.proxy.reset = True
        for _ in range(5):
            await play.call()
        assert _state(play) == "open"
        await play.proxy.heal()
        play.clock.now += 1.5
        play.engine.script(Wait(60, before=HEAD))
        probe = asyncio.ensure_future(play.call())
        await eventually(lambda: play.engine.live == 1)
        assert (await play.call()).code == "upstream_resting"
        probe.cancel()
        await eventually(lambda: len(play.served.records) == 7)

        assert (await play.call()).text == TEXT
        assert _state(play) == "closed"
        await play.settled(8)


async def _asked(play: Scene) -> tuple[list[str], openai.APIStatusError]:
    """What OpenAI's client sends, as it comes out of the box, until it gives up: how often it had tried before."""
    sent: list[str] = []

    async with openai.AsyncOpenAI(base_url=f"{play.served.url}/v1", api_key=play.served.key) as client:
        send = client._client.send

        async def counted(request: object, **options: object) -> object:
            sent.append(request.headers["x-stainless-retry-count"])  # type: ignore[attr-defined]
            return await send(request, **options)  # type: ignore[arg-type]

        client._client.send = counted  # type: ignore[method-assign, assignment]
        with pytest.raises(openai.APIStatusError) as failed:
            await client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": "Dis bonjour."}]
            )
    return sent, failed.value


@pytest.mark.parametrize("paired", [False, True], ids=["alone", "paired"])
async def test_retries_of_a_client_and_ours_do_not_multiply(paired: bool) -> None:
    async with scene(paired=paired, attempts=3) as play:
        for engine in (play.engine, play.spare):
            engine.always(_BUSY)
        sent, failure = await _asked(play)
        await play.settled(len(sent))

        upstream = len(play.engine.requests) + len(play.spare.requests)
        print(
            f"{'two targets' if paired else 'one target'}: client sent {len(sent)}, upstream got {upstream}"
        )
        assert failure.status_code == 503
        if paired:  # 3 for the first, 2 for the repeat, whose answer says that another helps nothing
            assert (sent, upstream) == (["0", "1"], 5)
            assert failure.response.headers["x-should-retry"] == "false"
        else:  # 3 for the first, 1 for each repeat; without leave of ours it would be 9
            assert (sent, upstream) == (["0", "1", "2"], 5)


async def test_a_failing_engine_is_not_sent_many_times_what_callers_ask() -> None:
    async with scene(attempts=3) as play:
        play.engine.always(_BUSY)
        heard = await _crowd(play, 100)
        for each in heard:
            check(each)
        await play.settled(100)

        repeats = len(play.engine.requests) - sum(1 for each in play.served.records if each.attempts)
        print(f"100 calls: upstream got {len(play.engine.requests)}, {repeats} of them repeats")
        assert len(play.engine.requests) <= 100 + 100 * 0.2 + 30
