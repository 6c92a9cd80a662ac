"""A tenant's own behind the service's routes: whose it is, the paths to it, and how it is shown to a machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click
import orjson

with_tenant = click.option("--tenant", required=True, help="Whose it is.")


def path_below(route: str, *parts: str | int, tenant: str, **query: object) -> str:
    """A path below a route, with what is asked of it; None is not asked, and `with_` is `with`."""
    given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    path = "/".join([route, *(quote(str(part), safe="") for part in parts)])
    return f"{path}?{urlencode({'tenant': tenant, **given})}"


def print_json(document: Any) -> None:
    """A document, for a machine."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
