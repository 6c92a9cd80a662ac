"""What runs for a tenant, as the documents tell it: who processes, where, by which tool, for how long. Pure.

Nothing in it depends on a clock, nor on whether a secret is set in this environment: a backend that is off for want of
one is listed like the others, since the next start may have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from passerelle.compliance.estate_dpia import Criterion, criteria
from passerelle.compliance.estate_measures import Applied, Probe, applied
from passerelle.compliance.estate_processors import Processor, processors
from passerelle.compliance.facts import Adequacy, Client, Deadline, Operator, Sources
from passerelle.domain.ask import Task
from passerelle.domain.catalog import Catalog, Policy, Tenant
from passerelle.domain.privacy import Privacy, Retention
from passerelle.policy.presets import PRESETS
from passerelle.policy.seen import Seen, Use

Values = Mapping[str, Any]
SELF: Final = "self"
# Uses in which a party is asked, so that a rule keeps data from it; what we stand on is reached whatever a rule says.
ASKED: Final = frozenset(
    {Use.PRIMARY, Use.FALLBACK, Use.ROUTER, Use.EMBEDDER, Use.RERANKER, Use.CLASSIFIER, Use.JUDGE}
)


@dataclass(frozen=True, slots=True)
class Own:
    """A system of the operator's own, which is no sub-processor."""

    name: str
    uses: tuple[str, ...]
    country: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A party that the configuration names and that no request of this tenant ever reaches."""

    name: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Served:
    """A model that the tenant may ask for, and one place where it is."""

    name: str
    task: str
    backend: str
    model: str  # the id the backend knows
    ours: bool = False  # it runs in this process, and came with it
    provenance: Values | None = None  # repository, revision, licence; None: not known


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything a tenant's documents are made from."""

    tenant: str
    operator: Operator
    client: Client
    policy: Policy | None
    policy_told: Mapping[str, str]  # what the policy means, by language; empty for one nobody explained
    privacy: Privacy
    processors: tuple[Processor, ...]
    own: tuple[Own, ...]
    refused: tuple[Refused, ...]
    activities: tuple[str, ...]  # ids: inference, embeddings, documents, content, surveys, cache
    measures: tuple[Applied, ...]
    declared: tuple[str, ...]  # measures of the organisation
    retentions: tuple[Retention, ...]
    models: tuple[Served, ...]
    criteria: tuple[Criterion, ...]
    adequacy: tuple[Adequacy, ...]
    calendar: Mapping[str, Deadline] = field(default_factory=dict)
    catalogue_as_of: date | None = None  # the oldest day on which a fact of a listed party was looked up

    @property
    def transfers(self) -> tuple[Processor, ...]:
        """The sub-processors whose place or seat is outside the EEA, or not known."""
        return tuple(each for each in self.processors if each.transfer)


def survey(
    sources: Sources,
    catalog: Catalog,
    tenant: Tenant,
    *,
    seen: Sequence[Seen],
    retention: Sequence[Retention] = (),
    probes: Mapping[str, Probe] | None = None,
    provenance: Callable[[str], Values | None] | None = None,
) -> Estate:
    """The estate of a tenant. `seen`: everybody its data may reach.

    `provenance` of a model's id: what the sources say, if unsaid.
    """
    reached = [each for each in seen if each.verdict is None or each.use not in ASKED]
    found = processors(sources, catalog, [each for each in reached if each.party.location.operator != SELF])
    days = [day for each in found for fact in each.evidence if (day := fact.verified_on) is not None]
    return Estate(
        tenant=tenant.name,
        operator=sources.operator,
        client=sources.clients.get(tenant.name, Client(tenant.name)),
        policy=tenant.policy,
        policy_told=_told_of(tenant.policy, sources),
        privacy=tenant.privacy,
        processors=found,
        own=_own(reached),
        refused=_refused(seen),
        activities=_activities(catalog, tenant),
        measures=applied(tenant, catalog, probes or {}),
        declared=tuple(name for name, on in sources.operator.measures.items() if on),
        retentions=tuple(each for each in retention if each.seconds != 0),
        models=_models(
            catalog, tenant, frozenset(each.through for each in reached), provenance or sources.models.get
        ),
        criteria=criteria(tenant),
        adequacy=sources.adequacy,
        calendar={each.id: each for each in sources.calendar},
        catalogue_as_of=min(days, default=None),
    )


def _own(reached: Sequence[Seen]) -> tuple[Own, ...]:
    found: dict[str, Own] = {}
    for each in reached:
        if each.party.location.operator == SELF:
            known = found.get(each.through, Own(each.through, (), each.party.location.country))
            uses = tuple(sorted({*known.uses, told(each)}))
            found[each.through] = Own(known.name, uses, known.country)
    return tuple(found[name] for name in sorted(found))


def told(seen: Seen) -> str:
    """A use as documents name it. First or later: that depends on which secrets are set where they are made."""
    return "answer" if seen.use in ("primary", "fallback") else seen.use.value


def _refused(seen: Sequence[Seen]) -> tuple[Refused, ...]:
    found = {
        (each.party.name, each.verdict.rule): Refused(each.party.name, each.verdict.rule, each.verdict.reason)
        for each in seen
        if each.verdict is not None and each.use in ASKED
    }
    return tuple(found[key] for key in sorted(found))


def _activities(catalog: Catalog, tenant: Tenant) -> tuple[str, ...]:
    tasks = {catalog.models[name].task for name in tenant.models if name in catalog.models}
    switches = (
        ("inference", Task.CHAT in tasks),
        ("embeddings", bool(tasks - {Task.CHAT})),
        ("documents", tenant.rag is not None),
        ("content", tenant.content is not None),
        ("surveys", tenant.surveys is not None),
        ("cache", tenant.cache is not None),
    )
    return tuple(name for name, on in switches if on)


def _told_of(policy: Policy | None, sources: Sources) -> Mapping[str, str]:
    """What a policy means. One of the file with the name of a packaged one means something else, if it differs."""
    if policy is None or PRESETS.get(policy.name, policy) != policy:
        return {}
    return sources.policies.get(policy.name, {})


def _models(
    catalog: Catalog, tenant: Tenant, reached: frozenset[str], provenance: Callable[[str], Values | None]
) -> tuple[Served, ...]:
    """The models it may ask for, where they may answer: in this process, or at somebody who is reached."""
    return tuple(
        Served(
            name,
            catalog.models[name].task.value,
            target.backend,
            target.model,
            ours=not catalog.backends[target.backend].parties,
            provenance=provenance(target.model),
        )
        for name in sorted(tenant.models)
        if name in catalog.models
        for target in catalog.models[name].targets
        if target.backend not in tenant.deny
        and (target.backend in reached or not catalog.backends[target.backend].parties)
    )
