"""Who runs this Passerelle, and for whom: their files as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from passerelle.compliance.facts import Client, Contact, Operator, Position
from passerelle.compliance.reading import (
    Fields,
    Reader,
    by_language,
    day,
    listed,
    one_of,
    truth,
    whole,
    words,
)
from passerelle.compliance.reading_catalogue import country

LANGUAGES: Final = ("fr", "en")
# Measures of an organisation, which no program can look up: the operator declares them.
DECLARED: Final = (
    "confidentiality",
    "training",
    "access-review",
    "mfa",
    "tls",
    "disk-encryption",
    "backups",
    "incident-exercise",
    "updates",
    "premises",
)
_POSITION: Final = one_of(Position, tuple(each.value for each in Position))
_SAID: Final = by_language(listed(words))
_EMPTY: Final[Mapping[str, tuple[str, ...]]] = {}


def read_operator(reader: Reader) -> Operator:
    """`operator.yaml`."""
    root = reader.root()
    usual = Operator()
    declared = root.inside("measures")
    measures = {name: declared.get(name, truth, False) for name in DECLARED}
    declared.end()
    operator = Operator(
        name=root.get("name", words, ""),
        legal_form=root.get("legal_form", words, ""),
        registration=root.get("registration", words, ""),
        address=root.get("address", words, ""),
        country=root.get("country", country, ""),
        representative=root.get("representative", words, ""),
        email=root.get("email", words, ""),
        phone=root.get("phone", words, ""),
        position=root.get("position", _POSITION, usual.position),
        officer=_contact(root, "officer"),
        security=_contact(root, "security"),
        notice_days=root.get("notice_days", whole(1, 365), usual.notice_days),
        breach_hours=root.get("breach_hours", whole(1, 72), usual.breach_hours),
        evidence_days=root.get("evidence_days", whole(1, 3_650), usual.evidence_days),
        measures=measures,
        place=root.place(),
    )
    root.end()
    return operator


def read_client(reader: Reader, *, tenant: str) -> Client:
    """`tenants/<tenant>.yaml`."""
    root = reader.root()
    said = root.need("tenant", words, tenant)
    if said != tenant:
        reader.wrong(
            ("tenant",), f"`tenant` is {said!r} in the file of {tenant!r}.", "Give both the same name."
        )
    dpia = root.inside("dpia")
    client = Client(
        tenant,
        name=root.get("name", words, ""),
        address=root.get("address", words, ""),
        country=root.get("country", country, ""),
        registration=root.get("registration", words, ""),
        representative=root.get("representative", words, ""),
        officer=_contact(root, "officer"),
        contact=_contact(root, "contact"),
        started_on=root.get("started_on", day, None),
        duration=root.get("duration", words, ""),
        purposes=root.get("purposes", _SAID, _EMPTY),
        persons=root.get("persons", _SAID, _EMPTY),
        data=root.get("data", _SAID, _EMPTY),
        legal_bases=root.get("legal_bases", _SAID, _EMPTY),
        dpia_on=dpia.get("on", day, None),
        dpia_file=dpia.get("file", words, ""),
        languages=root.get("languages", listed(_language), LANGUAGES),
        place=root.place("tenant"),
    )
    dpia.end()
    root.end()
    return client


def _language(value: Any) -> str:
    return one_of(str, LANGUAGES)(value)


def _contact(root: Fields, name: str) -> Contact:
    told = root.inside(name)
    contact = Contact(
        told.get("name", words, ""),
        told.get("email", words, ""),
        told.get("phone", words, ""),
        told.get("address", words, ""),
    )
    told.end()
    return contact
