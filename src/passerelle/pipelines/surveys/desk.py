"""The seams: what may be asked of surveys from outside. Everything raises PasserelleError.

What another tenant has is not found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Unavailable
from passerelle.domain.rag import Citation
from passerelle.domain.survey_data import Answer, RowTrouble
from passerelle.domain.survey_report import SurveyReport
from passerelle.domain.survey_work import (
    Asked,
    Checked,
    Difference,
    Edition,
    Kept,
    Looked,
    Point,
    Reading,
    Run,
    Survey,
    Theme,
)
from passerelle.domain.surveys import Category, Polarity

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.importing import Opened


@dataclass(frozen=True, slots=True)
class NewSurvey:
    """A file of answers as it is handed in. `columns` by heading, as `importing_columns.chosen` takes them; empty: as they seem."""

    title: str
    content: bytes
    name: str = ""
    columns: Mapping[str, Mapping[str, Any]] | None = None
    language: str = "fr"
    codebook: str | None = None
    sheet: str = ""
    by: str = ""


class Archive(Protocol):
    """Files of answers."""

    async def look(self, tenant: Tenant, content: bytes, *, sheet: str = "") -> Opened:
        """What each column of a file seems to be; nothing is kept. Raises Refused where it is no table."""

    async def make(self, tenant: Tenant, new: NewSurvey) -> Survey:
        """Keep a survey, whose file is then read by a job. The same file again, unchanged, is the same survey."""

    async def surveys(self, tenant: str, *, before: str | None = None, most: int = 50) -> Sequence[Survey]:
        """The newest first."""

    async def survey(self, tenant: str, survey: str) -> Survey:
        """One of them. Raises NotFound `survey_not_found`."""

    async def troubles(
        self, tenant: str, survey: str, *, after: int = 0, most: int = 200
    ) -> Sequence[RowTrouble]:
        """What was wrong with rows, in the file's order; those after so many."""

    def answers(self, tenant: str, survey: str) -> AsyncIterator[Answer]:
        """All answers, in the file's order."""

    async def describe(
        self,
        tenant: str,
        survey: str,
        *,
        title: str | None = None,
        language: str | None = None,
        codebook: str | None = None,
    ) -> Survey:
        """What is said of it, anew. Raises NotFound `codebook_not_found`."""

    async def drop(self, tenant: str, survey: str) -> None:
        """Delete a survey with its answers, runs and themes; corrections stay, without their comment's id."""


class Codebooks(Protocol):
    """Categories in their versions, what people corrected, and how well both do."""

    async def codebooks(self, tenant: str) -> Sequence[Edition]:
        """Of each codebook the version in use, or the newest where none is."""

    async def edition(self, tenant: str, name: str, version: int | None = None) -> Edition:
        """One version; None: the one in use. Raises NotFound `codebook_not_found`."""

    async def editions(self, tenant: str, name: str) -> Sequence[Edition]:
        """All versions, the newest first."""

    async def write(
        self,
        tenant: str,
        name: str,
        *,
        language: str,
        categories: Sequence[Category],
        merged: Mapping[str, str] | None = None,
        note: str = "",
        by: str = "",
        base: int | None = None,
    ) -> Edition:
        """The next version, not in use but for the first. `base`: the version that it was made from, 0 for none.

        Raises BadRequest `codebook_wrong`, Conflict `codebook_changed` where another one came after `base`.
        """

    async def check(self, tenant: Tenant, name: str, version: int) -> Checked:
        """That version beside the one in use, on corrections held out of both. Raises Conflict `too_few_corrections`."""

    async def promote(
        self, tenant: Tenant, name: str, version: int, *, force: bool = False, by: str = ""
    ) -> Edition:
        """Take a version into use after a check. Raises Conflict `regression` where it is worse, unless forced."""

    async def curve(self, tenant: Tenant, name: str) -> Sequence[Point]:
        """What corrections gained: figures on held-out ones by how many of the others were learned from."""

    async def drop(self, tenant: str, name: str) -> None:
        """Delete a codebook in all versions, with its corrections. Raises Conflict while a survey names it."""


class Corrections(Protocol):
    """What people corrected, which teaches the runs after."""

    async def correct(
        self,
        tenant: Tenant,
        survey: str,
        comment: str,
        *,
        run: str | None = None,
        right: Sequence[str] | None = None,
        polarity: Polarity | None = None,
        by: str = "",
    ) -> Kept:
        """What is right of a comment; what was wrong is taken from the run (None: the newest that read it).

        Both None: the reading is confirmed as it is. A later one of the same comment takes an earlier one's place.
        Raises NotFound `comment_not_found`, BadRequest `unknown_category`.
        """

    async def corrections(
        self, tenant: str, codebook: str, *, after: str | None = None, most: int = 100, revoked: bool = False
    ) -> Sequence[Kept]:
        """A codebook's, the newest first."""

    async def revoke(self, tenant: Tenant, correction: str, *, by: str = "") -> Kept:
        """It teaches no run that starts from now on. Raises NotFound `correction_not_found`."""


class Runs(Protocol):
    """Readings of comments."""

    async def start(
        self,
        tenant: Tenant,
        survey: str,
        *,
        codebook: str | None = None,
        version: int | None = None,
        revision: int | None = None,
        model: str | None = None,
        by: str = "",
    ) -> Run:
        """Read all comments of a survey by a job.

        None: the survey's codebook, the version in use, all corrections, the tenant's model. Raises BadRequest
        `no_codebook`, Conflict `survey_not_ready`.
        """

    async def runs(self, tenant: str, survey: str) -> Sequence[Run]:
        """A survey's, the newest first."""

    async def run(self, tenant: str, survey: str, run: str | None = None) -> Run:
        """One of them; None: the newest that has finished. Raises NotFound `run_not_found`."""

    async def readings(
        self,
        tenant: str,
        survey: str,
        run: str | None = None,
        *,
        asked: Asked | None = None,
        after: str | None = None,
        most: int = 100,
    ) -> Sequence[Reading]:
        """Comments with what was read in them, in the file's order; those after that comment."""

    async def queue(
        self, tenant: str, survey: str, run: str | None = None, *, most: int = 50
    ) -> Sequence[Reading]:
        """What people should look at next: different things, the most doubtful of each first."""

    async def reviewed(
        self, tenant: str, survey: str, run: str, comments: Sequence[str], *, by: str = ""
    ) -> Looked:
        """Somebody has looked at them, and leaves them as they are."""

    async def difference(self, tenant: str, survey: str, before: str, after: str) -> Difference:
        """What changed from one run to another."""

    async def drop(self, tenant: str, survey: str, run: str) -> None:
        """Delete a run with its readings. Raises Conflict `run_not_over`."""


class Themes(Protocol):
    """What comments speak of, found without a codebook."""

    async def discover(self, tenant: Tenant, survey: str, *, themes: int | None = None, by: str = "") -> str:
        """Look for themes in a job, whose id is given; those of before are replaced, but for the merged ones."""

    async def themes(self, tenant: str, survey: str) -> Sequence[Theme]:
        """The largest first."""

    async def merge(
        self,
        tenant: Tenant,
        survey: str,
        theme: str,
        *,
        codebook: str,
        category: Category | str,
        by: str = "",
    ) -> Edition:
        """Take a theme up as a new category, or into an existing one as examples, in the codebook's next version."""


class Findings(Protocol):
    """What is made of it all."""

    async def report(
        self, tenant: Tenant, survey: str, run: str | None = None, *, language: str | None = None
    ) -> SurveyReport:
        """The report of a run; None: the newest that has finished, or of scores alone where there is none."""

    async def collection(self, caller: Caller, tenant: Tenant, survey: str) -> str:
        """The collection that holds a survey's comments, to be asked as documents are; made where it is not there yet."""

    async def sources(self, tenant: str, survey: str, citations: Sequence[Citation]) -> Mapping[int, str]:
        """The comments that an answer cites: ids by the citations' numbers; those that are none of the survey are left out."""

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant: surveys, codebooks, corrections; how many answers."""


@dataclass(frozen=True, slots=True)
class Bureau:
    """All of them."""

    archive: Archive
    codebooks: Codebooks
    corrections: Corrections
    runs: Runs
    themes: Themes
    findings: Findings


class Surveys(Protocol):
    """Surveys, opened when they are first needed."""

    async def bureau(self) -> Bureau:
        """Raises Unavailable where this process cannot have them, with the reason."""


class Nowhere:
    """In place of `Surveys` where a process has none."""

    async def bureau(self) -> Bureau:
        """Raises Unavailable."""
        raise Unavailable("Nothing here reads surveys.", code="surveys_unavailable")
