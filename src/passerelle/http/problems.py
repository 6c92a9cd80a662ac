"""Errors as HTTP: the only place that knows a status code, and one shape with OpenAI's four keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import orjson

from passerelle.domain.errors import (
    BadRequest,
    Blocked,
    ClientGone,
    Conflict,
    Fault,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    NotKept,
    OverLimit,
    PasserelleError,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    UpstreamFailed,
)
from passerelle.domain.limits import Standing
from passerelle.http.ratelimits import ratelimit_headers
from passerelle.ledger.budgets import OverBudget

Headers = list[tuple[bytes, bytes]]

_STATUS: dict[type[PasserelleError], tuple[int, str]] = {
    Refused: (400, "invalid_request_error"),
    BadRequest: (400, "invalid_request_error"),
    Unauthenticated: (401, "authentication_error"),
    Forbidden: (403, "permission_error"),
    NotFound: (404, "invalid_request_error"),
    MethodNotAllowed: (405, "invalid_request_error"),
    TooLarge: (413, "invalid_request_error"),
    UnsupportedMedia: (415, "invalid_request_error"),
    ClientGone: (499, "invalid_request_error"),
    OverBudget: (429, "insufficient_quota"),
    OverLimit: (429, "rate_limit_error"),
    Conflict: (409, "invalid_request_error"),
    Blocked: (400, "invalid_request_error"),
    NotKept: (504, "invalid_request_error"),
    Unavailable: (503, "service_unavailable_error"),
}

_TIMEOUTS = {
    Fault.TIMEOUT_CONNECT: "upstream_connect_timeout",
    Fault.TIMEOUT_FIRST_CONTENT: "upstream_first_content_timeout",
    Fault.TIMEOUT_BETWEEN_CHUNKS: "upstream_between_chunks_timeout",
    Fault.TIMEOUT_TOTAL: "upstream_total_timeout",
}
# Only the operator can mend these: the caller is told that repeating the request is useless.
_OPERATOR = {
    Fault.CREDENTIALS: ("upstream_credentials", "The engine refused the gateway's own credentials."),
    Fault.CREDITS: ("upstream_credits", "The gateway's account at the engine has no credits left."),
    Fault.PLACE: ("upstream_place", "The engine runs in another country than the gateway was told."),
    Fault.MODEL: ("upstream_model", "The engine does not serve the configured model."),
}
_PASSING = {
    Fault.RATE_LIMITED: ("upstream_rate_limited", "The engine is limiting the gateway's requests."),
    Fault.OVERLOADED: ("upstream_overloaded", "The engine is overloaded or still starting."),
    Fault.WAKING: ("upstream_waking", "The engine was asleep and is being started."),
    Fault.PAUSED: ("upstream_paused", "The engine has been paused by its operator."),
    Fault.CONNECT: ("upstream_unreachable", "The engine cannot be reached."),
    Fault.BROKEN: ("upstream_broken", "The engine's answer broke off."),
    Fault.SERVER: ("upstream_error", "The engine failed."),
    Fault.BUSY: ("overloaded", "The engine is full, and no place was free in time."),
    Fault.RESTING: ("upstream_resting", "The engine has failed too often and is left alone for a while."),
}


def unknown_route() -> NotFound:
    """What no route answers. The path is not told again: a mistyped one may name a person."""
    return NotFound("There is no such route.", code="unknown_route")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error ready to be sent."""

    status: int
    message: str
    type: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None  # seconds
    retry: bool | None = None  # what `x-should-retry` says, None = let the client decide
    source: str = "gateway"  # who is at fault: "gateway" or "upstream"
    standings: tuple[Standing, ...] = ()  # of the caller's limits

    def payload(self) -> dict[str, dict[str, str | None]]:
        """The body, with all four keys."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def body(self) -> bytes:
        """The body as JSON."""
        return orjson.dumps(self.payload())

    def headers(self) -> Headers:
        """The headers that belong to it."""
        headers: Headers = [(b"x-passerelle-error-source", self.source.encode())]
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % ceil(self.retry_after)))
            headers.append((b"retry-after-ms", b"%d" % ceil(self.retry_after * 1000)))
        if self.retry is not None:
            headers.append((b"x-should-retry", b"true" if self.retry else b"false"))
        headers += ratelimit_headers(self.standings)
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.status == 413:
            # The rest of the body is still on its way and nobody will read it.
            headers.append((b"connection", b"close"))
        return headers


def problem_of(error: PasserelleError) -> Problem:
    """The problem that tells a caller about an error."""
    problem = _of_upstream(error) if isinstance(error, UpstreamFailed) else _of_ours(error)
    return replace(problem, standings=error.standings) if error.standings else problem


def _of_ours(error: PasserelleError) -> Problem:
    for kind in type(error).__mro__:
        if kind in _STATUS:
            status, type_ = _STATUS[kind]
            break
    else:
        return internal()
    return Problem(
        status,
        error.message,
        type_,
        getattr(error, "param", None),
        getattr(error, "code", None),
        retry_after=getattr(error, "retry_after", None),
        retry=False if _is_for_good(error) else None,
    )


def _is_for_good(error: PasserelleError) -> bool:
    """Would the same call be refused again, until a month ends or somebody changes a budget, a limit or a rule?"""
    if isinstance(error, OverLimit):
        return error.retry_after is None
    return isinstance(error, OverBudget | Blocked)


def internal() -> Problem:
    """The problem of an error nobody foresaw: says nothing, the log has the rest."""
    message = "The gateway failed; its log has the request's id."
    return Problem(500, message, "api_error", code="internal_error")


def _of_upstream(error: UpstreamFailed) -> Problem:
    fault, told = error.fault, error.told
    if fault is Fault.REQUEST:
        status = told.status if told.status in (400, 413, 422) else 400
        message = told.message or "The engine refused the request without saying why."
        return Problem(
            status,
            message,
            "invalid_request_error",
            told.param,
            told.code or "upstream_refused",
            source="upstream",
        )
    if fault is Fault.UNSUPPORTED:
        return Problem(400, error.message, "invalid_request_error", told.param, "unsupported_parameter")
    if fault in _TIMEOUTS:
        return Problem(
            504, error.message, "api_error", code=_TIMEOUTS[fault], retry=told.again, source="upstream"
        )
    if fault in _OPERATOR:
        code, message = _OPERATOR[fault]
        return Problem(502, message, "api_error", code=code, retry=False, source="upstream")
    code, message = _PASSING[fault]
    wait = told.retry_after if told.retry_after is not None else 1.0
    # Where the time is known at which it will help, a client may be told to come back.
    again = told.again if told.again is not None else True if told.retry_after else None
    return Problem(
        503,
        message,
        "service_unavailable_error",
        code=code,
        retry_after=wait,
        retry=again,
        source="upstream",
    )
