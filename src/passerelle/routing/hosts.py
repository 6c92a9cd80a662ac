"""Which of a router's providers a tenant's request is sent to, and in which order: `cheapest` or `fastest`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from passerelle.domain.ask import Needs
from passerelle.domain.catalog import BackendSpec, Target, Tenant
from passerelle.domain.facts import Host
from passerelle.policy.judge import judged
from passerelle.routing.reasons import LeftOut, Why, unable

MOST = 4  # providers tried for one request: past the best few, another backend is the better answer


def choose(
    spec: BackendSpec, target: Target, hosts: Sequence[Host], *, tenant: Tenant, needs: Needs
) -> tuple[Target, ...] | LeftOut:
    """The target once for each provider that may and can answer, the best first, or why there is none.

    Empty while nothing is known of the providers and any of them would do: then the router chooses.
    """
    if not hosts:
        if judged(tenant, spec.parties_of(target)) is None:
            return ()
        return LeftOut(target, Why.OFF, f"which providers {spec.name} could choose is not known now")
    permitted = [host for host in hosts if judged(tenant, (*spec.parties[:-1], host.party)) is None]
    if not permitted:
        verdict = judged(tenant, (hosts[0].party,))
        told = f"none of the {len(hosts)} providers of {target.model} is permitted"
        return LeftOut(target, Why.POLICY, told, verdict.rule if verdict else None)
    able = [host for host in permitted if unable(target, host.facts, needs) is None]
    if not able:
        return unable(target, permitted[0].facts, needs) or LeftOut(target, Why.OFF, "no provider is able")
    able.sort(key=_ORDERS[spec.choice or "cheapest"])
    return tuple(replace(target, host=host.party) for host in able[:MOST])


def _by_price(host: Host) -> tuple[bool, Decimal, Decimal, bool, str]:
    """Cheapest output first, as the router's own `:cheapest` does; a price that is not said comes last."""
    price = host.facts.price
    output = price.output_per_million if price else None
    into = price.input_per_million if price else None
    return (output is None, output or Decimal(0), into or Decimal(0), False, host.provider)


def _by_speed(host: Host) -> tuple[bool, Decimal, Decimal, bool, str]:
    """Most tokens a second first, as the router's own `:fastest` does; what was not measured comes last."""
    speed = host.throughput
    return (
        speed is None,
        -Decimal(str(speed or 0)),
        Decimal(str(host.latency or 0)),
        host.latency is None,
        host.provider,
    )


_ORDERS: dict[str, Callable[[Host], tuple[bool, Decimal, Decimal, bool, str]]] = {
    "cheapest": _by_price,
    "fastest": _by_speed,
}
