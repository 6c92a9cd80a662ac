"""What stands in place of a person's name."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as some

from passerelle.subjects.pseudonyms import Pseudonyms

ANNA = "anna@example.org"


def test_it_is_the_same_for_the_same_name_in_every_process() -> None:
    assert Pseudonyms(b"pepper").of("acme", ANNA) == Pseudonyms(b"pepper").of("acme", ANNA)


def test_it_differs_by_person_tenant_and_installation() -> None:
    ours = Pseudonyms(b"pepper")
    found = {
        ours.of("acme", ANNA),
        ours.of("acme", "boris"),
        ours.of("rival", ANNA),
        Pseudonyms(b"salt").of("acme", ANNA),
    }
    assert len(found) == 4


def test_a_tenants_name_and_a_persons_cannot_be_shifted_into_one_another() -> None:
    ours = Pseudonyms(b"pepper")
    assert ours.of("ac", "me-anna") != ours.of("acme-", "anna")


@given(some.text())
def test_any_text_has_one_that_every_provider_takes(user: str) -> None:
    assert re.fullmatch(r"u_[0-9a-f]{40}", Pseudonyms(b"pepper").of("acme", user))


def test_half_of_a_letter_is_a_name_like_any_other() -> None:
    assert Pseudonyms(b"pepper").of("acme", "\ud800") != Pseudonyms(b"pepper").of("acme", "\ud801")


def test_nobody_speaks_for_a_person_by_its_pseudonym() -> None:
    ours = Pseudonyms(b"pepper")
    anna = ours.of("acme", ANNA)
    assert ours.of("acme", anna) != anna


def test_its_representation_holds_no_secret() -> None:
    assert "pepper" not in repr(Pseudonyms(b"pepper"))
