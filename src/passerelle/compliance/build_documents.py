"""The documents of a tenant: what each is called in each language, and the template it is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `key` is how templates name it when they link to it."""

    key: str
    names: Mapping[str, str]  # file names by language

    @property
    def template(self) -> str:
        """Its template below `templates/<language>/`."""
        return f"{self.key}.md.j2"


def _document(key: str, french: str, english: str) -> Document:
    return Document(key, {"fr": french, "en": english})


DOCUMENTS: Final = (
    _document("summary", "00-synthese.md", "00-summary.md"),
    _document("agreement", "01-accord-article-28.md", "01-article-28-agreement.md"),
    _document("processing", "02-annexe-I-traitement.md", "02-annex-I-processing.md"),
    _document("measures", "03-annexe-II-mesures-article-32.md", "03-annex-II-article-32-measures.md"),
    _document("processors", "04-annexe-III-sous-traitants.md", "04-annex-III-sub-processors.md"),
    _document("register", "05-registre-article-30-2.md", "05-register-article-30-2.md"),
    _document("transfers", "06-transferts-et-TIA.md", "06-transfers-and-TIA.md"),
    _document("dpia", "07-AIPD-preanalyse.md", "07-DPIA-pre-assessment.md"),
    _document("retention", "08-conservation-et-effacement.md", "08-retention-and-erasure.md"),
    _document("breach", "09-procedure-violation.md", "09-breach-procedure.md"),
    _document("rights", "10-droits-des-personnes.md", "10-data-subjects-rights.md"),
    _document("transparency", "11-transparence-IA.md", "11-AI-transparency.md"),
    _document("information", "12-information-des-personnes.md", "12-information-for-people.md"),
    _document("changes", "CHANGES.md", "CHANGES.md"),
)


def file_of(document: Document, language: str) -> str:
    """Its file name."""
    return document.names[language]


def names_of(language: str) -> dict[str, str]:
    """File names by key."""
    return {each.key: each.names[language] for each in DOCUMENTS}
