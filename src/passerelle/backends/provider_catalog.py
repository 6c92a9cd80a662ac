"""The router's catalogue of models (`GET /v1/models`), as what is known of each and of who serves it. Pure.

Every field of an entry but the provider and its status may be absent; prices are USD per million tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from passerelle.backends.probes import positive
from passerelle.domain.ask import Capability
from passerelle.domain.catalog import Party
from passerelle.domain.facts import Facts, Host, Known, Price

POLICIES = frozenset({"auto", "fastest", "cheapest", "preferred"})  # by which the router chooses
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # it becomes the suffix of a model's id
_SUPPORTS = {
    "supports_tools": Capability.TOOLS,
    "supports_structured_output": Capability.STRUCTURED_OUTPUT,
}


def known_of(entry: Mapping[str, Any], parties: Mapping[str, Party], *, provider: str | None = None) -> Known:
    """What is known of one listed model, at one provider where it is named, else at whichever serves it.

    Only providers that are live count.
    """
    seeing = _sees(entry)
    hosts = tuple(
        _host(offer, parties.get(name) or Party(name), seeing)
        for name, offer in _live(entry.get("providers")).items()
        if provider in (None, name)
    )
    if provider is not None and hosts:
        return Known(hosts[0].facts, hosts)
    return Known(_any_of(hosts, seeing), hosts)


def is_provider(name: Any) -> bool:
    """A name that a provider may have; one of the router's own words would let it choose another."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in POLICIES


def _live(offers: Any) -> dict[str, Mapping[str, Any]]:
    """The offers of providers that are live, the first of each."""
    found: dict[str, Mapping[str, Any]] = {}
    for offer in offers if isinstance(offers, list) else ():
        if isinstance(offer, dict) and offer.get("status") == "live" and is_provider(offer.get("provider")):
            found.setdefault(offer["provider"], offer)
    return found


def _any_of(hosts: Sequence[Host], seeing: Mapping[str, frozenset[Capability]]) -> Facts:
    """What holds wherever the router sends a request: it lacks what every provider lacks."""
    lacks = [host.facts.lacks for host in hosts]
    contexts = [host.facts.context for host in hosts]
    return Facts(
        has=frozenset.intersection(*(host.facts.has for host in hosts)) if hosts else frozenset(),
        lacks=frozenset.intersection(*lacks) if lacks else seeing["lacks"],
        context=max((length for length in contexts if length), default=None) if all(contexts) else None,
    )


def _sees(entry: Mapping[str, Any]) -> Mapping[str, frozenset[Capability]]:
    architecture = entry.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    if not isinstance(modalities, list):
        return {"has": frozenset(), "lacks": frozenset()}
    vision = frozenset({Capability.VISION})
    return (
        {"has": vision, "lacks": frozenset()}
        if "image" in modalities
        else {"has": frozenset(), "lacks": vision}
    )


def _host(offer: Mapping[str, Any], party: Party, seeing: Mapping[str, frozenset[Capability]]) -> Host:
    has = {capability for name, capability in _SUPPORTS.items() if offer.get(name) is True}
    lacks = {capability for name, capability in _SUPPORTS.items() if offer.get(name) is False}
    length, latency = offer.get("context_length"), _number(offer.get("first_token_latency_ms"))
    return Host(
        offer["provider"],
        party,
        Facts(
            has=seeing["has"] | has,
            lacks=seeing["lacks"] | lacks,
            context=length if positive(length) else None,
            price=_price(offer.get("pricing")),
        ),
        throughput=_number(offer.get("throughput")),
        latency=None if latency is None else latency / 1000,
    )


def _price(pricing: Any) -> Price | None:
    if not isinstance(pricing, dict):
        return None
    into, output = _number(pricing.get("input")), _number(pricing.get("output"))
    if into is None and output is None:
        return None
    return Price("USD", _decimal(into), _decimal(output))


def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
