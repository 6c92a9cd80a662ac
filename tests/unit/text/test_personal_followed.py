"""What follows personal data, or looks like an example's, hides none of it."""

from __future__ import annotations

import pytest

from passerelle.text.personal import found, personal


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        (
            "Mon IBAN FR76 3000 6000 0112 3456 7890 189 pour le virement",
            "iban",
            "FR76 3000 6000 0112 3456 7890 189",
        ),
        ("IBAN FR7630006000011234567890189 merci", "iban", "FR7630006000011234567890189"),
        ("Carte 4111 1111 1111 1111 4 fois sans frais", "card", "4111 1111 1111 1111"),
        ("Écrivez à marie@bonexemple.fr merci", "email", "marie@bonexemple.fr"),
    ],
)
def test_it_is_found_to_the_letter(said: str, kind: str, what: str) -> None:
    assert [(each.kind, said[each.start : each.end]) for each in found(said)] == [(kind, what)]
    assert personal(said) == kind


@pytest.mark.parametrize(
    "said", ["a@exemple.fr", "a@mail.example.com", "FR76 3000 6000 0112 3456 7890 188 pour"]
)
def test_what_is_nobodys_is_left(said: str) -> None:
    assert found(said) == ()
    assert personal(said) is None
