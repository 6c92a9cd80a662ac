"""The command line: one verb a file, errors as one line: the cause, then the cure."""

from __future__ import annotations

import sys

import click

from passerelle import __version__
from passerelle.cli.cache import cache
from passerelle.cli.configuration import check, explain_verb, schema
from passerelle.cli.costs import costs
from passerelle.cli.diff import diff_verb
from passerelle.cli.doctor import doctor
from passerelle.cli.import_litellm import import_litellm_verb
from passerelle.cli.jobs import jobs
from passerelle.cli.keys import keys
from passerelle.cli.rag import rag
from passerelle.cli.reload import reload
from passerelle.cli.serve import serve_verb
from passerelle.cli.surveys import surveys
from passerelle.cli.worker import worker_verb
from passerelle.domain.errors import CannotRun


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="passerelle")
def passerelle() -> None:
    """One OpenAI-style API over every place a Hugging Face model can run, switched per tenant by one file.

    Exit status: 0 done, 1 a check failed, 2 cannot run.
    """


for _verb in (
    serve_verb,
    cache,
    check,
    costs,
    diff_verb,
    doctor,
    explain_verb,
    import_litellm_verb,
    jobs,
    keys,
    rag,
    reload,
    schema,
    surveys,
    worker_verb,
):
    passerelle.add_command(_verb)


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
