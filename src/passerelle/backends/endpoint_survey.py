"""What the control plane says of an endpoint, as a survey: state, replicas, hardware, price, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from time import monotonic

from passerelle.domain.errors import UpstreamFailed
from passerelle.domain.facts import Known, Price, State, Survey
from passerelle.wire.endpoints import Endpoint, EndpointControl, Hardware

_STATES = {
    "running": State.READY,
    "updating": State.READY,  # the replicas before the update answer
    "scaledToZero": State.ASLEEP,
    "initializing": State.WAKING,
    "pending": State.WAKING,
    "paused": State.PAUSED,
}
# The regions that Hugging Face's documentation names, and the country each lies in.
_COUNTRIES = {
    ("aws", "us-east-1"): "US",
    ("aws", "eu-west-1"): "IE",
    ("azure", "eastus"): "US",
    ("gcp", "us-east4"): "US",
}
_FRESH = 3600.0  # seconds a price is believed


def country_of(hardware: Hardware) -> str | None:
    """The country a region lies in; None for one that is not known."""
    return _COUNTRIES.get((hardware.vendor, hardware.region))


class Prices:
    """Prices of hardware, asked again every hour: the list is long."""

    def __init__(self, control: EndpointControl) -> None:
        self._control = control
        self._known: dict[Hardware, tuple[float, Price | None]] = {}

    async def of(self, hardware: Hardware) -> tuple[Price | None, str | None]:
        """The price of one replica's hour, and what kept it from being learned now."""
        at, price = self._known.get(hardware, (float("-inf"), None))
        if monotonic() - at < _FRESH:
            return price, None
        try:
            amount: Decimal | None = await self._control.price(hardware)
        except UpstreamFailed as failure:
            return price, failure.message
        price = Price("USD", per_hour=amount) if amount is not None else None
        self._known[hardware] = (monotonic(), price)
        return price, None


def read(
    endpoint: Endpoint,
    *,
    engine: str,
    known: Mapping[str, Known],
    price: Price | None,
    unpriced: str | None,
    stated: str | None,
    cure: str,
    problems: tuple[str, ...],
) -> Survey:
    """The survey of an endpoint. `stated` is the country the configuration says it is in, `cure` how it is resumed.

    `unpriced` says why its price is not known: worth telling, but nothing that keeps it from answering.
    """
    state = _STATES.get(endpoint.state, State.DOWN)
    return Survey(
        state,
        {
            name: replace(each, facts=replace(each.facts, price=price, revision=endpoint.revision))
            for name, each in known.items()
        },
        (*_about(endpoint, engine), *([("price", f"not known: {unpriced}")] if unpriced else [])),
        (*_wrong(endpoint, state, stated, cure=cure), *problems),
        replicas=_paid(endpoint, state),
    )


def _paid(endpoint: Endpoint, state: State) -> int | None:
    """How many replicas are paid for: those that are ready, and of one that is being started at least one."""
    if state in (State.ASLEEP, State.PAUSED):
        return 0
    if state in (State.READY, State.WAKING):
        return max(endpoint.ready or 0, endpoint.min_replica, 1)
    return None


def _about(endpoint: Endpoint, engine: str) -> list[tuple[str, str]]:
    ready = "" if endpoint.ready is None else f"{endpoint.ready} ready, "
    about = [
        ("status", endpoint.state[:200]),
        ("model", endpoint.repository[:200]),
        ("engine", engine),
        ("hardware", str(endpoint.hardware)),
        ("replicas", f"{ready}at least {endpoint.min_replica}, at most {endpoint.max_replica}"),
    ]
    if endpoint.min_replica == 0:
        idle = endpoint.idle_minutes
        about.append(("scales to zero", f"after {idle} minutes without a request" if idle else "when idle"))
    return about


def _wrong(endpoint: Endpoint, state: State, stated: str | None, *, cure: str) -> list[str]:
    wrong = []
    country = country_of(endpoint.hardware)
    region = f"{endpoint.hardware.vendor} {endpoint.hardware.region}"
    if country and stated and stated != country:
        wrong.append(
            f"It runs in {region} ({country}), but its location says {stated}: no request is sent there."
        )
    if state is State.PAUSED:
        wrong.append(f"It is paused: no request starts it. {cure}")
    if state is State.DOWN:
        said = f": {endpoint.message.rstrip('.')}" if endpoint.message else ""
        wrong.append(f"Hugging Face says {endpoint.state[:200]}{said}.")
    return wrong
