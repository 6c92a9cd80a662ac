"""A writer over a real gateway and a scripted model, and course texts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from passerelle.domain.content import Form, Piece
from passerelle.pipelines.enrichment.writing import Writer
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.script import Answer
from tests.unit.gateway.internal import Inside
from tests.unit.pipelines.asking import asking, over

COURSE = """\
# Gérer les conflits

Il est à noter que la formation dure 2 jours (14 heures) et qu'elle coûte 1 190 € HT par personne.

## Objectifs

- Repérer les signes d'un conflit
- Conduire une médiation

Inscription sur [notre site](https://exemple.fr/conflits) avant le 15 mars 2026."""
REWRITTEN = COURSE.replace("Il est à noter que la formation dure", "La formation dure").replace(
    "qu'elle coûte", "coûte"
)


def piece(text: str = COURSE, **more: Any) -> Piece:
    """A text of a catalogue."""
    return Piece(**{"key": "1", "text": text, "form": Form.MARKDOWN, "language": "fr", **more})


def says(**values: Any) -> Answer:
    """A model's answer."""
    return Answer(json.dumps(values, ensure_ascii=False))


def prompts(engine: OpenAiLike) -> list[list[Mapping[str, Any]]]:
    """The messages of each call."""
    return [request.body["messages"] for request in engine.requests if request.method == "POST"]


@asynccontextmanager
async def writing(**backend: Any) -> AsyncIterator[tuple[OpenAiLike, Inside, Writer]]:
    """A priced engine, the gateway over it, and a writer."""
    async with asking() as (engine, gateway, asker):
        configuration = over(engine)
        backends: Any = configuration["backends"]
        backends["engine"] |= {
            "cost": {"input_per_million": 1, "output_per_million": 2, "currency": "EUR"},
            **backend,
        }
        gateway.publish(configuration)
        yield engine, gateway, Writer(lambda _: asker)
