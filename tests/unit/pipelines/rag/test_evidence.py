"""A passage that answers is told from one that only sounds like it, and whoever only quotes is given that one alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends.builtin.conversation import Turn
from passerelle.backends.builtin.reading import read
from passerelle.domain.rag import Found
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.rag.evidence import MOST_JUDGED, choose, judged, ordered
from passerelle.pipelines.rag.evidence_signs import Signs, signs
from passerelle.pipelines.rag.fencing import system_of

TOWER = "La tour Eiffel a été construite par Gustave Eiffel entre 1887 et 1889 pour l'Exposition universelle."
BRIDGE = "Le pont de Normandie relie Le Havre à Honfleur ; il a été ouvert à la circulation."
BUILT = "Quand la tour Eiffel a-t-elle été construite ?"
REFUND = "Refunds are paid to the card that was used, within ten days of the return."
STORE = "The store of the museum sells postcards, books and copies of old maps."


def _found(*texts: str, title: str = "", score: float | None = 10.0) -> list[Found]:
    """Passages whose scores fall by half each time."""
    return [
        Found(
            Chunk(id=f"p{place}", document="d", text=text, title=title),
            1.0 / (place + 1),
            text_score=None if score is None else score / 2**place,
        )
        for place, text in enumerate(texts)
    ]


def _signs(question: str, text: str, title: str = "") -> Signs:
    (seen,) = signs(question, _found(text, title=title))
    return seen


@pytest.mark.parametrize(
    ("question", "right", "other", "language"),
    [(BUILT, TOWER, BRIDGE, "fr"), ("Within how many days are refunds paid?", REFUND, STORE, "en")],
)
def test_what_answers_is_shown_and_nothing_else(question: str, right: str, other: str, language: str) -> None:
    evidence = judged(question, _found(right, other))

    assert [one.chunk.text for one in choose(evidence, extractive=True, language=language)] == [right]
    assert choose(evidence, extractive=False, language=language) == tuple(evidence)


@pytest.mark.parametrize(
    ("question", "other", "language"),
    [(BUILT, BRIDGE, "fr"), ("Within how many days are refunds paid?", STORE, "en")],
)
def test_a_question_that_nothing_answers_is_refused_by_whoever_quotes(
    question: str, other: str, language: str
) -> None:
    assert choose(judged(question, _found(other)), extractive=True, language=language) == ()
    assert choose((), extractive=True, language=language) == choose((), extractive=False) == ()


def test_a_model_is_asked_what_an_engine_that_quotes_would_refuse() -> None:
    near = judged("Qui a ouvert le pont de Tancarville ?", _found(BRIDGE, STORE))

    assert choose(near, extractive=True, language="fr") == ()
    assert choose(near, extractive=False, language="fr", most=1) == tuple(near[:1])
    assert choose(judged(BUILT, _found(STORE, REFUND)), extractive=False, language="fr") == ()


def test_passages_that_were_found_by_meaning_are_not_hopeless_for_want_of_words() -> None:
    words = Chunk(id="a", document="d", text=STORE)
    meaning = [Found(words, 0.5, dense_score=0.8)]

    assert choose(judged(BUILT, meaning), extractive=False) != ()
    assert choose(judged(BUILT, meaning), extractive=True) == ()


def test_what_words_have_found_is_put_in_order_and_what_a_model_has_found_keeps_its_own() -> None:
    found = _found(BRIDGE, TOWER)

    assert [one.chunk.text for one in ordered(BUILT, found)] == [TOWER, BRIDGE]
    by_meaning = [Found(one.chunk, one.score, dense_score=0.5) for one in found]
    assert [one.chunk.text for one in ordered(BUILT, by_meaning)] == [BRIDGE, TOWER]


def test_what_lies_behind_the_first_few_is_neither_judged_nor_lost() -> None:
    found = _found(*(f"{BRIDGE} {place}" for place in range(MOST_JUDGED + 3)))

    evidence = ordered(BUILT, found)

    assert len(evidence) == len(found)
    assert [one.chunk.id for one in evidence[MOST_JUDGED:]] == [one.chunk.id for one in found[MOST_JUDGED:]]
    assert all((one.relevance is None) == (place >= MOST_JUDGED) for place, one in enumerate(evidence))


def test_each_sign_says_what_it_is_called_for() -> None:
    assert _signs("Qui dirige la tour Eiffel ?", TOWER).held == pytest.approx(2 / 3)
    assert _signs("Qui a construit la tour Eifel ?", TOWER).held > 0.8, "a letter is missing"
    assert _signs("Où est la tour ?", "Rien.", title="La tour").held == 1.0, "titles count"
    assert _signs("la tour Eiffel", TOWER).adjacent == 1.0
    assert _signs("Eiffel et sa très grande Exposition", TOWER).adjacent < 1.0
    assert _signs("Qui est Gustave Courbet ?", TOWER).unnamed == 0.5
    assert _signs("qui est gustave courbet ?", TOWER).unnamed == 0.0, "nothing says which words are names"
    assert _signs("QUI EST GUSTAVE COURBET ?", TOWER).unnamed == 0.0
    assert (_signs(BUILT, TOWER).fitting, _signs(BUILT, BRIDGE).fitting) == (1.0, 0.0)
    assert _signs("How many days does it take?", REFUND).fitting == 1.0
    assert _signs("How many maps are there?", STORE).fitting == 0.0
    assert _signs("Who sells postcards?", "In the museum, Anna sells postcards.").fitting == 1.0
    assert _signs("Who sells postcards?", "The people who sell postcards are many.").fitting == 0.0


def test_a_lead_is_over_the_others_and_within_bounds() -> None:
    first, second = signs(BUILT, _found(TOWER, BRIDGE))
    assert first.lead == -second.lead > 0
    assert [one.lead for one in signs(BUILT, _found(TOWER, BRIDGE, score=None))] == [0.0, 0.0]
    huge = [
        Found(one.chunk, one.score, text_score=score)
        for one, score in zip(_found(TOWER, BRIDGE), (1e9, None), strict=True)
    ]
    assert [one.lead for one in signs(BUILT, huge)] == [1.5, -1.5]


@given(st.text(max_size=200), st.lists(st.text(max_size=300), max_size=4))
def test_whatever_is_asked_of_whatever_texts_relevance_is_a_share(question: str, texts: list[str]) -> None:
    for one in judged(question, _found(*texts)):
        assert one.relevance is not None
        assert 0.0 <= one.relevance <= 1.0


def test_how_a_question_is_typed_changes_nothing() -> None:
    plain = judged(BUILT, _found(TOWER, BRIDGE))
    spaced = judged("  Quand la tour Eiffel a-t-elle été construite?\n", _found(TOWER, BRIDGE))
    assert [one.relevance for one in plain] == [one.relevance for one in spaced]


@pytest.mark.parametrize(("texts", "vouched"), [((TOWER,), True), ((TOWER, BRIDGE), False)])
def test_the_engine_that_quotes_is_told_that_its_one_passage_was_judged(
    texts: tuple[str, ...], vouched: bool
) -> None:
    found = _found(*texts, title='Un "titre" <source>')
    system = system_of(found, secret=b"s", tenant="t", collection="c", language="fr", system="Sois poli.")

    reading = read([Turn("system", system), Turn("user", BUILT)])

    assert [reading.text(passage) for passage in reading.context] == list(texts)
    assert reading.vouched is vouched
