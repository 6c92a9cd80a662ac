"""Faults do what they say, byte by byte, and what a client does is seen."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.fakes import script
from tests.fakes.client import Heard, chunks, connected, get, post
from tests.fakes.engine import closed_port, unanswered_port
from tests.fakes.script import END, HEAD, Answer
from tests.fakes.tgi import TgiFake
from tests.fakes.wire import Received

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Dis bonjour"}]}
STREAM: dict[str, Any] = {**ASK, "stream": True}
FRAMES = 5  # of STREAM: three words, the end of the sequence, [DONE]


async def ask(tgi: TgiFake, body: dict[str, Any] = STREAM) -> Heard:
    return await post(tgi.url + CHAT, body)


async def test_a_script_is_used_once_and_a_standing_one_until_replaced() -> None:
    async with TgiFake() as tgi:
        tgi.script(Answer("un"))
        tgi.always(Answer("deux"))
        assert [(await ask(tgi)).content for _ in range(3)] == ["un", "deux", "deux"]


async def test_probes_leave_the_script_alone_unless_it_names_their_path() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Status(503, "no"), path="/health")
        tgi.script(Answer("un"))
        assert (await get(tgi.url + "/info")).status == 200
        assert (await get(tgi.url + "/health")).status == 503
        assert (await get(tgi.url + "/health")).status == 200
        assert (await ask(tgi)).content == "un"


async def test_what_was_received_can_be_read() -> None:
    async with TgiFake() as tgi:
        await post(f"{tgi.url}{CHAT}?a=b", ASK, {"Authorization": "Bearer clé", "X-Thing": "1"})
        seen = tgi.requests[-1]
        assert (seen.method, seen.path, seen.target) == ("POST", CHAT, f"{CHAT}?a=b")
        assert seen.body == ASK
        assert seen.headers["x-thing"] == "1"


async def test_an_answer_may_depend_on_the_request() -> None:
    def echo(request: Received) -> str:
        return str(request.body["messages"][-1]["content"])

    async with TgiFake(answer=echo) as tgi:
        assert (await ask(tgi)).content == "Dis bonjour"


async def test_connections_are_counted_and_kept_alive() -> None:
    async with TgiFake() as tgi, aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(tgi.url + CHAT, json=STREAM) as answer:
                await answer.read()
        assert tgi.connections == 1
        assert tgi.open == 1
        assert [request.connection for request in tgi.requests] == [1, 1, 1]


async def test_a_stream_is_sent_one_frame_a_chunk() -> None:
    async with TgiFake() as tgi, connected(tgi.url, CHAT, STREAM) as (reader, _):
        head, frames = await chunks(reader)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(frames) == FRAMES
        assert all(frame.endswith(b"\n\n") for frame in frames)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_slices_cut_frames_anywhere_and_lose_nothing(size: int) -> None:
    async with TgiFake(answer="Voilà l'été, enfin.") as tgi:
        plain = (await ask(tgi)).content
        tgi.script(script.Slice(size))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            _, frames = await chunks(reader)
        assert {len(frame) for frame in frames[:-1]} <= {size}
        assert Heard(200, {}, b"".join(frames)).content == plain


async def test_line_ends_may_be_cr_lf() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Crlf())
        heard = await ask(tgi)
        assert heard.body.endswith(b"data: [DONE]\r\n\r\n")
        assert b"\n" not in heard.body.replace(b"\r\n", b"")


@pytest.mark.parametrize("body", [ASK, STREAM])
@pytest.mark.parametrize("touch", [script.Reset(), script.Close()])
async def test_a_connection_can_end_before_the_head(touch: script.Touch, body: dict[str, Any]) -> None:
    async with TgiFake() as tgi:
        tgi.script(touch)
        async with connected(tgi.url, CHAT, body) as (reader, _):
            if isinstance(touch, script.Close):
                assert await reader.read() == b""
            else:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
        assert not tgi.hung_up


@pytest.mark.parametrize("after", [0, 2, FRAMES])
async def test_a_reset_comes_after_so_many_frames(after: int) -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Reset(after=after))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(after):
                await reader.readuntil(b"\n\n\r\n")
            with pytest.raises(ConnectionResetError):
                await reader.read()


async def test_a_closed_stream_lacks_its_last_chunk() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Close(after=2))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            body = (await reader.read()).split(b"\r\n\r\n", 1)[1]
        assert body.count(b"data: ") == 2
        assert not body.endswith(b"0\r\n\r\n")


async def test_a_truncated_stream_ends_properly_without_done() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Truncate(after=2))
        heard = await ask(tgi)
        assert len(heard.data) == 2
        assert b"[DONE]" not in heard.body


async def test_a_stream_may_only_lack_its_done() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.NoDone())
        heard = await ask(tgi)
        assert heard.content == "Bonjour le monde."
        assert len(heard.data) == FRAMES - 1


@pytest.mark.parametrize("then", ["end", "close", "reset"])
async def test_half_a_frame_can_be_the_last_thing_heard(then: Any) -> None:
    async with TgiFake() as tgi:
        tgi.script(script.HalfFrame(after=1, then=then))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            await reader.readuntil(b"\n\n\r\n")
            half = await reader.readexactly(int(await reader.readuntil(b"\r\n"), 16))
            assert half.startswith(b"data: {")
            assert not half.endswith(b"\n")
            if then == "end":
                assert await reader.readexactly(7) == b"\r\n0\r\n\r\n"
            elif then == "close":
                assert await reader.read() == b"\r\n"
            else:
                with pytest.raises(ConnectionResetError):
                    await reader.read()


async def test_a_whole_answer_can_be_cut_in_the_middle() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.HalfFrame(after=0))
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(tgi, ASK)
        tgi.script(script.HalfFrame(after=0, then="end"))
        heard = await ask(tgi, ASK)
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            _ = heard.json


async def test_waits_hold_the_stream_at_an_exact_point() -> None:
    gate, first = asyncio.Event(), asyncio.Event()
    async with TgiFake() as tgi:
        tgi.script(script.Wait(first, before=HEAD), script.Wait(gate, before=2), script.Slice(10_000))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            await tgi.until(lambda: tgi.live == 1)
            first.set()
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"text/event-stream" in head
            size = int(await reader.readuntil(b"\r\n"), 16)
            assert (await reader.readexactly(size)).count(b"data: ") == 2
            assert tgi.live == 1
            gate.set()
            await reader.readuntil(b"0\r\n\r\n")
        await tgi.until(lambda: tgi.live == 0)


async def test_a_wait_before_the_end_keeps_the_body_open() -> None:
    gate = asyncio.Event()
    async with TgiFake() as tgi:
        tgi.script(script.Wait(gate, before=END))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            await reader.readuntil(b"data: [DONE]\n\n")
            assert tgi.live == 1
            gate.set()
            await reader.readuntil(b"0\r\n\r\n")


async def test_an_engine_that_computes_first_has_no_head_to_send() -> None:
    gate = asyncio.Event()
    async with TgiFake() as tgi:
        tgi.script(script.Wait(gate))
        async with connected(tgi.url, CHAT, ASK) as (reader, _):
            await tgi.until(lambda: tgi.live == 1)
            head = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(0)
            assert not head.done()
            gate.set()
            assert b"200 OK" in await head


async def test_an_event_can_pace_a_stream_frame_by_frame() -> None:
    tick = asyncio.Event()
    async with TgiFake() as tgi:
        tgi.script(script.Pace(tick))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(FRAMES):
                tick.set()
                tick.clear()
                await reader.readuntil(b"\n\n\r\n")
            await reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_hang_up_is_seen_at_once(body: dict[str, Any]) -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Wait(asyncio.Event(), before=2 if "stream" in body else 0))
        async with connected(tgi.url, CHAT, body) as (reader, writer):
            await tgi.until(lambda: tgi.live == 1)
            if "stream" in body:
                await reader.readuntil(b"\n\n\r\n")
                await reader.readuntil(b"\n\n\r\n")
            left = asyncio.get_running_loop().time()
            writer.close()
            await tgi.until(lambda: tgi.hung_up and tgi.live == 0)
        seen = tgi.hung_up[0]
        assert seen.request is tgi.requests[0]
        assert seen.at >= left
        assert seen.frames == (2 if "stream" in body else 0)


async def test_a_silent_engine_reads_and_never_answers() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Silent())
        async with connected(tgi.url, CHAT, ASK) as (_, writer):
            await tgi.until(lambda: tgi.live == 1)
            assert tgi.requests[0].body == ASK
            writer.transport.abort()
            await tgi.until(lambda: tgi.hung_up)


async def test_a_client_that_read_everything_did_not_hang_up() -> None:
    async with TgiFake() as tgi:
        await ask(tgi)
        await tgi.until(lambda: tgi.open == 0)
        assert not tgi.hung_up


async def test_a_failure_can_come_after_some_content() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Fail("generation", after=2, message="boum"))
        heard = await ask(tgi)
        assert heard.content == "Bonjour le"
        assert heard.events[-1] == {"error": {"message": "boum", "http_status_code": 422}}


async def test_empty_chunks_and_a_role_can_precede_a_failure() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.RoleFirst(), script.EmptyFirst(2), script.Fail(after=3))
        heard = await ask(tgi)
        assert [event["choices"][0]["delta"]["content"] for event in heard.events[:3]] == ["", "", ""]
        assert "error" in heard.events[3]


async def test_any_status_and_body_can_be_told() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Status(429, {"error": "slow down"}, {"retry-after": "7"}))
        tgi.script(script.bad_gateway())
        limited, page = await ask(tgi), await ask(tgi)
        assert (limited.status, limited.headers["retry-after"]) == (429, "7")
        assert limited.json == {"error": "slow down"}
        assert (page.status, page.headers["content-type"]) == (502, "text/html")
        assert b"<h1>502 Bad Gateway</h1>" in page.body


async def test_strange_bytes_can_be_put_anywhere() -> None:
    async with TgiFake() as tgi:
        tgi.script(
            script.keep_alive(before=0),
            script.invalid_utf8(before=1),
            script.oversized(100_000, before=2),
            script.garbage_after_done(),
        )
        body = (await ask(tgi)).body
        assert body.startswith(b":\n\ndata: ")
        assert max(map(len, body.split(b"\n"))) > 100_000
        assert body.split(b"data: [DONE]\n\n")[1].startswith(b"}}garbage")
        with pytest.raises(UnicodeDecodeError):
            body.decode()


async def test_a_port_can_refuse_connections() -> None:
    with closed_port() as url, pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
        await get(url)


async def test_a_port_can_leave_connections_unanswered() -> None:
    with unanswered_port() as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.open_connection("127.0.0.1", port)


async def test_an_engine_can_go_down_and_come_back_on_its_port() -> None:
    async with TgiFake() as tgi:
        tgi.script(script.Wait(asyncio.Event(), before=1))
        async with connected(tgi.url, CHAT, STREAM) as (reader, _):
            await reader.readuntil(b"\n\n\r\n")
            await tgi.down()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(tgi)
        await tgi.up()
        assert (await ask(tgi)).status == 200
        assert not tgi.hung_up


async def test_a_mistake_of_the_fake_is_raised_at_the_end() -> None:
    def broken(_: Received) -> str:
        raise RuntimeError("mistake")

    tgi = await TgiFake(answer=broken).__aenter__()
    with pytest.raises(aiohttp.ClientError):
        await ask(tgi)
    with pytest.raises(RuntimeError, match="mistake"):
        await tgi.__aexit__(None, None, None)


async def test_waiting_for_something_that_never_happens_gives_up() -> None:
    async with TgiFake() as tgi:
        with pytest.raises(TimeoutError):
            await tgi.until(lambda: tgi.requests, within=0.05)
