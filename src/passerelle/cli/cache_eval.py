"""`passerelle cache eval`: how often the cache's rule would answer, how often wrongly, and what others come to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import click
import orjson

from passerelle.cli.options import as_json
from passerelle.domain.errors import CannotRun
from passerelle.evaluation.data import Data, read, shortened
from passerelle.evaluation.evaluate import Plan, evaluate
from passerelle.evaluation.headline import headline
from passerelle.evaluation.report import document, lines
from passerelle.evaluation.vectors import embed
from passerelle.settings import read_settings
from passerelle.stores.folder import DataFolder

_SEEDS = ",".join(str(seed) for seed in range(1, 11))
_PROMISES = "0.01,0.02,0.05"
_folder = click.Path(path_type=Path)


@click.command("eval")
@click.option(
    "--data", type=_folder, required=True, help="The folder with questions and pairs to measure with."
)
@click.option("--data-cache", type=_folder, help="A folder that keeps vectors between runs.")
@click.option(
    "--model", type=_folder, help="A folder with another embedding model (ONNX), measured beside ours."
)
@click.option("--seeds", default=_SEEDS, show_default=True, help="Orders of the questions.")
@click.option(
    "--questions", type=click.IntRange(min=2), help="At most so many of each stream, drawn at random."
)
@click.option(
    "--max-error-rate",
    "promises",
    default=_PROMISES,
    show_default=True,
    help="Promises to steer to, in turn.",
)
@as_json
def eval_verb(
    data: Path,
    data_cache: Path | None,
    model: Path | None,
    seeds: str,
    questions: int | None,
    promises: str,
    json_: bool,
) -> None:
    """Measure the semantic cache on streams of questions and pairs of questions: hits, and wrong ones among them.

    Calls no model but the embedding model in this process, and reads no configuration. With --json the last line is
    one object of headline figures, explained in docs/cache-eval.md; the line before it holds every run.

    Exit status: 0 measured, 2 the data or the model cannot be read.
    """
    began = perf_counter()
    plan = Plan(seeds=_whole(seeds), promises=_shares(promises))
    found = read(data)
    chosen = Data(tuple(shortened(stream, questions) for stream in found.streams), found.pairs)
    models = data_cache if data_cache is not None else DataFolder(read_settings().data).models
    reports = []
    for folder in (None, model) if model is not None else (None,):
        _tell(f"vectors by {'the packaged model' if folder is None else folder}")
        embedded = embed(list(chosen.texts()), models=models, folder=folder, keep=data_cache)
        reports.append(evaluate(chosen, embedded, plan, tell=_tell))
    if json_:
        click.echo(orjson.dumps(document(reports, plan)))
        click.echo(orjson.dumps(headline(reports, plan, seconds=perf_counter() - began)))
        return
    for line in lines(reports, plan):
        click.echo(line)
    click.echo(f"\nMeasured in {perf_counter() - began:.0f} s.")


def _tell(step: str) -> None:
    """What is done next, where somebody looks at it."""
    if sys.stderr.isatty():
        click.echo(f"... {step}", err=True)


def _whole(written: str) -> Sequence[int]:
    try:
        seeds = tuple(dict.fromkeys(int(word) for word in written.split(",")))
    except ValueError as error:
        raise CannotRun(
            f"The seeds {written!r} are no whole numbers.", "Write them as in --seeds 1,2,3."
        ) from error
    return seeds


def _shares(written: str) -> Sequence[float]:
    try:
        shares = tuple(dict.fromkeys(float(word) for word in written.split(",")))
    except ValueError:
        shares = (0.0,)
    if not all(0 < share < 1 for share in shares):
        raise CannotRun(
            f"The shares {written!r} are not between 0 and 1.", "Write them as in --max-error-rate 0.01,0.02."
        )
    return shares
