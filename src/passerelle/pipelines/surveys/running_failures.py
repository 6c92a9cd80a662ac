"""Whose fault it is that a comment was not read: its own, so that the others go on, or something that stops them all."""

from __future__ import annotations

from passerelle.domain.errors import (
    Forbidden,
    NotFound,
    OverLimit,
    PasserelleError,
    Refused,
    Unauthenticated,
    UpstreamFailed,
)
from passerelle.ledger.budgets import OverBudget
from passerelle.pipelines.models.absent import is_absent

_OF_ALL = (OverBudget, Forbidden, NotFound, Unauthenticated)


def of_the_comment(error: PasserelleError, *, last_try: bool) -> bool:
    """Is it this comment that cannot be read? Else the item is tried again, or fails, for all of its comments.

    `last_try`: what another try might have helped is the comment's now.
    """
    if isinstance(error, _OF_ALL) or is_absent(error):
        return False
    if isinstance(error, OverLimit):
        return error.retry_after is None  # it can never pass
    if isinstance(error, Refused):
        return True
    if isinstance(error, UpstreamFailed):
        return error.final or last_try
    return False
