"""`passerelle dpa sign`: what was signed is kept, by the hash of the manifest it belongs to."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from passerelle.cli.dpa_cases import case_of
from passerelle.cli.dpa_ground import with_dpa
from passerelle.cli.dpa_registers import DAY
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.shown import show_card
from passerelle.compliance.signing import sign
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings


@click.command("sign")
@with_dpa
@click.option("--tenant", required=True, help="Which tenant signed.")
@click.option("--date", "on", type=DAY, required=True, help="The day of the signature.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The signed file, such as a PDF.",
)
@click.option("--by", default="", help="Who signed, as a function rather than a name.")
@as_json
@with_settings
def sign_verb(settings: Settings, dpa: Path, tenant: str, on: date, file: Path, by: str, json_: bool) -> None:
    """Record that a tenant signed the documents that stand in its generated folder.

    Kept are the hashes of the manifest and of the signed file, and the annex: not the file itself. Refused where the
    folder is not what a rebuild gives. Rules R14 and R15 compare with what is kept here.
    """
    case = case_of(settings, dpa, tenant)
    if case.printed is None:
        raise CannotRun(
            f"Nothing was built for {tenant!r}.", "Run `passerelle dpa build`, and have that signed."
        )
    today = datetime.now().astimezone().date()
    signed = sign(dpa, tenant, on=on, today=today, by=by, file=file, edits=case.edits)
    card = {
        "record": f"{dpa}/{signed.place.file}",
        "tenant": tenant,
        "signed_on": on.isoformat(),
        "manifest_sha256": signed.manifest_sha256,
        "file_sha256": signed.file_sha256,
        "countries": sorted(signed.annex.countries),
        "sub_processors": [each.id for each in signed.annex.listed],
    }
    who = ", ".join(each.name for each in signed.annex.listed) or "no sub-processor"
    show_card(
        card, [f"{card['record']}: {who}; in {', '.join(card['countries']) or 'no country'}"], json_=json_
    )
