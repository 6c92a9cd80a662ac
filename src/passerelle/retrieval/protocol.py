"""What the owner of the shards and those who ask it say to each other: length-prefixed JSON over a unix socket.

A frame is its length in four bytes, highest first, and then one object. A request has a number `n`, what to `do` and
its arguments; the reply has the number, and either `ok` or `no` with why. Vectors are base64 of 32-bit floats, lowest
byte first, a third of their length in digits.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import struct
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson

from passerelle.domain.retrieval import Chunk, Collection, Condition, Hit, Mode, Parts, Query
from passerelle.retrieval import payload
from passerelle.retrieval.store import Unfit, Unreachable

VERSION = 3  # of all this; owners and askers of different ones do not talk
LONGEST_REQUEST = 16 * 1_048_576  # bytes
LONGEST_REPLY = 128 * 1_048_576
_LENGTH = struct.Struct("!I")

Json = dict[str, Any]
Entry = tuple[Chunk, Sequence[float]]


class Malformed(Exception):
    """What came is no frame of ours; the connection is of no more use."""


def frame(told: Json) -> bytes:
    """One frame. Raises Unfit."""
    try:
        body = orjson.dumps(told)
    except TypeError:
        raise Unfit(
            "Something holds what JSON cannot: broken characters, or a value of another kind."
        ) from None
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader, *, most: int) -> Json:
    """The next frame. Raises IncompleteReadError at the end of the connection, Malformed."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > most:
        raise Malformed(f"a frame of {length} bytes")
    try:
        told = orjson.loads(await reader.readexactly(length))
    except orjson.JSONDecodeError:
        raise Malformed("a frame that is no JSON") from None
    if not isinstance(told, dict):
        raise Malformed("a frame that is no object")
    return told


def written_collection(collection: Collection) -> list[Any]:
    """A collection as it is sent."""
    return [collection.tenant, collection.name, collection.width]


def read_collection(given: Sequence[Any]) -> Collection:
    """A collection as it came. Raises ValueError, TypeError."""
    tenant, name, width = given
    return Collection(tenant, name, width)


def written_entry(collection: Collection, chunk: Chunk, vector: Sequence[float]) -> Json:
    """A chunk with its vector. Raises Unfit."""
    entry = {"payload": payload.payload(collection, chunk), "vector": written_vector(vector)}
    return entry if chunk.words is None else {**entry, "words": chunk.words}


def read_entry(collection: Collection, given: Mapping[str, Any]) -> Entry:
    """A chunk with its vector. Raises ValueError, Unreachable."""
    chunk = payload.chunk(collection, given["payload"])
    if (words := given.get("words")) is not None:
        chunk = replace(chunk, words=str(words))
    return chunk, read_vector(given["vector"])


def written_query(query: Query) -> Json:
    """A query as it is sent."""
    return {
        "text": query.text,
        "vector": written_vector(query.vector),
        "mode": query.mode.value,
        "k": query.k,
        "groups": None if query.groups is None else sorted(query.groups),
        "conditions": [asdict(condition) for condition in query.conditions],
        "language": query.language,
        "dense_share": query.dense_share,
        "diversity": query.diversity,
    }


def read_query(given: Mapping[str, Any]) -> Query:
    """A query as it came. Raises ValueError, TypeError."""
    told = dict(given)
    groups = told.pop("groups")
    conditions = tuple(
        Condition(**{**one, "any_of": tuple(one["any_of"]), "none_of": tuple(one["none_of"])})
        for one in told.pop("conditions")
    )
    return Query(
        vector=read_vector(told.pop("vector")),
        mode=Mode(told.pop("mode")),
        groups=None if groups is None else frozenset(groups),
        conditions=conditions,
        **told,
    )


def written_hit(collection: Collection, hit: Hit) -> Json:
    """A hit as it is sent."""
    return {"payload": payload.payload(collection, hit.chunk), "score": hit.score, "parts": asdict(hit.parts)}


def read_hit(collection: Collection, given: Mapping[str, Any]) -> Hit:
    """A hit as it came. Raises Unreachable."""
    return Hit(payload.chunk(collection, given["payload"]), given["score"], Parts(**given["parts"]))


def written_vector(vector: Sequence[float]) -> str:
    """A vector in letters. Raises Unfit."""
    try:
        floats = array("f", vector)
    except (TypeError, OverflowError):
        raise Unfit("A vector holds something that is not a number of its size.") from None
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats).decode()


def read_vector(letters: str) -> Sequence[float]:
    """A vector from its letters. Raises ValueError."""
    floats = array("f")
    try:
        floats.frombytes(base64.b64decode(letters, validate=True))
    except binascii.Error:
        raise ValueError("That is no vector.") from None
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


def refusal(number: Any, error: Exception) -> Json:
    """The reply to what failed. Quotes nothing of what was sent."""
    if isinstance(error, Unreachable):
        return {"n": number, "no": "unreachable", "why": error.message}
    if isinstance(error, Unfit):
        return {"n": number, "no": "unfit", "why": str(error)}
    return {"n": number, "no": "unfit", "why": f"The request cannot be understood ({type(error).__name__})."}


def outcome(reply: Mapping[str, Any]) -> Any:
    """What a reply says. Raises what was refused."""
    match reply.get("no"):
        case None:
            return reply.get("ok")
        case "unfit":
            raise Unfit(str(reply.get("why")))
        case _:
            raise Unreachable(str(reply.get("why")))
