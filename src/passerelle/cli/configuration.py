"""`passerelle check`, `explain` and `schema`: the configuration, looked at without running anything."""

from __future__ import annotations

import sys
from dataclasses import asdict
from urllib.parse import urlencode

import click
import orjson

from passerelle.backends.registry import kinds
from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.configured import load_file
from passerelle.domain.ask import Capability, Needs
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import ConfigurationRefused
from passerelle.routing import egress
from passerelle.routing.explain import explain
from passerelle.routing.live import read_text
from passerelle.routing.schema import json_schema
from passerelle.settings import Settings


@click.command()
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@as_json
@with_settings
def check(settings: Settings, strict: bool, json_: bool) -> None:
    """Check the configuration: line, cause and cure of everything found.

    Exit status: 0 usable, 1 a policy leaves a model without a target, 2 not usable.
    """
    loaded = load_file(settings, read_text(settings.config), strict=strict)
    if json_:
        findings = [asdict(finding) for finding in loaded.findings]
        click.echo(
            orjson.dumps(
                {"usable": loaded.catalog is not None, "findings": findings}, option=orjson.OPT_INDENT_2
            )
        )
    else:
        for finding in loaded.findings:
            click.echo(str(finding))
        if loaded.catalog is not None:
            catalog = loaded.catalog
            click.echo(
                f"{settings.config} is usable: {len(catalog.backends)} backends, {len(catalog.models)} models, "
                f"{len(catalog.tenants)} tenants; version {catalog.version}"
            )
    sys.exit(loaded.exit_code)


@click.command("explain")
@click.option("--tenant", help="The tenant that would ask.")
@click.option("--model", help="The model it would ask for.")
@click.option("--egress", "egress_", is_flag=True, help="Instead: every host that this service connects to.")
@click.option(
    "--needs",
    multiple=True,
    type=click.Choice([c.value for c in Capability]),
    help="What the request would need.",
)
@click.option("--live", is_flag=True, help="Ask the running service, which knows what backends have said.")
@as_json
@with_settings
def explain_verb(
    settings: Settings,
    tenant: str | None,
    model: str | None,
    needs: tuple[str, ...],
    *,
    egress_: bool,
    live: bool,
    json_: bool,
) -> None:
    """Every target in order, and the reason each other one was left out; calls no backend."""
    if egress_:
        _show_egress(settings, json_=json_)
        return
    if tenant is None or model is None:
        raise click.UsageError("Give --tenant and --model, or --egress.")
    if live:
        query = urlencode([("tenant", tenant), ("model", model), *(("needs", need) for need in needs)])
        report = order(settings, "GET", f"/admin/explain?{query}")
        shown = orjson.dumps(report["plan"], option=orjson.OPT_INDENT_2) if json_ else report["text"]
        click.echo(shown)
        sys.exit(0 if report["plan"]["targets"] else 1)
    catalog = _drafted(settings)
    wanted = Needs(frozenset(Capability(need) for need in needs))
    explanation = explain(catalog, tenant, model, wanted)
    if json_:
        click.echo(orjson.dumps(explanation.as_json(), option=orjson.OPT_INDENT_2))
    else:
        click.echo(explanation.as_text())
    sys.exit(0 if explanation.steps else 1)


def _drafted(settings: Settings) -> Catalog:
    """The configured catalog, also one that a policy refuses. Raises ConfigurationRefused."""
    loaded = load_file(settings, read_text(settings.config))
    catalog = loaded.catalog or loaded.draft
    if catalog is None:
        raise ConfigurationRefused(loaded.errors)
    return catalog


def _show_egress(settings: Settings, *, json_: bool) -> None:
    found = egress.egress(_drafted(settings))
    shown = (
        orjson.dumps(egress.as_json(found), option=orjson.OPT_INDENT_2) if json_ else egress.as_text(found)
    )
    click.echo(shown)


@click.command()
@with_settings
def schema(settings: Settings) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    options = {name: kind.options for name, kind in kinds(settings.data / "models").items()}
    click.echo(orjson.dumps(json_schema(options), option=orjson.OPT_INDENT_2))
