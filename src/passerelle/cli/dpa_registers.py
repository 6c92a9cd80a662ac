"""`passerelle dpa breach` and `passerelle dpa notice`: registers that people keep, with the clocks that run in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from passerelle.cli.dpa_ground import with_dpa
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.shown import show_card, show_list
from passerelle.compliance.registers import (
    Breach,
    Notice,
    breaches,
    closed,
    keep_breaches,
    keep_notices,
    next_id,
    notices,
)
from passerelle.compliance.sources import read_sources
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_RISKS = click.Choice(["none", "risk", "high"])
_KINDS = click.Choice(["confidentiality", "integrity", "availability"])


class Moment(click.ParamType[Any]):
    """A moment with its time zone, ISO 8601."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("write it as 2026-11-22T09:30:00+01:00", param, ctx)
        if moment.tzinfo is None:
            self.fail("it needs a time zone, as in 2026-11-22T09:30:00+01:00", param, ctx)
        return moment


class Day(click.ParamType[Any]):
    """A day, ISO 8601."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail("write it as 2026-11-22", param, ctx)


MOMENT, DAY = Moment(), Day()


@click.group()
def breach() -> None:
    """The register of breaches (GDPR, article 33(5)). It names no person."""


@breach.command("add")
@with_dpa
@click.option("--discovered", type=MOMENT, help="When it was noticed: the clocks begin; now, if unsaid.")
@click.option("--began", type=MOMENT, help="When it began, as far as known.")
@click.option("--facts", required=True, help="What happened, without names of people.")
@click.option("--kind", "kinds", multiple=True, type=_KINDS)
@click.option("--tenant", "tenants", multiple=True, help="Whose data; all tenants', if unsaid.")
@click.option("--persons", default="", help="Categories of people, and about how many.")
@click.option("--records", default="", help="Categories of data, and about how many records.")
@click.option("--effects", default="", help="What may come of it.")
@click.option("--remedies", default="", help="What was done, and will be.")
@click.option("--risk", type=_RISKS, help="Of the persons, as the controller judges; may be said later.")
@as_json
@with_settings
def add_breach(settings: Settings, dpa: Path, discovered: datetime | None, json_: bool, **said: Any) -> None:
    """Write a breach down, and show until when whom must be told."""
    rows, sources = breaches(dpa), read_sources(dpa)
    for tenant in said["tenants"]:
        if tenant not in sources.clients:
            raise CannotRun(f"There is no source of the tenant {tenant[:100]!r}.", "See `sources/tenants/`.")
    at, said["risk"] = discovered or datetime.now(UTC).replace(microsecond=0), said["risk"] or ""
    hours = sources.operator.breach_hours
    new = Breach(id=next_id(rows, at.year), discovered_at=at, began_at=said.pop("began"), **said)
    keep_breaches(dpa, (*rows, new))
    show_card(_card(new, hours), _lines(_card(new, hours)), json_=json_)


@breach.command("list")
@with_dpa
@as_json
@with_settings
def list_breaches(settings: Settings, dpa: Path, json_: bool) -> None:
    """Every breach, with its clocks. Exit status 1 where a time has passed and nobody is known to have been told."""
    hours = read_sources(dpa).operator.breach_hours
    cards = [_card(row, hours) for row in breaches(dpa)]
    show_list(cards, _lines, json_=json_, none="No breach is written down.")
    sys.exit(1 if any(card["late"] for card in cards) else 0)


@breach.command("close")
@with_dpa
@click.argument("number", metavar="ID")
@click.option("--effects", help="What came of it.")
@click.option("--remedies", help="What was done.")
@click.option("--risk", type=_RISKS)
@click.option("--told-tenants", "told_tenants_at", type=MOMENT)
@click.option("--told-authority", "told_authority_at", type=MOMENT)
@click.option("--told-persons", "told_persons_at", type=MOMENT)
@click.option("--why-late", help="Why somebody was told late, or not at all.")
@as_json
@with_settings
def close_breach(settings: Settings, dpa: Path, number: str, json_: bool, **said: Any) -> None:
    """Write down how a breach ended."""
    given = {name: value for name, value in said.items() if value is not None}
    rows = closed(breaches(dpa), number, **given, closed_at=datetime.now(UTC).replace(microsecond=0))
    done = next(row for row in rows if row.id == number)
    hours = read_sources(dpa).operator.breach_hours
    late = _late(replace(done, closed_at=None), hours, done.closed_at or datetime.now(UTC))
    if late and not done.why_late:
        cure = "Give when they were told, or --why-late."
        raise CannotRun(f"Nobody is known to have been told in time: {', '.join(late)}.", cure)
    keep_breaches(dpa, rows)
    show_card(_card(done, hours), _lines(_card(done, hours)), json_=json_)


def _late(row: Breach, hours: int, now: datetime) -> list[str]:
    """Who was not told by when they had to be. An authority need not hear of what is no risk (article 33(1))."""
    if row.closed_at is not None:
        return []
    due = {"tenants": (row.told_tenants_at, row.tenants_by(hours))}
    if row.risk != "none":
        due["authority"] = (row.told_authority_at, row.authority_by())
    return [name for name, (told, by) in due.items() if (told or now) > by]


def _card(row: Breach, hours: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "discovered_at": row.discovered_at.isoformat(),
        "facts": row.facts,
        "tenants": list(row.tenants),
        "kinds": list(row.kinds),
        "risk": row.risk,
        "tenants_by": row.tenants_by(hours).isoformat(),
        "authority_by": row.authority_by().isoformat(),
        "told_tenants_at": row.told_tenants_at.isoformat() if row.told_tenants_at else None,
        "told_authority_at": row.told_authority_at.isoformat() if row.told_authority_at else None,
        "closed_at": row.closed_at.isoformat() if row.closed_at else None,
        "late": _late(row, hours, datetime.now(UTC)),
    }


def _lines(card: Any) -> Iterator[str]:
    state = f"closed {card['closed_at']}" if card["closed_at"] else "open"
    yield f"{card['id']}  {state}  discovered {card['discovered_at']}  {card['facts']}"
    yield f"    {', '.join(card['tenants']) or 'every tenant'}: by {card['tenants_by']} ({_told(card, 'tenants')})"
    yield f"    authority, told by controllers: by {card['authority_by']} ({_told(card, 'authority')})"


def _told(card: Any, whom: str) -> str:
    if card[f"told_{whom}_at"]:
        return f"told {card[f'told_{whom}_at']}"
    return "LATE" if whom in card["late"] else "not told"


@click.group()
def notice() -> None:
    """The record of notices about sub-processors that were sent; rule R14 reads it."""


@notice.command("add")
@with_dpa
@click.option("--tenant", required=True)
@click.option("--party", required=True, help="The id of its entry in the catalogue.")
@click.option("--to", "sent_to", required=True, help="To which address it was sent.")
@click.option("--sent", type=DAY, help="Today, if unsaid.")
@click.option("--effective", type=DAY, help="The day after the last one to object, if unsaid.")
@click.option("--emergency", default="", help="Why the period could not be kept.")
@as_json
@with_settings
def add_notice(
    settings: Settings, dpa: Path, tenant: str, party: str, sent: date | None, json_: bool, **said: Any
) -> None:
    """Record a notice that was sent."""
    sources = read_sources(dpa)
    if party not in sources.catalogue:
        raise CannotRun(
            f"The catalogue has no {party[:100]!r}.", f"Write `sources/catalogue/{party[:100]}.yaml`."
        )
    if tenant not in sources.clients:
        raise CannotRun(f"There is no source of the tenant {tenant[:100]!r}.", "See `sources/tenants/`.")
    rows, on = notices(dpa), sent or date.today()  # noqa: DTZ011 - the day where the operator is
    until = on + timedelta(days=sources.operator.notice_days)
    new = Notice(
        id=next_id(rows, on.year),
        tenant=tenant,
        party=party,
        sent_on=on,
        sent_to=said["sent_to"],
        effective_on=said["effective"] or (on if said["emergency"] else until + timedelta(days=1)),
        objection_until=until,
        emergency=said["emergency"],
    )
    keep_notices(dpa, (*rows, new))
    show_card(_sent(new), _sent_lines(_sent(new)), json_=json_)


@notice.command("list")
@with_dpa
@as_json
@with_settings
def list_notices(settings: Settings, dpa: Path, json_: bool) -> None:
    """Every notice that was sent."""
    cards = [_sent(row) for row in notices(dpa)]
    show_list(cards, _sent_lines, json_=json_, none="No notice is recorded.")


def _sent(row: Notice) -> dict[str, Any]:
    return {
        "id": row.id,
        "tenant": row.tenant,
        "party": row.party,
        "sent_on": row.sent_on.isoformat(),
        "sent_to": row.sent_to,
        "effective_on": row.effective_on.isoformat(),
        "objection_until": row.objection_until.isoformat(),
        "emergency": row.emergency or None,
        "objected_on": row.objected_on.isoformat() if row.objected_on else None,
    }


def _sent_lines(card: Any) -> Iterator[str]:
    urgent = f"  emergency: {card['emergency']}" if card["emergency"] else ""
    yield f"{card['id']}  {card['tenant']}  {card['party']}  sent {card['sent_on']} to {card['sent_to']}{urgent}"
    yield f"    effective {card['effective_on']}, objections until {card['objection_until']}"
