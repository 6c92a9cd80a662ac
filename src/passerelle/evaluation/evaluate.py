"""Everything that is measured with one model: streams under both judges, steered and not, baselines, traps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from passerelle.evaluation.baselines import static, vcache
from passerelle.evaluation.data import Data
from passerelle.evaluation.outcome import Outcome, Pooled
from passerelle.evaluation.questions import Prepared, prepare
from passerelle.evaluation.streams import NOISY, ONCE, ORACLE, STATED, Noise, ruled, shuffled, steered
from passerelle.evaluation.traps import Traps, try_pairs
from passerelle.evaluation.vectors import Embedded

RULED = (ORACLE, NOISY, ONCE)  # judges of the rule alone
STEERED = (ORACLE, NOISY, STATED)
BASED = (ORACLE, ONCE)  # of a baseline, that knows of no second opinion
SHORT = 3_000  # questions of a stream that is cut short
SHADOW = 0.03  # of hits that are asked again: what a tenant has that says nothing
COMPARED_SEEDS = 3  # orders in which the baselines are run
SHOWN = (0.80, 0.85, 0.90, 0.95, 0.98)  # cosines that are shown whatever they come to
GRID = tuple(round(0.70 + 0.02 * step, 2) for step in range(15))  # and those among which the best is sought
DELTAS = (0.005, 0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run."""

    seeds: Sequence[int]
    promises: Sequence[float]  # max_error_rate of tenants


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream, measured. The inner keys of `rule`, `short`, `steered` and `vcache` are names of judges."""

    name: str
    language: str
    questions: int
    repeats: int
    barred: Mapping[str, int]
    rule: Mapping[str, Pooled]
    short: Mapping[str, Pooled]  # empty for a stream that is no longer than `SHORT`
    steered: Mapping[float, Mapping[str, Pooled]]  # by max_error_rate
    static: Mapping[float, Pooled]  # by cosine
    vcache: Mapping[float, Mapping[str, Pooled]]  # by delta


@dataclass(frozen=True, slots=True)
class Report:
    """All that one model came to."""

    model: str
    streams: tuple[StreamReport, ...]
    traps: tuple[Traps, ...]


def evaluate(data: Data, embedded: Embedded, plan: Plan, *, tell: Callable[[str], None]) -> Report:
    """Run the plan over the data. `tell` hears what is done next."""
    streams = []
    for stream in data.streams:
        tell(f"{stream.name}: {len(stream.texts):,} questions, {len(plan.seeds)} orders")
        streams.append(_measured(prepare(stream, embedded), plan))
    traps = tuple(try_pairs(pairs, embedded) for pairs in data.pairs)
    return Report(embedded.model, tuple(streams), traps)


def _measured(prepared: Prepared, plan: Plan) -> StreamReport:
    count = len(prepared.questions)
    orders = {seed: shuffled(count, seed) for seed in plan.seeds}
    barred: dict[str, int] = {}
    for question in prepared.questions:
        if question.barred is not None:
            reason = question.barred.value
            barred[reason] = barred.get(reason, 0) + 1
    short = {seed: order[:SHORT] for seed, order in orders.items()} if count > SHORT else {}
    few = dict(list(orders.items())[:COMPARED_SEEDS])
    return StreamReport(
        name=prepared.name,
        language=prepared.language,
        questions=count,
        repeats=prepared.repeats,
        barred=barred,
        rule=_by_judge(prepared, orders, RULED, _ruled),
        short=_by_judge(prepared, short, RULED, _ruled) if short else {},
        steered={
            promise: _by_judge(prepared, orders, STEERED, _Steered(promise)) for promise in plan.promises
        },
        static={
            least: _pooled(
                static(prepared.ground, prepared.answers, order, least=least) for order in few.values()
            )
            for least in sorted({*SHOWN, *GRID})
        },
        vcache={delta: _by_judge(prepared, few, BASED, _VCache(delta)) for delta in DELTAS},
    )


Runs = Callable[[Prepared, Sequence[int], Noise, int], Outcome]


def _by_judge(
    prepared: Prepared, orders: Mapping[int, Sequence[int]], noises: Sequence[Noise], run: Runs
) -> dict[str, Pooled]:
    return {
        noise.name: _pooled(run(prepared, order, noise, seed) for seed, order in orders.items())
        for noise in noises
    }


def _pooled(runs: Iterable[Outcome]) -> Pooled:
    return Pooled(tuple(runs))


def _ruled(prepared: Prepared, order: Sequence[int], noise: Noise, seed: int) -> Outcome:
    return ruled(prepared, order, noise=noise, seed=seed)


@dataclass(frozen=True, slots=True)
class _Steered:
    promise: float

    def __call__(self, prepared: Prepared, order: Sequence[int], noise: Noise, seed: int) -> Outcome:
        return steered(prepared, order, noise=noise, seed=seed, max_error_rate=self.promise, shadow=SHADOW)


@dataclass(frozen=True, slots=True)
class _VCache:
    delta: float

    def __call__(self, prepared: Prepared, order: Sequence[int], noise: Noise, seed: int) -> Outcome:
        rng = random.Random(f"vcache-{noise.name}-{seed}")  # noqa: S311 - a named seed is the point
        return vcache(
            prepared.ground, prepared.answers, order, delta=self.delta, judge=noise.judge(rng), rng=rng
        )


def best(tried: Mapping[float, Pooled], *, most: float) -> tuple[float, Pooled] | None:
    """The setting with most hits of those whose wrong share is no higher than `most`: chosen with hindsight."""
    fit = [(setting, pooled) for setting, pooled in tried.items() if pooled.wrong_share.share <= most]
    return max(fit, key=lambda one: one[1].hit_share, default=None)
