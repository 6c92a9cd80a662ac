"""Who is calling: exactly one credential, read the same way on every route."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, Unauthenticated

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}")
_PATIENCE = frozenset({b"x-stainless-read-timeout", b"x-stainless-timeout"})
_SECONDS = re.compile(rb"[0-9]{1,6}(\.[0-9]{1,6})?")
_RETURNS = re.compile(rb"[0-9]{1,3}")
_LONGEST_KEY, _LONGEST_TOKEN = 512, 8192  # bytes

OPERATOR = Caller(key_id="operator", tenant=None, role=Role.ADMIN, name="control socket")


class Keys(Protocol):
    """Finds the caller behind a secret."""

    def find(self, secret: bytes) -> Caller | None:
        """The caller, if the key is known in this process."""
        ...

    async def resolve(self, secret: bytes) -> Caller | None:
        """The caller, asking the key store or the token's issuer when needed.

        Raises KeysUnavailable, and Unauthenticated where more can be said than that nobody is found.
        """
        ...

    def alive(self, caller: Caller) -> bool:
        """Would the credential that this caller came with still be taken? Asks nobody."""
        ...


@dataclass(slots=True)
class Head:
    """The request headers the gateway looks at."""

    request_id: str
    bearer: bytes | None = None
    api_key: bytes | None = None
    doubled: bool = False  # a credential header that came twice
    content_type: bytes | None = None
    content_encoding: bytes | None = None
    length: int | None = None
    patience: float | None = None  # seconds the client waits for an answer, as OpenAI's SDKs say
    returns: int = 0  # how often the client has sent this request before, as OpenAI's SDKs say
    cache_control: bytes | None = None  # as it came; several lines joined as RFC 9110 (5.3) says


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """What the gateway wants to know of the headers, in one pass. Never raises."""
    head = Head("")
    request_id = None
    for name, value in headers:
        if name == b"authorization":
            head.doubled |= head.bearer is not None
            head.bearer = value
        elif name == b"x-api-key":
            head.doubled |= head.api_key is not None
            head.api_key = value
        elif name == b"x-request-id":
            request_id = value
        elif name == b"content-type":
            head.content_type = value
        elif name == b"content-length":
            head.length = int(value) if value.isdigit() and len(value) < 16 else None
        elif name in _PATIENCE:
            head.patience = float(value) if _SECONDS.fullmatch(value) else None
        elif name == b"content-encoding":
            head.content_encoding = value
        elif name == b"x-stainless-retry-count":
            head.returns = int(value) if _RETURNS.fullmatch(value) else 0
        elif name == b"cache-control":
            head.cache_control = (
                value if head.cache_control is None else b"%b,%b" % (head.cache_control, value)
            )
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        head.request_id = request_id.decode("ascii")
    else:
        head.request_id = "req_" + os.urandom(12).hex()
    return head


def secret_of(head: Head) -> bytes:
    """The one secret that came with a request. Raises BadRequest or Unauthenticated."""
    if head.doubled or (head.bearer is not None and head.api_key is not None):
        raise BadRequest(
            "The request carries more than one credential; send Authorization or X-API-Key, once.",
            code="several_credentials",
        )
    secret = head.api_key
    if head.bearer is not None:
        scheme, _, secret = head.bearer.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthenticated("The Authorization header must be `Bearer` and a key.")
    if not secret:
        raise Unauthenticated(
            "The request carries no key; send it as `Authorization: Bearer` or `X-API-Key`.",
            code="missing_api_key",
        )
    return secret.strip()


async def authenticate(head: Head, keys: Keys) -> Caller:
    """The caller of a request. Raises BadRequest, Unauthenticated or Unavailable."""
    secret = secret_of(head)
    caller = None
    if len(secret) <= _LONGEST_KEY or (len(secret) <= _LONGEST_TOKEN and secret.count(b".") == 2):
        caller = keys.find(secret) or await keys.resolve(secret)
    if caller is None:
        raise Unauthenticated("The key is not valid: it is unknown, expired or revoked.")
    return caller
