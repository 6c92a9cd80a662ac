"""Documents of collections that a job works on.

What is written of them is seen by every key of the tenant, so that a document for some groups alone is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.errors import Forbidden
from passerelle.domain.rag import Document, DocumentState
from passerelle.http.content_place import Place
from passerelle.http.texts import Name, PathName
from passerelle.pipelines.enrichment.desk import RowSkipped
from passerelle.pipelines.rag.desk import Library

_PAGE = 500
_NO_GROUPS: frozenset[str] = frozenset()  # sees what the whole tenant does


class DocumentRef(BaseModel):
    """A document of a collection, or without `document` all of them that are indexed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    collection: PathName = Field(examples=["catalogue"])
    document: Name | None = Field(default=None, examples=["doc_1"])


async def documents_of(
    here: Place, named: Sequence[DocumentRef]
) -> tuple[list[tuple[str, str]], list[tuple[str, RowSkipped]]]:
    """Collections and documents, each once, and those of whole collections that are left out, by the collection.

    Raises Forbidden `rag_disabled`, and NotFound.
    """
    if not named:
        return [], []
    if here.tenant.rag is None:
        message = "Answering from documents is switched off for this tenant (`rag: false`)."
        raise Forbidden(message, code="rag_disabled")
    library = await here.services.rag.library()
    found: dict[tuple[str, str], None] = {}
    left: list[tuple[str, RowSkipped]] = []
    for each in named:
        if each.document is not None:
            # One in groups that is asked for by name is not found, as for anybody who is in none of them.
            document = await library.document(here.name, each.collection, each.document, groups=_NO_GROUPS)
            found[each.collection, document.id] = None
            continue
        await library.shelf(here.name, each.collection)
        for number, document in enumerate(await _whole(library, here.name, each.collection), 1):
            if document.state is DocumentState.READY:
                found[each.collection, document.id] = None
            else:
                message = f"The document {document.key!r} is {document.state.value}."
                left.append((each.collection, RowSkipped(number, "document_not_ready", message)))
    return list(found), left


async def _whole(library: Library, tenant: str, collection: str) -> list[Document]:
    seen: list[Document] = []
    while True:
        before = seen[-1].id if seen else None
        page = await library.documents(tenant, collection, groups=_NO_GROUPS, before=before, most=_PAGE)
        seen += page
        if len(page) < _PAGE:
            return seen
