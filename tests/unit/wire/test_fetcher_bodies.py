"""What of a foreign answer is taken: bounded in size, decompressed size, time and type; and TLS by the name."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from passerelle.wire.fetched import Fetched, FetchFailed, FetchLimits, FetchRefused
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.foreign_urls import Rules
from tests.fakes.site import Site, reply, running

SIZE = 100_000
TEXT = bytes(range(256)) * 200


async def here(host: str) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running() as site:
        yield site


async def get(site: Site, limits: FetchLimits | None = None, *, scheme: str = "http", trust: ssl.SSLContext | None = None, host: str = "site.test") -> Fetched:  # fmt: skip
    one = Fetcher(
        limits or FetchLimits(size=SIZE), resolver=here, exceptions=(ip_network("127.0.0.1/32"),), trust=trust
    )
    got = await one.fetch(f"{scheme}://{host}:{site.port}/", rules=Rules(ports=frozenset({site.port})))
    assert isinstance(got, Fetched)
    return got


async def refusal(site: Site, limits: FetchLimits | None = None) -> str:
    with pytest.raises((FetchRefused, FetchFailed)) as ended:
        await get(site, limits)
    return ended.value.code


def chunked(*parts: bytes, head: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n"
        + head
        + b"\r\n"
        + body
    )


def raw_deflate(data: bytes) -> bytes:
    one = zlib.compressobj(wbits=-15)
    return one.compress(data) + one.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("X-GZIP", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
        ("gzip", gzip.compress(TEXT) + b"trailing"),
    ],
)
async def test_a_compressed_document_comes_decompressed(site: Site, encoding: str, body: bytes) -> None:
    site.answers["/"] = reply(body, content_encoding=encoding)
    assert (await get(site)).content == TEXT


async def test_a_document_in_many_small_chunks_comes_whole(site: Site) -> None:
    body = gzip.compress(TEXT) + gzip.compress(TEXT[:3])
    parts = [body[at : at + 1] for at in range(len(body))]
    site.answers["/"] = chunked(*parts, b"", head=b"Content-Encoding: gzip\r\n")
    assert (await get(site)).content == TEXT + TEXT[:3]


async def test_the_limit_of_size_is_exact(site: Site) -> None:
    site.answers["/"] = reply(b"x" * SIZE)
    assert len((await get(site)).content) == SIZE
    site.answers["/"] = chunked(b"x" * SIZE, b"")
    assert len((await get(site)).content) == SIZE
    site.answers["/"] = reply(b"x" * (SIZE + 1))
    assert await refusal(site) == "url_too_large"
    site.answers["/"] = chunked(b"x" * SIZE, b"x", b"")
    assert await refusal(site) == "url_too_large"


async def test_a_length_over_the_limit_is_refused_before_the_body(site: Site) -> None:
    site.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999999999999\r\n\r\n"
    assert await refusal(site) == "url_too_large"


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(64 * 1_048_576))),
        ("deflate", zlib.compress(bytes(64 * 1_048_576))),
        ("gzip", gzip.compress(bytes(SIZE // 2)) * 3),
    ],
    ids=["gzip", "deflate", "members"],
)
async def test_a_bomb_is_stopped_at_the_limit(site: Site, encoding: str, bomb: bytes) -> None:
    assert len(bomb) < SIZE
    site.answers["/"] = reply(bomb, content_encoding=encoding)
    assert await refusal(site) == "url_too_large"


async def test_what_arrives_counts_even_when_nothing_comes_of_it(site: Site) -> None:
    site.answers["/"] = chunked(gzip.compress(b"x"), bytes(SIZE), b"", head=b"Content-Encoding: gzip\r\n")
    assert await refusal(site) == "url_too_large"


async def test_a_body_of_endless_empty_members_is_refused(site: Site) -> None:
    site.answers["/"] = reply(gzip.compress(b"") * 2000, content_encoding="gzip")
    assert await refusal(site) == "url_encoding"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"x"),
        ("zstd", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        ("gzip", b"not compressed"),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("deflate", zlib.compress(TEXT)[:-1]),
    ],
)
async def test_what_cannot_be_decompressed_is_refused(site: Site, encoding: str, body: bytes) -> None:
    site.answers["/"] = reply(body, content_encoding=encoding)
    assert await refusal(site) == "url_encoding"


async def test_a_slow_drip_ends_with_the_time(site: Site) -> None:
    site.answers["/"] = reply(b"x" * 1000)
    site.pause = 0.02  # never long without a byte
    assert await refusal(site, FetchLimits(total=0.3, stall=0.2)) == "url_timeout"


async def test_silence_ends_before_the_time(site: Site) -> None:
    site.answers["/"] = reply(b"xx")
    site.pause = 30
    assert await refusal(site, FetchLimits(total=20, stall=0.1)) == "url_timeout"


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"whole")[:-1],
        chunked(b"no end"),
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=["short", "chunk", "nothing", "ssh", "lengths", "header"],
)
async def test_an_answer_that_breaks_off_or_is_none_is_a_failure(site: Site, answer: bytes) -> None:
    site.answers["/"] = answer
    assert await refusal(site) == "url_broken"


@pytest.mark.parametrize(
    "kind", ["image/png", "application/zip", "text/html-but-not", "*/*", "nonsense", None]
)
async def test_other_media_types_are_refused(site: Site, kind: str | None) -> None:
    site.answers["/"] = reply(b"x", kind=kind)
    assert await refusal(site) == "url_type"


@pytest.mark.parametrize(
    ("said", "charset"),
    [
        ("utf-8", "utf-8"),
        ('"UTF-8"', "utf-8"),
        ("windows-1252", "windows-1252"),
        ("nope", None),
        ("zlib", None),
        ("rot13", None),
        ("punycode", None),
        ("unicode-escape", None),
        ("..", None),
    ],
)
async def test_a_character_set_is_told_when_it_is_one(site: Site, said: str, charset: str | None) -> None:
    site.answers["/"] = reply(b"x", kind=f"text/html; charset={said}")
    assert (await get(site)).charset == charset


def _secured(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a site of the name `site.test` presents, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("site.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file = folder / "site.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    presents = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    presents.load_cert_chain(file)
    return presents, ssl.create_default_context(cafile=str(file))


async def test_tls_is_for_the_name_while_the_socket_goes_to_the_address(tmp_path: Path) -> None:
    presents, trusts = _secured(tmp_path)
    asked: list[str | None] = []
    presents.sni_callback = lambda _, name, __: asked.append(name)
    async with running(secured=presents) as site:
        site.answers["/"] = reply(b"x")
        got = await get(site, scheme="https", trust=trusts)
        assert (got.content, asked) == (b"x", ["site.test"])
        assert site.header("Host") == f"site.test:{site.port}"
        for host, trust in (("other.test", trusts), ("site.test", None), ("127.0.0.1", trusts)):
            with pytest.raises(FetchRefused) as refused:
                await get(site, scheme="https", host=host, trust=trust)
            assert refused.value.code == "url_tls"


async def test_https_to_a_port_of_plain_http_is_refused() -> None:
    async def blunt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply(b"speak HTTP", status=400))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(blunt, "127.0.0.1", 0)
    async with server:
        plain = Site(port=server.sockets[0].getsockname()[1])
        with pytest.raises(FetchRefused) as refused:
            await get(plain, scheme="https")
    assert refused.value.code == "url_tls"
