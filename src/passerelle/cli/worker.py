"""`passerelle worker`: works on jobs until told to stop, and answers nobody."""

from __future__ import annotations

import click
import uvloop

from passerelle.cli.options import with_settings
from passerelle.settings import Settings
from passerelle.worker import work


@click.command("worker")
@click.option(
    "--concurrency",
    "job_concurrency",
    type=click.IntRange(1, 256),
    help="Items of jobs at once [PASSERELLE_JOB_CONCURRENCY].",
)
@with_settings
def worker_verb(settings: Settings) -> None:
    """Work on jobs. Needs DATABASE_URL, REDIS_URL and QDRANT_URL: what is read here is found everywhere.

    Any number may run, on any machine that reads the same configuration. SIGTERM lets items end within
    PASSERELLE_DRAIN_SECONDS, a second one gives them back at once; what a killed one had in hand is done by another.
    Exit status: 0 it was told to stop, 2 it cannot run.
    """

    def tell(concurrency: int) -> None:
        click.echo(f"Passerelle works on jobs, {concurrency} items at once")

    uvloop.run(work(settings, started=tell))
