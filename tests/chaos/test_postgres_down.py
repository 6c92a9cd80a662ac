"""PostgreSQL away, silent, slow or killed: who is known is answered, nobody is refused as unknown, no usage is lost."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.tenancy import keys
from tests.chaos.program import (
    Fault,
    Program,
    asked_for,
    blackhole,
    configuration,
    deaf,
    healed,
    key_of,
    refused,
    reset,
    running,
    socket_of,
    stage,
    through,
    until,
)
from tests.chaos.proxy import Proxy

_KNOWN = key_of("acme")
_COUNTS = """
SELECT count(*), count(DISTINCT attempt_id), count(*) FILTER (WHERE outcome = 'answered'),
    count(*) FILTER (WHERE ended_at IS NULL) FROM ledger_attempts
"""
_numbers = itertools.count()


@dataclass
class Lab:
    """The program, and the way to its database."""

    program: Program
    proxy: Proxy
    address: str
    data: Path  # of the database
    minted: str  # a key that is in the database, and that the program knows

    def apply(self, fault: Fault) -> None:
        self.program.stage.run(_applied(fault, self.proxy))

    def heal(self) -> None:
        self.apply(healed)

    def postmaster(self) -> int:
        """The server's process; 0 while there is none."""
        try:
            return int((self.data / "pg" / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return 0

    def ask_everything(self, count: int = 12) -> None:
        """Calls of who is known, whole and streamed, are answered."""
        told = self.program.calls(count, key=_KNOWN)
        told += self.program.calls(count, key=self.minted, stream=True)
        assert [each.status for each in told] == [200] * 2 * count
        assert all(b"[DONE]" in each.raw for each in told[count:])

    def booked(self) -> None:
        """Soon every call of the engine is one try in the ledger, no more and no fewer; all of it adds up."""
        asked = self.program.stage.asked
        counts = (asked, asked, asked, 0)
        until(lambda: asked_for(self.address, _COUNTS)[0] == counts, f"{asked} tries are in the ledger")
        told = self.program.call("/admin/ledger/verify", key=self.program.admin, body={})
        assert (told.status, told.json["findings"]) == (200, [])

    def well(self) -> None:
        """It says that it works, and everything does."""
        until(lambda: self.program.degraded() == [], "it is well again")
        self.ask_everything(2)
        assert self.program.call(key=keys.mint()).status == 401
        assert self.program.call("/admin/keys", key=self.program.admin).status == 200
        self.booked()


async def _applied(fault: Fault, proxy: Proxy) -> None:
    await fault(proxy)


async def _cut(proxy: Proxy) -> None:
    """What is open is reset; what is opened next is well."""
    proxy.cut()


async def _half_open(proxy: Proxy) -> None:
    """The server never hears that a client has gone."""
    proxy.half_open = True


async def _slow(proxy: Proxy) -> None:
    proxy.down.latency = 0.03


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One program for all of them: each finds it as the one before has left it."""
    folder = tmp_path_factory.mktemp("postgres-down")
    data = folder / "pg"
    embedded = EmbeddedPostgres(data)
    address = embedded.start()
    try:
        with stage() as own, own.before(socket_of(address)) as proxy:
            config = configuration(own, {"acme": {}})
            given = {"DATABASE_URL": through(address, proxy)}
            with running(own, folder / "one", config, **given) as program:
                made = program.call("/admin/keys", key=program.admin, body={"tenant": "acme"})
                assert made.status == 201
                yield Lab(program, proxy, address, data, made.json["key"])
    finally:
        embedded.close()


@pytest.mark.parametrize("fault", [refused, reset, blackhole], ids=lambda fault: str(fault.__name__))
def test_known_keys_go_on_unknown_ones_wait_and_usage_is_written_down_once(lab: Lab, fault: Fault) -> None:
    program = lab.program
    lab.apply(fault)
    try:
        lab.ask_everything()
        stranger = program.call(key=keys.mint())
        assert (stranger.status, stranger.code) == (503, "keys_unavailable")
        asked = program.stage.asked
        name = {"idempotency-key": f"once-{next(_numbers)}"}
        once = program.call(key=_KNOWN, headers=name)
        assert (once.status, once.code) == (503, "idempotency_unavailable")
        assert int(once.headers["retry-after"]) >= 1
        for told in (
            program.call("/admin/keys", key=program.admin),
            program.call("/admin/keys", key=program.admin, body={"tenant": "acme"}),
        ):
            assert (told.status, told.code) == (503, "keys_unavailable")
        assert program.call("/v1/costs", key=lab.minted).status in (403, 503)
        assert program.stage.asked == asked  # what is refused is not asked
        until(lambda: program.degraded() == ["database"], "it says what is away")
        lab.ask_everything()
        assert program.call("/health/live").status == 200
    finally:
        lab.heal()
    lab.well()
    assert program.call(key=_KNOWN, headers=name).status == 200
    assert program.call(key=_KNOWN, headers=name).headers["idempotency-replayed"] == "true"
    lab.booked()


@pytest.mark.parametrize("fault", [_slow, _half_open], ids=lambda fault: str(fault.__name__))
def test_what_only_takes_longer_changes_nothing(lab: Lab, fault: Fault) -> None:
    lab.apply(fault)
    try:
        lab.proxy.cut()  # what is opened from now on is as slow from its first byte
        lab.ask_everything()
        assert lab.program.call(key=keys.mint()).status == 401
        assert lab.program.call(key=_KNOWN, headers={"idempotency-key": fault.__name__}).status == 200
        lab.well()
    finally:
        lab.heal()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["restart", "kill"])
def test_a_server_that_ends_in_the_middle_loses_and_doubles_nothing(lab: Lab, number: int) -> None:
    before = lab.postmaster()
    lab.ask_everything()
    os.kill(before, number)
    for _ in range(4):
        lab.ask_everything(6)
    until(lambda: lab.postmaster() not in {0, before}, "PostgreSQL is up again")
    lab.ask_everything()
    lab.well()


def test_connections_that_break_again_and_again_lose_and_double_nothing(lab: Lab) -> None:
    for index in range(30):
        lab.apply(deaf if index % 3 == 0 else _cut)
        lab.ask_everything(2)
        lab.heal()
    lab.well()


def test_the_books_of_all_of_it_add_up_also_after_the_last_process_has_ended(lab: Lab) -> None:
    lab.well()
    verified = lab.program.service.order("costs", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    lab.apply(refused)
    lab.ask_everything()
    # It ends while the database is away: what it has written down is there for the next one.
    assert lab.program.service.stop() == 0
    assert "Traceback" not in lab.program.service.output.read_text()
    asked = lab.program.stage.asked
    lab.heal()
    folder, config = lab.program.service.data.parent, lab.program.service.config
    given = {"DATABASE_URL": through(lab.address, lab.proxy)}

    with running(lab.program.stage, folder, yaml.safe_load(config.read_text()), **given) as again:
        again_lab = Lab(again, lab.proxy, lab.address, lab.data, lab.minted)
        assert again.stage.asked == asked
        again_lab.booked()
