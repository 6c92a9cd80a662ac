"""The service as a victim: started on one folder again and again, killed in parts or whole, by process id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from tests.e2e.service import Service, of_folder, started
from tests.embedded import lives, server_id, supervisor_id

_SECONDS = 30.0


async def until(condition: Callable[[], object], what: str, within: float = _SECONDS) -> None:
    """Wait for a condition; fails when it does not come true."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"it did not happen: {what}"
        await asyncio.sleep(0.02)


class Victim:
    """`passerelle serve` on a data folder with a PostgreSQL of its own."""

    def __init__(self, config: Path, data: Path, *, extra: dict[str, str]) -> None:
        self._config, self.data, self._extra = config, data, extra
        self._stack = ExitStack()
        self.service: Service | None = None
        self.output = ""  # of all lives
        self._stopped: int | None = None  # a supervisor that was told to hold still

    async def start(self) -> str:
        """Its address once it answers."""
        self._stack = ExitStack()
        running = started(self._config, self.data, extra=self._extra)
        starting = asyncio.ensure_future(asyncio.to_thread(self._stack.enter_context, running))
        try:
            self.service = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self.service = await starting  # a thread is not cancelled: what it starts is there to be ended
            raise
        return self.service.url

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        assert self.service is not None
        service, self.service = self.service, None
        status = await asyncio.to_thread(service.stop, number)
        self.output += service.output.read_text()
        self._stack.close()
        return status

    async def aclose(self) -> None:
        """Nothing runs any more."""
        self.let_go()
        if self.service is not None:
            await self.end(signal.SIGKILL)
        await until(lambda: not of_folder(self.data), "its processes end")

    async def kill_backend(self, chance: Random) -> None:
        """SIGKILL one of PostgreSQL's processes: the server throws all others out and recovers."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            server = server_id(self.data)
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            os.kill(int(chance.choice(children)), signal.SIGKILL)

    async def kill_server(self) -> None:
        """SIGKILL PostgreSQL's postmaster: its supervisor starts another."""
        if (server := self._server()) is not None:
            _kill(server)

    async def kill_supervisor(self) -> None:
        """SIGKILL the supervisor: the kernel shuts its server down, the service starts both again."""
        with contextlib.suppress(OSError, ValueError):
            if self._server() is not None:
                _kill(supervisor_id(self.data))

    async def hold_down(self) -> None:
        """There is no PostgreSQL until `let_go`: its supervisor holds still, and it is killed."""
        await until(lambda: self._server() is not None, "PostgreSQL runs")
        server = server_id(self.data)
        self._stopped = supervisor_id(self.data)
        os.kill(self._stopped, signal.SIGSTOP)
        _kill(server)
        await until(lambda: not lives(server), "PostgreSQL is gone")

    def let_go(self) -> None:
        """The supervisor goes on."""
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)

    def spooled(self) -> int:
        """Bytes in the spool."""
        sizes = []
        for file in (self.data / "spool").glob("*/*.spool"):
            with contextlib.suppress(FileNotFoundError):
                sizes.append(file.stat().st_size)
        return sum(sizes)

    async def ask(self, path: str, key: str | None = None) -> Any:
        """GET as a tenant, or as the operator through the control socket; JSON, or text."""
        assert self.service is not None
        url, connector = self.service.url, None
        folder = os.open(self.data, os.O_RDONLY)
        try:
            if key is None:
                connector = aiohttp.UnixConnector(path=f"/proc/self/fd/{folder}/control.sock")
            headers = {"authorization": f"Bearer {key}"} if key else {}
            async with aiohttp.ClientSession(connector=connector) as http:
                async with http.get(url + path, headers=headers) as reply:
                    assert reply.status == 200, await reply.text()
                    return await (reply.json() if "json" in reply.content_type else reply.text())
        finally:
            os.close(folder)

    def _server(self) -> int | None:
        """The postmaster, if it lives."""
        try:
            server = server_id(self.data)
            words = Path(f"/proc/{server}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return server if os.fsencode(self.data) in words and lives(server) else None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
