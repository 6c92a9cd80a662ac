"""Nobody is there to answer now: work that a job does for nobody in a hurry waits for that, and has not failed."""

from __future__ import annotations

from passerelle.domain.errors import Fault, PasserelleError, Unavailable, UpstreamFailed
from passerelle.jobs.kinds import Later

# What another moment mends, whatever was asked. An engine that broke off or erred may have done so over what it was asked.
_PASSING = frozenset(
    {
        Fault.CONNECT,
        Fault.TIMEOUT_CONNECT,
        Fault.RATE_LIMITED,
        Fault.OVERLOADED,
        Fault.WAKING,
        Fault.PAUSED,
        Fault.BUSY,
        Fault.RESTING,
    }
)


def absent(error: BaseException) -> Later | None:
    """To be raised in place of an error that says so; None for any other, and for what was answered in a wrong form."""
    if isinstance(error, UpstreamFailed):
        return Later(error.message, code="model_unavailable") if error.fault in _PASSING else None
    if isinstance(error, Unavailable):
        return Later(error.message, code=error.code)
    return None


def is_absent(error: PasserelleError) -> bool:
    """Does it say so?"""
    return absent(error) is not None
