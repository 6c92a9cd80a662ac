"""Rules about what must be written down: agreements, assessments, evidence, contacts, disclosure, decisions of adequacy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from passerelle.compliance.check_case import Case
from passerelle.compliance.facts import Confidence, Contact, Entry, Place, Position
from passerelle.compliance.findings import Found
from passerelle.domain.catalog import Transfer
from passerelle.policy.seen import Seen, Use

_SOON = timedelta(days=90)
_FACTS = ("country", "seat", "pinned", "trains", "retention_days", "agreement")  # that rules stand on


def assessment(case: Case) -> Iterator[Found]:
    """R03."""
    for seen, entry in case.others():
        party = case.known(seen)
        if Transfer.SCC not in party.transfers or not case.outside(party):
            continue
        made = entry.assessment if entry else None
        if made is None:
            message = f"The transfer to {party.name} stands on standard clauses, and was not assessed."
            cure = "Assess it (EDPB recommendations 01/2020; `06-transferts-TIA` is a beginning), and write it down."
            yield case.of(seen, "R03", "error", message, cure)
        elif entry is not None and made.review_on < case.today:
            message = (
                f"The assessment of the transfer to {party.name} was to be reviewed by {made.review_on}."
            )
            cure = "Review it, and write the next day down."
            yield case.of(seen, "R03", "error", message, cure, place=entry.place)


def agreement(case: Case) -> Iterator[Found]:
    """R08."""
    for seen, entry in case.others():
        if entry is None:
            continue
        if entry.signed_on is None or not entry.signed_reference:
            message = f"No agreement with {entry.id} is on file (article 28(4))."
            cure = f"Sign one, and write its date and reference into `sources/agreements/{entry.id}.yaml`."
            yield case.of(seen, "R08", "error", message, cure)
        elif entry.signed_on > case.today:
            message = f"The agreement with {entry.id} is dated {entry.signed_on}, which has not come."
            cure = "Correct the date, or wait for it."
            yield case.of(seen, "R08", "error", message, cure, place=entry.place)


def evidence(case: Case) -> Iterator[Found]:
    """R09."""
    for seen, entry in case.others():
        if entry is not None:
            yield from _doubts(case, seen, entry)
        elif seen.use is not Use.ROUTER and not seen.party.unnamed:  # of which R10 speaks
            who = seen.party.location.operator
            told = (
                f"{who}, who operates {seen.through},"
                if who
                else f"Who operates {seen.through} is not known: it"
            )
            severity = "warning" if seen.use is Use.WEBHOOK and not who else "error"
            cure = "Add its entry under `sources/catalogue/`, or say `operator: self` if it is your own."
            yield case.of(seen, "R09", severity, f"{told} has no entry in the catalogue.", cure)


def _doubts(case: Case, seen: Seen, entry: Entry) -> Iterator[Found]:
    said = {name: entry.fact(name) for name in _FACTS if entry.fact(name).value is not None}
    oldest = case.today - timedelta(days=case.sources.operator.evidence_days)
    unsure = [name for name, fact in said.items() if fact.confidence is Confidence.UNVERIFIED]
    old = [
        name for name, fact in said.items() if name not in unsure and (fact.verified_on or oldest) <= oldest
    ]
    cure = "Read the source again, and write down what it says, the day and your name."
    if not said:
        message = f"Nothing is known of {entry.id}."
        yield case.of(seen, "R09", "error", message, cure, place=entry.place)
    for names, doubt in ((unsure, "was never verified"), (old, "is too old to be believed")):
        if names:
            place = said[names[0]].place if said[names[0]].place.file else entry.place
            message = f"What is said of {entry.id} {doubt}: {', '.join(names)}."
            yield case.of(seen, "R09", "error", message, cure, place=place)


def contacts(case: Case) -> Iterator[Found]:
    """R16."""
    operator, client = case.sources.operator, case.client
    cure = "Write it down; a document with a gap cannot be signed."
    missing = _empty(operator, ("name", "address", "country", "email"))
    missing += _nobody({"officer": operator.officer, "security": operator.security})
    if missing:
        message = f"The operator's source lacks {', '.join(missing)}."
        place = operator.place if operator.place.line > 1 or operator.name else Place("sources/operator.yaml")
        yield case.at(place, "R16", "error", message, cure, tenant="")
    if operator.position is Position.CONTROLLER and client is None:
        return
    if client is None:
        message = "There is no source of this tenant as a party to an agreement."
        cure = f"Write `sources/tenants/{case.tenant.name}.yaml`."
        yield case.in_file("R16", "error", message, cure, path=("tenants", case.tenant.name))
        return
    missing = _empty(client, ("name", "address", "country", "purposes", "persons", "data", "duration"))
    missing += _nobody({"contact": client.contact})
    if missing:
        yield case.at(client.place, "R16", "error", f"The tenant's source lacks {', '.join(missing)}.", cure)


def _empty(of: object, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not getattr(of, name)]


def _nobody(contacts: Mapping[str, Contact]) -> list[str]:
    return [name for name, contact in contacts.items() if not (contact.email or contact.phone)]


def disclosure(case: Case) -> Iterator[Found]:
    """R17."""
    privacy, client = case.tenant.privacy, case.client
    if not privacy.end_user_facing:
        return
    path = ("tenants", case.tenant.name, "privacy", "marking")
    if not privacy.marking.enabled:
        message = "People talk to this tenant's models, and its answers are not marked as a machine's."
        cure = "Say `marking: {enabled: true}` (AI Act, article 50(2))."
        yield case.in_file("R17", "error", message, cure, path=path)
    languages = client.languages if client else ("fr", "en")
    missing = [language for language in languages if not privacy.marking.disclosure.get(language)]
    if missing:
        message = f"People talk to this tenant's models, and are not told so in {', '.join(missing)}."
        cure = "Write `marking.disclosure` in that language (AI Act, article 50(1))."
        yield case.in_file("R17", "error", message, cure, path=path)


def adequacy(case: Case) -> Iterator[Found]:
    """R18, about all tenants."""
    for each in case.sources.adequacy:
        if each.until is None or each.until - case.today >= _SOON:
            continue
        cure = "See whether it was renewed, and correct the date and its source; else find another transfer tool."
        if each.until < case.today:
            message = f"The decision {each.decision} on the adequacy of {each.country} ended on {each.until}."
            yield case.at(each.place, "R18", "error", message, cure, tenant="")
        else:
            days = (each.until - case.today).days
            message = f"The decision {each.decision} on the adequacy of {each.country} ends in {days} days."
            yield case.at(each.place, "R18", "warning", message, cure, tenant="")


def partners(case: Case) -> Iterator[Found]:
    """R19."""
    routed = {seen.through for seen in case.seen if seen.use is Use.ROUTER}
    for seen, entry in case.others():
        if seen.through not in routed or seen.use is Use.ROUTER or seen.party.unnamed:
            continue
        names = {seen.party.name} | (entry.providers if entry else frozenset())
        spec = case.catalog.backends.get(seen.through)
        asked = getattr(spec.options, "provider", None) if spec else None
        if not (names | {asked}) & case.partners:
            message = (
                f"{entry.id if entry else seen.party.name} is not on the Hub's list of providers any more."
            )
            cure = "Ask it directly, or choose another; correct `hub_partner` in the catalogue."
            yield case.of(seen, "R19", "error", message, cure)
