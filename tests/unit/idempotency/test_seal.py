"""What is stored can be read with the pepper and the caller's key together, and by nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.idempotency.seal import Reply, Sealer, Slot, Unreadable, seal, unseal

_SEALER = Sealer(b"p" * 32)
_REPLY = Reply(200, [(b"content-type", b"application/json")], b'{"text":"Bonjour"}', "req_1")


def slot(sealer: Sealer = _SEALER, **changed: object) -> Slot:
    whose: dict[str, object] = {
        "tenant": "acme", "role": "member", "route": b"POST /v1/chat", "key": b"k1", "asked": [b"", b"{}"],
    }  # fmt: skip
    return sealer.slot(**{**whose, **changed})  # type: ignore[arg-type]


def test_an_answer_comes_back_as_it_was() -> None:
    assert unseal(slot(), seal(slot(), _REPLY)) == _REPLY


@given(
    st.binary(max_size=200), st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4)
)
def test_any_bytes_come_back_as_they_were(body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    reply = Reply(201, headers, body, "req_2")

    assert unseal(slot(), seal(slot(), reply)) == reply


@pytest.mark.parametrize(
    "changed",
    [
        {"tenant": "globex"},
        {"tenant": None},
        {"tenant": ""},
        {"role": "tenant-admin"},
        {"route": b"POST /v1/completions"},
        {"key": b"k2"},
    ],
    ids=str,
)
def test_another_caller_route_or_key_is_another_slot(changed: dict[str, object]) -> None:
    other = slot(**changed)

    assert other.digest != slot().digest
    assert other.secret != slot().secret
    assert other.fingerprint != slot().fingerprint, "equal bodies must not be seen to be equal"
    with pytest.raises(Unreadable):
        unseal(other, seal(slot(), _REPLY))


def test_another_body_is_the_same_slot_with_another_fingerprint() -> None:
    other = slot(asked=[b"", b"{ }"])

    assert (other.digest, other.secret) == (slot().digest, slot().secret)
    assert other.fingerprint != slot().fingerprint
    assert slot(asked=[b"a", b"b"]).fingerprint != slot(asked=[b"ab", b""]).fingerprint


def test_another_pepper_reads_nothing() -> None:
    other = slot(Sealer(b"q" * 32))

    assert other.digest != slot().digest
    with pytest.raises(Unreadable):
        unseal(other, seal(slot(), _REPLY))


def test_an_answer_moved_to_another_row_is_not_read() -> None:
    sealed = seal(slot(), _REPLY)

    for moved in (replace(slot(), tenant="globex"), replace(slot(), digest=b"x" * 32)):
        with pytest.raises(Unreadable):
            unseal(moved, sealed)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 100])
def test_a_damaged_answer_is_not_read(damage: bytes) -> None:
    with pytest.raises(Unreadable):
        unseal(slot(), damage)


def test_sealed_twice_it_looks_different() -> None:
    assert seal(slot(), _REPLY) != seal(slot(), _REPLY)
