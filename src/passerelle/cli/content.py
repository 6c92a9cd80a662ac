"""`passerelle content`: texts that are worked on by recipes: what there is, how jobs stand, what was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from passerelle.cli.content_decide import accept, edit, export, history, reject, rollback
from passerelle.cli.content_diff import diff
from passerelle.cli.content_paths import content_path
from passerelle.cli.content_run import budget_of, run
from passerelle.cli.content_words import money, standings, troubles
from passerelle.cli.forms import contents
from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.shown import Card, say, show_card, show_list, show_page
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_STANDINGS = ("queued", "written", "flawed", "reused", "failed", "over_budget")
_NOT_SENT = frozenset({"object", "version", "fields", "prompt", "shipped"})
_SPACES = "\n\u00a0\u202f"  # French puts the last two before its signs
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def content() -> None:
    """Texts that are improved in bulk: recipes, jobs, what was written, what is kept of it."""


for _verb in (run, diff, accept, reject, edit, export, history, rollback):
    content.add_command(_verb)


@content.command("recipes")
@with_tenant
@as_json
@with_settings
def recipes(settings: Settings, tenant: str, json_: bool) -> None:
    """Recipes that there are: the tenant's own, and the shipped ones."""
    found = order(settings, "GET", content_path("recipes", tenant=tenant))["data"]
    show_list(found, _recipe_lines, json_=json_)


@content.group("recipe")
def recipe() -> None:
    """A recipe: show it, write its next version, delete it."""


@recipe.command("show")
@click.argument("name")
@with_tenant
@click.option("--version", type=click.IntRange(1), help="Else the newest.")
@as_json
@with_settings
def show(settings: Settings, name: str, tenant: str, version: int | None, json_: bool) -> None:
    """A recipe with its prompt."""
    card = order(settings, "GET", content_path("recipes", name, tenant=tenant, version=version))
    _shown(card, json_=json_)


@recipe.command("write")
@click.argument("file", type=_FILE)
@with_tenant
@as_json
@with_settings
def write(settings: Settings, file: Path, tenant: str, json_: bool) -> None:
    """The next version of a recipe, of a YAML or JSON file: whole, or `extends: NAME` and what is different."""
    card = order(settings, "POST", content_path("recipes", tenant=tenant), document_of(file))
    show_card(card, [f"{card['name']} has version {card['version']}."], json_=json_)


@recipe.command("delete")
@click.argument("name")
@with_tenant
@with_settings
def delete(settings: Settings, name: str, tenant: str) -> None:
    """Delete a recipe of the tenant's in all its versions."""
    order(settings, "DELETE", content_path("recipes", name, tenant=tenant))
    say([f"{name} is deleted."])


@content.command("brand")
@with_tenant
@click.option("--set", "file", type=_FILE, help="A YAML or JSON file: how the tenant writes from now on.")
@click.option("--version", type=click.IntRange(0), help="Else the newest.")
@as_json
@with_settings
def brand(settings: Settings, tenant: str, file: Path | None, version: int | None, json_: bool) -> None:
    """How a tenant writes: tone, form of address, banned words, glossary, names."""
    if file is None:
        card = order(settings, "GET", content_path("brand", tenant=tenant, version=version))
    elif version is not None:
        raise CannotRun("--set makes the next version.", "Leave --version out.")
    else:
        card = order(settings, "PUT", content_path("brand", tenant=tenant), document_of(file))
    _shown(card, json_=json_)


@content.command("jobs")
@with_tenant
@click.option("--before", metavar="JOB", help="Those made before that one.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@as_json
@with_settings
def jobs(settings: Settings, tenant: str, before: str | None, limit: int, json_: bool) -> None:
    """Jobs of texts, the newest first."""
    page = order(settings, "GET", content_path("jobs", tenant=tenant, before=before, limit=limit))
    show_page(page, _job_lines, json_=json_, none="There are no jobs.")


@content.command("budget")
@click.argument("job")
@click.argument("amount")
@with_tenant
@as_json
@with_settings
def budget(settings: Settings, job: str, amount: str, tenant: str, json_: bool) -> None:
    """Give a job another budget, such as '5 EUR', or `none`; what the old one did not hold is begun."""
    said = {"budget": None if amount == "none" else budget_of(amount)}
    card = order(settings, "PATCH", content_path("jobs", job, tenant=tenant), said)
    lines = [f"{job}: {standings(card['counts'])}; spent {money(card['spent'])}"]
    if card["counts"]["queued"]:
        lines.append(f"It works on: passerelle jobs follow {job} --tenant {tenant}.")
    show_card(card, lines, json_=json_)


@content.command("delete")
@click.argument("job")
@with_tenant
@with_settings
def delete_job(settings: Settings, job: str, tenant: str) -> None:
    """Delete a job that is over, with its texts; what was decided stays in their history."""
    order(settings, "DELETE", content_path("jobs", job, tenant=tenant))
    say([f"{job} is deleted."])


@content.command("items")
@click.argument("job")
@with_tenant
@click.option("--standing", type=click.Choice(_STANDINGS), help="Only those that stand so.")
@click.option("--after", type=click.IntRange(0), default=0, help="Those after that number.")
@click.option("--limit", type=click.IntRange(1, 200), default=100, show_default=True)
@as_json
@with_settings
def items(
    settings: Settings,
    job: str,
    tenant: str,
    standing: str | None,
    after: int,
    limit: int,
    json_: bool,
) -> None:
    """Texts of a job, and what is wrong with them."""
    path = content_path("jobs", job, "items", tenant=tenant, standing=standing, after=after, limit=limit)
    page = order(settings, "GET", path)
    show_page(page, _item_lines, json_=json_, none="There are no texts.", onward=("--after", "number"))


def document_of(file: Path) -> Any:
    """What a YAML or JSON file says. Raises CannotRun."""
    try:
        return yaml.safe_load(contents(file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise CannotRun(f"{file} is neither YAML nor JSON{where}.", "Mend it.") from error


def _recipe_lines(card: Card) -> Iterator[str]:
    whose = "shipped" if card["shipped"] else f"v{card['version']}"
    writes = ", ".join(card["fields"])
    yield f"{card['name']:<24}  {whose:<8}  {card['language']}  {card['title']}: {writes}"


def _job_lines(card: Card) -> Iterator[str]:
    what = f"{card['recipe']} v{card['version']}{' (preview)' if card['preview'] else ''}"
    budget = f" of {money(card['budget'])}" if card["budget"] else ""
    spent = f"spent {money(card['spent'])}{budget}"
    yield f"{card['id']}  {card['state']:<10}  {what:<28}  {standings(card['counts'])}; {spent}"


def _item_lines(card: Card) -> Iterator[str]:
    decided = ", ".join(sorted({choice["decision"] for choice in card["decisions"].values()}))
    first, *others = troubles(card)
    yield f"{first}  [{decided}]" if decided else first
    yield from others


def _shown(card: dict[str, Any], *, json_: bool) -> None:
    """As JSON for machines; for people as YAML, which can be changed and sent back."""
    if json_:
        print_json(card)
        return
    click.echo(plain(f"# {card.get('name', 'brand')}, version {card['version']}"))
    said = {name: value for name, value in card.items() if name not in _NOT_SENT}
    text = yaml.safe_dump(said, allow_unicode=True, sort_keys=False, width=100)
    click.echo("".join(char if char.isprintable() or char in _SPACES else "?" for char in text), nl=False)
