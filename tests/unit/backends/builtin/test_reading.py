"""What is given and what is asked, told apart the way people and programs write prompts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends.builtin.conversation import Turn
from passerelle.backends.builtin.reading import Reading, read


def _read(*turns: tuple[str, str]) -> Reading:
    return read([Turn(role, text) for role, text in turns])


def _context(reading: Reading) -> list[str]:
    return [reading.text(passage) for passage in reading.context]


def _subject(reading: Reading) -> list[str]:
    return [reading.text(passage) for passage in reading.subject]


@pytest.mark.parametrize(
    ("prompt", "context", "question"),
    [
        (
            "Context:\nParis is the capital.\n\nLyon is second.\n\nQuestion: What is the capital?\nAnswer:",
            ["Paris is the capital.\n\nLyon is second."],
            "What is the capital?",
        ),
        (
            "### Contexte\nParis est la capitale.\n\n### Question\nQuelle est la capitale ?",
            ["Paris est la capitale."],
            "Quelle est la capitale ?",
        ),
        (
            "Contexte : Paris est la capitale.\n\nQuelle est la capitale ?",
            ["Paris est la capitale."],
            "Quelle est la capitale ?",
        ),
        (
            "<document id='1'>Use the red button.\nPress it.</document>\nHow do I stop?",
            ["Use the red button.\nPress it."],
            "How do I stop?",
        ),
        ("What is it?\n```\nIt is a boat.\n```", ["It is a boat."], "What is it?"),
        ('What is it?\n"""It is a boat."""', ["It is a boat."], "What is it?"),
        ("What is it?\n---\nIt is a boat.\n---\n", ["It is a boat."], "What is it?"),
        (
            "[Document 1] Paris est belle.\n[Document 2] Lyon est grande.\n\nOù est belle ?",
            ["Paris est belle.", "Lyon est grande."],
            "Où est belle ?",
        ),
        (
            "Q: How much is it?\nA: 12 euros.\n\nQ: How long?\nA: Three days.\n\nHow much is it?",
            ["How much is it?", "12 euros.", "How long?", "Three days."],
            "How much is it?",
        ),
    ],
)
def test_marked_text_is_the_context(prompt: str, context: list[str], question: str) -> None:
    reading = _read(("user", prompt))

    assert _context(reading) == context
    assert reading.question == question


def test_loose_text_around_a_question_is_context() -> None:
    reading = _read(("user", "The manual. Use the red button to stop. Press it twice. How do I stop it?"))

    assert reading.question == "How do I stop it?"
    assert _context(reading) == ["The manual. Use the red button to stop. Press it twice."]


def test_system_knowledge_is_context_and_system_orders_are_not() -> None:
    reading = _read(
        (
            "system",
            "Tu es l'assistant de Formation SAS. Nos bureaux ouvrent de 9h à 18h. Réponds en français.",
        ),
        ("user", "Quels sont vos horaires ?"),
    )

    assert _context(reading) == ["Nos bureaux ouvrent de 9h à 18h."]
    assert reading.orders == "Tu es l'assistant de Formation SAS.\nRéponds en français."


def test_marked_text_anywhere_outranks_loose_text() -> None:
    reading = _read(
        ("system", "The shop sells boats of all kinds.\n\n<context>Boats cost ten euros.</context>"),
        ("user", "I came here by train yesterday. How much is a boat?"),
    )

    assert _context(reading) == ["Boats cost ten euros."]


def test_earlier_turns_and_tool_results_are_context_but_an_assistants_words_are_not() -> None:
    reading = _read(
        ("user", "Le délai de retour est de quatorze jours."),
        ("assistant", "Bien reçu, le délai est de trente jours."),
        ("user", "Quel est le délai ?"),
    )
    after_a_tool = _read(("user", "How warm is it?"), ("assistant", ""), ("tool", "It is 12 degrees."))

    assert _context(reading) == ["Le délai de retour est de quatorze jours."]
    assert _context(after_a_tool) == ["It is 12 degrees."]


def test_the_subject_is_what_the_last_message_gives() -> None:
    announced = _read(("user", "Résume en une phrase : Le chat dort sur le canapé."))
    manual = _read(("user", "Summarize this manual:\n\nUse the red button. Press it twice."))
    whole = _read(("system", "Classify the user's review."), ("user", "Great course, loved it."))

    assert _subject(announced) == ["Le chat dort sur le canapé."]
    assert _subject(manual) == ["Use the red button. Press it twice."]
    assert _subject(whole) == ["Great course, loved it."]
    assert whole.orders == "Classify the user's review."


def test_a_greeting_gives_nothing_to_quote() -> None:
    reading = _read(("system", "You are a helpful assistant."), ("user", "Hello"))

    assert reading.context == ()
    assert reading.question == "Hello"


def test_the_language_is_the_questions() -> None:
    context = "<context>The office is closed on Sundays.</context>"

    assert _read(("user", f"{context}\nQuand le bureau est-il fermé ?")).language == "fr"
    assert _read(("user", f"{context}\nWhen is the office closed?")).language == "en"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["system", "user", "assistant", "tool", "developer"]),
            st.text(alphabet=st.sampled_from("aA é?.:\n#-`\"'<>/[]1*tex") | st.characters(), max_size=60)
            | st.sampled_from(
                ["Context:\n", "<doc>a</doc>", "```x```", "Question: q?\n", "<context>", '"""', "---\n"]
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_passage_lies_inside_its_message(turns: list[tuple[str, str]]) -> None:
    reading = _read(*turns)

    for passage in (*reading.context, *reading.subject):
        assert 0 <= passage.start < passage.end <= len(turns[passage.message][1])
        assert turns[passage.message][0] != "assistant"


@pytest.mark.parametrize(
    "mark", ["<doc>", '"""', "```", "---\n", "Context:", " ", "\n", "A. ", "l'", "1,", "\t#"]
)
def test_marks_by_the_hundred_thousand_are_read_in_one_pass(mark: str) -> None:
    assert _read(("system", mark * 100_000), ("user", "What is it?")).question == "What is it?"
