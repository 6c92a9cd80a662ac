"""`passerelle surveys`: comments of surveys are imported, read, corrected and reported on."""

from __future__ import annotations

import click

from passerelle.cli.surveys_codebook import codebook
from passerelle.cli.surveys_eval import eval_verb
from passerelle.cli.surveys_files import columns, delete, import_verb, list_verb
from passerelle.cli.surveys_report import analyse, ask, report
from passerelle.cli.surveys_runs import (
    comments,
    correct,
    difference,
    merge,
    queue,
    revoke,
    run,
    runs,
    themes,
)


@click.group()
def surveys() -> None:
    """Comments of surveys: what they speak of, and how."""


for _verb in (
    analyse,
    columns,
    import_verb,
    list_verb,
    delete,
    codebook,
    run,
    runs,
    comments,
    queue,
    correct,
    revoke,
    difference,
    themes,
    merge,
    report,
    ask,
    eval_verb,
):
    surveys.add_command(_verb)
