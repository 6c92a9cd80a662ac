"""The notice of a change among sub-processors, as it is written to a controller, in French and English. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from passerelle.compliance.diffing import Change, Difference
from passerelle.compliance.facts import Client, Operator
from passerelle.compliance.signed import Listed
from passerelle.compliance.words import Words
from passerelle.policy.regions import EEA

_SAID: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "subject": "Objet : changement parmi nos sous-traitants ultérieurs – {client}",
        "dear": "Madame, Monsieur,",
        "opening": "En application de l'article 28, paragraphe 2, du RGPD et de l'accord qui nous lie, nous vous "
        "informons du changement suivant, qui prendra effet le {effective}.",
        "urgent": "Il s'agit d'une urgence, et le délai de {days} n'a pas pu être tenu : {why}",
        "added": "Nouveau sous-traitant ultérieur : {name}",
        "changed": "Changement chez un sous-traitant ultérieur : {name}",
        "removed": "Fin du recours à un sous-traitant ultérieur : {name}",
        "country": "pays du traitement",
        "seat": "siège",
        "tools": "instrument de transfert (chapitre V)",
        "module": "module des clauses contractuelles types",
        "retention_days": "conservation",
        "pinned": "lieu garanti par contrat",
        "uses": "rôle",
        "legal_name": "raison sociale",
        "none": "aucun n'est déclaré",
        "needless": "aucun n'est nécessaire",
        "was": "{now} (auparavant : {was})",
        "objection": "Vous pouvez vous y opposer jusqu'au {until} inclus, en répondant à ce message ou en écrivant à "
        "{email}. Sans objection à cette date, le changement prend effet. La liste complète et à jour de nos "
        "sous-traitants ultérieurs est jointe (annexe III).",
        "closing": "Nous restons à votre disposition.",
        "nothing": "Aucun changement parmi les sous-traitants ultérieurs.",
        "client": "le nom du client",
        "name": "votre nom",
        "mail": "votre adresse électronique",
    },
    "en": {
        "subject": "Subject: a change among our sub-processors – {client}",
        "dear": "Dear Sir or Madam,",
        "opening": "As Article 28(2) of the GDPR and our agreement ask, we inform you of the following change, which "
        "takes effect on {effective}.",
        "urgent": "This is an emergency, and the period of {days} could not be kept: {why}",
        "added": "New sub-processor: {name}",
        "changed": "Change at a sub-processor: {name}",
        "removed": "No longer a sub-processor: {name}",
        "country": "country of processing",
        "seat": "seat",
        "tools": "transfer tool (chapter V)",
        "module": "module of the standard contractual clauses",
        "retention_days": "retention",
        "pinned": "place promised by contract",
        "uses": "role",
        "legal_name": "legal name",
        "none": "none is declared",
        "needless": "none is needed",
        "was": "{now} (before: {was})",
        "objection": "You may object until {until} (that day included), by answering this message or by writing to "
        "{email}. Without an objection by then, the change takes effect. The whole list of our sub-processors, as it "
        "then is, is attached (annex III).",
        "closing": "We remain at your disposal.",
        "nothing": "Nothing changes among the sub-processors.",
        "client": "the name of the client",
        "name": "your name",
        "mail": "your e-mail address",
    },
}
_SHOWN = ("country", "seat", "tools", "module", "retention_days", "pinned", "uses")
LANGUAGES = tuple(_SAID)


def objection_until(sent: date, notice_days: int) -> date:
    """The last day on which a controller that was told on a day may object."""
    return sent + timedelta(days=notice_days)


def notice_text(
    difference: Difference,
    *,
    operator: Operator,
    client: Client | None,
    language: str,
    sent: date,
    notice_days: int,
    emergency: str = "",
) -> str:
    """An e-mail, its subject in the first line. It takes effect the day after the last on which one may object."""
    said, words = _SAID[language], Words(language)
    if not difference.parties:
        return f"{words.typeset(said['nothing'])}\n"
    until = objection_until(sent, notice_days)
    effective = sent if emergency else until + timedelta(days=1)
    who = (client.name or client.tenant) if client else words.gap(said["client"])
    lines = [said["subject"].format(client=who), "", said["dear"], ""]
    lines += [said["opening"].format(effective=words.day(effective)), ""]
    if emergency:
        lines += [said["urgent"].format(days=words.count(notice_days, "day"), why=emergency), ""]
    for kind in ("added", "changed", "removed"):
        for change in difference.of_kind(kind):
            lines += [f"- {said[kind].format(name=change.party.name)}", *_told(change, said, words), ""]
    email = operator.officer.email or operator.email or words.gap(said["mail"])
    lines += [said["objection"].format(until=words.day(until), email=email), "", said["closing"], ""]
    lines.append(operator.name or words.gap(said["name"]))
    return words.typeset("\n".join(lines)) + "\n"


def _told(change: Change, said: Mapping[str, str], words: Words) -> Iterator[str]:
    if change.kind == "removed":
        return
    party: Listed = change.party
    for name in _SHOWN if change.kind == "added" else tuple(change.fields):
        if name == "module" and party.module is None and name not in change.fields:
            continue
        now = _value(name, getattr(party, name), said, words)
        if name == "tools" and not party.tools and {party.country, party.seat} <= EEA:
            now = said["needless"]
        if name in change.fields:
            now = said["was"].format(now=now, was=_value(name, change.fields[name][0], said, words))
        yield f"  {said[name]}{' :' if words.language == 'fr' else ':'} {now}"


def _value(name: str, value: Any, said: Mapping[str, str], words: Words) -> str:
    if name == "tools" and not value:
        return said["none"]
    if name in ("country", "seat"):
        return words.country(value)
    if name == "retention_days":
        return words.days(value)
    if name in ("tools", "uses"):
        return ", ".join(words.word(name, each) for each in value)
    return words.truth(value) if value is None or isinstance(value, bool) else str(value)
