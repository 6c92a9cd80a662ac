"""Annex II: which technical measures are on for a tenant, and what keeps each true. Pure.

A measure stands in the documents only where it is known to be on: by the configuration, by the program's own make,
which a test holds, or by a probe of what runs. A probe goes before both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.privacy import UserField
from passerelle.routing.egress import egress


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found when somebody looked. `on` None: it could not be seen. `evidence`: what was looked at, for people."""

    on: bool | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Measure:
    """A technical measure. `article` of the GDPR's 32(1) it serves: a, b, c or d.

    `here` says whether a tenant's configuration has it on; None: the configuration does not tell, a probe must.
    """

    id: str
    article: str
    setting: str  # where it is set; "" where it cannot be switched off
    test: str  # what would fail if it were not true
    here: Callable[[Tenant, Catalog], bool | None]


@dataclass(frozen=True, slots=True)
class Applied:
    """A measure that is on, and how that is known: `probe`, `setting` or `make`."""

    id: str
    article: str
    setting: str
    test: str
    known_by: str
    evidence: str


def _made(tenant: Tenant, catalog: Catalog) -> bool | None:
    return True


def _probed(tenant: Tenant, catalog: Catalog) -> bool | None:
    return None


def _set(is_on: Callable[[Tenant], bool]) -> Callable[[Tenant, Catalog], bool | None]:
    def here(tenant: Tenant, catalog: Catalog) -> bool | None:
        return is_on(tenant)

    return here


def _locked(tenant: Tenant, catalog: Catalog) -> bool | None:
    """Is every host known beforehand? Not where a library alone knows whom it calls."""
    return all(each.host != "*" for each in egress(catalog))


MEASURES: Final = (
    Measure("pseudonyms", "a", "privacy.user", "tests/unit/subjects/test_pseudonyms.py", _set(lambda t: t.privacy.user is UserField.PSEUDONYM)),
    Measure("no-user", "a", "privacy.user", "tests/unit/subjects/test_pseudonyms.py", _set(lambda t: t.privacy.user is UserField.DROP)),
    Measure("redaction", "a", "privacy.redact", "tests/unit/redaction/test_body.py", _set(lambda t: t.privacy.redaction is not None)),
    Measure("encryption", "a", "privacy.encrypt", "tests/processes/test_sealed_backup.py", _set(lambda t: t.privacy.encrypted)),
    Measure("key-digests", "a", "", "tests/unit/tenancy/test_keys.py", _made),
    Measure("policy", "b", "policies", "tests/unit/policy/test_judge.py", _set(lambda t: t.policy is not None)),
    Measure("no-prompt-log", "b", "privacy.log_prompts", "tests/unit/subjects/test_prompts.py", _set(lambda t: t.privacy.prompt_log is None)),
    Measure("isolation", "b", "", "tests/processes/test_rag_isolation.py", _made),
    Measure("roles", "b", "", "tests/e2e/test_role_matrix.py", _made),
    Measure("egress", "b", "backends", "tests/unit/wire/test_destinations.py", _locked),
    Measure("fetcher", "b", "rag.urls", "tests/unit/wire/test_fetcher_addresses.py", _set(lambda t: t.rag is not None)),
    Measure("guardrails", "b", "guardrails", "tests/unit/guardrails", _set(lambda t: bool(t.guardrails))),
    Measure("ledger-without-content", "b", "", "tests/unit/ledger/test_spool_lines.py", _made),
    Measure("failover", "b", "models.*.targets", "tests/e2e/test_routing.py", _made),
    Measure("limits", "b", "limits", "tests/unit/limits/test_limiter.py", _set(lambda t: t.limits != type(t.limits)())),
    Measure("backups", "c", "", "", _probed),
    Measure("audit", "b", "", "tests/unit/audit/test_chain.py", _made),
    Measure("erasure", "b", "", "tests/unit/rights/test_office.py", _made),
    Measure("recovery", "c", "", "tests/processes/test_worker_process.py", _made),
)  # fmt: skip


def applied(tenant: Tenant, catalog: Catalog, probes: Mapping[str, Probe]) -> tuple[Applied, ...]:
    """The measures that are on, in the order above."""
    found = []
    for measure in MEASURES:
        probe = probes.get(measure.id)
        here = measure.here(tenant, catalog)
        if probe is not None and probe.on is not None:
            on, known_by, evidence = probe.on and here is not False, "probe", probe.evidence
        else:
            on, known_by, evidence = here is True, "make" if measure.here is _made else "setting", ""
        if on:
            found.append(
                Applied(measure.id, measure.article, measure.setting, measure.test, known_by, evidence)
            )
    return tuple(found)
