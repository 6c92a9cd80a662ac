"""Of a router's providers only those that the policy permits and that can do it are chosen, the best first."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ask import Capability, Needs
from passerelle.domain.catalog import BackendSpec, Location, Party, Policy, Target, Tenant
from passerelle.domain.facts import Facts, Host, Price
from passerelle.policy.judge import judge
from passerelle.routing.hosts import MOST, choose
from passerelle.routing.reasons import LeftOut, Why

_TARGET = Target("hub", "org/m")
_ROUTER = Party("hub (router)", Location("US", "Hugging Face, Inc."), trains=False, retention_days=0)


def _spec(choice: str) -> BackendSpec:
    return BackendSpec("hub", "hf-providers", None, parties=(_ROUTER, Party("hub")), choice=choice)


def _host(name: str, *, output: str | None = None, speed: float | None = None, **more: object) -> Host:
    price = Price("USD", Decimal(output), Decimal(output)) if output else None
    party = Party(name, Location("US" if name < "m" else "FR"), trains=False, retention_days=0)
    facts = Facts(price=price, **more)  # type: ignore[arg-type]
    return Host(name, party, facts, throughput=speed)


hosts = st.lists(
    st.builds(
        lambda name, output, speed, tools: _host(
            name,
            output=output and str(output),
            speed=speed,
            lacks=frozenset() if tools else frozenset({Capability.TOOLS}),
        ),
        st.sampled_from("abcdefmnopqr"),
        st.none() | st.integers(1, 99),
        st.none() | st.floats(1, 900),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda host: host.provider,
)
policies = st.none() | st.builds(
    lambda countries: Policy("p", countries=frozenset(countries)),
    st.sets(st.sampled_from(["US", "FR", "DE"]), min_size=1),
)


@given(found=hosts, policy=policies, choice=st.sampled_from(["cheapest", "fastest"]), tools=st.booleans())
def test_whoever_is_chosen_is_permitted_able_and_better_than_those_after(
    found: list[Host], policy: Policy | None, choice: str, tools: bool
) -> None:
    needs = Needs(frozenset({Capability.TOOLS}) if tools else frozenset())
    tenant = Tenant("t", (), policy=policy)

    chosen = choose(_spec(choice), _TARGET, found, tenant=tenant, needs=needs)

    usable = [
        host
        for host in found
        if judge(policy, (_ROUTER, host.party)) is None
        and not (tools and Capability.TOOLS in host.facts.lacks)
    ]
    if isinstance(chosen, LeftOut):
        assert usable == []
        return
    assert len(chosen) == min(len(usable), MOST)
    by_name = {host.provider: host for host in found}
    picked = [by_name[target.host.name] for target in chosen if target.host]
    assert set(picked) <= set(usable)
    figures = [_figure(host, choice) for host in picked]
    assert figures == sorted(figures)
    left = [_figure(host, choice) for host in usable if host not in picked]
    assert not left or not figures or figures[-1] <= min(left)


def _figure(host: Host, choice: str) -> float:
    if choice == "fastest":
        return -host.throughput if host.throughput else float("inf")
    price = host.facts.price
    return float(price.output_per_million or 0) if price else float("inf")


@pytest.mark.parametrize(
    ("policy", "why"), [(None, None), (Policy("p", countries=frozenset({"FR"})), Why.OFF)]
)
def test_while_nothing_is_known_only_a_tenant_that_does_not_care_is_served(
    policy: Policy | None, why: Why | None
) -> None:
    chosen = choose(_spec("cheapest"), _TARGET, (), tenant=Tenant("t", (), policy=policy), needs=Needs())

    assert chosen == () if why is None else isinstance(chosen, LeftOut) and chosen.why is why


def test_a_tenant_whose_policy_permits_none_of_them_is_told_the_rule() -> None:
    tenant = Tenant("t", (), policy=Policy("p", countries=frozenset({"US", "DE"}), max_retention_days=0))

    chosen = choose(_spec("cheapest"), _TARGET, [_host("z", output="1")], tenant=tenant, needs=Needs())

    assert isinstance(chosen, LeftOut)
    assert (chosen.why, chosen.rule) == (Why.POLICY, "R01")


def test_a_context_no_provider_has_is_why_it_is_left_out() -> None:
    found = [_host("a", output="1", context=4096)]

    chosen = choose(_spec("cheapest"), _TARGET, found, tenant=Tenant("t", ()), needs=Needs(context=5000))

    assert isinstance(chosen, LeftOut)
    assert chosen.why is Why.INCAPABLE
