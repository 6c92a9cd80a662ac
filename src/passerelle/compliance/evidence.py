"""The auditor's file: everything about one tenant, the same bytes for the same state, and an index with hashes.

Nothing of other tenants is in it, and no secret: of the configuration there are references only, and user names and
passwords in addresses are taken out.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import yaml

from passerelle import __version__
from passerelle.compliance.check_case import Case
from passerelle.compliance.findings import Found, as_values
from passerelle.compliance.observed import Observed
from passerelle.compliance.registers import Breach, Notice
from passerelle.compliance.sarif import as_sarif
from passerelle.compliance.signed import Signed, record
from passerelle.routing.source import Source

_ALWAYS = ("operator.yaml", "adequacy.yaml", "legal-calendar.yaml")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day that a zip can tell


def files_of(
    case: Case,
    *,
    dpa: Path,
    shipped: Path,
    configuration: bytes,
    found: Sequence[Found],
    signed: Iterable[Signed],
    breaches: Iterable[Breach],
    audit: bytes | None = None,
) -> dict[str, bytes]:
    """What belongs in it, by name, but for the index. `configuration` is the file as it stands."""
    tenant = case.tenant.name
    files = {f"documents/{name}": content for name, content in _below(dpa / "generated" / tenant).items()}
    files |= {f"sources/{name}": content for name, content in _sources(case, dpa, shipped).items()}
    files |= {each.place.file: record(each) for each in signed}
    mine = [each for each in breaches if not each.tenants or tenant in each.tenants]
    files["registers/breaches.json"] = _json([_row(replace(each, tenants=(tenant,))) for each in mine])
    files["registers/notices.json"] = _json([_row(each) for each in case.notices if each.tenant == tenant])
    files["check.json"] = _json({"on": case.today.isoformat(), "findings": as_values(found)})
    files["check.sarif"] = _json(as_sarif(found))
    files["configuration/providers.yaml"] = configuration_of(case.lines, tenant)
    files["configuration/hashes.json"] = _json(
        {
            "providers.yaml": hashlib.sha256(configuration).hexdigest(),
            "version": case.catalog.version,
            "program": __version__,
        }
    )
    if case.observed is not None:
        files["ledger/residency.json"] = _json(_residency(case.observed, tenant))
    if audit is not None:
        files["audit/head.json"] = audit
    return files


def packed(files: Mapping[str, bytes], *, tenant: str, on: date, missing: Sequence[str] = ()) -> bytes:
    """The zip. `missing`: what an auditor may look for, and why it is not there.

    Nothing is compressed: what compresses is not the same in every version of the library.
    """
    index = {
        "tenant": tenant,
        "on": on.isoformat(),
        "missing": list(missing),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [("index.json", _json(index)), *sorted(files.items())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # a Unix, whatever this is
            archive.writestr(entry, content)
    return buffer.getvalue()


def configuration_of(lines: Source | None, tenant: str) -> bytes:
    """The configuration as far as it is about a tenant."""
    data: dict[str, Any] = dict(lines.data) if lines else {}
    tenants = data.get("tenants")
    data["tenants"] = {tenant: tenants.get(tenant)} if isinstance(tenants, dict) else {}
    hooks = data.get("webhooks")
    if isinstance(hooks, dict):
        data["webhooks"] = {
            name: {**hook, **({"tenants": [tenant]} if hook.get("tenants") else {})}
            for name, hook in hooks.items()
            if isinstance(hook, dict) and (not hook.get("tenants") or tenant in hook["tenants"])
        }
    data = {name: value for name, value in data.items() if name != "cors"}
    text = yaml.safe_dump(
        _without(data, _names(lines) - {tenant}), sort_keys=False, allow_unicode=True, width=110
    )
    return _USER_INFO.sub("***@", text).encode()


def _names(lines: Source | None) -> frozenset[str]:
    tenants = lines.data.get("tenants") if lines else None
    return frozenset(tenants) if isinstance(tenants, dict) else frozenset()


def _without(value: Any, others: frozenset[str]) -> Any:
    """The same where other tenants have a share of a backend's idle hours, and so would be named."""
    if isinstance(value, dict):
        return {
            name: (
                {key: share for key, share in each.items() if key not in others}
                if name == "idle" and isinstance(each, dict)
                else _without(each, others)
            )
            for name, each in value.items()
        }
    return [_without(each, others) for each in value] if isinstance(value, list) else value


def _below(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def _sources(case: Case, dpa: Path, shipped: Path) -> dict[str, bytes]:
    """The operator's and this tenant's, and the entries of those whom its data may reach."""
    entries = sorted({entry.id for _, entry in case.others() if entry is not None})
    names = [
        *_ALWAYS,
        f"tenants/{case.tenant.name}.yaml",
        *(f"{folder}/{each}.yaml" for each in entries for folder in ("catalogue", "agreements")),
    ]
    found: dict[str, bytes] = {}
    for name in names:
        for root in (dpa, shipped):
            file = root / "sources" / name
            if file.is_file():
                found[name] = file.read_bytes()
                break
    return found


def _residency(observed: Observed, tenant: str) -> dict[str, Any]:
    rows = observed.values.get("rows")
    oldest = observed.values.get("oldest")
    return {
        **{name: observed.values.get(name) for name in ("as_of", "since", "until", "probes")},
        "rows": None if rows is None else [row for row in rows if row.get("tenant") == tenant],
        "oldest": None if oldest is None else oldest.get(tenant, {}),
    }


def _row(row: Breach | Notice) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "place"}
    return {name: value for name, value in values.items() if value not in (None, "", ())}


def _json(values: Any) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
