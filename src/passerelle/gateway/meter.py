"""Sinks for records: counted as metrics, and told to the log when something went wrong."""

from __future__ import annotations

import functools

import structlog

from passerelle.domain.money import decimal
from passerelle.gateway.record import Outcome, Record, Sink
from passerelle.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)

_LIMITED = frozenset({"rate_limit_exceeded", "tokens_exceed_limit"})


def meter(metrics: Metrics) -> Sink:
    """A sink that counts every record."""
    # Looking a child up costs several times what counting does; there are few, because labels are.
    requests = functools.cache(metrics.requests.labels)
    seconds = functools.cache(metrics.seconds.labels)
    attempts = functools.cache(metrics.attempts.labels)
    tokens = functools.cache(metrics.tokens.labels)
    charged = functools.cache(metrics.money.charged.labels)
    waits = functools.cache(metrics.load.waits.labels)

    def count(record: Record) -> None:
        # Without a try the model is whatever a caller wrote, which must not become a label.
        model = record.model if record.attempts or record.outcome is Outcome.CACHED else ""
        requests(record.tenant, model, record.outcome.value).inc()
        seconds(model).observe(record.seconds)
        if record.charged:
            charged(record.tenant, model).inc(float(decimal(record.charged)))
        if record.code == "insufficient_quota":
            metrics.money.budgets_refused.labels(record.tenant).inc()
        elif record.code in _LIMITED:
            metrics.load.limited.labels(record.tenant).inc()
        for verdict in record.verdicts:
            blocked = "yes" if verdict.blocked else "no"
            metrics.load.verdicts.labels(record.tenant, verdict.rule, verdict.side.value, blocked).inc()
        for kind, times in record.redacted:
            metrics.load.redacted.labels(record.tenant, kind).inc(times)
        for attempt in record.attempts:
            attempts(attempt.backend, attempt.fault.value if attempt.fault else "").inc()
            if attempt.waited:
                waits(attempt.backend).observe(attempt.waited)
        if record.usage is not None:
            tokens(record.tenant, model, "prompt").inc(record.usage.prompt_tokens)
            tokens(record.tenant, model, "completion").inc(record.usage.completion_tokens)
            if record.usage.cached_tokens:
                tokens(record.tenant, model, "cached").inc(record.usage.cached_tokens)

    return count


def tell(record: Record) -> None:
    """A sink that logs requests which an engine failed, and answers that took more than one try."""
    # Calls that were sent nowhere come by the thousand when there is too much of them; metrics count them.
    quiet = not record.attempts or (record.outcome is Outcome.ANSWERED and len(record.attempts) == 1)
    if quiet and not record.verdicts:
        return
    _log.info(
        "request",
        request_id=record.request_id,
        tenant=record.tenant,
        route=record.route.value,
        model=record.model if record.attempts else "",
        outcome=record.outcome.value,
        code=record.code,
        seconds=round(record.seconds, 3),
        attempts=[f"{attempt.backend}: {attempt.fault or 'ok'}" for attempt in record.attempts],
        verdicts=[
            f"{each.rule}: {'blocked' if each.blocked else 'seen'} {each.label}".rstrip()
            for each in record.verdicts
        ],
    )
