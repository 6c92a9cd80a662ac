"""What a caller is told about coming back."""

from __future__ import annotations

import pytest

from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.http.problems import problem_of


def _headers(fault: Fault, told: Told) -> dict[bytes, bytes]:
    return dict(problem_of(UpstreamFailed(fault, "x", told=told)).headers())


@pytest.mark.parametrize("fault", [Fault.OVERLOADED, Fault.RATE_LIMITED, Fault.BUSY, Fault.RESTING])
def test_where_it_is_known_when_it_helps_a_client_is_told_to_come_back_then(fault: Fault) -> None:
    headers = _headers(fault, Told(retry_after=2.5))

    assert headers[b"retry-after"] == b"3"
    assert headers[b"retry-after-ms"] == b"2500"
    assert headers[b"x-should-retry"] == b"true"


def test_where_it_is_not_known_the_client_decides() -> None:
    assert b"x-should-retry" not in _headers(Fault.SERVER, Told())
    assert b"x-should-retry" not in _headers(Fault.TIMEOUT_TOTAL, Told())
    assert b"x-should-retry" not in _headers(Fault.REQUEST, Told())


@pytest.mark.parametrize("fault", [Fault.CREDENTIALS, Fault.CREDITS, Fault.PLACE, Fault.MODEL])
def test_what_only_the_operator_can_mend_is_not_worth_coming_back_for(fault: Fault) -> None:
    assert _headers(fault, Told(retry_after=1))[b"x-should-retry"] == b"false"


@pytest.mark.parametrize("fault", [Fault.OVERLOADED, Fault.SERVER, Fault.TIMEOUT_FIRST_CONTENT])
def test_a_client_for_whom_enough_was_tried_is_told_to_stop(fault: Fault) -> None:
    assert _headers(fault, Told(retry_after=2, again=False))[b"x-should-retry"] == b"false"
