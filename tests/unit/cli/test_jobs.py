"""`passerelle jobs` in words: how jobs stand, why items failed, and the status that scripts go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.domain.errors import CannotRun
from tests.unit.cli.conftest import Done, Verb
from tests.unit.cli.test_progress import PARTLY, Told, finished, item

CARD: dict[str, Any] = {
    "id": "job_1",
    "object": "job",
    "kind": "rag.ingest",
    "key": None,
    "state": "running",
    "progress": {
        "total": 5, "queued": 1, "running": 1, "done": 2, "failed": 1, "cancelled": 0, "fraction": 0.6,
    },
    "params": {},
    "events": 9,
    "created_at": "2026-11-22T02:08:59.100Z",
    "started_at": None,
    "finished_at": None,
}  # fmt: skip
ITEM = {
    "number": 3,
    "key": "doc_3",
    "error": {"code": "document_encrypted", "message": "It asks for a password."},
}


class Service:
    """Answers orders from a list by method and path; remembers them."""

    def __init__(self) -> None:
        self.replies: dict[str, Any] = {}
        self.orders: list[tuple[str, str, Any]] = []
        self.events: list[Told] = []
        self.works = False

    def order(self, method: str, path: str, body: Any = None, *, kind: str = "") -> Any:
        self.orders.append((method, path, body))
        reply = self.replies[f"{method} {path.partition('?')[0]}"]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[Told]:
        self.orders.append((method, path, body))
        yield from self.events

    def work(self) -> None:
        self.works = True

    def asked(self, settings: object, method: str, path: str, body: Any = None) -> Any:
        return self.order(method, path, body)

    @contextmanager
    def operating(self, settings: object) -> Iterator[Service]:
        yield self


def given(monkeypatch: pytest.MonkeyPatch, service: Service, *modules: str) -> None:
    """Have verbs of these modules ask that service."""
    for name in modules:
        module = import_module(f"passerelle.cli.{name}")
        for attribute, ours in (("order", service.asked), ("operating", service.operating)):
            if hasattr(module, attribute):
                monkeypatch.setattr(module, attribute, ours)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service()
    given(monkeypatch, found, "jobs")
    return found


@pytest.fixture
def jobs(verb: Verb, tmp_path: Path) -> Any:
    return lambda *words: verb("jobs", *words, "--tenant", "acme", "--data", str(tmp_path))


def test_jobs_are_lines(service: Service, jobs: Any) -> None:
    service.replies["GET /v1/jobs"] = {"data": [CARD], "has_more": True}
    done: Done = jobs("list", "--kind", "rag.ingest", "--limit", "1")

    assert done.status == 0
    assert done.out.splitlines() == [
        "job_1  running        rag.ingest        3/5          2026-11-22 02:08  1 failed",
        "There are more: --before job_1",
    ]
    assert service.orders == [("GET", "/v1/jobs?tenant=acme&kind=rag.ingest&limit=1", None)]


def test_no_jobs_are_said(service: Service, jobs: Any) -> None:
    service.replies["GET /v1/jobs"] = {"data": [], "has_more": False}
    assert jobs("list").out == "There are no jobs.\n"
    assert orjson.loads(jobs("list", "--json").out)["data"] == []


def test_a_job_is_shown_with_what_failed(service: Service, jobs: Any) -> None:
    service.replies["GET /v1/jobs/job_1"] = CARD
    service.replies["GET /v1/jobs/job_1/items"] = {"data": [ITEM], "has_more": False}

    assert jobs("show", "job_1").out.splitlines()[1:] == [
        "  doc_3: It asks for a password. (document_encrypted)"
    ]
    assert orjson.loads(jobs("show", "job_1", "--json").out)["failed"] == [ITEM]


@pytest.mark.parametrize(
    ("events", "status"),
    [(PARTLY, 1), ([("created", {"items": 3}), item("item-done", "a", 3), finished("done", done=3)], 0)],
)
def test_a_job_is_followed_to_its_end(service: Service, jobs: Any, events: list[Told], status: int) -> None:
    service.events = events
    done: Done = jobs("follow", "job_1")

    assert done.status == status
    assert done.out == f"job_1: {events[-1][1]['state']}\n"
    assert "3/3" in done.err
    assert service.works
    assert len(jobs("follow", "job_1", "--json").out.splitlines()) == len(events)


@pytest.mark.parametrize("deed", ["cancel", "pause", "resume", "retry"])
def test_a_job_is_changed(service: Service, jobs: Any, deed: str) -> None:
    service.replies[f"POST /v1/jobs/job_1/{deed}"] = CARD

    assert jobs(deed, "job_1").out.startswith("job_1  running")
    assert orjson.loads(jobs(deed, "job_1", "--json").out)["id"] == "job_1"
    assert service.orders[0] == ("POST", f"/v1/jobs/job_1/{deed}?tenant=acme", None)


def test_single_items_are_tried_again(service: Service, jobs: Any) -> None:
    service.replies["POST /v1/jobs/job_1/retry"] = CARD
    jobs("retry", "job_1", "--item", "a", "--item", "b")
    assert service.orders[0][2] == {"items": ["a", "b"]}


def test_a_job_is_deleted(service: Service, jobs: Any) -> None:
    service.replies["DELETE /v1/jobs/job_1"] = None
    assert jobs("delete", "job_1").out == "job_1 is deleted.\n"


def test_a_refusal_is_its_words(service: Service, jobs: Any) -> None:
    service.replies["DELETE /v1/jobs/job_1"] = CannotRun("The job is running; cancel it first.")
    done: Done = jobs("delete", "job_1")
    assert done.status == 2
    assert "cancel it first" in done.err


def test_no_verb_does_without_a_tenant(verb: Verb) -> None:
    assert verb("jobs", "list").status == 2
