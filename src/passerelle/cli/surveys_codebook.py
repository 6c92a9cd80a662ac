"""`passerelle surveys codebook`: categories in their versions: written from files, checked, taken into use, and what they gained."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from passerelle.cli.operator import Operator, operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.shown import Card, say, show_card, show_list, show_page
from passerelle.cli.surveys_codebook_file import file_of, read_codebook, sample
from passerelle.cli.surveys_paths import LANGUAGES, percent, survey_path
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_version = click.option("--version", type=click.IntRange(1), help="The one in use, if unsaid.")
_newest = click.option("--version", type=click.IntRange(1), help="The newest, if unsaid.")
_BAR = 40  # characters of the whole


@click.group("codebook")
def codebook() -> None:
    """Categories that comments are read by: their versions, and how well each does."""


@codebook.command("list")
@with_tenant
@as_json
@with_settings
def list_verb(settings: Settings, tenant: str, json_: bool) -> None:
    """A tenant's codebooks."""
    found = order(settings, "GET", survey_path("codebooks", tenant=tenant))["data"]
    show_list(found, _lines, json_=json_, none="There are no codebooks.")


@codebook.command("show")
@click.argument("name")
@with_tenant
@_version
@click.option("--versions", is_flag=True, help="All of them, the newest first, without their categories.")
@click.option("--file", "as_file", is_flag=True, help="As a file, to be changed and written.")
@as_json
@with_settings
def show_verb(
    settings: Settings,
    name: str,
    tenant: str,
    version: int | None,
    versions: bool,
    as_file: bool,
    json_: bool,
) -> None:
    """A codebook's categories."""
    if as_file and (versions or json_):
        raise CannotRun("A file holds one version, in YAML.", "Leave --versions and --json out.")
    if versions:
        found = order(settings, "GET", survey_path("codebooks", name, "versions", tenant=tenant))["data"]
    else:
        found = [order(settings, "GET", survey_path("codebooks", name, tenant=tenant, version=version))]
    if json_:
        print_json(found if versions else found[0])
        return
    if as_file:
        click.echo(file_of(found[0]), nl=False)
        return
    for card in found:
        say(_lines(card))
        for category in () if versions else card["categories"]:
            say([f"  {category['id']:<20}  {category['name']}: {category['definition']}"])


@codebook.command("write")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_tenant
@click.option("--name", help="The file's own, if unsaid.")
@click.option("--note", help="What is new in it.")
@as_json
@with_settings
def write(
    settings: Settings, file: Path, tenant: str, name: str | None, note: str | None, json_: bool
) -> None:
    """Write a codebook's next version from a file, in YAML or JSON."""
    read = read_codebook(file)
    body = read.body if note is None else {**read.body, "note": note}
    called = name or read.name
    with operating(settings) as operator:
        card = operator.order("POST", survey_path("codebooks", called, tenant=tenant), body)
        gone = [] if json_ or card["version"] == 1 else _gone(operator, tenant, card)
    lines = [*written_lines(card, tenant)]
    if gone:
        lines.append(f"Gone, with nothing in `merged` in their place: {', '.join(gone)}.")
    show_card(card, lines, json_=json_)


@codebook.command("check")
@click.argument("name")
@with_tenant
@_newest
@as_json
@with_settings
def check(settings: Settings, name: str, tenant: str, version: int | None, json_: bool) -> None:
    """Hold a version beside the one in use, on what people corrected.

    Exit status: 0 it is not worse, 1 it is.
    """
    with operating(settings) as operator:
        wanted = version or _last(
            operator.order("GET", survey_path("codebooks", name, "versions", tenant=tenant))
        )
        card = operator.order(
            "POST", survey_path("codebooks", name, "versions", wanted, "check", tenant=tenant)
        )
    show_card(card, _checked(card), json_=json_)
    if card["worse"]:
        sys.exit(1)


@codebook.command("promote")
@click.argument("name")
@with_tenant
@_newest
@click.option("--force", is_flag=True, help="Although it is worse.")
@as_json
@with_settings
def promote(
    settings: Settings, name: str, tenant: str, version: int | None, force: bool, json_: bool
) -> None:
    """Take a version into use after a check."""
    with operating(settings) as operator:
        wanted = version or _last(
            operator.order("GET", survey_path("codebooks", name, "versions", tenant=tenant))
        )
        path = survey_path("codebooks", name, "versions", wanted, "promote", tenant=tenant)
        card = operator.order("POST", path, {"force": force})
    show_card(card, _promoted(card), json_=json_)


@codebook.command("curve")
@click.argument("name")
@with_tenant
@as_json
@with_settings
def curve(settings: Settings, name: str, tenant: str, json_: bool) -> None:
    """What corrections gained: how well comments are read, by how many were learned from."""
    card = order(settings, "GET", survey_path("codebooks", name, "curve", tenant=tenant))
    if json_:
        print_json(card)
        return
    if not card["data"]:
        click.echo("There are too few corrections for a curve.")
        return
    click.echo("corrections  micro-F1  macro-F1  sentiment")
    for point in card["data"]:
        figures = point["figures"]
        drawn = "#" * round(_BAR * figures["micro"])
        values = f"{figures['micro']:>8.3f}  {figures['macro']:>8.3f}  {figures['sentiment']:>9.3f}"
        click.echo(f"{point['n']:>11}  {values}  {drawn}")
    click.echo(f"On {card['data'][-1]['figures']['n']} corrected comments that were held out.")


@codebook.command("corrections")
@click.argument("name")
@with_tenant
@click.option("--revoked", is_flag=True, help="Those that were taken back too.")
@click.option("--after", metavar="CORRECTION", help="Those after that one.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@as_json
@with_settings
def corrections(
    settings: Settings, name: str, tenant: str, revoked: bool, after: str | None, limit: int, json_: bool
) -> None:
    """What people corrected, the newest first."""
    path = survey_path(
        "codebooks",
        name,
        "corrections",
        tenant=tenant,
        revoked=str(revoked).lower(),
        after=after,
        limit=limit,
    )
    page = order(settings, "GET", path)
    onward = ("--after", "id")
    show_page(
        page, lambda card: [correction_line(card)], json_=json_, none="Nothing is corrected.", onward=onward
    )


@codebook.command("delete")
@click.argument("name")
@with_tenant
@with_settings
def delete(settings: Settings, name: str, tenant: str) -> None:
    """Delete a codebook in all versions, with what people corrected."""
    order(settings, "DELETE", survey_path("codebooks", name, tenant=tenant))
    say([f"{name} is deleted."])


@codebook.command("sample")
@click.option("--language", type=LANGUAGES, default="fr", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else the terminal.")
def sample_verb(language: str, output: Path | None) -> None:
    """A codebook for training companies, to begin with: print it, change it, write it."""
    text = sample(language)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CannotRun(f"{output} is there already.", "Name another file.") from error
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise CannotRun(f"{output} cannot be written: {why}.", "Name another file.") from error
    click.echo(f"{output} is written.", err=True)


def correction_line(card: Mapping[str, Any]) -> str:
    """A correction as a line."""
    right = card["right"]
    said = "categories as read" if right is None else ", ".join(right) or "no category"
    polarity = f", {card['polarity']}" if card["polarity"] else ""
    gone = "  (taken back)" if card["revoked_at"] else ""
    return f"{card['id']}  {said}{polarity}{gone}  {' '.join(card['text'].split())[:100]}"


def written_lines(card: Mapping[str, Any], tenant: str) -> Iterator[str]:
    """A version that was just written, and how it comes into use."""
    yield from _lines(card)
    if not card["in_use"]:
        yield f"It is not in use yet: passerelle surveys codebook promote {card['name']} --tenant {tenant}"


def _gone(operator: Operator, tenant: str, card: Mapping[str, Any]) -> list[str]:
    """Categories of the version before that a version neither has nor says what became of."""
    path = survey_path("codebooks", card["name"], tenant=tenant, version=card["version"] - 1)
    there = {each["id"] for each in card["categories"]} | set(card["merged"])
    return [each["id"] for each in operator.order("GET", path)["categories"] if each["id"] not in there]


def _lines(card: Card) -> Iterator[str]:
    use = "in use" if card["in_use"] else "not in use"
    line = (
        f"{card['name']}  v{card['version']}  {use}  {len(card['categories'])} categories, {card['language']}"
    )
    yield f"{line}  {card['note']}".rstrip()


def _promoted(card: Card) -> Iterator[str]:
    yield from _lines(card)
    checked = card["checked"]
    yield from _checked(checked) if checked else ("unchecked: there was too little to check it by",)
    if checked and checked["forced"]:
        yield "It was taken into use all the same."


def _checked(card: Mapping[str, Any]) -> Iterator[str]:
    after, before = card["after"], card["before"]
    yield f"on {after['n']} corrected comments that neither has learned from"
    if before is not None:
        yield f"in use   micro-F1 {before['micro']:.3f}, macro-F1 {before['macro']:.3f}"
    yield f"this one micro-F1 {after['micro']:.3f}, macro-F1 {after['macro']:.3f}"
    if before is not None:
        span = f"{100 * card['low']:+.1f} to {100 * card['high']:+.1f}"
        word = "worse" if card["worse"] else "not worse"
        yield f"change   {100 * card['change']:+.1f} points of F1 ({span}): {word}"
    if card["lost"]:
        yield f"right before and not any more: {len(card['lost'])} ({percent(len(card['lost']) / max(1, after['n']))})"


def _last(versions: Mapping[str, Any]) -> int:
    return int(versions["data"][0]["version"])
