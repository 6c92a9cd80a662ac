"""What tenants say is kept nowhere that they did not ask for, and sealed where they did: every route, every end of a call.

Words that stand nowhere else go through all of them, at the chattiest level of the log; then every place that a service
leaves something in is searched: its data folder with the database's files, tables, Redis, the log, metrics, replies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from passerelle.http.build import build_app
from passerelle.stores.embedded import EmbeddedPostgres
from tests.processes import retention_estate as scene
from tests.processes import retention_kept as doing
from tests.processes.retention_calls import bodies
from tests.processes.retention_estate import NONE, Estate, Operations
from tests.processes.retention_traces import (
    CONTENT,
    NAMED,
    NOTHING,
    PERSON,
    REDACTED,
    SAID,
    Trace,
    in_folder,
    in_redis,
    in_tables,
    traces,
)

# What holds words of a tenant as they are, and why; whatever is not here is sealed, or holds none. Files of the database
# hold the same, until it uses their room again.
_NAME = "a thing's name: it is found, sorted and addressed by it, as URLs do"
_FILE = "the name that a file came under: what its owner knows it by in lists"
_HOW = "how texts are to be written, by those who administer the tenant: said of its texts, not in them"
BY_DESIGN: Mapping[str, str] = {
    **dict.fromkeys(("rag_collection.name", "rag_document.collection", "rag_conversation.collection"), _NAME),
    **dict.fromkeys(("rag_answer.collection", "rag_document.key", "content_piece.key"), _NAME),
    **dict.fromkeys(("content_version.key", "content_recipe.name", "content_output.recipe"), _NAME),
    **dict.fromkeys(("survey_codebook.name", "survey_correction.codebook", "survey_run.codebook"), _NAME),
    "survey.codebook": _NAME,
    "rag_collection.description": "what a collection is about, in lists of collections; of a survey's, its title",
    **dict.fromkeys(("rag_document.name", "survey.name"), _FILE),
    "survey.title": "what a survey is called in lists and reports",
    "survey.columns": "what the columns of a file are called: questions, not answers",
    **dict.fromkeys(("content_brand.brand", "content_recipe.recipe"), _HOW),
    **dict.fromkeys(("content_job.brand", "content_job.recipe"), f"{_HOW}; as it was when the job began"),
    "job.params": "which collection, recipe or survey a job is about",
    **dict.fromkeys(
        ("job_item.key", "job_event.data"), "which text or file an item is; a file's is its name"
    ),
}
# Beside tables: the store of passages has what they are filtered by; Redis has when a collection was last changed.
_PASSAGES, _MOMENTS = "vectors/points/", "the value of b'passerelle:{cache}:now' of Redis"
_OF_REDIS = ("appendonly.aof", "dump.rdb", _MOMENTS)
# The id that a caller gives to a request finds it in the ledger.
_REQUEST = "ledger_attempts.request_id"
# What a refusal may say of a request: the name of what is not there.
_TOLD_BACK = re.compile(rb"xpathx[a-z]+$|x?(model|tenant|unknownxroute)$")
pytestmark = pytest.mark.timeout(300)  # two whole services, one after the other
_CANARY = re.compile(f"(?:{'|'.join((NOTHING, CONTENT, REDACTED, PERSON, SAID))})zz([a-z]*)".encode())


@dataclass
class Left:
    """What was found after all of it, by where it was looked for."""

    made: Estate
    operations: Operations
    live: list[Trace] = field(default_factory=list)  # while the service ran
    found: list[Trace] = field(default_factory=list)  # when it had ended
    engine: list[Trace] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def of(self, *stems: str) -> list[Trace]:
        return sorted({each for each in (*self.live, *self.found) if each.stem in stems})


def _operations() -> Operations:
    """Every documented operation, with the names of its queries and of what its body has."""
    document = cast("Any", build_app(MagicMock(around=None)).app).openapi()
    schemas = document["components"]["schemas"]
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            queries = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            schema = content.get("schema", {})
            for each in (schema, *schema.get("anyOf", ())):
                schema = schemas.get(each.get("$ref", "").rpartition("/")[2], schema)
            found[method.upper(), path] = queries, list(schema.get("properties", {}))
    return found


def _searched_live(made: Estate) -> Iterator[Trace]:
    """Tables, Redis and passages, before anything of them is deleted."""
    embedded = EmbeddedPostgres(made.house.service.data)
    try:
        yield from in_tables(embedded.start())
    finally:
        embedded.close()
    with made.of_redis() as client:
        yield from in_redis(client)
    for each in in_folder(made.house.service.data / "vectors"):
        yield replace(each, where=f"vectors/{each.where}")


def _searched(made: Estate) -> Iterator[Trace]:
    """The same, and all files: those of Redis, the data folder's, the log."""
    yield from _searched_live(made)
    with made.of_redis() as client:
        client.save()
    yield from in_folder(made.memory.socket.parent)
    yield from in_folder(made.house.service.data)
    yield from traces(made.house.service.output.read_bytes(), "the log")


@contextmanager
def _left(folder: Path, models: Path) -> Iterator[Left]:
    """The service; what is left of it when the block has ended is looked for then."""
    with scene.estate(folder, models) as made:
        left = Left(made, _operations())
        yield left
        made.house.close()
        left.live += traces(made.house.admin.ask("GET", "/metrics").raw, "/metrics")
        made.house.service.stop()
        left.found += _searched(made)
        for each in (*made.house.model.fake.requests, *(one for of in made.engines for one in of.requests)):
            told = "\n".join(f"{name}: {value}" for name, value in each.headers.items())
            seen = b"\n".join([each.target.encode(), told.encode(), each.raw])
            left.engine += traces(seen, each.path)
            if isinstance(each.body, dict) and "user" in each.body:
                left.users.append(each.body["user"])


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Left:
    """After a tenant for which everything is off."""
    with _left(tmp_path_factory.mktemp("nothing"), model_cache) as left:
        scene.every_operation(left.made, left.operations, NONE, NOTHING)
        scene.calls_that_end_in_every_way(left.made, NONE, NOTHING)
    return left


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Left:
    """After a tenant that keeps all it can, and is wiped at last."""
    with _left(tmp_path_factory.mktemp("kept"), model_cache) as left:
        for deed in (doing.chats, doing.documents, doing.texts, doing.surveys):
            deed(left.made)
        left.live += _searched_live(left.made)
        left.made.house.close()  # connections that were idle for too long
        doing.rights(left.made)
        doing.wiped(left.made)
    return left


def test_every_operation_that_takes_words_has_a_case() -> None:
    writing = {each for each in _operations() if each[0] in ("POST", "PUT", "PATCH")}

    assert set(bodies(lambda what: what)) == writing


def test_every_operation_was_asked(nothing: Left) -> None:
    asked = {each.sent.operation for each in nothing.made.heard if NOTHING in repr(each.sent)}

    assert set(nothing.operations) <= asked
    assert nothing.made.ids["policy"] == {"R01"}
    assert nothing.made.ids["guardrail"] == "content_filter"
    assert nothing.made.ids["budget"] == {"insufficient_quota"}
    ways = {each.sent.way.split()[0]: each.reply.status for each in nothing.made.heard}
    assert {name: ways[name] for name in ("fails", "refuses", "silent")} == {
        "fails": 503,
        "refuses": 400,
        "silent": 504,
    }


def test_a_tenant_that_keeps_nothing_leaves_nothing(nothing: Left) -> None:
    assert nothing.of(NOTHING, SAID, PERSON, REDACTED, CONTENT) == []


def test_the_same_search_finds_what_is_kept_on_purpose(nothing: Left) -> None:
    places = {each.where for each in nothing.of(NAMED)}

    assert _columns(nothing.found) == {_REQUEST}
    assert any(each.startswith("pg/pg_wal/") for each in places)
    assert any(each.startswith("pg/base/") for each in places)
    assert any(each.stem == NOTHING for each in nothing.engine)
    assert b'"event": "drained"' in nothing.made.house.service.output.read_bytes()


def test_engines_see_no_person_and_none_of_the_callers_headers(nothing: Left) -> None:
    assert [each for each in nothing.engine if each.stem in (PERSON, REDACTED)] == []
    assert [each for each in nothing.engine if "header" in each.around and each.stem == NOTHING] == []
    assert nothing.users
    assert all(each.startswith("u_") for each in nothing.users)


def test_an_error_says_nothing_of_what_was_sent_but_names_of_things(nothing: Left) -> None:
    """An engine that refuses a request is quoted, to who sent it; one that fails is not."""
    wrong = [
        (each.sent.way, each.sent.operation, said[0])
        for each in nothing.made.heard
        if each.reply.status >= 400 and not each.sent.way.startswith("refuses")
        for said in _CANARY.finditer(each.reply.everything)
        if not _TOLD_BACK.search(said[1])
    ]

    assert wrong == []


def test_what_is_kept_is_sealed(kept: Left) -> None:
    assert kept.of(CONTENT, REDACTED, PERSON, SAID, NOTHING) == []


def test_what_is_not_sealed_is_listed_with_its_reason(kept: Left) -> None:
    assert _columns(kept.live) == set(BY_DESIGN)
    files = {each.where for each in kept.live if each.stem == NAMED} - set(BY_DESIGN)
    assert {
        each for each in files if not each.startswith(("pg/", _PASSAGES)) and each not in _OF_REDIS
    } == set()
    assert any(each.startswith(_PASSAGES) for each in files), "the search does not see into passages"


def test_engines_see_neither_what_is_redacted_nor_who_asks(kept: Left) -> None:
    assert [each for each in kept.engine if each.stem in (PERSON, REDACTED)] == []
    assert kept.users
    assert all(each.startswith("u_") for each in kept.users)


def test_what_a_tenant_reads_of_the_cache_and_of_its_books_has_nothing_that_was_redacted(kept: Left) -> None:
    """With its key. A conversation is what was said, for who said it, and is kept by whoever asks for that only."""
    looked = kept.made.ids["looked"]

    assert [each for path, raw in looked for each in traces(raw, path) if each.stem == REDACTED] == []
    assert any(each.stem == REDACTED for each in traces(kept.made.ids["talk"], "the conversation"))


def test_nothing_of_a_tenant_is_left_in_tables_when_it_is_wiped(kept: Left) -> None:
    assert _columns(kept.found) == set()
    assert not any(each.where.startswith(_PASSAGES) for each in kept.found)


def _columns(found: list[Trace]) -> set[str]:
    return {each.where for each in found if re.fullmatch(r"[a-z_]+\.[a-z_]+", each.where)} - set(_OF_REDIS)
