"""Work with one thing wrong in it, planted by hand, by the check that has to find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from passerelle.domain.content import Address, Check, Form, Tag, Term, Value
from tests.unit.enrichment.checks_corpus import (
    EXCEL_EN,
    EXCEL_FR,
    HTML_EN,
    HTML_FR,
    MANAGE_EN,
    MANAGE_FR,
    MARKDOWN_EN,
    MARKDOWN_FR,
    RGPD_FR,
    SALES_EN,
    SALES_FR,
    SOFT_EN,
    SOFT_FR,
    SST_EN,
    SST_FR,
)


@dataclass(frozen=True)
class Planted:
    """A piece of work with a flaw. `found` stands among the words in question, or in what is said."""

    check: Check
    operation: str
    source: str
    values: Mapping[str, Value]
    found: str = ""
    into: str = ""
    form: Form = Form.PLAIN
    brand: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    language: str = "fr"


def _text(
    check: Check, source: str, old: str, new: str, *, found: str = "", written: str = "", **more: Any
) -> Planted:
    """A text in which something was put in the place of something else."""
    body = written or source
    assert old in body
    operation = "translate" if more.get("into") else "rewrite"
    return Planted(check, operation, source, {"text": body.replace(old, new)}, found, **more)


def _summary(check: Check, source: str, said: str, found: str = "", **more: Any) -> Planted:
    return Planted(check, "summarise", source, {"summary": said}, found, **more)


def _seo(check: Check, values: Mapping[str, Value], **more: Any) -> Planted:
    good = {
        "seo_title": "Formation Excel niveau 2",
        "seo_description": "Deux jours pour progresser sur Excel.",
        "slug": "formation-excel",
    }
    return Planted(check, "seo", EXCEL_FR, {**good, **values}, **more)


def _tags(*tags: str, **more: Any) -> Planted:
    taxonomy = (Tag("Bureautique"), Tag("Management"), Tag("Sécurité"))
    return Planted(Check.TAXONOMY, "tag", EXCEL_FR, {"tags": tags}, recipe={"taxonomy": taxonomy}, **more)


_MD: dict[str, Any] = {"form": Form.MARKDOWN}
_EN: dict[str, Any] = {"into": "en"}
_GLOSSARY = (
    Term("apprenant", never=("élève", "étudiant"), language="fr"),
    Term("learner", never=("student", "pupil"), source="apprenant", language="en"),
    Term("e-learning", never=("formation en ligne",)),
)
_LEARNERS_FR = (
    "Chaque élève suit le parcours à son rythme et reçoit une attestation à la fin de la formation."
)
_LEARNERS_FR_2 = (
    "Chaque apprenant suit le parcours à son rythme et reçoit une attestation à la fin de la formation."
)

PLANTED: tuple[Planted, ...] = (
    # Numbers
    _text(Check.NUMBERS, EXCEL_FR, "1 200,50", "1 250,50", found="1 250,50 €"),
    _text(Check.NUMBERS, EXCEL_FR, "$1,200.50".replace("$", ""), "120.50", written=EXCEL_EN, **_EN),
    _text(Check.NUMBERS, SALES_EN, "Three", "Seven", found="Seven"),
    _text(Check.NUMBERS, SST_FR, "600 000", "60 000"),
    _text(Check.NUMBERS, EXCEL_FR, "8 à 12 participants", "8 participants", found="12"),
    _text(Check.NUMBERS, SALES_EN, "80 %", "90 %", written=SALES_FR, into="fr"),
    _summary(Check.NUMBERS, EXCEL_FR, "Deux jours de formation à Excel pour des groupes de 15 participants au plus, près de chez vous à Lyon.", "15"),
    _text(Check.NUMBERS, SALES_EN, "+33 1 23 45 67 89", "+33 1 23 45 67 98"),
    # Dates
    _text(Check.DATES, EXCEL_FR, "12 mars 2026", "12 avril 2026", found="12 avril 2026"),
    _text(Check.DATES, EXCEL_FR, "March 12, 2026", "May 12, 2026", written=EXCEL_EN, **_EN),
    _text(Check.DATES, RGPD_FR, "25 mai 2018", "15 mai 2018", found="15 mai 2018"),
    _text(Check.DATES, SALES_EN, "vendredi", "jeudi", written=SALES_FR, into="fr", found="jeudi"),
    _summary(Check.DATES, EXCEL_EN, "A two-day Excel course in Lyon that starts on 13 April 2026, for groups of 8 to 12 participants only.", "13 April 2026", language="en"),
    # Units
    _text(Check.UNITS, EXCEL_FR, "14 h ", "14 jours ", found="14 jours"),
    _text(Check.UNITS, EXCEL_FR, "€1,200.50", "$1,200.50", written=EXCEL_EN, found="$1,200.50", **_EN),
    _text(Check.UNITS, SST_FR, "24 mois", "24 ans", found="24 ans"),
    _text(Check.UNITS, SALES_EN, "45 minutes", "45 heures", written=SALES_FR, into="fr"),
    _text(Check.UNITS, SALES_EN, "2 years", "2 weeks", language="en"),
    _summary(Check.UNITS, SST_EN, "Become a workplace first-aider in 14 days: a course that your OPCO can fund, at work and everywhere in France.", "14 days", language="en"),
    # Addresses
    _text(Check.URLS, EXCEL_FR, "https://exemple.fr/excel?niveau=2", "https://exemple.fr/excel", found="https://exemple.fr/excel"),
    _text(Check.URLS, EXCEL_FR, "contact@exemple.fr", "info@exemple.fr", written=EXCEL_EN, **_EN),
    _text(Check.URLS, MARKDOWN_FR, "https://docs.moodle.org/fr", "https://docs.moodle.org/en", written=MARKDOWN_EN, **_MD, **_EN),
    _text(Check.URLS, HTML_FR, '<a href="https://exemple.fr/gestes">programme complet</a>', "programme complet", form=Form.HTML),
    _summary(Check.URLS, SOFT_EN, "A course in public speaking with simple, filmed exercises for everyone who is afraid of it: see https://example.com now.", "https://example.com", language="en"),
    # Names
    _text(Check.NAMES, EXCEL_FR, "Marie Dupont", "nos formateurs", found="Marie Dupont"),
    _text(Check.NAMES, EXCEL_FR, "Marie Dupont", "Paul Martin", written=EXCEL_EN, found="Paul Martin", **_EN),
    _text(Check.NAMES, MANAGE_EN, "at Google", "at Amazon", found="Amazon", language="en"),
    _text(Check.NAMES, SALES_EN, "LinkedIn", "FaceTime", written=SALES_FR, into="fr", found="LinkedIn"),
    _text(Check.NAMES, RGPD_FR, "la CNIL", "l'ANSSI", found="ANSSI"),
    _text(Check.NAMES, SOFT_FR, "Cette formation", "Notre parcours", brand={"names": ("Formation SAS",)}, found="Formation SAS") if "Formation SAS" in SOFT_FR else
    _text(Check.NAMES, "Avec Formation SAS, apprenez à parler en public en peu de temps.", "Formation SAS", "nous", brand={"names": ("Formation SAS",)}, found="Formation SAS"),
    _summary(Check.NAMES, MANAGE_FR, "Un atelier pour mieux diriger des équipes à distance, avec le témoignage de Julie Bernard sur la motivation de ses collègues.", "Julie Bernard"),
    # Glossary
    _text(Check.GLOSSARY, _LEARNERS_FR, "élève", "étudiant", brand={"glossary": _GLOSSARY}, found="étudiant"),
    _text(Check.GLOSSARY, _LEARNERS_FR, "élève", "participant", brand={"glossary": _GLOSSARY}, found="apprenant"),
    _text(Check.GLOSSARY, _LEARNERS_FR_2, _LEARNERS_FR_2, "All Students take the course at their own pace and receive a certificate at the end.", brand={"glossary": _GLOSSARY}, found="Students", **_EN),
    _text(Check.GLOSSARY, _LEARNERS_FR_2, _LEARNERS_FR_2, "Everybody takes the course at their own pace and receives a certificate at the end.", brand={"glossary": _GLOSSARY}, found="learner", **_EN),
    _summary(Check.GLOSSARY, SOFT_FR, "Une formation en ligne pour prendre la parole en public avec plus d'aisance, grâce à des exercices simples et filmés.", "formation en ligne", brand={"glossary": _GLOSSARY}),
    # Banned words
    _text(Check.BANNED, SOFT_FR, "exercices simples", "exercices géniaux", brand={"banned": ("génial",)}, found="géniaux"),
    _text(Check.BANNED, SOFT_FR, "gagner en aisance", "BOOSTEZ votre aisance", brand={"banned": ("booster",)}, found="BOOSTEZ"),
    _text(Check.BANNED, SOFT_EN, "simple exercises", "revolutionary exercises", brand={"banned": ("revolutionary",)}, found="revolutionary", language="en"),
    _text(Check.BANNED, MANAGE_EN, "run better meetings", "leveraging better meetings", brand={"banned": ("leverage",)}, found="leveraging", language="en"),
    _seo(Check.BANNED, {"slug": "formation-excel-pas-cher"}, brand={"banned": ("pas cher",)}, found="pas cher"),
    # Structure
    _text(Check.STRUCTURE, MARKDOWN_FR, "## Programme", "### Programme", found="1, 2, 3", **_MD),
    _text(Check.STRUCTURE, MARKDOWN_FR, "{prenom}", "{first_name}", written=MARKDOWN_EN, found="{prenom}", **_MD, **_EN),
    _text(Check.STRUCTURE, MARKDOWN_FR, "--lang=fr", "--lang=en", written=MARKDOWN_EN, **_MD, **_EN),
    _text(Check.STRUCTURE, MARKDOWN_FR, "| Quiz | 1 h 30 |\n", "Le quiz dure 1 h 30.\n", **_MD),
    _text(Check.STRUCTURE, MARKDOWN_FR, "![capture](images/cours.png)", "l'image", found="images/cours.png", **_MD),
    _text(Check.STRUCTURE, HTML_FR, "</strong>", "", written=HTML_EN, form=Form.HTML, found="<strong>", **_EN),
    _text(Check.STRUCTURE, HTML_FR, "<p>", '<p onclick="steal()">', form=Form.HTML, found="onclick"),
    _text(Check.STRUCTURE, HTML_FR, "</ul>", "</ul><script>alert(1)</script>", form=Form.HTML, found="<script>"),
    _text(Check.STRUCTURE, "Bonjour {{ prenom }}, votre code est ${code} et il reste %s places.", "${code}", "code", found="${code}"),
    _text(Check.STRUCTURE, SOFT_FR, "exercices simples", "**exercices simples**", found="**exercices simples**"),
    _text(Check.STRUCTURE, MARKDOWN_FR, "`MDL-42`", "MDL-42", found="MDL-42", **_MD),
    # Language
    Planted(Check.LANGUAGE, "translate", SOFT_FR, {"text": SOFT_FR}, "fr", into="en"),
    Planted(Check.LANGUAGE, "rewrite", SOFT_FR, {"text": SOFT_EN}, "en"),
    Planted(Check.LANGUAGE, "rewrite", SOFT_EN, {"text": SOFT_FR}, "fr", language="en"),
    Planted(Check.LANGUAGE, "translate", f"{SOFT_FR}\n\n{MANAGE_FR}", {"text": f"{SOFT_EN}\n\n{MANAGE_FR}"}, "Diriger", into="en"),
    Planted(Check.LANGUAGE, "translate", SOFT_FR, {"text": "Vor Publikum zu sprechen macht vielen von uns Angst. Dieser Kurs bietet einfache Übungen, die gefilmt und dann besprochen werden, damit Sie sich vor einer kleinen Gruppe und dann vor einem ganzen Saal wohler fühlen."}, "de", into="en"),
    _summary(Check.LANGUAGE, SOFT_FR, "This course offers simple exercises, filmed and then discussed, so that you grow more at ease in front of a group.", "en"),
    # Address
    _text(Check.ADDRESS, RGPD_FR, "vous apprend", "t'apprend", brand={"address": Address.VOUS}, found="t'"),
    _text(Check.ADDRESS, MANAGE_EN, "vous apprendrez", "vous apprendrez", written=MANAGE_FR, into="fr", brand={"address": Address.TU}, found="vous"),
    _text(Check.ADDRESS, SOFT_FR, "Cette formation propose", "Découvrez ici", brand={"address": Address.TU}, found="découvrez"),
    _text(Check.ADDRESS, SOFT_FR, "Cette formation propose", "Tu feras", brand={"address": Address.VOUS}, found="tu"),
    _summary(Check.ADDRESS, SOFT_FR, "Une formation pour que tu prennes la parole en public avec plus d'aisance, grâce à des exercices simples et filmés.", "tu", brand={"address": Address.VOUS}),
    # Length
    Planted(Check.LENGTH, "rewrite", EXCEL_FR, {"text": EXCEL_FR[:90]}),
    Planted(Check.LENGTH, "translate", SOFT_FR, {"text": f"{SOFT_EN} {SOFT_EN} {SOFT_EN}"}, into="en"),
    _summary(Check.LENGTH, SOFT_EN, "A course in public speaking.", language="en"),
    _summary(Check.LENGTH, SOFT_FR, " ".join(["Une formation pour prendre la parole en public."] * 20)),
    _summary(Check.LENGTH, MANAGE_EN, MANAGE_EN, language="en"),
    # SEO
    _seo(Check.SEO, {"seo_title": "Formation Excel niveau 2 en deux jours à Lyon pour toutes les équipes"}),
    _seo(Check.SEO, {"seo_description": "Deux jours pour progresser sur Excel. " * 5}),
    _seo(Check.SEO, {"slug": "Formation_Excel-é"}, found="formation-excel-e"),
    _seo(Check.SEO, {"seo_description": "Formation Excel niveau 2."}),
    _seo(Check.SEO, {"seo_title": "Excel course, level 2\nin Lyon"}, language="en"),
    # Taxonomy
    _tags("Bureautique", "Tableur", found="Tableur"),
    _tags("Bureautique", "bureautique", found="bureautique"),
    _tags("Bureautique", "Management", "Sécurité", "Bureautique", "Management", "Sécurité", found="6"),
    Planted(Check.TAXONOMY, "metadata", EXCEL_FR, {"level": "débutant", "duration": "14 h", "prerequisites": (), "objectives": ()}, "débutant"),
    Planted(Check.TAXONOMY, "metadata", EXCEL_EN, {"level": "Pro", "duration": "14 h", "prerequisites": (), "objectives": ()}, "Pro", language="en"),
    # Empty
    Planted(Check.EMPTY, "rewrite", SOFT_FR, {"text": "  \n"}),
    Planted(Check.EMPTY, "summarise", SOFT_EN, {}, language="en"),
    Planted(Check.EMPTY, "tag", SOFT_EN, {"tags": ()}, language="en"),
    _seo(Check.EMPTY, {"slug": ""}),
    Planted(Check.EMPTY, "metadata", EXCEL_FR, {"level": "", "duration": "", "prerequisites": (), "objectives": ()}),
)  # fmt: skip
