"""How collections, documents, passages and answers are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.jobs import Trouble
from passerelle.domain.rag import (
    Answered,
    Citation,
    Document,
    DocumentState,
    Found,
    Origin,
    Refusal,
    Shelf,
    Taken,
)
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.rag.desk import Conversation


class Card(BaseModel):
    """Shown as the value that it is of."""

    model_config = ConfigDict(from_attributes=True)


class CollectionCard(BaseModel):
    """A collection. What `embedder`, `size` and `overlap` say holds until it is indexed again."""

    name: str
    object: Literal["rag.collection"] = "rag.collection"
    description: str
    model: str = Field(description="As which `/v1/chat/completions` answers from it.")
    embedder: str | None = Field(description="Null: words only.")
    size: int = Field(description="Characters of a passage, at most.")
    overlap: int
    version: int = Field(description="Rises whenever what may be found in it changes.")
    documents: int
    chunks: int
    created_at: datetime
    updated_at: datetime


class CollectionList(BaseModel):
    """By name."""

    object: Literal["list"] = "list"
    data: list[CollectionCard]


class TroubleCard(Card):
    """Why something was not done. `code` is stable."""

    code: str
    message: str


class DocumentCard(BaseModel):
    """A document. `error` says why it failed; what was indexed of it before is still found."""

    id: str
    object: Literal["rag.document"] = "rag.document"
    collection: str
    key: str = Field(description="Whatever comes under the same key replaces it.")
    origin: Origin
    state: DocumentState
    title: str
    url: str | None
    media_type: str
    language: str
    groups: list[str]
    metadata: dict[str, Any]
    error: TroubleCard | None
    warnings: list[str]
    bytes: int
    pages: int
    characters: int
    chunks: int
    duplicate_of: str | None
    job: str | None
    refresh: float | None = Field(description="Seconds after which its page is looked at again.")
    created_at: datetime | None
    updated_at: datetime | None
    indexed_at: datetime | None
    checked_at: datetime | None


class DocumentList(BaseModel):
    """The newest first. `has_more`: ask again with `before` as the last one's id."""

    object: Literal["list"] = "list"
    data: list[DocumentCard]
    has_more: bool


class TakenCard(BaseModel):
    """What became of documents that were handed in. Without a job there is nothing to do for any of them."""

    object: Literal["rag.documents.taken"] = "rag.documents.taken"
    job: str | None = Field(description="Under `/v1/jobs`: how far it is.")
    documents: list[DocumentCard]
    unchanged: list[str] = Field(description="Ids of those that are indexed already as they came.")


class JobCard(BaseModel):
    """The job that does what was asked, null where there is nothing to do."""

    object: Literal["rag.job"] = "rag.job"
    job: str | None


class PassageCard(Card):
    """A passage of a document, as it is indexed; offsets are in characters of its text, or of its page's."""

    id: str
    document: str
    title: str
    headings: list[str]
    text: str
    page: int | None
    start: int | None
    end: int | None
    language: str
    metadata: dict[str, Any]


class PassageList(BaseModel):
    """In the document's order."""

    object: Literal["list"] = "list"
    data: list[PassageCard]


class Scores(BaseModel):
    """Where a score comes from: words (BM25), meaning (cosine), the reranker. Null: not in that list."""

    text: float | None
    dense: float | None
    rerank: float | None


class FoundCard(PassageCard):
    """A passage that was found. `score` compares inside one answer; `relevance` is a share of questions, 0 to 1."""

    score: float
    relevance: float | None
    scores: Scores
    url: str | None


class FoundList(BaseModel):
    """The best first."""

    object: Literal["list"] = "list"
    data: list[FoundCard]


class CitationCard(Card):
    """A source: the document, its page, and the quote's offsets in characters of its text.

    `supported`: the sentences it stands at share enough of their words and figures with it. `places`: where its
    markers stand in the answer, as pairs of offsets.
    """

    number: int
    document: str
    chunk: str
    title: str
    quote: str
    score: float
    url: str | None
    page: int | None
    start: int | None
    end: int | None
    supported: bool
    places: list[tuple[int, int]]


class UsageCard(BaseModel):
    """Tokens that language models read and wrote for it, all calls together, as OpenAI counts a chat's.

    Those of texts that were embedded or ranked for the search are not among them; their price is part of the cost.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int


class AnswerCard(BaseModel):
    """An answer with its sources; or, where it is `refused`, the word that there is none, and the nearest sources."""

    id: str
    object: Literal["rag.answer"] = "rag.answer"
    collection: str
    model: str
    answer: str
    citations: list[CitationCard]
    refused: bool
    refusal: Refusal | None
    nearest: list[CitationCard]
    searched: str = Field(description="The question as it was looked for.")
    finish_reason: str
    usage: UsageCard
    cost: str = Field(description="An amount and a currency, or `unknown`.")
    latency: dict[str, float] = Field(description="Seconds by step.")
    served: dict[str, str] = Field(description="Who answered, as the headers of inference say it.")
    conversation: str | None
    disclosure: str | None = Field(
        default=None,
        description="What the reader is to be told: at the first turn, where people talk to the tenant's models.",
    )


class TurnCard(Card):
    """A question and its answer."""

    question: str
    answer: str
    answer_id: str
    at: datetime


class ConversationCard(Card):
    """A conversation that is kept."""

    id: str
    object: Literal["rag.conversation"] = "rag.conversation"
    collection: str
    user: str
    created_at: datetime
    updated_at: datetime


class ConversationWhole(ConversationCard):
    """With its turns."""

    turns: list[TurnCard]


class ConversationList(BaseModel):
    """The newest first. `has_more`: ask again with `before` as the last one's id."""

    object: Literal["list"] = "list"
    data: list[ConversationCard]
    has_more: bool


def collection_card(shelf: Shelf, model: str) -> CollectionCard:
    """A collection, and the model that it is."""
    return CollectionCard(
        name=shelf.name,
        description=shelf.description,
        model=model,
        embedder=shelf.setup.embedder,
        size=shelf.setup.size,
        overlap=shelf.setup.overlap,
        version=shelf.version,
        documents=shelf.documents,
        chunks=shelf.chunks,
        created_at=shelf.created_at,
        updated_at=shelf.updated_at,
    )


def document_card(found: Document) -> DocumentCard:
    """A document."""
    return DocumentCard(
        id=found.id,
        collection=found.collection,
        key=found.key,
        origin=found.origin,
        state=found.state,
        title=found.title,
        url=found.url,
        media_type=found.media_type,
        language=found.language,
        groups=sorted(found.groups),
        metadata=dict(found.metadata),
        error=_trouble(found.trouble),
        warnings=list(found.warnings),
        bytes=found.size,
        pages=found.pages,
        characters=found.characters,
        chunks=found.chunks,
        duplicate_of=found.duplicate_of,
        job=found.job,
        refresh=found.refresh,
        created_at=found.created_at,
        updated_at=found.updated_at,
        indexed_at=found.indexed_at,
        checked_at=found.checked_at,
    )


def taken_card(taken: Taken) -> TakenCard:
    """What became of documents."""
    documents = [document_card(each) for each in taken.documents]
    return TakenCard(job=taken.job, documents=documents, unchanged=sorted(taken.unchanged))


def passage_card(chunk: Chunk) -> PassageCard:
    """A passage."""
    return PassageCard(**_passage(chunk))


def found_card(found: Found) -> FoundCard:
    """A passage that was found."""
    return FoundCard(
        **_passage(found.chunk),
        score=found.score,
        relevance=found.relevance,
        scores=Scores(text=found.text_score, dense=found.dense_score, rerank=found.rerank_score),
        url=found.url,
    )


def citation_card(citation: Citation) -> CitationCard:
    """A source."""
    return CitationCard.model_validate(citation)


def answer_card(answer: Answered) -> AnswerCard:
    """An answer."""
    usage = answer.usage
    return AnswerCard(
        id=answer.id,
        collection=answer.collection,
        model=answer.model,
        answer=answer.text,
        citations=_citations(answer.citations),
        refused=answer.refusal is not None,
        refusal=answer.refusal,
        nearest=_citations(answer.nearest),
        searched=answer.searched,
        finish_reason=answer.finish_reason,
        usage=UsageCard(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
        ),
        cost=answer.cost,
        latency=dict(answer.seconds),
        served=dict(answer.facts),
        conversation=answer.conversation,
        disclosure=answer.disclosure or None,
    )


def conversation_list(found: Sequence[Conversation], most: int) -> ConversationList:
    """The first of those that were found."""
    cards = [ConversationCard.model_validate(each) for each in found[:most]]
    return ConversationList(data=cards, has_more=len(found) > most)


def _passage(chunk: Chunk) -> dict[str, Any]:
    return {
        "id": chunk.id,
        "document": chunk.document,
        "title": chunk.title,
        "headings": list(chunk.headings),
        "text": chunk.text,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "language": chunk.language,
        "metadata": dict(chunk.metadata),
    }


def _citations(citations: Sequence[Citation]) -> list[CitationCard]:
    return [citation_card(each) for each in citations]


def _trouble(trouble: Trouble | None) -> TroubleCard | None:
    return None if trouble is None else TroubleCard.model_validate(trouble)
