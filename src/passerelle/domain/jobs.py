"""Work that outlives the request that asked for it: jobs of items, how they stand, and what has happened to them.

A job's state is worked out from what was wished (run, pause, cancel) and from how many of its items stand how, so that
no two places can disagree about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Values = Mapping[str, Any]  # what JSON can say


class Wish(StrEnum):
    """What its owner last asked of a job."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


class JobState(StrEnum):
    """How a job stands, in words for its owner."""

    QUEUED = "queued"  # nothing of it has begun
    RUNNING = "running"
    PAUSED = "paused"  # nothing more of it begins; items under way are finished
    CANCELLING = "cancelling"  # items under way are being stopped
    CANCELLED = "cancelled"
    DONE = "done"
    FAILED = "failed"  # no item was done
    PARTLY_FAILED = "partly-failed"  # some were

    @property
    def over(self) -> bool:
        """Will nothing more happen, unless somebody asks for it?"""
        return self in _OVER


_OVER = frozenset({JobState.CANCELLED, JobState.DONE, JobState.FAILED, JobState.PARTLY_FAILED})


class ItemState(StrEnum):
    """How an item stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many items of a job stand how."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All items."""
        return self.outstanding + self.done + self.failed + self.cancelled

    @property
    def outstanding(self) -> int:
        """Those of which more is to come."""
        return self.queued + self.running

    @property
    def fraction(self) -> float:
        """The part of the items that is over, 0 to 1; 1 for a job without items."""
        return 1.0 - self.outstanding / self.total if self.total else 1.0

    def state(self, wish: Wish) -> JobState:
        """How a job of these items stands. A cancelled job says so even where all of its items were done in time."""
        if wish is Wish.CANCEL:
            return JobState.CANCELLING if self.outstanding else JobState.CANCELLED
        if not self.outstanding:
            if not self.failed:
                return JobState.DONE
            return JobState.PARTLY_FAILED if self.done else JobState.FAILED
        if wish is Wish.PAUSE:
            return JobState.PAUSED
        return JobState.QUEUED if self.queued == self.total else JobState.RUNNING


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an item was not done. `code` is stable, `message` is for people and holds no text of the item's."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to be worked on. `key` is its name in its job, where it is unique.

    `cost` is its part of the workers' time beside other items, 1 or more, in a unit that all kinds share.
    """

    key: str
    payload: Values = field(default_factory=dict)
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it stands. `number` counts a job's items from 1, in the order they were given."""

    job: str
    number: int
    key: str
    state: ItemState
    attempts: int
    payload: Values
    result: Values | None = None
    trouble: Trouble | None = None
    ready_at: datetime | None = None  # for one that waits: not before
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. `news` is the number of its last event."""

    id: str
    tenant: str
    kind: str
    key: str | None
    wish: Wish
    progress: Progress
    params: Values
    news: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def state(self) -> JobState:
        """How it stands."""
        return self.progress.state(self.wish)


class Happening(StrEnum):
    """What an event says."""

    CREATED = "created"
    ADDED = "items-added"
    STARTED = "started"
    ITEM_DONE = "item-done"
    ITEM_FAILED = "item-failed"
    ITEM_CANCELLED = "item-cancelled"
    ITEM_RETRIED = "item-retried"  # it failed, and will be tried again
    ITEM_POSTPONED = "item-postponed"  # it could not be tried now
    ITEM_LOST = "item-lost"  # its worker was lost; it will be tried again
    NOTED = "noted"  # a kind's own words
    PAUSED = "paused"
    RESUMED = "resumed"
    CANCELLING = "cancelling"
    RETRIED = "retried"  # its failed items are to be tried again
    FINISHED = "finished"  # for now: `state` in its data


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job. Numbers count from 1 without a gap, and never change."""

    job: str
    number: int
    at: datetime
    what: Happening
    data: Values = field(default_factory=dict)
