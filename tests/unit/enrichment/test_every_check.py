"""Each of the checks, broken once by a model: mended where its second answer is good, else marked and shown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from passerelle.domain.content import Address, Brand, Check, Decision, Form, Piece, Standing, Term
from passerelle.http.content_cards import item_card
from passerelle.jobs.worker import Pace
from passerelle.pipelines.enrichment.writing import Writer
from passerelle.reports.content.as_csv import to_csv
from passerelle.reports.content.as_html import to_html
from passerelle.reports.content.as_json import to_json
from passerelle.stores.database import Database
from tests.fakes.wire import Received
from tests.unit.enrichment.office_scene import TENANT, an_office, counted

_PACE = Pace(concurrency=4, lease=10.0, grace=5.0)
_COURSE = """\
# Gérer les conflits

Il est à noter que la formation dure 2 jours (14 heures) et qu'elle coûte 1 190 € HT par personne. Elle est animée par \
Marie Dupont et s'adresse à chaque apprenant qui encadre une équipe.

## Objectifs

- Repérer les signes d'un conflit
- Conduire une médiation

Inscription sur [notre site](https://exemple.fr/conflits) avant le 15 mars 2026."""
_GOOD: dict[str, Any] = {
    "text": _COURSE.replace("Il est à noter que la formation", "La formation").replace(
        "qu'elle coûte", "coûte"
    ),
    "summary": "En 2 jours, chaque apprenant qui encadre une équipe apprend à repérer les signes d'un conflit et à "
    "conduire une médiation entre ses collègues.",
    "tags": ["Communication"],
    "seo_title": "Formation gérer les conflits, 2 jours",
    "seo_description": "Repérez les signes d'un conflit et conduisez une médiation en 2 jours, avec Marie Dupont.",
    "slug": "formation-gerer-les-conflits",
    "level": "unspecified",
    "duration": "2 jours (14 heures)",
    "prerequisites": [],
    "objectives": ["Repérer les signes d'un conflit", "Conduire une médiation"],
}
_BRAND = Brand(
    address=Address.VOUS,
    banned=("incontournable",),
    glossary=(Term("apprenant", never=("élève",), language="fr"),),
    names=("Marie Dupont",),
)


def _in_text(old: str, new: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    assert old in _GOOD["text"]
    return lambda good: {**good, "text": good["text"].replace(old, new)}


def _instead(**values: Any) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda good: {**good, **values}


_BROKEN: dict[Check, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    Check.NUMBERS: _in_text("1 190", "1 290"),
    Check.DATES: _in_text("15 mars 2026", "16 avril 2026"),
    Check.UNITS: _in_text("14 heures", "14 jours"),
    Check.URLS: _in_text("https://exemple.fr/conflits", "https://exemple.fr/autre"),
    Check.NAMES: _in_text("Marie Dupont", "Paul Martin"),
    Check.GLOSSARY: _in_text("apprenant", "élève"),
    Check.BANNED: _in_text("La formation", "La formation incontournable"),
    Check.STRUCTURE: _in_text("## Objectifs", "### Objectifs"),
    Check.LANGUAGE: _instead(
        summary="In two days, everybody who leads a team learns to see the signs of a conflict and to mediate in it."
    ),
    Check.ADDRESS: _in_text("La formation dure", "Tu verras : la formation dure"),
    Check.LENGTH: _instead(summary="Une formation."),
    Check.SEO: _instead(
        seo_title="Formation pour apprendre à bien gérer les conflits dans une équipe, 2 jours"
    ),
    Check.TAXONOMY: _instead(tags=["Cuisine"]),
    Check.EMPTY: _instead(seo_description=""),
}


def _model(received: Received) -> str:
    """What the piece's title says that goes wrong, in the first answer or in both."""
    turns = received.body["messages"]
    found = re.search(r"cas (\w+) (mended|left)", " ".join(turn["content"] for turn in turns))
    assert found is not None
    first = "repair" not in turns[-1]["content"] and len(turns) == 2 + 2 * 1
    broken = first or found[2] == "left"
    return json.dumps(_BROKEN[Check(found[1])](_GOOD) if broken else _GOOD, ensure_ascii=False)


async def test_each_check_is_mended_once_or_marked_and_shown(database: Database) -> None:
    async with an_office(database) as scene:
        scene.engine.answer = _model
        scene.writer = Writer
        await scene.kitchen.set_brand(TENANT, _BRAND, by="ana")
        given = [
            Piece(f"{check}-{end}", _COURSE, Form.MARKDOWN, title=f"cas {check} {end}", language="fr")
            for end in ("mended", "left")
            for check in _BROKEN
        ]
        job = await scene.done(given, _PACE, recipe="course-page-fr")
        found = {each.piece.key: each async for each in scene.works.every(TENANT, job.id)}

        assert set(_BROKEN) == set(Check)
        assert counted(job) == {"written": len(Check), "flawed": len(Check)}
        assert job.spent == scene.charged
        assert scene.calls == 2 * len(given)
        for check in Check:
            mended, left = found[f"{check}-mended"], found[f"{check}-left"]
            assert mended.written is not None
            assert left.written is not None
            assert (mended.standing, mended.written.repaired) == (Standing.WRITTEN, True)
            assert not [flaw for flaw in mended.written.flaws if flaw.serious]
            assert check in {flaw.check for flaw in left.written.flaws if flaw.serious}, left.written.flaws
            said = next(flaw for flaw in left.written.flaws if flaw.check is check)
            assert said.said in {flaw.said for flaw in item_card(left).flaws}
            page = html.unescape("".join(to_html(job, [left], language="fr")))
            assert said.said in page
        table = b"".join(to_csv(job, found.values())).decode()
        document = json.loads(b"".join(to_json(job, found.values())))
        told = [flaw["check"] for piece in document["pieces"] for flaw in piece["flaws"]]
        assert set(map(str, Check)) <= set(told)
        assert table.count("tags: ") >= 1
        # What is flawed is not accepted in bulk.
        await scene.deciding.decide_all(TENANT, job.id, Decision.ACCEPTED, by="ana")
        left = await scene.works.piece(TENANT, job.id, given.index(found["numbers-left"].piece) + 1)
        assert "text" not in left.choices
        assert "summary" in left.choices
