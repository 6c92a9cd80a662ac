"""Signed events to receivers of the operator's, by the Standard Webhooks specification (symmetric signatures, `v1`).

One POST, ten seconds, no redirect; only an answer of 2xx is a delivery. An address may hold a secret as the secret
itself does: neither, nor what was sent or answered, is in what this says of a failure.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from yarl import URL

from passerelle.wire.destinations import origin
from passerelle.wire.errors import retry_after_of
from passerelle.wire.session import Session, open_session

TOLERANCE = timedelta(minutes=5)
LIMIT = 10.0  # seconds for one POST, from the connection to the end of the answer
_CONNECT = 5.0
_LONGEST_ANSWER = 4096  # bytes that are read, and thrown away
_SHORTEST_KEY, _LONGEST_KEY = 24, 512  # bytes
_PREFIX = "whsec_"


class NotGenuine(ValueError):
    """A request that no holder of the secret has signed just now. Its text is safe to tell."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How one POST went: the status of its answer, or a word for why there was none."""

    status: int | None = None
    problem: str | None = None  # `timeout`, `connection`, `tls`, `broken`, `address` or `secret`
    retry_after: float | None = None  # seconds for which the receiver asks to be left alone

    @property
    def delivered(self) -> bool:
        """Has the receiver taken it?"""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Does the receiver want no more of them?"""
        return self.status == 410

    @property
    def said(self) -> str:
        """The status or the word."""
        return self.problem or str(self.status)


class Sender:
    """Posts events. Opened at the first of them, inside the running loop; whoever makes it, closes it."""

    def __init__(self, *, limit: float = LIMIT) -> None:
        self._limit = limit
        self._session: Session | None = None
        self._named: set[str] = set()

    async def send(self, url: str, secret: str, *, event_id: str, body: bytes, now: datetime) -> Sent:
        """Post a JSON body once. Never raises for what a receiver, its address or its secret is like."""
        try:
            headers = sign(secret, event_id=event_id, body=body, now=now)
        except ValueError:
            return Sent(problem="secret")
        try:
            address = URL(url)
        except ValueError:
            return Sent(problem="address")
        if address.scheme not in ("http", "https") or not address.host:
            return Sent(problem="address")
        # Connections are not kept: by the next event the other side would have closed most of them.
        headers |= {"Content-Type": "application/json", "User-Agent": "passerelle", "Connection": "close"}
        if self._session is None:
            self._session = open_session(connect=min(_CONNECT, self._limit), only=self._named)
        self._named.add(origin(url))
        try:
            ends = asyncio.get_running_loop().time() + self._limit
            return await _post(self._session, address, body, headers, ends=ends)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Sent(problem=_word(error))

    async def aclose(self) -> None:
        """Close the connections; posts in flight break off, so the owner waits for them first."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _post(session: Session, url: URL, body: bytes, headers: Mapping[str, str], *, ends: float) -> Sent:
    async with asyncio.timeout_at(ends):
        response = await session.post(url, data=body, headers=headers, allow_redirects=False)
    try:
        left = _LONGEST_ANSWER
        # The status is the answer, whatever becomes of the text after it.
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with asyncio.timeout_at(ends):
                while left > 0 and (part := await response.content.read(left)):
                    left -= len(part)
        return Sent(response.status, retry_after=retry_after_of(response.headers))
    finally:
        response.close()


def _word(error: BaseException) -> str:
    if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch)):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.InvalidURL):
        return "address"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection"
    return "broken"


def keys_of(secret: str) -> list[bytes]:
    """The keys in a secret, separated by white space: while one is replaced, both sign.

    A key is `whsec_` and base64, or any other text, which is taken as it is. Raises ValueError, quoting nothing, for
    none and for a key of less than 24 or more than 512 bytes.
    """
    keys = [_key(part) for part in secret.split()]
    if not keys:
        raise ValueError("the secret of a webhook is empty")
    if not all(_SHORTEST_KEY <= len(key) <= _LONGEST_KEY for key in keys):
        raise ValueError(f"the secret of a webhook has {_SHORTEST_KEY} to {_LONGEST_KEY} bytes")
    return keys


def _key(text: str) -> bytes:
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret of a webhook is not base64 after whsec_") from None


def sign(secret: str, *, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers that belong to a body. Raises ValueError for a secret that is none, or a dot in the id."""
    if not event_id or "." in event_id:
        raise ValueError("the id of an event is not empty and has no dot in it")
    timestamp = str(int(now.timestamp()))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(key, event_id, timestamp, body) for key in keys_of(secret)),
    }


def _signature(key: bytes, event_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
    """For receivers: the id of the event, by which what was handled already is known.

    `body` is what arrived, byte for byte. Raises NotGenuine where a header is missing, its time is more than five
    minutes from `now`, or no signature is right; ValueError for a secret that is none.
    """
    keys = keys_of(secret)
    given = {name.lower(): value for name, value in headers.items()}
    event_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    signatures = given.get("webhook-signature", "").split()
    if not event_id or not timestamp or not signatures:
        raise NotGenuine("a header of the signature is missing")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotGenuine("webhook-timestamp is not a time")
    if abs(int(now.timestamp()) - int(timestamp)) > TOLERANCE.total_seconds():
        raise NotGenuine("webhook-timestamp is more than five minutes away")
    right = [_signature(key, event_id, timestamp, body).encode() for key in keys]
    # Each is compared in the same time, and all of them are.
    if not any([hmac.compare_digest(each.encode(), one) for each in signatures for one in right]):  # noqa: C419
        raise NotGenuine("no signature is right")
    return event_id
