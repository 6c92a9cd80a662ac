"""`passerelle jobs`: how work stands that outlives its requests, and what becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import click

from passerelle.cli.operator import operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import path_below, with_tenant
from passerelle.cli.progress import Bar, follow, in_lines, plain
from passerelle.cli.shown import Card, say, show_card, show_page
from passerelle.settings import Settings

_MOST_ITEMS = 200


@click.group()
def jobs() -> None:
    """Work that outlives its requests, such as reading documents: how it stands, and what becomes of it."""


@jobs.command("list")
@with_tenant
@click.option("--kind", help="Only of this kind.")
@click.option("--before", metavar="JOB", help="Those made before that one.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@as_json
@with_settings
def list_(
    settings: Settings, tenant: str, kind: str | None, before: str | None, limit: int, json_: bool
) -> None:
    """List a tenant's jobs, the newest first."""
    cards = order(settings, "GET", path_of(tenant, kind=kind, before=before, limit=limit))
    show_page(cards, _lines, json_=json_, none="There are no jobs.")


@jobs.command("show")
@with_tenant
@click.argument("job")
@as_json
@with_settings
def show(settings: Settings, tenant: str, job: str, json_: bool) -> None:
    """How a job stands, and why items of it failed."""
    with operating(settings) as operator:
        card = operator.order("GET", path_of(tenant, job))
        failed = operator.order("GET", path_of(tenant, job, "items", state="failed", limit=_MOST_ITEMS))
    lines = [*_lines(card), *map(_why, failed["data"]), *(["  and more"] if failed["has_more"] else [])]
    show_card({**card, "failed": failed["data"]}, lines, json_=json_)


@jobs.command("follow")
@with_tenant
@click.argument("job")
@as_json
@with_settings
def follow_verb(settings: Settings, tenant: str, job: str, json_: bool) -> None:
    """Watch a job until it is over; where no service runs, work on it here.

    Exit status: 0 every item is done, 1 some are not.
    """
    with operating(settings) as operator:
        if json_:
            tally = follow(operator, tenant, [job], in_lines)
        else:
            with Bar(sys.stderr) as bar:
                tally = follow(operator, tenant, [job], bar.tell)
            click.echo(f"{plain(job)}: {tally.state}")
    if tally.state != "done":
        raise SystemExit(1)


def _changing(name: str, doc: str) -> click.Command:
    """A verb that changes a job and shows it."""

    @with_tenant
    @click.argument("job")
    @as_json
    @with_settings
    def change(settings: Settings, tenant: str, job: str, json_: bool) -> None:
        card = order(settings, "POST", path_of(tenant, job, name))
        show_card(card, _lines(card), json_=json_)

    made: Callable[..., None] = change
    return click.command(name, help=doc)(made)


for _name, _doc in (
    ("cancel", "Stop a job: what waits is cancelled, what runs is stopped."),
    ("pause", "Begin nothing more of a job; what runs is finished."),
    ("resume", "Go on with a paused job."),
):
    jobs.add_command(_changing(_name, _doc))


@jobs.command("retry")
@with_tenant
@click.argument("job")
@click.option("--item", "items", multiple=True, help="The key of a failed item; without it, all of them.")
@as_json
@with_settings
def retry(settings: Settings, tenant: str, job: str, items: tuple[str, ...], json_: bool) -> None:
    """Try failed items of a job again."""
    body = {"items": list(items)} if items else None
    card = order(settings, "POST", path_of(tenant, job, "retry"), body)
    show_card(card, _lines(card), json_=json_)


@jobs.command("delete")
@with_tenant
@click.argument("job")
@with_settings
def delete(settings: Settings, tenant: str, job: str) -> None:
    """Delete a job that is over, with its items, results and events."""
    order(settings, "DELETE", path_of(tenant, job))
    say([f"{job} is deleted."])


def path_of(tenant: str, *parts: str, **query: object) -> str:
    """Where a tenant's jobs are asked for."""
    return path_below("/v1/jobs", *parts, tenant=tenant, **query)


def _why(item: Card) -> str:
    error = item["error"] or {"code": "unknown", "message": "unknown"}
    return f"  {item['key']}: {error['message']} ({error['code']})"


def _lines(card: Card) -> Iterator[str]:
    progress = card["progress"]
    over = progress["total"] - progress["queued"] - progress["running"]
    failed = f"{progress['failed']} failed" if progress["failed"] else ""
    made = card["created_at"][:16].replace("T", " ")
    counts = f"{over}/{progress['total']}"
    line = f"{card['id']}  {card['state']:<13}  {card['kind']:<16}  {counts:<11}  {made}  {failed}"
    yield line.rstrip()
