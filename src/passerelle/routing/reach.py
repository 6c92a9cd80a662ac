"""Who would see a tenant's data, and where: what a data-protection officer asks of a configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from passerelle.domain.catalog import BackendSpec, Catalog, Party, Target, Tenant
from passerelle.policy.judge import judged
from passerelle.routing.explain import Explanation
from passerelle.routing.reasons import Why

_Place = tuple[
    str | None, str | None, str | None
]  # country, operator, the party's name where that is not known


@dataclass(frozen=True, slots=True)
class Reach:
    """A place that data may reach: where it is processed, by whom, and through which backends.

    None is not known. `off` says that every way there is switched off for want of a secret.
    """

    country: str | None
    operator: str | None
    backends: tuple[str, ...]
    off: bool = False

    @property
    def place(self) -> _Place:
        """What makes it another place; parties of whom nobody says who they are, are told apart by backend."""
        return (self.country, self.operator, None if self.operator else ", ".join(self.backends))


def reached(catalog: Catalog, tenant: Tenant, plans: Iterable[Explanation]) -> tuple[Reach, ...]:
    """Every place that the tenant's data may reach by its plans, those included that are only switched off."""
    found: dict[_Place, Reach] = {}
    for backend, party, off in _seen(catalog, tenant, plans):
        where = party.location
        reach = Reach(where.country, where.operator, (backend,), off)
        known = found.get(reach.place, reach)
        backends = tuple(sorted({*known.backends, backend}))
        found[reach.place] = Reach(where.country, where.operator, backends, off=known.off and off)
    return tuple(found[place] for place in sorted(found, key=_order))


def newly_reached(before: Iterable[Reach], after: Iterable[Reach]) -> tuple[Reach, ...]:
    """What can be reached after and could not before."""
    known = {reach.place for reach in before}
    return tuple(reach for reach in after if reach.place not in known)


def _seen(
    catalog: Catalog, tenant: Tenant, plans: Iterable[Explanation]
) -> Iterator[tuple[str, Party, bool]]:
    """Each party that would see a request, with the backend it stands behind, and whether that is switched off."""
    for plan in plans:
        for step in plan.steps:
            for party in _parties(catalog.backends[step.target.backend], step.target, tenant):
                yield step.target.backend, party, False
        for left in plan.left_out:
            if left.why is Why.OFF:
                for party in _parties(catalog.backends[left.target.backend], left.target, tenant):
                    yield left.target.backend, party, True


def _parties(spec: BackendSpec, target: Target, tenant: Tenant) -> Iterator[Party]:
    """The parties behind a target; of a router whose provider is chosen later, every one that may be chosen."""
    if spec.choice is None or target.host is not None or not spec.hosts:
        yield from spec.parties_of(target)
        return
    yield from spec.parties[:-1]
    for host in spec.hosts:
        if judged(tenant, (*spec.parties[:-1], host)) is None:
            yield host


def _order(place: _Place) -> tuple[str, ...]:
    """By country, the unknown ones last."""
    return tuple(part if part is not None else "~" for part in place)
