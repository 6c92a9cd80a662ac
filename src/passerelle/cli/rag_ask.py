"""`passerelle rag ask` and `search`: an answer as it comes, with its sources; and the passages behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from passerelle.cli.operator import operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.rag_paths import rag_path
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_LONGEST_QUOTE = 300  # characters that are shown


@click.command("ask")
@click.argument("question")
@click.option("--collection", required=True)
@with_tenant
@click.option("--group", "groups", multiple=True, help="For whom; without it, what the whole tenant may see.")
@click.option("--model", help="That answers; else the tenant's own.")
@as_json
@with_settings
def ask(
    settings: Settings,
    question: str,
    collection: str,
    tenant: str,
    groups: tuple[str, ...],
    model: str | None,
    json_: bool,
) -> None:
    """Answer a question from a collection, with numbered sources: title, page, quote.

    Exit status: 0 answered, 1 the collection does not hold the answer.
    """
    body = {"collection": collection, "question": question, "stream": not json_}
    body |= {"groups": list(groups)} if groups else {}
    body |= {"model": model} if model else {}
    path = rag_path("chat", tenant=tenant)
    answered(settings, path, body, _sources)


@click.command("search")
@click.argument("query")
@click.option("--collection", required=True)
@with_tenant
@click.option("--group", "groups", multiple=True, help="For whom; without it, what the whole tenant may see.")
@click.option("--mode", type=click.Choice(["text", "dense", "hybrid"]), help="By words, by meaning, or both.")
@click.option("-k", "k", type=click.IntRange(1, 100), help="How many passages.")
@as_json
@with_settings
def search(
    settings: Settings,
    query: str,
    collection: str,
    tenant: str,
    groups: tuple[str, ...],
    mode: str | None,
    k: int | None,
    json_: bool,
) -> None:
    """The best passages of a collection, the best first."""
    given: dict[str, Any] = {"k": k, "mode": mode, "groups": list(groups) or None}
    body: dict[str, Any] = {"collection": collection, "query": query}
    body |= {name: value for name, value in given.items() if value is not None}
    found = order(settings, "POST", rag_path("search", tenant=tenant), body)
    if json_:
        print_json(found)
        return
    if not found["data"]:
        click.echo("Nothing is found.")
    for number, each in enumerate(found["data"], 1):
        click.echo(plain(f"{number}. {_place(each)}  {each['score']:.3f}"))
        click.echo(f"   {short(each['text'])}")


def answered(
    settings: Settings, path: str, body: dict[str, Any], sources: Callable[[dict[str, Any]], None]
) -> None:
    """Ask, and show the answer with its sources: as it comes, or whole where no `stream` is asked for.

    Exit status: 0 answered, 1 what is asked does not hold the answer.
    """
    if body["stream"]:
        answer = _streamed(settings, path, body)
        sources(answer)
    else:
        answer = order(settings, "POST", path, body)
        print_json(answer)
    if answer["refused"]:
        sys.exit(1)


def _streamed(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Print the answer as it comes; the whole of it."""
    whole: dict[str, Any] | None = None
    with operating(settings) as operator:
        for event, said in operator.follow("POST", path, body):
            if event == "delta":
                click.echo(_text(said["text"]), nl=False)
            elif event == "answer":
                whole = said
    click.echo()
    if whole is None:
        raise CannotRun("The answer broke off.", "Ask again.")
    return whole


def _sources(answer: dict[str, Any]) -> None:
    sources = answer["citations"]
    if answer["refused"]:
        sources = answer["nearest"]
        if sources:
            click.echo("\nThe nearest passages:")
    elif sources:
        click.echo()
    for source in sources:
        doubt = "" if source["supported"] else "  (its words do not show what is said)"
        click.echo(plain(f"[{source['number']}] {_place(source)}{doubt}"))
        click.echo(f"    “{short(source['quote'])}”")
    seconds = sum(answer["latency"].values())
    whole = answer["latency"].get("total", seconds)
    click.echo(plain(f"{answer['model']}, {whole:.1f} s, {answer['cost']}"), err=True)


def _place(source: dict[str, Any]) -> str:
    page = f", page {source['page']}" if source["page"] is not None else ""
    url = f"  {source['url']}" if source["url"] else ""
    return f"{source['title'] or source['document']}{page}{url}"


def short(text: str) -> str:
    """A quote in one line, cut where it is long."""
    text = plain(" ".join(text.split()))
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def _text(piece: str) -> str:
    """Words of a model, in lines: nothing that a terminal would take for an order."""
    return "".join(sign if sign in "\n\t" else plain(sign) for sign in piece)
