"""`/v1/rag/collections/{collection}/documents`: documents are handed in, looked at, fetched, read again and deleted.

A document in groups that a key is not in does not exist for it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.rag import Document, DocumentState, Given, Taken
from passerelle.http.access import MEMBER
from passerelle.http.bodies import inlined, read_json
from passerelle.http.rag_cards import (
    DocumentCard,
    DocumentList,
    PassageList,
    TakenCard,
    document_card,
    passage_card,
    taken_card,
)
from passerelle.http.rag_handing import MOST_DOCUMENTS, HandedIn, of_body, of_form
from passerelle.http.rag_place import CollectionName, Here, Place
from passerelle.http.texts import Name
from passerelle.http.uploads import MOST_FILES, is_form, received

router = APIRouter(prefix="/v1/rag/collections/{collection}/documents", tags=["RAG"])

DocumentId = Annotated[str, Path(description="A document's id.", min_length=1, max_length=64)]

_PAGE = 500
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "maxItems": MOST_FILES,
        },
        "key": {"type": "string", "maxLength": 2048, "description": "Of a single file; else its name."},
        "title": {"type": "string", "maxLength": 1000, "description": "Of a single file."},
        "language": {"type": "string", "examples": ["fr"]},
        "groups": {"type": "array", "items": {"type": "string"}, "description": "Who may see them."},
        "metadata": {"type": "string", "description": "A JSON object.", "examples": ['{"year": 2026}']},
    },
}


class Failed(BaseModel):
    """Which failed documents are to be read again; all of them where nothing is said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    documents: list[Name] | None = Field(
        default=None, min_length=1, max_length=MOST_DOCUMENTS, description="Their ids."
    )


@router.post(
    "",
    dependencies=[Depends(MEMBER)],
    status_code=202,
    responses={
        200: {"model": TakenCard, "description": "Everything is indexed already as it came."},
        202: {"description": "They are read by the job."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": inlined(HandedIn)},
                "multipart/form-data": {"schema": _FORM},
            },
        }
    },
)
async def take(collection: CollectionName, request: Request, here: Here, response: Response) -> TakenCard:
    """Hand documents in: text, ready-made chunks, addresses of pages, or files. They are read by a job.

    Whatever comes under the key of a document that is there replaces it; what is the same changes nothing, so that
    the same request may safely be sent again. The collection is made where there is none.
    """
    library = await here.library(to_write=True)
    if is_form(request.headers.get("content-type")):
        async with received(request, file_size=here.rules.file_size) as form:
            given = of_form(form, here.groups)
            taken = await library.take(here.tenant, collection, given, groups=here.sees)
    else:
        given = await _handed_in(request, here)
        taken = await library.take(here.tenant, collection, given, groups=here.sees)
    return _taken(taken, response)


@router.get("", dependencies=[Depends(MEMBER)])
async def documents(
    collection: CollectionName,
    here: Here,
    state: DocumentState | None = None,
    before: Annotated[
        str | None, Query(description="A document's id: those before it.", max_length=64)
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100,
) -> DocumentList:
    """A collection's documents, the newest first."""
    library = await here.library()
    found = await library.documents(
        here.name, collection, groups=here.sees, state=state, before=before, most=limit + 1
    )
    return DocumentList(data=[document_card(each) for each in found[:limit]], has_more=len(found) > limit)


@router.post("/retry", dependencies=[Depends(MEMBER)], status_code=202, responses={200: {"model": TakenCard}})
async def retry_failed(
    collection: CollectionName, here: Here, response: Response, failed: Failed | None = None
) -> TakenCard:
    """Read failed documents again, all or some; pages are fetched anew."""
    library = await here.library(to_write=True)
    wanted = failed.documents if failed is not None else None
    if here.sees is not None:
        wanted = await _visible(here, collection, wanted)
        if not wanted:
            return _taken(Taken((), frozenset(), None), response)
    return _taken(await library.retry(here.tenant, collection, wanted), response)


@router.get("/{document}", dependencies=[Depends(MEMBER)])
async def document(collection: CollectionName, document: DocumentId, here: Here) -> DocumentCard:
    """A document."""
    return document_card(await _document(here, collection, document))


@router.delete("/{document}", dependencies=[Depends(MEMBER)], status_code=204)
async def delete(collection: CollectionName, document: DocumentId, here: Here) -> Response:
    """Delete a document, its vectors, and kept answers that may have been drawn from it."""
    library = await here.library(to_write=True)
    await library.delete(here.name, collection, document, groups=here.sees)
    return Response(status_code=204)


@router.get(
    "/{document}/content",
    dependencies=[Depends(MEMBER)],
    response_class=Response,
    responses={200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def content(collection: CollectionName, document: DocumentId, here: Here) -> Response:
    """A document as it came, to be saved: browsers do not show it, as it may hold anything."""
    library = await here.library()
    about = await library.document(here.name, collection, document, groups=here.sees)
    body, media_type = await library.content(here.name, collection, document, groups=here.sees)
    plain = media_type.partition(";")[0].strip().lower()
    headers = {
        "content-disposition": _attached(about),
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "private, no-store",
        "content-type": plain if _MEDIA_TYPE.fullmatch(plain) else "application/octet-stream",
    }
    return Response(body, headers=headers)


@router.get("/{document}/passages", dependencies=[Depends(MEMBER)])
async def passages(collection: CollectionName, document: DocumentId, here: Here) -> PassageList:
    """What is indexed of a document, in its order."""
    library = await here.library()
    found = await library.passages(here.name, collection, document, groups=here.sees)
    return PassageList(data=[passage_card(each) for each in found])


@router.post(
    "/{document}/retry",
    dependencies=[Depends(MEMBER)],
    status_code=202,
    responses={200: {"model": TakenCard}},
)
async def retry(
    collection: CollectionName, document: DocumentId, here: Here, response: Response
) -> TakenCard:
    """Read a failed document again; a page is fetched anew."""
    library = await here.library(to_write=True)
    await library.document(here.name, collection, document, groups=here.sees)
    return _taken(await library.retry(here.tenant, collection, [document]), response)


async def _handed_in(request: Request, here: Place) -> list[Given]:
    said = await read_json(
        request,
        HandedIn,
        what="Documents come",
        otherwise="files in `multipart/form-data`",
        long="a file",
    )
    return of_body(said, here.groups)


async def _document(here: Place, collection: str, document: str) -> Document:
    return await (await here.library()).document(here.name, collection, document, groups=here.sees)


async def _visible(here: Place, collection: str, wanted: list[str] | None) -> list[str]:
    """Of the failed documents of a collection, or of some, those that the caller sees. Raises NotFound for others."""
    if wanted is not None:
        return [(await _document(here, collection, each)).id for each in dict.fromkeys(wanted)]
    library = await here.library()
    seen: list[str] = []
    while True:
        page = await library.documents(
            here.name,
            collection,
            groups=here.sees,
            state=DocumentState.FAILED,
            before=seen[-1] if seen else None,
            most=_PAGE,
        )
        seen += [each.id for each in page]
        if len(page) < _PAGE:
            return seen


def _taken(taken: Taken, response: Response) -> TakenCard:
    response.status_code = 202 if taken.job is not None else 200
    return taken_card(taken)


def _attached(found: Document) -> str:
    """`Content-Disposition` (RFC 6266): a name in plain letters for old readers, the whole one for others."""
    name = (found.key if found.url is None else found.title or "page").replace("\\", "/").rpartition("/")[2]
    name = "".join(sign for sign in name if sign.isprintable())[:150] or "document"
    plain = _PLAIN.sub("_", name).strip("_.") or "document"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
