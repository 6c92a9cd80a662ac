"""How the owner of the shards is found, and started where there is none; a failure is told at once, and remembered.

Whoever starts one hears from it through a pipe: that it listens, why it cannot, or, when the pipe ends without a word,
that it has died. After a failure nobody tries again for some seconds, so that each caller has an answer and the machine
its peace.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from passerelle.retrieval.names import GATE, HELD, LOG, READY, SOCKET
from passerelle.retrieval.store import Unreachable
from passerelle.stores.folder import connect_to
from passerelle.stores.locks import take

PAUSE_SECONDS = 5.0
_START_SECONDS = 15.0
_CONNECT_SECONDS = 1.0
_POLL_SECONDS = 0.01
_LONGEST_LOG = 1_048_576
_LONGEST_WORD = 300  # bytes of what an owner says of its failure
_HELD = (
    "The folder of the passages is in use by another machine or container, whose owner of them cannot be reached from "
    "here. Let only one use it, or set QDRANT_URL."
)


class Summons:
    """Connections to the owner of one folder."""

    def __init__(self, folder: Path, *, most_open: int) -> None:
        self._folder, self._most_open = folder, most_open
        self._until, self._why = 0.0, ""  # when one may be started again, and why not before

    def connect(self) -> Any:
        """A connected socket; an owner is started if there is none. Blocks. Raises Unreachable."""
        if (there := self._connected()) is not None:
            return there
        if (rest := self._until - time.monotonic()) > 0:
            raise Unreachable(self._why, retry_after=rest)
        try:
            return self._summoned()
        except OSError as error:
            said = (error.strerror or "error").lower()
            self._fail(f"The folder of the passages cannot be used: {said}.")
        except Unreachable as error:
            self._fail(error.message)

    def _fail(self, why: str) -> Any:
        self._until, self._why = time.monotonic() + PAUSE_SECONDS, why
        raise Unreachable(why, retry_after=PAUSE_SECONDS) from None

    def _connected(self) -> Any:
        with contextlib.suppress(OSError):
            return connect_to(self._folder / SOCKET, timeout=_CONNECT_SECONDS)
        return None

    def _summoned(self) -> Any:
        """Behind a gate: somebody else may have started one meanwhile. Raises OSError, Unreachable."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        gate = take(self._folder / GATE, exclusive=True, seconds=_START_SECONDS)
        try:
            if (there := self._connected()) is not None:
                return there
            word = self._launch()
            deadline = time.monotonic() + _CONNECT_SECONDS
            while time.monotonic() < deadline:
                if (there := self._connected()) is not None:
                    return there
                time.sleep(_POLL_SECONDS)
        finally:
            os.close(gate)
        if word == HELD:
            raise Unreachable(_HELD)
        raise Unreachable(f"The owner of the passages ends at once; {self._folder / LOG} says why.")

    def _launch(self) -> str:
        """Start an owner, which leaves its parent at once, and wait for its word. Raises OSError, Unreachable.

        It is given nothing of our environment: that holds secrets.
        """
        log = os.open(self._folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        hears, tells = os.pipe()
        try:
            if os.fstat(log).st_size > _LONGEST_LOG:
                os.ftruncate(log, 0)
            subprocess.run(
                [
                    sys.executable, "-m", "passerelle.retrieval.owner", str(self._folder), str(self._most_open),
                    str(tells),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={
                    "PATH": os.defpath,
                    "LC_ALL": "C.UTF-8",
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                pass_fds=(tells,),
                check=False,
                timeout=_START_SECONDS,
            )  # fmt: skip
            os.close(tells)
            tells = -1
            return self._heard(hears)
        except subprocess.TimeoutExpired:
            raise Unreachable("The owner of the passages does not start.") from None
        finally:
            os.close(log)
            os.close(hears)
            if tells >= 0:
                os.close(tells)

    def _heard(self, hears: int) -> str:
        """That the owner listens, or that another one has the folder. Raises Unreachable."""
        if not select.select([hears], [], [], _START_SECONDS)[0]:
            raise Unreachable("The owner of the passages does not start in time.")
        word = os.read(hears, _LONGEST_WORD).decode(errors="replace")
        if word in (READY, HELD):
            return word
        why = f": {word}" if word else f"; {self._folder / LOG} says why"
        raise Unreachable(f"The owner of the passages cannot start{why}.")
