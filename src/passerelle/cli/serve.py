"""`passerelle serve`: the service, until told to stop."""

from __future__ import annotations

import click
import uvloop

from passerelle.app import serve
from passerelle.cli.demo import first_keys, welcome
from passerelle.cli.options import with_settings
from passerelle.parts import Parts
from passerelle.settings import Settings


@click.command("serve")
@click.option("--host", help="The address to listen on [PASSERELLE_HOST].")
@click.option("--port", type=int, help="The port to listen on; 0 takes a free one [PASSERELLE_PORT].")
@click.option(
    "--demo", is_flag=True, help="Make a key for the tenant `demo` and one for you, and print how to call."
)
@with_settings
def serve_verb(settings: Settings, demo: bool) -> None:
    """Serve the API. Without DATABASE_URL, PostgreSQL runs as a child of this process, in the data folder."""

    async def started(parts: Parts, port: int) -> None:
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        click.echo(f"Passerelle answers on http://{shown}:{port}")
        if demo:
            welcome(await first_keys(parts), address=f"http://{shown}:{port}", catalog=parts.live.catalog)

    uvloop.run(serve(settings, started=started))
