"""How verbs give orders: to the running service through its control socket, or in process when nothing runs.

Either way an order is a request to the same application.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from passerelle.cli.operator_replies import JSON, Asking
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder, connect_to

_SECONDS = 300.0  # a year of entries takes a while to be summed
_READ = 65_536  # bytes


class Operator(Protocol):
    """The application, asked with the operator's authority. Everything raises CannotRun in the service's own words.

    `body` is sent as JSON, or, with a `kind`, as the bytes that it is.
    """

    def fetch(self, method: str, path: str, body: Any = None, *, kind: str = JSON) -> bytes:
        """The reply as it came."""

    def parts(self, method: str, path: str, body: Any = None, *, kind: str = JSON) -> Iterator[bytes]:
        """The same piece by piece as it comes, for one that may be long."""

    def order(self, method: str, path: str, body: Any = None, *, kind: str = JSON) -> Any:
        """The JSON of the reply; None for one without a body."""

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[tuple[str, Any]]:
        """The events of a reply as they come: name, and what it says. An event `error` is raised."""

    def work(self) -> None:
        """Have jobs worked on here for as long as this lasts, where no service runs that does it."""


def order(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The JSON of the reply to one request with the operator's authority.

    Raises CannotRun with the service's own words.
    """
    with operating(settings) as operator:
        return operator.order(method, path, body)


def fetch(settings: Settings, method: str, path: str, body: Any = None) -> bytes:
    """The reply as it came. Raises CannotRun with the service's own words."""
    with operating(settings) as operator:
        return operator.fetch(method, path, body)


@contextmanager
def operating(settings: Settings) -> Generator[Operator, None, None]:
    """The running service, or, where nothing runs, the application in this process until the block ends."""
    socket_path = DataFolder(settings.data).control_socket
    try:
        line = connect_to(socket_path, timeout=_SECONDS)
    except OSError:  # nothing runs
        pass
    else:
        with closing(line):
            yield _There(socket_path, line)
        return
    # All of the service, which takes a second to load.
    from passerelle.cli.operator_here import operating_here  # noqa: PLC0415

    with operating_here(settings) as here:
        yield here


class _Connection(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("control", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock: socket.socket = connect_to(self._path, timeout=_SECONDS)


class _There(Asking):
    """The running service."""

    def __init__(self, path: Path, line: socket.socket) -> None:
        """`line` leads there already, for the first order."""
        self._path = path
        self._line: socket.socket | None = line

    def work(self) -> None:
        """It does."""

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> Iterator[int | bytes]:
        connection = _Connection(self._path)
        try:
            if self._line is not None:
                connection.sock, self._line = self._line, None
            connection.request(method, path, body=body or None, headers={"content-type": kind})
            response = connection.getresponse()
            yield response.status
            while read := response.read1(_READ):
                yield read
            if response.length:  # of a reply that said how long it is
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            # Not asked again: what books money may have been done already.
            raise CannotRun(
                "The running service broke off before it had answered.",
                "See whether the order was carried out before you give it again.",
            ) from error
        finally:
            connection.close()
