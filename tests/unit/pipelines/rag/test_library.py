"""Collections and documents from their owner's side: taken, read, found, replaced, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from passerelle.domain.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from passerelle.domain.rag import DocumentState, Given, GivenChunk, Origin
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database
from passerelle.wire.fetched import FetchRefused
from tests.unit.pipelines.rag.library_scene import SHELF, Scene, cut, read_by_workers, scene, tenant

_TALK = """
INSERT INTO rag_conversation (id, tenant, collection, key_id, ends_at)
VALUES (:id, 'acme', :shelf, 'k1', clock_timestamp())
"""
_ANSWER = """
INSERT INTO rag_answer (id, tenant, collection, key_id, model, citations, supported, cost, seconds, conversation)
VALUES (:id, 'acme', :shelf, 'k1', 'm', 0, 0, '', '{}', :talk)
"""


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
async def world(database: Database, chunks: Chunks) -> Scene:
    return scene(database, chunks)


async def test_a_text_is_read_cut_embedded_and_found_with_its_title(world: Scene) -> None:
    async with read_by_workers(world):
        paragraphs = "\n\n".join(
            f"Les congés de l'année {year} se prennent avant mai." for year in range(2000, 2010)
        )
        (document,) = await world.done(Given(text=paragraphs, key="conges", title="Règlement intérieur"))

    assert document.state is DocumentState.READY
    assert (document.title, document.language, document.origin) == ("Règlement intérieur", "fr", Origin.TEXT)
    assert document.chunks > 1
    assert document.characters == len(paragraphs)
    assert document.indexed_at is not None
    passages = await world.library.passages("acme", SHELF, document.id)
    assert len(passages) == document.chunks
    assert all(each.text == paragraphs[each.start : each.end] for each in passages)
    assert all(text.startswith("Règlement intérieur\n") for text in world.meaning.texts)
    assert len(await world.found("règlement")) == document.chunks
    shelf = await world.library.shelf("acme", SHELF)
    assert (shelf.documents, shelf.chunks, shelf.setup.width) == (1, document.chunks, 8)
    assert world.meaning.asked[0] == ("acme", "embedder")
    content, kind = await world.library.content("acme", SHELF, document.id)
    assert (content.decode(), kind) == (paragraphs, "text/plain")


async def test_a_document_that_is_indexed_as_it_came_costs_nothing(world: Scene) -> None:
    given = cut("a", "chat", "chien", title="Animaux", metadata={"year": 2024}, groups=frozenset({"rh"}))
    async with read_by_workers(world):
        (first,) = await world.done(given)
        paid = len(world.meaning.texts)
        again = await world.take(given)

    assert again.job is None
    assert again.unchanged == {first.id}
    assert len(world.meaning.texts) == paid
    assert (await world.library.shelf("acme", SHELF)).version == 2


@pytest.mark.parametrize(
    "change",
    [{"title": "B"}, {"metadata": {"year": 2025}}, {"groups": frozenset({"it"})}, {"language": "en"}],
    ids=lambda change: next(iter(change)),
)
async def test_whatever_changes_what_is_indexed_has_the_document_read_again(
    world: Scene, change: dict[str, object]
) -> None:
    async with read_by_workers(world):
        (first,) = await world.done(cut("a", "chat"))
        (second,) = await world.done(cut("a", "chat", **change))

    assert (second.id, second.state) == (first.id, DocumentState.READY)
    (passage,) = await world.library.passages("acme", SHELF, first.id)
    for name, value in change.items():
        assert getattr(passage, name) == value


async def test_only_passages_that_changed_are_embedded_again(world: Scene) -> None:
    async with read_by_workers(world):
        await world.done(cut("a", "un", "deux", "trois", "deux"))
        assert sorted(world.meaning.texts) == ["deux", "deux", "trois", "un"]
        world.meaning.texts.clear()
        (document,) = await world.done(cut("a", "un", "quatre", "deux", "trois", metadata={"v": 2}))

    assert world.meaning.texts == ["quatre"]
    assert document.chunks == 4
    assert await world.indexed() == 4
    assert [each.metadata for each in await world.library.passages("acme", SHELF, document.id)] == [
        {"v": 2}
    ] * 4


async def test_documents_are_taken_all_or_none(world: Scene) -> None:
    with pytest.raises(BadRequest, match="reserved"):
        await world.take(cut("a", "chat"), cut("b", "chien", metadata={"tenant_id": "globex"}))
    assert await world.library.shelves("acme") == []


async def test_equal_documents_are_found_once_and_the_second_takes_over(world: Scene) -> None:
    async with read_by_workers(world):
        (first,) = await world.done(cut("a", "chat"))
        (second,) = await world.done(cut("b", "chat"))
        assert (second.state, second.duplicate_of) == (DocumentState.DUPLICATE, first.id)
        assert await world.found("chat") == ["chat"]
        again = await world.take(cut("b", "chat"))
        assert again.unchanged == {second.id}

        await world.library.delete("acme", SHELF, first.id)
        promoted = await world.stands(second.id, DocumentState.READY)

    assert promoted.duplicate_of is None
    assert await world.found("chat") == ["chat"]
    assert await world.indexed() == 1


async def test_equal_documents_handed_in_together_are_found_once(world: Scene) -> None:
    async with read_by_workers(world):
        documents = await world.done(*(cut(f"k{number}", "chat") for number in range(6)))

    assert sorted(each.state for each in documents) == ["duplicate"] * 5 + ["ready"]
    assert await world.found("chat") == ["chat"]


async def test_equal_documents_for_other_groups_are_others(world: Scene) -> None:
    async with read_by_workers(world):
        await world.done(
            cut("a", "chat", groups=frozenset({"rh"})), cut("b", "chat", groups=frozenset({"it"}))
        )

    assert await world.found("chat", groups=frozenset({"it"})) == ["chat"]
    assert await world.found("chat", groups=frozenset()) == []
    assert await world.found("chat") == ["chat", "chat"]


async def test_what_is_deleted_leaves_no_passage_no_content_and_no_kept_answer(world: Scene) -> None:
    async with read_by_workers(world):
        (gone, stays) = await world.done(cut("a", "chat"), cut("b", "chien"))
        version = (await world.library.shelf("acme", SHELF)).version
        await world.library.delete("acme", SHELF, gone.id)

    assert await world.found("chat") == []
    assert await world.found("chien") == ["chien"]
    assert await world.indexed() == 1
    assert world.purged == [("acme", SHELF)]
    assert await world.sql("SELECT FROM rag_content WHERE document = :id", id=gone.id) == []
    assert (await world.library.shelf("acme", SHELF)).version > version
    with pytest.raises(NotFound):
        await world.library.document("acme", SHELF, gone.id)
    with pytest.raises(NotFound):
        await world.library.delete("acme", SHELF, gone.id)
    assert stays.state is DocumentState.READY


async def test_a_key_is_free_as_soon_as_its_document_is_deleted(world: Scene) -> None:
    async with read_by_workers(world):
        (first,) = await world.done(cut("a", "chat"))
        world.store.away["*"] = 10
        await world.library.delete("acme", SHELF, first.id)
        assert await world.found("chat") == []
        world.store.away.clear()
        (second,) = await world.done(cut("a", "chien"))

    assert second.id != first.id
    assert await world.found("chien") == ["chien"]


async def test_a_dropped_collection_takes_everything_with_it(world: Scene) -> None:
    async with read_by_workers(world):
        taken = await world.take(cut("a", "chat"), cut("b", "chien"))
        await world.settled(taken)
        await world.done(cut("a", "chat"), shelf="autre")
        for shelf in (SHELF, "autre"):
            await world.sql(_TALK, id=f"conv_{shelf}", shelf=shelf)
            await world.sql(_ANSWER, id=f"ra_{shelf}", shelf=shelf, talk=f"conv_{shelf}")
            await world.sql(_ANSWER, id=f"rb_{shelf}", shelf=shelf, talk=None)
        await world.library.drop("acme", SHELF)

    assert [each.name for each in await world.library.shelves("acme")] == ["autre"]
    assert await world.sql("SELECT FROM job WHERE id = :id", id=taken.job) == []
    assert ("acme", SHELF) in world.purged
    for table, left in (("rag_conversation", 1), ("rag_answer", 2)):
        assert [row.collection for row in await world.sql(f"SELECT collection FROM {table}")] == [
            "autre"
        ] * left
    assert await world.found("chat", shelf="autre") == ["chat"]
    with pytest.raises(NotFound):
        await world.library.documents("acme", SHELF)
    again = await world.library.make(world.acme, SHELF)
    assert (again.documents, again.setup.width) == (0, 0)


async def test_a_tenant_is_erased_and_its_neighbour_is_not(world: Scene) -> None:
    async with read_by_workers(world):
        await world.done(cut("a", "chat"), cut("b", "chien"))
        await world.done(cut("a", "chat"), tenant="globex")
        assert await world.library.erase("acme") == 2

    assert await world.library.shelves("acme") == []
    assert await world.found("chat", tenant="globex") == ["chat"]
    for table in ("rag_document", "rag_collection", "job"):
        assert await world.sql(f"SELECT FROM {table} WHERE tenant = 'acme'") == []


async def test_nothing_of_another_tenant_is_to_be_had(world: Scene) -> None:
    async with read_by_workers(world):
        (mine,) = await world.done(cut("a", "secret"))
        await world.done(cut("b", "autre"), tenant="globex")
        for ask in (
            world.library.document("globex", SHELF, mine.id),
            world.library.passages("globex", SHELF, mine.id),
            world.library.content("globex", SHELF, mine.id),
            world.library.delete("globex", SHELF, mine.id),
            world.library.retry(world.tenants["globex"], SHELF, [mine.id]),
        ):
            with pytest.raises(NotFound):
                await ask
    assert await world.found("secret", tenant="globex") == []
    assert [each.key for each in await world.library.documents("globex", SHELF)] == ["b"]
    assert await world.found("secret") == ["secret"]


async def test_a_document_of_other_groups_is_not_there(world: Scene) -> None:
    async with read_by_workers(world):
        (mine, _) = await world.done(cut("a", "chat", groups=frozenset({"rh"})), cut("b", "chien"))
    others = frozenset({"it"})

    for ask in (
        world.library.document("acme", SHELF, mine.id, groups=others),
        world.library.passages("acme", SHELF, mine.id, groups=others),
        world.library.content("acme", SHELF, mine.id, groups=others),
        world.library.delete("acme", SHELF, mine.id, groups=others),
    ):
        with pytest.raises(NotFound):
            await ask
    seen = await world.library.documents("acme", SHELF, groups=others)
    assert [each.key for each in seen] == ["b"]


async def test_what_an_asker_does_not_see_he_cannot_take_away(world: Scene) -> None:
    await world.take(cut("a", "chat", groups=frozenset({"rh"})), cut("b", "chien"))
    for ask in (
        world.library.drop("acme", SHELF, groups=frozenset({"it"})),
        world.library.reindex(world.acme, SHELF, groups=frozenset()),
        world.library.take(world.acme, SHELF, [cut("a", "loup")], groups=frozenset({"it"})),
    ):
        with pytest.raises(Forbidden) as refused:
            await ask
        assert "rh" not in str(refused.value)
    assert len(await world.library.documents("acme", SHELF)) == 2
    assert await world.library.reindex(world.acme, SHELF, groups=frozenset({"rh"}))
    await world.library.drop("acme", SHELF, groups=frozenset({"rh", "it"}))
    assert await world.library.shelves("acme") == []


async def test_documents_are_listed_newest_first_in_pages(world: Scene) -> None:
    for number in range(5):
        await world.take(cut(f"k{number}", f"t{number}"))
    first = await world.library.documents("acme", SHELF, most=3)
    rest = await world.library.documents("acme", SHELF, most=3, before=first[-1].id)
    with pytest.raises(BadRequest, match="go on from"):  # an empty page would be taken for the end
        await world.library.documents("acme", SHELF, most=3, before="doc_gone")

    assert [each.key for each in (*first, *rest)] == ["k4", "k3", "k2", "k1", "k0"]
    assert await world.library.documents("acme", SHELF, state=DocumentState.READY) == []


async def test_limits_of_a_tenant_are_said_clearly(world: Scene) -> None:
    world.tenants["acme"] = tenant(collections=1, documents=2, file_size=200)
    await world.take(cut("a", "1"))
    with pytest.raises(Forbidden, match="1 collections"):
        await world.take(cut("a", "1"), shelf="autre")
    with pytest.raises(Forbidden, match="2 documents") as full:
        await world.take(cut("b", "2"), cut("c", "3"))
    assert full.value.code == "too_many_documents"
    with pytest.raises(TooLarge, match="200 bytes"):
        await world.take(Given(text="trop long " * 30, key="d"))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (Given(), "document_form"),
        (Given(text="a", url="https://exemple.fr/"), "document_form"),
        (Given(text=" \n"), "document_empty"),
        (Given(content=b""), "document_empty"),
        (Given(text="a", key="x" * 3000), "document_key"),
        (Given(text="a", title="x\0"), "document_title"),
        (Given(text="a\ud800"), "not_unicode"),
        (Given(text="a", language="french"), "language"),
        (Given(text="a", groups=frozenset({" x"})), "groups"),
        (Given(text="a", metadata={"a": {"b": 1}}), "metadata"),
        (Given(text="a", metadata={"a": float("nan")}), "metadata"),
        (Given(text="a", metadata={"a": "x" * 20_000}), "metadata"),
        (Given(text="a", metadata={"a": 2**70}), "metadata"),
        (Given(chunks=()), "document_chunks"),
        (Given(text="a", groups=frozenset({"*"})), "groups"),
        (Given(chunks=(GivenChunk("a", metadata={"page": 1}),)), "metadata"),
        (Given(url="https://exemple.fr/", refresh=1.0), "refresh"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_kept_is_refused_with_its_reason(world: Scene, given: Given, code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await world.take(given)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "url", ["http://localhost/", "file:///etc/passwd", "https://u:p@exemple.fr/", "exemple.fr"]
)
async def test_a_url_that_is_not_fetched_is_not_taken(world: Scene, url: str) -> None:
    with pytest.raises(FetchRefused):
        await world.take(Given(url=url))


async def test_a_collection_is_made_once_described_and_named_within_bounds(world: Scene) -> None:
    made = await world.library.make(world.acme, SHELF, description="Règles", words_only=True)
    assert (made.setup.embedder, made.setup.width, made.version) == (None, 0, 1)
    with pytest.raises(Conflict):
        await world.library.make(world.acme, SHELF)
    described = await world.library.describe("acme", SHELF, "Autres")
    assert described.description == "Autres"
    for name in ("", "a b", "é", "../x", "x" * 65, "a\0"):
        with pytest.raises(BadRequest):
            await world.library.make(world.acme, name)
        with pytest.raises(NotFound):
            await world.library.shelf("acme", name)
    async with read_by_workers(world):
        (document,) = await world.done(cut("a", "chat"))
    assert document.state is DocumentState.READY
    assert world.meaning.texts == []
    assert await world.found("chat") == ["chat"]


async def test_a_name_of_several_models_is_no_collections_embedder(world: Scene) -> None:
    world.behind["other"] = ("maker/large", "maker/small")
    with pytest.raises(BadRequest) as refused:
        await world.library.make(world.acme, SHELF, embedder="other")
    assert refused.value.code == "embedder_mixed"


async def test_indexing_again_takes_the_rules_of_today_and_needs_no_upload(world: Scene) -> None:
    async with read_by_workers(world):
        (document,) = await world.done(Given(text="Un chat dort. " * 30, key="a"))
        before = document.chunks
        world.meaning.width = 12
        world.tenants["acme"] = tenant(embedder="other", size=100, overlap=0)
        job = await world.library.reindex(world.acme, SHELF)
        assert job is not None
        ready = await world.stands(document.id, DocumentState.READY)

    shelf = await world.library.shelf("acme", SHELF)
    assert (shelf.setup.embedder, shelf.setup.width, shelf.setup.size) == ("other", 12, 100)
    assert ready.chunks > before
    assert await world.indexed() == ready.chunks
    assert len(await world.found("chat")) == ready.chunks


async def test_indexing_an_empty_collection_again_needs_no_job(world: Scene) -> None:
    await world.library.make(world.acme, SHELF)
    assert await world.library.reindex(world.acme, SHELF) is None


async def test_documents_switched_off_are_refused(world: Scene) -> None:
    world.tenants["acme"] = type(world.acme)("acme", (), rag=None)
    with pytest.raises(Forbidden) as refused:
        await world.take(cut("a", "chat"))
    assert refused.value.code == "rag_off"
