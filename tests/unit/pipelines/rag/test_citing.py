"""Markers, sentences and sources: the same however a stream is cut, exact in the document, and never missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.rag import Citation, Found, Refusal, Said
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.rag.citing import nearest
from passerelle.pipelines.rag.citing_markers import marked, written
from passerelle.pipelines.rag.citing_refusals import Refusing, refusing
from passerelle.pipelines.rag.citing_sentences import answered
from passerelle.pipelines.rag.prompts_text import NO_ANSWER
from tests.unit.pipelines.rag.answers import passages, told

FOUND = passages(
    "La formation coûte 1 200 euros. Elle dure 3 jours, à Lyon.",
    "Le musée a été fondé en 1801 par Jeanne Martin. Il ferme le mardi.",
    "The course costs 1,200 euros. It takes three days.",
)
ANSWER = (
    "Bien sûr !\n\nLa formation coûte 1 200 euros [1, 2]. Elle dure 3 jours [1-2][9]. M. Dupont est ravi.\n"
    "## Le musée\n- Fondé en 1801 par Jeanne Martin.【2†source】 Il ferme le mardi²\n"
    "Voir [ici](https://canary.example/x?a=1) et https://canary.example [^2] ou [3](https://canary.example)."
)


@pytest.mark.parametrize(
    ("said", "shown", "numbers"),
    [
        ("Oui [1].", "Oui [1].", (1,)),
        ("Oui [1][2].", "Oui [1][2].", (1, 2)),
        ("Oui [1, 2].", "Oui [1][2].", (1, 2)),
        ("Oui [1-3].", "Oui [1][2][3].", (1, 2, 3)),
        ("Oui [1 et 3].", "Oui [1][3].", (1, 3)),
        ("Oui [2; 1].", "Oui [2][1].", (2, 1)),
        ("Oui ［１］.", "Oui [1].", (1,)),
        ("Oui 【2†source】.", "Oui [2].", (2,)),
        ("Oui [^3].", "Oui [3].", (3,)),
        ("Oui [source 2].", "Oui [2].", (2,)),
        ("Vraiment².", "Vraiment[2].", (2,)),
        ("Oui [¹].", "Oui [1].", (1,)),
        ("Sur 20 km² environ.", "Sur 20 km² environ.", ()),
        ("Oui [4].", "Oui.", ()),
        ("Oui [0].", "Oui.", ()),
        ("Oui [1][7].", "Oui [1].", (1,)),
        ("Oui [].", "Oui.", ()),
        ("Oui [1,].", "Oui.", ()),
        ("Oui [12345].", "Oui.", ()),
        ("Oui [1", "Oui", ()),
        ("Oui [1](https://a.example/x).", "Oui [1].", (1,)),
        ("Un [mot] entre crochets.", "Un [mot] entre crochets.", ()),
    ],
)
def test_a_marker_in_any_form_is_the_number_of_a_passage_or_nothing(
    said: str, shown: str, numbers: tuple[int, ...]
) -> None:
    found = marked(said, 3)
    text, places = written(found.text)
    assert (text, found.numbers) == (shown, numbers)
    assert [text[start:end] for _, start, end in places] == [f"[{number}]" for number, _, _ in places]


@given(
    st.lists(st.integers(1, 12), max_size=200),
    st.sampled_from([ANSWER, ANSWER.replace("[1, 2]", "[1,"), ANSWER * 2]),
)
def test_a_stream_in_any_pieces_tells_the_same(sizes: list[int], answer: str) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(answer[at : at + size])
        at += size
    events, citing = told(FOUND, [*pieces, answer[at:]])
    whole, at_once = told(FOUND, [answer])
    assert events == whole
    assert (citing.text, citing.citations) == (at_once.text, at_once.citations)
    assert citing.text == "".join(event.text for event in events if isinstance(event, Said))


@given(st.text(alphabet="Ab1. \n[](),-²<>é:/!", max_size=80), st.lists(st.integers(1, 5), max_size=80))
def test_any_text_in_any_pieces_tells_the_same_and_ends(answer: str, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(answer[at : at + size])
        at += size
    assert told(FOUND, [*pieces, answer[at:]])[0] == told(FOUND, [answer])[0]


def test_no_piece_ends_inside_a_marker_and_every_place_holds_one() -> None:
    events, citing = told(FOUND, list(ANSWER))
    for event in events:
        if isinstance(event, Said):
            assert event.text.count("[") == event.text.count("]")
    for citation in citing.citations:
        assert {citing.text[start:end] for start, end in citation.places} == {f"[{citation.number}]"}
    assert "[9]" not in citing.text


def test_a_quote_is_exactly_where_it_says_in_the_document() -> None:
    _, citing = told(FOUND, ["Le  musée a été fondé en 1801\npar Jeanne Martin."])
    (citation,) = [each for each in citing.citations if each.number == 2]
    text = FOUND[1].chunk.text
    assert citation.start is not None
    assert citation.end is not None
    assert citation.quote == text[citation.start - 200 : citation.end - 200]
    assert citation.page == 2


def test_a_sentence_that_stands_in_a_passage_is_given_its_marker() -> None:
    events, citing = told(FOUND, ["Il ferme le mardi. La formation coûte 1 200 euros."])
    assert citing.text == "Il ferme le mardi. [2] La formation coûte 1 200 euros. [1]"
    assert [event.number for event in events if isinstance(event, Citation)] == [2, 1]
    assert all(citation.supported for citation in citing.citations)
    assert citing.refusal is None


@pytest.mark.parametrize(
    ("said", "supported"),
    [
        ("Le musée fut fondé par Jeanne Martin en 1801 [2].", True),
        ("Le musée fut fondé par Jeanne Martin en 1802 [2].", False),
        ("Le musée fut fondé par Jeanne Dubois en 1801 [2].", False),
        ("La formation coûte 1200 € [1].", True),
        ("La formation coûte 1300 € [1].", False),
        ("Les jardins exotiques attirent beaucoup de touristes étrangers [1].", False),
        ("The course costs 1200 euros [3].", True),
        ("The course costs 12 euros [3].", False),
    ],
)
def test_words_figures_and_names_must_be_in_the_passage(said: str, supported: bool) -> None:
    _, citing = told(FOUND, [said])
    assert [citation.supported for citation in citing.citations] == [supported]


def test_a_claim_without_a_source_is_withheld_and_small_talk_waits() -> None:
    events, citing = told(
        FOUND, ["Bien sûr ! La lune est en fromage depuis 1950. Il ferme le mardi [2]. Bonne visite !"]
    )
    assert citing.text == "Bien sûr ! Il ferme le mardi [2]. Bonne visite !"
    assert isinstance(events[0], Said)


@pytest.mark.parametrize(
    "said", ["La lune est en fromage vert depuis longtemps.", "Bien sûr !", "", "<think>hm"]
)
def test_an_answer_without_any_source_is_none(said: str) -> None:
    events, citing = told(FOUND, [said])
    assert (events, citing.refusal) == ([], Refusal.UNCITED)


@pytest.mark.parametrize(
    "said",
    [
        *NO_ANSWER.values(),
        "Je ne sais pas.",
        "Désolé, je ne trouve pas cette information dans les documents [1].",
        "I don't know. The passages talk about a museum [2].",
        "I'm sorry, but I cannot find the answer in the provided documents.",
        "Les documents fournis ne contiennent pas cette information.",
        "The provided passages do not mention the capital of Mongolia.",
        "Aucune information à ce sujet.",
        "I found no sentence in the given text that answers this question.",
    ],
)
def test_a_model_that_does_not_know_is_heard_in_both_languages(said: str) -> None:
    events, citing = told(FOUND, list(said))
    assert (events, citing.refusal) == ([], Refusal.MODEL)


def test_what_is_known_is_said_beside_what_is_not() -> None:
    _, citing = told(FOUND, ["Les documents ne précisent pas le prix. Le musée a été fondé en 1801 [2]."])
    assert citing.refusal is None
    assert citing.text == "Les documents ne précisent pas le prix. Le musée a été fondé en 1801 [2]."


@pytest.mark.parametrize(
    "said", ["Le musée ferme le mardi.", "The course takes three days.", "Il ne ferme pas le lundi."]
)
def test_an_answer_is_no_refusal(said: str) -> None:
    assert refusing(said) is Refusing.NOT


def test_thoughts_before_an_answer_are_not_said() -> None:
    _, citing = told(FOUND, list("<think>Il ferme le mardi [1]. Hm.</think>\n\nIl ferme le mardi [2]."))
    assert citing.text == "Il ferme le mardi [2]."


@pytest.mark.parametrize(
    "answer",
    [
        "<think>Lyon fut fondée en 1801 [1].</think>La piscine ouvre à 9 heures [2].",
        "Okay, the user asks. Lyon fut fondée en 1801 [1]. So.</think>\n\nLa piscine ouvre à 9 heures [2].",
        "La piscine ouvre à 9 heures [2]. <THINK>Lyon fut fondée en 1801 [1]. Bah.</think>",
        "La piscine ouvre à 9 heures [2]. <thinking>Lyon fut fondée en 1801 [1].",
        "La piscine ouvre à 9 heures [2].</think>",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_thoughts_are_not_said_wherever_they_stand_and_however_their_tags_are_cut(
    answer: str, size: int
) -> None:
    found = passages("Lyon fut fondée en 1801.", "La piscine ouvre à 9 heures.")
    events, citing = told(found, [answer[at : at + size] for at in range(0, len(answer), size)])
    assert citing.text == "La piscine ouvre à 9 heures [2]."
    assert "".join(event.text for event in events if isinstance(event, Said)) == citing.text


def test_a_whole_text_is_what_stands_behind_its_thoughts() -> None:
    assert answered("Lyon [1]. Done.</think>\nIt opens [2].").strip() == "It opens [2]."
    assert answered("<think>Lyon [1].</think>It opens [2].") == "It opens [2]."
    assert answered("It opens [2].") == "It opens [2]."


@pytest.mark.parametrize("heading", ["## Mutuelle", "**Mutuelle**", "Mutuelle"])
def test_a_heading_is_never_a_quote(heading: str) -> None:
    text = f"{heading}\n\nElle est prise en charge à 60 %. Le conjoint paie 35 euros."
    chunk = Chunk("c", "d", text, title="Manuel", headings=("Mutuelle",))
    (near,) = nearest([Found(chunk, 1.0)], "Qui paie la mutuelle ?")
    assert near.quote == "Le conjoint paie 35 euros."
    _, citing = told([Found(chunk, 1.0)], [f"{heading} [1]\n\nLe conjoint paie 35 euros [1]."])
    assert [citation.quote for citation in citing.citations][-1] == "Le conjoint paie 35 euros."
    assert not any(citation.quote == heading for citation in citing.citations)


@pytest.mark.parametrize(
    ("said", "supported"),
    [
        ("The museum of Lyon was founded in 1801 [1].", True),
        ("The museum of Lyon has 12 rooms, says its founder [1].", True),
        ("It was founded in 1802 [1].", False),
        ("The museum of Marseille has 12 rooms [1].", False),
        ("It is closed when the weather is bad [1].", False),
    ],
)
def test_in_another_language_figures_and_names_must_be_in_the_passage(said: str, supported: bool) -> None:
    found = passages("Le musée de Lyon fut fondé en 1801. Il compte douze salles et ferme le mardi.")
    _, citing = told(found, [said])
    assert [citation.supported for citation in citing.citations] == [supported]


def test_titles_abbreviations_and_numbers_of_lists_end_no_sentence() -> None:
    found = passages("M. Dupont habite au 3, rue X. Il y vit depuis 1990.")
    events, _ = told(found, ["1. M. Dupont habite au 3, rue X [1]. Il y vit depuis 1990 [1]."])
    assert len([event for event in events if isinstance(event, Said)]) == 2


def test_a_sentence_in_two_chunks_is_cited_from_the_first_and_from_the_one_it_goes_on_in() -> None:
    found = passages("Avant tout. La porte est bleue et haute.", "La porte est bleue et haute. Elle ouvre.")
    _, citing = told(found, ["La porte est bleue et haute."])
    assert [citation.number for citation in citing.citations] == [1]


@pytest.mark.parametrize(
    "run", ["a", "A.", "[", "[1", " ", "(", "a.", "<a", "!", "\n", "a@", "https://", "É-", "1 ", "1."]
)
def test_an_endless_run_is_read_in_bounded_time(run: str) -> None:
    said = run * (20_000 // len(run))
    told(FOUND, [*(said[at : at + 40] for at in range(0, len(said), 40)), " Il ferme le mardi [2]."])
