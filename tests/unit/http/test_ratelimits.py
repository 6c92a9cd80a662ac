"""How limits stand, in OpenAI's headers."""

import pytest

from passerelle.domain.limits import Meter, Standing
from passerelle.http.ratelimits import duration, ratelimit_headers


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.02, "20ms"),
        (0.9991, "1s"),
        (1, "1s"),
        (8.64, "8.64s"),
        (1.0001, "1.001s"),
        (10.5, "10.5s"),
        (59.9999, "1m0s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (90.2, "1m31s"),
        (3600, "1h0m0s"),
        (90_061.5, "25h1m2s"),
    ],
)
def test_a_duration_is_written_as_openai_writes_it(seconds: float, written: str) -> None:
    assert duration(seconds).decode() == written


def test_requests_and_tokens_are_told_and_calls_under_way_are_not() -> None:
    standings = [
        Standing(Meter.REQUESTS, 600, 599, 0.1),
        Standing(Meter.CALLS, 16, 15, 1.0),
        Standing(Meter.TOKENS, 200_000, 0, 60.0),
    ]
    assert ratelimit_headers(standings) == [
        (b"x-ratelimit-limit-requests", b"600"),
        (b"x-ratelimit-remaining-requests", b"599"),
        (b"x-ratelimit-reset-requests", b"100ms"),
        (b"x-ratelimit-limit-tokens", b"200000"),
        (b"x-ratelimit-remaining-tokens", b"0"),
        (b"x-ratelimit-reset-tokens", b"1m0s"),
    ]
    assert ratelimit_headers([]) == []
