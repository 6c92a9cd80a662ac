"""Signatures: stable, checked by anybody with the public key, and in the form other programs read."""

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from passerelle.sealing.signing import Signer, pem_of, read_public, verify

SEED = b"s" * 32


def test_every_process_with_the_same_seed_signs_alike():
    assert Signer(SEED).public == Signer(SEED).public
    assert Signer(SEED).sign(b"a") == Signer(SEED).sign(b"a")
    assert Signer(b"t" * 32).public != Signer(SEED).public


def test_what_was_signed_is_verified_and_nothing_else_is():
    signer = Signer(SEED)
    signature = signer.sign(b"message")
    assert verify(signer.public, signature, b"message")
    assert not verify(signer.public, signature, b"another")
    assert not verify(signer.public, signature[:-1] + bytes([signature[-1] ^ 1]), b"message")
    assert not verify(Signer(b"t" * 32).public, signature, b"message")


@pytest.mark.parametrize(
    ("public", "signature"), [(b"", b""), (b"x" * 31, b"y" * 64), (b"\xff" * 32, b"y" * 64)]
)
def test_what_is_malformed_is_not_verified(public, signature):
    assert verify(public, signature, b"message") is False


def test_the_public_key_is_one_that_other_programs_read():
    signer = Signer(SEED)
    key = load_pem_public_key(signer.pem.encode())
    assert key.public_bytes_raw() == signer.public
    key.verify(signer.sign(b"m"), b"m")


@pytest.mark.parametrize("form", [pem_of, bytes.hex])
def test_a_public_key_is_read_in_the_forms_it_is_written_in(form):
    public = Signer(SEED).public
    assert read_public(form(public)) == public


@pytest.mark.parametrize(
    "text", ["", "no key", "AAAA", "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(ValueError, match="is no public key"):
        read_public(text)


def test_a_short_seed_is_refused_and_a_signer_shows_nothing():
    with pytest.raises(ValueError, match="16 bytes"):
        Signer(b"short")
    assert SEED.decode() not in repr(Signer(SEED))
