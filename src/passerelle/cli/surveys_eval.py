"""`passerelle surveys eval`: how well categories and polarity are learned from corrections, without a language model."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

import click
import orjson

from passerelle.cli.options import as_json
from passerelle.evaluation.surveys_data import read
from passerelle.evaluation.vectors import embed
from passerelle.settings import read_settings
from passerelle.stores.folder import DataFolder

_folder = click.Path(path_type=Path)


@click.command("eval")
@click.option("--data", type=_folder, required=True, help="The folder with comments to measure with.")
@click.option("--data-cache", type=_folder, help="A folder that keeps vectors between runs.")
@as_json
def eval_verb(data: Path, data_cache: Path | None, json_: bool) -> None:
    """Measure the learner of surveys on comments whose categories and polarity are known, without a language model.

    It is taught with 0 to 400 corrections from the split `train` and measured on `test`, else `dev` or `val`, else a fifth
    of `train`; beside it, the commonest label and a vote of the most similar corrections. Reads no configuration and calls
    nothing outside this process. With --json the last line is one object of headline figures, explained in
    docs/surveys-eval.md; the line before it holds every comment.

    Exit status: 0 measured, 2 the data or the model cannot be read.
    """
    import passerelle.evaluation.surveys_report as surveys_report  # noqa: PLC0415, PLR0402 - it imports numpy
    import passerelle.evaluation.surveys_run as surveys_run  # noqa: PLC0415, PLR0402 - and so does this

    began = perf_counter()
    sets = [surveys_run.trimmed(survey) for survey in read(data)]
    models = data_cache if data_cache is not None else DataFolder(read_settings().data).models
    curves, model, embedding = [], "", 0.0
    for survey in sets:
        _tell(f"{survey.name}: vectors")
        started = perf_counter()
        vectors = embed(
            surveys_run.texts(survey), models=models, folder=None, keep=data_cache, question=False
        )
        model = vectors.model
        embedding += perf_counter() - started
        _tell(f"{survey.name}: learning")
        curves.append(surveys_run.measure(survey, surveys_run.Library(vectors.rows, vectors.vectors)))
    _tell("intervals")
    found = surveys_report.measured(curves)
    if json_:
        click.echo(orjson.dumps(surveys_report.document(model, curves)))
        seconds = perf_counter() - began
        click.echo(
            orjson.dumps(
                surveys_report.headline(model, found, surveys_run.SEEDS, seconds=seconds, embedding=embedding)
            )
        )
        return
    for curve in curves:
        click.echo("\n".join(surveys_report.lines(curve, found[curve.survey.name])))
        click.echo()
    click.echo(
        f"Measured in {perf_counter() - began:.0f} s, {embedding:.0f} s of them for vectors by {model}."
    )


def _tell(step: str) -> None:
    """What is done next, where somebody looks at it."""
    if sys.stderr.isatty():
        click.echo(f"... {step}", err=True)
