"""A job's progress in a terminal: a bar where somebody watches, plain lines where nobody does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Self, TextIO
from urllib.parse import quote, urlencode

import click
import orjson

from passerelle.cli.operator import Operator

_WIDTH = 30  # characters of a bar
_DRAW_SECONDS = 0.1
_STEPS = 10  # lines that tell of progress where there is no bar
_CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class Tally:
    """How a job stands by its events so far."""

    total: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    state: str = "queued"

    def add(self, event: str, said: Mapping[str, Any]) -> None:
        """Something happened."""
        match event:
            case "created" | "items-added":
                self.total += said["items"]
            case "started":
                self.state = "running"
            case "item-done" | "item-failed":
                self.done, self.failed, self.total = said["done"], said["failed"], said["total"]
            case "item-cancelled":
                self.cancelled += 1
            case "cancelling":
                self.cancelled += said["waited"]
                self.state = "cancelling"
            case "paused":
                self.state = "paused"
            case "resumed":
                self.state = "running"
            case "retried":
                self.failed -= said["items"]
                self.state = "running"
            case "finished":
                self.done, self.failed, self.cancelled = said["done"], said["failed"], said["cancelled"]
                self.state = said["state"]

    def with_(self, other: Tally, least: int) -> Tally:
        """Both together; so many items at least."""
        return Tally(
            max(least, self.over + other.total),
            self.done + other.done,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
            other.state,
        )

    @property
    def over(self) -> int:
        """How many items are."""
        return self.done + self.failed + self.cancelled

    def __str__(self) -> str:
        others = [f"{count} {word}" for word in ("failed", "cancelled") if (count := getattr(self, word))]
        return ", ".join([f"{self.over}/{self.total}", *others])


Told = Callable[
    [str, Mapping[str, Any], "Tally"], None
]  # an event, what it says, and how everything stands then


def follow(operator: Operator, tenant: str, jobs: Sequence[str], told: Told, *, items: int = 0) -> Tally:
    """Watch jobs one after another until all are over, and work on them here where no service does.

    `items`: how many all of them have, where that is known. Raises CannotRun.
    """
    operator.work()
    whole = Tally(total=items)
    for job in jobs:
        before, tally = replace(whole), Tally()
        path = f"/v1/jobs/{quote(job, safe='')}/events?{urlencode({'tenant': tenant})}"
        for event, said in operator.follow("GET", path):
            tally.add(event, said)
            whole = before.with_(tally, items)
            told(event, said, whole)
    return whole


def in_lines(event: str, said: Mapping[str, Any], _: Tally) -> None:
    """Each event as a line of JSON."""
    click.echo(orjson.dumps({"event": event, **said}))


class Bar:
    """Draws how jobs stand, inside a block. `labels` are names of their items by key."""

    def __init__(self, out: TextIO, labels: Mapping[str, str] | None = None) -> None:
        self._out = out
        self._labels = labels or {}
        self._moves = out.isatty()
        self._drawn = -1.0
        self._step = 0
        self._shown = False

    def tell(self, event: str, said: Mapping[str, Any], tally: Tally) -> None:
        """Something happened; `tally` has it."""
        if event in ("item-failed", "item-retried", "item-postponed", "item-lost"):
            self._line(self._sentence(event, said))
        if event in ("paused", "resumed", "cancelling"):
            self._line(f"  {event}")
        if self._moves:
            self._draw(tally, now=event == "finished")
        else:
            self._tick(tally, now=event == "finished")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the line."""
        if self._shown:
            self._out.write("\n")
            self._out.flush()

    def _draw(self, tally: Tally, *, now: bool) -> None:
        if not now and monotonic() - self._drawn < _DRAW_SECONDS:
            return
        self._drawn = monotonic()
        full = _WIDTH * tally.over // tally.total if tally.total else _WIDTH
        bar = "#" * full + "-" * (_WIDTH - full)
        self._out.write(f"{_CLEAR}[{bar}] {tally}  {tally.state}")
        self._out.flush()
        self._shown = True

    def _tick(self, tally: Tally, *, now: bool) -> None:
        step = _STEPS * tally.over // tally.total if tally.total else 0
        if now or step > self._step:
            self._line(f"{tally}  {tally.state}")
        self._step = step

    def _line(self, line: str) -> None:
        self._out.write(f"{_CLEAR if self._shown else ''}{plain(line)}\n")
        self._out.flush()
        self._shown = False

    def _sentence(self, event: str, said: Mapping[str, Any]) -> str:
        key = str(said.get("item", "an item"))  # a service of another version may tell less
        name = self._labels.get(key, key)
        if event == "item-lost":
            return f"  {name}: its worker was lost; it is tried again"
        again = f"; again in {said['seconds']:g} s" if "seconds" in said else ""
        word = "failed" if event == "item-failed" else "waits"
        return f"  {name}: {word}: {said['message']} ({said['code']}){again}"


def plain(line: str) -> str:
    """One line, whatever a document or an engine says of itself: nothing that a terminal would take for an order."""
    return "".join(char if char.isprintable() else "?" for char in line)
