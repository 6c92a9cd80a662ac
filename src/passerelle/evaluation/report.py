"""What was measured, for people: a line a figure; and for machines: all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from passerelle.evaluation.evaluate import (
    COMPARED_SEEDS,
    SHADOW,
    SHORT,
    SHOWN,
    Plan,
    Report,
    StreamReport,
    best,
)
from passerelle.evaluation.headline import WRONG_AT_MOST, rounded
from passerelle.evaluation.outcome import Pooled
from passerelle.evaluation.streams import NOISY
from passerelle.evaluation.traps import COSINE, Counted, Traps


def lines(reports: Sequence[Report], plan: Plan) -> Iterator[str]:
    """The whole report."""
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    yield f"Orders by seeds {seeds}; every run starts with an empty cache. Intervals: Wilson, 95 %."
    yield (
        f"Judges: oracle; noisy ({NOISY.false_yes:.0%} false yes, {NOISY.false_no:.0%} false no; its word counts "
        "when it says so twice, as in service);"
    )
    yield (
        "noisy-once (the same, believed at once); noisy-stated (noisy, and the controller knows how often it errs). "
        f"Baselines: {min(COMPARED_SEEDS, len(plan.seeds))} orders."
    )
    for report in reports:
        yield ""
        yield f"Model {report.model}"
        for stream in report.streams:
            yield ""
            yield from _stream(stream, plan)
        for traps in report.traps:
            yield ""
            yield from _traps(traps)
    if len(reports) > 1:
        yield ""
        yield from _beside(reports[0], reports[1])
    elif any(stream.language != "en" for stream in reports[0].streams):
        yield ""
        yield (
            f"{reports[0].model} was made for English: give --model the folder of a multilingual one to see "
            "what it changes for other languages."
        )


def _stream(stream: StreamReport, plan: Plan) -> Iterator[str]:
    barred = ", ".join(f"{reason} {count}" for reason, count in sorted(stream.barred.items())) or "none"
    yield f"{stream.name}: {stream.questions:,} questions ({stream.language}), {stream.repeats} repeated word for word"
    yield f"  not to be compared: {barred}"
    yield f"  {'':<34}{'hits':>7}  {'wrong of hits':<22}{'most':>6}  {'judged':>7}"
    for judge, pooled in stream.rule.items():
        yield _row(f"rule alone, {judge}", pooled)
    for judge, pooled in stream.short.items():
        yield _row(f"  first {SHORT:,}, {judge}", pooled)
    for promise, by_judge in stream.steered.items():
        for judge, pooled in by_judge.items():
            runs = len(pooled.runs)
            reached = ", ".join(sorted({run.notch for run in pooled.runs}))
            within = f"{pooled.within(promise)}/{runs} within, ends {reached}"
            yield f"{_row(f'steered to {promise:.1%}, {judge}', pooled)}  {within}"
    for least, pooled in stream.static.items():
        if least in SHOWN:
            yield _row(f"static cosine {least:.2f}", pooled)
    for delta, by_judge in stream.vcache.items():
        for judge, pooled in by_judge.items():
            yield _row(f"vCache delta {delta:g}, {judge}", pooled)
    yield from _best(stream)


def _best(stream: StreamReport) -> Iterator[str]:
    """The baselines at the same error, their setting chosen with hindsight."""
    oracle = next(iter(stream.rule.values()))
    for most, why in ((WRONG_AT_MOST, "at the bar"), (oracle.wrong_share.share, "at the rule's own error")):
        static = best(stream.static, most=most)
        vcache = best({delta: next(iter(one.values())) for delta, one in stream.vcache.items()}, most=most)
        yield (
            f"  best with <= {most:.2%} wrong ({why}): rule {_if_fit(oracle, most)}, "
            f"static {_setting(static)}, vCache {_setting(vcache)}"
        )


def _if_fit(pooled: Pooled, most: float) -> str:
    return f"{pooled.hit_share:.1%}" if pooled.wrong_share.share <= most else "none"


def _setting(found: tuple[float, Pooled] | None) -> str:
    return "none" if found is None else f"{found[1].hit_share:.1%} ({found[0]:g})"


def _row(what: str, pooled: Pooled) -> str:
    most = max(run.wrong_share.share for run in pooled.runs)
    asked = max(1, sum(run.asked for run in pooled.runs))
    judged = sum(run.judged for run in pooled.runs) / asked
    return f"  {what:<34}{pooled.hit_share:>7.1%}  {pooled.wrong_share!s:<22}{most:>6.1%}  {judged:>7.2f}"


def _traps(traps: Traps) -> Iterator[str]:
    yield (
        f"pairs {traps.name}: one verified entry, reused by the loosest notch: from cosine {COSINE:.2f} on (near), "
        "where the guard is content"
    )
    yield (
        f"  {'':<42}{'pairs':>6}{'near':>6}{'reused':>8}  {'of all':<22}{'of near':>8}{'guard alone':>13}"
        f"{'rule gives':>12}"
    )
    for counted in (*traps.kinds, traps.paraphrases, traps.differing, traps.sure):
        if counted.pairs:
            yield (
                f"  {_label(counted):<42}{counted.pairs:>6}{counted.near:>6}{counted.reused:>8}  "
                f"{counted.share!s:<22}{_of_near(counted):>8}{counted.content:>13}{counted.served:>12}"
            )
    for one in traps.tried:
        if not one.same and (one.reused or one.objection is None):
            how = "reused" if one.reused else "unseen by the guard, not near"
            yield f"  {how} ({one.kind}, {one.cosine:.3f}): {one.kept} | {one.asked}"


def _of_near(counted: Counted) -> str:
    return f"{counted.share_near.share:.1%}" if counted.near else "-"


def _label(counted: Counted) -> str:
    return f"{counted.kind} ({'recall' if counted.same else 'false reuse'})"


def _beside(first: Report, second: Report) -> Iterator[str]:
    """What another model changes."""
    yield f"{second.model} beside {first.model}, rule alone"
    for one, other in zip(first.streams, second.streams, strict=True):
        for judge, pooled in one.rule.items():
            after = other.rule[judge]
            yield (
                f"  {f'{one.name}, {judge}':<34}hits {pooled.hit_share:.1%} -> {after.hit_share:.1%}, "
                f"wrong {pooled.wrong_share.share:.1%} -> {after.wrong_share.share:.1%}"
            )
    for before, now in zip(first.traps, second.traps, strict=True):
        yield (
            f"  {f'pairs {before.name}':<34}recall {before.paraphrases.share.share:.1%} -> "
            f"{now.paraphrases.share.share:.1%}, false reuse {before.differing.share.share:.1%} -> "
            f"{now.differing.share.share:.1%}"
        )


def document(reports: Sequence[Report], plan: Plan) -> dict[str, Any]:
    """Every figure, run by run."""
    return {
        "seeds": list(plan.seeds),
        "promises": list(plan.promises),
        "shadow": SHADOW,
        "models": [
            {
                "model": report.model,
                "streams": [_stream_document(stream) for stream in report.streams],
                "pairs": [_pairs_document(traps) for traps in report.traps],
            }
            for report in reports
        ],
    }


def _stream_document(stream: StreamReport) -> dict[str, Any]:
    return {
        "name": stream.name,
        "language": stream.language,
        "questions": stream.questions,
        "repeats": stream.repeats,
        "barred": dict(stream.barred),
        "rule": _judges(stream.rule),
        "short": _judges(stream.short),
        "steered": {f"{promise:g}": _judges(one) for promise, one in stream.steered.items()},
        "static": {f"{least:g}": _runs(pooled) for least, pooled in stream.static.items()},
        "vcache": {f"{delta:g}": _judges(one) for delta, one in stream.vcache.items()},
    }


def _judges(by_judge: Mapping[str, Pooled]) -> dict[str, Any]:
    return {judge: _runs(pooled) for judge, pooled in by_judge.items()}


def _runs(pooled: Pooled) -> list[dict[str, Any]]:
    return [
        {
            "asked": run.asked,
            "hits": run.hits,
            "wrong": run.wrong,
            "wrong_low": rounded(run.wrong_share.low),
            "wrong_high": rounded(run.wrong_share.high),
            "judged": run.judged,
            "shadowed": run.shadowed,
            "barred": run.barred,
            "refused": run.refused,
            "notch": run.notch,
        }
        for run in pooled.runs
    ]


def _pairs_document(traps: Traps) -> dict[str, Any]:
    return {
        "name": traps.name,
        "language": traps.language,
        "kinds": [
            {
                "kind": one.kind,
                "same": one.same,
                "pairs": one.pairs,
                "near": one.near,
                "reused": one.reused,
                "guard_alone": one.content,
                "low": rounded(one.share.low),
                "high": rounded(one.share.high),
                "served": one.served,
            }
            for one in traps.kinds
        ],
        "passed": [
            {"kind": one.kind, "cosine": rounded(one.cosine), "kept": one.kept, "asked": one.asked}
            for one in traps.tried
            if one.reused and not one.same
        ],
    }
