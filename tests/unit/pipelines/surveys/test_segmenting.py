import itertools

from hypothesis import given
from hypothesis import strategies as st

from passerelle.pipelines.surveys.segmenting import clauses, contrasts, sentences
from passerelle.text.words import Language


def cut(comment: str, language: Language) -> list[str]:
    return [
        clause.of(comment)
        for sentence in sentences(comment)
        for clause in clauses(comment, sentence, language)
    ]


def test_what_turns_an_opinion_round_begins_a_clause() -> None:
    assert cut("Le formateur était clair mais la salle était glaciale.", "fr") == [
        "Le formateur était clair",
        "mais la salle était glaciale.",
    ]
    assert cut("The trainer was clear but the room was freezing.", "en") == [
        "The trainer was clear",
        "but the room was freezing.",
    ]


def test_a_list_of_things_is_one_clause() -> None:
    assert len(cut("Good slides and exercises.", "en")) == 1


def test_a_comment_without_a_word_says_nothing() -> None:
    assert sentences("  \n… !! ") == []
    assert sentences("") == []


def test_contrast_is_a_word_and_not_a_part_of_one() -> None:
    assert contrasts("bien, mais trop court", "fr")
    assert not contrasts("une maison", "fr")


@given(st.text(alphabet=st.sampled_from("abé ,;:.!?\n-’'«»()but mais and et the la"), max_size=300))
def test_clauses_lie_in_order_inside_the_comment_and_hold_every_word(comment: str) -> None:
    languages: tuple[Language, ...] = ("fr", "en")
    for language in languages:
        spans = [clause for one in sentences(comment) for clause in clauses(comment, one, language)]
        assert all(span.start < span.end for span in spans)
        assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
        covered = {at for span in spans for at in range(span.start, span.end)}
        assert all(at in covered for at, letter in enumerate(comment) if letter.isalnum())


def test_a_very_long_comment_is_divided_in_time_and_loses_nothing() -> None:
    comment = "The trainer was clear but the room was cold. " * 2_000
    spans = sentences(comment)
    assert spans[-1].end >= len(comment.rstrip()) - 1
