"""Without a language model: quoted, counted, sorted, nothing worded anew, and what is not said stays empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from passerelle.domain.content import Brand, Form, Operation, Piece, Written
from passerelle.domain.errors import BadRequest
from passerelle.pipelines.enrichment.offline_facts import (
    described_in,
    duration_in,
    level_in,
    objectives_in,
    prerequisites_in,
    slug_of,
    title_in,
)
from passerelle.pipelines.enrichment.offline_lines import lines_of
from passerelle.pipelines.enrichment.recipes import shipped
from passerelle.pipelines.enrichment.writing import Writer
from tests.serving import one_backend
from tests.unit.enrichment.writer import piece
from tests.unit.gateway.internal import inside
from tests.unit.pipelines.asking import asker_of

_FRENCH = """\
# Conduire une médiation en entreprise

La médiation aide deux collègues en conflit à trouver un accord. Cette formation apprend aux managers à la conduire.
Elle alterne théorie et exercices filmés. Un formateur certifié accompagne chaque participant.

**Durée :** 2 jours (14 heures)
**Niveau :** perfectionnement

## Prérequis

Encadrer une équipe depuis un an. Avoir suivi [le premier module](https://exemple.fr/1).

## Objectifs pédagogiques

- Repérer les signes d'un conflit ;
- Conduire un entretien de médiation.

## Programme

- Les étapes d'une médiation"""

_ENGLISH = """<article><h1>Pivot tables with Excel</h1><p>This course shows how to build, filter and format pivot tables. You
work on your own files. It is for office staff who handle long lists of data every day.</p><p>Duration: 1 day</p>
<p>Prerequisites: none</p><h2>What you will learn</h2><ul><li>Build a pivot table</li><li>Filter it &amp; format it</li></ul>
<p>For beginners.</p><script>var days = "3 days";</script></article>"""


async def _written(models: Path, source: Piece, *operations: Operation, language: str = "fr") -> Written:
    recipe = replace(shipped()[f"tag-{language}"], operations=operations, examples=())
    async with inside(one_backend("builtin", "", model="extractive"), models) as gateway:
        writer = Writer(lambda tenant: asker_of(gateway, tenant))
        return await writer.write("acme", source, recipe, Brand(), model="assistant", offline=True)


_ALL = (Operation.SUMMARISE, Operation.TAG, Operation.SEO, Operation.METADATA)


async def test_a_french_page_is_filled_with_its_own_words(models: Path) -> None:
    written = await _written(models, piece(_FRENCH), *_ALL)
    values = written.values
    assert written.offline
    assert written.engine == "builtin"
    assert written.calls == 2
    assert written.usage.prompt_tokens > 0
    plain = " ".join(line.text for line in lines_of(piece(_FRENCH)))
    assert all(sentence.strip(". ") in plain for sentence in str(values["summary"]).split(". "))
    assert "Communication" in values["tags"] or "Management" in values["tags"]
    assert values["seo_title"] == "Conduire une médiation en entreprise"
    assert values["slug"] == "conduire-une-mediation-en-entreprise"
    assert len(values["seo_description"]) <= 155
    assert values["level"] == "intermediate"
    assert values["duration"] == "2 jours (14 heures)"
    assert values["prerequisites"] == ("Encadrer une équipe depuis un an", "Avoir suivi le premier module")
    assert values["objectives"] == ("Repérer les signes d'un conflit", "Conduire un entretien de médiation")


async def test_an_english_page_of_html_too(models: Path) -> None:
    written = await _written(models, piece(_ENGLISH, form=Form.HTML, language="en"), *_ALL, language="en")
    values = written.values
    assert "Office software" in values["tags"] or "Data and AI" in values["tags"]
    assert values["seo_title"] == "Pivot tables with Excel"
    assert str(values["seo_description"]).startswith("This course shows how to build")
    assert values["level"] == "beginner"
    assert values["duration"] == "1 day"
    assert values["prerequisites"] == ()
    assert values["objectives"] == ("Build a pivot table", "Filter it & format it")
    assert "<" not in str(values["summary"])


async def test_nothing_is_rewritten_or_translated_without_a_model(models: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        await _written(models, piece(_FRENCH), Operation.SUMMARISE, Operation.REWRITE)
    assert caught.value.code == "recipe_needs_model"


async def test_facts_alone_ask_nobody(models: Path) -> None:
    written = await _written(models, piece(_FRENCH), Operation.SEO, Operation.METADATA)
    assert written.calls == 0
    assert written.cost == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Durée : 3,5 jours, soit 24 h 30", "3,5 jours"),
        ("Une formation d'une demi-journée.", "une demi-journée"),
        ("Duration: two days / 14 hours", "two days / 14 hours"),
        ("Ouvert 10 jours par an.\n\n### Durée\n\n21 heures", "21 heures"),
        ("Le prix est de 3 500 €.", ""),
        ("Un groupe de 12 personnes.", ""),
    ],
)
def test_a_duration_is_quoted_as_it_stands(text: str, said: str) -> None:
    found = duration_in(lines_of(piece(text)))
    assert found.startswith(said) if said else found == ""
    assert found in text


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Public : débutants", "beginner"),
        ("Niveau : avancé", "advanced"),
        ("Cours pour débutants et experts.", "unspecified"),
        ("Un cours de cuisine.", "unspecified"),
        ("Level: intermediate\n\nOur expert trainers welcome beginners.", "intermediate"),
    ],
)
def test_a_level_is_named_or_left_open(text: str, level: str) -> None:
    assert level_in(lines_of(piece(text))) == level


def test_what_is_not_there_stays_empty() -> None:
    lines = lines_of(piece("Un atelier de cuisine."))
    assert prerequisites_in(lines) == objectives_in(lines) == ()
    assert title_in(lines) == "Un atelier de cuisine"


def test_a_description_is_whole_sentences_or_cut_at_a_word() -> None:
    assert described_in("Une phrase. Une autre.", 15) == "Une phrase."
    assert described_in("Une seule phrase sans fin ni point", 20) == "Une seule phrase…"
    assert len(described_in("mot" * 100, 30)) == 30


def test_a_slug_is_ascii() -> None:
    assert slug_of("Œuvrer à l'été : 2026 & après !") == "oeuvrer-ete-2026-apres"
    assert slug_of("日本語") == ""
