"""Dates, receipts and lists that are worked out from values alone."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest

from passerelle.domain.catalog import Tenant
from passerelle.domain.content import ContentRules
from passerelle.domain.naming import names_of
from passerelle.domain.privacy import Deed, Subject
from passerelle.domain.rag import Rag
from passerelle.domain.survey_work import SurveyRules
from passerelle.idempotency.store import KEPT_SECONDS
from passerelle.ledger.outbox import PATIENCE
from passerelle.pipelines.rag.keeping import FIGURES
from passerelle.rights import retained
from passerelle.rights.due import due
from passerelle.rights.letters import Addressed, letters
from passerelle.rights.proofs import canonical, holds, signed
from passerelle.rights.receipts import told
from passerelle.working import KEPT_JOBS_SECONDS
from tests.unit.rights.scene import PSEUDONYMS, SIGNER


@pytest.mark.parametrize(
    ("asked", "ends"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-31", "2028-02-29"),
        ("2026-12-15", "2027-01-15"),
        ("2026-11-30", "2026-12-30"),
        ("2026-08-31", "2026-09-30"),
    ],
)
def test_a_request_is_due_one_month_after_it_came(asked: str, ends: str) -> None:
    moment = datetime.fromisoformat(f"{asked}T09:30:00+00:00")
    assert due(moment) == datetime.fromisoformat(f"{ends}T09:30:00+00:00")


def test_a_receipt_that_was_changed_does_not_hold() -> None:
    receipt = {
        "object": "privacy.receipt",
        "stores": [{"store": "documents", "total_after": 0}],
        "at": "2026",
    }
    document = signed(receipt, SIGNER.sign(canonical(receipt)), SIGNER.public)
    assert holds(document)
    assert holds({**document, "receipt": dict(reversed(receipt.items()))})
    forged = copy.deepcopy(document)
    forged["receipt"]["stores"][0]["total_after"] = 1
    assert not holds(forged)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"receipt": {}, "signature": {}},
        {"receipt": {"object": "privacy.receipt"}, "signature": 1},
        "x",
    ],
)
def test_what_is_no_receipt_is_refused_in_words(document: object) -> None:
    with pytest.raises(ValueError, match="receipt"):
        holds(document)


def test_fractions_are_never_signed() -> None:
    with pytest.raises(ValueError, match="fractions"):
        canonical({"object": "privacy.receipt", "seconds": 1.5})


def test_retention_is_what_the_tenant_set() -> None:
    tenant = Tenant(
        "acme", (), rag=Rag(keep=90.0), content=ContentRules(keep=7.0), surveys=SurveyRules(keep=5.0)
    )
    first = retained.first_of(retained.retention_of(tenant))
    assert (first["conversations"].seconds, first["enrichment"].seconds, first["surveys"].seconds) == (
        90,
        7,
        5,
    )
    unsaid = retained.first_of(
        retained.retention_of(Tenant("acme", (), rag=None, content=None, surveys=None))
    )
    assert {unsaid[name].seconds for name in ("conversations", "enrichment", "surveys")} == {None}


def test_what_is_said_of_retention_is_what_purges() -> None:
    assert retained.ANSWERS_SECONDS == KEPT_SECONDS
    assert PATIENCE.total_seconds() == retained.OUTBOX_SECONDS
    assert retained.FIGURES_SECONDS == FIGURES
    assert retained.JOBS_SECONDS == KEPT_JOBS_SECONDS


def test_a_person_is_found_by_its_name_and_by_its_pseudonym_and_nobody_else_is() -> None:
    mine = PSEUDONYMS.of("acme", "ana")
    subject = Subject("acme", "", mine)
    found = ["ana", mine, "Ana", "", None, PSEUDONYMS.of("other", "ana"), "bob"]
    assert names_of(subject, found, PSEUDONYMS.of) == sorted(["ana", mine])


def test_times_are_told_in_utc() -> None:
    assert told(datetime(2026, 11, 22, 8, 0, 1, 5, tzinfo=UTC)) == "2026-11-22T08:00:01Z"


@pytest.mark.parametrize("deed", [Deed.EXPORT, Deed.ERASE, Deed.WIPE])
def test_a_letter_asks_for_what_was_asked(deed: Deed) -> None:
    subject = None if deed is Deed.WIPE else "u_1"
    said = letters(Addressed("together", "acme", subject, "privacy_1", deed, "2026-11-02", "2026-11-05"))
    for language, deletes in (("en", "delete what you hold"), ("fr", "effacer ce que vous détenez")):
        assert (deletes in said[language]) == (deed is not Deed.EXPORT), (
            "who asks for access wants nothing deleted"
        )
        assert [line[:2] for line in said[language].splitlines() if line[:1].isdigit()] == ["1.", "2.", "3."]
