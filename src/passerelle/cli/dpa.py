"""`passerelle dpa`: the documents of data protection, made from what runs and checked against what was served."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

# Where each verb stands. It is imported when it is asked for.
_VERBS: Mapping[str, tuple[str, str]] = {
    "breach": ("dpa_registers", "breach"),
    "build": ("dpa_build", "build_verb"),
    "check": ("dpa_check", "check_verb"),
    "diff": ("dpa_diff", "diff_verb"),
    "evidence": ("dpa_evidence", "evidence_verb"),
    "notice": ("dpa_registers", "notice"),
    "observe": ("dpa_observed", "observe_verb"),
    "sign": ("dpa_sign", "sign_verb"),
}


class _Verbs(click.Group):
    """The verbs by name, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module, name = _VERBS[cmd_name]
        found: Any = getattr(import_module(f"passerelle.cli.{module}"), name)
        assert isinstance(found, click.Command)  # noqa: S101 - the table above
        return found


@click.group(cls=_Verbs)
def dpa() -> None:
    """Documents of data protection: build them, check them, show what changed. They are not legal advice."""
