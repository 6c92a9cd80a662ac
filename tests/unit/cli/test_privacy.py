"""A receipt is checked on the command line without any service."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from passerelle.cli.privacy import privacy
from passerelle.domain.errors import CannotRun
from passerelle.rights.proofs import canonical, signed
from passerelle.sealing.signing import Signer

SIGNER = Signer(b"s" * 32)
RECEIPT = {
    "object": "privacy.receipt",
    "deed": "erase",
    "tenant": "acme",
    "finished_at": "2026-11-22T08:00:00Z",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "receipt.json"
    made.write_text(json.dumps(signed(RECEIPT, SIGNER.sign(canonical(RECEIPT)), SIGNER.public)))
    return made


def test_a_good_receipt_holds_by_its_own_key_and_by_a_given_one(file: Path, tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(SIGNER.pem)
    for given in ([], ["--key", base64.b64encode(SIGNER.public).decode()], ["--key", str(pem)]):
        done = CliRunner().invoke(privacy, ["verify", str(file), *given])
        assert done.exit_code == 0, done.output
        assert "erase of acme" in done.output


def test_a_changed_receipt_and_another_key_end_with_one(file: Path) -> None:
    other = base64.b64encode(Signer(b"o" * 32).public).decode()
    assert CliRunner().invoke(privacy, ["verify", str(file), "--key", other]).exit_code == 1
    file.write_text(file.read_text().replace("acme", "other"))
    assert CliRunner().invoke(privacy, ["verify", str(file)]).exit_code == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"receipt": {}, "signature": {}}', "\x00", "1e999"])
def test_what_is_no_receipt_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    made = tmp_path / "receipt.json"
    made.write_text(content)
    done = CliRunner().invoke(privacy, ["verify", str(made)])
    assert isinstance(done.exception, CannotRun)
    assert "\n" not in str(done.exception)
