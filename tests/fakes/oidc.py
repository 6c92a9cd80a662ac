"""A little OpenID provider on a real socket: discovery, key set, tokens; it rotates, fails, hangs up as it is told."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

DISCOVERY, KEYS = "/realm/.well-known/openid-configuration", "/realm/keys"


def b64(raw: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, length: int | None = None) -> str:
    """An integer as a JWK writes it."""
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def compact(header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, sign: Any) -> bytes:
    """A token of exactly these parts; `sign` makes the signature of what is signed."""
    parts = [raw if isinstance(raw, bytes) else json.dumps(raw).encode() for raw in (header, claims)]
    signed = ".".join(b64(raw) for raw in parts).encode()
    return signed + b"." + b64(sign(signed)).encode()


def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name: making them takes long."""
    return _made(name, bits)


@lru_cache
def _made(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass
class Signer:
    """A key of the provider. `jwk` is what it publishes."""

    kid: str
    algorithm: str
    jwk: dict[str, Any]
    sign: Callable[[bytes], bytes]

    @classmethod
    def rs256(cls, kid: str = "rsa-1", bits: int = 2048) -> Self:
        key = rsa_key(kid, bits)
        public = key.public_key().public_numbers()
        jwk = {"kty": "RSA", "use": "sig", "kid": kid, "n": number(public.n), "e": number(public.e)}
        return cls(kid, "RS256", jwk, lambda raw: key.sign(raw, padding.PKCS1v15(), SHA256()))

    @classmethod
    def ps256(cls, kid: str = "rsa-1") -> Self:
        key = rsa_key(kid)
        pss = padding.PSS(padding.MGF1(SHA256()), 32)
        return cls(kid, "PS256", cls.rs256(kid).jwk, lambda raw: key.sign(raw, pss, SHA256()))

    @classmethod
    def es256(cls, kid: str = "ec-1") -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_numbers()
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "kid": kid,
            "alg": "ES256",
            "x": number(public.x, 32),
            "y": number(public.y, 32),
        }

        def sign(raw: bytes) -> bytes:
            r, s = decode_dss_signature(key.sign(raw, ec.ECDSA(SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        return cls(kid, "ES256", jwk, sign)

    @classmethod
    def ed25519(cls, kid: str = "ed-1", algorithm: str = "EdDSA") -> Self:
        key = ed25519.Ed25519PrivateKey.generate()
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(key.public_key().public_bytes_raw())}
        return cls(kid, algorithm, jwk, key.sign)


@dataclass
class Oidc:
    """The provider. `mood`: `answer`, `hang up`, `silent`, `garbage`, `redirect` or `huge`; or a status such as `503`.

    `keys` is what it publishes, beside `others` as they are. Where `gate` is not set, requests wait for it.
    """

    keys: list[Signer] = field(default_factory=lambda: [Signer.rs256()])
    others: list[Any] = field(default_factory=list)
    mood: str = "answer"
    discovery: dict[str, Any] = field(default_factory=dict)  # in place of what it would say
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    base: str = ""
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def issuer(self) -> str:
        """What it says as `iss`."""
        return f"{self.base}/realm"

    @property
    def fetched(self) -> int:
        """How often its keys were asked for."""
        return self.asked.count(KEYS)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token; None takes one away."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "passerelle", "sub": "alice", "iat": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(
        self, header: Mapping[str, Any] | None = None, *, signer: Signer | None = None, **claims: Any
    ) -> bytes:
        """A token that it signed, with these changes."""
        key = signer or self.keys[0]
        whole = {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt", **(header or {})}
        whole = {name: value for name, value in whole.items() if value is not None}
        return compact(whole, self.claims(**claims), key.sign)

    async def __aenter__(self) -> Self:
        self.gate.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            await self.gate.wait()
            if self.mood == "silent":
                await reader.read()  # until the other side gives up
            elif self.mood != "hang up":
                writer.write(self._answer(path))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has gone
        finally:
            writer.close()

    def _answer(self, path: str) -> bytes:
        status, headers, body = 200, "", json.dumps(self._document(path)).encode()
        if self.mood == "garbage":
            body = b"<html>Maintenance</html>"
        elif self.mood == "huge":
            body = b'{"keys": [' + b" " * 300_000 + b"]}"
        elif self.mood == "redirect":
            status, headers = 302, f"Location: {self.base}/elsewhere\r\n"
        elif self.mood != "answer":
            status = int(self.mood)
        head = f"HTTP/1.1 {status} Said\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _document(self, path: str) -> dict[str, Any]:
        if path == DISCOVERY:
            return {"issuer": self.issuer, "jwks_uri": f"{self.base}{KEYS}", **self.discovery}
        return {"keys": [*(key.jwk for key in self.keys), *self.others]}
