"""Where a tenant's collections and documents are asked for."""

from __future__ import annotations

from passerelle.cli.paths import path_below


def rag_path(*parts: str, tenant: str, **query: object) -> str:
    """A path below `/v1/rag`."""
    return path_below("/v1/rag", *parts, tenant=tenant, **query)


def documents_of(collection: str, *parts: str, tenant: str, **query: object) -> str:
    """The documents of a collection, or one of them."""
    return rag_path("collections", collection, "documents", *parts, tenant=tenant, **query)
