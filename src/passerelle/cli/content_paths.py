"""Where a tenant's texts are asked for."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import click

with_tenant = click.option("--tenant", required=True, help="Whose it is.")


def content_path(*parts: str | int, tenant: str, **query: object) -> str:
    """A path below `/v1/content`, with what is asked of it; None is not asked."""
    given = {name: value for name, value in query.items() if value is not None}
    route = "/".join(["/v1/content", *(quote(str(part), safe="") for part in parts)])
    return f"{route}?{urlencode({'tenant': tenant, **given})}"
