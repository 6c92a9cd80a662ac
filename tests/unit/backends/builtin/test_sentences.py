from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends.builtin.sentences import LONGEST, split


def _texts(text: str) -> list[str]:
    return [span.of(text) for span in split(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["M. Dupont est arrivé à 3.5 km.", "Mme Martin, elle, est partie…", "Il pleut !"],
        ["Dr. Smith paid $3.50, e.g. for tea.", "He left."],
        ["J. K. Rowling a écrit un livre (p. ex. Harry Potter).", "Il est épais."],
        ["Il est né en 44 av. J.-C.", "Il est mort à Rome."],
        ["Puis « Bonjour ! » dit-il.", "Elle rit."],
        ["«\xa0Je viens.\xa0»", "Il part."],
        ["« Quoi ? » demanda-t-il.", "Rien."],
        ["The firm moved to the U.S. in May.", "It grew."],
        ["Voir p. 12 et art. 5 du code.", "Le no. 4 est abrogé."],
        ["Prenez du pain, du lait, etc.", "Les œufs sont là."],
        ["Is it?", "Yes!", "Good."],
        ["好的。", "谢谢！"],
    ],
)
def test_sentences_end_where_a_reader_would_end_them(sentences: list[str]) -> None:
    assert _texts((" " if sentences[0].isascii() else "  ").join(sentences)) == sentences


def test_bullets_headings_and_blank_lines_end_sentences() -> None:
    text = "# Tarifs\n- Adulte : 12 €\n- Enfant : 8 €\n\nOuvert tous les jours\n\n1. Payer\n2. Entrer"

    assert _texts(text) == [
        "# Tarifs",
        "- Adulte : 12 €",
        "- Enfant : 8 €",
        "Ouvert tous les jours",
        "1. Payer",
        "2. Entrer",
    ]


def test_lines_that_were_only_wrapped_are_one_sentence() -> None:
    by_lower_case = "Le contrat prend fin\nau bout de deux ans. Il se renouvelle."
    by_width = (
        "The committee that looks after the gardens of the town decided on\n"
        "Monday evening, after a long debate about the cost of water, that\n"
        "Lyon would plant a thousand trees. They will be limes."
    )

    assert _texts(by_lower_case) == ["Le contrat prend fin\nau bout de deux ans.", "Il se renouvelle."]
    assert len(_texts(by_width)) == 2


def test_text_without_punctuation_is_cut_in_bounded_pieces() -> None:
    assert all(len(piece) <= LONGEST for piece in _texts("mot " * 1000))
    assert _texts("x" * 1500) == ["x" * LONGEST, "x" * LONGEST, "x" * (1500 - 2 * LONGEST)]


@given(st.text(alphabet=st.sampled_from("aB.!?…«» \n\t-1€é,;:)('\"。"), max_size=200))
def test_spans_are_ordered_trimmed_and_lose_no_word(text: str) -> None:
    spans = split(text)

    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert all(span.of(text) and span.of(text) == span.of(text).strip() for span in spans)
    kept = "".join(span.of(text) for span in spans)
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_a_part_of_a_text_gives_spans_inside_it(text: str, start: int, end: int) -> None:
    start, end = sorted((min(start, len(text)), min(end, len(text))))

    assert all(start <= span.start < span.end <= end for span in split(text, start, end))
