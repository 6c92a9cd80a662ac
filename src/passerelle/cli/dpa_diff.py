"""`passerelle dpa diff`: what changed since a tenant signed, and the notice that says so, in French and English."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from passerelle.cli.dpa_cases import cases
from passerelle.cli.dpa_ground import with_dpa
from passerelle.cli.forms import save
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json
from passerelle.cli.shown import say
from passerelle.compliance.check_case import Case
from passerelle.compliance.diffing import Difference, annex_in, compare
from passerelle.compliance.notices import LANGUAGES, notice_text
from passerelle.compliance.words import Words
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings


@click.command("diff")
@click.argument("old", type=click.Path(path_type=Path), required=False)
@with_dpa
@click.option("--tenant", "tenants", multiple=True, help="Only these; all of the configuration, if unsaid.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write the notices into this folder."
)
@click.option("--emergency", default="", help="Why the period cannot be kept; the notice then says so.")
@as_json
@with_settings
def diff_verb(
    settings: Settings,
    old: Path | None,
    dpa: Path,
    tenants: tuple[str, ...],
    out: Path | None,
    emergency: str,
    json_: bool,
) -> None:
    """What the configuration changes against what was signed last, or against OLD.

    OLD is a manifest, a folder with one (such as that of another git tree), or a record of a signature; it is of one
    tenant. Where a controller must hear of it, the notice follows, in the languages of the tenant's source.
    """
    every = tuple(cases(settings, dpa, tenants))
    if old is not None and len(every) != 1:
        raise CannotRun("OLD is of one tenant.", "Name it with --tenant.")
    told: dict[str, Any] = {}
    for case in every:
        name = case.tenant.name
        before = annex_in(old) if old is not None else case.signed.annex if case.signed else None
        if before is None:
            told[name] = None
            if not json_:
                say([f"{name}: nothing is signed to compare with; name a manifest, or sign."])
            continue
        difference = compare(before, case.annex)
        days = before.notice_days or case.sources.operator.notice_days
        letters = _letters(case, difference, days, emergency) if difference.needs_notice else {}
        told[name] = {**difference.as_values(), "notices": letters}
        if not json_:
            say([f"{name}:" if difference else f"{name}: nothing changed", *_lines(difference)])
        _give(name, letters, out, shown=not json_)
    if json_:
        print_json(told)


def _letters(case: Case, difference: Difference, days: int, emergency: str) -> dict[str, str]:
    languages = case.client.languages if case.client else LANGUAGES
    return {
        language: notice_text(
            difference,
            operator=case.sources.operator,
            client=case.client,
            language=language,
            sent=case.today,
            notice_days=days,
            emergency=emergency,
        )
        for language in languages
        if language in LANGUAGES
    }


def _give(tenant: str, letters: dict[str, str], out: Path | None, *, shown: bool) -> None:
    for language, text in letters.items():
        if out is None:
            if shown:
                click.echo(f"\n{text}", nl=False)
            continue
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRun(f"{out} cannot be made: {(error.strerror or 'error').lower()}.") from error
        save(out / f"notice-{tenant}-{language}.txt", text.encode())


def _lines(difference: Difference) -> Iterator[str]:
    for change in difference.parties:
        yield f"  {change.kind}: {change.party.name} ({change.party.country or 'country unknown'})"
        for name, (was, now) in change.fields.items():
            yield f"    {name}: {_told(was)} -> {_told(now)}"
    for title, changed, told in (
        ("kept", difference.retention, _spans),
        ("measure", difference.measures, lambda on: "on" if on else "off"),
        ("policy", difference.policy, _ruled),
    ):
        for name, (was, now) in changed.items():
            yield f"  {title} {name}: {told(was)} -> {told(now)}"
    came, went = difference.countries
    if came or went:
        yield f"  countries: {', '.join([*(f'+{each}' for each in came), *(f'-{each}' for each in went)])}"


def _spans(kept: Any) -> str:
    return " or ".join(Words("en").span(seconds) for seconds in kept) if kept else "not kept"


def _ruled(value: Any) -> str:
    return "no rule" if value is None else _told(value)


def _told(value: Any) -> str:
    if value is None:
        return "unknown"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
