"""Where a tenant's surveys are asked for, how long work is watched, and how lists are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from passerelle.cli.operator import Operator
from passerelle.cli.paths import path_below
from passerelle.cli.progress import Bar, Tally, follow
from passerelle.domain.errors import CannotRun

LANGUAGES = click.Choice(["fr", "en"])


def survey_path(*parts: str | int, tenant: str, **query: object) -> str:
    """A path below `/v1/surveys`."""
    return path_below("/v1/surveys", *parts, tenant=tenant, **query)


def watch(operator: Operator, tenant: str, job: str, *, quiet: bool) -> Tally:
    """Wait until a job is over, and work on it here where no service does. Raises CannotRun."""
    with Bar(sys.stderr) if not quiet else nullcontext() as bar:
        told: Callable[..., None] = bar.tell if bar is not None else _nothing
        return follow(operator, tenant, [job], told)


def percent(share: float) -> str:
    """A share, to a tenth of a percent."""
    return f"{100 * share:.1f} %"


def written(content: bytes, output: Path | None) -> None:
    """A file, or the terminal where none is named. Raises CannotRun."""
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise CannotRun(f"{output} cannot be written: {why}.", "Name another file.") from error
    click.echo(f"{output} is written.", err=True)


def listed(text: str | None) -> Sequence[str] | None:
    """Names between commas; None where nothing is said, and none where it is empty."""
    if text is None:
        return None
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _nothing(*_: object) -> None:
    """Nobody watches."""
