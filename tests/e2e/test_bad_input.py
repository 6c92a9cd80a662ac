"""Whatever is sent, the answer is one clear error in OpenAI's shape, and memory stays flat."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.http.intake import Limits
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, Served, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "x"}]}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with (
        VllmFake(model="fake") as engine,
        serving(one_backend("vllm", engine.url), limits=Limits(body=100_000), whole=True) as served,
    ):
        yield served


async def _send(served: Served, raw: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Send bytes as they are; the status, headers and error of the reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(raw)
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1")
    status, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    await _hang_up(writer)
    return int(status.split()[1]), headers, orjson.loads(body)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _post(body: bytes, *headers: str, path: str = _PATH, key: str | None = KEY) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
    ]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


_GOOD = json.dumps(_BODY).encode()


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(_post(b"{"), 400, "invalid_json", id="cut JSON"),
        pytest.param(_post(b""), 400, "invalid_json", id="empty"),
        pytest.param(_post(b'{"model":"assistant","messages":NaN}'), 400, "invalid_json", id="NaN"),
        pytest.param(_post(b'{"temperature":1e999}'), 400, "invalid_json", id="infinity"),
        pytest.param(_post(b'{"model":"a","model":"b"}'), 400, "invalid_json", id="doubled key"),
        pytest.param(_post(b'{"model":"\\ud800"}'), 400, "invalid_json", id="lone surrogate"),
        pytest.param(_post(b"[" * 90_000), 400, "invalid_json", id="deep array"),
        pytest.param(_post(b'{"a":' * 15_000), 400, "invalid_json", id="deep object"),
        pytest.param(_post(b"\x00\xff\xfe"), 400, "invalid_json", id="binary"),
        pytest.param(_post(b"x" * 100_001), 413, "request_too_large", id="too long"),
        pytest.param(_post(b'{"model":"assistant"}'), 400, "invalid_value", id="no messages"),
        pytest.param(_post(b'{"messages":[]}'), 400, "missing_model", id="no model"),
        pytest.param(
            _post(_GOOD.replace(b"assistant", b"asistant")), 404, "model_not_found", id="unknown model"
        ),
        pytest.param(_post(_GOOD, key=None), 401, "missing_api_key", id="no key"),
        pytest.param(_post(_GOOD, key="nonsense"), 401, "invalid_api_key", id="unknown key"),
        pytest.param(_post(_GOOD, key="\u00e9" * 40), 401, "invalid_api_key", id="key not ASCII"),
        pytest.param(_post(_GOOD, f"X-API-Key: {KEY}"), 400, "several_credentials", id="two credentials"),
        pytest.param(
            _post(_GOOD, f"Authorization: Bearer {KEY}"), 400, "several_credentials", id="one twice"
        ),
        pytest.param(
            _post(_GOOD, "Authorization: Basic eDp5", key=None), 401, "invalid_api_key", id="wrong scheme"
        ),
        pytest.param(
            _post(_GOOD).replace(b"application/json", b"text/plain"), 415, "unsupported_media_type", id="text"
        ),
        pytest.param(_post(_GOOD, "Content-Encoding: gzip"), 415, "unsupported_media_type", id="gzip"),
        pytest.param(_post(_GOOD, path="/v1/nowhere"), 404, "unknown_route", id="unknown route"),
        pytest.param(_post(_GOOD, path="//v1/chat/completions"), 404, "unknown_route", id="two slashes"),
        pytest.param(
            b"DELETE /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed", id="method"
        ),
        pytest.param(
            b"GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed", id="GET"
        ),
        pytest.param(b"NOT HTTP AT ALL\r\n\r\n", 400, "invalid_request", id="not HTTP"),
        pytest.param(_post(_GOOD, "Host: y"), 400, "invalid_request", id="two hosts"),
        pytest.param(_post(_GOOD, f"X-Long: {'x' * 40_000}"), 431, "headers_too_large", id="long header"),
        pytest.param(
            _post(_GOOD, *[f"X-{i}: y" for i in range(200)]), 431, "headers_too_large", id="many headers"
        ),
        pytest.param(
            b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            431,
            "headers_too_large",
            id="long URL",
        ),
    ],
)
async def test_it_is_refused_with_one_clear_error(served: Served, raw: bytes, status: int, code: str) -> None:
    got, headers, payload = await _send(served, raw)

    assert (got, payload["error"]["code"]) == (status, code)
    assert set(payload["error"]) == {"message", "type", "param", "code"}
    assert payload["error"]["message"].endswith((".", "?"))
    assert "Traceback" not in str(payload)
    assert KEY not in str(payload)
    assert status in (400, 431) or "x-request-id" in headers


async def test_the_connection_goes_on_after_a_refusal(served: Served) -> None:
    async with served.client() as http:
        async with http.post(_PATH, data=b"{", headers={"content-type": "application/json"}) as reply:
            assert reply.status == 400
        async with http.post(_PATH, json=_BODY) as reply:
            assert reply.status == 200


async def test_a_request_id_is_kept_when_it_is_one_and_replaced_when_not(served: Served) -> None:
    async with served.client() as http:
        async with http.post(_PATH, json=_BODY, headers={"x-request-id": "my-id_7"}) as reply:
            assert reply.headers["x-request-id"] == "my-id_7"
        async with http.get("/health", headers={"x-request-id": "no good!"}) as reply:
            assert reply.headers["x-request-id"].startswith("req_")


async def test_a_30_mb_header_leaves_memory_flat(served: Served) -> None:
    before = _resident()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Big: ")
    piece = b"x" * 65_536
    sent = 0
    try:
        while sent < 30_000_000:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    head = await asyncio.wait_for(reader.read(4096), 10)
    await _hang_up(writer)

    assert head.startswith(b"HTTP/1.1 431 ") or sent < 30_000_000
    assert _resident() - before < 20_000_000


async def test_a_body_longer_than_its_limit_is_not_kept(served: Served) -> None:
    before = _resident()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST {_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    try:
        for _ in range(460):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    reply = await asyncio.wait_for(reader.read(4096), 10)
    await _hang_up(writer)

    assert reply.startswith(b"HTTP/1.1 413 ") or reply == b""
    assert _resident() - before < 20_000_000


def _resident() -> int:
    """Bytes of memory this process holds, the gateway included."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
