"""Where the models come from that are served: what the Hub said of each, and when. What it did not say is not known.

The register of the AI Act's article 50 sheet reads it. Nothing of a tenant is asked for: only ids of models.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import text

from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Unavailable, UpstreamFailed
from passerelle.stores.database import Database, Outage
from passerelle.wire.model_cards import ModelCard

SOURCE = "https://huggingface.co/"  # and the model's id: the page that says it
FRESH = timedelta(days=1)

# Kinds whose models are known by their ids on the Hub; others have names of their own.
_OF_THE_HUB = frozenset({"hf-providers", "hf-endpoint", "vllm", "tgi", "tei"})
# Where one of these is configured, Hugging Face is asked for other things already.
_AT_HUGGING_FACE = frozenset({"hf-providers", "hf-endpoint"})
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_TRAINED = frozenset({"finetune", "adapter", "merge"})

_log = structlog.get_logger(__name__)

_READ = text("SELECT model, found, checked_at FROM model_provenance")
_WRITE = text("""
INSERT INTO model_provenance (model, found, checked_at) VALUES (:model, CAST(:found AS jsonb), :checked_at)
ON CONFLICT (model) DO UPDATE SET found = excluded.found, checked_at = excluded.checked_at
""")

Ask = Callable[[str], Awaitable[ModelCard | None]]  # raises UpstreamFailed


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of a model's origin since a moment. None and () are not known, which is not the same as none.

    `public`: has the Hub a public model of this id? `revision` is what its main branch had then; an engine may run an
    older one. `fine_tuned`: was it made from another model by training, adapting or merging?
    """

    model: str
    public: bool
    checked_at: datetime
    revision: str | None = None
    author: str | None = None
    licence: str | None = None
    base_models: tuple[str, ...] = ()
    relation: str | None = None
    gated: bool | None = None

    @property
    def source(self) -> str:
        """The page that says it."""
        return SOURCE + self.model

    @property
    def fine_tuned(self) -> bool | None:
        """Was it made from another one? None where its repository says nothing of that."""
        if self.relation is None:
            return None
        return self.relation in _TRAINED


class ProvenanceBook:
    """What was found, in memory and in the database. Asks the Hub only when it is told to."""

    def __init__(
        self, database: Database, ask: Ask, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._ask = ask
        self._now = now
        self._known: dict[str, Provenance] = {}

    def provenance_of(self, model: str) -> Provenance | None:
        """What is known of a model, by its id at a target; None where nobody was asked."""
        return self._known.get(hub_id(model) or "")

    @property
    def known(self) -> Mapping[str, Provenance]:
        """All of it, by model."""
        return dict(self._known)

    async def read(self) -> None:
        """Learn what this or another process has found. Raises Unavailable."""
        try:
            async with self._database.begin() as connection:
                rows = (await connection.execute(_READ)).all()
        except Outage as error:
            raise Unavailable("The database does not answer.", code="database_unavailable") from error
        self._known = {row.model: _provenance(row.model, row.found, row.checked_at) for row in rows}

    async def refresh(self, models: Collection[str], *, older_than: timedelta = FRESH) -> Sequence[str]:
        """Ask the Hub of those that nobody asked of for so long, one after another; what went wrong, a sentence each.

        What is known stays when the Hub does not answer. Raises Unavailable.
        """
        await self.read()
        before = self._now() - older_than
        wrong: list[str] = []
        for model in sorted({found for each in models if (found := hub_id(each))}):
            known = self._known.get(model)
            if known is not None and known.checked_at > before:
                continue
            try:
                card = await self._ask(model)
            except UpstreamFailed as failure:
                wrong.append(f"{model}: {failure.message}")
                continue
            await self._write(_found(model, card, self._now()))
        return wrong

    async def run(self, catalog: Callable[[], Catalog], *, every: float, first: float) -> None:
        """Keep it fresh for ever, `first` seconds after the start and then `every`, where Hugging Face is used at all."""
        pause = first
        while True:
            await asyncio.sleep(pause)
            pause = every
            try:
                await self.read()
                for problem in await self.refresh(asked_of(catalog())):
                    _log.info("provenance_unknown", problem=problem)
            except Unavailable as error:
                _log.warning("provenance_waits", reason=str(error))

    async def _write(self, found: Provenance) -> None:
        said = asdict(found)
        del said["model"], said["checked_at"]
        values = {"model": found.model, "found": orjson.dumps(said).decode(), "checked_at": found.checked_at}
        try:
            async with self._database.begin() as connection:
                await connection.execute(_WRITE, values)
        except Outage as error:
            raise Unavailable("The database does not answer.", code="database_unavailable") from error
        self._known[found.model] = found


def hub_id(model: str) -> str | None:
    """A model's id on the Hub; None where it has not the form of one. A router's suffix (`:provider`) is no part of it."""
    bare = model.partition(":")[0]
    return bare if _ID.fullmatch(bare) else None


def served_models(catalog: Catalog) -> list[str]:
    """The ids on the Hub of all targets whose kinds use them, in order."""
    found = {
        hub_id(target.model)
        for model in catalog.models.values()
        for target in model.targets
        if catalog.backends[target.backend].kind in _OF_THE_HUB
    }
    return sorted(each for each in found if each is not None)


def asked_of(catalog: Catalog) -> list[str]:
    """Those that the Hub is asked of unbidden: none where nothing of Hugging Face's is configured.

    Whoever runs everything at home has not said that his models' names may leave it.
    """
    uses = any(spec.kind in _AT_HUGGING_FACE and spec.off is None for spec in catalog.backends.values())
    return served_models(catalog) if uses else []


def _found(model: str, card: ModelCard | None, at: datetime) -> Provenance:
    if card is None:
        return Provenance(model, public=False, checked_at=at)
    return Provenance(
        model,
        public=True,
        checked_at=at,
        revision=card.revision,
        author=card.author,
        licence=card.licence,
        base_models=card.base_models,
        relation=card.relation,
        gated=card.gated,
    )


def _provenance(model: str, said: Mapping[str, Any], at: datetime) -> Provenance:
    return Provenance(
        model,
        public=bool(said.get("public")),
        checked_at=at,
        revision=said.get("revision"),
        author=said.get("author"),
        licence=said.get("licence"),
        base_models=tuple(said.get("base_models") or ()),
        relation=said.get("relation"),
        gated=said.get("gated"),
    )
