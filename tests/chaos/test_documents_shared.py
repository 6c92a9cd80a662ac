"""Tenants whose documents are read by the same workers: nobody waits behind another one's heap, and nobody's limits
hold up anybody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.documents import House, around, house
from tests.chaos.program import asked_for, stage, until

_HEAP, _FEW = 100, 10
_TOKENS = 100  # a minute, of the tenant whose limit is low
_FINISHED = """
SELECT count(*) FROM job_item JOIN job ON job.id = job_id WHERE tenant = 'heap' AND job_item.finished_at BETWEEN
    (SELECT created_at FROM job WHERE tenant = 'few') AND (SELECT finished_at FROM job WHERE tenant = 'few')
"""
_COUNTED = "SELECT count(*) FROM job_event WHERE what IN ('item-retried', 'item-failed')"


@pytest.fixture
def lab(tmp_path: Path, database_url: str) -> Iterator[tuple[House, str]]:
    with stage() as own, around(own) as among:
        tenants = {"heap": {}, "few": {}, "bounded": {"limits": {"tpm": _TOKENS}}}
        with house(among, tmp_path / "h", among.configuration(tenants), DATABASE_URL=database_url) as made:
            made.serve(PASSERELLE_JOB_CONCURRENCY="4")
            yield made, database_url


def test_few_documents_do_not_wait_behind_a_heap(lab: tuple[House, str]) -> None:
    documents, address = lab
    heap = documents.hand_in("heap", range(_HEAP))
    few = documents.hand_in("few", range(_FEW))
    until(lambda: documents.over("few", few), "the few are read", within=100)
    meanwhile = int(asked_for(address, _FINISHED)[0][0])
    print(f"while {_FEW} of one were read, {meanwhile} of the other's {_HEAP} were")
    assert meanwhile <= 2 * _FEW
    assert documents.call(f"/v1/jobs/{heap[0]}/cancel", "heap", body={}).status == 200


def test_a_tenant_without_tokens_waits_fails_nothing_and_holds_up_nobody(lab: tuple[House, str]) -> None:
    documents, address = lab
    documents.hand_in("bounded", range(40))
    until(
        lambda: int(asked_for(address, "SELECT count(*) FROM job_event WHERE what = 'item-postponed'")[0][0]),
        "its tokens are used up",
    )
    few = documents.hand_in("few", range(_FEW))
    since = time.monotonic()
    until(lambda: documents.over("few", few), "the others' are read", within=60)
    took = time.monotonic() - since
    stands = documents.states("bounded")
    print(f"few: {took:.1f} s; bounded meanwhile: {dict(stands)}")
    assert "failed" not in stands
    assert stands.get("ready", 0) < 40
    assert int(asked_for(address, _COUNTED)[0][0]) == 0
