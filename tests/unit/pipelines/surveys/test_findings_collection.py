"""A survey's comments are asked by nobody but its owners, and every citation leads to its comment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from passerelle.domain.errors import Conflict, Forbidden, NotFound, Unavailable
from passerelle.domain.rag import Citation, DocumentState
from passerelle.domain.survey_work import Survey
from passerelle.pipelines.surveys.findings import Reporting
from passerelle.pipelines.surveys.findings_collection import Collections, Patience, name_of
from passerelle.stores.database import Database
from tests.unit.jobs.scene import until
from tests.unit.pipelines.surveys.archive_scene import PATIENCE, read_here
from tests.unit.pipelines.surveys.findings_scene import (
    GOOD,
    ROLES,
    Scene,
    bare,
    file,
    folder,
    here,
    kept,
    scene,
)

__all__ = ["bare", "folder", "here", "read_here"]


async def test_a_survey_is_asked_through_a_collection_whose_citations_lead_to_comments(here: Scene) -> None:
    async with here.workers():
        survey = await here.kept(await here.archive.make(file(30, "klaxon"), columns=ROLES))
        answers = await here.archive.answers(survey)
        name = await here.collection(survey)
        again = await here.collection(survey)
        shelf = await here.rag.library.shelf("acme", name)
        document = (await here.rag.library.documents("acme", name))[0]
        passages = await here.rag.library.passages("acme", name, document.id)

    assert name == again == name_of(survey.id)
    assert "Enquête" in shelf.description
    assert (shelf.documents, shelf.chunks) == (1, 30)
    comments = {comment.text: comment for answer in answers for comment in answer.comments}
    assert sorted(each.text for each in passages) == sorted(comments)
    cited = [
        Citation(number, document.id, each.id, "", each.text[:9], 1.0, page=each.page)
        for number, each in enumerate(passages, 1)
    ]
    found = await here.findings.sources("acme", survey.id, cited)
    assert found == {number: comments[each.text].id for number, each in enumerate(passages, 1)}
    assert passages[0].metadata["segment:Formateur"] in ("Petit", "Roy")

    # What only looks like one of ours leads nowhere.
    fakes = [
        replace(cited[0], number=1, page=None),
        replace(cited[0], number=2, document="doc_other"),
        replace(cited[0], number=3, quote="Das steht nirgends"),
        replace(cited[0], number=4, page=10_000),
    ]
    assert await here.findings.sources("acme", survey.id, fakes) == {}
    with pytest.raises(NotFound):
        await here.findings.sources("globex", survey.id, cited)


async def test_a_collection_follows_the_newest_run_and_corrections(here: Scene) -> None:
    async with here.workers():
        survey = await here.kept(await here.archive.make(file(30), columns=ROLES))
        answers = await here.archive.answers(survey)

        async def tones() -> Mapping[str, Any]:
            name = await here.collection(survey)
            document = (await here.rag.library.documents("acme", name))[0]
            found = await here.rag.library.passages("acme", name, document.id)
            return {each.metadata["comment"]: each.metadata.get("polarity") for each in found}

        before = await tones()
        embedded = len(here.rag.meaning.texts)
        here.scripted.ran(survey, answers)
        after = await tones()
        first = here.scripted.readings_[0]
        here.scripted.readings_[0] = replace(first, corrected=kept(right_polarity=GOOD))
        await here.archive.sql(
            "INSERT INTO survey_correction (id, tenant, codebook, version, revision, text, language, survey, comment) "
            "VALUES ('corr_1', 'acme', 'cours', 2, 1, 'x', 'fr', :survey, :comment)",
            survey=survey.id,
            comment=first.comment.id,
        )
        corrected = await tones()

    assert set(before.values()) == {None}
    assert (after[first.comment.id], corrected[first.comment.id]) == ("negative", "positive")
    assert len(here.rag.meaning.texts) == embedded  # no comment is embedded twice


async def test_what_somebody_deleted_of_a_collection_is_there_again(here: Scene) -> None:
    async with here.workers():
        survey = await here.kept(await here.archive.make(file(6), columns=ROLES))
        name = await here.collection(survey)
        (document,) = await here.rag.library.documents("acme", name)
        await here.rag.library.delete("acme", name, document.id)
        assert await here.collection(survey) == name
        assert (await here.rag.library.shelf("acme", name)).chunks == 6
        await here.rag.library.drop("acme", name)
        assert await here.collection(survey) == name
        assert (await here.rag.library.shelf("acme", name)).chunks == 6


async def test_nobody_is_answered_from_another_survey_or_another_tenant(here: Scene) -> None:
    async with here.workers():
        mine = await here.kept(await here.archive.make(file(6, "canari"), columns=ROLES))
        other = await here.kept(await here.archive.make(file(6, "pinson"), columns=ROLES))
        theirs = await here.kept(await here.archive.make(file(6, "merle"), tenant="globex", columns=ROLES))
        names = {each.id: await here.collection(each) for each in (mine, other, theirs)}

    def words(survey: Survey, word: str, tenant: str) -> Any:
        return here.rag.found(word, tenant, names[survey.id])

    assert len(await words(mine, "canari", "acme")) == 6
    assert len(await words(theirs, "merle", "globex")) == 6
    for survey, word in ((mine, "pinson"), (mine, "merle"), (other, "canari"), (other, "merle")):
        assert all(word not in each for each in await words(survey, word, "acme"))
    with pytest.raises(NotFound):
        await here.rag.library.shelf("globex", names[mine.id])
    globex = here.archive.tenants["globex"]
    for caller, tenant in (
        (here.caller("globex"), globex),
        (here.caller("globex"), here.archive.tenants["acme"]),
    ):
        with pytest.raises(NotFound):
            await here.findings.collection(caller, tenant, mine.id)
    document = (await here.rag.library.documents("acme", names[mine.id]))[0]
    passage = (await here.rag.library.passages("acme", names[mine.id], document.id))[0]
    cited = [Citation(1, document.id, passage.id, "", passage.text, 1.0, page=passage.page)]
    assert await here.findings.sources("acme", other.id, cited) == {}
    assert await here.findings.sources("globex", theirs.id, cited) == {}


async def test_a_collection_that_is_not_full_yet_is_not_answered_from(
    here: Scene, database: Database
) -> None:
    hasty = scene(database, here.rag.store.chunks, patience=Patience(0.0, 0.01))
    survey = await hasty.archive.read(file(6), columns=ROLES)

    with pytest.raises(Unavailable) as raised:
        await hasty.collection(survey)
    assert raised.value.code == "survey_collection_filling"
    assert raised.value.retry_after > 0
    async with here.workers():
        assert await here.collection(survey) == name_of(survey.id)


async def test_comments_that_could_not_be_indexed_are_tried_once_more_and_told_about(here: Scene) -> None:
    survey = await here.archive.read(file(6), columns=ROLES)
    here.rag.meaning.errors += [ValueError("broken")] * 50
    here.rag.library.ingesting()
    async with here.workers():
        with pytest.raises(Unavailable):
            await asyncio.wait_for(_impatient(here).collection(here.caller(), here.archive.tenants["acme"], survey.id), PATIENCE)  # fmt: skip
        name = name_of(survey.id)

        async def failed() -> bool:
            await here.archive.sql("UPDATE job_item SET ready_at = clock_timestamp() WHERE state = 'queued'")
            return bool(await here.rag.library.documents("acme", name, state=DocumentState.FAILED))

        await until(failed, "it failed for good", within=PATIENCE)
        here.rag.meaning.errors.clear()
        assert await here.collection(survey) == name


async def test_a_dropped_survey_takes_its_collection_along_also_while_it_is_filled(here: Scene) -> None:
    async with here.workers():
        survey = await here.kept(await here.archive.make(file(6), columns=ROLES))
        name = await here.collection(survey)
        await here.archive.filing.drop("acme", survey.id)
        with pytest.raises(NotFound):
            await here.rag.library.shelf("acme", name)

        second = await here.kept(await here.archive.make(file(7), columns=ROLES))
        library, dropped = here.rag.library, asyncio.Event()
        real = library.take

        async def take(*args: Any, **named: Any) -> Any:
            if not dropped.is_set():
                dropped.set()
                await here.archive.filing.drop("acme", second.id)
            return await real(*args, **named)

        library.take = take  # type: ignore[method-assign]
        with pytest.raises(NotFound):
            await here.collection(second)
        with pytest.raises(NotFound):
            await library.shelf("acme", name_of(second.id))


async def test_a_survey_without_comments_or_a_tenant_without_documents_has_nothing_to_ask(
    here: Scene,
) -> None:
    scores = await here.archive.read(b"NPS\n9\n8\n7\n", columns={"NPS": {"role": "nps"}})
    with pytest.raises(Conflict) as refused:
        await here.collection(scores)
    assert refused.value.code == "survey_without_comments"
    survey = await here.archive.read(file(6), columns=ROLES)
    tenant = replace(here.archive.tenants["acme"], rag=None)
    with pytest.raises(Forbidden):
        await here.findings.collection(here.caller(), tenant, survey.id)


async def test_erasing_a_tenant_takes_its_collections_along(here: Scene) -> None:
    async with here.workers():
        survey = await here.kept(await here.archive.make(file(6), columns=ROLES))
        name = await here.collection(survey)
        assert await here.findings.erase("acme") == 6
    with pytest.raises(NotFound):
        await here.rag.library.shelf("acme", name)
    assert list(await here.archive.filing.surveys("acme")) == []


def _impatient(here: Scene) -> Reporting:
    findings = here.findings
    hasty = Collections(here.archive.database, findings._collections._library, patience=Patience(0.0, 0.01))
    return Reporting(
        findings._archive, findings._codebooks, findings._runs, collections=hasty, removing=here.removing,
        operator=lambda: "",
    )  # fmt: skip
