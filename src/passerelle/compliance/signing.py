"""Keeping a signature: which annex was signed on which day, by the hash of the manifest it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import orjson

from passerelle.compliance.check_case import Edit
from passerelle.compliance.signed import Signed, place_of, read_annex, record, signatures
from passerelle.domain.errors import CannotRun


def sign(
    dpa: Path, tenant: str, *, on: date, today: date, by: str, file: Path, edits: Sequence[Edit]
) -> Signed:
    """Record that the annex that stands in the generated folder was signed. The same again changes nothing.

    `edits`: what a rebuild would change; where there is any, the folder is not what would be signed. Raises CannotRun.
    """
    if on > today:
        raise CannotRun(f"{on} has not come.", "Give the day on which it was signed.")
    if edits:
        more = f", and {len(edits) - 1} more" if len(edits) > 1 else ""
        raise CannotRun(
            f"The generated folder is not what a rebuild gives: {edits[0].file}: {edits[0].why}{more}.",
            "Run `passerelle dpa build`, and have that signed.",
        )
    manifest = _content(dpa / "generated" / tenant / "manifest.json")
    annex = orjson.loads(manifest).get("annex")
    if not isinstance(annex, dict):
        raise CannotRun(f"The manifest of {tenant!r} has no annex.", "Run `passerelle dpa build`.")
    digest = hashlib.sha256(manifest).hexdigest()
    signed = Signed(
        tenant=tenant,
        on=on,
        by=by,
        file=file.name,
        file_sha256=hashlib.sha256(_content(file)).hexdigest(),
        manifest_sha256=digest,
        annex=read_annex(annex),
        place=place_of(tenant, on, digest),
    )
    _keep(dpa, signed)
    return signed


def _keep(dpa: Path, signed: Signed) -> None:
    known = {each.place: each for each in signatures(dpa, signed.tenant)}.get(signed.place)
    if known is not None:
        if (known.file_sha256, known.by) != (signed.file_sha256, signed.by):
            raise CannotRun(
                f"{dpa / signed.place.file} records another file or signatory for the same annex and day.",
                "A record of a signature is never changed: see which of the two is right.",
            )
        return
    file = dpa / signed.place.file
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(record(signed))
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CannotRun(f"{file} cannot be written: {(error.strerror or 'error').lower()}.") from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise CannotRun(
            f"There is no {file}.", "Run `passerelle dpa build`, or name the signed file."
        ) from error
    except OSError as error:
        raise CannotRun(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from error
