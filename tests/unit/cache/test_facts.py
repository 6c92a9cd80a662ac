"""What two answers state decides where it can, and says where it cannot."""

from __future__ import annotations

import pytest

from passerelle.cache.facts import Agreement, compared, facts_of

_SAID: list[tuple[str, str, Agreement]] = [
    ("**Oui**, c'est gratuit.", "Oui, c'est gratuit.", Agreement.IDENTICAL),
    ("It takes 2 business days.", "Usually two working days.", Agreement.AGREED),
    ("Il faut 2 jours ouvrés.", "Comptez deux jours ouvrables.", Agreement.AGREED),
    ("You have 14 days.", "You have two weeks.", Agreement.AGREED),
    ("1. Open the app.\n2. Tap Cards.", "- Open the app.\n- Tap Cards.", Agreement.IDENTICAL),
    ("Step 1: open the app.", "Open the app first.", Agreement.AGREED),
    ("No problem, you can do it.", "Yes, you can do it.", Agreement.AGREED),
    ("Yes, of course.", "No, sorry.", Agreement.DIFFERENT),
    ("Oui, bien sûr.", "Bien sûr que non.", Agreement.DIFFERENT),
    ("Bonjour, oui, c'est inclus.", "Non, c'est en supplément.", Agreement.DIFFERENT),
    ("You can cancel within 14 days.", "You can cancel within 30 days.", Agreement.DIFFERENT),
    ("Un enfant de 3 ans", "Un enfant de 3 mois", Agreement.DIFFERENT),
    ("Write to a@exemple.fr", "Write to b@exemple.fr", Agreement.DIFFERENT),
    ("The card works abroad in every country.", "The card doesn't work abroad in every country.", Agreement.DIFFERENT),
    ("La carte fonctionne dans tous les pays.", "La carte ne fonctionne pas dans tous les pays.", Agreement.DIFFERENT),
    ("You can order it online.", "You cannot order it; go to a branch.", Agreement.PARTIAL),
    ("It costs 5 euros.", "There is a small charge.", Agreement.PARTIAL),
    ("It takes 3 days, at most 5 days.", "It takes 3 days.", Agreement.PARTIAL),
    ("Send money from Paris to Lyon.", "Send money from Lyon to Paris.", Agreement.PARTIAL),
    ("Please activate your new debit card.", "Please deactivate your new debit card.", Agreement.PARTIAL),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "agreement"), _SAID)
def test_facts_of_two_answers(one: str, other: str, agreement: Agreement) -> None:
    assert compared(facts_of(one), facts_of(other)) is agreement
    assert compared(facts_of(other), facts_of(one)) is agreement


def test_a_list_of_steps_states_no_numbers() -> None:
    assert not facts_of("1. Ouvrez [1].\n2) Cliquez.\nÉtape 3 : validez.").stated
