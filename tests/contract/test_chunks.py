"""One suite over the embedded store of passages and the one on a Qdrant server.

Qdrant's engine answers for the server, behind a stand-in for its REST routes; a real server was not run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from passerelle.domain.retrieval import Chunk, Condition, Mode, Query
from passerelle.retrieval.store import Chunks, Unfit
from tests.passages import KINDS, WIDTH, both, collection, ids, meaning, passage, store, vector, words

RICH = Chunk(
    id="déjà/vu #1",
    document="https://exemple.fr/é?a=1",
    text="L\u2019élève apprend.\u2028🙂",
    title="Règlement",
    headings=("Titre I", "Article 3"),
    page=7,
    start=10,
    end=30,
    language="fr",
    groups=frozenset({"rh", "direction"}),
    metadata={"a.b": 3, "tags": ["x", "y"], "draft": False, "deep": {"n": [1, None]}, "note": 12.5},
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: its owner stays from test to test."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def chunks(kind: str, folder: Path) -> AsyncIterator[Chunks]:
    async with store(kind, folder) as chunks:
        await chunks.erase("a")
        yield chunks


async def test_a_passage_comes_back_as_it_was(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [RICH], [vector(1)])
    assert await chunks.get(collection(), [RICH.id]) == [RICH]
    (hit,) = await chunks.search(collection(), both("élèves", 1, groups=None))
    assert hit.chunk == RICH
    assert (hit.parts.text_rank, hit.parts.dense_rank) == (1, 1)
    assert hit.parts.dense == pytest.approx(1.0, abs=1e-5)
    assert hit.parts.text is not None
    assert hit.parts.text > 0


async def test_a_collection_that_was_never_made_is_empty(chunks: Chunks) -> None:
    assert await chunks.search(collection(), both("rien", 1)) == []
    assert await chunks.count(collection()) == 0
    assert await chunks.get(collection(), ["p1"]) == []
    await chunks.delete(collection(), ids=["p1"], document="d1")
    await chunks.drop("a", "c")
    await chunks.erase("a")
    await chunks.ensure(collection())
    await chunks.ensure(collection())
    await chunks.settle(collection())
    assert await chunks.count(collection()) == 0


async def test_writing_again_changes_a_passage_and_adds_none(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [passage(1, "chat")], [vector(1)])
    await chunks.upsert(collection(), [passage(1, "chien", title="Animaux")], [vector(2)])
    assert await chunks.count(collection()) == 1
    assert await chunks.search(collection(), words("chat")) == []
    assert ids(await chunks.search(collection(), words("chiens"))) == ["p1"]
    (hit,) = await chunks.search(collection(), meaning(2))
    assert hit.score == pytest.approx(1.0, abs=1e-5)


async def test_words_are_found_in_all_their_forms_and_in_titles_and_headings(chunks: Chunks) -> None:
    some = [
        passage(1, "Les formations continues des salariés.", language="fr"),
        passage(2, "The trained employees were running.", language="en"),
        passage(3, "Rien.", title="Remboursement", headings=("Délais de paiement",), language="fr"),
    ]
    await chunks.upsert(collection(), some, [vector(n) for n in range(3)])
    for asked, language, found in [
        ("formation continue d'un salarié", "fr", "p1"),
        ("l’employé et la FORMATION", "fr", "p1"),
        ("run, employee, train", "en", "p2"),
        ("rembourser", "fr", "p3"),
        ("quel délai ?", None, "p3"),
        ("who runs", None, "p2"),
    ]:
        assert ids(await chunks.search(collection(), words(asked, language=language))) == [found], asked


async def test_letters_written_as_two_signs_or_as_one_are_the_same(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [passage(1, "Le re\u0301gime ﬁnancier", language="fr")], [vector(1)])
    assert len(await chunks.search(collection(), words("régime", language="fr"))) == 1
    assert len(await chunks.search(collection(), words("financier", language="fr"))) == 1


async def test_a_question_of_stop_words_alone_finds_nothing_by_words(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [passage(1)], [vector(1)])
    assert await chunks.search(collection(), words("de la et du ?!", language="fr")) == []
    assert ids(await chunks.search(collection(), both("de la et du ?!", 1, language="fr"))) == ["p1"]


async def test_a_hybrid_search_brings_together_what_each_way_finds(chunks: Chunks) -> None:
    some = [passage(1, "alpha"), passage(2, "beta"), passage(3, "alpha beta gamma")]
    await chunks.upsert(collection(), some, [vector(1), vector(2), vector(3)])
    hits = await chunks.search(collection(), both("gamma", 3))
    assert ids(hits)[0] == "p3"
    assert len(hits) == 3
    assert hits[0].score == pytest.approx(1 / 61)
    for share, best in [(0.0, "p3"), (1.0, "p2")]:
        hits = await chunks.search(collection(), both("gamma", 2, dense_share=share, k=1))
        assert ids(hits) == [best]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_diverse_answers_leave_out_what_says_the_same(chunks: Chunks) -> None:
    near = [[*vector(1)[:-1], vector(1)[-1] + 0.01 * n] for n in range(3)]
    some = [passage(n, "règle") for n in range(3)] + [passage(9, "règle")]
    await chunks.upsert(collection(), some, [*near, vector(9)])
    plain = await chunks.search(collection(), meaning(1, k=2))
    assert "p9" not in ids(plain)
    for query in (
        both("règle", 1, k=2, diversity=0.6),
        meaning(1, k=2, diversity=0.6),
        words("règle", k=2, diversity=0.6),
    ):
        assert "p9" in ids(await chunks.search(collection(), query)), query.mode


async def test_a_passage_of_groups_is_found_by_their_members_only(chunks: Chunks) -> None:
    some = [
        passage(1, "salaire"),
        passage(2, "salaire", groups=frozenset({"rh"})),
        passage(3, "salaire", groups=frozenset({"rh", "direction"})),
    ]
    await chunks.upsert(collection(), some, [vector(1), vector(2), vector(3)])
    for groups, seen in [
        (frozenset[str](), {"p1"}),
        (frozenset({"rh"}), {"p1", "p2", "p3"}),
        (frozenset({"direction"}), {"p1", "p3"}),
        (frozenset({"vente", "*", "RH"}), {"p1"}),
        (None, {"p1", "p2", "p3"}),
    ]:
        for query in (
            words("salaire", groups=groups),
            meaning(3, groups=groups),
            both("salaire", 3, groups=groups, diversity=0.3),
        ):
            assert set(ids(await chunks.search(collection(), query))) == seen
        got = await chunks.get(collection(), ["p1", "p2", "p3"], groups=groups)
        assert {chunk.id for chunk in got} == seen


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        (Condition("year", at_least=2024), {"p2", "p3"}),
        (Condition("year", above=2023, below=2025), {"p2"}),
        (Condition("kind", any_of=("faq", "note")), {"p1", "p2"}),
        (Condition("kind", none_of=("faq",)), {"p2", "p3"}),
        (Condition("tags", any_of=("x",)), {"p1", "p3"}),
        (Condition("draft", any_of=(True,)), {"p3"}),
        (Condition("a.b", any_of=(7,)), {"p2"}),
        (Condition("document", any_of=("d1", "d3")), {"p1", "p3"}),
        (Condition("page", at_most=1), {"p1"}),
        (Condition("title", any_of=("Guide",)), {"p2"}),
        (Condition("nothing", any_of=("x",)), set()),
    ],
    ids=lambda value: value.name if isinstance(value, Condition) else "",
)
async def test_conditions_on_metadata_hold_in_every_mode(
    chunks: Chunks, condition: Condition, seen: set[str]
) -> None:
    some = [
        passage(1, "mot", page=1, metadata={"year": 2023, "kind": "faq", "tags": ["x", "y"]}),
        passage(2, "mot", page=2, title="Guide", metadata={"year": 2024, "kind": "note", "a.b": 7}),
        passage(3, "mot", metadata={"year": 2025.5, "kind": "law", "tags": ["x"], "draft": True}),
    ]
    await chunks.upsert(collection(), some, [vector(1), vector(2), vector(3)])
    for query in (words("mot"), meaning(1), both("mot", 1)):
        asked = Query(
            text=query.text, vector=query.vector, mode=query.mode, conditions=(condition,), groups=None
        )
        assert set(ids(await chunks.search(collection(), asked))) == seen, query.mode


async def test_a_document_is_replaced_without_a_moment_of_absence(chunks: Chunks) -> None:
    old = [passage(n, document="d") for n in range(4)]
    await chunks.upsert(collection(), [*old, passage(9)], [vector(n) for n in range(5)])
    assert await chunks.count(collection(), document="d") == 4
    await chunks.delete(collection(), document="d", keep=["p0", "p2", "unknown"])
    assert {chunk.id for chunk in await chunks.get(collection(), [f"p{n}" for n in range(10)])} == {
        "p0", "p2", "p9"
    }  # fmt: skip
    await chunks.delete(collection(), document="d")
    await chunks.delete(collection(), ids=["p9", "unknown"])
    assert await chunks.count(collection()) == 0


async def test_got_passages_are_in_the_order_of_their_ids(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [passage(n) for n in range(100)], [vector(n) for n in range(100)])
    wanted = [f"p{n}" for n in (99, 3, 500, 42, 0)]
    assert [chunk.id for chunk in await chunks.get(collection(), wanted)] == ["p99", "p3", "p42", "p0"]


async def test_a_documents_passages_are_listed_as_they_are_read(chunks: Chunks) -> None:
    some = [
        passage(
            n, document="d", page=n % 4 or None, start=1000 - n, groups=frozenset({"rh"} if n % 3 else ())
        )
        for n in range(600)
    ]
    await chunks.upsert(collection(), [*some, passage(999)], [vector(n) for n in range(601)])
    listed = await chunks.listed(collection(), "d")
    places = [(chunk.page or 0, chunk.start) for chunk in listed]
    assert len(listed) == 600
    assert places == sorted(places)
    assert {chunk.id for chunk in listed} == {chunk.id for chunk in some}
    assert len(await chunks.listed(collection(), "d", groups=frozenset())) == 200
    assert len(await chunks.listed(collection(), "d", groups=frozenset({"rh"}))) == 600
    assert await chunks.listed(collection(), "nobody") == []
    assert await chunks.listed(collection(name="never"), "d") == []


async def test_vectors_come_back_at_length_one_for_those_that_are_there(chunks: Chunks) -> None:
    await chunks.upsert(
        collection(), [passage(1), passage(2)], [vector(1), [3.0 * number for number in vector(2)]]
    )
    found = await chunks.vectors(collection(), ["p2", "nobody", "p1"])
    assert set(found) == {"p1", "p2"}
    for number in (1, 2):
        assert found[f"p{number}"] == pytest.approx(vector(number), abs=1e-6)
    assert await chunks.vectors(collection("b"), ["p1"]) == {}
    plain = collection(name="words", width=0)
    await chunks.upsert(plain, [passage(1)])
    assert await chunks.vectors(plain, ["p1"]) == {}


async def test_a_collection_may_have_words_only(chunks: Chunks) -> None:
    plain = collection(width=0)
    await chunks.upsert(plain, [passage(1, "un mot")])
    assert ids(await chunks.search(plain, words("mots"))) == ["p1"]
    with pytest.raises(Unfit):
        await chunks.search(plain, both("mot", 1))
    with pytest.raises(Unfit):
        await chunks.upsert(plain, [passage(1)], [vector(1)])


async def test_what_does_not_fit_is_refused_and_quoted_by_nobody(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [passage(1)], [vector(1)])
    wrong: list[tuple[Chunk, list[list[float]] | None]] = [
        (passage(2), None),
        (passage(2), []),
        (passage(2), [[1.0] * (WIDTH + 1)]),
        (passage(2), [[float("nan")] * WIDTH]),
        (passage(2), [[float("inf")] * WIDTH]),
        (passage(2), [[1e300] * WIDTH]),
        (passage(2), [["x"] * WIDTH]),  # type: ignore[list-item]
        (passage(2, "canari \ud800"), [vector(1)]),
        (passage(2, title="canari \ud800"), [vector(1)]),
        (passage(2, metadata={"canari": object()}), [vector(1)]),
        (passage(2, metadata={"canari": "x" * 100_000}), [vector(1)]),
    ]
    for chunk, vectors in wrong:
        with pytest.raises(Unfit) as refused:
            await chunks.upsert(collection(), [chunk], vectors)
        assert "canari" not in str(refused.value)
    for query in (
        Query(vector=[1.0] * 3, mode=Mode.DENSE),
        Query(vector=[float("nan")] * 8, mode=Mode.DENSE),
        words("canari \ud800"),
    ):
        with pytest.raises(Unfit):
            await chunks.search(collection(), query)
    assert await chunks.count(collection()) == 1


async def test_a_vector_without_direction_is_stored_and_found_by_words(chunks: Chunks) -> None:
    await chunks.upsert(collection(), [passage(1, "mot")], [[0.0] * WIDTH])
    assert ids(await chunks.search(collection(), both("mot", 1, diversity=0.5))) == ["p1"]


async def test_all_stores_find_the_same_with_the_same_scores(tmp_path: Path) -> None:
    texts = ["le chat noir", "le chien noir et blanc", "un chat blanc, un chat gris", "the black cat"]
    some = [passage(n, text) for n, text in enumerate(texts)]
    other = [passage(n, "chat " * 30) for n in range(20)]
    answers = []
    for kind in KINDS:
        async with store(kind, tmp_path / kind) as chunks:
            await chunks.upsert(collection(), some, [vector(n) for n in range(4)])
            await chunks.upsert(collection("b"), other, [vector(n) for n in range(20)])
            await chunks.upsert(collection(name="other"), other, [vector(n) for n in range(20)])
            asked = (
                words("chat noir"),
                meaning(2),
                both("chat noir", 2),
                both("chat", 2, diversity=0.5, k=3),
            )
            answers.append([await chunks.search(collection(), query) for query in asked])
    for embedded, *others in zip(*answers, strict=True):
        for other in others:
            assert ids(embedded) == ids(other)
            assert [hit.score for hit in embedded] == pytest.approx([hit.score for hit in other], abs=1e-5)
