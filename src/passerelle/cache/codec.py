"""Answers and questions as bytes: JSON, sealed for their tenant and their place. What does not verify is not there."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import fields
from typing import Any

import orjson

from passerelle.cache.entry import Kept, Member, State
from passerelle.cache.secrets import Secrets, Unreadable

_VERSION = 1
_KEPT = tuple(field.name for field in fields(Kept))
_MEMBER = tuple(field.name for field in fields(Member) if field.name not in {"features", "vector"})


def kept_bytes(kept: Kept) -> bytes | None:
    """An answer as JSON; None where it holds what JSON cannot (half a character)."""
    try:
        return orjson.dumps({name: getattr(kept, name) for name in _KEPT})
    except TypeError:
        return None


def member_bytes(member: Member) -> bytes | None:
    """A question as JSON, its vector as 32-bit numbers in base64; None as above."""
    import numpy as np  # noqa: PLC0415 - of some weight: only where questions are compared

    vector = np.asarray(member.vector, "<f4").tobytes()
    words = {name: getattr(member, name) for name in _MEMBER}
    try:
        return orjson.dumps(words | {"vector": b64encode(vector).decode()})
    except TypeError:
        return None


def seal(secrets: Secrets, tenant: str, name: str, content: bytes, mark: int) -> bytes:
    """An entry of that id, begun after that deletion."""
    head = orjson.dumps({"v": _VERSION, "mark": mark})
    return secrets.seal(tenant, f"entry {name}", head + b"\n" + content)


def kept_of(secrets: Secrets, tenant: str, name: str, sealed: bytes) -> tuple[Kept, int]:
    """The answer of that id, and its mark. Raises Unreadable."""
    found, mark = _opened(secrets, tenant, name, sealed)
    try:
        kept = Kept(**found | {"tags": tuple(found["tags"]), "subjects": tuple(found["subjects"])})
    except (TypeError, KeyError) as error:  # of another version of this program
        raise Unreadable from error
    if kept.id != name or kept.tenant != tenant:
        raise Unreadable
    return kept, mark


def member_of(secrets: Secrets, tenant: str, name: str, sealed: bytes) -> tuple[Member, int]:
    """The question of that id, and its mark. Raises Unreadable."""
    import numpy as np  # noqa: PLC0415 - as above

    found, mark = _opened(secrets, tenant, name, sealed)
    try:
        vector = np.frombuffer(b64decode(found.pop("vector")), "<f4")
        changed: dict[str, Any] = {
            "state": State(found["state"]),
            "tags": tuple(found["tags"]),
            "subjects": tuple(found["subjects"]),
            "vector": vector,
        }
        member = Member(**found | changed)
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable from error
    if member.id != name or member.tenant != tenant:
        raise Unreadable
    return member, mark


def _opened(secrets: Secrets, tenant: str, name: str, sealed: bytes) -> tuple[dict[str, Any], int]:
    head, _, content = secrets.unseal(tenant, f"entry {name}", sealed).partition(b"\n")
    try:
        about, found = orjson.loads(head), orjson.loads(content)
        if about["v"] != _VERSION:
            raise Unreadable
        return dict(found), int(about["mark"])
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable from error
