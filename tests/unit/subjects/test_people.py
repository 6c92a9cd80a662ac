"""What a request says of the person it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Forbidden
from passerelle.domain.privacy import Privacy, UserField
from passerelle.subjects.people import People
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions

OURS = Pseudonyms(b"pepper")
ANNA = OURS.of("acme", "anna")
ACME = Tenant("acme", ("assistant",))
DROPS = replace(ACME, privacy=Privacy(user=UserField.DROP))


class Held(Restrictions):
    """Restrictions that are known, without a database."""

    def __init__(self, *known: tuple[str, str]) -> None:
        self._known = frozenset(known)


def said(**body: Any) -> dict[str, Any]:
    return {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}], **body}


def ask_of(**body: Any) -> Ask:
    return Ask(Route.CHAT, "assistant", said(**body), False, False, "req_1", Needs(), 0.0)


def test_names_become_pseudonyms_in_every_field_that_may_hold_them() -> None:
    words = People(OURS).unnamed(ACME, said(user="anna", safety_identifier="anna", prompt_cache_key="anna"))
    assert words.body == said(user=ANNA, safety_identifier=ANNA, prompt_cache_key=ANNA)
    assert words.subjects == (ANNA,)


def test_a_tenant_may_have_them_left_out_and_still_be_told_apart() -> None:
    words = People(OURS).unnamed(DROPS, said(user="anna", safety_identifier="anna", prompt_cache_key="k"))
    assert (words.body, words.subject) == (said(), ANNA)


def test_a_request_that_names_nobody_is_the_very_same_one() -> None:
    ask = ask_of(temperature=0, metadata={"project": "x"})
    assert People(OURS).named(ACME, ask)[0] is ask


def test_the_callers_own_body_is_not_changed() -> None:
    ask = ask_of(user="anna", metadata={"user_id": "anna", "project": "x"})
    named, subjects = People(OURS).named(ACME, ask)
    assert (ask.body["user"], ask.body["metadata"]["user_id"]) == ("anna", "anna")
    assert (named.subject, subjects) == (ANNA, (ANNA,))
    assert "anna" not in str(named.body)


@pytest.mark.parametrize("name", ["user_id", "userId", "user", "end-user", "email", "customer.email", "Name"])
def test_metadata_that_promise_personal_data_stay_here(name: str) -> None:
    words = People(OURS).unnamed(ACME, said(metadata={name: "anna", "project": "x"}))
    assert words.body["metadata"] == {"project": "x"}


@pytest.mark.parametrize("nobody", [None, "", 42, ["anna"], {"id": "anna"}])
def test_what_is_no_name_goes_nowhere(nobody: object) -> None:
    assert People(OURS).unnamed(ACME, said(user=nobody)).body == said()


def test_what_is_asked_for_a_known_person_is_taken_as_it_is() -> None:
    ask = replace(ask_of(user=ANNA), subject=ANNA)
    named, subjects = People(OURS, Held(("acme", ANNA))).named(ACME, ask)
    assert named is ask
    assert subjects == (ANNA,)


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
@pytest.mark.parametrize("tenant", [ACME, DROPS])
def test_a_restricted_person_is_refused_under_either_name(field: str, tenant: Any) -> None:
    told: list[str] = []
    people = People(OURS, Held(("acme", ANNA)), told=told.append)
    _, subjects = people.named(tenant, ask_of(**{"user": "boris", field: "anna"}))
    with pytest.raises(Forbidden) as refused:
        people.admit("acme", subjects)
    assert (refused.value.code, told) == ("subject_restricted", ["acme"])
    assert "anna" not in refused.value.message


def test_the_same_name_of_another_tenant_is_another_person() -> None:
    people = People(OURS, Held(("rival", OURS.of("rival", "anna"))))
    people.admit("acme", people.named(ACME, ask_of(user="anna"))[1])


def test_a_message_that_bears_the_same_name_has_it_replaced_and_other_speakers_keep_theirs() -> None:
    spoken = [
        {"role": "user", "name": "anna", "content": "Bonjour"},
        {"role": "user", "name": "moderator", "content": "anna?"},
        {"role": "user", "content": "Oui"},
    ]
    body = said(user="anna", messages=spoken)
    words = People(OURS).unnamed(ACME, body)
    assert words.body["messages"] == [{**spoken[0], "name": ANNA}, *spoken[1:]]
    assert People(OURS).unnamed(DROPS, body).body["messages"] == [
        {"role": "user", "content": "Bonjour"},
        *spoken[1:],
    ]
    assert spoken[0]["name"] == "anna"
    assert People(OURS).unnamed(ACME, said(user="boris", messages=spoken)).body["messages"] is spoken
