"""The figures that are quoted, as one flat object of stable names. Each name is explained in docs/cache-eval.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from passerelle.evaluation.evaluate import Plan, Report, StreamReport, best
from passerelle.evaluation.outcome import Pooled
from passerelle.evaluation.streams import ORACLE
from passerelle.evaluation.traps import Traps

VERSION = 1  # of the names and what they mean
WRONG_AT_MOST = 0.015  # for the baselines' best settings: the bar of the rule itself

Figures = dict[str, Any]


def headline(reports: Sequence[Report], plan: Plan, *, seconds: float) -> Figures:
    """The first report's figures; those of a second one, of a model that was given, begin with `model_`."""
    first = reports[0]
    figures: Figures = {
        "version": VERSION,
        "model": first.model,
        "seeds": list(plan.seeds),
        "questions": sum(stream.questions for stream in first.streams),
        "pairs": sum(len(traps.tried) for traps in first.traps),
        "seconds": round(seconds, 1),
        **_of(first),
    }
    for report in reports[1:]:
        figures["model_name"] = report.model
        figures |= {f"model_{name}": value for name, value in _of(report).items()}
    return figures


def _of(report: Report) -> Figures:
    figures: Figures = {}
    for stream in report.streams:
        figures |= {f"{stream.name}_{name}": value for name, value in _stream(stream).items()}
    for language in sorted({traps.language for traps in report.traps}):
        several = [traps for traps in report.traps if traps.language == language]
        figures |= {f"traps_{language}_{name}": value for name, value in _traps(several).items()}
    return figures


def _stream(stream: StreamReport) -> Figures:
    figures: Figures = {
        "questions": stream.questions,
        "eligible": rounded(1 - sum(stream.barred.values()) / stream.questions),
    }
    for judge, pooled in stream.rule.items():
        figures |= _pooled(f"rule_{judge}", pooled)
    for judge, pooled in stream.short.items():
        figures |= _pooled(f"short_{judge}", pooled)
    for promise, by_judge in stream.steered.items():
        for judge, pooled in by_judge.items():
            name = f"steered_{promise:g}_{judge}"
            figures |= _pooled(name, pooled)
            figures[f"{name}_within"] = pooled.wrong_share.low <= promise
            figures[f"{name}_runs_within"] = pooled.within(promise)
    for name, tried in (
        ("static", stream.static),
        ("vcache", {delta: by_judge[ORACLE.name] for delta, by_judge in stream.vcache.items()}),
    ):
        found = best(tried, most=WRONG_AT_MOST)
        figures[f"{name}_best_hits"] = rounded(found[1].hit_share) if found else None
        figures[f"{name}_best_setting"] = found[0] if found else None
    return figures


def _pooled(name: str, pooled: Pooled) -> Figures:
    wrong = pooled.wrong_share
    return {
        f"{name}_hits": rounded(pooled.hit_share),
        f"{name}_hits_least": rounded(min(run.hit_share for run in pooled.runs)),
        f"{name}_wrong": rounded(wrong.share),
        f"{name}_wrong_low": rounded(wrong.low),
        f"{name}_wrong_high": rounded(wrong.high),
        f"{name}_wrong_most": rounded(max(run.wrong_share.share for run in pooled.runs)),
    }


def _traps(several: Sequence[Traps]) -> Figures:
    tried = tuple(one for traps in several for one in traps.tried)
    together = Traps("", several[0].language, tried)
    differing, sure, paraphrases = together.differing, together.sure, together.paraphrases
    false, accepted = differing.share, paraphrases.share
    return {
        "pairs": len(tried),
        "false_reuse": rounded(false.share),
        "false_reuse_high": rounded(false.high),
        "near": differing.near,
        "near_false_reuse": rounded(differing.share_near.share),
        "guard_passes": differing.content,
        "sure_pairs": sure.pairs,
        "sure_false_reuse": sure.reused,
        "accepted": rounded(accepted.share),
        "accepted_low": rounded(accepted.low),
        "served_wrong": differing.served,
        "served_right": paraphrases.served,
    }


def rounded(share: float) -> float:
    """To a hundredth of a percent."""
    return round(share, 4)
