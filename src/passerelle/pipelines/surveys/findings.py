"""`Reporting`: what is made of a survey's answers and of what was read in them; the seam `Findings`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Conflict, NotFound
from passerelle.domain.rag import Citation
from passerelle.domain.survey_report import SurveyReport
from passerelle.domain.survey_work import Edition, Run, Survey, SurveyState
from passerelle.domain.surveys import Analysed, Category, Codebook
from passerelle.pipelines.surveys.archive_removing import Removing
from passerelle.pipelines.surveys.archive_rows import unknown
from passerelle.pipelines.surveys.archive_rules import language_of, rules_of
from passerelle.pipelines.surveys.desk import Archive, Codebooks, Runs
from passerelle.pipelines.surveys.findings_collection import Collections
from passerelle.pipelines.surveys.findings_readings import moves_of, standing
from passerelle.pipelines.surveys.report import About, built

_AT_ONCE = 1_000  # readings of one page


class Reporting:
    """The seam `Findings`. `operator` gives the name of whoever runs this installation."""

    def __init__(
        self,
        archive: Archive,
        codebooks: Codebooks,
        runs: Runs,
        *,
        collections: Collections,
        removing: Removing,
        operator: Callable[[], str],
    ) -> None:
        self._archive = archive
        self._codebooks = codebooks
        self._runs = runs
        self._collections = collections
        self._removing = removing
        self._operator = operator

    async def report(
        self, tenant: Tenant, survey: str, run: str | None = None, *, language: str | None = None
    ) -> SurveyReport:
        """The report of a run; None: the newest that has finished, or of scores alone where there is none.

        What a person corrected stands as they said. `language`: of a codebook that nobody has named; its words are put
        in by whoever renders it. Raises NotFound, and Conflict `survey_not_ready`.
        """
        rules = rules_of(tenant)
        found = await self._ready(tenant.name, survey)
        if language is not None:
            language_of(language)
        which = await self._which(tenant.name, survey, run)
        analysed, codebook = await self._read(tenant.name, found, which)
        answers = [answer async for answer in self._archive.answers(tenant.name, survey)]
        about = About(
            found.title,
            self._operator(),
            datetime.now(UTC),
            which.engine if which else "",
            offline=which.offline if which else False,
        )
        report = await asyncio.to_thread(
            built, answers, analysed, codebook, found.tally, about, minimum=rules.minimum
        )
        return report if which else replace(report, readers=replace(report.readers, version=""))

    async def collection(self, caller: Caller, tenant: Tenant, survey: str) -> str:
        """The collection that holds a survey's comments, filled with what the newest run says of them.

        Raises NotFound, Conflict where there is nothing to ask, Forbidden where the tenant has no documents, and
        Unavailable while it is being filled.
        """
        rules_of(tenant)
        if caller.tenant != tenant.name:
            raise unknown(survey)
        found = await self._ready(tenant.name, survey)
        which = await self._which(tenant.name, survey, None)
        name, mark = await self._collections.current(tenant.name, survey, which.id if which else None)
        if name is None:
            analysed, _ = await self._read(tenant.name, found, which)
            answers = self._archive.answers(tenant.name, survey)
            name = await self._collections.fill(tenant, survey, answers, analysed, mark)
        await self._collections.filled(tenant, name)
        return name

    async def sources(self, tenant: str, survey: str, citations: Sequence[Citation]) -> Mapping[int, str]:
        """The comments that an answer cites: ids by the citations' numbers; those that are none of the survey are left out."""
        return await self._collections.sources(tenant, survey, citations)

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant: surveys, codebooks, corrections; how many answers."""
        return await self._removing.erase(tenant)

    async def _ready(self, tenant: str, survey: str) -> Survey:
        found = await self._archive.survey(tenant, survey)
        if found.state is not SurveyState.READY:
            message = (
                "The survey's answers are not there yet."
                if found.trouble is None
                else "The survey's file could not be read."
            )
            raise Conflict(message, code="survey_not_ready")
        return found

    async def _which(self, tenant: str, survey: str, run: str | None) -> Run | None:
        """The run that is reported; None where nobody named one and there is none."""
        try:
            return await self._runs.run(tenant, survey, run)
        except NotFound:
            if run is not None:
                raise
            return None

    async def _read(
        self, tenant: str, survey: Survey, run: Run | None
    ) -> tuple[dict[str, Analysed], Codebook]:
        """What stands of every comment, by its id, and the codebook that it was read with."""
        if run is None:
            return {}, Codebook("", 0, survey.language, ())
        editions = await self._editions(tenant, run.codebook)
        moves = moves_of(editions)
        analysed: dict[str, Analysed] = {}
        after: str | None = None
        while page := await self._runs.readings(tenant, survey.id, run.id, after=after, most=_AT_ONCE):
            for reading in page:
                if (stands := standing(reading, version=run.version, moves=moves)) is not None:
                    analysed[reading.comment.id] = stands
            after = page[-1].comment.id
        books = [each.codebook for each in editions if each.codebook.version == run.version]
        return analysed, books[0] if books else _nameless(run, survey, analysed)

    async def _editions(self, tenant: str, codebook: str) -> Sequence[Edition]:
        """A codebook that was deleted since has none."""
        try:
            return await self._codebooks.editions(tenant, codebook)
        except NotFound:
            return ()


def _nameless(run: Run, survey: Survey, analysed: Mapping[str, Analysed]) -> Codebook:
    """In place of a codebook that was deleted since: its categories go by their ids."""
    ids = sorted({label.category for each in analysed.values() for label in each.labels})
    return Codebook(run.codebook, run.version, survey.language, tuple(Category(each, each) for each in ids))
