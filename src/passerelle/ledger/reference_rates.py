"""The European Central Bank's euro reference rates, as its files have them: read whole and believable, or not at all.

Those of some four hundred days come with the package; the operator's own copy adds newer ones. Nothing is fetched here.
Rates: European Central Bank, free to reuse where the source is named and the figures are left as they are.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

from passerelle.domain.errors import CannotRun
from passerelle.stores.folder import write_private

SOURCE = "European Central Bank, euro foreign exchange reference rates"
KEPT = 800  # days that the operator's copy keeps
_PACKAGED = "rates/eurofxref.csv"
_COPY = Path("rates") / "eurofxref.csv"  # in the data folder
_LONGEST = 16 * 1_048_576  # bytes of a file, unpacked: ECB's whole history since 1999 has 2 MB
_MOST_COLUMNS = 200
_CURRENCY = re.compile(r"[A-Z]{3}")
_FIGURE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,10})?")
_ISO = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,4}")
# Not the locale's: ECB writes them in English.
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_NONE = frozenset({"N/A", ""})
# No currency has been worth more than 10,000 euros or less than a hundred-millionth of one.
_LEAST, _MOST = Decimal("0.0001"), Decimal(100_000_000)
_LEAP = 2  # no currency has doubled or halved between two days; what does is a figure in another's column
_LEAP_DAYS = timedelta(days=10)
_CURE = "Fetch it again from the European Central Bank; the rates from before stay in use."


@dataclass(frozen=True, slots=True)
class ReferenceRates:
    """What one euro was on each day, by currency: the figures as they were published, as text."""

    days: tuple[date, ...]  # ascending, never empty
    euro: tuple[Mapping[str, str], ...]  # by currency code; a day without a rate of one lacks it

    def __or__(self, other: ReferenceRates) -> ReferenceRates:
        """Both; where both have a currency's rate of a day, the other's."""
        rows = dict(zip(self.days, self.euro, strict=True))
        for day, row in zip(other.days, other.euro, strict=True):
            rows[day] = {**rows.get(day, {}), **row}
        return _table(rows)

    def since(self, day: date) -> ReferenceRates:
        """Without what is older; its last day stays in any case."""
        rows = {each: row for each, row in zip(self.days, self.euro, strict=True) if each >= day}
        return _table(rows or {self.days[-1]: self.euro[-1]})


def read_rates(raw: bytes) -> ReferenceRates:
    """ECB's `eurofxref-hist.csv`, its zip, or the daily `eurofxref.csv`. Raises CannotRun for what is not whole.

    Lines that begin with `#` before the head are remarks.
    """
    if raw.startswith(b"PK"):
        raw = _unpacked(raw)
    if len(raw) > _LONGEST:
        raise _refused(f"is longer than {_LONGEST} bytes")
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _refused("is not text in UTF-8") from error
    begin = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    head = _fields(lines[begin]) if begin < len(lines) else []
    currencies = [name for name in head[1:] if name]
    odd = head[:1] != ["Date"] or not currencies or len(head) > _MOST_COLUMNS
    if odd or not all(_CURRENCY.fullmatch(name) for name in currencies) or "" in head[1:-1]:
        raise _refused("does not begin with `Date` and the codes of currencies")
    if len(set(currencies)) != len(currencies):
        raise _refused("names a currency twice")
    rows: dict[date, Mapping[str, str]] = {}
    before: date | None = None
    for number, line in enumerate(lines[begin + 1 :], start=begin + 2):
        fields = _fields(line)
        if len(fields) != len(head):
            raise _refused(
                f"breaks off, or is damaged: line {number} has {len(fields)} fields, not {len(head)}"
            )
        day = _day(fields[0], number)
        if before is not None and day >= before:
            raise _refused(f"is out of order: line {number} is not of an earlier day than the line before it")
        rows[day], before = _row(currencies, fields[1:], number), day
    if not rows:
        raise _refused("holds no rates")
    table = _table(rows)
    _check_leaps(table)
    return table


def packaged_rates() -> ReferenceRates:
    """Those that came with the package; some 60 kB are read, so not inside the event loop."""
    return read_rates(files("passerelle.ledger").joinpath(_PACKAGED).read_bytes())


def known_rates(folder: Path) -> ReferenceRates:
    """The package's, and those of the operator's copy in the data folder, which go first where it is newer.

    Raises CannotRun for a copy that cannot be read or believed.
    """
    packaged, own = packaged_rates(), _own(folder)
    if own is None:
        return packaged
    both = (packaged | own) if own.days[-1] >= packaged.days[-1] else (own | packaged)
    _check_leaps(both)
    return both


def install_rates(folder: Path, raw: bytes, *, today: date | None = None) -> date:
    """Add a file of rates to the operator's copy, which is there whole or as it was; its newest day.

    Raises CannotRun for a file that is refused. What was installed before is kept for 800 days, so that a daily file
    of one day is enough.
    """
    fresh = read_rates(raw)
    latest = (today or datetime.now(UTC).date()) + timedelta(days=1)  # it may be tomorrow somewhere
    if fresh.days[-1] > latest:
        raise _refused(f"has rates of {fresh.days[-1]}, which is not yet")
    try:
        known = _own(folder)
    except CannotRun:
        known = None  # a copy that cannot be read is what this call mends
    table = fresh if known is None else known | fresh
    table = table.since(table.days[-1] - timedelta(days=KEPT))
    _check_leaps(table)
    file = folder / _COPY
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, written(table, remarks=(f"Source: {SOURCE}",)))
    except OSError as error:
        raise _unusable(file, error) from error
    return table.days[-1]


def written(table: ReferenceRates, *, remarks: Sequence[str] = ()) -> bytes:
    """The rates in ECB's form, newest day first, under remarks."""
    currencies = list(dict.fromkeys(name for row in reversed(table.euro) for name in row))
    lines = [f"# {remark}" for remark in remarks]
    lines.append(",".join(["Date", *currencies, ""]))
    for day, row in zip(reversed(table.days), reversed(table.euro), strict=True):
        lines.append(",".join([day.isoformat(), *(row.get(name, "N/A") for name in currencies), ""]))
    return ("\n".join(lines) + "\n").encode()


def _own(folder: Path) -> ReferenceRates | None:
    file = folder / _COPY
    try:
        with file.open("rb") as opened:
            raw = opened.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(file, error) from error
    try:
        return read_rates(raw)
    except CannotRun as error:
        raise CannotRun(
            error.cause.replace("The file of exchange rates", str(file), 1),
            "Install the rates again, or remove the file.",
        ) from error


def _table(rows: Mapping[date, Mapping[str, str]]) -> ReferenceRates:
    days = tuple(sorted(rows))
    return ReferenceRates(days, tuple(rows[day] for day in days))


def _unpacked(raw: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise _refused(f"is an archive with {len(names)} tables in it, not one")
            with archive.open(names[0]) as table:
                return table.read(_LONGEST + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise _refused("is an archive that breaks off or is damaged") from error


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split(",")]


def _day(text: str, number: int) -> date:
    """`2026-10-30`, or `30 October 2026` in the daily file."""
    words = text.split()
    try:
        if _ISO.fullmatch(text):
            return date.fromisoformat(text)
        if len(words) == 3 and _NUMBER.fullmatch(words[0]) and _NUMBER.fullmatch(words[2]):
            return date(int(words[2]), _MONTHS.index(words[1]) + 1, int(words[0]))
    except ValueError:
        pass
    raise _refused(f"has no date at the beginning of line {number}")


def _row(currencies: Sequence[str], figures: Sequence[str], number: int) -> Mapping[str, str]:
    row = {}
    for name, figure in zip(currencies, figures, strict=False):
        if figure in _NONE:
            continue
        if not _FIGURE.fullmatch(figure) or not _LEAST <= Decimal(figure) < _MOST:
            raise _refused(f"has {figure[:20]!r} for {name} in line {number}, which is no rate")
        row[name] = figure
    if any(figures[len(currencies) :]) or not row:
        raise _refused(f"has no rates, or too many fields, in line {number}")
    return row


def _check_leaps(table: ReferenceRates) -> None:
    """A rate beside its neighbours' in time: one that has doubled or halved is somebody else's, or cut short."""
    last: dict[str, tuple[date, float]] = {}
    for day, row in zip(table.days, table.euro, strict=True):
        for name, figure in row.items():
            size = float(figure)  # compared alone, never multiplied
            before = last.get(name)
            if before and day - before[0] <= _LEAP_DAYS and not 1 / _LEAP < size / before[1] < _LEAP:
                raise _refused(f"has {figure} for {name} on {day}, and {before[1]:g} just before")
            last[name] = (day, size)


def _refused(what: str) -> CannotRun:
    return CannotRun(f"The file of exchange rates {what}.", _CURE)


def _unusable(file: Path, error: OSError) -> CannotRun:
    said = (error.strerror or str(error)).lower()
    return CannotRun(f"{file} cannot be used: {said}.", "Mend its permissions, or make room on the disk.")
