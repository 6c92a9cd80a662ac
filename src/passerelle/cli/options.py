"""Options that every verb takes, and the settings they lead to."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from passerelle.settings import Settings, read_settings
from passerelle.telemetry.logs import set_up_logs

_SETTINGS = ("host", "port", "workers", "worker", "job_concurrency")

as_json = click.option("--json", "json_", is_flag=True, help="Print one JSON document for a machine.")


def with_settings(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb `--config` and `--data`, and call it with the settings they make."""

    @click.option("--config", type=click.Path(path_type=Path), help="The configuration [PASSERELLE_CONFIG].")
    @click.option("--data", type=click.Path(path_type=Path), help="The data folder [PASSERELLE_DATA].")
    @functools.wraps(verb)
    def wrapped(config: Path | None, data: Path | None, **rest: Any) -> Any:
        given = {name: rest.pop(name) for name in _SETTINGS if name in rest}
        settings = read_settings(config=config, data=data, **given)
        set_up_logs(level=settings.log_level, json=_wants_json(settings))
        return verb(settings=settings, **rest)

    return wrapped


def _wants_json(settings: Settings) -> bool:
    return settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
