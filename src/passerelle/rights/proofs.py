"""Receipts as they are signed and checked: canonical JSON, and a signature over it. Pure.

Canonical: UTF-8, members sorted by their names' code points, no white space, no fractions anywhere. Whoever has the
public key checks a receipt without this program: the signature (Ed25519, RFC 8032) is over those bytes of `receipt`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from passerelle.sealing.signing import read_public, verify

ALGORITHM = "Ed25519"


def canonical(receipt: Mapping[str, Any]) -> bytes:
    """The bytes that are signed. Raises ValueError for what is no receipt of ours: fractions, halves of letters."""
    _whole(receipt)
    said = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return said.encode("utf-8")


def signed(receipt: Mapping[str, Any], signature: bytes, public: bytes) -> dict[str, Any]:
    """A receipt as it is handed out."""
    return {
        "receipt": receipt,
        "signature": {
            "algorithm": ALGORITHM,
            "key": base64.b64encode(public).decode("ascii"),
            "value": base64.b64encode(signature).decode("ascii"),
        },
    }


def holds(document: Any, public: bytes | None = None) -> bool:
    """Is it signed by the key that it names, and, where one is given, by that key? Raises ValueError for no receipt."""
    try:
        said, proof = document["receipt"], document["signature"]
        if said["object"] != "privacy.receipt" or proof["algorithm"] != ALGORITHM:
            raise ValueError("it is no receipt that this program knows")
        named, signature = read_public(proof["key"]), base64.b64decode(proof["value"], validate=True)
        message = canonical(said)
    except (TypeError, KeyError, AttributeError, binascii.Error, UnicodeEncodeError, RecursionError) as error:
        raise ValueError("it is no signed receipt") from error
    return (public is None or public == named) and verify(named, signature, message)


def _whole(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError("a receipt has no fractions")  # noqa: TRY004 - of a document, not of an argument
    if isinstance(value, Mapping):
        for each in value.values():
            _whole(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _whole(each)
