"""Reading documents, from the workers' side: pages, failures, races, outages, and what is left after each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from passerelle.domain.errors import BadRequest, Fault, OverLimit, UpstreamFailed
from passerelle.domain.rag import DocumentState, Given, Origin
from passerelle.jobs.desk import Desk
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database
from tests.fakes.site import Site, moved, reply, running
from tests.unit.jobs.scene import count, counts_agree, over, until
from tests.unit.pipelines.rag.library_scene import SHELF, Scene, cut, read_by_workers, scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: the owner of its shards stays from test to test."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def chunks(folder: Path) -> AsyncIterator[Chunks]:
    opened = Embedded(folder)
    for name in ("acme", "globex"):
        await opened.erase(name)
    yield opened
    await opened.aclose()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running() as site:
        yield site


@pytest.fixture
async def world(database: Database, chunks: Chunks, site: Site) -> Scene:
    return scene(database, chunks, port=site.port)


def page(text: str, etag: str | None = None) -> bytes:
    """Of plain text, which is quickly read."""
    headers = {} if etag is None else {"etag": etag}
    return reply(text.encode(), status=200, kind="text/plain", **headers)


def at(site: Site, path: str = "/a") -> str:
    return f"http://127.0.0.1:{site.port}{path}"


async def look(world: Scene, seconds: float) -> None:
    await world.library.refresh_due(datetime.now(UTC) + timedelta(seconds=seconds))


async def over_all(world: Scene) -> None:
    async def nothing_waits() -> bool:
        return not await count(world.database, "SELECT count(*) FROM job WHERE finished_at IS NULL")

    await until(nothing_waits, "all jobs are over")


async def test_a_page_is_fetched_read_and_kept(world: Scene, site: Site) -> None:
    site.answers["/old"] = moved("/a")
    html = "<html><head><title>Page</title></head><body><p>Un chat dort beaucoup.</p></body></html>"
    site.answers["/a"] = reply(html.encode(), kind="text/html", etag='"1"')
    async with read_by_workers(world):
        (document,) = await world.done(Given(url=at(site, "/old") + "#part"))

    assert (document.state, document.origin) == (DocumentState.READY, Origin.URL)
    assert (document.key, document.url) == (at(site, "/old"), at(site, "/old"))
    assert (document.title, document.media_type) == ("Page", "text/html")
    assert document.checked_at is not None
    assert await world.found("chat") == ["Un chat dort beaucoup."]
    content, _ = await world.library.content("acme", SHELF, document.id)
    assert b"Un chat dort" in content


async def test_a_page_that_has_not_changed_costs_one_request_and_nothing_else(
    world: Scene, site: Site
) -> None:
    site.answers["/a"] = page("Un chat.", etag='"1"')
    async with read_by_workers(world):
        (document,) = await world.done(Given(url=at(site), refresh=60.0))
        paid, version = len(world.meaning.texts), (await world.library.shelf("acme", SHELF)).version
        await look(world, 30)
        assert len(site.asked) == 1
        site.answers["/a"] = reply(status=304, kind=None, etag='"1"')
        await look(world, 61)
        await over_all(world)
        assert site.header("if-none-match") == '"1"'
        site.answers["/a"] = page("Un chat.")  # the same once more, without a word of when it changed
        await look(world, 200)
        await over_all(world)

    assert len(site.asked) == 3
    now = await world.library.document("acme", SHELF, document.id)
    assert (now.state, now.trouble) == (DocumentState.READY, None)
    assert (len(world.meaning.texts), (await world.library.shelf("acme", SHELF)).version) == (paid, version)


async def test_a_page_is_read_in_the_letters_that_its_server_tells_also_when_it_is_indexed_again(
    world: Scene, site: Site
) -> None:
    site.answers["/a"] = reply("Привет, кот.".encode("koi8-r"), kind="text/plain; charset=koi8-r")
    async with read_by_workers(world):
        (document,) = await world.done(Given(url=at(site)))
        assert await world.found("привет") == ["Привет, кот."]
        await world.library.reindex(world.acme, SHELF)
        await over_all(world)

    assert document.media_type == "text/plain; charset=koi8-r"
    assert await world.found("привет") == ["Привет, кот."]


async def test_a_page_that_changed_is_read_again_when_it_is_time(world: Scene, site: Site) -> None:
    site.answers["/a"] = page("Un chat.")
    async with read_by_workers(world):
        await world.done(Given(url=at(site), refresh=60.0))
        site.answers["/a"] = page("Un chien.")
        await look(world, 61)
        await over_all(world)

    assert await world.found("chat") == []
    assert await world.found("chien") == ["Un chien."]
    assert await world.indexed() == 1


async def test_a_page_that_is_gone_says_so_and_is_found_as_it_was(world: Scene, site: Site) -> None:
    site.answers["/a"] = page("Un chat.")
    async with read_by_workers(world):
        (document,) = await world.done(Given(url=at(site), refresh=60.0))
        del site.answers["/a"]
        await look(world, 61)
        failed = await world.stands(document.id, DocumentState.FAILED)
        assert failed.trouble is not None
        assert failed.trouble.code == "url_status"
        assert "404" in failed.trouble.message
        assert await world.found("chat") == ["Un chat."]

        site.answers["/a"] = page("Un chien.")
        taken = await world.library.retry(world.acme, SHELF)
        await world.settled(taken)

    assert await world.found("chien") == ["Un chien."]
    assert await world.found("chat") == []


async def test_two_pages_that_are_the_same_are_found_once(world: Scene, site: Site) -> None:
    site.answers |= {"/a": page("Un chat."), "/a?utm=1": page("Un chat.")}
    async with read_by_workers(world):
        documents = await world.done(Given(url=at(site)), Given(url=at(site, "/a?utm=1")))
        assert sorted(each.state for each in documents) == ["duplicate", "ready"]
        copy, first = sorted(documents, key=lambda each: each.state)
        # The first becomes another: the second is found in its own right.
        site.answers["/a" if first.key.endswith("/a") else "/a?utm=1"] = page("Un chien.")
        await world.done(Given(url=first.key))
        await world.stands(copy.id, DocumentState.READY)

    assert await world.found("chat") == ["Un chat."]
    assert await world.found("chien") == ["Un chien."]


async def test_a_document_that_cannot_be_read_says_why_and_the_others_are_read(world: Scene) -> None:
    async with read_by_workers(world):
        taken = await world.take(Given(content=b"PK\x05\x06" + bytes(18), name="a.zip"), cut("b", "chien"))
        bad, good = await world.settled(taken)

    assert good.state is DocumentState.READY
    assert bad.state is DocumentState.FAILED
    assert bad.trouble is not None
    assert bad.trouble.code == "document_archive"
    assert await world.library.documents("acme", SHELF, state=DocumentState.FAILED) == [bad]
    retried = await world.library.retry(world.acme, SHELF, [bad.id, good.id])
    assert retried.unchanged == {good.id}
    assert {each.id: each.state for each in retried.documents}[bad.id] is DocumentState.QUEUED


async def test_the_old_version_is_found_until_the_new_one_is_indexed(world: Scene) -> None:
    async with read_by_workers(world):
        await world.done(cut("a", "chat"))
        world.meaning.gate = asyncio.Event()
        taken = await world.take(cut("a", "chien"))
        await world.stands(taken.documents[0].id, DocumentState.READING)
        assert (await world.found("chat"), await world.found("chien")) == (["chat"], [])
        world.meaning.gate.set()
        await world.settled(taken)

    assert (await world.found("chat"), await world.found("chien")) == ([], ["chien"])


async def test_of_two_versions_under_way_the_newer_wins(world: Scene) -> None:
    world.meaning.gate = asyncio.Event()
    async with read_by_workers(world):
        older = await world.take(cut("a", "chat"))
        await world.stands(older.documents[0].id, DocumentState.READING)
        newer = await world.take(cut("a", "chien"))
        world.meaning.gate.set()
        (document,) = await world.settled(newer)
        await world.settled(older)

    assert document.state is DocumentState.READY
    assert (await world.found("chat"), await world.found("chien")) == ([], ["chien"])
    assert await world.indexed() == 1


async def test_a_document_that_is_deleted_while_it_is_read_leaves_nothing(world: Scene) -> None:
    world.meaning.gate = asyncio.Event()
    async with read_by_workers(world):
        taken = await world.take(cut("a", "chat"), cut("b", "chien"))
        gone = taken.documents[0].id
        await world.stands(gone, DocumentState.READING)
        await world.library.delete("acme", SHELF, gone)
        world.meaning.gate.set()
        assert taken.job is not None
        await over(world.database, taken.job)

    assert await world.found("chat") == []
    assert await world.indexed() == 1
    await counts_agree(world.database)


async def test_what_waits_in_a_job_for_a_deleted_document_is_withdrawn(world: Scene) -> None:
    taken = await world.take(cut("a", "chat"), cut("b", "chien"))
    await world.library.delete("acme", SHELF, taken.documents[0].id)
    assert taken.job is not None
    assert (await Desk(world.database).look("acme", taken.job)).progress.cancelled == 1
    await counts_agree(world.database)


async def test_a_model_that_fails_for_a_moment_is_asked_again(world: Scene) -> None:
    world.meaning.errors += [
        UpstreamFailed(Fault.SERVER, "It broke."),
        OverLimit("Too many tokens.", retry_after=0.1),
    ]
    async with read_by_workers(world):
        (document,) = await world.done(cut("a", "chat"))
    assert document.state is DocumentState.READY


async def test_a_model_that_refuses_fails_the_document_with_its_words(world: Scene) -> None:
    world.meaning.errors.append(BadRequest("The model 'embedder' is unknown.", code="model_not_found"))
    async with read_by_workers(world):
        (document,) = await world.done(cut("a", "chat"))
        assert document.trouble is not None
        assert document.trouble.code == "model_not_found"
        assert document.state is DocumentState.FAILED
        retried = await world.library.retry(world.acme, SHELF)
        (document,) = await world.settled(retried)
    assert (document.state, document.trouble) == (DocumentState.READY, None)


async def test_a_store_that_is_away_fails_no_document(world: Scene) -> None:
    world.store.away["upsert"] = 2
    async with read_by_workers(world):
        taken = await world.take(cut("a", "chat"))
        (document,) = await world.settled(taken)
    assert document.state is DocumentState.READY
    assert await world.found("chat") == ["chat"]


async def test_vectors_of_another_length_are_refused_until_all_is_indexed_again(world: Scene) -> None:
    async with read_by_workers(world):
        await world.done(cut("a", "chat"))
        world.meaning.width = 5
        (document,) = await world.done(cut("b", "chien"))

    assert document.state is DocumentState.FAILED
    assert document.trouble is not None
    assert document.trouble.code == "embedder_changed"
    assert await world.found("chat") == ["chat"]


async def test_vectors_of_two_models_never_meet_behind_one_name(world: Scene) -> None:
    async with read_by_workers(world):
        (first,) = await world.done(cut("a", "chat"))
        world.behind["embedder"] = ("maker/another",)
        refused, changed = await world.done(cut("b", "chien"), cut("a", "loup"))
        for document in (refused, changed):
            assert document.state is DocumentState.FAILED
            assert document.trouble is not None
            assert document.trouble.code == "embedder_changed"
            assert "Index the collection again" in document.trouble.message
        assert await world.found("chat chien loup") == ["chat"]
        world.meaning.texts.clear()

        await world.library.reindex(world.acme, SHELF)
        await world.stands(first.id, DocumentState.READY)
        await world.stands(refused.id, DocumentState.READY)

    assert sorted(world.meaning.texts) == ["chien", "loup"]
    assert await world.found("chat chien loup") == ["chien", "loup"]


async def test_first_documents_that_are_read_together_agree_on_a_length(world: Scene) -> None:
    async with read_by_workers(world):
        documents = await world.done(*(cut(f"k{number}", f"mot{number}") for number in range(8)))
    assert {each.state for each in documents} == {DocumentState.READY}
    assert await world.indexed() == 8


async def test_the_sweep_ends_what_an_outage_interrupted(world: Scene) -> None:
    async with read_by_workers(world):
        (gone, _) = await world.done(cut("a", "chat"), cut("b", "chien"))
        await world.done(cut("c", "loup"), shelf="autre")
        world.store.away = {"delete": 1, "drop": 1}
        await world.library.delete("acme", SHELF, gone.id)
        await world.library.drop("acme", "autre")
        assert await world.found("chat") == []
        assert await world.indexed() == 2
        world.purge_fails.append(OSError("away"))
        await world.library.sweep(datetime.now(UTC))
        await world.library.sweep(datetime.now(UTC))

    assert await world.indexed() == 1
    assert await count(world.database, "SELECT count(*) FROM rag_document") == 1
    assert [each.name for each in await world.library.shelves("acme")] == [SHELF]


async def test_no_document_waits_for_ever_for_a_job_that_is_over(world: Scene) -> None:
    cancelled = await world.take(cut("a", "chat"))
    deleted = await world.take(cut("b", "chien"))
    waiting = await world.take(cut("c", "loup"))
    desk = Desk(world.database)
    assert cancelled.job is not None
    assert deleted.job is not None
    await desk.cancel("acme", cancelled.job)
    await desk.delete("acme", deleted.job)
    await world.library.sweep(datetime.now(UTC))

    for taken in (cancelled, deleted):
        stands = await world.stands(taken.documents[0].id, DocumentState.FAILED)
        assert stands.trouble is not None
        assert stands.trouble.code == "ingestion_cancelled"
    assert (await world.stands(waiting.documents[0].id, DocumentState.QUEUED)).trouble is None


async def test_what_came_is_handed_in_again_after_its_job_was_cancelled(world: Scene) -> None:
    first = await world.take(cut("a", "chat"))
    assert first.job is not None
    same = await world.take(cut("a", "chat"))
    assert same.job == first.job
    await Desk(world.database).cancel("acme", first.job)
    async with read_by_workers(world):
        (document,) = await world.done(cut("a", "chat"))
    assert document.state is DocumentState.READY


async def test_followers_of_a_job_are_told_how_far_a_document_is(world: Scene) -> None:
    async with read_by_workers(world):
        taken = await world.take(cut("a", *(f"mot{number}" for number in range(300))))
        await world.settled(taken)
    noted = await world.sql("SELECT data FROM job_event WHERE what = 'noted' ORDER BY number")
    notes = [row.data["data"] for row in noted]
    assert [note["step"] for note in notes] == ["read", "embedding", "embedding"]
    assert (notes[0]["chunks"], notes[-1]["done"], notes[-1]["of"]) == (300, 256, 300)
    (result,) = [row.result for row in await world.sql("SELECT result FROM job_item")]
    assert result == {"pages": 0, "characters": 1690, "chunks": 300, "embedded": 300}
