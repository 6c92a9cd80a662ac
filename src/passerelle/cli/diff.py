"""`passerelle diff`: what a new configuration changes for which tenant, before it is live."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from passerelle.cli.options import as_json, with_settings
from passerelle.configured import load_file
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import CannotRun, ConfigurationRefused, Finding
from passerelle.routing.diff import BackendDiff, Diff, Field, ModelDiff, TenantDiff, Way, as_if_on, diff
from passerelle.routing.live import read_text
from passerelle.routing.load import Loaded
from passerelle.routing.reach import Reach
from passerelle.settings import Settings

_STANDARD_INPUT = Path("/dev/stdin")
_file = click.Path(path_type=Path, allow_dash=True)


@click.command("diff")
@click.argument("old", type=_file)
@click.argument("new", type=_file, required=False)
@click.option("--all-on", is_flag=True, help="As if every secret were set, where they are not (as in CI).")
@as_json
@with_settings
def diff_verb(settings: Settings, old: Path, new: Path | None, all_on: bool, json_: bool) -> None:
    """What NEW changes against OLD, tenant by tenant: models, who answers, and where data may go.

    NEW is the configured file unless it is named; `-` reads one of the two from standard input. Calls nothing.

    Exit status: 0 NEW is usable, 1 a policy refuses it, 2 a file cannot be read or is not usable.
    """
    later = new or settings.config
    if Path("-") == old == later:
        raise CannotRun("Only one of the two files can be standard input.", "Name the other one.")
    before, after = _load(settings, old), _load(settings, later)
    catalogs = [_catalog(loaded) for loaded in (before, after)]
    changes = diff(*(as_if_on(catalog) if all_on else catalog for catalog in catalogs))
    known = {(finding.rule, finding.message) for finding in before.findings}
    told = [f for f in after.findings if f.severity == "error" or _new_warning(f, known)]
    if json_:
        document = _as_json(changes, catalogs, (before, after), told)
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    else:
        for line in _lines(changes, catalogs, (before, after), told):
            click.echo(line)
    sys.exit(after.exit_code)


def _load(settings: Settings, file: Path) -> Loaded:
    path = _STANDARD_INPUT if file == Path("-") else file
    try:
        text = read_text(path)
    except CannotRun as error:
        raise CannotRun(error.cause, "Name two files: OLD, then NEW.") from error
    return load_file(settings.model_copy(update={"config": path}), text)


def _catalog(loaded: Loaded) -> Catalog:
    """The catalog, or what a policy refuses of it. Raises ConfigurationRefused."""
    catalog = loaded.catalog or loaded.draft
    if catalog is None:
        raise ConfigurationRefused(loaded.errors)
    return catalog


def _new_warning(finding: Finding, known: set[tuple[str, str]]) -> bool:
    return finding.severity == "warning" and (finding.rule, finding.message) not in known


def _as_json(
    changes: Diff, catalogs: Sequence[Catalog], loaded: Sequence[Loaded], told: Iterable[Finding]
) -> dict[str, Any]:
    return {
        **{
            name: {"file": catalog.source, "version": catalog.version, "usable": outcome.catalog is not None}
            for name, catalog, outcome in zip(("old", "new"), catalogs, loaded, strict=True)
        },
        "changed": not changes.empty,
        "findings": [asdict(finding) for finding in told],
        "file": [asdict(field) for field in changes.file],
        "tenants": [{"tenants": names, **asdict(change)} for names, change in changes.tenants],
        "backends": [asdict(backend) for backend in changes.backends],
    }


def _lines(
    changes: Diff, catalogs: Sequence[Catalog], loaded: Sequence[Loaded], told: Iterable[Finding]
) -> Iterator[str]:
    old, new = catalogs
    yield f"{old.source} ({old.version}) -> {new.source} ({new.version})"
    if loaded[0].catalog is None:
        yield f"{old.source} was itself refused by a policy; `passerelle check` says why."
    yield from (str(finding) for finding in told)
    if changes.empty:
        yield "Nothing changes."
    yield from (f"  {line}" for line in _fields(changes.file))
    for names, change in changes.tenants:
        yield ""
        yield f"{_names(names)}{_PRESENCE[change.presence]}:"
        yield from (f"  {line}" for line in _tenant(change))
    for backend in changes.backends:
        yield ""
        yield from _backend(backend)


_PRESENCE = {"kept": "", "added": " (new)", "removed": " (removed: their keys are refused)"}


def _tenant(change: TenantDiff) -> Iterator[str]:
    yield from (f"data may now reach {_place(reach)}" for reach in change.reached)
    yield from (f"data no longer reaches {_place(reach)}" for reach in change.spared)
    yield from _fields(change.settings, added=change.presence == "added")
    gained = [model.model for model in change.models if model.before is None]
    lost = [model.model for model in change.models if model.after is None]
    if gained:
        yield f"may now use {', '.join(gained)}"
    if lost:
        yield f"may no longer use {', '.join(lost)}"
    for model in change.models:
        if model.after is not None:
            yield f"{model.model}:"
            yield from (f"  {line}" for line in _model(model))


def _model(model: ModelDiff) -> Iterator[str]:
    if model.before is None:
        yield f"answered by  {_plan(model.after)}"
    elif model.before != model.after:
        yield f"before  {_plan(model.before)}"
        yield f"after   {_plan(model.after)}"
    yield from (f"let in  {target}" for target in model.opened)
    for shut in model.shut:
        rule = f" {shut.rule}" if shut.rule else ""
        yield f"{'still ' if shut.still else ''}left out  {shut.target}, {shut.why}{rule}: {shut.reason}"
    yield from (f"no target any more  {target}, which was left out" for target in model.dropped)
    yield from _fields(model.facts)


def _plan(groups: Sequence[Sequence[Way]] | None) -> str:
    """Who answers, in order: `gpu/m 75% or vllm/m 25%, then hub/m`."""
    if not groups:
        return "nobody: every request is refused"
    return ", then ".join(" or ".join(_way(way, shared=len(group) > 1) for way in group) for group in groups)


def _way(way: Way, *, shared: bool) -> str:
    share = f" {way.share:.0%}" if shared else ""
    return f"{way.target}{share}{' (degraded)' if way.degraded else ''}"


def _backend(change: BackendDiff) -> Iterator[str]:
    may = f", may answer {_names(change.tenants)}" if change.tenants else ", answers no tenant"
    presence = "" if change.presence == "kept" else f" ({'new' if change.presence == 'added' else 'removed'})"
    yield f"backend {change.backend}{presence}{may}:"
    if change.presence != "removed":
        added = change.presence == "added"
        said = (field for field in change.fields if not (added and _default(field)))
        yield from (f"  {line}" for line in _fields(said, added=added))


def _default(field: Field) -> bool:
    """Is it of no interest about a new backend? Time limits and switches that nobody turned on."""
    return field.new in (None, False) or field.name.startswith("timeouts.")


def _fields(fields: Iterable[Field], *, added: bool = False) -> Iterator[str]:
    for field in fields:
        before = "" if added else f"{_value(field.old)} -> "
        note = f" ({field.note})" if field.note and not added else ""
        yield f"{field.name}: {before}{_value(field.new)}{note}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_value(item) for item in value) or "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return "unset" if value is None else str(value)


def _place(reach: Reach) -> str:
    country = reach.country or "an unknown country"
    operator = "yourself" if reach.operator == "self" else reach.operator or "operator unknown"
    off = ", once it is switched on" if reach.off else ""
    return f"{country} ({', '.join(reach.backends)}: {operator}{off})"


def _names(names: Sequence[str]) -> str:
    """Names, the first two of many."""
    if len(names) <= 4:
        *most, last = names
        return f"{', '.join(most)} and {last}" if most else last
    return f"{', '.join(names[:2])} and {len(names) - 2} more"
