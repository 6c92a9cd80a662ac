"""What a point carries, and the conditions every question to the points stands under.

The layout is langchain-qdrant's, sealed where the tenant's data is: `page_content`, and `metadata` with our names beside the owner's. Conditions are
Qdrant's own, as its REST interface writes them. `flags` repeats what is true or false in the metadata, in words: the
embedded engine's Python takes such values in conditions for numbers. `access` says who may see a point in a form
that an index answers; a point without it is seen by nobody who has groups to show.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from passerelle.domain.retrieval import RESERVED, Chunk, Collection, Condition
from passerelle.retrieval.store import Unfit, Unreachable

Json = dict[str, Any]

TENANT = "metadata.tenant_id"
COLLECTION = "metadata.collection"
DOCUMENT = "metadata.document_id"
ACCESS = "access"
DENSE = ""  # langchain-qdrant's own names of vectors
SPARSE = "langchain-sparse"
_FLAGS = "flags"
_SEALED = "sealed"
_EVERYBODY = "*"
_LARGEST = 65_536  # bytes of metadata
_OURS = uuid.UUID("8f0f6d52-3f7c-5a0e-9a53-0d7f4f1f6a11")


def point_id(collection: Collection, chunk: str) -> str:
    """A chunk's place: no tenant can write over another one's, whatever ids it chooses."""
    return str(uuid.uuid5(_OURS, orjson.dumps([collection.tenant, collection.name, chunk]).decode()))


def payload(collection: Collection, chunk: Chunk) -> Json:
    """What is stored of a chunk. Raises Unfit."""
    own = dict(chunk.metadata)
    try:
        fits_in(orjson.dumps(own))
        orjson.dumps([chunk.text, chunk.title, chunk.headings, chunk.id, chunk.document, [*chunk.groups]])
    except TypeError:
        raise Unfit(
            "A chunk holds what JSON cannot: broken characters, or metadata of another kind."
        ) from None
    ours: Json = {
        "tenant_id": collection.tenant,
        "collection": collection.name,
        "chunk_id": chunk.id,
        "document_id": chunk.document,
        "title": chunk.title or None,
        "headings": list(chunk.headings) or None,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "language": chunk.language or None,
        "groups": sorted(chunk.groups) or None,
    }
    kept = {name: value for name, value in ours.items() if value is not None}
    stored: Json = {
        "page_content": chunk.text,
        "metadata": {**own, **kept},
        ACCESS: [_member(group) for group in sorted(chunk.groups)] or [_EVERYBODY],
    }
    if chunk.words is not None:
        stored[_SEALED] = True
    if flags := sorted({_flag(name, value) for name, value in _each(own) if isinstance(value, bool)}):
        stored[_FLAGS] = flags
    return stored


def fits_in(metadata: bytes) -> None:
    """Raises Unfit for metadata, as JSON, that are too long."""
    if len(metadata) > _LARGEST:
        raise Unfit(f"The metadata of a chunk have at most {_LARGEST} bytes.")


def chunk(collection: Collection, stored: Mapping[str, Any] | None) -> Chunk:
    """The chunk of a payload. Raises Unreachable when it is not one of the collection: nobody is shown it then."""
    metadata = (stored or {}).get("metadata")
    if not isinstance(metadata, dict) or stored is None:
        raise Unreachable("The store gave a passage that was not written by us.")
    if (metadata.get("tenant_id"), metadata.get("collection")) != (collection.tenant, collection.name):
        raise Unreachable("The store gave a passage of somebody else; it is withheld.")
    identity = str(metadata.get("chunk_id") or "-")
    try:
        return Chunk(
            id=identity,
            document=str(metadata.get("document_id") or identity),
            text=str(stored.get("page_content") or ""),
            title=str(metadata.get("title") or ""),
            headings=tuple(metadata.get("headings") or ()),
            page=metadata.get("page"),
            start=metadata.get("start"),
            end=metadata.get("end"),
            language=str(metadata.get("language") or ""),
            groups=frozenset(metadata.get("groups") or ()),
            metadata={name: value for name, value in metadata.items() if name not in RESERVED},
            words="" if stored.get(_SEALED) else None,
        )
    except (TypeError, ValueError):
        raise Unreachable("The store gave a passage that was not written by us.") from None


def inside(collection: Collection, *more: Json) -> Json:
    """The collection's own points, and of those what fulfils more."""
    return {"must": [_is(TENANT, collection.tenant), _is(COLLECTION, collection.name), *more]}


def everything(tenant: str, name: str | None = None) -> Json:
    """A tenant's points, or those of one of its collections."""
    return {"must": [_is(TENANT, tenant), *([_is(COLLECTION, name)] if name is not None else [])]}


def of_document(document: str) -> Json:
    """Points of a document."""
    return _is(DOCUMENT, document)


def without(points: Sequence[str]) -> Json:
    """None of these points."""
    return {"must_not": [{"has_id": list(points)}]}


def open_to(groups: frozenset[str] | None) -> list[Json]:
    """Points open to members of these groups: those without any, and those with one of them."""
    if groups is None:
        return []
    return [{"key": ACCESS, "match": {"any": [_EVERYBODY, *map(_member, sorted(groups))]}}]


def key(name: str) -> str:
    """Where metadata of that name stand; `document` is the document's id."""
    return f'metadata."{"document_id" if name == "document" else name}"'


def fulfils(condition: Condition) -> list[Json]:
    """A condition on metadata."""
    made: list[Json] = []
    if condition.any_of:
        made.append({"should": [_equals(condition.name, value) for value in condition.any_of]})
    if condition.none_of:
        made.append({"must_not": [_equals(condition.name, value) for value in condition.none_of]})
    if condition.bounds:
        made.append({"key": key(condition.name), "range": condition.bounds})
    return made


def _equals(name: str, value: str | int | bool) -> Json:  # noqa: FBT001 - a value among others
    equal = _is(key(name), value)
    return {"should": [_is(_FLAGS, _flag(name, value)), equal]} if isinstance(value, bool) else equal


def _member(group: str) -> str:
    return f"={group}"  # no group is called like everybody


def _flag(name: str, value: bool) -> str:  # noqa: FBT001 - that is what it writes
    return f"{name}={value}"


def _each(own: Json) -> Iterator[tuple[str, Any]]:
    """Single values of metadata; a list has several."""
    for name, value in own.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            yield name, one


def _is(place: str, value: str | int | bool) -> Json:  # noqa: FBT001 - a value among others
    return {"key": place, "match": {"value": value}}
