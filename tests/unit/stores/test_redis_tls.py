"""Redis behind TLS: its certificate is checked."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def _secured(server: RedisServer, certificate: Path, private: Path) -> AsyncIterator[int]:
    """The server behind TLS; the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(server.socket))
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    outer = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with outer:
        yield outer.sockets[0].getsockname()[1]


async def test_a_certificate_that_is_trusted_is_needed(one_redis: RedisServer, tmp_path: Path) -> None:
    certificate, private = _certificate(tmp_path)
    async with _secured(one_redis, certificate, private) as port:
        trusting = Redis(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}", timeout=20)
        strict = Redis(f"rediss://127.0.0.1:{port}/0", timeout=20)
        try:
            assert await trusting.check()
            assert not await strict.check()
        finally:
            await trusting.aclose()
            await strict.aclose()
