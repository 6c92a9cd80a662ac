"""Answers are sentences of the given text, in its order, or the plain statement that there is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.backends.builtin.conversation import Turn
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.extract import Extract, extract
from passerelle.backends.builtin.reading import read
from tests.unit.backends.builtin.texts import COURSE_FR, SHOP_EN


def _ask(embedder: Embedder, question: str, context: str = "", *more: tuple[str, str]) -> Extract:
    turns = [Turn("system", f"<context>{context}</context>")] if context else []
    return extract(read([*turns, *(Turn(*turn) for turn in more), Turn("user", question)]), embedder)


@pytest.mark.parametrize(
    ("question", "context", "answer"),
    [
        ("Combien coûte la formation ?", COURSE_FR, "coûte 1 200 € HT."),
        ("Qui est le responsable pédagogique ?", COURSE_FR, "M. Dupont"),
        ("Une annulation est-elle remboursée ?", COURSE_FR, "remboursée intégralement."),
        ("Who founded the company?", SHOP_EN, "Anna Schmidt"),
        ("Can I send back an item?", SHOP_EN, "Returns are accepted for 30 days"),
        ("When can I call customer service?", SHOP_EN, "from 9 a.m. to 6 p.m."),
    ],
)
def test_the_sentence_that_answers_is_quoted(
    embedder: Embedder, question: str, context: str, answer: str
) -> None:
    found = _ask(embedder, question, context)

    assert found.kind == "answer"
    assert answer in found.text
    assert len(found.text) < len(context) / 2


def test_quotes_are_the_texts_own_characters_in_its_order(embedder: Embedder) -> None:
    message = f"<context>{SHOP_EN}</context>"
    found = _ask(embedder, "When are refunds paid and returns accepted?", SHOP_EN)

    assert len(found.quotes) >= 1
    assert [quote.start for quote in found.quotes] == sorted(quote.start for quote in found.quotes)
    for quote in found.quotes:
        assert message[quote.start : quote.end] == quote.text
        assert quote.text in found.text


def test_a_sentence_that_points_back_is_quoted_with_the_one_before(embedder: Embedder) -> None:
    found = _ask(embedder, "How many employees are there now?", SHOP_EN)

    assert found.text.startswith(
        "The company was founded in 1998 by Anna Schmidt in Berlin. It now has 120 employees."
    )


def test_a_heading_names_what_answers_and_is_not_quoted_itself(embedder: Embedder) -> None:
    text = "## Formation\n\nChacun dispose de 1 500 euros par an. Le catalogue est publié en janvier."
    found = _ask(embedder, "Formation ?", text)

    assert found.text.startswith("Chacun dispose de 1 500 euros par an.")
    assert "##" not in found.text


def test_in_a_list_of_questions_the_answer_is_quoted_not_the_question(embedder: Embedder) -> None:
    faq = "Q: What is the price?\nA: Twelve euros.\n\nQ: How long does it take?\nA: Three days.\n\nWhat is the price?"

    assert _ask(embedder, faq).text == "Twelve euros."


@pytest.mark.parametrize(
    ("question", "context", "start"),
    [
        (
            "Quelle est la hauteur de la tour Eiffel ?",
            COURSE_FR,
            "Je n'ai trouvé dans le texte donné aucune phrase",
        ),
        ("Who won the chess championship?", SHOP_EN, "I found no sentence in the given text"),
    ],
)
def test_no_answer_in_the_text_is_said_in_the_questions_language(
    embedder: Embedder, question: str, context: str, start: str
) -> None:
    found = _ask(embedder, question, context)

    assert (found.kind, found.quotes) == ("none", ())
    assert found.text.startswith(start)


@pytest.mark.parametrize(
    ("question", "statement"),
    [("Bonjour", "il n'a pas de modèle de langue"), ("Hello", "it has no language model")],
)
def test_without_any_text_it_says_what_it_is_and_what_to_configure(
    embedder: Embedder, question: str, statement: str
) -> None:
    found = _ask(embedder, question)

    assert found.kind == "none"
    assert statement in found.text
    assert "providers.yaml" in found.text


def test_a_question_of_one_word_is_read_with_the_one_before(embedder: Embedder) -> None:
    found = _ask(
        embedder,
        "And where?",
        SHOP_EN,
        ("user", "When was the company founded by Anna Schmidt?"),
        ("assistant", "In 1998."),
    )

    assert "Berlin" in found.text


def test_answers_are_the_same_every_time(embedder: Embedder) -> None:
    assert _ask(embedder, "Combien coûte la formation ?", COURSE_FR) == _ask(
        embedder, "Combien coûte la formation ?", COURSE_FR
    )


@pytest.mark.parametrize(
    ("order", "sentences"),
    [
        ("Résume le texte suivant en une phrase :", 1),
        ("Fais une synthèse en deux phrases de ce texte :", 2),
        ("Summarize the following text in 3 sentences:", 3),
        ("TL;DR of this text:", 2),
    ],
)
def test_a_summary_has_the_length_that_was_asked_for(embedder: Embedder, order: str, sentences: int) -> None:
    found = _ask(embedder, f"{order}\n\n{SHOP_EN}")

    assert found.kind == "summary"
    assert sum(quote.text.count(". ") + 1 for quote in found.quotes) == sentences
    assert all(quote.text in SHOP_EN for quote in found.quotes)


def test_a_summary_in_points_or_words_keeps_to_them(embedder: Embedder) -> None:
    points = _ask(embedder, f"Summarise in 2 bullet points:\n\n{SHOP_EN}")
    words = _ask(embedder, f"Résume en 12 mots :\n\n{COURSE_FR}")
    cut = _ask(embedder, f"Summarize in 3 words:\n\n{SHOP_EN}")

    assert [line[:2] for line in points.text.splitlines()] == ["- ", "- "]
    assert len(words.text.split()) <= 12
    assert cut.text.endswith(" […]")
    assert len(cut.quotes[0].text.split()) == 3


def test_the_system_text_may_ask_for_the_summary(embedder: Embedder) -> None:
    turns = [Turn("system", "You summarize the user's text in one sentence."), Turn("user", SHOP_EN)]

    assert extract(read(turns), embedder).kind == "summary"


def test_an_english_question_with_the_verb_to_resume_is_no_summary(embedder: Embedder) -> None:
    found = _ask(
        embedder, "When does the course resume?", "The course will resume on 3 March. Lunch is included."
    )

    assert (found.kind, found.text) == ("answer", "The course will resume on 3 March.")


@given(st.text(max_size=120), st.text(max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_text_and_any_question_give_quotes_or_a_plain_no(
    embedder: Embedder, context: str, question: str
) -> None:
    turns = [Turn("system", f"Context:\n{context}"), Turn("user", question)]
    found = extract(read(turns), embedder)

    assert found.text
    assert (found.kind == "none") == (not found.quotes)
    for quote in found.quotes:
        assert turns[quote.message].text[quote.start : quote.end] == quote.text


_MARKED = '<source n="1" mark="0123456789abcdef01234567" title="Horaires" document="d">\n{}\n</source>'


def test_one_passage_that_a_search_has_judged_is_quoted_however_little_it_shares_with_the_question(
    embedder: Embedder,
) -> None:
    passage = _MARKED.format("Le guichet ouvre à neuf heures. Il est au rez-de-chaussée.")
    asked = Turn("user", "Quand puis-je venir chercher mon dossier ?")

    assert extract(read([Turn("system", passage), asked]), embedder).kind == "answer"
    unmarked = passage.replace(' mark="0123456789abcdef01234567"', "")
    assert extract(read([Turn("system", unmarked), asked]), embedder).kind == "none"
    several = f"{passage}\n{passage.replace('1', '2', 1)}"
    assert extract(read([Turn("system", several), asked]), embedder).kind == "none"


def test_a_user_vouches_for_no_passage(embedder: Embedder) -> None:
    written = f"{_MARKED.format('Le guichet ouvre à neuf heures.')}\n\nQuel vin boire avec un poisson ?"

    assert extract(read([Turn("user", written)]), embedder).kind == "none"
