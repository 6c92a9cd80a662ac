"""`passerelle costs` for finance: compare with invoices, correct, close months, keep rates and weights fresh."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click
import orjson

from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--provider", required=True, help="Who sends the invoice, such as huggingface.")
@click.option("--month", required=True, help="That it is of, such as 2026-10.")
@click.option("--file", "file", type=_file, help="The invoice: CSV, or the JSON of Hugging Face's usage.")
@click.option("--api", is_flag=True, help="Ask Hugging Face instead.")
@click.option(
    "--organization", help="Of --api: whose usage; without it, the one that pays by the configuration."
)
@click.option("--currency", help="Of amounts that name none.")
@click.option("--dry-run", is_flag=True, help="Compare, and book nothing.")
@as_json
@with_settings
def reconcile(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    provider: str,
    month: str,
    file: Path | None,
    api: bool,
    organization: str | None,
    currency: str | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Compare a month with what a provider invoices, and book one correction. Exit 1 when the gap is large."""
    if api == (file is not None):
        raise CannotRun("Nothing says what to compare with.", "Give either --file or --api.")
    wanted = {
        "provider": provider,
        "month": month,
        "content": None if file is None else _encoded(file),
        "source": "" if file is None else file.name[:200],
        "currency": currency,
        "organization": organization,
        "book": not dry_run,
    }
    done = order(settings, "POST", "/admin/ledger/reconcile", wanted)
    if json_:
        click.echo(orjson.dumps(done, option=orjson.OPT_INDENT_2))
    else:
        _tell(done, dry_run=dry_run)
    if done["alert"]:
        raise SystemExit(1)


def _tell(done: dict[str, Any], *, dry_run: bool) -> None:
    currency = done["currency"]
    click.echo(
        f"{done['provider']} invoices {done['theirs']} {currency} for {done['month']}; "
        f"the books have {done['ours']}: a gap of {done['gap']}."
    )
    for part in done["parts"]:
        click.echo(
            f"  {part['by']} {part['name']}: theirs {part['theirs'] or '-'}, ours {part['ours'] or '-'}"
        )
    if done["unpriced"]:
        click.echo(f"  {done['unpriced']} entries have no price, which explains some of it.")
    if done["again"]:
        click.echo("This invoice was booked before.")
    elif not dry_run:
        click.echo(f"Booked: {done['booked']} {currency} ({done['reference']}).")
    if done["alert"]:
        click.echo("The gap is larger than is tolerated: look for the reason.")


@click.command("close")
@click.option("--month", required=True, help="Such as 2026-10.")
@click.option("--force", is_flag=True, help="In spite of what is found wrong.")
@as_json
@with_settings
def close(settings: Settings, month: str, force: bool, json_: bool) -> None:
    """Close a month: from then on corrections fall in the next one."""
    closed = order(settings, "POST", "/admin/ledger/close", {"month": month, "force": force})
    if json_:
        click.echo(orjson.dumps(closed, option=orjson.OPT_INDENT_2))
        return
    for finding in closed["passed_over"]:
        click.echo(f"In spite of: {finding}")
    when = "is closed" if closed["fresh"] else f"was closed on {closed['closed_at'][:10]}"
    click.echo(f"{closed['month']} {when}. SHA-256 of its entries: {closed['digest']}")


@click.command()
@click.option("--tenant", required=True)
@click.option("--amount", required=True, help="In the operator's currency.")
@click.option("--reason", required=True, help="Seen in the ledger; no personal data.")
@with_settings
def credit(settings: Settings, tenant: str, amount: str, reason: str) -> None:
    """Give money back to a tenant; it shows in the report of the month that is open."""
    wanted = {"tenant": tenant, "amount": amount, "reason": reason}
    click.echo(order(settings, "POST", "/admin/ledger/credit", wanted)["reference"])


@click.command()
@click.option("--file", "file", type=_file, help="The European Central Bank's eurofxref CSV or its zip.")
@click.option("--fetch", "fetching", is_flag=True, help="Get it from the European Central Bank.")
@with_settings
def rates(settings: Settings, file: Path | None, fetching: bool) -> None:
    """Install newer rates of exchange."""
    if fetching == (file is not None):
        raise CannotRun("Nothing says where the rates come from.", "Give either --file or --fetch.")
    content = None if file is None else _encoded(file)
    newest = order(settings, "POST", "/admin/ledger/rates", {"content": content})["newest"]
    click.echo(f"The newest rates are of {newest}.")


@click.command()
@click.argument("backend")
@as_json
@with_settings
def calibrate(settings: Settings, backend: str, json_: bool) -> None:
    """What tokens cost an engine's time, by its tries of the last thirty days: weights for its `capacity`."""
    found = order(settings, "POST", f"/admin/ledger/calibrate/{backend}")
    if json_:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    click.echo(f"{found['why']} ({found['tries']} tries)")
    if found["weights"]:
        click.echo(
            "capacity: {weights: {" + ", ".join(f"{k}: {v}" for k, v in found["weights"].items()) + "}}"
        )


@click.command()
@as_json
@with_settings
def webhooks(settings: Settings, json_: bool) -> None:
    """Events that no webhook has taken yet, and those that were given up."""
    events = order(settings, "GET", "/admin/ledger/webhooks")["events"]
    if json_:
        click.echo(orjson.dumps(events, option=orjson.OPT_INDENT_2))
        return
    for each in events:
        state = (
            f"given up {each['given_up_at'][:16]}" if each["given_up_at"] else f"next {each['next_at'][:16]}"
        )
        click.echo(
            f"{each['webhook']}  {each['event']}  {each['tenant']}  {each['tries']} tries  {state}  {each['problem'] or ''}"
        )
    if not events:
        click.echo("All events were delivered.")


def _encoded(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        raise CannotRun(
            f"{file} cannot be read: {(error.strerror or 'error').lower()}.", "Name another."
        ) from error


COMMANDS = (reconcile, close, credit, rates, calibrate, webhooks)
