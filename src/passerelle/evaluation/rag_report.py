"""What answers from documents come to: for people, for machines, and the few figures that are quoted.

Each name of a headline figure is explained in docs/rag-eval.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from passerelle.domain.shares import Share, wilson
from passerelle.evaluation.headline import rounded
from passerelle.evaluation.rag_data import TestSet
from passerelle.evaluation.rag_run import Outcome, Ranks, Told
from passerelle.evaluation.rag_scores import exact, f1, gained, holds, quantile, ranking

VERSION = 1  # of the names and what they mean
WAYS = {
    "plain": "plain BM25, title and text",
    "text": "words",
    "search": "words, by evidence (served)",
    "dense": "meaning",
    "hybrid": "words and meaning",
}
Figures = dict[str, Any]


def figures(outcome: Outcome) -> Figures:
    """A test set's figures by their names."""
    test, ranks = outcome.test, outcome.ranks
    found: Figures = {"questions": len(test.questions), "passages": len(test.passages)}
    found |= retrieval(ranks)
    told = list(zip(test.questions, outcome.there, strict=True))
    language, count = test.language, max(1, len(told))
    texts = {chunk.id: chunk.text for chunk in test.passages}
    cited = [
        [
            chunk == asked.passage or holds(texts[chunk], asked.answers, language)
            for chunk in dict.fromkeys(citation.chunk for citation in one.citations)
        ]
        for asked, one in told
        if one.refused is None
    ]
    marks = [right for answer in cited for right in answer]
    found |= {
        "answer_f1": rounded(sum(f1(one.text, asked.answers, language) for asked, one in told) / count),
        "answer_exact": rounded(sum(exact(one.text, asked.answers, language) for asked, one in told) / count),
        "answer_holds_gold": rounded(
            sum(holds(one.text, asked.answers, language) for asked, one in told) / count
        ),
        **_share("citation_precision", wilson(sum(marks), len(marks))),
        **_share("citation_recall", wilson(sum(map(any, cited)), len(cited))),
        **_share("refusals", _refused(outcome.removed)),
        **_share("false_refusals", _refused(outcome.there)),
    }
    for name, values in (
        ("search", [one.searching for one in outcome.there]),
        ("answer", [one.seconds for one in outcome.there]),
    ):
        for share in (50, 95):
            found[f"{name}_p{share}_ms"] = round(1000 * quantile(values, share / 100), 1)
    return found


def retrieval(ranks: Mapping[str, Ranks]) -> Figures:
    """How well each way of searching finds, and what it gains over words and over the baseline."""
    found: Figures = {}
    for way in WAYS:
        if way not in ranks:
            continue
        means = ranking(ranks[way])
        found |= {
            f"{way}_ndcg10": rounded(means.ndcg),
            f"{way}_recall5": rounded(means.recall),
            f"{way}_mrr10": rounded(means.mrr),
        }
    for way, over in (("search", "plain"), ("hybrid", "search"), ("dense", "search")):
        if way in ranks and over in ranks:
            gain = gained(ranks[way], ranks[over])
            found |= {
                f"{way}_over_{over}": rounded(gain.mean),
                f"{way}_over_{over}_low": rounded(gain.low),
                f"{way}_over_{over}_high": rounded(gain.high),
            }
    found["best"] = "hybrid" if found.get("hybrid_over_search_low", 0.0) > 0 else "text"
    return found


def headline(
    model: str, sets: Mapping[str, Figures], others: Mapping[str, Figures], *, seconds: float
) -> Figures:
    """One flat object; what another embedding model finds begins with `embedder_`."""
    flat: Figures = {"version": VERSION, "model": model, "seconds": round(seconds, 1)}
    for prefix, several in (("", sets), ("embedder_", others)):
        for name, found in several.items():
            flat |= {f"{prefix}{name}_{figure}": value for figure, value in found.items()}
    return flat


def lines(test: TestSet, found: Figures) -> Iterator[str]:
    """A test set's figures, for people."""
    yield f"{test.name}: {found['questions']:,} questions about {found['passages']:,} passages ({test.language})"
    yield f"  {'':<30}{'nDCG@10':>9}{'Recall@5':>10}{'MRR@10':>9}"
    yield from _ways(found)
    yield f"  What is best for this language and embedder: {found['best']}."
    yield (
        f"  answers: F1 {found['answer_f1']:.3f}, exact match {found['answer_exact']:.3f}, "
        f"the right words among them {found['answer_holds_gold']:.1%}"
    )
    for name, what in (
        ("citation_precision", "cited passages that are right"),
        ("citation_recall", "answers that cite a right one"),
        ("refusals", "refused, the passage being removed"),
        ("false_refusals", "refused, the passage being there"),
    ):
        share = Share(found[name], found[f"{name}_low"], found[f"{name}_high"])
        yield f"  {what:<36}{share}"
    yield (
        f"  search p50 {found['search_p50_ms']:.1f} ms, p95 {found['search_p95_ms']:.1f} ms; "
        f"answer p50 {found['answer_p50_ms']:.1f} ms, p95 {found['answer_p95_ms']:.1f} ms"
    )


def beside(name: str, model: str, found: Figures) -> Iterator[str]:
    """What another embedding model finds on a test set, for people."""
    yield f"{name} with {model}:"
    yield from _ways(found)
    yield f"  What is best for this language and embedder: {found['best']}."


def document(model: str, outcomes: Sequence[Outcome]) -> Any:
    """Every question's ranks and answer, without the texts of passages."""
    return {
        "model": model,
        "sets": [
            {
                "name": outcome.test.name,
                "questions": [
                    {
                        "question": asked.text,
                        "passage": asked.passage,
                        "ranks": {way: ranks[place] for way, ranks in outcome.ranks.items()},
                        "there": _told(outcome.there[place]),
                        "removed": _told(outcome.removed[place]),
                    }
                    for place, asked in enumerate(outcome.test.questions)
                ],
            }
            for outcome in outcomes
        ],
    }


def _ways(found: Figures) -> Iterator[str]:
    for way, words in WAYS.items():
        if f"{way}_ndcg10" not in found:
            continue
        row = f"  {words:<30}{found[f'{way}_ndcg10']:>9.4f}{found[f'{way}_recall5']:>10.3f}{found[f'{way}_mrr10']:>9.4f}"
        over = "plain" if way == "search" else "search"
        if (key := f"{way}_over_{over}") in found:
            row += (
                f"  {found[key]:+.4f} [{found[f'{key}_low']:+.4f}, {found[f'{key}_high']:+.4f}] over {over}"
            )
        yield row


def _refused(several: Sequence[Told]) -> Share:
    return wilson(sum(one.refused is not None for one in several), len(several))


def _share(name: str, share: Share) -> Figures:
    return {
        name: rounded(share.share),
        f"{name}_low": rounded(share.low),
        f"{name}_high": rounded(share.high),
    }


def _told(one: Told) -> Figures:
    return {
        "refused": one.refused,
        "text": one.text,
        "citations": [
            {k: v for k, v in asdict(c).items() if k in ("number", "chunk", "quote")} for c in one.citations
        ],
    }
