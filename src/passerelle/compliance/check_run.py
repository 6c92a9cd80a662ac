"""Rules that compare what is written with what runs: measures, retention, files, notices, and what the ledger saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from passerelle.compliance.check_case import Case
from passerelle.compliance.check_parties import forbidden
from passerelle.compliance.facts import Place
from passerelle.compliance.findings import Found
from passerelle.compliance.observed import Went
from passerelle.compliance.registers import Notice
from passerelle.compliance.signed import Annex, Listed, times
from passerelle.compliance.words import MARKS
from passerelle.policy.judge import SELF

_LOOK = "Start the service, or give --observed FILE."
_BUILD = "Run `passerelle dpa build`."
_GRACE = timedelta(days=2)  # a purge runs daily, and may be a day late


def _manifest(case: Case) -> Place:
    return Place(f"generated/{case.tenant.name}/manifest.json")


def measures(case: Case) -> Iterator[Found]:
    """R11."""
    yield from forbidden(case, "R11")
    log = case.tenant.privacy.prompt_log
    if log is not None and log.until < case.today:
        message = f"Prompts were to be kept until {log.until} only, and the configuration still asks for it."
        path = ("tenants", case.tenant.name, "privacy", "log_prompts")
        yield case.in_file("R11", "error", message, "Remove `log_prompts`, or set a later day.", path=path)
    if case.printed is None:
        return
    seen = dict(case.observed.probes or {}) if case.observed else {}
    doubtful = []
    for name in sorted(name for name, on in case.printed.measures.items() if on):
        probed = seen.get(name, case.probes.get(name))
        if probed is None:
            doubtful.append(name)
        elif not probed:
            message = f"Annex II says that the measure {name!r} is on, and it is off."
            yield case.at(_manifest(case), "R11", "error", message, f"Switch it on; or: {_BUILD}")
    if doubtful:
        message = f"Not checked, whether these measures are on: {', '.join(doubtful)}."
        yield case.at(_manifest(case), "R11", "info", message, _LOOK)


def purges(case: Case) -> Iterator[Found]:
    """R12."""
    now = times((each.store, each.seconds) for each in case.retention if each.seconds != 0)
    printed = case.printed.retention if case.printed else now
    for store in sorted({*now, *printed}):
        if now.get(store) != printed.get(store):
            message = (
                f"The documents say that what {store} has is kept {_spans(printed.get(store))}; "
                f"the configuration says {_spans(now.get(store))}."
            )
            yield case.at(_manifest(case), "R12", "error", message, _BUILD)
    for each in case.retention:
        if each.seconds and not each.purge:
            message = (
                f"{each.what} ({each.store}) are to be kept {_span(each.seconds)}, and no job purges them."
            )
            yield case.at(_manifest(case), "R12", "error", message, "Report this as a defect of Passerelle.")
    yield from _oldest(case, now)


def _oldest(case: Case, now: Mapping[str, tuple[float | None, ...]]) -> Iterator[Found]:
    if case.observed is None or case.observed.oldest is None:
        yield case.at(_manifest(case), "R12", "info", "Not checked, how old the oldest data is.", _LOOK)
        return
    for store, made in sorted(case.observed.oldest.get(case.tenant.name, {}).items()):
        longest = max((seconds for seconds in now.get(store, ()) if seconds is not None), default=None)
        if longest is not None and case.now - made > timedelta(seconds=longest) + _GRACE:
            jobs = ", ".join(sorted({each.purge for each in case.retention if each.store == store}))
            message = (
                f"The oldest that {store} has is of {made:%Y-%m-%d}, and is to be kept {_span(longest)}."
            )
            cure = f"See why it is not purged ({jobs}): `passerelle jobs`, and the worker's log."
            yield case.at(_manifest(case), "R12", "error", message, cure)


def _spans(kept: tuple[float | None, ...] | None) -> str:
    return " or ".join(map(_span, kept)) if kept else "for no time"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "until it is deleted"
    days, rest = divmod(seconds, 86_400)
    return f"{seconds:g} s" if rest else f"{days:g} days"


def files(case: Case) -> Iterator[Found]:
    """R13."""
    if case.printed is None:
        message = "The documents were never built."
        yield case.at(Place(f"generated/{case.tenant.name}"), "R13", "error", message, _BUILD)
        return
    for edit in case.edits:
        if not edit.outdated:
            cure = f"{_BUILD} What people add belongs between the marks `keep`, or into sources."
            message = f"{edit.why[:1].upper()}{edit.why[1:]}."
            yield case.at(Place(edit.file, edit.line), "R13", "error", message, cure)
    old = [edit for edit in case.edits if edit.outdated]
    if old:
        first = old[0]
        others = f", as are {len(old) - 1} more" if len(old) > 1 else ""
        message = f"This document is older than what it is made from{others}: {first.why}."
        yield case.at(Place(first.file, first.line), "R13", "error", message, _BUILD)


def gaps(case: Case) -> Iterator[Found]:
    """R16, of the documents: what a human must still write."""
    for file, text in sorted(case.documents.items()):
        lines = [number for number, line in enumerate(text.splitlines(), 1) if any(m in line for m in MARKS)]
        if lines:
            message = f"{len(lines)} lines wait for a human to complete them."
            cure = "Complete the sources they come from, or the text between the marks `keep`."
            yield case.at(Place(file, lines[0]), "R16", "warning", message, cure)


def notice(case: Case) -> Iterator[Found]:
    """R14."""
    if case.signed is None:
        message = "Nothing is signed: there is no list of sub-processors that a notice could change."
        cure = "Have the annex signed, then: `passerelle dpa sign`."
        yield case.at(_manifest(case), "R14", "info", message, cure)
        return
    before = {(each.id, each.country) for each in case.signed.annex.listed}
    for each in case.annex.listed:
        if (each.id, each.country) not in before:
            sent = [n for n in case.notices if (n.tenant, n.party) == (case.tenant.name, each.id)]
            newest = max(sent, key=lambda n: n.effective_on, default=None)
            yield from _noticed(case, case.signed.annex, each, newest)


def _noticed(case: Case, agreed: Annex, party: Listed, sent: Notice | None) -> Iterator[Found]:
    where = f"{party.name} ({party.country or 'an unknown country'})"
    if sent is None:
        message = f"{where} may be reached, is not in the signed annex, and no notice of it was sent."
        cure = (
            "Take it out; send the notice that `passerelle dpa diff` writes, and record it: `dpa notice add`."
        )
        path = ("backends", *party.through[:1])
        yield case.in_file("R14", "error", message, cure, path=path)
        return
    days = (sent.effective_on - sent.sent_on).days
    early = max(sent.effective_on, sent.sent_on + timedelta(days=agreed.notice_days))
    if days >= agreed.notice_days and sent.effective_on <= case.today:
        return
    if days < agreed.notice_days:
        message = f"The notice of {where} gave {days} days, the agreement asks for {agreed.notice_days}."
    else:
        message = f"{where} may be reached, and its notice says only from {sent.effective_on} on."
    if sent.emergency:
        yield case.at(sent.place, "R14", "warning", f"{message} An emergency: {sent.emergency}", "")
    else:
        cure = f"Take it out until {early}, or record with --emergency why that cannot be."
        yield case.at(sent.place, "R14", "error", message, cure)


def served(case: Case) -> Iterator[Found]:
    """R15."""
    if case.observed is None or case.observed.went is None:
        message = "Not checked, whether the ledger saw anybody whom the signed annex does not name."
        yield case.at(_manifest(case), "R15", "info", message, _LOOK)
        return
    rows = [row for row in case.observed.went if row.tenant == case.tenant.name]
    if case.signed is None:
        if rows:
            message = f"{sum(row.calls for row in rows)} calls were sent, and no annex is signed."
            cure = "Have the annex signed, then: `passerelle dpa sign`."
            yield case.at(_manifest(case), "R15", "warning", message, cure)
        return
    for row in rows:
        if _after(row, case.signed.on):
            for wrong in _strange(case, case.signed.annex, row):
                message = (
                    f"The ledger has {row.calls} calls in {row.month} through {row.backend} {wrong}, "
                    f"which the annex signed on {case.signed.on} does not name."
                )
                cure = "Keep the tenant from it now; tell it of the change, or have a new annex signed."
                yield case.at(case.signed.place, "R15", "error", message, cure)


def _after(row: Went, signed: date) -> bool:
    return row.last.date() >= signed


def _strange(case: Case, agreed: Annex, row: Went) -> Iterator[str]:
    # What answers in this process, or on our own machines, has no provider; where those are is the operator's to say.
    own = row.provider == SELF or (row.provider is None and set(row.operators) == {SELF})
    if row.country is None and not own:
        yield "in a country that is not known"
    elif row.country is not None and row.country not in agreed.countries:
        yield f"in {row.country}"
    names = agreed.providers | {each.id for each in agreed.listed}
    entry = case.sources.entry_of(operator=None, provider=row.provider)
    if row.provider is not None and not own and not {row.provider, entry.id if entry else ""} & names:
        yield f"by the provider {row.provider}"
    for operator in row.operators:
        known = case.sources.entry_of(operator=operator)
        if operator != SELF and not {operator, known.id if known else ""} & (agreed.operators | names):
            yield f"operated by {operator}"
