"""A request waits for the control plane only where nothing is known of an endpoint, and never long for one that is away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from passerelle.backends import endpoint_belief
from passerelle.backends.endpoint_belief import AWAY, FRESH, Belief
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.endpoints import Endpoint, EndpointControl, Hardware

_ENDPOINT = Endpoint(
    state="running",
    url="https://e",
    health_route="/health",
    repository="org/m",
    engine="vLLM",
    hardware=Hardware("aws", "eu-west-1", "gpu", "nvidia-l4", "x1"),
    min_replica=0,
    max_replica=1,
)


class _Control(EndpointControl):
    """Says what it is told to, and counts how often."""

    def __init__(self) -> None:
        super().__init__("formation", "qwen-eu", token="hf_x")
        self.looks = 0
        self.says: Endpoint | Fault | None = _ENDPOINT  # None: it hangs

    async def find(self) -> Endpoint:
        self.looks += 1
        if self.says is None:
            await asyncio.Event().wait()
        if isinstance(self.says, Fault):
            raise UpstreamFailed(self.says, "said the control plane")
        assert self.says is not None
        return self.says


class _Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(endpoint_belief, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    return _Clock(monkeypatch)


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_running_endpoint_is_looked_at_behind_the_requests(clock: _Clock) -> None:
    control = _Control()
    belief = Belief(control)
    assert await belief.now() is _ENDPOINT
    clock.now += FRESH + 1
    control.says = replace(_ENDPOINT, state="paused")

    assert await belief.now() is _ENDPOINT  # at once
    await _settle()
    assert (await belief.now()).state == "paused"
    assert control.looks == 2


async def test_a_control_plane_that_hangs_delays_no_request_to_an_endpoint_that_was_seen(
    clock: _Clock,
) -> None:
    control = _Control()
    belief = Belief(control)
    await belief.now()
    control.says = None
    for _ in range(5):
        clock.now += FRESH + 1
        assert await belief.now() is _ENDPOINT
        await _settle()

    assert control.looks == 2  # one hangs, no other is begun
    await belief.aclose()


@pytest.mark.parametrize("fault", [Fault.CONNECT, Fault.SERVER, Fault.TIMEOUT_CONNECT])
async def test_one_that_is_away_for_long_does_not_stop_it(clock: _Clock, fault: Fault) -> None:
    control = _Control()
    belief = Belief(control)
    await belief.now()
    control.says = fault
    for _ in range(5):
        clock.now += 1000
        assert await belief.now() is _ENDPOINT
        await _settle()


@pytest.mark.parametrize("fault", [Fault.MODEL, Fault.CREDENTIALS])
async def test_an_endpoint_that_is_gone_is_not_believed_in(clock: _Clock, fault: Fault) -> None:
    control = _Control()
    belief = Belief(control)
    await belief.now()
    control.says = fault
    clock.now += FRESH + 1
    await belief.now()
    await _settle()

    for _ in range(3):
        with pytest.raises(UpstreamFailed) as gone:
            await belief.now()
        assert gone.value.fault is fault


async def test_what_just_failed_is_not_asked_again_for_every_request(clock: _Clock) -> None:
    control = _Control()
    control.says = Fault.CREDENTIALS
    belief = Belief(control)
    for _ in range(20):
        with pytest.raises(UpstreamFailed):
            await belief.now()
    assert control.looks == 1

    clock.now += 2
    control.says = _ENDPOINT
    assert await belief.now() is _ENDPOINT


async def test_requests_that_its_proxy_refuses_look_again_every_few_seconds_at_most(clock: _Clock) -> None:
    control = _Control()
    belief = Belief(control)
    await belief.now()
    for _ in range(100):
        await belief.doubted()
    assert control.looks == 2

    clock.now += AWAY
    await belief.doubted()
    assert control.looks == 3
