"""Where a tenant's texts are asked for."""

from __future__ import annotations

from passerelle.cli.paths import path_below


def content_path(*parts: str | int, tenant: str, **query: object) -> str:
    """A path below `/v1/content`."""
    return path_below("/v1/content", *parts, tenant=tenant, **query)
