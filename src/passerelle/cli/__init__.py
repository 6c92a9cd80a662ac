"""The command line: one verb a file, errors as one line: the cause, then the cure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from passerelle import __version__
from passerelle.domain.errors import CannotRun

# Where each verb stands. It is imported when it is asked for: what one needs takes another a second to load.
_VERBS: Mapping[str, tuple[str, str]] = {
    "audit": ("audit", "audit"),
    "cache": ("cache", "cache"),
    "check": ("configuration", "check"),
    "content": ("content", "content"),
    "costs": ("costs", "costs"),
    "diff": ("diff", "diff_verb"),
    "doctor": ("doctor", "doctor"),
    "dpa": ("dpa", "dpa"),
    "explain": ("configuration", "explain_verb"),
    "import-litellm": ("import_litellm", "import_litellm_verb"),
    "jobs": ("jobs", "jobs"),
    "keys": ("keys", "keys"),
    "privacy": ("privacy", "privacy"),
    "rag": ("rag", "rag"),
    "reload": ("reload", "reload"),
    "rewrap-keys": ("rewrap_keys", "rewrap_keys"),
    "schema": ("configuration", "schema"),
    "serve": ("serve", "serve_verb"),
    "surveys": ("surveys", "surveys"),
    "worker": ("worker", "worker_verb"),
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


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="passerelle")
def passerelle() -> None:
    """One OpenAI-style API over every place a Hugging Face model can run, switched per tenant by one file.

    Exit status: 0 done, 1 a check failed, 2 cannot run.
    """


def main() -> None:
    """Run a verb; what the operator must mend is told in words and ends with status 2."""
    try:
        passerelle(standalone_mode=False)
    except CannotRun as error:
        click.echo(f"passerelle: {error.cause} {error.cure}".rstrip(), err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
