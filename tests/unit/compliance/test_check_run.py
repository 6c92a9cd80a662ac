"""Rules that compare what is written with what runs find every difference, and say so where nobody looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from passerelle.compliance.check_case import Edit
from passerelle.compliance.observed import Observed
from passerelle.compliance.registers import Notice
from passerelle.domain.privacy import Retention
from tests.unit.compliance.cases import NOW, annex, case, configured, found, severities, went


def test_r11_a_measure_that_is_declared_must_be_on() -> None:
    off = Observed(NOW, (), oldest={}, probes={"policy": False})
    unseen = Observed(NOW, (), oldest={})

    assert severities(case(observed=off), "R11") == {"error"}
    assert severities(case(observed=unseen), "R11") == {"info"}
    assert severities(case(observed=unseen, probes={"policy": True}), "R11") == set()


def test_r11_prompts_are_not_logged_after_their_last_day() -> None:
    log = {"log_prompts": {"purpose": "support of calls", "keep": "7d", "until": "2026-11-21"}}

    assert severities(case(configured(tenant={"privacy": log})), "R11") == {"error"}


def test_r12_documents_say_what_is_purged() -> None:
    shorter = (Retention("conversations", "conversations", 86_400.0, "x", "rag-forget"),)
    unpurged = (Retention("conversations", "conversations", 2_592_000.0, "x", ""),)

    assert severities(case(retention=shorter), "R12") == {"error"}
    assert severities(case(retention=unpurged), "R12") == {"error"}
    assert severities(case(retention=()), "R12") == {"error"}


def test_r12_the_oldest_is_not_older_than_it_may_be() -> None:
    def aged(days: int) -> Observed:
        oldest = {"acme": {"conversations": NOW - timedelta(days=days)}}
        return Observed(NOW, (), oldest=oldest, probes={"policy": True})

    assert severities(case(observed=aged(33)), "R12") == {"error"}
    assert severities(case(observed=aged(30)), "R12") == set()
    assert severities(case(observed=None), "R12") == {"info"}


def test_r13_a_file_that_a_rebuild_would_change_is_named_with_its_line() -> None:
    edit = Edit("generated/acme/fr/00-synthese.md", "was edited by hand: line 3 reads 'a'", 3)

    (told,) = found(case(edits=(edit,)), "R13")
    assert (told.severity, told.file, told.line) == ("error", "DPA/generated/acme/fr/00-synthese.md", 3)
    assert severities(case(printed=None), "R13") == {"error"}


_ADDED = annex(subprocessors=[{"id": "beispiel", "country": "DE"}, {"id": "scaleway", "country": "FR"}])
_SENT = Notice(
    "2026-001",
    "acme",
    "scaleway",
    date(2026, 10, 1),
    "dpo@acme.example",
    date(2026, 11, 1),
    date(2026, 10, 31),
)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ((), {"error"}),
        ((_SENT,), set()),
        ((replace(_SENT, tenant="other"),), {"error"}),
        ((replace(_SENT, sent_on=date(2026, 10, 20)),), {"error"}),
        ((replace(_SENT, sent_on=date(2026, 10, 20), emergency="the other one failed"),), {"warning"}),
        ((replace(_SENT, sent_on=date(2026, 11, 1), effective_on=date(2026, 12, 2)),), {"error"}),
    ],
    ids=["none", "in-time", "of-another", "too-short", "emergency", "not-yet"],
)
def test_r14_a_new_sub_processor_wants_its_notice(sent: tuple[Notice, ...], expected: set[str]) -> None:
    assert severities(case(annex=_ADDED, notices=sent), "R14") == expected


def test_r14_has_nothing_to_say_before_anything_is_signed_and_says_that() -> None:
    assert severities(case(annex=_ADDED, signed=None), "R14") == {"info"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (went(country="US"), "in US"),
        (went(country=None), "not known"),
        (went(provider="novita"), "by the provider novita"),
        (went(operators=("Novita Inc.",)), "operated by Novita Inc."),
    ],
)
def test_r15_whoever_served_stands_in_the_signed_annex(row: object, expected: str) -> None:
    (told,) = found(case(observed=Observed(NOW, (row,))), "R15")  # type: ignore[arg-type]

    assert told.severity == "error"
    assert expected in told.message
    assert told.file.endswith("2026-01-15-11111111.json")


def test_r15_knows_what_answered_here() -> None:
    here = went(backend="offline", provider="self", country=None, operators=())
    machine = went(backend="gpu", country=None, operators=("self",))
    abroad = went(backend="gpu", country="US", operators=("self",))

    assert severities(case(observed=Observed(NOW, (here, machine))), "R15") == set()
    assert severities(case(observed=Observed(NOW, (abroad,))), "R15") == {"error"}


def test_r15_speaks_of_nobody_else_and_of_no_time_before_the_signature() -> None:
    others = went(tenant="other", country="US")
    before = went(country="US", last=NOW - timedelta(days=400))

    assert severities(case(observed=Observed(NOW, (others, before))), "R15") == set()
    assert severities(case(observed=None), "R15") == {"info"}
    assert severities(case(signed=None), "R15") == {"warning"}
