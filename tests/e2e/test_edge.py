"""No way of writing a request leads a stranger to more than the public routes, nor any request to another route."""

import asyncio
import string
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.domain.caller import Caller, Role
from passerelle.http.intake import Limits
from tests.e2e.raw import Told, first, replies, request
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, Served, one_backend, serving

_ADMIN = "admin-key-of-the-operator-0123456789"
_CALLERS = {
    KEY.encode(): Caller("key_test", "acme", Role.MEMBER),
    _ADMIN.encode(): Caller("key_admin", None, Role.ADMIN),
}
_PUBLIC = {b"/health", b"/health/live", b"/health/ready", b"/openapi.json", b"/docs", b"/redoc"}
_FILES = b"/docs/files/"
_CHAT = orjson.dumps({"model": "assistant", "messages": [{"role": "user", "content": "x"}]})


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with (
        VllmFake(model="fake") as engine,
        serving(
            one_backend("vllm", engine.url), callers=_CALLERS, limits=Limits(body=100_000), whole=True
        ) as served,
    ):
        yield served


async def _one(served: Served, raw: bytes) -> Told:
    told = await first(served.port, raw)
    assert told is not None, raw
    return told


def _is_public(target: bytes) -> bool:
    """Does a target, read as plainly as can be, name a public route?"""
    path = target.partition(b"?")[0].partition(b"#")[0]
    return path in _PUBLIC or (path.startswith(_FILES) and b"/" not in path[len(_FILES) :])


_TARGETS = [
    b"//admin/backends",
    b"/./admin/backends",
    b"/health/../admin/backends",
    b"/%2e%2e/admin/backends",
    b"/health/%2e%2e/admin/backends",
    b"/health%2F..%2Fadmin/backends",
    b"/docs/files/%2e%2e/%2e%2e/admin/backends",
    b"/docs/files/..%2f..%2fadmin%2fbackends",
    b"/admin%2fbackends",
    b"/admin;/backends",
    b"/admin/backends;a=/health",
    b"/health;/../admin/backends",
    b"/admin/backends/",
    b"/admin/backends/.",
    b"/ADMIN/BACKENDS",
    b"/%61dmin/backends",
    b"/admin/backends%00",
    b"/admin/backends%00/health",
    b"/admin/backends?/health",
    b"/admin/backends#/health",
    b"/admin\\backends",
    b"/health/..\\admin\\backends",
    b"/%5cadmin/backends",
    b"/metrics",
    b"/metrics/",
    b"/metrics%20",
    b"/metrics?x=/health",
    b"http://gateway/admin/backends",
    b"http://gateway:1/metrics",
    b"http://health/admin/backends",
    b"http://user@gateway/admin/backends",
    b"/health?../../admin/backends",
    b"admin/backends",
    b"*",
    b"gateway:443",
]


@pytest.mark.parametrize("target", _TARGETS, ids=lambda target: target.decode())
async def test_no_spelling_of_a_path_opens_a_door(served: Served, target: bytes) -> None:
    for method in (b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"DELETE", b"PATCH"):
        told = await _one(served, request(method, target))

        assert told.status >= 400 or (method == b"GET" and target.startswith(b"/health?")), (method, told)
        assert told.status < 500


@pytest.mark.parametrize("target", _TARGETS[:-4], ids=lambda target: target.decode())
async def test_only_the_plain_spelling_leads_to_an_admin_route(served: Served, target: bytes) -> None:
    told = await _one(served, request(b"GET", target, (b"Authorization", f"Bearer {_ADMIN}".encode())))
    plain = target.partition(b"?")[0].partition(b"#")[0].partition(b"http://")[2].partition(b"/")[2]
    named = b"/" + plain if target.startswith(b"http://") else target.partition(b"?")[0].partition(b"#")[0]
    reached = named.replace(b"%61", b"a") in (b"/admin/backends", b"/metrics")

    assert (told.status == 200) == reached, told
    assert told.status in (200, 400, 404)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X-HTTP-Method-Override", b"POST")],
        [(b"X-Original-URL", b"/admin/backends"), (b"X-Rewrite-URL", b"/admin/backends")],
        [
            (b"X-Forwarded-Prefix", b"/admin"),
            (b"X-Forwarded-Host", b"admin"),
            (b"X-Forwarded-Proto", b"https"),
        ],
        [(b"X-Forwarded-For", b"127.0.0.1"), (b"X-Real-IP", b"127.0.0.1"), (b"Forwarded", b"for=127.0.0.1")],
        [(b"X-Passerelle-Operator", b"true"), (b"passerelle.operator", b"true")],
        [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Key", b"eA==")],
        [(b"Upgrade", b"h2c"), (b"Connection", b"Upgrade, HTTP2-Settings"), (b"HTTP2-Settings", b"AAMAAABk")],
        [(b"Connection", b"authorization, x-api-key")],
        [(b"Accept", b"text/html"), (b"Range", b"bytes=0-1"), (b"If-None-Match", b"*")],
    ],
    ids=lambda headers: headers[0][0].decode(),
)
async def test_no_header_changes_the_route(served: Served, headers: Sequence[tuple[bytes, bytes]]) -> None:
    assert (await _one(served, request(b"GET", b"/health", *headers))).status == 200
    assert (await _one(served, request(b"GET", b"/metrics", *headers))).status == 401
    assert (await _one(served, request(b"GET", b"/v1/chat/completions", *headers))).status == 405
    assert (await _one(served, request(b"POST", b"/v1/chat/completions", *headers))).status == 401


@pytest.mark.parametrize(
    "head",
    [
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: gateway/admin\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: gateway?x=\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a@b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: a\n\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
        b"GET /health\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"get /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /health HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"CONNECT gateway:443 HTTP/1.1\r\nHost: gateway:443\r\n\r\n",
    ],
    ids=lambda head: repr(head)[2:60],
)
async def test_what_can_be_read_in_two_ways_is_refused(served: Served, head: bytes) -> None:
    told = await _one(served, head + request(b"GET", b"/health"))

    assert 400 <= told.status < 500
    assert set(orjson.loads(told.body)["error"]) == {"message", "type", "param", "code"}
    assert b"x-request-id" in told.headers


async def test_http_1_0_needs_no_host_and_ends_the_connection(served: Served) -> None:
    told = await replies(served.port, b"GET /health HTTP/1.0\r\n\r\n" + request(b"GET", b"/health"))

    assert [(one.status, one.headers[b"connection"]) for one in told] == [(200, b"close")]


@pytest.mark.parametrize(
    "body",
    [
        b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_a_body_stays_a_body(served: Served, body: bytes) -> None:
    told = await replies(served.port, request(b"POST", b"/v1/chat/completions", body=body))

    assert [one.status for one in told] == [401]


async def test_what_follows_a_body_is_a_request_of_its_own_without_the_first_ones_key(served: Served) -> None:
    authorized = (b"Authorization", f"Bearer {_ADMIN}".encode())
    told = await replies(served.port, request(b"GET", b"/metrics", authorized) + request(b"GET", b"/metrics"))

    assert [one.status for one in told] == [200, 401]


async def test_trailers_are_no_headers(served: Served) -> None:
    chunked = (b"Transfer-Encoding", b"chunked")
    authorized = b"Authorization: Bearer " + _ADMIN.encode()
    raw = request(b"POST", b"/admin/reload", chunked) + b"0\r\n" + authorized + b"\r\n\r\n"
    told = await replies(served.port, raw)

    assert [one.status for one in told] == [401]


_SEGMENTS = st.sampled_from(
    b"admin backends keys metrics health live v1 models docs files costs . .. %2e %2E%2e %2f %5c \\ %00 ; % %zz".split(
        b" "
    )
)
_PATHS = st.lists(
    st.one_of(_SEGMENTS, st.text(string.printable.replace(" ", "")[:-5], max_size=4).map(str.encode)),
    max_size=6,
).map(lambda parts: b"/" + b"/".join(parts))
_NAMES = st.sampled_from(
    b"Authorization X-API-Key X-Original-URL X-Rewrite-URL X-HTTP-Method-Override X-Forwarded-Prefix Cookie"
    b" X-Forwarded-For Forwarded Host Upgrade Origin Via TE".split()
)
_VALUES = st.one_of(
    _PATHS, st.sampled_from([b"Bearer", b"Bearer ", b"Bearer x", b"GET", b"null", b"localhost", b"127.0.0.1"])
)
_METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE"])


def test_a_stranger_gets_an_answer_on_public_routes_only() -> None:
    """One gateway for every example; each writes to a connection of its own."""
    loop = asyncio.new_event_loop()
    serve = serving(one_backend("vllm", "http://localhost:1"), callers=_CALLERS, whole=True)
    served = loop.run_until_complete(serve.__aenter__())

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(_METHODS, _PATHS, st.lists(st.tuples(_NAMES, _VALUES), max_size=3))
    def asked(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        raw = request(method, target, *headers, (b"Connection", b"close"))
        for told in loop.run_until_complete(replies(served.port, raw)):
            assert told.status >= 400 or (method == b"GET" and _is_public(target)), told
            assert told.status < 500, told

    try:
        asked()
    finally:
        loop.run_until_complete(serve.__aexit__(None, None, None))
        loop.close()


async def test_a_strangers_body_is_not_read_by_any_route(served: Served) -> None:
    seen: dict[str, Any] = {}
    for key, code in ((None, "missing_api_key"), ("garbage", "invalid_api_key")):
        headers = [(b"Transfer-Encoding", b"chunked"), (b"Content-Type", b"application/json")]
        headers += [(b"Authorization", f"Bearer {key}".encode())] if key else []
        # The body never ends: an answer shows that nobody waits for it.
        told = await _one(served, request(b"POST", b"/admin/keys", *headers) + b'5\r\n{"a":')
        seen[str(key)] = orjson.loads(told.body)["error"]["code"]
        assert (told.status, seen[str(key)]) == (401, code)


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_known_callers_body_is_bounded_on_every_route(served: Served, chunked: bool) -> None:
    headers = [(b"Authorization", f"Bearer {_ADMIN}".encode()), (b"Content-Type", b"application/json")]
    body = b'{"tenant": "' + b"x" * 200_000 + b'"}'
    if chunked:
        headers.append((b"Transfer-Encoding", b"chunked"))
        raw = request(b"POST", b"/admin/keys", *headers) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        raw = request(b"POST", b"/admin/keys", *headers, body=body)
    told = await _one(served, raw)

    assert told.status == 413
    assert orjson.loads(told.body)["error"]["code"] == "request_too_large"
