"""The configured file in a process: read with the kinds and secrets that are there, and kept live while it runs."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from passerelle.backends.registry import kinds
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import ConfigurationRefused, Finding
from passerelle.routing.live import Live, Reloaded, read_text
from passerelle.routing.load import Loaded, load
from passerelle.settings import Settings

if TYPE_CHECKING:
    from passerelle.gateway.edition import Editions
    from passerelle.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)


def load_file(settings: Settings, text: str, *, strict: bool = False) -> Loaded:
    """The text of a configuration, checked against the kinds that exist and the secrets of this environment."""
    options = {name: kind.options for name, kind in kinds(settings.data / "models").items()}
    return load(text, kinds=options, environment=os.environ, source=str(settings.config), strict=strict)


def load_catalog(settings: Settings) -> Catalog:
    """The catalog of the configured file. Raises ConfigurationRefused or CannotRun."""
    loaded = load_file(settings, read_text(settings.config))
    if loaded.catalog is None:
        raise ConfigurationRefused(loaded.errors)
    for finding in loaded.findings:
        if finding.severity == "warning":
            _log.warning("configuration", finding=str(finding))
    return loaded.catalog


def keep_live(settings: Settings, catalog: Catalog, editions: Editions, metrics: Metrics) -> Live:
    """The file as it changes: every catalog that is right becomes an edition, of all others the last one stays."""
    live = Live(settings.config, functools.partial(_load_for, settings, catalog), catalog)

    def swapped(new: Catalog) -> None:
        editions.publish(new)
        metrics.reloads.labels("applied").inc()
        metrics.configuration_bad.set(0)
        _log.info("configuration_applied", version=new.version)

    def refused(findings: tuple[Finding, ...]) -> None:
        metrics.reloads.labels("refused").inc()
        metrics.configuration_bad.set(1)
        _log.error(
            "configuration_refused",
            kept=live.catalog.version,
            findings=[str(finding) for finding in findings],
        )

    live.on_swap.append(swapped)
    live.on_refused.append(refused)
    return live


def _load_for(settings: Settings, running: Catalog, text: str) -> Loaded:
    """A newer text for a service that runs: what its months are counted in stays until it starts again."""
    loaded = load_file(settings, text)
    new = loaded.catalog
    if new is None or (new.currency, new.time_zone) == (running.currency, running.time_zone):
        return loaded
    finding = Finding(
        "error",
        "C33",
        "The operator's currency and time zone do not change while months are counted in them.",
        "Start the service again, best at the beginning of a month.",
        str(settings.config),
    )
    return replace(loaded, catalog=None, findings=(finding, *loaded.findings))


async def reload_now(live: Live) -> Reloaded:
    """Read the file again, and say what came of it."""
    loaded = await live.reload_in_thread()
    return Reloaded(loaded.catalog is not None, live.catalog.version, loaded.findings)
