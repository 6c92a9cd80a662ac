"""What documents need is away, slow or mad while they are read and asked: they wait, none fails, nothing is answered
without its sources, and whoever asks a model notices nothing."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from passerelle.stores.embedded import EmbeddedPostgres
from tests.chaos.documents import House, around, house, timed, word
from tests.chaos.program import (
    Fault,
    asked_for,
    blackhole,
    healed,
    key_of,
    refused,
    socket_of,
    stage,
    through,
    until,
)
from tests.chaos.proxy import Proxy
from tests.fakes.script import Status, Touch, Wait

_TENANT = "acme"
_PART = 20  # documents of one outage
_numbers = itertools.count()
_COUNTED = "SELECT count(*) FROM job_event WHERE what IN ('item-retried', 'item-failed')"


@dataclass
class Lab:
    """The program, and the way to its database."""

    house: House
    to_database: Proxy
    address: str

    def apply(self, fault: Fault, proxy: Proxy) -> None:
        async def applied() -> None:
            await fault(proxy)

        self.house.around.stage.run(applied())

    def events(self, question: str) -> int:
        return int(asked_for(self.address, question)[0][0])

    def ordinary_calls(self) -> None:
        """Who asks a model is answered, and sees it in the list."""
        told = self.house.running.calls(4, key=key_of(_TENANT))
        assert [each.status for each in told] == [200] * 4
        models = self.house.call("/v1/models", _TENANT)
        assert models.status == 200
        assert {"assistant", "vectors"} <= {each["id"] for each in models.json["data"]}

    def question(self) -> tuple[int, str]:
        """What becomes of a question to the documents; what is answered has its sources."""
        number = next(_questions)
        body = {"collection": "dossiers", "question": f"En combien de jours est livré {word(0)} ? ({number})"}
        told = self.house.call("/v1/rag/chat", _TENANT, body=body)
        if told.status == 200:
            assert told.json["citations"] or told.json["refused"], told.raw
        return told.status, told.code or ""


_questions = itertools.count()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One program for all of them: each finds it as the one before has left it."""
    folder = tmp_path_factory.mktemp("documents-down")
    embedded = EmbeddedPostgres(folder / "pg")
    address = embedded.start()
    try:
        with stage() as own, around(own) as among, own.before(socket_of(address)) as proxy:
            own.engine.answer = "Le dossier est livré en deux jours ouvrés. [1]"
            given = {
                "DATABASE_URL": through(address, proxy),
                "QDRANT_URL": f"http://127.0.0.1:{among.to_qdrant.port}",
            }
            config = among.configuration({_TENANT: {}}, timeouts={"first_content": "5s"})
            with house(among, folder / "h", config, **given) as made:
                made.serve()
                jobs = made.hand_in(_TENANT, [next(_numbers) for _ in range(_PART)])
                print("ready after", timed(lambda: made.over(_TENANT, jobs), "documents are read"))
                yield Lab(made, proxy, address)
    finally:
        embedded.close()


_MAD: dict[str, Touch] = {
    "garbage": Status(200, {"data": [{"index": 0, "embedding": "?"}]}),
    "errors": Status(500, {"error": {"message": "out of memory"}}),
    "slow": Wait(3.0, before=0),
}
_QDRANT_MAD: dict[str, Touch] = {
    "errors": Status(500, {"status": {"error": "disk"}}),
    "slow": Wait(2.0, before=0),
}


def _read_through(
    lab: Lab, fault: Callable[[], None], heal: Callable[[], None], *, seconds: float = 5.0
) -> set[tuple[int, str]]:
    """Documents come, then something is wrong for so long while they are read and asked; what questions were told."""
    house = lab.house
    numbers = [next(_numbers) for _ in range(_PART)]
    counted = lab.events(_COUNTED)
    jobs = house.hand_in(_TENANT, numbers)
    fault()
    told: Counter[tuple[int, str]] = Counter()
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            lab.ordinary_calls()
            told[lab.question()] += 1
            time.sleep(0.2)
    finally:
        heal()
    took = timed(lambda: house.over(_TENANT, jobs), "documents are read")
    print(f"questions were told {dict(told)}; all documents are read {took:.1f} s after")
    assert lab.events(_COUNTED) == counted  # no try was counted: none can fail, however long it takes
    assert house.states(_TENANT)["failed"] == 0
    assert house.lost(_TENANT, numbers) == []
    lab.ordinary_calls()
    assert lab.question()[0] == 200
    return set(told)


@pytest.mark.parametrize("fault", [refused, blackhole], ids=lambda fault: str(fault.__name__))
def test_documents_wait_for_an_embedding_engine_that_is_away(lab: Lab, fault: Fault) -> None:
    proxy = lab.house.around.to_vectors
    _read_through(lab, lambda: lab.apply(fault, proxy), lambda: lab.apply(healed, proxy))


@pytest.mark.parametrize("what", list(_MAD))
def test_documents_wait_for_an_embedding_engine_that_is_mad(lab: Lab, what: str) -> None:
    vectors = lab.house.around.vectors
    _read_through(lab, lambda: vectors.always(_MAD[what]), vectors.always)


@pytest.mark.parametrize("fault", [refused, blackhole], ids=lambda fault: str(fault.__name__))
def test_nothing_is_answered_without_sources_while_the_index_is_away(lab: Lab, fault: Fault) -> None:
    proxy = lab.house.around.to_qdrant
    told = _read_through(lab, lambda: lab.apply(fault, proxy), lambda: lab.apply(healed, proxy))
    assert told <= {(503, "retrieval_unavailable")}


@pytest.mark.parametrize("what", list(_QDRANT_MAD))
def test_nothing_is_answered_without_sources_while_the_index_is_mad(lab: Lab, what: str) -> None:
    qdrant = lab.house.around.qdrant
    told = _read_through(lab, lambda: qdrant.always(_QDRANT_MAD[what]), qdrant.always)
    assert told <= {(503, "retrieval_unavailable")}


def test_documents_wait_for_a_database_that_is_away(lab: Lab) -> None:
    proxy = lab.to_database
    told = _read_through(lab, lambda: lab.apply(refused, proxy), lambda: lab.apply(healed, proxy))
    assert {status for status, _ in told} <= {200, 503}


def test_a_service_that_is_told_to_stop_gives_back_what_it_does_not_finish(lab: Lab) -> None:
    house = lab.house
    numbers = [next(_numbers) for _ in range(2 * _PART)]
    before = house.around.embedded.total()
    jobs = house.hand_in(_TENANT, numbers)
    until(lambda: house.done(_TENANT, jobs) >= 5, "some are read")
    began = time.monotonic()
    assert house.stop() == 0
    took = time.monotonic() - began
    house.serve()
    until(lambda: house.over(_TENANT, jobs), "all are read", within=60)
    twice = house.around.embedded.total() - before - len(numbers)
    print(f"it ended in {took:.1f} s; {twice} embedded twice")
    assert took < 35  # seconds; it drains for thirty at most
    assert twice <= 8  # at once
    assert house.lost(_TENANT, numbers) == []
    assert "Traceback" not in house.said()
