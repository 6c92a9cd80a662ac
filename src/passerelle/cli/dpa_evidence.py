"""`passerelle dpa evidence`: one file with everything that an auditor of a tenant asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

from passerelle.cli.dpa_cases import case_of
from passerelle.cli.dpa_ground import with_dpa
from passerelle.cli.dpa_observed import look, with_here, with_observed
from passerelle.cli.forms import contents, save
from passerelle.cli.options import with_settings
from passerelle.compliance.check import check
from passerelle.compliance.check_case import Case
from passerelle.compliance.evidence import files_of, packed
from passerelle.compliance.registers import breaches
from passerelle.compliance.signed import signatures
from passerelle.compliance.sources import shipped
from passerelle.settings import Settings


@click.command("evidence")
@with_dpa
@click.option("--tenant", required=True, help="Whose.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The zip; evidence-TENANT-DAY.zip, if unsaid.",
)
@click.option(
    "--audit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The head of the audit log's chain, as JSON.",
)
@with_observed
@with_here
@with_settings
def evidence_verb(
    settings: Settings,
    dpa: Path,
    tenant: str,
    out: Path | None,
    audit: Path | None,
    observed: Path | None,
    here: bool,
) -> None:
    """Pack the documents, their sources, signatures, registers, the check, what the ledger saw, and the configuration.

    Nothing of other tenants is in it, and no secret. The same state on the same day gives the same bytes.
    """
    seen = look(settings, observed, dpa, (tenant,), here=here)
    case = case_of(settings, dpa, tenant, seen=seen)
    head = contents(audit) if audit is not None else _head(case)
    files = files_of(
        case,
        dpa=dpa,
        shipped=shipped(),
        configuration=contents(settings.config),
        found=check((case,)),
        signed=signatures(dpa, tenant),
        breaches=breaches(dpa),
        audit=head,
    )
    made = packed(files, tenant=tenant, on=case.today, missing=_missing(case, head))
    save(out or Path(f"evidence-{tenant}-{case.today}.zip"), made)


def _head(case: Case) -> bytes | None:
    chains: Any = case.observed.audit if case.observed else None
    chain = (chains or {}).get(case.tenant.name)
    return orjson.dumps(chain, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) if chain else None


def _missing(case: Case, head: bytes | None) -> list[str]:
    """What an auditor may look for, and why it is not there."""
    told = []
    if case.printed is None:
        told.append("documents: `passerelle dpa build` was never run")
    if case.signed is None:
        told.append("signed: no signature is recorded")
    if case.observed is None:
        told.append("ledger/residency.json: no service was running, and no file was given with --observed")
    if head is None:
        told.append("audit/head.json: no service told it, and no file was given with --audit")
    return told
