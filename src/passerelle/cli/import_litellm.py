"""`passerelle import-litellm`: a LiteLLM proxy's configuration as a `providers.yaml`, and what could not be taken over."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from passerelle.backends.registry import kinds
from passerelle.cli.options import as_json, with_settings
from passerelle.configured import load_file
from passerelle.domain.errors import CannotRun, ConfigurationRefused, Finding
from passerelle.routing.litellm_file import import_litellm
from passerelle.routing.live import read_text
from passerelle.settings import Settings

_NEW = Path("providers.yaml")


@click.command("import-litellm")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Write it here instead of printing it.")
@as_json
@with_settings
def import_litellm_verb(settings: Settings, file: Path, output: Path | None, json_: bool) -> None:
    """Print what a LiteLLM proxy's config.yaml means as a providers.yaml; on standard error what was not taken over.

    Secrets are not copied: the new file refers to them by a name.

    Exit status: 0 the new file is usable, 1 it has errors, 2 nothing could be taken over.
    """
    if output is not None and output.exists():
        raise CannotRun(f"The file {output} is there already.", "Name another one, or move it away.")
    options = {name: kind.options for name, kind in kinds(settings.data / "models").items()}
    imported = import_litellm(_read(file), kinds=options, source=str(file))
    if imported.text is None:
        _tell(finding for finding in imported.findings if finding.severity != "error")
        raise ConfigurationRefused([f for f in imported.findings if f.severity == "error"])
    new = settings.model_copy(update={"config": output or _NEW})
    loaded = load_file(new, imported.text)
    told = (*imported.findings, *(finding for finding in loaded.findings if finding.severity != "info"))
    if output is not None:
        _write(output, imported.text)
    if json_:
        document = {
            "usable": loaded.catalog is not None,
            "output": str(output) if output else None,
            "text": imported.text,
            "findings": [asdict(finding) for finding in told],
        }
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    else:
        if output is None:
            click.echo(imported.text, nl=False)
        _tell(told)
    sys.exit(0 if loaded.catalog is not None else 1)


def _read(file: Path) -> str:
    try:
        return read_text(file)
    except CannotRun as error:
        raise CannotRun(error.cause, "Name the config.yaml of a LiteLLM proxy.") from error


def _write(output: Path, text: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        cause = f"The file {output} cannot be written: {(error.strerror or 'error').lower()}."
        raise CannotRun(cause, "Name another one with --output.") from error


def _tell(findings: Iterable[Finding]) -> None:
    for finding in findings:
        click.echo(str(finding), err=True)
