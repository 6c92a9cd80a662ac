"""Calls from pages in browsers (the WHATWG Fetch standard, section 3.3): off unless origins are configured.

Only `/v1/` is ever shown to a page. Credentials are never allowed: a key travels in a header that the page itself
sets, and a browser's cookies are none of ours. No answer names `*`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Headers = list[tuple[bytes, bytes]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PREFIX = "/v1/"
_METHODS = b"GET, POST, DELETE"
_ASKED = frozenset(
    {
        b"authorization",
        b"content-type",
        b"x-api-key",
        b"idempotency-key",
        b"x-request-id",
        b"openai-organization",
        b"openai-project",
        b"openai-beta",
    }
)
_SDK = b"x-stainless-"  # what OpenAI's SDKs tell of themselves
_AGE = b"600"  # seconds that a browser remembers a preflight
_LIMITS = [f"{word}-{of}" for word in ("limit", "remaining", "reset") for of in ("requests", "tokens")]
_FACTS = (
    "backend provider model cache attempts country cost overhead-ms queue-ms degraded ignored error-source"
)
_SHOWN = ", ".join(
    [
        *("x-request-id", "retry-after", "retry-after-ms", "x-should-retry"),
        *(f"x-ratelimit-{name}" for name in _LIMITS),
        *(f"x-passerelle-{name}" for name in _FACTS.split()),
    ]
).encode("ascii")
_VARY = (b"vary", b"origin")


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The one origin a request names, None when there is none or several."""
    found = [value for name, value in headers if name == b"origin"]
    return found[0].decode("latin-1").lower() if len(found) == 1 else None


def preflight(
    method: str, path: str, *, headers: Iterable[tuple[bytes, bytes]], origins: frozenset[str]
) -> Headers | None:
    """The headers of the answer to a preflight from a page that may call, None for every other request."""
    if method != "OPTIONS" or not path.startswith(_PREFIX):
        return None
    given = list(headers)
    origin = origin_of(given)
    named = {name: value for name, value in given if name.startswith(b"access-control-request-")}
    if origin is None or origin not in origins or b"access-control-request-method" not in named:
        return None
    wanted = {
        name.strip().lower()
        for name in named.get(b"access-control-request-headers", b"").split(b",")
        if name.strip()
    }
    sdk = {name for name in wanted if name.startswith(_SDK) and name.replace(b"-", b"").isalnum()}
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", b", ".join(sorted(_ASKED | sdk))),
        (b"access-control-max-age", _AGE),
        (b"vary", b"origin, access-control-request-method, access-control-request-headers"),
    ]


def shown(send: _Send, path: str, *, origin: str | None, origins: frozenset[str]) -> _Send:
    """A `send` that shows an answer to the page that asked, if it may call."""
    if not path.startswith(_PREFIX):
        return send
    extra: Headers = [_VARY]
    if origin is not None and origin in origins:
        extra += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _SHOWN),
        ]

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return sent
