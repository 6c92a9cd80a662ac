"""The seams: what may be asked of content enrichment from outside. Everything raises PasserelleError.

What another tenant has is not found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from passerelle.domain.catalog import Tenant
from passerelle.domain.content import (
    Brand,
    ContentJob,
    Decision,
    Estimate,
    Piece,
    Recipe,
    Standing,
    Value,
    Version,
    Worked,
)
from passerelle.domain.errors import Unavailable

PREVIEWED = 3  # pieces


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job as it is asked for. `version` None: the newest. `budget` in pico-units of the operator's currency.

    `documents` are (collection, document) of the tenant's, read beside `pieces`. `again`: what was written before is
    written anew, and paid again. `by` is the key that asks, `groups` those whose documents it sees (None: everything).
    """

    recipe: str
    pieces: Sequence[Piece] = ()
    documents: Sequence[tuple[str, str]] = ()
    version: int | None = None
    model: str | None = None
    budget: int | None = None
    preview: bool = False
    again: bool = False
    by: str = ""
    groups: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which columns of a table are what. `text` and `key` may be left out where the headings say it.

    Other columns named in `beside` go into the prompt.
    """

    text: str = ""
    key: str = ""
    title: str = ""
    language: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowSkipped:
    """A row of a table that is no piece. `row` counts as a spreadsheet does."""

    row: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds: pieces, and the rows that are none, each with the reason."""

    pieces: tuple[Piece, ...]
    skipped: tuple[RowSkipped, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)  # what each was read as, by its heading


class Kitchen(Protocol):
    """Recipes and the brand, in their versions."""

    async def recipes(self, tenant: str) -> Sequence[Recipe]:
        """The newest version of each: the tenant's own, and the shipped ones."""

    async def recipe(self, tenant: str, name: str, version: int | None = None) -> Recipe:
        """One of them. Raises NotFound `recipe_not_found`."""

    async def write(self, tenant: str, recipe: Recipe, *, by: str) -> Recipe:
        """The next version of a recipe of the tenant's. Raises BadRequest `recipe_wrong`, Conflict for a shipped name."""

    async def drop(self, tenant: str, name: str) -> None:
        """Delete a recipe of the tenant's in all versions; jobs keep what they have written. Raises NotFound."""

    async def brand(self, tenant: str, version: int | None = None) -> Brand:
        """The tenant's brand profile; version 0 where it has none. Raises NotFound for another version."""

    async def set_brand(self, tenant: str, brand: Brand, *, by: str) -> Brand:
        """Its next version; the same again changes nothing. Raises BadRequest `brand_wrong`."""


class Works(Protocol):
    """Jobs of texts, and what was written."""

    async def read(self, tenant: Tenant, name: str, content: bytes, mapped: Mapped) -> Read:
        """The pieces that a file holds: text, Markdown, HTML, CSV or XLSX. Raises Refused with the reason."""

    async def estimate(self, tenant: Tenant, wanted: Wanted) -> Estimate:
        """What the job would take. Asks no model."""

    async def start(self, tenant: Tenant, wanted: Wanted) -> tuple[ContentJob, Estimate]:
        """Make the job.

        Raises BadRequest; `recipe_needs_model` where no language model may be asked and the recipe needs one; and
        `budget_too_small` where not even the cheapest course of it is within the budget.
        """

    async def jobs(self, tenant: str, *, before: str | None = None, most: int = 50) -> Sequence[ContentJob]:
        """The newest first."""

    async def job(self, tenant: str, job: str) -> ContentJob:
        """How one stands. Raises NotFound `job_not_found`."""

    async def afford(self, tenant: str, job: str, budget: int | None) -> ContentJob:
        """Another budget; pieces that the old one did not hold are begun."""

    async def worked(
        self,
        tenant: str,
        job: str,
        *,
        standing: Standing | None = None,
        after: int = 0,
        most: int = 100,
    ) -> Sequence[Worked]:
        """Pieces of a job by number."""

    async def piece(self, tenant: str, job: str, number: int) -> Worked:
        """One of them. Raises NotFound `piece_not_found`."""

    def every(self, tenant: str, job: str) -> AsyncIterator[Worked]:
        """All of them, page by page."""

    async def drop(self, tenant: str, job: str) -> None:
        """Delete a job that is over, with its texts. Raises Conflict `job_not_over`."""


class Deciding(Protocol):
    """What people decide about what was written, and what becomes of a text by it."""

    async def decide(
        self,
        tenant: str,
        job: str,
        number: int,
        choices: Mapping[str, tuple[Decision, Value | None]],
        *,
        by: str,
    ) -> Worked:
        """Decide on fields of a piece; a later decision takes an earlier one's place. Raises BadRequest `unknown_field`."""

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
        """Decide on every field that nobody has decided on; with flaws only where that is said. How many fields."""

    async def history(self, tenant: str, piece: str) -> Sequence[Version]:
        """What each field of a piece was, the oldest first. Raises NotFound `piece_not_found`."""

    async def roll_back(self, tenant: str, piece: str, field: str, number: int, *, by: str) -> Version:
        """A field as it was in an earlier version, as its newest one."""

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant: recipes, brand, jobs, texts, history; how many pieces."""


@dataclass(frozen=True, slots=True)
class Office:
    """All three."""

    kitchen: Kitchen
    works: Works
    deciding: Deciding


class Content(Protocol):
    """Enrichment, opened when it is first needed."""

    async def office(self) -> Office:
        """Raises Unavailable where this process cannot have it, with the reason."""


class Nowhere:
    """In place of `Content` where a process has none."""

    async def office(self) -> Office:
        """Raises Unavailable."""
        raise Unavailable("Nothing here works on texts.", code="content_unavailable")
