"""What is left behind of a decision: which rules were asked, by a short hash that changes when they do."""

from __future__ import annotations

import hashlib
from dataclasses import fields

from passerelle.domain.catalog import Policy, Tenant
from passerelle.policy.judge import is_sensitive

SENSITIVE = "sensitive"  # in place of a name: no policy, but special categories or minors


def in_force(tenant: Tenant) -> str | None:
    """`<name>@<hash>` of the rules that bind a tenant; None where none does.

    The hash is of the rules and not of the name, over sorted values: the same rules have the same in every process.
    What the tenant has replaced, where a rule asks for that, and whether its data is sensitive are part of it.
    """
    policy, privacy = tenant.policy, tenant.privacy
    if policy is None and not is_sensitive(privacy):
        return None
    said = _rules(policy) if policy else []
    if is_sensitive(privacy):
        said.append(f"special={','.join(sorted(privacy.special))};minors={privacy.minors}")
    if policy and policy.redact and privacy.redaction:
        said.append(f"redacted={','.join(sorted(privacy.redaction.kinds))}")
    digest = hashlib.sha256("\n".join(said).encode()).hexdigest()[:8]
    return f"{policy.name if policy else SENSITIVE}@{digest}"


def _rules(policy: Policy) -> list[str]:
    told = []
    for field in fields(policy):
        value = getattr(policy, field.name)
        if field.name != "name":
            shown = ",".join(sorted(value)) if isinstance(value, frozenset) else repr(value)
            told.append(f"{field.name}={shown}")
    return told
