"""A job's progress is told by its events alone: as a bar, in lines, as JSON."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from passerelle.cli.progress import Bar, Tally, follow, in_lines, plain

Told = tuple[str, dict[str, Any]]


def item(what: str, key: str, done: int, failed: int = 0, total: int = 3, **more: Any) -> Told:
    return what, {"item": key, "number": 1, "done": done, "failed": failed, "total": total, **more}


def finished(state: str, **counts: int) -> Told:
    nothing = {"queued": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    return "finished", {"state": state, **nothing, **counts}


TROUBLE = {"code": "document_encrypted", "message": "It asks for a password."}
PARTLY = [
    ("created", {"items": 2}),
    ("items-added", {"items": 1}),
    ("started", {}),
    item("item-done", "doc_1", 1),
    ("item-lost", {"item": "doc_2", "number": 2}),
    (
        "item-retried",
        {"item": "doc_2", "number": 2, "code": "away", "message": "Nobody answers.", "seconds": 2.0},
    ),
    item("item-done", "doc_2", 2),
    item("item-failed", "doc_3", 2, 1, 3, **TROUBLE),
    finished("partly-failed", done=2, failed=1),
]


@dataclass
class Jobs:
    """An operator whose jobs have these events."""

    events: Sequence[Sequence[Told]]
    paths: list[str] = field(default_factory=list)
    works: int = 0

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[Told]:
        self.paths.append(path)
        yield from self.events[len(self.paths) - 1]

    def work(self) -> None:
        self.works += 1


def _tally(events: Sequence[Told]) -> Tally:
    tally = Tally()
    for event, said in events:
        tally.add(event, said)
    return tally


def test_events_say_how_a_job_stands() -> None:
    assert _tally(PARTLY) == Tally(total=3, done=2, failed=1, state="partly-failed")
    assert str(_tally(PARTLY)) == "3/3, 1 failed"
    again = [*PARTLY, ("retried", {"items": 1}), item("item-done", "doc_3", 3), finished("done", done=3)]
    assert _tally(again) == Tally(total=3, done=3, state="done")
    stopped = [
        ("created", {"items": 3}),
        item("item-done", "doc_1", 1),
        ("cancelling", {"waited": 1, "running": 1}),
        ("item-cancelled", {"item": "doc_2", "number": 2}),
        finished("cancelled", done=1, cancelled=2),
    ]
    assert str(_tally(stopped[:3])) == "2/3, 1 cancelled"
    assert _tally(stopped) == Tally(total=3, done=1, cancelled=2, state="cancelled")


def test_lines_tell_what_went_wrong_where_nobody_watches() -> None:
    out = io.StringIO()
    with Bar(out, {"doc_2": "b.pdf", "doc_3": "c.pdf"}) as bar:
        follow(Jobs([PARTLY]), "acme", ["job_1"], bar.tell)  # type: ignore[arg-type]
    assert out.getvalue().splitlines() == [
        "1/3  running",
        "  b.pdf: its worker was lost; it is tried again",
        "  b.pdf: waits: Nobody answers. (away); again in 2 s",
        "2/3  running",
        "  c.pdf: failed: It asks for a password. (document_encrypted)",
        "3/3, 1 failed  running",
        "3/3, 1 failed  partly-failed",
    ]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_which_failures_do_not_break() -> None:
    out = _Terminal()
    with Bar(out) as bar:
        follow(Jobs([PARTLY]), "acme", ["job_1"], bar.tell)  # type: ignore[arg-type]
    drawn = out.getvalue().split("\r\x1b[K")
    assert drawn[-1] == f"[{'#' * 30}] 3/3, 1 failed  partly-failed\n"
    assert "  doc_3: failed: It asks for a password. (document_encrypted)\n" in out.getvalue()


def test_several_jobs_are_one_whole() -> None:
    seen: list[str] = []
    one = [("created", {"items": 2}), item("item-done", "a", 1, 0, 2), item("item-done", "b", 2, 0, 2)]
    two = [("created", {"items": 1}), item("item-failed", "c", 0, 1, 1, **TROUBLE)]
    operator = Jobs([[*one, finished("done", done=2)], [*two, finished("failed", failed=1)]])
    whole = follow(
        operator,  # type: ignore[arg-type]
        "a b",
        ["job/1", "job_2"],
        lambda event, _, tally: seen.append(f"{event} {tally}"),
        items=3,
    )
    assert (whole.total, whole.done, whole.failed) == (3, 2, 1)
    assert "item-done 1/3" in seen
    assert seen[-1] == "finished 3/3, 1 failed"
    assert operator.paths[0] == "/v1/jobs/job%2F1/events?tenant=a+b"
    assert operator.works == 1


def test_events_may_be_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Jobs([PARTLY]), "acme", ["job_1"], in_lines)  # type: ignore[arg-type]
    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [event for event, _ in PARTLY]
    assert lines[7]["code"] == "document_encrypted"


def test_nothing_that_is_shown_gives_orders_to_a_terminal() -> None:
    assert plain("a\x1b[2Jb\r\nc\u202ed é") == "a?[2Jb??c?d é"
