"""No order of targets that is ever drawn holds a party that the tenant's policy does not permit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.ask import Capability, Needs, Task
from passerelle.domain.catalog import BackendSpec, Catalog, Location, Model, Party, Policy, Target, Tenant
from passerelle.domain.facts import Facts, Host, Known
from passerelle.policy.judge import judge
from passerelle.routing.explain import explain
from passerelle.routing.plan import make_plan

_countries = st.sampled_from([None, "FR", "US"])
_locations = st.builds(Location, _countries, st.sampled_from([None, "self", "a"]))
_parties = st.builds(
    Party,
    st.sampled_from(["groq", "scaleway", "new"]),
    _locations,
    trains=st.sampled_from([None, True, False]),
    retention_days=st.sampled_from([None, 0, 30]),
)
_policies = st.none() | st.builds(
    Policy,
    st.just("p"),
    countries=st.none() | st.frozensets(st.sampled_from(["FR", "US"]), min_size=1),
    operators=st.none() | st.frozensets(st.sampled_from(["self", "a"]), min_size=1),
    training=st.booleans(),
    max_retention_days=st.sampled_from([None, 0, 30]),
)
_hosts = st.lists(
    st.builds(
        lambda party, lacks, context: Host(
            party.name,
            party,
            Facts(lacks=frozenset({Capability.TOOLS}) if lacks else frozenset(), context=context),
        ),
        _parties,
        st.booleans(),
        st.sampled_from([None, 100, 10_000]),
    ),
    max_size=4,
    unique_by=lambda host: host.provider,
)


@st.composite
def _specs(draw: st.DrawFn, name: str) -> BackendSpec:
    last = replace(draw(_parties), name=name)
    choice = draw(st.sampled_from([None, "cheapest", "fastest"]))
    before = draw(st.lists(_parties, max_size=1))
    return BackendSpec(
        name,
        "hf-providers",
        None,
        location=last.location,
        parties=(*before, last),
        choice=choice,
        hosts=tuple(draw(st.lists(_parties, max_size=3))) if choice else (),
        billable=draw(st.booleans()),
    )


@given(
    specs=st.tuples(_specs("one"), _specs("two")),
    policy=_policies,
    known=st.dictionaries(
        st.sampled_from([("one", "m"), ("two", "m")]), _hosts.map(lambda h: Known(hosts=tuple(h)))
    ),
    prefer=st.sampled_from([(), ("two",)]),
    deny=st.sampled_from([frozenset(), frozenset({"one"})]),
    needs=st.builds(
        Needs, st.sampled_from([frozenset(), frozenset({Capability.TOOLS})]), st.sampled_from([0, 5000])
    ),
)
@settings(max_examples=400, deadline=None)
def test_every_target_of_every_order_is_permitted_with_all_who_see_it(
    specs: tuple[BackendSpec, BackendSpec],
    policy: Policy | None,
    known: dict[tuple[str, str], Known],
    prefer: tuple[str, ...],
    deny: frozenset[str],
    needs: Needs,
) -> None:
    backends = {spec.name: spec for spec in specs}
    model = Model("m", Task.CHAT, (Target("one", "m"), Target("two", "m")))
    tenant = Tenant("t", ("m",), policy=policy, prefer=prefer, deny=deny, bill_to="formation")
    catalog = Catalog("v", backends, {"m": model}, {"t": tenant})

    plan = make_plan(catalog, tenant, model, needs, known=known)
    order = plan.drawn(tenant.prefer, lambda _: 0.5)

    for target in order:
        spec = backends[target.backend]
        assert target.backend not in deny
        assert judge(policy, spec.parties_of(target)) is None
        if spec.choice is not None:  # who will see it is known, or it does not matter to this tenant
            seen = target.host or Party("anybody")
            assert judge(policy, (*spec.parties[:-1], seen)) is None
            said = known.get((target.backend, "m"), Known()).hosts
            assert target.host is None if not said else target.host in [host.party for host in said]
        else:
            assert target.host is None
    told = explain(catalog, "t", "m", needs, known=known)
    assert {step.target for step in told.steps} == set(order)
    told.as_text()
