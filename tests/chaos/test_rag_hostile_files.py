"""Every hostile file through the service as it runs, six times, among documents that mean no harm, which are all read.

Each is refused with a code and a sentence of cause and cure; the worker goes on, its memory stays where two rounds brought
it, and neither files nor processes are left behind.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.rag_hostile import FILES, File
from tests.e2e.rag_scene import Client, House, house

_SHELF = "hostile"
_PATH = f"/v1/rag/collections/{_SHELF}/documents"
_WARM, _ROUNDS = (
    2,
    4,
)  # what is loaded at its first use, and the pools of threads and connections, stand after two
_MOST_GROWTH = 4 * 1024  # KiB of the service itself a round; the files of one are three times that
# Large blocks go back to the system when they are freed: what is left is held by somebody.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(256 * 1024)}


def _config(url: str) -> Mapping[str, Any]:
    offline = {"targets": [{"backend": "offline", "model": "extractive"}]}
    return {
        "version": 1,
        "backends": {"offline": {"kind": "builtin"}},
        "models": {"assistant": {"task": "chat", **offline}},
        "tenants": {"acme": {"rag": {"embedder": "none"}}},
    }


@pytest.mark.timeout(900)
def test_forty_hostile_files_leave_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with house(tmp_path, _config, extra={"TMPDIR": str(temporary), **_ALLOCATOR}) as running:
        client = running.make("acme", "member")
        assert len(FILES) >= 40
        wrong: list[Any] = []
        resident = [_resident(running)]
        for turn in range(_WARM + _ROUNDS):
            wrong += _round(running, client, turn)
            resident.append(_resident(running))

        assert wrong == []
        assert resident[-1] - resident[_WARM] < _ROUNDS * _MOST_GROWTH, resident
        assert list(temporary.iterdir()) == []
        assert _children(running) == []
        assert "job_item_defect" not in running.service.output.read_text()
        assert running.service.process.poll() is None


def _round(running: House, client: Client, turn: int) -> list[Any]:
    """Hand all of them in, by turns with good ones; what is not as it should be."""
    taken: list[tuple[File | None, Any]] = []
    for number, file in enumerate(FILES):
        bad = client.upload(_SHELF, [(f"{turn}-{file.name}", file.make(), file.media)])
        assert bad.status == 202, (file.name, bad.raw)
        taken.append((file, bad.json))
        if number % 10 == 0:
            good = f"The gate number {turn}{number} opens at nine.".encode()
            told = client.upload(_SHELF, [(f"{turn}-good-{number}.txt", good, "text/plain")])
            taken.append((None, told.json))
    wrong = []
    for one, told in taken:
        job = running.over(client, told["job"], within=240)
        card = client.ask("GET", f"{_PATH}/{told['documents'][0]['id']}").json
        if one is None or not one.codes:
            right = card["state"] in ("ready", "duplicate") or (one is not None and card["state"] == "failed")
        else:
            right = card["state"] == "failed" and card["error"]["code"] in one.codes
        if card["state"] == "failed":
            right = right and card["error"]["message"].count(".") >= 2 and job["state"] == "failed"
        if not right:
            wrong.append((card["key"], card["state"], card["error"]))
    return wrong


def _resident(running: House) -> int:
    """KiB of the service itself."""
    status = Path(f"/proc/{running.service.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _children(running: House) -> list[int]:
    """Readers of documents that still live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            except OSError:
                continue
            if b"documents.child" in line and parent == running.service.process.pid:
                found.append(int(entry.name))
    return found
