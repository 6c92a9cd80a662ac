"""Where a tenant's collections and documents are asked for."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def rag_path(*parts: str, tenant: str, **query: object) -> str:
    """A path below `/v1/rag`, with what is asked of it; None is not asked."""
    given = {name: value for name, value in query.items() if value is not None}
    route = "/".join(["/v1/rag", *(quote(part, safe="") for part in parts)])
    return f"{route}?{urlencode({'tenant': tenant, **given})}"


def documents_of(collection: str, *parts: str, tenant: str, **query: object) -> str:
    """The documents of a collection, or one of them."""
    return rag_path("collections", collection, "documents", *parts, tenant=tenant, **query)
