"""`passerelle rag ingest`: hands documents in, watches them being read, and says what became of each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import click

from passerelle.cli.operator import Operator, operating
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.progress import Bar, follow, plain
from passerelle.cli.rag_files import About, Source, batches, find, metadata_of, request_of
from passerelle.cli.rag_paths import documents_of
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_PAGE = 500
_WELL = frozenset({"ready", "duplicate"})


@dataclass(slots=True)
class Handed:
    """What became of documents as they were handed in: their cards by id, and why others were refused, by key."""

    jobs: list[str] = field(default_factory=list)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    def take(self, reply: dict[str, Any]) -> None:
        """One reply."""
        if reply["job"] is not None and reply["job"] not in self.jobs:
            self.jobs.append(reply["job"])
        self.cards.update({card["id"]: card for card in reply["documents"]})
        self.unchanged.update(reply["unchanged"])

    @property
    def failed(self) -> int:
        """How many are not as they should be."""
        return len(self.refused) + sum(card["state"] not in _WELL for card in self.cards.values())


@click.command("ingest")
@click.argument("places", nargs=-1, required=True, metavar="PATH|URL...")
@click.option("--collection", required=True, help="That they go to; it is made where there is none.")
@with_tenant
@click.option("--group", "groups", multiple=True, help="Who may see them; without it, the whole tenant.")
@click.option("--title", default="", help="Of a single document.")
@click.option("--language", default="", help="ISO 639-1, such as fr; else it is found out.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="What searches may ask for.")
@click.option("--refresh", metavar="TIME", help="How often pages are looked at again, such as 24h.")
@click.option("--wait/--no-wait", default=True, help="Watch until all are read.", show_default=True)
@as_json
@with_settings
def ingest(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    places: tuple[str, ...],
    collection: str,
    tenant: str,
    groups: tuple[str, ...],
    title: str,
    language: str,
    metadata: tuple[str, ...],
    refresh: str | None,
    wait: bool,
    json_: bool,
) -> None:
    """Read files, folders and pages into a collection.

    Of folders, files that can be read are taken, hidden ones are not. The same again changes only what has changed.
    Exit status: 0 all are read, 1 some are not, each with the reason.
    """
    sources, left = find(places)
    if title and len(sources) != 1:
        raise CannotRun("A title is one document's.", "Give one document, or leave --title out.")
    if refresh is not None and any(source.file is not None for source in sources):
        raise CannotRun("Files are not looked at again.", "Give --refresh for addresses alone.")
    about = About(title, language, groups, metadata_of(metadata), refresh)
    with operating(settings) as operator:
        handed = Handed()
        for batch in batches(sources):
            _hand_in(operator, documents_of(collection, tenant=tenant), batch, about, handed)
        if wait and handed.jobs:
            _watch(operator, tenant, handed, quiet=json_)
            _look(operator, collection, tenant, handed)
    waits = bool(handed.jobs) and not wait
    failed = len(handed.refused) if waits else handed.failed
    if json_:
        shown = {
            "collection": collection,
            "jobs": handed.jobs,
            "documents": list(handed.cards.values()),
            "unchanged": sorted(handed.unchanged),
            "refused": [{"key": key, "reason": reason} for key, reason in handed.refused.items()],
            "left_out": [str(file) for file in left],
            "failed": failed,
        }
        print_json(shown)
    else:
        _tell(handed, left=len(left), waits=waits)
    if failed:
        sys.exit(1)


def _hand_in(operator: Operator, path: str, batch: Sequence[Source], about: About, handed: Handed) -> None:
    """All of a batch at once, and where that is refused, one by one: one bad file stands in nobody's way."""
    try:
        body, kind = request_of(batch, about)
        handed.take(operator.order("POST", path, body, kind=kind))
    except CannotRun as error:
        if len(batch) == 1:
            handed.refused[batch[0].key] = str(error)
            return
        for source in batch:
            _hand_in(operator, path, [source], about, handed)


def _watch(operator: Operator, tenant: str, handed: Handed, *, quiet: bool) -> None:
    names = {id_: card["key"] for id_, card in handed.cards.items()}
    items = len(handed.cards) - len(handed.unchanged)
    with Bar(sys.stderr, names) if not quiet else nullcontext() as bar:
        follow(operator, tenant, handed.jobs, bar.tell if bar is not None else _nothing, items=items)


def _look(operator: Operator, collection: str, tenant: str, handed: Handed) -> None:
    """How the documents stand by now."""
    wanted = set(handed.cards)
    before = None
    while wanted:
        path = documents_of(collection, tenant=tenant, limit=_PAGE, before=before)
        page = operator.order("GET", path)
        for card in page["data"]:
            if card["id"] in wanted:
                wanted.discard(card["id"])
                handed.cards[card["id"]] = card
        if not page["has_more"]:
            break
        before = page["data"][-1]["id"]


def _tell(handed: Handed, *, left: int, waits: bool) -> None:
    for card in handed.cards.values():
        click.echo(plain(_line(card, unchanged=card["id"] in handed.unchanged)))
    for key, reason in handed.refused.items():
        click.echo(plain(f"refused    {key}: {reason}"))
    if left:
        click.echo(f"{left} files were left out: their endings are not those of documents.")
    if waits:
        click.echo(f"They are read by {', '.join(handed.jobs)}: passerelle jobs follow.")


def _line(card: dict[str, Any], *, unchanged: bool) -> str:
    line = f"{'unchanged' if unchanged else card['state']:<9}  {card['key']}"
    if card["state"] == "failed" and card["error"]:
        return f"{line}: {card['error']['message']} ({card['error']['code']})"
    if card["state"] == "duplicate":
        return f"{line}: the same as {card['duplicate_of']}"
    if card["state"] == "ready":
        pages = f"{card['pages']} pages, " if card["pages"] else ""
        line = f"{line}  {pages}{card['chunks']} passages"
    return "; ".join([line, *card["warnings"]])


def _nothing(*_: object) -> None:
    """Nobody watches."""
