"""Every error a caller or an operator can be told about.

PasserelleError
├── CannotRun                the operator must act before the program can run (exit 2)
├── Refused                  the caller must change something; repeating it as it is will not help
│   ├── BadRequest           400: the body or a header is wrong
│   ├── Unauthenticated      401: no credentials, or wrong ones
│   ├── Forbidden            403: known caller, not allowed
│   ├── PolicyRefused        403: a rule of the tenant's policy forbids every place that could answer
│   ├── NotFound             404
│   ├── MethodNotAllowed     405
│   ├── TooLarge             413
│   ├── UnsupportedMedia     415
│   ├── OverBudget           429: its money is spent (`ledger/budgets.py`)
│   ├── OverLimit            429: a limit of its rate or number is used up for now
│   ├── Conflict             409: another request stands against it
│   ├── Blocked              400: a guardrail of the tenant refuses what is asked or answered
│   ├── NotKept              504: the caller wants nothing but a kept answer, and there is none
│   └── ClientGone           499: nobody is there to read the answer (never sent, only recorded)
├── Unavailable              503: try again later
│   └── KeysUnavailable      503: a key that is not known here could not be looked up
└── UpstreamFailed           an engine failed; `retryable` says whether another try may help

Only `http/problems.py` turns these into status codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from passerelle.domain.guardrails import Verdict
from passerelle.domain.limits import Standing


class PasserelleError(Exception):
    """Root of the tree. `message` is for people and never holds a secret or a prompt.

    `standings` is how the caller's limits stood, where that is known.
    """

    standings: tuple[Standing, ...] = ()

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CannotRun(PasserelleError):
    """The program cannot go on until the operator acts: one line of cause, one of cure."""

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(f"{cause} {cure}".strip())
        self.cause = cause
        self.cure = cure


class Refused(PasserelleError):
    """The caller's request is refused. `code` is stable, `param` names the guilty field."""

    code = "invalid_request"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.param = param


class BadRequest(Refused):
    """The body or a header is wrong."""


class Unauthenticated(Refused):
    """No credentials, or wrong ones."""

    code = "invalid_api_key"


class Forbidden(Refused):
    """The caller is known and may not do this."""

    code = "permission_denied"


class PolicyRefused(Forbidden):
    """A rule of the tenant's policy leaves no permitted target. `code` is the rule's id."""


class NotFound(Refused):
    """Nothing of that name that this caller may see."""

    code = "not_found"


class MethodNotAllowed(Refused):
    """The path exists, the method does not."""

    code = "method_not_allowed"


class TooLarge(Refused):
    """The body is longer than the limit."""

    code = "request_too_large"


class UnsupportedMedia(Refused):
    """The content type is not one this route reads."""

    code = "unsupported_media_type"


class Conflict(Refused):
    """Another request stands against this one."""

    code = "conflict"


class Blocked(Refused):
    """A guardrail of the tenant refuses what is asked or answered. `rule` is its name, never the text."""

    code = "content_filter"

    def __init__(self, message: str, *, rule: str, verdicts: Sequence[Verdict] = ()) -> None:
        super().__init__(message)
        self.rule = rule
        self.verdicts = tuple(verdicts)


class NotKept(Refused):
    """The caller wants nothing but an answer from the cache, and there is none (RFC 9111, 5.2.1.7)."""

    code = "not_cached"


class OverLimit(Refused):
    """A limit of rate or number is used up. `retry_after` is in seconds; None: this call can never pass it."""

    code = "rate_limit_exceeded"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None,
        standings: Sequence[Standing] = (),
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
        self.standings = tuple(standings)


class ClientGone(Refused):
    """The caller hung up; recorded, never sent."""

    code = "client_closed_request"


class Unavailable(PasserelleError):
    """Nothing can answer now. `retry_after` is in seconds."""

    def __init__(self, message: str, *, code: str = "unavailable", retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class KeysUnavailable(Unavailable):
    """The key store cannot be asked about a key that is not known in this process."""

    def __init__(self, message: str = "The key store cannot be reached; known keys go on working.") -> None:
        super().__init__(message, code="keys_unavailable", retry_after=2.0)


class Fault(StrEnum):
    """What went wrong upstream: one word per cause an operator would treat differently."""

    CONNECT = "connect"  # no connection: refused, unreachable, name unknown, TLS
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_CONTENT = "timeout_first_content"
    TIMEOUT_BETWEEN_CHUNKS = "timeout_between_chunks"
    TIMEOUT_TOTAL = "timeout_total"
    BROKEN = "broken"  # the connection or the reply broke off, or is not the protocol
    CREDENTIALS = "credentials"  # 401 or 403: our token is at fault, never the caller's key
    CREDITS = "credits"  # 402
    PLACE = "place"  # it processes data in another country than the configuration says
    RATE_LIMITED = "rate_limited"  # 429
    OVERLOADED = "overloaded"  # 503, 529, "overloaded" inside a 200
    WAKING = "waking"  # scaled to zero, and now being started
    PAUSED = "paused"  # somebody stopped it; no request starts it
    MODEL = "model"  # the backend does not serve this model
    UNSUPPORTED = "unsupported"  # this kind cannot do what was asked; another may
    REQUEST = "request"  # 400, 413, 422: the engine refuses what the caller asked
    SERVER = "server"  # any other 5xx
    BUSY = "busy"  # our own: it has no place free in time, and was not asked
    RESTING = "resting"  # our own: it has failed too often, and is left alone for a while


# The caller's own request is at fault: the same words to another engine would not help.
FINAL_FAULTS = frozenset({Fault.REQUEST})
# Nothing is known to be wrong for good: the same target may be tried again after a pause.
PASSING_FAULTS = frozenset(
    {
        Fault.CONNECT,
        Fault.TIMEOUT_CONNECT,
        Fault.BROKEN,
        Fault.RATE_LIMITED,
        Fault.OVERLOADED,
        Fault.SERVER,
        Fault.WAKING,
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine said about its own failure, as far as a caller may hear it."""

    status: int | None = None
    message: str = ""
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None  # seconds
    again: bool | None = None  # our own: should the caller send it again? None: it is not known


class UpstreamFailed(PasserelleError):
    """A try on one target failed before, or broke off after, its first content.

    `headless`: nothing of a reply came, not even its head.
    """

    def __init__(
        self, fault: Fault, message: str, *, told: Told | None = None, headless: bool = False
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.headless = headless
        self.told = told or Told()

    @property
    def final(self) -> bool:
        """True when no other target should be tried."""
        return self.fault in FINAL_FAULTS

    @property
    def passing(self) -> bool:
        """True when the same target may be tried again after a pause."""
        return self.fault in PASSING_FAULTS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, or worth knowing, about `providers.yaml`."""

    severity: str  # "error" | "warning" | "info"
    rule: str  # stable id, such as "C03" or "R01"
    message: str  # the cause
    cure: str
    file: str = ""
    line: int | None = None  # 1-based
    column: int | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{where}{self.severity} {self.rule}: {self.message}{cure}"


class ConfigurationRefused(CannotRun):
    """`providers.yaml` holds errors; `findings` says which."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in findings))
