"""Which of the passages that were found answer a question, or none: decided before any model is asked. Pure.

A passage's relevance is a logistic function of five signs (`evidence_signs`), fitted on questions of encyclopedia
passages, French and English together: half of the questions with the passage that answers them in the collection, half
with that passage taken out, so that what is found is the nearest of the rest. Fitted on one language, it parts those of
the other as well as its own. `tools/rag_evidence.py` makes the figures here again from the test sets, and cross-validates
them over articles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from passerelle.domain.rag import Found
from passerelle.pipelines.rag.evidence_signs import Signs, signs

MOST_JUDGED = 10  # passages; those behind them are not evidence, and a model is shown them last
# What each sign adds to the logarithm of the odds, in the order of `Signs`, and where it starts from.
START = -4.268
WEIGHTS = (2.615, 2.245, -1.481, 2.307, 1.029)
# An engine that only quotes answers from a passage of at least this relevance. Cross-validated, it then refuses 8 % of
# the French questions that have an answer (57 % of those that have none), and 5.5 % (86 %) of the English ones.
ANSWERABLE: Mapping[str, float] = MappingProxyType({"fr": 0.235, "en": 0.43, "": 0.235})
# A language model reads, and says itself when there is no answer: it is spared only what is hopeless.
WORTH_ASKING = 0.1


def judged(question: str, found: Sequence[Found]) -> list[Found]:
    """The passages in their order, with the relevance of the first few."""
    first = found[:MOST_JUDGED]
    relevant = (
        replace(one, relevance=relevance(seen))
        for one, seen in zip(first, signs(question, first), strict=True)
    )
    return [*relevant, *found[MOST_JUDGED:]]


def ordered(question: str, found: Sequence[Found]) -> list[Found]:
    """Judged passages; of those that words alone have found, the first few in the order of their relevance.

    That finds more than the order of BM25: in nDCG@10, 0.006 more (French) and 0.004 (English) on the sets that the
    weights were fitted on. What a model has had a part in keeps its order.
    """
    evidence = judged(question, found)
    if _found_otherwise(evidence):
        return evidence
    first = sorted(
        evidence[:MOST_JUDGED], key=lambda one: -(one.relevance or 0.0)
    )  # equals stay as they were
    return [*first, *evidence[MOST_JUDGED:]]


def relevance(seen: Signs) -> float:
    """The share of such passages, 0 to 1, that are right, where half of the questions have an answer."""
    odds = START + math.fsum(weight * sign for weight, sign in zip(WEIGHTS, seen.row, strict=True))
    return 1.0 / (1.0 + math.exp(-odds))


def choose(
    evidence: Sequence[Found], *, extractive: bool, language: str | None = None, most: int | None = None
) -> tuple[Found, ...]:
    """What an answer is drawn from, of judged passages; nothing where the question is to be refused.

    `extractive`: whoever answers only quotes. It is given the most relevant passage alone, so that what it quotes can
    be relied upon. A language model is given up to `most`, as they were found. `language` is the question's.
    """
    if not evidence:
        return ()
    best = max(evidence, key=lambda one: one.relevance or 0.0)  # of equals, the first
    if extractive:
        enough = (best.relevance or 0.0) >= ANSWERABLE.get(language or "", ANSWERABLE[""])
        return (best,) if enough else ()
    if (best.relevance or 0.0) < WORTH_ASKING and not _found_otherwise(evidence):
        return ()
    return tuple(evidence[:most])


def _found_otherwise(evidence: Sequence[Found]) -> bool:
    """Was any found by its meaning, or read by a reranker? Then that it shares no words says little."""
    return any(one.dense_score is not None or one.rerank_score is not None for one in evidence)
