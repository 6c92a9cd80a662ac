"""A key can be recognised, never guessed, and never recovered from what is kept of it."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.tenancy import keys

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_key_has_a_prefix_32_random_characters_and_a_checksum() -> None:
    minted = {keys.mint() for _ in range(200)}

    assert len(minted) == 200
    assert all(re.fullmatch(r"psr_[0-9A-Za-z]{38}", key) for key in minted)
    assert all(map(keys.looks_minted, minted))


def test_the_checksum_is_crc32_of_the_rest_in_base_62() -> None:
    key = keys.mint()
    number = 0
    for character in key[-6:]:
        number = number * 62 + _DIGITS.index(character)

    assert number == zlib.crc32(key[:-6].encode())


@given(place=st.integers(0, 41), character=st.sampled_from(_DIGITS + "_-é"))
def test_one_wrong_character_is_noticed(place: int, character: str) -> None:
    key = keys.mint()
    wrong = key[:place] + character + key[place + 1 :]

    assert keys.looks_minted(wrong) is (wrong == key)


@given(st.text(max_size=60))
def test_garbage_is_not_taken_for_a_key(text: str) -> None:
    assert not keys.looks_minted(text)
    assert not keys.looks_minted(f"psr_{text}")


@pytest.mark.parametrize(
    "change", [str.upper, str.swapcase, lambda key: key + "\n", lambda key: " " + key, lambda key: key[:-1]]
)
def test_a_key_in_another_form_is_not_a_key(change: object) -> None:
    assert callable(change)
    assert not keys.looks_minted(change(keys.mint()))


def test_what_is_kept_is_hmac_sha256_under_the_pepper() -> None:
    key = keys.mint().encode()

    assert keys.digest(b"p" * 32, key) == hmac.new(b"p" * 32, key, hashlib.sha256).digest()
    assert keys.digest(b"p" * 32, key) != keys.digest(b"q" * 32, key)


def test_a_hint_shows_the_last_four_characters_only() -> None:
    key = keys.mint()

    assert keys.hint(key) == f"psr_…{key[-4:]}"
    assert keys.hint("an-operators-own-key") == "…-key"
