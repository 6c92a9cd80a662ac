"""A service that has nothing but its folder: whatever of it is killed while documents are read, all are found."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.chaos.documents import House, around, house, timed, word
from tests.chaos.program import key_of, stage, until
from tests.e2e.service import of_folder
from tests.embedded import server_id

_DOCUMENTS = 100
_AT_ONCE = 2
_SEEDS = [int(seed) for seed in os.environ.get("PASSERELLE_KILL_SEEDS", "").split(",") if seed] or [7]


def _owner(lab: House) -> int:
    """The process that owns the passages; 0: there is none."""
    found = [pid for pid in of_folder(lab.data) if b"passerelle.retrieval.owner" in _line(pid)]
    return found[0] if found else 0


def _reader(lab: House) -> int:
    """A process that reads a document; 0: there is none now."""
    children = Path(f"/proc/{lab.service.process.pid}/task").glob("*/children")
    for pid in (int(each) for file in children for each in file.read_text().split()):
        if b"passerelle.pipelines.documents" in _line(pid):
            return pid
    return 0


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class _Asker:
    """Asks the documents again and again; what it is told is counted."""

    def __init__(self, lab: House) -> None:
        self._lab, self.told, self._ends = lab, Counter[str](), threading.Event()
        self.longest = 0.0
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        number = 0
        while not self._ends.wait(0.2):
            body = {
                "collection": "dossiers",
                "question": f"Quand est livré {word(0)} ? ({(number := number + 1)})",
            }
            told = self._lab.call("/v1/rag/chat", "acme", body=body)
            cited = told.status != 200 or told.json["citations"] or told.json["refused"]
            self.told[f"{told.status} {told.code or ''}" if cited else "uncited"] += 1
            self.longest = max(self.longest, told.seconds)

    def stop(self) -> Counter[str]:
        self._ends.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "a question has no answer"
        return self.told


@pytest.mark.timeout(300)  # beside three others on two cores
@pytest.mark.parametrize("seed", _SEEDS)
def test_100_documents_survive_whatever_is_killed_of_their_service(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    with stage() as own, around(own) as among:
        own.engine.answer = "Le dossier est livré en deux jours ouvrés. [1]"
        given = {"PASSERELLE_JOB_CONCURRENCY": str(_AT_ONCE)}
        with house(among, tmp_path / "h", among.configuration({"acme": {}}), **given) as lab:
            lab.serve()
            jobs = lab.hand_in("acme", range(_DOCUMENTS))
            deeds = [_kill_owner, _kill_reader, _kill_postgres]
            chance.shuffle(deeds)
            points = sorted(chance.sample(range(2, 70), len(deeds) + 1))
            asker = _Asker(lab)
            for point, deed in zip(points, deeds, strict=False):
                _await(lab, jobs, point)
                deed(lab)
            _await(lab, jobs, points[-1])
            told = asker.stop()
            before = lab.done("acme", jobs)
            lab.stop(signal.SIGKILL)
            started = time.monotonic()
            lab.serve()
            again = timed(lambda: lab.done("acme", jobs) > before, "the job goes on by itself")
            until(lambda: lab.over("acme", jobs), "all documents are read", within=60)
            took = time.monotonic() - started

            assert lab.states("acme") == {"ready": _DOCUMENTS}, seed
            assert lab.lost("acme", range(_DOCUMENTS)) == [], seed
            times = among.embedded
            twice = sum(times[word(number)] for number in range(1, _DOCUMENTS)) - (_DOCUMENTS - 1)
            print(
                f"seed {seed}: told {dict(told)}, the slowest in {asker.longest:.1f} s; goes on {again:.1f} s after the start, all read {took:.1f} s after; {twice} embedded twice"
            )
            assert twice <= 2 * _AT_ONCE, seed
            assert set(told) <= {"200 ", "503 retrieval_unavailable", "503 documents_unavailable"}, told

            pid = _owner(lab)
            os.kill(pid, signal.SIGKILL)
            body = {"collection": "dossiers", "question": "Quand est livré le dossier ?"}
            statuses: list[int] = []

            def answered() -> bool:
                statuses.append(lab.call("/v1/rag/chat", "acme", body=body).status)
                return statuses[-1] == 200

            back = timed(answered, "questions are answered again")
            print(f"after the owner's death: {statuses}, {back:.1f} s")
            assert set(statuses) <= {200, 503}
            assert lab.running.call(key=key_of("acme")).status == 200
        assert "Traceback" not in lab.said()


def _await(lab: House, jobs: list[str], point: int) -> None:
    def reached() -> bool:
        told = lab.running.call(f"/v1/jobs/{jobs[0]}", key=key_of("acme"))
        return told.status == 200 and told.json["progress"]["done"] >= point

    until(reached, f"{point} documents are read", within=60)


def _kill_owner(lab: House) -> None:
    pid = _owner(lab)
    assert pid
    os.kill(pid, signal.SIGKILL)


def _kill_reader(lab: House) -> None:
    killed = False
    deadline = time.monotonic() + 30
    while not killed:
        assert time.monotonic() < deadline, "no document is being read"
        with suppress(ProcessLookupError):  # it may be quick
            if pid := _reader(lab):
                os.kill(pid, signal.SIGKILL)
                killed = True


def _kill_postgres(lab: House) -> None:
    os.kill(server_id(lab.data), signal.SIGKILL)
