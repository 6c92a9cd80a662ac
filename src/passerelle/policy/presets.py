"""Policies that may be named without being written; one of the file with the same name goes before."""

from __future__ import annotations

from collections.abc import Mapping

from passerelle.domain.catalog import Policy, Transfer
from passerelle.policy.judge import SELF
from passerelle.policy.regions import ADEQUATE, EEA, EU

_ANY_TOOL = frozenset(Transfer)

PRESETS: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        # Processed in the EEA. Who is established elsewhere, an American parent say, needs a tool in force.
        Policy("eu-only", countries=EEA, transfers=_ANY_TOOL, training=False, max_retention_days=30),
        # The place and the legal party, both in the EU.
        Policy("eu-sovereign", countries=EU, seats=EU, pinned=True, training=False, max_retention_days=0),
        # Or in a country whose law suffices.
        Policy(
            "eea-adequate",
            countries=EEA | ADEQUATE,
            transfers=_ANY_TOOL,
            training=False,
            max_retention_days=30,
        ),
        # Anywhere, by contract.
        Policy("scc-allowed", transfers=_ANY_TOOL, training=False, max_retention_days=30),
        # The operator's own machines, and nobody else's.
        Policy("on-prem-only", operators=frozenset({SELF}), training=False, max_retention_days=0),
    )
}
