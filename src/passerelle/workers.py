"""The parent of several processes that share one port: starts them, replaces those that die, ends after the last.

It binds once and hands the sockets on, so that a connection waits in one queue for whichever worker is free, and
none is lost with a worker that had not taken it yet. Workers are interpreters of their own in sessions of their own:
a key pressed in a terminal reaches them through this process alone, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from time import monotonic

import structlog

from passerelle.configured import load_catalog
from passerelle.domain.errors import CannotRun
from passerelle.serving import Inherited, listen, listen_privately
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder

_log = structlog.get_logger(__name__)

_YOUNG_SECONDS = 30.0  # a worker that lived longer is replaced at once
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_CLOSING_SECONDS = 30.0  # after its drain a worker may write down what the database is slow to take


def check(settings: Settings) -> None:
    """Raises CannotRun where several processes could not work together."""
    missing = [
        name
        for name, given in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url))
        if given is None
    ]
    if missing:
        raise CannotRun(
            f"Several workers need {' and '.join(missing)}: they share one ledger and one count of every limit.",
            f"Set {' and '.join(missing)}, or run one worker.",
        )


async def run(settings: Settings, arguments: Sequence[str], *, started: Callable[[int], None]) -> int:
    """Serve by `settings.workers` processes until told to stop; the exit status.

    `arguments` are a worker's command line without its handles; `started` hears the port once all answer.
    Raises CannotRun when it cannot begin.
    """
    check(settings)
    with listen(settings.host, settings.port) as public:
        load_catalog(settings)
        folder = DataFolder(settings.data)
        folder.open()
        folder.lock()
        try:
            with listen_privately(folder.control_socket) as control:
                workers = Workers(settings, arguments, public=public, control=control)
                return await workers.run(started)
        finally:
            folder.close()


class Worker:
    """One child: a process, and our end of what connects us."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.process = process
        self.ready = False
        self._line = line

    async def becomes_ready(self) -> bool:
        """Wait until it answers; False when it ended before that."""
        with contextlib.suppress(OSError):
            self.ready = bool(await asyncio.get_running_loop().sock_recv(self._line, 1))
        return self.ready

    async def end(self) -> int:
        """Its exit status, once it has ended."""
        try:
            return await self.process.wait()
        finally:
            self._line.close()

    def send(self, number: int) -> None:
        """Send it a signal. One that does not listen to signals yet has nothing to drain: it ends."""
        if not self.ready:
            number = signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Workers:
    """Keeps so many workers up until told to stop."""

    def __init__(
        self, settings: Settings, arguments: Sequence[str], *, public: socket.socket, control: socket.socket
    ) -> None:
        self._settings = settings
        self._arguments = arguments
        self._public = public
        self._control = control
        self._workers: dict[int, Worker] = {}
        self._stop = asyncio.Event()
        self._status = 0

    async def run(self, started: Callable[[int], None]) -> int:
        """The exit status: 0 when every worker has drained."""
        loop = asyncio.get_running_loop()
        port = self._public.getsockname()[1]
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        count = self._settings.workers
        answering = [asyncio.Event() for _ in range(count)]
        keeping = [asyncio.ensure_future(self._keep(index, event)) for index, event in enumerate(answering)]
        telling = asyncio.ensure_future(_when_all(answering, lambda: started(port)))
        killing = asyncio.ensure_future(self._kill_late())
        try:
            await asyncio.gather(*keeping)
        finally:
            telling.cancel()
            killing.cancel()
        return self._status

    async def _keep(self, index: int, answering: asyncio.Event) -> None:
        """One worker after another, until told to stop."""
        pause = _SHORTEST_PAUSE
        while not self._stop.is_set():
            began = monotonic()
            worker = await self._start(index)
            if await worker.becomes_ready():
                answering.set()
            status = await worker.end()
            del self._workers[index]
            if self._stop.is_set():
                self._status = self._status or _status_of(status, ready=worker.ready)
                return
            if not answering.is_set():
                # It has said why; no other start would mend it, and half a service is none.
                self._status = status if status > 0 else 1
                self._ask(signal.SIGTERM)
                return
            if monotonic() - began > _YOUNG_SECONDS:
                pause = _SHORTEST_PAUSE
            _log.error("worker_died", worker=index, pid=worker.process.pid, status=status, again_in=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _start(self, index: int) -> Worker:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with theirs:
            inherited = Inherited(self._public, self._control, theirs)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a folder that is called like a package of ours is none
                "-m",
                "passerelle",
                *self._arguments,
                "--workers",
                str(self._settings.workers),
                "--worker",
                str(index),
                "--inherited",
                inherited.numbers,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=inherited.handles,
                start_new_session=True,
            )
        worker = self._workers[index] = Worker(process, ours)
        _log.info("worker_started", worker=index, pid=process.pid)
        if self._stop.is_set():
            worker.send(signal.SIGTERM)
        return worker

    def _ask(self, number: int) -> None:
        """Have all stop; the second time, at once."""
        self._stop.set()
        for worker in self._workers.values():
            worker.send(number)
        # The last worker to leave is the last to listen.
        self._public.close()

    def _reload(self) -> None:
        for worker in self._workers.values():
            if worker.ready:
                worker.send(signal.SIGHUP)

    async def _kill_late(self) -> None:
        """End what has passed its budget and all patience: it holds up whoever waits for this process."""
        await self._stop.wait()
        await asyncio.sleep(self._settings.drain_seconds + _CLOSING_SECONDS)
        for index, worker in self._workers.items():
            _log.error("worker_killed", worker=index, pid=worker.process.pid)
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()


async def _when_all(events: Sequence[asyncio.Event], told: Callable[[], None]) -> None:
    for event in events:
        await event.wait()
    told()


def _status_of(status: int, *, ready: bool) -> int:
    """What a worker that was told to stop makes of our own status: one that had nothing to drain may just end."""
    return 0 if status == 0 or (not ready and status == -signal.SIGTERM) else 1
