"""A question about what people say is looked for by what it is about."""

from __future__ import annotations

import pytest

from passerelle.pipelines.surveys.framing import freed


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Que disent les participants de la plateforme ?", "la plateforme ?"),
        ("Que pensent les stagiaires du formateur ?", "formateur ?"),
        ("Qu’est-ce que les apprenants ont pensé de l’accueil ?", "l’accueil ?"),
        ("Qu'ont pensé les participants des exercices pratiques ?", "exercices pratiques ?"),
        ("Quel est l'avis des stagiaires sur les repas ?", "les repas ?"),
        ("Quels sont les retours sur la restauration ?", "la restauration ?"),
        ("Comment les participants jugent-ils le rythme ?", "le rythme ?"),
        ("Les participants sont-ils satisfaits du prix ?", "prix ?"),
        ("QUE DISENT LES GENS DU PARKING", "PARKING"),
        ("What do participants say about the trainer?", "the trainer?"),
        ("What do people think of the platform?", "the platform?"),
        ("How do learners feel about the pace?", "the pace?"),
        ("What was the participants’ opinion of the price?", "the price?"),
        ("What is the feedback on the meals?", "the meals?"),
        ("Were trainees happy with the handouts?", "the handouts?"),
    ],
)
def test_it_is_freed_of_who_says_it(question: str, about: str) -> None:
    assert freed(question) == about


@pytest.mark.parametrize(
    "question",
    [
        "Que disent les participants ?",
        "What do people say?",
        "What do people think about it?",
        "De quoi se plaignent les stagiaires ?",
        "Le formateur est-il à l'écoute ?",
        "Pourquoi les participants partent-ils avant la fin ?",
        "How many participants came from Lyon?",
        "",
        "Que disent les participants de " + "x" * 600,
    ],
)
def test_what_has_no_such_frame_or_nothing_behind_it_is_left_as_it_is(question: str) -> None:
    assert freed(question) == question


def test_no_question_takes_long() -> None:
    for piece in ("les participants ", "qu'", "what do people ", "que disent-ils ", " de "):
        assert freed(piece * 400) == piece * 400
        freed((piece * 100)[:500])
