"""`passerelle rag eval`: how well passages are found, answers cite, and questions without an answer are refused."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import click
import orjson

from passerelle.backends.builtin.embedder import Embedder
from passerelle.cli.options import as_json
from passerelle.evaluation import rag_report
from passerelle.evaluation.rag_data import TestSet, read, shortened
from passerelle.evaluation.rag_run import Outcome, Ranks, measure, opened, rankings
from passerelle.evaluation.vectors import Embedded, embed
from passerelle.settings import read_settings
from passerelle.stores.folder import DataFolder

_folder = click.Path(path_type=Path)


@click.command("eval")
@click.option(
    "--data", type=_folder, required=True, help="The folder with passages and questions to measure with."
)
@click.option("--data-cache", type=_folder, help="A folder that keeps vectors between runs.")
@click.option(
    "--embedder", type=_folder, help="A folder with another embedding model (ONNX), measured beside ours."
)
@click.option("--questions", type=click.IntRange(min=1), help="At most so many of each set, the first ones.")
@as_json
def eval_verb(
    data: Path, data_cache: Path | None, embedder: Path | None, questions: int | None, json_: bool
) -> None:
    """Measure searching and answering on sets of passages and questions, with the embedded store and without a language model.

    Every question is asked twice: with the passage that answers it, and with that passage deleted. Reads no
    configuration and calls nothing outside this process but the store's own. With --json the last line is one object of
    headline figures, explained in docs/rag-eval.md; the line before it holds every question.

    Exit status: 0 measured, 2 the data or the model cannot be read.
    """
    began = perf_counter()
    tests = tuple(shortened(test, questions) for test in read(data))
    models = data_cache if data_cache is not None else DataFolder(read_settings().data).models
    _tell("vectors by the packaged model")
    passages, asked = _vectors(tests, models, None, data_cache)
    model = passages.model
    outcomes = asyncio.run(_measured(tests, passages, asked, models))
    found = {outcome.test.name: rag_report.figures(outcome) for outcome in outcomes}
    others: dict[str, rag_report.Figures] = {}
    if embedder is not None:
        _tell(f"vectors by {embedder}")
        passages, asked = _vectors(tests, models, embedder, data_cache)
        ranks = asyncio.run(_ranked(tests, passages, asked))
        others = {name: {"model": passages.model, **rag_report.retrieval(of)} for name, of in ranks.items()}
    if json_:
        click.echo(orjson.dumps(rag_report.document(model, outcomes)))
        click.echo(orjson.dumps(rag_report.headline(model, found, others, seconds=perf_counter() - began)))
        return
    for outcome in outcomes:
        name = outcome.test.name
        click.echo("\n".join(rag_report.lines(outcome.test, found[name])))
        if name in others:
            click.echo("\n".join(rag_report.beside(name, others[name]["model"], others[name])))
        click.echo()
    click.echo(f"Measured in {perf_counter() - began:.0f} s, with {model}.")


def _vectors(
    tests: tuple[TestSet, ...], models: Path, folder: Path | None, keep: Path | None
) -> tuple[Embedded, Embedded]:
    """Of every passage and of every question."""
    texts = [chunk.indexed for test in tests for chunk in test.passages]
    passages = embed(texts, models=models, folder=folder, keep=keep, question=False)
    asked = [question.text for test in tests for question in test.questions]
    return passages, embed(asked, models=models, folder=folder, keep=keep)


async def _measured(
    tests: tuple[TestSet, ...], passages: Embedded, asked: Embedded, models: Path
) -> list[Outcome]:
    engine = Embedder(cache=models)
    outcomes = []
    for test in tests:
        _tell(f"{test.name}: searching and answering")
        with tempfile.TemporaryDirectory(prefix="passerelle-eval-", ignore_cleanup_errors=True) as folder:
            store, bench = await opened(Path(folder), test, passages, asked)
            try:
                outcomes.append(await measure(bench, engine))
            finally:
                await store.aclose()
    return outcomes


async def _ranked(
    tests: tuple[TestSet, ...], passages: Embedded, asked: Embedded
) -> dict[str, dict[str, Ranks]]:
    found = {}
    for test in tests:
        _tell(f"{test.name}: searching with the other model")
        with tempfile.TemporaryDirectory(prefix="passerelle-eval-", ignore_cleanup_errors=True) as folder:
            store, bench = await opened(Path(folder), test, passages, asked)
            try:
                found[test.name] = await rankings(bench)
            finally:
                await store.aclose()
    return found


def _tell(step: str) -> None:
    """What is done next, where somebody looks at it."""
    if sys.stderr.isatty():
        click.echo(f"... {step}", err=True)
