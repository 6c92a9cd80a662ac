"""`passerelle rag`: documents that are answered from: handing in, asking, looking, deleting."""

from __future__ import annotations

from collections.abc import Iterator

import click

from passerelle.cli.operator import operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.rag_ask import ask, search
from passerelle.cli.rag_eval import eval_verb
from passerelle.cli.rag_ingest import ingest
from passerelle.cli.rag_paths import documents_of, rag_path
from passerelle.cli.shown import Card, show_list, show_page
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_STATES = ("queued", "reading", "ready", "failed", "duplicate", "deleting")


@click.group()
def rag() -> None:
    """Documents that are answered from: hand them in, ask, look, delete."""


for _verb in (ingest, ask, search, eval_verb):
    rag.add_command(_verb)


@rag.command("collections")
@with_tenant
@as_json
@with_settings
def collections(settings: Settings, tenant: str, json_: bool) -> None:
    """A tenant's collections by name."""
    found = order(settings, "GET", rag_path("collections", tenant=tenant))["data"]
    show_list(found, _collection_lines, json_=json_, none="There are no collections.")


@rag.command("documents")
@click.option("--collection", required=True)
@with_tenant
@click.option("--state", type=click.Choice(_STATES), help="Only those that stand so.")
@click.option("--before", metavar="DOCUMENT", help="Those before that one.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@as_json
@with_settings
def documents(
    settings: Settings,
    collection: str,
    tenant: str,
    state: str | None,
    before: str | None,
    limit: int,
    json_: bool,
) -> None:
    """A collection's documents, the newest first."""
    path = documents_of(collection, tenant=tenant, state=state, before=before, limit=limit)
    page = order(settings, "GET", path)
    show_page(page, _document_lines, json_=json_, none="There are no documents.")


@rag.command("delete")
@click.argument("documents", nargs=-1, metavar="[DOCUMENT]...")
@click.option("--collection", required=True)
@with_tenant
@click.option("--all", "everything", is_flag=True, help="The collection with all that is in it.")
@with_settings
def delete(
    settings: Settings, documents: tuple[str, ...], collection: str, tenant: str, everything: bool
) -> None:
    """Delete documents by their ids, or a whole collection: vectors and kept answers with them."""
    if everything == bool(documents):
        raise CannotRun("Nothing says what is meant.", "Give ids of documents, or --all.")
    with operating(settings) as operator:
        if everything:
            operator.order("DELETE", rag_path("collections", collection, tenant=tenant))
            click.echo(plain(f"{collection} is deleted."))
        for each in documents:
            operator.order("DELETE", documents_of(collection, each, tenant=tenant))
            click.echo(plain(f"{each} is deleted."))


def _collection_lines(card: Card) -> Iterator[str]:
    how = card["embedder"] or "words only"
    line = f"{card['name']:<24}  {card['documents']} documents, {card['chunks']} passages, {how}"
    yield f"{line}  {card['description']}".rstrip()


def _document_lines(card: Card) -> Iterator[str]:
    line = f"{card['id']}  {card['state']:<9}  {card['chunks']:>5} passages  {card['key']}"
    if card["error"]:
        line = f"{line}: {card['error']['message']} ({card['error']['code']})"
    yield line
