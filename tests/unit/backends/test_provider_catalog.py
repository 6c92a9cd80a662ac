"""Whatever the router's catalogue says, what is made of it is usable, and no plan fails because of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.backends.probes import served
from passerelle.backends.provider_catalog import POLICIES, known_of
from passerelle.backends.provider_parties import PARTIES
from passerelle.domain.ask import Capability, Needs
from passerelle.domain.catalog import BackendSpec, Location, Party, Target, Tenant
from passerelle.domain.facts import Known
from passerelle.routing.hosts import choose
from passerelle.routing.reasons import LeftOut

_SPEC = {
    choice: BackendSpec(
        "hub", "hf-providers", None, parties=(Party("hub (router)"), Party("hub")), choice=choice
    )
    for choice in ("cheapest", "fastest")
}
_TARGET = Target("hub", "org/m")

_anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["live", "error", "groq", "cheapest", "0.15", "a\r\nb", "", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
_offers = st.fixed_dictionaries(
    {"provider": st.sampled_from([*PARTIES, "new-one"]) | _anything, "status": st.just("live") | _anything},
    optional={
        "pricing": _anything | st.fixed_dictionaries({}, optional={"input": _anything, "output": _anything}),
        "context_length": _anything,
        "throughput": _anything,
        "first_token_latency_ms": _anything,
        "supports_tools": _anything,
        "supports_structured_output": _anything,
    },
)
_entries = st.fixed_dictionaries(
    {},
    optional={
        "architecture": _anything | st.fixed_dictionaries({"input_modalities": _anything}),
        "providers": _anything | st.lists(_offers | _anything, max_size=6),
    },
)


@given(
    entry=_entries, choice=st.sampled_from(["cheapest", "fastest"]), provider=st.sampled_from([None, "groq"])
)
@settings(max_examples=300, deadline=None)
def test_any_entry_is_understood_and_leads_to_a_plan(
    entry: dict[str, Any], choice: str, provider: str | None
) -> None:
    known = known_of(entry, PARTIES, provider=provider)

    chosen = choose(_SPEC[choice], _TARGET, known.hosts, tenant=Tenant("t", ()), needs=Needs())
    assert not isinstance(chosen, LeftOut)
    assert known == known_of(entry, PARTIES, provider=provider)  # else each survey would spoil every plan
    names = [host.provider for host in known.hosts]
    assert len(set(names)) == len(names)
    assert not POLICIES & set(names)
    assert all(name.isascii() and name.isprintable() and ":" not in name for name in names)
    for host in known.hosts:
        assert host.facts.context is None or host.facts.context > 0
        price = host.facts.price
        for figure in (price.input_per_million, price.output_per_million) if price else ():
            assert figure is None or (figure.is_finite() and figure >= 0)


@pytest.mark.parametrize(
    "name", ["cheapest", "auto", "fastest", "preferred", "", "a:b", "a b", "a\r\nX: y", "x" * 65]
)
def test_a_name_that_would_let_the_router_choose_another_is_not_a_provider(name: str) -> None:
    assert known_of({"providers": [{"provider": name, "status": "live"}]}, PARTIES) == Known()


def test_a_provider_listed_twice_counts_once() -> None:
    offers = [
        {"provider": "groq", "status": "live", "context_length": 8192},
        {"provider": "groq", "status": "live", "context_length": 1},
    ]
    (host,) = known_of({"providers": offers}, PARTIES).hosts

    assert host.facts.context == 8192


def test_a_catalogue_of_ten_thousand_models_is_looked_up_not_searched() -> None:
    offers = [{"provider": name, "status": "live", "supports_tools": True} for name in PARTIES]
    raw = orjson.dumps({"data": [{"id": f"org/m{n}", "providers": offers} for n in range(10_000)]})
    assert len(raw) > 5_000_000

    listed = served(orjson.loads(raw))

    assert len(listed) == 10_000
    assert Capability.TOOLS in known_of(listed["org/m9999"], PARTIES).facts.has


def test_what_is_stated_of_a_backend_is_no_word_for_a_provider_that_is_not_chosen_yet() -> None:
    stated = Party("hub", Location("FR", "a"), trains=False, retention_days=0)
    spec = BackendSpec(
        "hub",
        "hf-providers",
        None,
        location=stated.location,
        parties=(Party("hub (router)"), stated),
        choice="cheapest",
    )

    assert spec.parties_of(_TARGET)[-1] == Party("hub")
    assert spec.place_of(_TARGET) == Location()
