"""GPTCache's evaluators as a second check: each may refuse an answer that our rule would give, and nothing else.

`norm` and `distance` look at the vectors, `exact` at the letters, `onnx` and `sbert` ask models of their own, whose
libraries must be installed beforehand. Cohere's is left out: it sends questions where no policy of ours is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from passerelle.bridges.disarm import part
from passerelle.cache.second import Check, Pair
from passerelle.domain.errors import CannotRun

THRESHOLD = 0.8  # of an evaluator's range: GPTCache's own default

_CLASSES = {
    "distance": "SearchDistanceEvaluation",
    "exact": "ExactMatchEvaluation",
    "norm": "NumpyNormEvaluation",
    "onnx": "OnnxModelEvaluation",
    "sbert": "SbertCrossencoderEvaluation",
}
NAMES = tuple(_CLASSES)


def evaluator(named: str) -> Check:
    """The check of that name, or of `name:threshold` with a threshold between 0 and 1. Raises CannotRun.

    A check blocks: for some microseconds where it looks at vectors, for as long as a model takes where it asks one.
    """
    name, _, given = named.partition(":")
    if name not in _CLASSES:
        raise CannotRun(f"There is no evaluator {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    threshold = _threshold(given)
    try:
        chosen = getattr(part("similarity_evaluation"), _CLASSES[name])()
    except ModuleNotFoundError as error:
        raise CannotRun(f"The evaluator {name!r} cannot be used: {error}") from error
    lowest, highest = chosen.range()
    bar = min(highest, max(lowest, (highest - lowest) * threshold))

    cache_data = part("manager.scalar_data.base").CacheData

    def check(pair: Pair) -> bool:
        return bool(chosen.evaluation(*_asked(pair, cache_data)) >= bar)

    return check


def _threshold(given: str) -> float:
    try:
        threshold = float(given) if given else THRESHOLD
    except ValueError:
        threshold = -1.0
    if not 0.0 <= threshold <= 1.0:
        raise CannotRun(f"{given!r} is no threshold of an evaluator.", "Give a number between 0 and 1.")
    return threshold


def _asked(pair: Pair, cache_data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What GPTCache's adapter gives an evaluation: the question, and the kept one with its squared distance."""
    member, kept = pair.near.member, pair.kept
    answer = kept.message.get("content")
    asked = {"question": pair.text, "embedding": pair.vector}
    known = {
        "question": member.text,
        "answer": answer,
        "search_result": (max(0.0, 2.0 - 2.0 * pair.near.similarity), kept.id),
        "cache_data": cache_data(
            question=member.text,
            answers=[answer],
            embedding_data=member.vector,
            create_on=datetime.fromtimestamp(kept.created, UTC),
        ),
        "embedding": member.vector,
    }
    return asked, known
