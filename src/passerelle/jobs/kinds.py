"""What a kind of job is to the workers: a name, and a way to do one item. And what an item's failure means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from passerelle.domain.errors import OverLimit, PasserelleError, Refused, Unavailable, UpstreamFailed
from passerelle.domain.jobs import Item, Trouble, Values

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0

Write = Callable[["AsyncConnection"], Awaitable[None]]


class Context(Protocol):
    """What an item's run may know and do beside its item."""

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        ...

    @property
    def params(self) -> Values:
        """What the job was given for all of its items."""
        ...

    async def note(self, data: Values) -> None:
        """Tell those who follow the job. Not kept if the item is lost meanwhile. Raises what the database raises."""
        ...

    def along(self, write: Write) -> None:
        """Have something written in the transaction that keeps the result: both or neither.

        What it raises is a failure of the item.
        """
        ...


class Kind(Protocol):
    """A kind of job. An item's run may be repeated after its worker was lost; one run's result is kept."""

    @property
    def name(self) -> str:
        """Which jobs are its."""
        ...

    @property
    def attempts(self) -> int:
        """How often an item is tried at most."""
        ...

    @property
    def seconds(self) -> float:
        """How long one try may take."""
        ...

    async def run(self, item: Item, context: Context) -> Values:
        """Do one item; what is to be kept of it, as JSON can say it.

        Raises ItemFailed, Later, or any PasserelleError; anything else is a defect, tried again and told by its type.
        Is cancelled when the job is, when the worker must stop, and when the item is no longer ours.
        """
        ...


Kinds = Mapping[str, Kind]  # by name; given by the composition root


class ItemFailed(Exception):
    """The item was not done. `retry`: another try may help."""

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.trouble = Trouble(code, message)
        self.retry = retry


class Later(Exception):
    """The item could not be tried now: that is no failure of it. `seconds`: not before; None: soon, then more seldom."""

    def __init__(self, message: str, *, code: str = "unavailable", seconds: float | None = None) -> None:
        super().__init__(message)
        self.trouble = Trouble(code, message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an item that was not done: failed, or queued again after a pause.

    `again` None: failed. `counts`: it was one of its attempts.
    """

    trouble: Trouble
    again: float | None = None
    counts: bool = True


def judge(error: BaseException, *, attempts: int, most: int, delays: int = 0) -> Verdict:
    """What becomes of an item after an error in its try number `attempts` of `most`, put off `delays` times so far."""
    trouble, retry = _read(error)
    if isinstance(error, Later):
        return Verdict(
            trouble, error.seconds if error.seconds is not None else pause(delays + 1), counts=False
        )
    if isinstance(error, OverLimit) and error.retry_after is not None:
        return Verdict(trouble, max(error.retry_after, pause(delays + 1)), counts=False)
    if retry and attempts < most:
        after = error.retry_after if isinstance(error, Unavailable) else 0.0
        return Verdict(trouble, max(after, pause(attempts)))
    return Verdict(trouble)


def pause(times: int) -> float:
    """Seconds until another try, after so many."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(times - 1, 10)))


def _read(error: BaseException) -> tuple[Trouble, bool]:
    """What to say of an error, and whether another try may help."""
    if isinstance(error, ItemFailed):
        return error.trouble, error.retry
    if isinstance(error, Later):
        return error.trouble, True
    if isinstance(error, TimeoutError):
        return Trouble("item_timeout", "The item took longer than its kind allows."), True
    if isinstance(error, Refused):
        return Trouble(error.code, error.message), False
    if isinstance(error, UpstreamFailed):
        return Trouble("upstream_failed", error.message), not error.final
    if isinstance(error, PasserelleError):
        return Trouble(getattr(error, "code", "unavailable"), error.message), True
    # Its words may quote the item.
    return Trouble("internal_error", f"The item could not be worked on: {type(error).__name__}."), True
