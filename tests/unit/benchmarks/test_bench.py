"""The test bench counts what happened: every request, every event, every error; and it leaves nothing running."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import payloads, processes
from benchmarks.gateways import NotStarted, ask_once, free_port, started, upstream
from benchmarks.targets import Launch
from benchmarks.tools import Tools, tools
from benchmarks.workload import CASES, Case, Generator

_EVENTS = 5
_PACE_US = "2000"
_SMALL = CASES["small-32"]
_STREAM = CASES["stream"]


@pytest.fixture(scope="module", params=["c", "python"])
def made(request: pytest.FixtureRequest) -> Tools:
    if request.param == "c" and not shutil.which("cc"):
        pytest.skip("no C compiler")
    return tools(native=request.param == "c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    payloads.write_all(tmp_path / "payloads", events=_EVENTS, warm_events=2)
    return tmp_path / "payloads"


@pytest.fixture
def port(made: Tools, folder: Path) -> Iterator[int]:
    with upstream((*made.upstream, str(folder), _PACE_US), core=None) as engine:
        yield engine.port


@pytest.mark.parametrize("case", [CASES["small-1"], _SMALL, CASES["text-1mb"]], ids=lambda case: case.name)
def test_every_answer_of_a_closed_loop_is_counted(made: Tools, folder: Path, port: int, case: Case) -> None:
    generator = Generator(command=made.load, payload_folder=folder, key="k")

    load = generator.run(case, port=port, clients=case.clients, seconds=0.2)

    assert load.errors == 0, load.first_error
    assert load.work == load.whole >= case.clients
    assert load.first_us["p50"] is not None


@pytest.mark.parametrize(("warming", "events"), [(False, _EVENTS), (True, 2)])
def test_every_event_of_every_stream_is_counted(
    made: Tools, folder: Path, port: int, *, warming: bool, events: int
) -> None:
    generator = Generator(command=made.load, payload_folder=folder, key="k")

    load = generator.run(_STREAM, port=port, clients=7, seconds=0.2, warming=warming)

    assert load.errors == 0, load.first_error
    assert (load.whole, load.work) == (7, 7 * events)
    assert load.chunk_us["max"] is not None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 500 Oh no\r\nContent-Length: 4\r\n\r\noops", "status"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nelse", "body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nhalf", "closed"),
    ],
)
async def test_a_wrong_answer_is_an_error_and_no_work(
    made: Tools, folder: Path, answer: bytes, fault: str
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    generator = Generator(command=made.load, payload_folder=folder, key="k")
    async with server:
        port = server.sockets[0].getsockname()[1]
        load = await asyncio.to_thread(generator.run, CASES["small-1"], port=port, clients=1, seconds=0.1)

    assert load.work == 0
    assert load.faults.get(fault, 0) > 0, load.faults
    assert load.first_error.startswith(fault)


def test_a_started_target_answers_and_is_gone_afterwards(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    home = tmp_path / "home"
    home.mkdir()
    command = (
        sys.executable,
        "-m",
        "benchmarks.static_upstream",
        str(folder),
        _PACE_US,
        str(port),
        str(home),
    )
    body = (folder / "small.json").read_bytes()

    with started(
        Launch(argv=command), folder=home, port=port, key="k", body=body, core=None, timeout_s=30
    ) as running:
        assert ask_once(port=port, key="k", body=body) == 200
        assert running.start_s > 0

    assert running.left_behind == []
    assert processes.mentioning(str(home)) == []


def test_a_target_that_does_not_start_says_why(folder: Path, tmp_path: Path) -> None:
    launch = Launch(argv=(sys.executable, "-c", "raise SystemExit('no such option')"))

    with (
        pytest.raises(NotStarted, match=r"exit code 1.*no such option"),
        started(launch, folder=tmp_path, port=free_port(), key="k", body=b"{}", core=None, timeout_s=30),
    ):
        pass
