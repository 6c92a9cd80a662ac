"""`passerelle serve`: the service, until told to stop."""

from __future__ import annotations

import asyncio
import sys

import click
import uvloop

from passerelle import workers
from passerelle.app import serve
from passerelle.cli.demo import first_keys, welcome
from passerelle.cli.options import with_settings
from passerelle.parts import Parts
from passerelle.serving import Inherited
from passerelle.settings import Settings


@click.command("serve")
@click.option("--host", help="The address to listen on [PASSERELLE_HOST].")
@click.option("--port", type=int, help="The port to listen on; 0 takes a free one [PASSERELLE_PORT].")
@click.option(
    "--workers",
    type=int,
    help="Processes that share the port; more than one need DATABASE_URL and REDIS_URL [PASSERELLE_WORKERS].",
)
@click.option(
    "--demo", is_flag=True, help="Make a key for the tenant `demo` and one for you, and print how to call."
)
@click.option(
    "--worker", type=int, hidden=True, help="The number of a worker that was started by its parent."
)
@click.option("--inherited", hidden=True, help="The handles of the sockets that it has from it.")
@with_settings
def serve_verb(settings: Settings, demo: bool, inherited: str | None) -> None:
    """Serve the API. Without DATABASE_URL, PostgreSQL runs as a child of this process, in the data folder."""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host

    def tell(port: int) -> None:
        click.echo(f"Passerelle answers on http://{shown}:{port}")

    async def started(parts: Parts, port: int) -> None:
        if inherited is None:
            tell(port)
        if demo and not settings.worker:
            welcome(await first_keys(parts), address=f"http://{shown}:{port}", catalog=parts.live.catalog)

    if inherited is None and settings.workers > 1:
        arguments = ["serve", "--config", str(settings.config), "--data", str(settings.data)]
        arguments += ["--host", settings.host, *(["--demo"] if demo else [])]
        sys.exit(asyncio.run(workers.run(settings, arguments, started=tell)))
    uvloop.run(
        serve(settings, started=started, inherited=Inherited.of(inherited) if inherited is not None else None)
    )
