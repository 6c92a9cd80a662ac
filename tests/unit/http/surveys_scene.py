"""A gateway whose surveys are in memory, a file of answers with everything that can be wrong, and forms that bring it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from passerelle.domain.rag import Rag as Documents
from passerelle.domain.survey_work import SurveyRules
from passerelle.http import docs
from passerelle.http import surveys as routes
from passerelle.http.front import App, Front
from passerelle.http.intake import Limits
from passerelle.http.vigil import Patience
from tests.fakes.rag import RagFake
from tests.fakes.surveys import BureauFake
from tests.serving import FixedKeys, Served, one_backend, serving
from tests.unit.http.rag_scene import CALLERS, ask

SURVEYS = "/v1/surveys"
FILE = """\
Recommandation;Vos remarques;Formateur;Date;E-mail
9;Le formateur est très clair et répond à toutes les questions;Luc;03/03/2026;a@exemple.fr
3;Le rythme est trop rapide pour les débutants du groupe;Luc;04/03/2026;b@exemple.fr
;;;;
10;=SOMME(A1:A9) et une salle agréable, merci pour l'accueil;Anne;05/03/2026;c@exemple.fr
42;Le formateur va trop vite et le rythme ne me convient pas;Anne;32/13/2026;d@exemple.fr
7;Les supports sont complets et faciles à retrouver ensuite;Anne;06/03/2026;e@exemple.fr
""".encode()
COLUMNS: dict[str, Any] = {
    "Recommandation": {"role": "nps"},
    "Vos remarques": {"role": "comment", "name": "Remarques"},
    "Formateur": {"role": "segment"},
    "Date": {"role": "date"},
}
CODEBOOK: dict[str, Any] = {
    "language": "fr",
    "categories": [
        {"id": "trainer", "name": "Formateur", "definition": "Comment il enseigne.", "examples": ["Très clair."]},
        {"id": "pace", "name": "Rythme", "exclude": "La durée."},
    ],
    "note": "premier",
}  # fmt: skip


@asynccontextmanager
async def running(
    bureau: BureauFake | None = None,
    *,
    rag: RagFake | None = None,
    rules: SurveyRules | None = SurveyRules(),  # noqa: B008 - a value
    documents: Documents | None = Documents(),  # noqa: B008 - and so is this
    keys: FixedKeys | None = None,
    patience: Patience | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Served]:
    """The whole surface. `rules` are tenant acme's; None: it has no surveys."""
    configuration = one_backend("vllm", "http://localhost:1")
    configuration["tenants"] = {"acme": {}, "other": {}}
    async with serving(
        configuration,
        keys=keys or FixedKeys(CALLERS),
        whole=True,
        surveys=bureau or BureauFake(),
        rag=rag or RagFake(),
        patience=patience,
        limits=limits,
        wrap=only_surveys,
    ) as served:
        catalog = served.editions.catalog
        acme = replace(catalog.tenants["acme"], surveys=rules, rag=documents)
        served.editions.publish(replace(catalog, tenants={**catalog.tenants, "acme": acme}))
        yield served


def form(content: bytes = FILE, name: str = "printemps.csv", **fields: Any) -> aiohttp.FormData:
    """A form with a file; fields that are no texts are sent as JSON."""
    made = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for field, value in fields.items():
        made.add_field(field, value if isinstance(value, str) else json.dumps(value))
    made.add_field("file", content, filename=name, content_type="text/csv")
    return made


async def send(
    served: Served, who: str, data: Any, path: str = SURVEYS, **named: Any
) -> tuple[int, dict[str, Any]]:
    """Status and document of a form that is sent."""
    async with served.client(who) as http, http.post(path, data=data, **named) as reply:
        return reply.status, await reply.json()


async def kept(served: Served, who: str = "member", **fields: Any) -> str:
    """A survey that is kept and read, with a codebook; its id."""
    status, _ = await ask(served, who, "POST", f"{SURVEYS}/codebooks/trainings", CODEBOOK)
    assert status == 201
    fields = {"columns": COLUMNS, "codebook": "trainings", **fields}
    status, card = await send(served, who, form(**fields))
    assert status == 202, card
    found: str = card["id"]
    return found


def only_surveys(app: App) -> App:
    """The application without what is not asked here: its routes are made ready one by one, which takes a while."""
    front: Any = app
    assert isinstance(front, Front)
    api: Any = front.app
    mine = (routes.router, docs.router)
    included = [getattr(each, "original_router", None) for each in api.routes]
    api.router.routes[:] = [
        route for route, of in zip(api.routes, included, strict=True) if of is None or of in mine
    ]
    return app
