"""Words that are looked for in all that a service leaves behind, and the looking: in files, tables, Redis, logs.

A canary is a stem that says what may become of it, and letters that say where it was put. Stems are looked for as they
are, and as what files, protocols and encoders make of them.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.database import driver_address

# What a tenant that keeps nothing sends: nowhere, in no form.
NOTHING = "vquoxakizebul"
# What a tenant that keeps things sends as content: sealed, wherever it stands.
CONTENT = "mwyzzigarponef"
# Personal data in what is asked: nowhere, not even sealed, and never at an engine.
REDACTED = "jhekkupovidax"
# A `user`: only as a pseudonym, here and at an engine.
PERSON = "tbraxxolumeqi"
# What an engine says by itself: in answers only.
SAID = "fglonquitsave"
# What tenants name their things by, which is found by its name: only where `BY_DESIGN` says.
NAMED = "pwojjurkadely"
STEMS = (NOTHING, CONTENT, REDACTED, PERSON, SAID, NAMED)
# Personal data that is no word, as it is written and as it is read: never anywhere that a stem of REDACTED is not.
PHONE, NIR, IBAN = "06 12 34 56 78", "2 84 05 2A 123 456 32", "FR76 3000 6000 0112 3456 7890 189"


def canary(stem: str, where: str) -> str:
    """A word of letters: the stem, and where it stands."""
    spelt = "".join(letter if letter.isalpha() else "x" for letter in where.lower())
    return stem + "zz" + spelt


def mail(where: str) -> str:
    """An address that only this place has, and that is to be redacted."""
    return f"{canary(REDACTED, where)}@laposte.net"


def personal(where: str) -> str:
    """A sentence full of what is to be redacted."""
    return f"Écrivez à {mail(where)} ou au {PHONE}, NIR {NIR}, IBAN {IBAN}."


def forms(word: str) -> Iterator[bytes]:
    """What encoders make of a word wherever it stands: as it is, capitals, UTF-16, hexadecimal, base64, URLs, JSON."""
    plain = word.encode()
    yield plain
    yield word.upper().encode()
    yield word.encode("utf-16-le")
    yield word.encode("utf-16-be")
    yield plain.hex().encode()
    yield plain[::-1]
    yield "".join(f"%{byte:02X}" for byte in plain).encode()
    yield "".join(f"\\u{ord(letter):04x}" for letter in word).encode()
    for before in range(3):
        # Only the letters that do not depend on what stands before and after.
        coded = base64.b64encode(b"\0" * before + plain)
        first = (before * 8 + 5) // 6
        whole = coded[first : (before + len(plain)) * 8 // 6]
        yield whole
        yield base64.urlsafe_b64encode(b"\0" * before + plain)[first : len(whole) + first]


def _numbers() -> Iterator[bytes]:
    for said in (PHONE, NIR, IBAN):
        for each in {
            said,
            said.replace(" ", ""),
            said.replace(" ", "-"),
            said.replace(" ", "+"),
            said.replace(" ", "%20"),
        }:
            yield each.encode()
    yield PHONE.replace(" ", "").removeprefix("0").encode()


_NEEDLES: Mapping[str, frozenset[bytes]] = {stem: frozenset(forms(stem)) for stem in STEMS}
_ANY = re.compile(b"|".join(re.escape(each) for found in _NEEDLES.values() for each in sorted(found)))
_SOUGHT = {stem: (*found, *(_numbers() if stem == REDACTED else ())) for stem, found in _NEEDLES.items()}
_DIGITS = re.compile(b"|".join(re.escape(each) for each in sorted(set(_numbers()), reverse=True)))


@dataclass(frozen=True, order=True)
class Trace:
    """A canary that was found: whose stem, where, and what stands around it."""

    stem: str
    where: str
    around: str


def traces(seen: bytes, where: str) -> Iterator[Trace]:
    """Every canary in it, in any form."""
    for match in _ANY.finditer(seen):
        stem = next(name for name, found in _NEEDLES.items() if match[0] in found)
        around = seen[max(0, match.start() - 60) : match.end() + 60]
        yield Trace(stem, where, around.decode("utf-8", "replace"))
    for match in _DIGITS.finditer(seen):
        around = seen[max(0, match.start() - 60) : match.end() + 60]
        yield Trace(REDACTED, where, around.decode("utf-8", "replace"))


def in_folder(folder: Path) -> Iterator[Trace]:
    """In every file below a folder: the database's own with its log, the spool, passages, what workers count.

    One of a stem for each file: there are many, and most of them are long.
    """
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        where = str(file.relative_to(folder))
        yield from traces(where.encode(), f"the name {where}")
        with contextlib.suppress(FileNotFoundError):  # of a service that runs
            seen = file.read_bytes()
            for stem, needles in _SOUGHT.items():  # many times faster than a pattern
                at = next((place for each in needles if (place := seen.find(each)) >= 0), None)
                if at is not None:
                    yield Trace(stem, where, seen[max(0, at - 60) : at + 90].decode("utf-8", "replace"))


def in_tables(address: str) -> Iterator[Trace]:
    """In every column of every table, those of the system apart."""
    with psycopg.connect(driver_address(address), autocommit=True) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 3"
        ).fetchall()
        assert len(columns) > 300, "the database is not the service's"
        for schema, table, column in columns:
            name = f"{table}.{column}"
            with connection.cursor().copy(
                f'COPY (SELECT "{column}" FROM "{schema}"."{table}") TO STDOUT'
            ) as out:
                seen = b"".join(out)
            yield from traces(_unescaped(seen), name)


def _unescaped(copied: bytes) -> bytes:
    """Bytes of a column are copied as hexadecimal: beside that, as they are."""
    raw = [bytes.fromhex(each.decode()) for each in re.findall(rb"\\\\x((?:[0-9a-f]{2})+)", copied)]
    return b"\n".join([copied, *raw])


def in_redis(client: redis.Redis) -> Iterator[Trace]:
    """In every key and in what stands there, as Redis itself would write it down."""
    assert not client.get_encoder().decode_responses
    for key in client.scan_iter(count=1_000):
        yield from traces(key, "a key of Redis")
        kind = bytes(client.type(key))  # type: ignore[arg-type]
        ways: dict[bytes, Callable[[Any], Any]] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"list": lambda name: client.lrange(name, 0, -1),
            b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
            b"stream": client.xrange,
        }
        yield from traces(_flat(ways[kind](key)), f"the value of {key[:60]!r} of Redis")


def _flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        return b"\n".join(_flat(each) for pair in value.items() for each in pair)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return b"\n".join(_flat(each) for each in value)
    return str(value).encode()
