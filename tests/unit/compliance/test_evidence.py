"""The auditor's file is whole, the same every time, and has nothing of other tenants and no password."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.compliance.check import check
from passerelle.compliance.evidence import configuration_of, files_of, packed
from passerelle.compliance.observed import read_file, read_observed
from passerelle.compliance.registers import Breach
from passerelle.domain.errors import CannotRun
from passerelle.routing.source import Source
from tests.unit.compliance.cases import SIGNED, TODAY, case, configured

_ROW = {
    "tenant": "acme",
    "month": "2026-11",
    "backend": "hosted",
    "provider": None,
    "country": "DE",
    "operators": ["Beispiel Cloud GmbH"],
    "calls": 3,
    "first": "2026-11-02T00:00:00+00:00",
    "last": "2026-11-03T00:00:00+00:00",
}
_SEEN = {
    "as_of": "2026-11-22T12:00:00+00:00",
    "since": "2026-11",
    "until": "2026-11",
    "rows": [_ROW, {**_ROW, "tenant": "rival"}],
    "oldest": {"acme": {"conversations": "2026-11-01T00:00:00+00:00"}, "rival": {}},
    "audit": {"acme": {"whole": True}, "rival": {"whole": True}},
}
_AT = datetime(2026, 11, 1, tzinfo=UTC)


def _files(tmp_path: Path) -> dict[str, bytes]:
    for name, text in (
        ("generated/acme/fr/a.md", "document"),
        ("generated/rival/fr/a.md", "rival"),
        ("sources/operator.yaml", "name: x"),
        ("sources/tenants/acme.yaml", "tenant: acme"),
        ("sources/tenants/rival.yaml", "tenant: rival"),
        ("sources/catalogue/beispiel.yaml", "id: beispiel"),
        ("sources/catalogue/unused.yaml", "id: unused"),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    idle: dict[str, Any] = {"idle": {"acme": 1, "rival": 2}}
    configuration = configured(tenant={"limits": {"rpm": 5}})
    configuration["backends"]["gpu"] = {
        **configuration["backends"]["gpu"],
        "capacity": idle,
        "cost": {"per_hour": 1, "currency": "EUR"},
    }
    configuration["tenants"]["rival"] = {"policy": "eu"}
    configuration["webhooks"] = {
        "theirs": {"url": "https://rival.example/h", "secret": "env:A", "tenants": ["rival"]},
        "ours": {"url": "https://acme.example/h", "secret": "env:B", "tenants": ["acme", "rival"]},
    }
    of = case(configuration, observed=read_observed(_SEEN))
    return files_of(
        of,
        dpa=tmp_path,
        shipped=tmp_path / "none",
        configuration=b"whole",
        found=check([of]),
        signed=[SIGNED],
        breaches=[
            Breach("2026-001", _AT, "everybody's"),
            Breach("2026-002", _AT, "two's", tenants=("acme", "rival")),
            Breach("2026-003", _AT, "another's", tenants=("rival",)),
        ],
        audit=b"{}",
    )


def test_it_has_everything_about_the_tenant_and_nothing_about_another(tmp_path: Path) -> None:
    files = _files(tmp_path)

    assert {
        "documents/fr/a.md",
        "sources/operator.yaml",
        "sources/tenants/acme.yaml",
        "sources/catalogue/beispiel.yaml",
        "signed/acme/2026-01-15-11111111.json",
        "registers/breaches.json",
        "registers/notices.json",
        "check.json",
        "check.sarif",
        "configuration/providers.yaml",
        "configuration/hashes.json",
        "ledger/residency.json",
        "audit/head.json",
    } == set(files)
    assert not [name for name, content in files.items() if b"rival" in content]
    assert [each["id"] for each in orjson.loads(files["registers/breaches.json"])] == ["2026-001", "2026-002"]
    assert [row["calls"] for row in orjson.loads(files["ledger/residency.json"])["rows"]] == [3]
    whole = hashlib.sha256(b"whole").hexdigest()
    assert orjson.loads(files["configuration/hashes.json"])["providers.yaml"] == whole


def test_the_configuration_has_references_and_no_password(tmp_path: Path) -> None:
    assert b"env:B" in _files(tmp_path)["configuration/providers.yaml"]
    written = Source({"tenants": {"acme": None}, "backends": {"gpu": {"url": "http://user:pass@gpu:80"}}})
    assert b"url: http://***@gpu:80" in configuration_of(written, "acme")


def test_the_same_state_gives_the_same_bytes_and_the_index_has_their_hashes(tmp_path: Path) -> None:
    files = _files(tmp_path)
    made = packed(files, tenant="acme", on=TODAY, missing=["x: why"])

    assert made == packed(dict(reversed(files.items())), tenant="acme", on=TODAY, missing=["x: why"])
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        index = orjson.loads(archive.read("index.json"))
        assert index["missing"] == ["x: why"]
        assert set(index["files"]) == set(files)
        for name, digest in index["files"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest


def test_what_was_observed_is_read_and_what_was_not_is_not_made_up(tmp_path: Path) -> None:
    seen = read_observed(_SEEN)

    assert seen.went is not None
    assert seen.went[0].operators == ("Beispiel Cloud GmbH",)
    assert seen.oldest == {"acme": {"conversations": _AT}, "rival": {}}
    nothing = read_observed({})
    assert (nothing.went, nothing.oldest, nothing.probes, nothing.audit) == (None, None, None, None)
    file = tmp_path / "observed.json"
    for wrong, told in ((b"[]", "object"), (b"{", "not JSON"), (b'{"rows": [{}]}', "not in the form")):
        file.write_bytes(wrong)
        with pytest.raises(CannotRun, match=told):
            read_file(file)
    with pytest.raises(CannotRun, match="cannot be read"):
        read_file(tmp_path / "none")
