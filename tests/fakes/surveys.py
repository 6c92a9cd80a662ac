"""A bureau of surveys in memory, for the routes that stand before it: comments are read by the names of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest
from passerelle.domain.rag import Citation
from passerelle.domain.survey_data import Comment
from passerelle.domain.survey_report import Estimate, Measure, Readers, ScoreLine, SurveyReport
from passerelle.domain.survey_work import (
    Asked,
    Change,
    Difference,
    Edition,
    Kept,
    Looked,
    Reading,
    Run,
    Theme,
)
from passerelle.domain.surveys import (
    Analysed,
    Category,
    Codebook,
    Correction,
    Label,
    Opinion,
    Polarity,
    Review,
)
from passerelle.pipelines.surveys.desk import Bureau
from tests.fakes.surveys_kept import AT, ArchiveFake, CodebooksFake, World, missing


@dataclass
class CorrectionsFake:
    """Corrections by id."""

    all: World

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
        held = self.all.of(tenant.name, survey)
        said = next((each for _, each in held.comments() if each.id == comment), None)
        if said is None:
            raise missing("comment")
        made = await RunsFake(self.all).run(tenant.name, survey, run)
        ids = (await CodebooksFake(self.all).edition(tenant.name, made.codebook, made.version)).codebook.ids
        if unknown := set(right or ()) - set(ids):
            raise BadRequest(f"No category {min(unknown)!r}.", code="unknown_category", param="right")
        correction = Correction(
            said.text, said.language or "", None if right is None else tuple(right), (), polarity, None, made.version
        )  # fmt: skip
        number = len(self.all.kept) + 1
        kept = Kept(f"cor_{number}", made.codebook, correction, number, survey, comment, made.id, by, AT)
        self.all.kept[tenant.name, kept.id] = kept
        return kept

    async def corrections(
        self, tenant: str, codebook: str, *, after: str | None = None, most: int = 100, revoked: bool = False
    ) -> Sequence[Kept]:
        found = [
            each
            for (owner, _), each in self.all.kept.items()
            if owner == tenant and each.codebook == codebook and (revoked or each.revoked_at is None)
        ][::-1]
        ids = [each.id for each in found]
        return found[ids.index(after) + 1 if after in ids else 0 :][:most]

    async def revoke(self, tenant: Tenant, correction: str, *, by: str = "") -> Kept:
        if (tenant.name, correction) not in self.all.kept:
            raise missing("correction")
        kept = replace(self.all.kept[tenant.name, correction], revoked_at=AT)
        self.all.kept[tenant.name, correction] = kept
        return kept


@dataclass
class RunsFake:
    """A comment is about every category whose name it holds; it is negative where it says `trop` or `too`."""

    all: World

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
        held = self.all.of(tenant.name, survey)
        named = codebook or held.survey.codebook
        if named is None:
            raise BadRequest("No codebook is named.", code="no_codebook", param="codebook")
        edition = await CodebooksFake(self.all).edition(tenant.name, named, version)
        runs = self.all.ran.setdefault((tenant.name, survey), [])
        count = held.survey.tally.comments
        made = Run(
            f"run_{len(runs) + 1}", tenant.name, survey, len(runs) + 1, named, edition.codebook.version,
            revision or 0, model or "assistant", "builtin", True, "done", "job_run", count, count, 0, 1,
            Usage(10, 2), 1_500_000_000_000, "EUR", AT, AT,
        )  # fmt: skip
        runs.append(made)
        self.all.did.append(("run", by))
        return replace(made, state="queued", read=0, finished_at=None)

    async def runs(self, tenant: str, survey: str) -> Sequence[Run]:
        self.all.of(tenant, survey)
        return self.all.ran.get((tenant, survey), [])[::-1]

    async def run(self, tenant: str, survey: str, run: str | None = None) -> Run:
        for each in await self.runs(tenant, survey):
            if run in (None, each.id):
                return each
        raise missing("run")

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
        made = await self.run(tenant, survey, run)
        codebook = (await CodebooksFake(self.all).edition(tenant, made.codebook, made.version)).codebook
        looked = self.all.looked.get(made.id, set())
        corrected = {kept.comment: kept for kept in self.all.kept.values() if kept.revoked_at is None}
        found = [
            Reading(
                comment, answer.id, answer.row, _analysed(comment, codebook), "builtin", True,
                reviewed=comment.id in looked, corrected=corrected.get(comment.id),
            )
            for answer, comment in self.all.of(tenant, survey).comments()
        ]  # fmt: skip
        found = [each for each in found if asked is None or _is(each, asked)]
        ids = [each.comment.id for each in found]
        return found[ids.index(after) + 1 if after in ids else 0 :][:most]

    async def queue(
        self, tenant: str, survey: str, run: str | None = None, *, most: int = 50
    ) -> Sequence[Reading]:
        return await self.readings(tenant, survey, run, asked=Asked(to_review=True), most=most)

    async def reviewed(
        self, tenant: str, survey: str, run: str, comments: Sequence[str], *, by: str = ""
    ) -> Looked:
        waiting = {each.comment.id for each in await self.queue(tenant, survey, run)} & set(comments)
        self.all.looked.setdefault(run, set()).update(comments)
        there = {comment.id for _, comment in self.all.of(tenant, survey).comments()}
        return Looked(len(waiting), tuple(one for one in comments if one not in there))

    async def difference(self, tenant: str, survey: str, before: str, after: str) -> Difference:
        first, second = await self.run(tenant, survey, before), await self.run(tenant, survey, after)
        _, comment = next(self.all.of(tenant, survey).comments())
        change = Change(comment, ("pace",), (), Polarity.NEGATIVE, None)
        return Difference(first, second, first.comments, 1, 0, {"pace": (2, 1)}, {("pace", ""): 1}, (change,))

    async def drop(self, tenant: str, survey: str, run: str) -> None:
        self.all.ran[tenant, survey].remove(await self.run(tenant, survey, run))


def _analysed(comment: Comment, codebook: Codebook) -> Analysed:
    text = comment.text
    labels = tuple(
        Label(each.id, 0.9) for each in codebook.categories if each.name.casefold() in text.casefold()
    )
    bad = any(word in text.casefold() for word in ("trop", "too"))
    polarity = Polarity.NEGATIVE if bad else Polarity.POSITIVE
    review = () if labels else (Review.OUT_OF_CODEBOOK,)
    opinion = Opinion(text, 0, len(text), labels, polarity, 0.8)
    return Analysed(comment.id, comment.language or "", (opinion,), polarity, 0.8, review)


def _is(reading: Reading, asked: Asked) -> bool:
    found = reading.analysed
    assert found is not None  # here everything is read
    waits = bool(found.review) and not reading.reviewed and reading.corrected is None
    return (
        (asked.review is None or asked.review in found.review)
        and (not asked.to_review or waits)
        and (asked.category is None or asked.category in [label.category for label in found.labels])
        and asked.polarity in (None, found.polarity)
        and asked.language in (None, found.language)
        and asked.text.casefold() in reading.comment.text.casefold()
    )


@dataclass
class ThemesFake:
    """One theme, of all comments."""

    all: World

    async def discover(self, tenant: Tenant, survey: str, *, themes: int | None = None, by: str = "") -> str:
        comments = [comment for _, comment in self.all.of(tenant.name, survey).comments()]
        ids = tuple(comment.id for comment in comments)
        quotes = ((ids[0], comments[0].text),)
        theme = Theme("th_1", survey, "rythme", ("rythme", "rapide"), ids, quotes, 0.7, offline=True)
        self.all.found[tenant.name, survey] = [theme]
        return "job_themes"

    async def themes(self, tenant: str, survey: str) -> Sequence[Theme]:
        self.all.of(tenant, survey)
        return self.all.found.get((tenant, survey), [])

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
        found = next((each for each in await self.themes(tenant.name, survey) if each.id == theme), None)
        if found is None:
            raise missing("theme")
        books = CodebooksFake(self.all)
        newest = (await books.editions(tenant.name, codebook))[0].codebook
        categories = list(newest.categories)
        if isinstance(category, Category):
            categories.append(category)
        elif category not in newest.ids:
            raise BadRequest(f"No category {category!r}.", code="unknown_category", param="category")
        named = category if isinstance(category, str) else category.id
        edition = await books.write(
            tenant.name, codebook, language=newest.language, categories=categories, by=by
        )
        into = (codebook, edition.codebook.version, named)
        self.all.found[tenant.name, survey] = [replace(found, merged_into=into)]
        return edition


@dataclass
class FindingsFake:
    """A report of one score; the collection of a survey is named for it, and its documents are its comments."""

    all: World
    asked: list[str | None] = field(default_factory=list)

    async def report(
        self, tenant: Tenant, survey: str, run: str | None = None, *, language: str | None = None
    ) -> SurveyReport:
        held = self.all.of(tenant.name, survey)
        made = None if run is None else await RunsFake(self.all).run(tenant.name, survey, run)
        tally = held.survey.tally
        nps = ScoreLine(Measure.NPS, "Recommandation", -1, 1, Estimate(tally.answers, 0.25, -0.1, 0.6))
        readers = (
            Readers() if made is None else Readers(made.engine, made.offline, made.codebook, "1", made.read)
        )
        return SurveyReport(
            held.survey.title, "Operator", AT, tally, 5, tally.answers, tally.comments, scores=(nps,), readers=readers
        )  # fmt: skip

    async def collection(self, caller: Caller, tenant: Tenant, survey: str) -> str:
        self.all.of(tenant.name, survey)
        return f"survey-{survey}"

    async def sources(self, tenant: str, survey: str, citations: Sequence[Citation]) -> dict[int, str]:
        self.all.of(tenant, survey)
        return {each.number: f"c_{each.document}" for each in citations if each.document != "foreign"}

    async def erase(self, tenant: str) -> int:
        return 0


@dataclass
class BureauFake(World):
    """All desks of a tenant and its neighbours."""

    async def bureau(self) -> Bureau:
        return Bureau(
            ArchiveFake(self),
            CodebooksFake(self),
            CorrectionsFake(self),
            RunsFake(self),
            ThemesFake(self),
            FindingsFake(self),
        )
