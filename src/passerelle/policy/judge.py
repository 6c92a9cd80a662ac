"""May this tenant's data reach this party? Pure; run at load, on every hop and by the checks.

Unknown is refused: a rule that cannot be shown to hold does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from passerelle.domain.catalog import Party, Policy


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a party is not permitted: the rule's stable id and one sentence."""

    rule: str
    reason: str


def judge(policy: Policy | None, parties: Iterable[Party]) -> Verdict | None:
    """None when every party is permitted, else the first rule that forbids one.

    A tenant without a policy is unrestricted.
    """
    if policy is None:
        return None
    for party in parties:
        verdict = _judge_party(policy, party)
        if verdict is not None:
            return verdict
    return None


def _judge_party(policy: Policy, party: Party) -> Verdict | None:
    where = party.location
    if policy.countries is not None:
        if where.country is None:
            return Verdict(
                "R01", f"where {party.name} processes data is not known, and {policy.name} names countries"
            )
        if where.country not in policy.countries:
            return Verdict("R01", f"{party.name} processes data in {where.country}, outside {policy.name}")
    if policy.operators is not None and where.operator not in policy.operators:
        operator = where.operator or "an unknown party"
        return Verdict("R01", f"{party.name} is operated by {operator}, not one {policy.name} allows")
    if not policy.training and party.trains is not False:
        doubt = (
            "trains on what it is sent"
            if party.trains
            else "is not known to leave what it is sent out of training"
        )
        return Verdict("R05", f"{party.name} {doubt}, and {policy.name} forbids training")
    if policy.max_retention_days is not None:
        kept = party.retention_days
        if kept is None:
            return Verdict(
                "R06", f"how long {party.name} keeps data is not known, and {policy.name} limits it"
            )
        if kept > policy.max_retention_days:
            return Verdict(
                "R06",
                f"{party.name} keeps data {kept} days, {policy.name} allows {policy.max_retention_days}",
            )
    return None
