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

_SECONDS = 30.0


def order(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The reply to one request with the operator's authority. Raises CannotRun with the service's own words."""
    socket_path = DataFolder(settings.data).control_socket
    raw = orjson.dumps(body) if body is not None else b""
    try:
        status, reply = _through_socket(socket_path, method, path, raw)
    except OSError:
        status, reply = asyncio.run(_in_process(settings, method, path, raw))
    document = orjson.loads(reply) if reply else None
    if status >= 400:
        said = (
            document["error"]["message"]
            if isinstance(document, dict) and "error" in document
            else f"status {status}"
        )
        raise CannotRun(said)
    return document


class _Connection(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("control", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock: socket.socket = connect_to(self._path, timeout=_SECONDS)


def _through_socket(socket_path: Path, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = _Connection(socket_path)
    try:
        connection.request(method, path, body=body or None, headers={"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
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
