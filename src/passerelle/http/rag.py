"""`/v1/rag/collections`: a tenant's collections of documents. Each tenant sees its own alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.errors import BadRequest
from passerelle.domain.rag import MODEL_PREFIX, Shelf
from passerelle.http.access import MEMBER
from passerelle.http.rag_cards import CollectionCard, CollectionList, JobCard, collection_card
from passerelle.http.rag_place import CollectionName, Here
from passerelle.http.texts import Name, PathName, Text

router = APIRouter(prefix="/v1/rag/collections", tags=["RAG"])

Description = Annotated[Text, Field(max_length=2_000, examples=["What our customers ask about delivery."])]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewCollection(_Body):
    """A collection that does not exist yet. Without an embedder it has the tenant's; `words_only`: none at all."""

    name: PathName = Field(examples=["faq"])
    description: Description = ""
    embedder: Name | None = Field(
        default=None, description="An embedding model of the tenant's.", examples=["embeddings"]
    )
    words_only: bool = Field(default=False, description="Find by words alone, and embed nothing.")


class Described(_Body):
    """Another description."""

    description: Description


@router.get("", dependencies=[Depends(MEMBER)])
async def collections(here: Here) -> CollectionList:
    """A tenant's collections by name."""
    found = await (await here.library()).shelves(here.name)
    return CollectionList(data=[_card(shelf) for shelf in found])


@router.post("", dependencies=[Depends(MEMBER)], status_code=201)
async def make(new: NewCollection, here: Here) -> CollectionCard:
    """Make a collection. One is also made by the first document that is handed in to it."""
    library = await here.library(to_write=True)
    if new.words_only and new.embedder is not None:
        message = "A collection of words only has no `embedder`."
        raise BadRequest(message, code="invalid_value", param="embedder")
    shelf = await library.make(
        here.tenant,
        new.name,
        description=new.description,
        embedder=new.embedder,
        words_only=new.words_only,
    )
    return _card(shelf)


@router.get("/{collection}", dependencies=[Depends(MEMBER)])
async def collection(collection: CollectionName, here: Here) -> CollectionCard:
    """A collection."""
    return _card(await (await here.library()).shelf(here.name, collection))


@router.patch("/{collection}", dependencies=[Depends(MEMBER)])
async def describe(collection: CollectionName, described: Described, here: Here) -> CollectionCard:
    """Describe a collection anew."""
    library = await here.library(to_write=True)
    return _card(await library.describe(here.name, collection, described.description))


@router.delete("/{collection}", dependencies=[Depends(MEMBER)], status_code=204)
async def drop(collection: CollectionName, here: Here) -> Response:
    """Delete a collection with all that is in it: documents, vectors, kept answers, conversations, jobs."""
    await (await here.library(to_write=True)).drop(here.name, collection, groups=here.sees)
    return Response(status_code=204)


@router.post("/{collection}/reindex", dependencies=[Depends(MEMBER)])
async def reindex(collection: CollectionName, here: Here) -> JobCard:
    """Read every document again by the tenant's rules of today. What is indexed is found until it is replaced."""
    library = await here.library(to_write=True)
    return JobCard(job=await library.reindex(here.tenant, collection, groups=here.sees))


def _card(shelf: Shelf) -> CollectionCard:
    return collection_card(shelf, f"{MODEL_PREFIX}{shelf.name}")
