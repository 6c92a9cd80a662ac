"""A signature is kept by the hash of what was signed, once, and never over a folder that a rebuild would change."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import orjson
import pytest

from passerelle.compliance.check_case import Edit
from passerelle.compliance.signed import Signed, last, signatures
from passerelle.compliance.signing import sign
from passerelle.domain.errors import CannotRun
from tests.unit.compliance.cases import ANNEX, TODAY

_ON = date(2026, 11, 1)


@pytest.fixture
def dpa(tmp_path: Path) -> Path:
    manifest = tmp_path / "generated" / "acme" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes(orjson.dumps({"annex": ANNEX}))
    (tmp_path / "signed.pdf").write_bytes(b"%PDF-1.7")
    return tmp_path


def _sign(dpa: Path, *, on: date = _ON, by: str = "director", edits: tuple[Edit, ...] = ()) -> Signed:
    return sign(dpa, "acme", on=on, today=TODAY, by=by, file=dpa / "signed.pdf", edits=edits)


def test_a_signature_is_read_as_it_was_kept(dpa: Path) -> None:
    signed = _sign(dpa)

    manifest = (dpa / "generated/acme/manifest.json").read_bytes()
    assert signed.manifest_sha256 == hashlib.sha256(manifest).hexdigest()
    assert signed.file_sha256 == hashlib.sha256(b"%PDF-1.7").hexdigest()
    assert signed.place.file == f"signed/acme/2026-11-01-{signed.manifest_sha256[:8]}.json"
    assert signatures(dpa, "acme") == (signed,)
    assert signed.annex.countries == {"FR", "DE"}


def test_the_same_again_changes_nothing_and_another_file_is_refused(dpa: Path) -> None:
    signed = _sign(dpa)
    before = (dpa / signed.place.file).read_bytes()

    assert _sign(dpa) == signed
    with pytest.raises(CannotRun, match="another file or signatory"):
        _sign(dpa, by="somebody else")
    assert (dpa / signed.place.file).read_bytes() == before


def test_the_newest_that_was_signed_by_a_day_holds(dpa: Path) -> None:
    first = _sign(dpa, on=date(2026, 1, 1))
    second = _sign(dpa, on=_ON)

    records = signatures(dpa, "acme")
    assert records == (first, second)
    assert last(records, today=TODAY) == second
    assert last(records, today=date(2026, 10, 31)) == first
    assert last(records, today=date(2025, 1, 1)) is None


def test_what_is_not_as_built_or_not_yet_is_not_signed(dpa: Path) -> None:
    with pytest.raises(CannotRun, match=r"not what a rebuild gives: generated/acme/fr/x\.md: is missing"):
        _sign(dpa, edits=(Edit("generated/acme/fr/x.md", "is missing"),))
    with pytest.raises(CannotRun, match="has not come"):
        _sign(dpa, on=date(2027, 1, 1))
    (dpa / "signed.pdf").unlink()
    with pytest.raises(CannotRun, match="There is no"):
        _sign(dpa)
    assert signatures(dpa, "acme") == ()


def test_a_record_that_was_changed_is_refused(dpa: Path) -> None:
    signed = _sign(dpa)
    file = dpa / signed.place.file
    file.write_bytes(file.read_bytes().replace(b'"DE"', b'"US"'))

    with pytest.raises(CannotRun, match="changed after it was signed"):
        signatures(dpa, "acme")
    file.write_bytes(b"{}")
    with pytest.raises(CannotRun, match="not the record of a signature"):
        signatures(dpa, "acme")
