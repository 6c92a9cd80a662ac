"""An office for texts in memory, for what stands before it: it reads, writes by turning words round, and keeps versions."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from passerelle.domain.ask import Usage
from passerelle.domain.catalog import Tenant
from passerelle.domain.content import (
    Bounds,
    Brand,
    Check,
    Choice,
    ContentJob,
    Decision,
    Estimate,
    Example,
    Flaw,
    Operation,
    Piece,
    Range,
    Recipe,
    Standing,
    Tag,
    Value,
    Version,
    Worked,
    Written,
)
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.jobs import Trouble
from passerelle.domain.money import PICO
from passerelle.pipelines.enrichment.desk import PREVIEWED, Mapped, Office, Read, RowSkipped, Wanted

AT = datetime(2026, 11, 3, 8, 15, tzinfo=UTC)
COST = PICO // 100  # of a text
REWRITE = Recipe(
    "rewrite-fr",
    1,
    "Réécrire",
    "fr",
    (Operation.REWRITE, Operation.TAG),
    role="Tu écris des fiches.",
    context="Un catalogue.",
    task="Réécris le texte.",
    examples=(Example("Trois jours.", {"text": "En trois jours.", "tags": ("court",)}),),
    taxonomy=(Tag("court", "Moins d'une semaine."), Tag("long")),
    bounds=Bounds(),
    prompt="2026-11",
    shipped=True,
)


@dataclass
class KitchenFake:
    """Recipes and brands by tenant."""

    own: dict[tuple[str, str], list[Recipe]] = field(default_factory=dict)
    brands: dict[str, list[Brand]] = field(default_factory=dict)
    by: list[str] = field(default_factory=list)

    async def recipes(self, tenant: str) -> Sequence[Recipe]:
        own = [versions[-1] for (owner, _), versions in self.own.items() if owner == tenant]
        return sorted([*own, REWRITE], key=lambda each: each.name)

    async def recipe(self, tenant: str, name: str, version: int | None = None) -> Recipe:
        versions = [REWRITE] if name == REWRITE.name else self.own.get((tenant, name), [])
        for each in reversed(versions):
            if version in (None, each.version):
                return each
        raise NotFound("There is no such recipe.", code="recipe_not_found")

    async def write(self, tenant: str, recipe: Recipe, *, by: str) -> Recipe:
        if recipe.name == REWRITE.name:
            raise Conflict("That name is a shipped recipe's.", code="recipe_shipped")
        versions = self.own.setdefault((tenant, recipe.name), [])
        versions.append(replace(recipe, version=len(versions) + 1))
        self.by.append(by)
        return versions[-1]

    async def drop(self, tenant: str, name: str) -> None:
        if self.own.pop((tenant, name), None) is None:
            raise NotFound("There is no such recipe.", code="recipe_not_found")

    async def brand(self, tenant: str, version: int | None = None) -> Brand:
        versions = [Brand(), *self.brands.get(tenant, [])]
        if version is None:
            return versions[-1]
        if version >= len(versions):
            raise NotFound("There is no such version.", code="brand_not_found")
        return versions[version]

    async def set_brand(self, tenant: str, brand: Brand, *, by: str) -> Brand:
        versions = self.brands.setdefault(tenant, [])
        now = await self.brand(tenant)
        if replace(brand, version=now.version) != now:
            versions.append(replace(brand, version=len(versions) + 1))
            self.by.append(by)
        return versions[-1] if versions else now


@dataclass
class WorksFake:
    """Jobs by tenant. Words are turned round at once; a text that says `échec` fails, one that says `faux` is flawed."""

    kitchen: KitchenFake
    held: dict[str, list[ContentJob]] = field(default_factory=dict)
    items: dict[str, dict[int, Worked]] = field(default_factory=dict)
    wanted: list[Wanted] = field(default_factory=list)
    mapped: list[Mapped] = field(default_factory=list)
    running: bool = False

    async def read(self, tenant: Tenant, name: str, content: bytes, mapped: Mapped) -> Read:
        self.mapped.append(mapped)
        if not name.endswith(".csv"):
            return Read((Piece(name, content.decode(errors="replace")),))
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        text, key = mapped.text or "text", mapped.key or "key"
        if not rows or text not in rows[0]:
            raise BadRequest(f"There is no column {text!r}.", code="column_not_found", param="mapping.text")
        good = [(number, row) for number, row in enumerate(rows, 2) if row[text].strip()]
        pieces = tuple(
            Piece(
                row.get(key) or f"{name}:{number}",
                row[text],
                beside={each: row[each] for each in mapped.beside},
            )
            for number, row in good
        )
        empty = set(range(2, len(rows) + 2)) - {number for number, _ in good}
        skipped = tuple(RowSkipped(row, "empty_text", "The row has no text.") for row in sorted(empty))
        return Read(pieces, skipped, {text: "text", key: "key"})

    async def estimate(self, tenant: Tenant, wanted: Wanted) -> Estimate:
        self.wanted.append(wanted)
        await self.kitchen.recipe(tenant.name, wanted.recipe, wanted.version)
        pieces = self._pieces(wanted)
        count = float(len(pieces))
        calls = Range(count, count, count * 2)
        return Estimate(
            pieces=len(pieces),
            reused=0,
            calls=calls,
            prompt_tokens=Range(count * 100, count * 80, count * 120),
            completion_tokens=Range(count * 50, count * 40, count * 60),
            cost=Range(count / 100, count / 125, count / 80),
            currency="EUR",
            learned=0,
            model=wanted.model or "assistant",
            target="engine/fake",
            notes=("No answers of this recipe are known yet.",),
        )

    async def start(self, tenant: Tenant, wanted: Wanted) -> tuple[ContentJob, Estimate]:
        thought = await self.estimate(tenant, wanted)
        recipe = await self.kitchen.recipe(tenant.name, wanted.recipe, wanted.version)
        if wanted.budget is not None and wanted.budget < COST:
            raise BadRequest("The budget is too small.", code="budget_too_small", param="budget")
        jobs = self.held.setdefault(tenant.name, [])
        id_ = f"job_{sum(map(len, self.held.values())) + 1}"
        within = len(wanted.pieces) if wanted.budget is None else wanted.budget // COST
        worked = {
            number: _worked(id_, number, piece, within=number <= within)
            for number, piece in enumerate(self._pieces(wanted), 1)
        }
        self.items[id_] = worked
        job = ContentJob(
            id=id_,
            tenant=tenant.name,
            recipe=recipe.name,
            version=recipe.version,
            brand=0,
            model=thought.model,
            preview=wanted.preview,
            budget=wanted.budget,
            spent=COST * sum(each.written is not None for each in worked.values()),
            currency="EUR",
            unpriced=0,
            counts=_counts(worked),
            estimate={"pieces": thought.pieces},
            state="running" if self.running else "done",
            created_at=AT,
        )
        jobs.append(job)
        return job, thought

    async def jobs(self, tenant: str, *, before: str | None = None, most: int = 50) -> Sequence[ContentJob]:
        newest = self.held.get(tenant, [])[::-1]
        ids = [job.id for job in newest]
        return newest[ids.index(before) + 1 if before in ids else 0 :][:most]

    async def job(self, tenant: str, job: str) -> ContentJob:
        for each in self.held.get(tenant, []):
            if each.id == job:
                return replace(each, counts=_counts(self.items[job]))
        raise NotFound("There is no such job.", code="job_not_found")

    async def afford(self, tenant: str, job: str, budget: int | None) -> ContentJob:
        found = replace(await self.job(tenant, job), budget=budget)
        jobs = self.held[tenant]
        jobs[[each.id for each in jobs].index(job)] = found
        return found

    async def worked(
        self,
        tenant: str,
        job: str,
        *,
        standing: Standing | None = None,
        after: int = 0,
        most: int = 100,
    ) -> Sequence[Worked]:
        await self.job(tenant, job)
        found = [
            each
            for number, each in self.items[job].items()
            if number > after and standing in (None, each.standing)
        ]
        return found[:most]

    async def piece(self, tenant: str, job: str, number: int) -> Worked:
        await self.job(tenant, job)
        if number not in self.items[job]:
            raise NotFound("There is no such text.", code="piece_not_found")
        return self.items[job][number]

    async def every(self, tenant: str, job: str) -> AsyncIterator[Worked]:
        for each in await self.worked(tenant, job, most=1_000_000):
            yield each

    async def drop(self, tenant: str, job: str) -> None:
        if (await self.job(tenant, job)).state == "running":
            raise Conflict("The job is running; cancel it first.", code="job_not_over")
        self.held[tenant] = [each for each in self.held[tenant] if each.id != job]
        del self.items[job]

    def _pieces(self, wanted: Wanted) -> list[Piece]:
        read = [Piece(f"{shelf}/{document}", f"de {document}") for shelf, document in wanted.documents]
        pieces = [*wanted.pieces, *read]
        return pieces[:PREVIEWED] if wanted.preview else pieces


@dataclass
class DecidingFake:
    """Decisions, and versions by tenant and text."""

    works: WorksFake
    versions: dict[tuple[str, str], list[Version]] = field(default_factory=dict)

    async def decide(
        self,
        tenant: str,
        job: str,
        number: int,
        choices: Mapping[str, tuple[Decision, Value | None]],
        *,
        by: str,
    ) -> Worked:
        worked = await self.works.piece(tenant, job, number)
        values = worked.written.values if worked.written is not None else {}
        made = dict(worked.choices)
        for name, (decision, value) in choices.items():
            if name not in values:
                raise BadRequest(f"There is no field {name!r}.", code="unknown_field", param=name)
            stands = {Decision.ACCEPTED: values[name], Decision.REJECTED: None, Decision.EDITED: value}[
                decision
            ]
            made[name] = Choice(decision, stands, by, AT)
            if stands is not None:
                self._add(tenant, worked.piece, name, stands, job=job, by=by)
        self.works.items[job][number] = replace(worked, choices=made)
        return self.works.items[job][number]

    async def decide_all(
        self,
        tenant: str,
        job: str,
        decision: Decision,
        *,
        fields: Sequence[str] = (),
        flawed: bool = False,
        by: str,
    ) -> int:
        count = 0
        for each in await self.works.worked(tenant, job, most=1_000_000):
            if each.written is None or (each.standing is Standing.FLAWED and not flawed):
                continue
            open_ = [name for name in each.written.values if name not in each.choices]
            wanted = {name: (decision, None) for name in open_ if not fields or name in fields}
            await self.decide(tenant, job, each.number, wanted, by=by)
            count += len(wanted)
        return count

    async def history(self, tenant: str, piece: str) -> Sequence[Version]:
        if (tenant, piece) not in self.versions:
            raise NotFound("There is no such text.", code="piece_not_found")
        return self.versions[tenant, piece]

    async def roll_back(self, tenant: str, piece: str, field: str, number: int, *, by: str) -> Version:
        versions = [each for each in await self.history(tenant, piece) if each.field == field]
        for each in versions:
            if each.number == number:
                newest = Version(piece, field, len(versions) + 1, each.value, None, by, AT, back_to=number)
                self.versions[tenant, piece].append(newest)
                return newest
        raise NotFound("There is no such version.", code="version_not_found")

    async def erase(self, tenant: str) -> int:
        raise NotImplementedError

    def _add(self, tenant: str, piece: Piece, name: str, value: Value, *, job: str, by: str) -> None:
        versions = self.versions.setdefault((tenant, piece.key), [])
        count = sum(each.field == name for each in versions)
        if not count and name == "text":
            versions.append(Version(piece.key, name, count := 1, piece.text, None, by, AT))
        versions.append(Version(piece.key, name, count + 1, value, job, by, AT))


class ContentFake:
    """The office."""

    def __init__(self) -> None:
        self.kitchen = KitchenFake()
        self.works = WorksFake(self.kitchen)
        self.deciding = DecidingFake(self.works)

    async def office(self) -> Office:
        return Office(self.kitchen, self.works, self.deciding)


def _worked(job: str, number: int, piece: Piece, *, within: bool) -> Worked:
    if not within:
        return Worked(job, number, piece, Standing.OVER_BUDGET)
    if "échec" in piece.text:
        trouble = Trouble("upstream_failed", "The engine failed.")
        return Worked(job, number, piece, Standing.FAILED, trouble=trouble)
    flaws: tuple[Flaw, ...] = ()
    if "faux" in piece.text:
        flaws = (Flaw(Check.NUMBERS, "text", "The number 3 is gone.", ("3",)),)
    written = Written(
        {"text": " ".join(reversed(piece.text.split())), "tags": ("court",)},
        flaws=flaws,
        usage=Usage(100, 50),
        cost=COST,
        currency="EUR",
        calls=1,
        engine="engine/fake",
    )
    return Worked(job, number, piece, Standing.FLAWED if flaws else Standing.WRITTEN, written)


def _counts(worked: Mapping[int, Worked]) -> dict[Standing, int]:
    found: dict[Standing, int] = {}
    for each in worked.values():
        found[each.standing] = found.get(each.standing, 0) + 1
    return found
