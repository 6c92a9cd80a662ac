"""How whole chains behave on the builtin engine, in French and English: what they must do, ignore, and react to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from passerelle.domain.catalog import Tenant
from passerelle.domain.rag import Answered, Found, Refusal, Seeking
from passerelle.pipelines.rag.answering import by_evidence
from passerelle.pipelines.rag.evidence import ordered
from passerelle.text.words import Language
from tests.models import shared_models
from tests.unit.pipelines.rag.answering import Desk, over_builtin
from tests.unit.pipelines.rag.answers import passage
from tests.unit.pipelines.rag.handbooks import Shelf

_TEXTS = {
    "fr": [
        ("Tarifs", "Les inscriptions ouvrent le 3 mars 2025. La formation coûte 1 200 euros par personne."),
        ("Musée", "Le musée de Lyon a été fondé en 1801. Le musée ferme le mardi."),
        ("Piscine", "La piscine municipale ouvre à 9 heures. Le bonnet de bain est obligatoire."),
    ],
    "en": [
        ("Prices", "Registration opens on 3 March 2025. The course costs 1,200 euros per person."),
        ("Museum", "The museum of Lyon was founded in 1801. The museum is closed on Tuesdays."),
        ("Pool", "The public swimming pool opens at 9 in the morning. A bathing cap is required."),
    ],
}
_ASKED = {
    "fr": [
        ("Combien coûte la formation ?", "1 200", 1),
        ("Quand le musée de Lyon a-t-il été fondé ?", "1801", 2),
        ("À quelle heure ouvre la piscine municipale ?", "9 heures", 3),
    ],
    "en": [
        ("How much does the course cost?", "1,200", 1),
        ("When was the museum of Lyon founded?", "1801", 2),
        ("At what time does the swimming pool open?", "at 9", 3),
    ],
}
_REWORDED = {
    "fr": [
        ("Quel est le prix de la formation, combien coûte-t-elle ?", 1),
        ("En quelle année fut fondé le musée de Lyon ?", 2),
    ],
    "en": [("What does the course cost per person?", 1), ("In which year was Lyon's museum founded?", 2)],
}
_FOREIGN = {"fr": "Quelle est la capitale de la Mongolie ?", "en": "What is the capital of Mongolia?"}
_LEANING = {"fr": ("Quand le musée de Lyon a-t-il été fondé ?", "Et quel jour ferme-t-il ?", "mardi"),
            "en": ("When was the museum of Lyon founded?", "And when is it closed?", "Tuesdays")}  # fmt: skip
_BOTH = pytest.mark.parametrize("language", ["fr", "en"])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model."""
    return shared_models(tmp_path_factory)


def _corpus(desk: Desk, language: str, order: tuple[int, ...] = (1, 2, 3)) -> None:
    texts = _TEXTS[language]
    desk.found[:] = [passage(number, texts[number - 1][1], title=texts[number - 1][0]) for number in order]


def _documents(answered: Answered) -> set[str]:
    return {citation.document for citation in answered.citations}


@_BOTH
async def test_each_question_is_answered_from_its_own_document_word_for_word(
    models: Path, language: str
) -> None:
    async with over_builtin(models) as desk:
        _corpus(desk, language)
        for question, part, number in _ASKED[language]:
            _, answered = await desk.ask(question)
            assert part in answered.text
            assert _documents(answered) == {f"d{number}"}
            for citation in answered.citations:
                assert citation.supported
                assert citation.quote in answered.text
                assert citation.places
                assert f"[{citation.number}]" in answered.text


@_BOTH
async def test_a_question_without_an_answer_is_refused_in_its_language(models: Path, language: str) -> None:
    async with over_builtin(models) as desk:
        _corpus(desk, language)
        _, answered = await desk.ask(_FOREIGN[language])
        assert answered.refusal is Refusal.MODEL
        assert answered.text.startswith("Je ne sais pas" if language == "fr" else "I do not know")
        assert len(answered.nearest) == 3


@_BOTH
async def test_other_words_and_another_order_of_passages_change_no_source(
    models: Path, language: str
) -> None:
    async with over_builtin(models) as desk:
        for order in ((1, 2, 3), (3, 1, 2)):
            _corpus(desk, language, order)
            for question, number in [
                *_REWORDED[language],
                *((asked, number) for asked, _, number in _ASKED[language]),
            ]:
                _, answered = await desk.ask(question)
                assert f"d{number}" in _documents(answered), question


@_BOTH
async def test_streamed_or_whole_an_answer_is_the_same(models: Path, language: str) -> None:
    async with over_builtin(models) as desk:
        _corpus(desk, language)
        question = _ASKED[language][0][0]
        _, streamed = await desk.ask(question, stream=True)
        _, whole = await desk.ask(question, stream=False)
        assert (streamed.text, streamed.citations) == (whole.text, whole.citations)


@_BOTH
async def test_a_figure_that_changes_in_the_document_changes_in_the_answer(
    models: Path, language: str
) -> None:
    async with over_builtin(models) as desk:
        _corpus(desk, language)
        question = _ASKED[language][1][0]
        text = desk.found[1].chunk.text.replace("1801", "1907")
        desk.found[1] = passage(2, text)
        _, answered = await desk.ask(question)
        assert "1907" in answered.text
        del desk.found[1]
        _, without = await desk.ask(question)
        assert "1907" not in without.text


@_BOTH
async def test_a_question_that_leans_is_answered_by_what_it_leans_on(models: Path, language: str) -> None:
    first, second, part = _LEANING[language]
    async with over_builtin(models) as desk:
        _corpus(desk, language)
        _, answered = await desk.ask(first, "1801.", second)
        assert part in answered.text, answered
        assert "Lyon" in answered.searched


@pytest.mark.parametrize(
    ("language", "first", "second", "part"),
    [
        ("fr", "Combien de jours de congés par mois ?", "Et le télétravail ?", "deux jours par semaine"),
        (
            "fr",
            "Combien de jours de congés par mois ?",
            "Et pour les salariés à temps partiel ?",
            "mêmes droits",
        ),
        ("en", "How many days of leave do I earn each month?", "What about parental leave?", "20 days off"),
        ("en", "How many days of leave do I earn each month?", "And for part-time staff?", "in proportion"),
    ],
)
async def test_what_follows_is_about_its_own_subject_and_else_about_the_one_before(
    models: Path, language: Language, first: str, second: str, part: str
) -> None:
    shelf = Shelf(language)

    async def search(tenant: Tenant, seeking: Seeking) -> Sequence[Found]:
        return ordered(seeking.text, shelf.found(seeking.text))

    async with over_builtin(models, search=search, judge=by_evidence) as desk:
        _, answered = await desk.ask(first, "Deux.", second)
        assert answered.refusal is None
        assert part in answered.text, answered
        assert "##" not in answered.text
