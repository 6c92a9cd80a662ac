"""Passages in the order of a reranker. Imported late: LangChain takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.documents import BaseDocumentCompressor, Document

from passerelle.domain.rag import Found


async def in_order_of(reranker: BaseDocumentCompressor, question: str, found: Sequence[Found]) -> list[Found]:
    """Those that it keeps, best first, with its scores. Raises PasserelleError."""
    documents = [
        Document(page_content=one.chunk.text, metadata={"title": one.chunk.title, "place": place})
        for place, one in enumerate(found)
    ]
    ranks = await reranker.acompress_documents(documents, question)
    scores = [float(document.metadata["relevance_score"]) for document in ranks]
    return [
        replace(found[document.metadata["place"]], score=score, rerank_score=score)
        for document, score in zip(ranks, scores, strict=True)
    ]
