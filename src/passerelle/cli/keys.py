"""`passerelle keys`: make, list, rotate and revoke."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click
import orjson

from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.domain.caller import Role
from passerelle.settings import Settings


@click.group()
def keys() -> None:
    """Keys of tenants and of the operator. A key is shown once, when it is made."""


@keys.command("create")
@click.option("--tenant", help="The tenant it belongs to; an admin key belongs to none.")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.MEMBER.value, show_default=True
)
@click.option("--name", default="", help="Whose it is, for you.")
@click.option("--days", type=click.IntRange(1, 3650), help="Valid for this long; without it, until revoked.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    help="A group whose documents it sees; may be given again. `*`: it may speak for members of any.",
)
@as_json
@with_settings
def create(
    settings: Settings,
    *,
    tenant: str | None,
    role: str,
    name: str,
    days: int | None,
    groups: tuple[str, ...],
    json_: bool,
) -> None:
    """Make a key."""
    wanted = {"tenant": tenant, "role": role, "name": name, "days": days, "groups": groups}
    _show(order(settings, "POST", "/admin/keys", wanted), json_=json_)


@keys.command("list")
@click.option("--tenant", help="Only this tenant's.")
@as_json
@with_settings
def list_(settings: Settings, tenant: str | None, json_: bool) -> None:
    """List keys, newest first."""
    query = f"?{urlencode({'tenant': tenant})}" if tenant else ""
    cards = order(settings, "GET", f"/admin/keys{query}")["keys"]
    if json_:
        click.echo(orjson.dumps(cards, option=orjson.OPT_INDENT_2))
        return
    if not cards:
        click.echo("There are no keys.")
    for card in cards:
        state = f"{_state(card):<32}"
        click.echo(
            f"{card['id']}  {card['hint']:<10}  {card['tenant'] or '-':<16}  {card['role']:<12}  {state}  {card['name']}{_groups(card)}"
        )


@keys.command("rotate")
@click.argument("key_id")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(0, 2160),
    default=24,
    show_default=True,
    help="How long the old one goes on working.",
)
@as_json
@with_settings
def rotate(settings: Settings, key_id: str, overlap_hours: float, json_: bool) -> None:
    """Make a new key in place of an old one."""
    path = f"/admin/keys/{quote(key_id, safe='')}/rotate"
    _show(order(settings, "POST", path, {"overlap_hours": overlap_hours}), json_=json_)


@keys.command("revoke")
@click.argument("key_id")
@with_settings
def revoke(settings: Settings, key_id: str) -> None:
    """End a key at once."""
    order(settings, "DELETE", f"/admin/keys/{quote(key_id, safe='')}")
    click.echo(f"{key_id} is revoked.")


def _show(shown: dict[str, Any], *, json_: bool) -> None:
    if json_:
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
        return
    card = shown["card"]
    click.echo(shown["key"])
    owner = (f"tenant {card['tenant']}" if card["tenant"] else "no tenant") + _groups(card)
    click.echo(f"  {card['id']}, {card['role']}, {owner}. It is not shown again.", err=True)


def _groups(card: dict[str, Any]) -> str:
    return f" [groups: {', '.join(card['groups'])}]" if card["groups"] else ""


def _state(card: dict[str, Any]) -> str:
    if card["revoked_at"]:
        return f"revoked {card['revoked_at'][:16]}"
    if card["rotated_to"]:
        return f"replaced, ends {card['expires_at'][:16]}"
    return f"until {card['expires_at'][:16]}" if card["expires_at"] else "live"
