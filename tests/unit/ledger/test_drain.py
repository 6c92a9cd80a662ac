"""What was spooled is in the tables, once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from passerelle.domain.errors import Unavailable
from passerelle.ledger import drain as room
from passerelle.ledger.book import verify
from passerelle.ledger.drain import Drain, Drained
from passerelle.ledger.drain_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, rows
from passerelle.ledger.spool import Spool
from passerelle.ledger.spool_lines import encode
from passerelle.ledger.spool_reader import Reader
from passerelle.stores.database import Database
from tests.database import Postgres
from tests.unit.ledger.events import began, ended, line
from tests.unit.ledger.test_spool_reader import pairs, segment, write


async def select(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.begin() as connection:
        return [tuple(row) for row in (await connection.execute(text(query))).all()]


async def outcomes(database: Database) -> dict[str, str]:
    return {
        row[0]: row[1] for row in await select(database, "SELECT attempt_id, outcome FROM ledger_attempts")
    }


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


async def test_a_try_and_its_entries_are_in_the_tables_as_they_were_written(
    database: Database, root: Path
) -> None:
    nasty = began(2, model="a\0b\ud800", key_id="\\N\t\r\n\\", tags={"\0": "\udfff"})
    absurd = ended(
        2, usage={"tokens\0": 2**80}, lines=(line("input", 10**37, amount=-(10**37), price_id=None),)
    )
    write(root / "1-a", segment(began(1), ended(1), nasty, absurd))

    assert await Drain(database, root).drain_once() == Drained(2, 6)

    query = f"SELECT {', '.join(ATTEMPT_COLUMNS)}, tags::text, usage::text FROM ledger_attempts ORDER BY attempt_id"
    first, second = await select(database, query)
    attempt, entries = rows(began(1), ended(1))
    documents = {ATTEMPT_COLUMNS.index("tags"), ATTEMPT_COLUMNS.index("usage")}
    for index, value in enumerate(attempt):
        assert index in documents or first[index] == value
    assert first[-2:] == ('{"course": "français"}', '{"prompt_tokens": 100, "completion_tokens": 1}')
    assert second[ATTEMPT_COLUMNS.index("model")] == "a�b?"
    assert second[ATTEMPT_COLUMNS.index("key_id")] == "\\N\t\r\n\\"
    assert second[-1] == f'{{"tokens�": {2**80}}}'
    posted = await select(
        database, f"SELECT {', '.join(ENTRY_COLUMNS)} FROM ledger_entries ORDER BY id LIMIT 4"
    )
    assert posted == entries
    assert await verify(database) == []


async def test_texts_of_any_length_and_depth_stop_nothing(database: Database, root: Path) -> None:
    chance = random.Random(1)
    long = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"d": deep}
    write(
        root / "1-a",
        segment(
            *pairs(1),
            began(2, request_id=long, tenant=long, model=long, backend=long, tags={long: long}),
            ended(2, provider=long, upstream_id=long, payer=long, usage=deep, outcome=long),
        ),
    )

    assert await Drain(database, root).drain_once() == Drained(2, 8)
    stored = "SELECT upstream_id, model, outcome FROM ledger_attempts WHERE attempt_id = 'att_00000002'"
    assert await select(database, stored) == [(long[:250], long, long)]


async def test_an_end_counts_once_however_often_it_is_written(database: Database, root: Path) -> None:
    twice = ended(1, lines=(line("input", 7), line("output", 7), line("reasoning", 7)))
    write(root / "1-a", segment(began(1), ended(1), twice, ended(1)), segment(twice, began(1), *pairs(2)))

    assert await Drain(database, root).drain_once() == Drained(2, 8)
    write(root / "2-b", segment(began(1), twice, *pairs(2)))
    assert await Drain(database, root).drain_once() == Drained(0, 0)
    assert list(root.iterdir()) == []


async def test_a_process_drains_its_own_part_while_it_writes(database: Database, root: Path) -> None:
    spool = Spool(root, segment_bytes=2000)
    drain = Drain(database, root, own=spool)
    for number in range(20):
        spool.begin(began(number))
    assert await drain.drain_once() == Drained(0, 0)
    full = spool.waiting
    for number in range(19):
        spool.end(ended(number))
    assert await drain.drain_once() == Drained(19, 76)
    assert await drain.drain_once() == Drained(0, 0)
    assert spool.waiting < full
    assert spool.waiting == sum(file.stat().st_size for file in spool.folder.glob("*.spool"))

    spool.end(ended(19))
    spool.close()
    assert await drain.drain_once() == Drained(1, 4)
    assert list(root.iterdir()) == []


async def test_a_live_process_is_left_alone_and_a_dead_ones_tries_get_an_end(
    database: Database, root: Path
) -> None:
    dead, live = Spool(root), Spool(root)
    for spool, numbers in ((dead, (1, 2)), (live, (3, 4))):
        for number in numbers:
            spool.begin(began(number))
        spool.end(ended(numbers[0]))
    dead.close()
    drain = Drain(database, root)

    assert await drain.drain_once() == Drained(2, 6)
    assert await outcomes(database) == {"att_00000001": "answered", "att_00000002": "unknown"}
    assert [folder.name for folder in root.iterdir()] == [live.owner]

    live.close()
    assert await drain.drain_once() == Drained(2, 6)
    assert list(root.iterdir()) == []
    assert await verify(database) == []


async def test_drains_that_find_the_same_dead_process_together_write_it_once(
    database: Database, root: Path
) -> None:
    write(root / "1-a", segment(*pairs(*range(300))), segment(began(300)))
    drains = [Drain(database, root) for _ in range(4)]

    done = await asyncio.gather(*(drain.drain_once() for drain in drains))
    assert sum((each.attempts for each in done), 0) == 301
    assert list(root.iterdir()) == []


async def test_more_tries_than_a_batch_holds_are_all_written(
    database: Database, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_LARGEST_BATCH", 7)
    write(root / "1-a", *(segment(*pairs(*range(first, first + 10))) for first in range(0, 70, 10)))

    assert await Drain(database, root).drain_once() == Drained(70, 280)


class Stopped(Exception):
    """The process is killed here."""


@pytest.mark.parametrize("seed", range(10))
async def test_any_order_repetition_and_interruption_gives_the_same_tables(
    database: Database, root: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    expected: dict[str, str] = {}
    for process in range(3):
        lines: list[bytes] = []
        running: list[int] = []
        for number in range(process * 1000, process * 1000 + chance.randrange(1, 60)):
            lines += [encode(began(number))] * chance.choice((1, 1, 1, 2))
            running.append(number)
            expected[f"att_{number:08}"] = "unknown"
            while running and chance.random() < 0.55:
                done = running.pop(chance.randrange(len(running)))
                lines += [encode(ended(done))] * chance.choice((1, 1, 2))
                expected[f"att_{done:08}"] = "answered"
        cuts = sorted(chance.randrange(len(lines) + 1) for _ in range(chance.randrange(4)))
        parts = [lines[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
        folder = write(root / f"{process}-a", *(segment() + b"".join(part) for part in parts))
        for copy in range(chance.randrange(2)):
            shutil.copytree(folder, root / f"{process}-copy{copy}")

    monkeypatch.setattr(room, "_LARGEST_BATCH", chance.randrange(1, 20))
    post, written = Drain._post, Reader.written
    stops = chance.randrange(20)

    def may_stop() -> None:
        nonlocal stops
        if stops and chance.random() < 0.2:
            stops -= 1
            raise Stopped

    async def interrupted_post(self: Drain, *given: Any, **named: Any) -> Drained:
        may_stop()
        return await post(self, *given, **named)

    def interrupted_written(self: Reader, count: int) -> None:
        may_stop()
        written(self, count)

    monkeypatch.setattr(Drain, "_post", interrupted_post)
    monkeypatch.setattr(Reader, "written", interrupted_written)
    while list(root.iterdir()):
        drains = [Drain(database, root) for _ in range(chance.choice((1, 1, 2)))]
        await asyncio.gather(*(drain.drain_once() for drain in drains), return_exceptions=True)

    assert await outcomes(database) == expected
    counts = await select(database, "SELECT attempt_id, count(*) FROM ledger_entries GROUP BY 1")
    assert dict(counts) == {name: 4 if end == "answered" else 2 for name, end in expected.items()}
    assert await verify(database) == []


async def test_while_the_database_is_away_the_spool_grows_and_then_drains_once(
    postgres: Postgres, database_url: str, database: Database, root: Path
) -> None:
    name = make_url(database_url).database
    spool = Spool(root, segment_bytes=2000)
    drain = Drain(database, root, own=spool, seconds=0.01)
    running = asyncio.create_task(drain.run())
    try:
        spool.begin(began(1))
        spool.end(ended(1))
        await until(lambda: outcomes(database))
        postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        for number in range(2, 50):
            spool.begin(began(number))
            spool.end(ended(number))
        with pytest.raises(Unavailable) as away:
            await drain.drain_once()
        assert away.value.code == "ledger_unavailable"
        assert spool.waiting > 20_000
        postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        async def all_there() -> bool:
            return len(await outcomes(database)) == 49

        await until(all_there)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        spool.close()
    assert await drain.drain_once() == Drained(0, 0)
    assert spool.waiting == 0
    assert await verify(database) == []


async def test_a_drain_stopped_at_any_moment_is_followed_by_another(database: Database, root: Path) -> None:
    spool = Spool(root, segment_bytes=2000)
    drain = Drain(database, root, own=spool, seconds=0)
    for number in range(100):
        spool.begin(began(number))
        spool.end(ended(number))
        if number % 10 == 0:
            running = asyncio.create_task(drain.run())
            await asyncio.sleep(number / 4000)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
    spool.close()
    await drain.drain_once()

    assert len(await outcomes(database)) == 100
    assert list(root.iterdir()) == []
    assert await verify(database) == []


async def test_a_folder_that_is_not_there_or_not_ours_is_no_error(database: Database, root: Path) -> None:
    assert await Drain(database, root / "nowhere").drain_once() == Drained()

    (root / "notes").mkdir()
    (root / "notes" / "mine.txt").write_text("mine")
    (root / ".new-1-a").mkdir()
    (root / "1-a-00000001.damaged").write_bytes(b"x")
    drain = Drain(database, root)
    assert await drain.drain_once() == Drained()
    assert await drain.drain_once() == Drained()
    assert (root / "notes" / "mine.txt").exists()
