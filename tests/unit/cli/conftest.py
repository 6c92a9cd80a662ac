"""The command line in this process: what it prints and the status it ends with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import structlog

from passerelle.cli import main
from tests.e2e.service import environment


@dataclass(frozen=True, slots=True)
class Done:
    """How a verb ended."""

    status: int
    out: str
    err: str


Verb = Callable[..., Done]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Verb]:
    """Run a verb as the program would, with nothing of Passerelle in the environment."""
    import os

    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    def call(*words: str) -> Done:
        monkeypatch.setattr("sys.argv", ["passerelle", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        told = capsys.readouterr()
        return Done(status, told.out, told.err)

    yield call
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
