"""The processor's register (GDPR, article 30(2)) for machines: a table with the CNIL's fields, and DPV as JSON-LD.

DPV: https://w3id.org/dpv, of the W3C's Data Privacy Vocabularies and Controls community group.
"""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any, Final

import orjson

from passerelle.compliance.estate import Estate
from passerelle.compliance.estate_processors import Processor
from passerelle.compliance.facts import Contact
from passerelle.compliance.words import Words

_COLUMNS: Final = {
    "fr": ("Référence", "Traitement", "Sous-traitant", "Délégué à la protection des données", "Responsable du traitement",
           "Finalités", "Catégories de personnes", "Catégories de données", "Données sensibles", "Destinataires",
           "Transferts hors UE", "Garanties des transferts", "Durées de conservation", "Mesures de sécurité"),
    "en": ("Reference", "Processing", "Processor", "Data-protection officer", "Controller", "Purposes",
           "Categories of persons", "Categories of data", "Sensitive data", "Recipients", "Transfers outside the EU",
           "Safeguards of transfers", "Retention", "Security measures"),
}  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(estate: Estate, words: Words) -> str:
    """One row for each category of processing. UTF-8, RFC 4180; no cell begins as a formula would."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS[words.language])
    for number, activity in enumerate(estate.activities, 1):
        row = [f"{estate.tenant}-{number:02d}", words.word("activities", activity), *_shared(estate, words)]
        writer.writerow([_cell(words.typeset(each)) for each in row])
    return out.getvalue()


def _cell(value: str) -> str:
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(_FORMULA) else text


def _shared(estate: Estate, words: Words) -> list[str]:
    operator, client, language = estate.operator, estate.client, words.language
    gap, colon, parted = {"fr": ("nom", " : ", " ; "), "en": ("name", ": ", "; ")}[language]
    special = [words.word("special", each.value) for each in sorted(estate.privacy.special)]
    return [
        " – ".join(filter(None, (operator.name or words.gap(gap), operator.address, operator.email))),
        _contact(operator.officer),
        " – ".join(filter(None, (client.name or words.gap(gap), client.address, _contact(client.contact)))),
        parted.join(client.purposes.get(language, ())),
        parted.join(client.persons.get(language, ())),
        parted.join(client.data.get(language, ())),
        parted.join(special) or words.known["no"],
        parted.join(words.called(each.name, unnamed=each.unnamed) for each in estate.processors)
        or words.known["no"],
        parted.join(
            f"{words.called(each.name, unnamed=each.unnamed)} ({words.country(each.country)})"
            for each in estate.transfers
        )
        or words.known["no"],
        parted.join(
            f"{words.called(each.name, unnamed=each.unnamed)}{colon}{_tools(each, words)}"
            for each in estate.transfers
        ),
        parted.join(f"{words.label(each)}{colon}{words.kept(each)}" for each in estate.retentions),
        parted.join(words.word("measures", each.id).replace("`", "") for each in estate.measures),
    ]


def _contact(contact: Contact) -> str:
    return ", ".join(filter(None, (contact.name, contact.email)))


def _tools(processor: Processor, words: Words) -> str:
    return ", ".join(words.word("tools", each) for each in processor.tools) or str(words.known["unknown"])


def as_jsonld(estate: Estate, words: Words, *, on: date) -> str:
    """The same register in the words of DPV."""
    language = words.language
    document = {
        "@context": {
            "dpv": "https://w3id.org/dpv#",
            "dct": "http://purl.org/dc/terms/",
            "loc": "https://w3id.org/dpv/loc#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
            "dct:modified": {"@type": "xsd:date"},
        },
        "@id": f"urn:passerelle:register:{estate.tenant}",
        "@type": "dpv:RecordsOfActivities",
        "dct:modified": on.isoformat(),
        "dct:language": language,
        "dpv:hasProcess": [_process(estate, words, each) for each in estate.activities],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _process(estate: Estate, words: Words, activity: str) -> dict[str, Any]:
    language, operator, client = words.language, estate.operator, estate.client

    def texts(kind: str, said: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{"@type": kind, "dct:title": {"@value": each, "@language": language}} for each in said]

    return {
        "@id": f"urn:passerelle:register:{estate.tenant}:{activity}",
        "@type": "dpv:Process",
        "dct:title": {"@value": words.word("activities", activity), "@language": language},
        "dpv:hasDataController": _entity(
            "dpv:DataController", client.name, client.address, client.contact.email
        ),
        "dpv:hasDataProcessor": [
            _entity("dpv:DataProcessor", operator.name, operator.address, operator.email),
            *(_sub(each, words) for each in estate.processors),
        ],
        "dpv:hasPurpose": texts("dpv:Purpose", client.purposes.get(language, ())),
        "dpv:hasDataSubject": texts("dpv:DataSubject", client.persons.get(language, ())),
        "dpv:hasPersonalData": texts("dpv:PersonalData", client.data.get(language, ())),
        "dpv:hasStorageCondition": [
            {
                "@type": "dpv:StorageDuration",
                "dct:title": {"@value": words.label(each), "@language": language},
                "dct:description": {"@value": words.kept(each), "@language": language},
            }
            for each in estate.retentions
        ],
        "dpv:hasTechnicalOrganisationalMeasure": texts(
            "dpv:TechnicalMeasure", tuple(words.word("measures", each.id) for each in estate.measures)
        )
        + texts("dpv:OrganisationalMeasure", tuple(words.word("declared", each) for each in estate.declared)),
    }


def _entity(kind: str, name: str, address: str, email: str) -> dict[str, Any]:
    said = {"dpv:hasName": name, "dpv:hasAddress": address, "dpv:hasContact": email}
    return {"@type": kind, **{key: value for key, value in said.items() if value}}


def _sub(processor: Processor, words: Words) -> dict[str, Any]:
    name = words.called(processor.name, unnamed=processor.unnamed)
    said = _entity("dpv:DataSubProcessor", name, processor.address, processor.contact)
    if processor.country:
        said["dpv:hasCountry"] = {"@id": f"loc:{processor.country}"}
    if processor.tools:
        said["dct:description"] = {"@value": _tools(processor, words), "@language": words.language}
    return said
