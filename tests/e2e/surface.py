"""One request of any method to a running service, and what came of it."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Asked:
    """A reply."""

    status: int
    body: bytes

    @property
    def code(self) -> str | None:
        """The code of the error it tells of."""
        if self.status < 400 or not self.body:
            return None
        code: str | None = orjson.loads(self.body)["error"]["code"]
        return code


def ask(url: str, method: str, path: str, *, key: str | None = None, body: object = None) -> Asked:
    """Send one request on a connection of its own."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    headers = {"content-type": "application/json"} if body is not None else {}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    try:
        connection.request(method, path, orjson.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        return Asked(reply.status, reply.read())
    finally:
        connection.close()
