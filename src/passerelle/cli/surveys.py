"""`passerelle surveys`: how well opinions are told without a language model."""

from __future__ import annotations

import click

from passerelle.cli.surveys_eval import eval_verb


@click.group()
def surveys() -> None:
    """Comments of surveys: what they speak of, and how."""


surveys.add_command(eval_verb)
