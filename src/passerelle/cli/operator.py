"""How verbs give orders: to the running service through its control socket, or in process when nothing runs.

Either way the order is a request to the same application.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import orjson

from passerelle.domain.errors import CannotRun
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.build import build_app
from passerelle.parts import open_parts
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder, connect_to

_SECONDS = 300.0  # a year of entries takes a while to be summed


def order(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The JSON of the reply to one request with the operator's authority.

    Raises CannotRun with the service's own words.
    """
    reply = fetch(settings, method, path, body)
    return orjson.loads(reply) if reply else None


def fetch(settings: Settings, method: str, path: str, body: Any = None) -> bytes:
    """The reply as it came. Raises CannotRun with the service's own words."""
    socket_path = DataFolder(settings.data).control_socket
    raw = orjson.dumps(body) if body is not None else b""
    connection = _Connection(socket_path)
    try:
        connection.connect()
    except OSError:  # nothing runs
        status, reply = asyncio.run(_in_process(settings, method, path, raw))
    else:
        status, reply = _through_socket(connection, method, path, raw)
    if status >= 400:
        document = orjson.loads(reply) if reply else None
        said = (
            document["error"]["message"]
            if isinstance(document, dict) and "error" in document
            else f"status {status}"
        )
        raise CannotRun(said)
    return reply


class _Connection(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("control", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock: socket.socket = connect_to(self._path, timeout=_SECONDS)


def _through_socket(connection: _Connection, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    try:
        connection.request(method, path, body=body or None, headers={"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        # Not asked again: what books money may have been done already.
        raise CannotRun(
            "The running service broke off before it had answered.",
            "See whether the order was carried out before you give it again.",
        ) from error
    finally:
        connection.close()


async def _in_process(settings: Settings, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Take the folder's lock and ask the application here."""
    async with open_parts(settings) as parts:
        app = build_app(parts.services)
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        route, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": route,
            "raw_path": route.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"content-type", b"application/json"), (b"host", b"control")],
            "client": None,
            "server": ("control", None),
            OPERATOR_SCOPE: True,
        }
        await app(scope, receive, send)
    reply = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], reply
