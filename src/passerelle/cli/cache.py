"""`passerelle cache`: what it did, what would become of a question, deletion, and how good its rule is."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click
import orjson

from passerelle.cli.cache_eval import eval_verb
from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_PATH = "/v1/cache"


@click.group()
def cache() -> None:
    """Answers that are kept and given again: figures, deletion, and how often they are wrong."""


cache.add_command(eval_verb)


@cache.command("stats")
@click.option("--tenant", help="Only this tenant's.")
@click.option(
    "--check",
    is_flag=True,
    help="Exit 1 where a tenant's semantic side has taken itself back for its errors.",
)
@as_json
@with_settings
def stats(settings: Settings, tenant: str | None, check: bool, json_: bool) -> None:
    """What the caches of tenants did, and how far they have proven themselves."""
    cards = order(settings, "GET", _with(_PATH, tenant=tenant))["data"]
    if json_:
        click.echo(orjson.dumps(cards, option=orjson.OPT_INDENT_2))
    else:
        for card in cards:
            _tell(card)
        if not cards:
            click.echo("No tenant keeps answers: write `cache: true` for one of the configuration.")
    if check and any(_withdrawn(card["promise"]) for card in cards if card["promise"] is not None):
        raise SystemExit(1)


@cache.command("explain")
@click.option("--tenant", required=True)
@click.option("--model", required=True)
@click.argument("text")
@as_json
@with_settings
def explain(settings: Settings, tenant: str, model: str, text: str, json_: bool) -> None:
    """What would become of a question if it were asked now, and why. Nothing is served or learned."""
    path = _with(f"{_PATH}/explain", tenant=tenant)
    found = order(settings, "POST", path, {"model": model, "text": text})
    if json_:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    why = f" ({found['reason']})" if found["reason"] else ""
    which = f", the answer {found['answer']}" if found["answer"] else ""
    click.echo(f"{found['result']}{why}{which}")
    if found["rule"]:
        needs = f"; an answer would need {found['needs']}" if found["needs"] else ""
        click.echo(f"  The rule in force is {found['rule']}{needs}.")
    if found["confidence"] is not None:
        click.echo(f"  {found['agreeing']} neighbours agree, with {found['confidence']:.0%} of the weight.")
    for each in found["near"]:
        objection = f"  set apart by: {each['objection']}" if each["objection"] else ""
        click.echo(f"  {each['similarity']:.3f}  {each['id']}  {each['answer']}  {each['state']}{objection}")


@cache.command("purge")
@click.option("--tenant", required=True)
@click.option("--id", "answer", help="One answer, and all questions that share it.")
@click.option("--tag", help="Answers that carry it.")
@click.option("--model", help="Answers of this model.")
@click.option("--collection", help="Answers drawn from its documents.")
@click.option("--prompt", help="Answers under a prompt, by the digest that `explain` tells.")
@click.option("--user", help="Answers given to a person, or about one.")
@click.option("--all", "everything", is_flag=True, help="Everything of the tenant.")
@as_json
@with_settings
def purge(settings: Settings, tenant: str, everything: bool, json_: bool, **by: str | None) -> None:
    """Delete answers, by exactly one of the options: in every tier and every process."""
    given = {name: value for name, value in by.items() if value} | ({"all": "true"} if everything else {})
    if len(given) != 1:
        raise CannotRun(
            "Nothing says which answers are meant.",
            "Give exactly one of --id, --tag, --model, --collection, --prompt, --user and --all.",
        )
    ((name, value),) = given.items()
    if name == "answer":
        order(settings, "DELETE", _with(f"{_PATH}/{quote(value, safe='')}", tenant=tenant))
        deleted: dict[str, Any] = {"object": "cache.deleted", "count": 1}
    else:
        deleted = order(settings, "DELETE", _with(_PATH, tenant=tenant, **given))
    if json_:
        click.echo(orjson.dumps(deleted, option=orjson.OPT_INDENT_2))
    elif deleted["count"] is None:
        click.echo("Deleted: they are not given any more.")
    else:
        click.echo(f"Deleted: {deleted['count']}.")


def _withdrawn(promise: dict[str, Any]) -> bool:
    """Is it back at the very same question only, because of what was found wrong?"""
    return bool(promise["notch"] == 0 and promise["wrong"])


def _with(path: str, **query: str | None) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _tell(card: dict[str, Any]) -> None:
    looks = card["looks"]
    whole = sum(looks.values())
    hits = whole - looks.get("miss", 0)
    share = f", {hits / whole:.0%} of {whole} looks" if whole else ""
    click.echo(
        f"{card['tenant']}: {looks.get('exact', 0)} exact and {looks.get('semantic', 0)} semantic hits{share}; "
        f"{card['answers']} answers held, {card['bytes'] / 1_000_000:.1f} MB"
    )
    if card["bypassed"]:
        told = ", ".join(
            f"{reason} {count}"
            for reason, count in sorted(card["bypassed"].items(), key=lambda item: -item[1])
        )
        click.echo(f"  not from the cache: {told}")
    promise = card["promise"]
    if promise is not None:
        state = "proven" if promise["proven"] else "withdrawn" if _withdrawn(promise) else "not proven yet"
        click.echo(
            f"  rule {promise['rule']}: at most {promise['promised']:.2%} wrong is promised, {promise['bound']:.2%} "
            f"at worst ({promise['wrong']} wrong of {promise['checked']} checked, {promise['served']} given): {state}"
        )
