"""A tenant's seals and digests are its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.secrets import Secrets, Unreadable, framed
from tests.unit.cache.entries import PEPPER

_SECRETS = Secrets(PEPPER)


@given(content=st.binary(max_size=2000), tenant=st.text(max_size=20), place=st.text(max_size=40))
def test_what_is_sealed_opens_for_the_same_tenant_and_place_only(
    content: bytes, tenant: str, place: str
) -> None:
    sealed = _SECRETS.seal(tenant, place, content)
    assert Secrets(PEPPER).unseal(tenant, place, sealed) == content
    assert _SECRETS.seal(tenant, place, content) != sealed
    for other, where in ((tenant + "b", place), (tenant, place + "b")):
        with pytest.raises(Unreadable):
            _SECRETS.unseal(other, where, sealed)
    with pytest.raises(Unreadable):
        Secrets(b"q" * 32).unseal(tenant, place, sealed)


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 12, b"\0" * 28, b"\0" * 400])
def test_what_was_not_sealed_does_not_open(damage: bytes) -> None:
    with pytest.raises(Unreadable):
        _SECRETS.unseal("a", "place", damage)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_bit_is_noticed(at: int, bit: int) -> None:
    sealed = bytearray(_SECRETS.seal("a", "place", b"content" * 20))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(Unreadable):
        _SECRETS.unseal("a", "place", bytes(sealed))


def test_a_digest_is_of_its_tenant_its_use_and_its_content() -> None:
    digests = {
        Secrets(pepper).hmac(tenant, use, content)
        for pepper in (PEPPER, b"q" * 32)
        for tenant in ("a", "b", "")
        for use in ("tag", "subject", "")
        for content in (b"x", b"y", b"")
    }
    assert len(digests) == 54
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
    assert _SECRETS.hmac("a", "tag", b"x") == Secrets(PEPPER).hmac("a", "tag", b"x")


@given(parts=st.lists(st.binary(max_size=9)), others=st.lists(st.binary(max_size=9)))
def test_two_lists_never_read_the_same(parts: list[bytes], others: list[bytes]) -> None:
    assert (framed(parts) == framed(others)) == (parts == others)
