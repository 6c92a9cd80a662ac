"""`passerelle jobs` on documents that are being read: followed for as long as it takes, with a bar or without, paused,
gone on with, cancelled, tried again and deleted."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import pytest

from tests.chaos.documents import House, around, house
from tests.chaos.program import stage, until
from tests.e2e.service import command, environment
from tests.fakes.script import Status, Wait

_DOCUMENTS = 6
_TRUST = 11.0  # seconds; after ten it is asked whether a stream's caller may read on


@dataclass
class Lab:
    """A service whose embedding engine holds every call until the gate is opened."""

    house: House
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self) -> None:
        self.house.around.stage.run(self._set(open_=False))

    def release(self) -> None:
        self.house.around.stage.run(self._set(open_=True))

    async def _set(self, *, open_: bool) -> None:
        vectors = self.house.around.vectors
        if open_:
            vectors.always()
            self.gate.set()
        else:
            self.gate.clear()
            vectors.always(Wait(self.gate))

    def jobs(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.house.service.order("jobs", *words, "--tenant", "acme")

    def card(self, verb: str, job: str, *more: str) -> dict[str, object]:
        done = self.jobs(verb, job, *more, "--json")
        assert done.returncode == 0, done.stderr
        card: dict[str, object] = orjson.loads(done.stdout)
        return card

    def following(self, job: str, *more: str, terminal: bool = False) -> Follower:
        service = self.house.service
        line = command("jobs", "follow", job, "--tenant", "acme", *more)
        return Follower(
            [*line, "--config", str(service.config), "--data", str(service.data)], terminal=terminal
        )


class Follower:
    """`passerelle jobs follow` in a process, on a terminal or with its output in a pipe."""

    def __init__(self, line: list[str], *, terminal: bool) -> None:
        self._terminal, other = pty.openpty() if terminal else (-1, subprocess.PIPE)
        self.process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=other, env=environment()
        )
        if terminal:
            os.close(other)

    def end(self) -> tuple[int, str, str]:
        """Its exit status, and what it printed."""
        out, err = self.process.communicate(timeout=60)
        if self._terminal < 0:
            return self.process.returncode, out.decode(), err.decode()
        said = b""
        try:
            while block := os.read(self._terminal, 65_536):
                said += block
        except OSError:  # a terminal whose other end is closed says so
            pass
        os.close(self._terminal)
        return self.process.returncode, out.decode(), said.decode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres: object) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("rag-jobs")
    address = postgres.make()  # type: ignore[attr-defined]
    with stage() as own, around(own) as among:
        config = among.configuration({"acme": {}}, timeouts={"first_content": "90s"})
        with house(among, folder / "h", config, DATABASE_URL=address, PASSERELLE_JOB_CONCURRENCY="2") as made:
            made.serve()
            yield Lab(made)


def test_a_job_is_followed_for_as_long_as_it_takes_paused_and_gone_on_with(lab: Lab) -> None:
    lab.hold()
    (job,) = lab.house.hand_in("acme", range(_DOCUMENTS))
    began = time.monotonic()
    piped, shown, lines = lab.following(job), lab.following(job, terminal=True), lab.following(job, "--json")
    until(lambda: lab.house.around.vectors.working == 2, "two documents are being embedded")
    assert lab.card("pause", job)["state"] == "paused"
    while time.monotonic() - began < _TRUST + 3:  # nobody's key has ended: nobody may be cut off
        assert [each.process.poll() for each in (piped, shown, lines)] == [None] * 3
        time.sleep(0.2)
    lab.release()
    until(lambda: lab.house.done("acme", [job]) == 2, "what ran is finished")
    assert lab.house.job("acme", job)["state"] == "paused"
    assert lab.card("resume", job)["state"] in {"running", "done"}

    status, out, err = piped.end()
    assert (status, out) == (0, f"{job}: done\n")
    assert "\r" not in err
    assert f"{_DOCUMENTS}/{_DOCUMENTS}" in err
    status, out, err = shown.end()
    assert (status, out) == (0, f"{job}: done\n")
    assert "\r" in err
    assert f"[{'#' * 30}]" in err or "#" * 30 in err
    assert "paused" in err
    status, out, _ = lines.end()
    events = [orjson.loads(line)["event"] for line in out.splitlines()]
    assert status == 0
    assert (events[0], events[-1], events.count("item-done")) == ("created", "finished", _DOCUMENTS)
    assert lab.house.states("acme") == {"ready": _DOCUMENTS}


def test_a_job_is_cancelled_and_deleted_and_its_documents_are_read_by_another(lab: Lab) -> None:
    lab.hold()
    numbers = range(100, 100 + _DOCUMENTS)
    (job,) = lab.house.hand_in("acme", numbers)
    follower = lab.following(job)
    until(lambda: lab.house.around.vectors.working == 2, "two documents are being embedded")
    refused = lab.jobs("delete", job)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert lab.card("cancel", job)["state"] in {"cancelling", "cancelled"}
    status, out, _ = follower.end()
    assert (status, out) == (1, f"{job}: cancelled\n")
    lab.release()
    assert lab.jobs("delete", job).returncode == 0
    assert lab.jobs("show", job).returncode == 2
    assert lab.house.lost("acme", range(_DOCUMENTS)) == []

    (again,) = lab.house.hand_in("acme", numbers)
    assert lab.following(again).end()[0] == 0
    assert lab.house.lost("acme", numbers) == []


def test_failed_documents_are_tried_again(lab: Lab) -> None:
    lab.house.around.vectors.always(
        Status(400, {"error": {"message": "too strange", "type": "invalid_request_error"}})
    )
    numbers = range(200, 200 + _DOCUMENTS)
    (job,) = lab.house.hand_in("acme", numbers)
    status, out, err = lab.following(job).end()
    assert (status, out) == (1, f"{job}: failed\n"), err
    assert lab.house.states("acme")["failed"] == _DOCUMENTS
    lab.release()
    retried = lab.card("retry", job)
    assert retried["state"] in {"queued", "running", "done"}
    assert lab.following(job).end()[0] == 0
    assert lab.house.lost("acme", numbers) == []
    assert lab.house.states("acme")["failed"] == 0
