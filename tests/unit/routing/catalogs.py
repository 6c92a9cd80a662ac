"""Catalogs drawn at random for the tests that hold for every catalog."""

from __future__ import annotations

from hypothesis import strategies as st

from passerelle.domain.ask import Capability, Needs, Task
from passerelle.domain.catalog import BackendSpec, Catalog, Location, Model, Party, Policy, Target, Tenant

_BACKENDS = ("a", "b", "c", "d")
_COUNTRIES = ("FR", "DE", "US")

capabilities = st.frozensets(st.sampled_from(sorted(Capability)), max_size=2)
needs = st.builds(Needs, capabilities, st.sampled_from([0, 100, 5000]))
targets = st.builds(
    Target,
    backend=st.sampled_from(_BACKENDS),
    model=st.sampled_from(["x", "y", "z"]),
    rank=st.integers(0, 3),
    weight=st.integers(1, 5),
    degraded=st.booleans(),
    lacks=capabilities,
    context=st.sampled_from([None, 1000, 8000]),
)
parties = st.builds(
    Party,
    name=st.sampled_from(["engine", "router"]),
    location=st.builds(
        Location, st.sampled_from([None, *_COUNTRIES]), st.sampled_from([None, "self", "Acme"])
    ),
    trains=st.sampled_from([None, True, False]),
    retention_days=st.sampled_from([None, 0, 30]),
)
policies = st.builds(
    Policy,
    name=st.just("rules"),
    countries=st.none() | st.frozensets(st.sampled_from(_COUNTRIES), min_size=1),
    operators=st.none() | st.frozensets(st.sampled_from(["self", "Acme"]), min_size=1),
    training=st.booleans(),
    max_retention_days=st.sampled_from([None, 0, 7]),
)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """A catalog of four backends, three models and one tenant, `t`."""
    backends = {
        name: BackendSpec(
            name,
            "openai",
            None,
            off=draw(st.sampled_from([None, None, "TOKEN is not set in the environment"])),
            parties=tuple(draw(st.lists(parties, max_size=2))),
        )
        for name in _BACKENDS
    }
    models = {
        name: Model(name, task, tuple(draw(st.lists(targets, min_size=1, max_size=6))))
        for name, task in (("one", Task.CHAT), ("two", Task.CHAT), ("vectors", Task.EMBED))
    }
    allowed = draw(st.lists(st.sampled_from(sorted(models)), min_size=1, unique=True))
    tenant = Tenant(
        "t",
        models=tuple(allowed),
        default_model=allowed[0],
        policy=draw(st.none() | policies),
        prefer=tuple(draw(st.lists(st.sampled_from(_BACKENDS), max_size=2, unique=True))),
        deny=draw(st.frozensets(st.sampled_from(_BACKENDS), max_size=2)),
        degraded=draw(st.booleans()),
    )
    return Catalog("v", backends, models, {"t": tenant})
