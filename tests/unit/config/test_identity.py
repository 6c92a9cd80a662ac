"""What the file says about tokens is one thing that can be, or is refused with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from passerelle.config.identity import IssuerFields
from passerelle.domain.caller import Role
from passerelle.domain.identity import ALGORITHMS, Issuer, Membership, is_private_way

_LEAST: dict[str, Any] = {"issuer": "https://login.example/realms/a", "audience": "passerelle"}


def _refusal(**words: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        IssuerFields.model_validate({**_LEAST, **words})
    return str(caught.value.errors()[0]["msg"])


def test_the_least_that_can_be_said_makes_members_by_two_algorithms() -> None:
    assert IssuerFields.model_validate(_LEAST).value() == Issuer(
        "https://login.example/realms/a", "passerelle", algorithms=("RS256", "ES256")
    )


def test_everything_that_can_be_said() -> None:
    words = {
        **_LEAST,
        "jwks": "https://keys.example/keys?p=policy",
        "algorithms": ["EdDSA"],
        "roles": {"claim": "a.b", "member": ["x", "y"], "tenant_admin": ["z"]},
        "grant": "tenant-admin",
    }
    assert IssuerFields.model_validate(words).value() == Issuer(
        _LEAST["issuer"],
        "passerelle",
        jwks="https://keys.example/keys?p=policy",
        algorithms=("EdDSA",),
        claim="a.b",
        member=frozenset({"x", "y"}),
        tenant_admin=frozenset({"z"}),
        grant=Role.TENANT_ADMIN,
    )


@pytest.mark.parametrize("name", ["none", "HS256", "HS512", "rs256", "RSA1_5", "dir", "ES256K", ""])
def test_no_algorithm_with_a_shared_secret_or_none_can_be_named(name: str) -> None:
    assert "RS256" in _refusal(algorithms=[name])
    assert name not in ALGORITHMS


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://login.example", True),
        ("http://localhost:8080/realm", True),
        ("http://127.0.0.1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:80", True),
        ("http://login.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.1", False),
        ("http://2130706433", False),
        ("http://127.0.0.1@evil.example", False),
        ("ftp://login.example", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_https_and_this_machine_are_private(url: str, private: bool) -> None:
    assert is_private_way(url) is private


@pytest.mark.parametrize("field", ["issuer", "jwks"])
def test_an_address_that_others_could_answer_for_is_refused(field: str) -> None:
    assert "https://" in _refusal(**{field: "http://login.example/realm"})
    assert IssuerFields.model_validate({**_LEAST, field: "http://127.0.0.1:8080/realm"})


@pytest.mark.parametrize(
    "url", ["login.example", "https://u:p@login.example", "https://a.example/#b", "https://", ""]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    for field in ("issuer", "jwks"):
        assert "write https://" in _refusal(**{field: url})
    assert "write https://" in _refusal(issuer="https://a.example/?q=1")


def test_a_grant_and_the_roles_under_it_say_the_same() -> None:
    assert "rules out" in _refusal(roles={"tenant_admin": ["boss"]})
    assert "to nobody" in _refusal(grant="tenant-admin")
    assert "to nobody" in _refusal(grant="tenant-admin", roles={"member": ["x"]})
    assert "member" in _refusal(grant="admin")


@pytest.mark.parametrize(
    "roles",
    [
        {},
        {"claim": "x"},
        {"member": []},
        {"member": [""]},
        {"member": ["a\0"]},
        {"member": [1]},
        {"a": ["b"]},
    ],
)
def test_roles_name_something(roles: dict[str, Any]) -> None:
    assert _refusal(roles=roles)


@pytest.mark.parametrize(
    "words", [{"audience": ""}, {"audience": "a\0b"}, {"algorithms": []}, {"secret": "x"}]
)
def test_words_that_mean_nothing_are_refused(words: dict[str, Any]) -> None:
    assert _refusal(**words)


def test_groups_are_values_of_a_claim_in_one_of_three_ways() -> None:
    def groups(**words: Any) -> Membership | None:
        return IssuerFields.model_validate({**_LEAST, "groups": words}).value().groups

    assert IssuerFields.model_validate(_LEAST).value().groups is None
    assert groups() == Membership("groups")
    assert groups(claim="a.b", prefix="/docs/") == Membership("a.b", prefix="/docs/")
    assert groups(names={"y": "teachers", "x": "*"}) == Membership(names=(("x", "*"), ("y", "teachers")))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"prefix": "/", "names": {"x": "y"}}, "write `prefix` or `names`"),
        ({"names": {}}, "at least 1"),
        ({"names": {"x": " y"}}, "without spaces around"),
        ({"names": {"x": ""}}, "1 to 200"),
        ({"claim": "my groups"}, "not the name of a claim"),
    ],
)
def test_groups_that_cannot_be_are_refused(words: dict[str, Any], told: str) -> None:
    assert told in _refusal(groups=words)
