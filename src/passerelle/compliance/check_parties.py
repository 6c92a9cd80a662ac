"""Rules about whom data may reach. What is permitted is asked of `policy.judge`, as on every hop of every request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from passerelle.compliance.check_case import Case
from passerelle.compliance.estate import ASKED
from passerelle.compliance.findings import Found
from passerelle.domain.catalog import Policy, Transfer
from passerelle.policy.judge import is_sensitive, judge
from passerelle.policy.seen import Use

_NEVER = "Nothing is sent to it: there is nothing to do unless you meant otherwise."
_WAY = "Permit one of its targets by what you state of it, add a permitted one, or take the model from the tenant."
_THERE = "Take it out of the configuration, keep this tenant from it, or choose one that the policy permits."


def forbidden(case: Case, rule: str) -> Iterator[Found]:
    """What the policy forbids: an error where data is there all the same, or where nobody is left to answer."""
    refused = [(seen, seen.verdict) for seen in case.seen if seen.verdict and seen.verdict.rule == rule]
    for through in dict.fromkeys(seen.through for seen, _ in refused if seen.use in ASKED):
        reasons = {
            verdict.reason: seen for seen, verdict in refused if seen.through == through and seen.use in ASKED
        }
        reason, seen = next(iter(reasons.items()))
        more = f" So are {len(reasons) - 1} more behind it." if len(reasons) > 1 else ""
        yield case.of(seen, rule, "info", f"{seen.party.name} is never reached: {reason}.{more}", _NEVER)
    for seen, verdict in refused:
        if seen.use not in ASKED:
            message = f"Data reaches {seen.through} ({seen.use.value}): {verdict.reason}."
            yield case.of(seen, rule, "error", message, _THERE)
    for model in sorted({model for seen in case.seen for model in seen.models}):
        ways = [seen for seen in case.seen if model in seen.models and seen.use is not Use.ROUTER]
        verdicts = [seen.verdict for seen in ways if seen.verdict is not None]
        if verdicts and len(verdicts) == len(ways) and verdicts[0].rule == rule and not _by_us(case, model):
            message = f"Nobody is permitted to answer {model!r}: {verdicts[0].reason}."
            yield case.in_file(rule, "error", message, _WAY, path=("tenants", case.tenant.name))


def _by_us(case: Case, model: str) -> bool:
    """Is a model answered in this process too? Nobody else sees what is asked there, so no rule is asked of it."""
    backends = {target.backend for target in case.catalog.models[model].targets} - case.tenant.deny
    return any(not case.catalog.backends[name].parties for name in backends)


def place(case: Case) -> Iterable[Found]:
    """R01."""
    return forbidden(case, "R01")


def transfer(case: Case) -> Iterator[Found]:
    """R02. Judged by the same function as everything, under a policy that asks for a tool of chapter V."""
    yield from forbidden(case, "R02")
    cure = "Agree on one and write it into its agreement file, or keep this tenant from it."
    for seen in case.reached():
        party = case.known(seen)
        adequate = frozenset({Transfer.ADEQUACY}) if not case.outside(party) else frozenset()
        law = Policy("chapter V of the GDPR", transfers=frozenset(Transfer) - {Transfer.ADEQUACY} | adequate)
        verdict = judge(law, (party,))
        if verdict is not None:
            unknown = party.location.country is None or not case.outside(party)
            yield case.of(
                seen, "R02", "warning" if unknown else "error", f"{seen.through}: {verdict.reason}.", cure
            )
        elif case.outside(party) and party.transfers <= {Transfer.DPF, Transfer.ADEQUACY}:
            message = f"{party.name} relies on the Data Privacy Framework alone, which is under appeal."
            fallback = "Sign the standard contractual clauses (2021/914) as well, with an assessment."
            yield case.of(seen, "R02", "warning", message, fallback)


def framework(case: Case) -> Iterator[Found]:
    """R02, of the Data Privacy Framework: it covers the very entity that is listed."""
    for seen, entry in case.others():
        if entry is None or Transfer.DPF not in case.known(seen).transfers:
            continue
        if not entry.dpf_entity or entry.dpf_checked_on is None:
            message = (
                f"The Data Privacy Framework is claimed for {entry.id}, without the listed entity or a date."
            )
            cure = "Look the entity up on dataprivacyframework.gov/list; write its name and the day."
            yield case.at(entry.place, "R02", "warning", message, cure)


def all_of_transfer(case: Case) -> Iterator[Found]:
    """R02, whole."""
    yield from transfer(case)
    yield from framework(case)


def pinned(case: Case) -> Iterator[Found]:
    """R04."""
    yield from forbidden(case, "R04")
    named = case.tenant.policy is not None and case.tenant.policy.countries is not None
    for seen, entry in case.others():
        fact = entry.fact("pinned") if entry else None
        promised = seen.party.pinned if seen.party.pinned is not None else fact.value if fact else None
        if promised is True or (promised is None and not named):
            continue
        doubt = "may change" if promised is False else "is not known to be promised"
        message = f"The place where {seen.party.name} processes data {doubt}."
        severity = "error" if named and promised is False else "warning"
        cure = (
            "Have a region promised in writing and say `pinned: true`, or choose somebody who promises one."
        )
        yield case.of(seen, "R04", severity, message, cure)


def training(case: Case) -> Iterator[Found]:
    """R05."""
    yield from forbidden(case, "R05")
    for seen, entry in case.others():
        trains = entry.fact("trains").value if entry else None
        if (trains or seen.party.trains) and not (entry and entry.opt_out):
            message = f"{seen.party.name} trains on what it is sent unless told not to, and nothing shows that it was."
            cure = "Opt out, and write the evidence (`opt_out`) into its agreement file."
            yield case.of(seen, "R05", "error", message, cure)


def retention(case: Case) -> Iterator[Found]:
    """R06."""
    yield from forbidden(case, "R06")
    most = case.tenant.policy.max_retention_days if case.tenant.policy else None
    for seen, entry in case.others():
        listed = entry.fact("retention_days").value if entry else None
        nothing = entry is not None and entry.zero_retention
        if listed is None and seen.party.retention_days is None and not nothing:
            message = f"How long {seen.party.name} keeps what it is sent is not known."
            cure = "Find it in its agreement, and write it into the catalogue with its source."
            yield case.of(seen, "R06", "warning", message, cure)
        elif most is not None and listed is not None and listed > most and not nothing:
            message = (
                f"{seen.party.name} keeps data {listed} days by the catalogue; the policy allows {most}."
            )
            cure = "Agree on zero retention in writing and write it into its agreement file, or leave it."
            yield case.of(seen, "R06", "error", message, cure)


def sensitive(case: Case) -> Iterator[Found]:
    """R07."""
    yield from forbidden(case, "R07")
    client = case.client
    if is_sensitive(case.tenant.privacy) and (client is None or client.dpia_on is None):
        message = "Special categories or minors are concerned, and no impact assessment is on file."
        cure = "Make one (article 35; `07-DPIA` is a beginning), and write `dpia` into the tenant's source."
        if client is not None:
            yield case.at(client.place, "R07", "error", message, cure)
        else:
            yield case.in_file("R07", "error", message, cure, path=("tenants", case.tenant.name))


def router(case: Case) -> Iterator[Found]:
    """R10."""
    yield from forbidden(case, "R10")
    for seen in case.reached():
        if seen.use is Use.ROUTER and case.entry(seen) is None:
            message = f"{seen.through} goes through a router whose operator the catalogue does not have."
            cure = "Add its entry to the catalogue: it sees every request, whoever answers."
            yield case.of(seen, "R10", "error", message, cure)
        if seen.party.unnamed:
            message = f"Somebody else chooses who answers behind {seen.through}."
            cure = "Name a provider, or say `provider: cheapest` or `fastest`, which choose among permitted ones."
            yield case.of(seen, "R10", "warning", message, cure)
