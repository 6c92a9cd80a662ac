"""May this tenant's data reach this party? Pure; run at load, on every hop and by the checks.

Unknown is refused: a rule that cannot be shown to hold does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from passerelle.domain.catalog import Party, Policy, Tenant, Transfer
from passerelle.domain.privacy import Privacy
from passerelle.policy.regions import ADEQUATE, EEA

SELF = "self"  # the operator of this Passerelle


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a party is not permitted: the rule's stable id and one sentence."""

    rule: str
    reason: str


def judge(policy: Policy | None, parties: Iterable[Party], privacy: Privacy | None = None) -> Verdict | None:
    """None when every party is permitted, else the first rule that forbids one.

    A tenant without a policy is unrestricted, unless its `privacy` speaks of special categories or of minors.
    """
    sensitive = privacy is not None and is_sensitive(privacy)
    if policy is None and not sensitive:
        return None
    for party in parties:
        verdict = _by_policy(policy, party, privacy) if policy is not None else None
        if verdict is None and sensitive:
            verdict = _sensitive(party)
        if verdict is None and party.unnamed and (sensitive or is_restricted(policy)):
            verdict = Verdict(
                "R10", f"who serves behind {party.name} is chosen by somebody else, and not known"
            )
        if verdict is not None:
            return verdict
    return None


def judged(tenant: Tenant, parties: Iterable[Party]) -> Verdict | None:
    """`judge`, by everything that a tenant has said."""
    return judge(tenant.policy, parties, tenant.privacy)


def is_sensitive(privacy: Privacy) -> bool:
    """Does the tenant process data that only goes where nothing is kept?"""
    return privacy.minors or bool(privacy.special)


def is_restricted(policy: Policy | None) -> bool:
    """Has the policy a rule about parties?"""
    return policy is not None and any(
        (
            policy.countries is not None,
            policy.operators is not None,
            policy.seats is not None,
            policy.transfers is not None,
            policy.max_retention_days is not None,
            policy.pinned,
            not policy.training,
            policy.redact,
        )
    )


def is_bound(tenant: Tenant) -> bool:
    """Is there anything that a party could be refused for?"""
    return is_sensitive(tenant.privacy) or is_restricted(tenant.policy)


def _by_policy(policy: Policy, party: Party, privacy: Privacy | None) -> Verdict | None:
    for rule in _RULES:
        verdict = rule(policy, party)
        if verdict is not None:
            return verdict
    return _unredacted(policy, party, privacy) if policy.redact else None


def _place(policy: Policy, party: Party) -> Verdict | None:
    where = party.location
    if policy.countries is None or where.country in policy.countries:
        return None
    if where.country is None:
        return Verdict(
            "R01", f"where {party.name} processes data is not known, and {policy.name} names countries"
        )
    return Verdict("R01", f"{party.name} processes data in {where.country}, outside {policy.name}")


def _operator(policy: Policy, party: Party) -> Verdict | None:
    where = party.location
    if policy.operators is not None and where.operator not in policy.operators:
        operator = where.operator or "an unknown party"
        return Verdict("R01", f"{party.name} is operated by {operator}, not one {policy.name} allows")
    if policy.seats is None or where.seat in policy.seats:
        return None
    if where.seat is None:
        return Verdict(
            "R01", f"where who operates {party.name} is established is not known, and {policy.name} asks"
        )
    return Verdict(
        "R01", f"{party.name} is operated by a party established in {where.seat}, outside {policy.name}"
    )


def _transfer(policy: Policy, party: Party) -> Verdict | None:
    """A tool is needed where the place or the seat is outside the EEA: access from there is a transfer too.

    EDPB guidelines 05/2021. The operator itself is no transfer; its own place may be.
    """
    if policy.transfers is None:
        return None
    country, seat = party.location.country, party.location.seat
    if country is None:
        return Verdict(
            "R02",
            f"where {party.name} processes data is not known, and {policy.name} asks for a transfer tool",
        )
    own = party.location.operator == SELF
    outside = [where for where in (country, country if own else seat) if where not in EEA]
    if not outside or party.transfers & policy.transfers:
        return None
    if Transfer.ADEQUACY in policy.transfers and all(where in ADEQUATE for where in outside):
        return None
    tools = ", ".join(sorted(policy.transfers))
    if None in outside and country in EEA:
        told = f"where who operates {party.name} is established is not known"
    else:
        told = f"{party.name} is outside the EEA ({', '.join(sorted({where for where in outside if where}))})"
    return Verdict("R02", f"{told}, and none of {tools}, which {policy.name} asks for, is in force with it")


def _promise(policy: Policy, party: Party) -> Verdict | None:
    if not policy.pinned or party.pinned is True:
        return None
    doubt = "may change" if party.pinned is False else "is not known to be promised"
    return Verdict(
        "R04", f"the place where {party.name} processes data {doubt}, and {policy.name} asks for that"
    )


def _training(policy: Policy, party: Party) -> Verdict | None:
    if policy.training or party.trains is False:
        return None
    doubt = (
        "trains on what it is sent"
        if party.trains
        else "is not known to leave what it is sent out of training"
    )
    return Verdict("R05", f"{party.name} {doubt}, and {policy.name} forbids training")


def _retention(policy: Policy, party: Party) -> Verdict | None:
    kept = party.retention_days
    if policy.max_retention_days is None or (kept is not None and kept <= policy.max_retention_days):
        return None
    if kept is None:
        return Verdict("R06", f"how long {party.name} keeps data is not known, and {policy.name} limits it")
    return Verdict(
        "R06", f"{party.name} keeps data {kept} days, {policy.name} allows {policy.max_retention_days}"
    )


_RULES: Sequence[Callable[[Policy, Party], Verdict | None]] = (
    _place,
    _operator,
    _transfer,
    _promise,
    _training,
    _retention,
)


def _unredacted(policy: Policy, party: Party, privacy: Privacy | None) -> Verdict | None:
    redaction = privacy.redaction if privacy else None
    missing = sorted(policy.redact - (redaction.kinds if redaction else frozenset()))
    if not missing or party.location.operator == SELF:
        return None
    return Verdict("R11", f"{party.name} would see {', '.join(missing)}, which {policy.name} wants replaced")


def _sensitive(party: Party) -> Verdict | None:
    """Special categories and minors: the operator's own, or somebody known who keeps nothing and does not train."""
    if party.location.operator == SELF:
        return None
    about = "and special categories or minors are concerned"
    if party.location.country is None:
        return Verdict("R01", f"where {party.name} processes data is not known, {about}")
    if party.retention_days != 0:
        kept = "is not known to keep nothing" if party.retention_days is None else "keeps what it is sent"
        return Verdict("R07", f"{party.name} {kept}, {about}")
    if party.trains is not False:
        doubt = (
            "trains on what it is sent" if party.trains else "is not known not to train on what it is sent"
        )
        return Verdict("R07", f"{party.name} {doubt}, {about}")
    return None
