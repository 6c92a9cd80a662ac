"""Keys from the environment are as strong as minted ones, and never quoted."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import CannotRun
from passerelle.tenancy import keys
from passerelle.tenancy.environment import read_keys

_TENANTS = ("acme", "globex")
_GOOD = "f3b0c44298fc1c149afbf4c8"


def test_each_entry_is_a_member_of_its_tenant() -> None:
    callers = read_keys(f" acme:{_GOOD} , globex: {_GOOD[::-1]},", _TENANTS)

    assert callers == {
        _GOOD.encode(): Caller("env_1", "acme", Role.MEMBER, "API_KEYS entry 1"),
        _GOOD[::-1].encode(): Caller("env_2", "globex", Role.MEMBER, "API_KEYS entry 2"),
    }


def test_nothing_gives_nothing() -> None:
    assert read_keys("", _TENANTS) == read_keys(" , ", _TENANTS) == {}


def test_a_key_may_hold_a_colon() -> None:
    assert list(read_keys(f"acme:{_GOOD}:{_GOOD}", _TENANTS)) == [f"{_GOOD}:{_GOOD}".encode()]


@pytest.mark.parametrize(
    "make",
    [
        lambda chance: chance.randbytes(24).hex(),
        lambda chance: base64.urlsafe_b64encode(chance.randbytes(24)).decode(),
        lambda chance: keys.PREFIX + "".join(chance.choices(string.ascii_letters + string.digits, k=38)),
    ],
    ids=["hex", "url", "ours"],
)
def test_random_keys_are_accepted(make: Callable[[random.Random], str]) -> None:
    chance = random.Random(11)  # the same keys each time: among enough others one would hold a sample
    for _ in range(5_000):
        read_keys(f"acme:{make(chance)}", _TENANTS)


def test_four_equal_letters_are_chance_and_six_are_a_placeholder() -> None:
    read_keys("acme:f3b0c44298XxXx149afbf4c8", _TENANTS)

    with pytest.raises(CannotRun, match="a known sample"):
        read_keys("acme:f3b0c44298xxxxxx149afbf4c8", _TENANTS)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("f3b0c44298fc1c149afbf4c", "is shorter than 24 characters"),
        ("abcabcabcabcabcabcabcabc", "has fewer than 10 different characters"),
        ("abcdefghijklmnopqrstuvwxyz", "is, or holds, a known sample"),
        ("0123456789abcdef01234567", "is, or holds, a known sample"),
        ("sk-1234567890abcdefghijklmnop", "is, or holds, a known sample"),
        ("ChangeMe-please-4f9a1c7e2b", "is, or holds, a known sample"),
        ("your-api-key-goes-right-here", "is, or holds, a known sample"),
        ("f3b0c44298fc1c14 9afbf4c8a", "holds characters that a header cannot carry"),
        ("f3b0c44298fc1c149afbf4cé8a", "holds characters that a header cannot carry"),
    ],
)
def test_a_weak_key_is_refused_by_its_place_and_tenant(key: str, fault: str) -> None:
    with pytest.raises(CannotRun) as refused:
        read_keys(f"globex:{_GOOD},acme:{key}", _TENANTS)

    assert refused.value.cause == f"The key in entry 2 of API_KEYS (tenant acme) {fault}."
    assert "openssl rand -hex 24" in refused.value.cure
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (_GOOD, "Entry 1 of API_KEYS is not of the form tenant:key."),
        (f"acme:,globex:{_GOOD}", "Entry 1 of API_KEYS is not of the form tenant:key."),
        (f"{_GOOD}:acme", "Entry 1 of API_KEYS names a tenant that the configuration does not have."),
        (f"acme:{_GOOD},globex:{_GOOD}", "Entry 2 of API_KEYS repeats the key of an earlier entry."),
    ],
)
def test_a_malformed_entry_is_named_by_its_place_and_never_quoted(value: str, cause: str) -> None:
    with pytest.raises(CannotRun) as refused:
        read_keys(value, _TENANTS)

    assert refused.value.cause == cause
    assert refused.value.cure
    assert _GOOD not in str(refused.value)
