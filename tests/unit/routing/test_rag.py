"""What a file says of documents becomes a value, is told by diff, or is refused with its line."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.domain.caller import Role
from passerelle.domain.errors import Finding
from passerelle.domain.rag import Rag, Urls
from passerelle.domain.retrieval import Mode
from passerelle.routing.diff import TenantDiff, diff
from tests.unit.routing.files import SMALL, WHOLE, changed, loaded

_MODELS = """\
  embeddings:
    task: embed
    targets: [{backend: offline, model: all-MiniLM-L6-v2}]
"""
_MORE = changed(
    _MODELS,
    _MODELS
    + """\
  other-embeddings: {task: embed, targets: [{backend: offline, model: other}]}
  mixed: {task: embed, targets: [{backend: offline, model: a}, {backend: hub, model: b}]}
  reranker: {task: rerank, targets: [{backend: offline, model: all-MiniLM-L6-v2}]}
""",
)


def _with(words: str, text: str = _MORE) -> str:
    return changed("    degraded: true\n", f"    degraded: true\n    rag: {words}\n", text)


def _by_default(words: str, text: str = _MORE) -> str:
    return changed("tenants:\n", f"defaults: {{rag: {words}}}\ntenants:\n", text)


def _rag(text: str, tenant: str = "client-b") -> Rag | None:
    outcome = loaded(text)
    assert outcome.catalog is not None, outcome.findings
    return outcome.catalog.tenants[tenant].rag


def _found(text: str, rule: str) -> list[Finding]:
    return [finding for finding in loaded(text).findings if finding.rule == rule]


@pytest.mark.parametrize("words", [None, "true", "{}", "{enabled: true}"])
def test_every_tenant_may_have_documents_found_by_its_first_embedder(words: str | None) -> None:
    assert _rag(_with(words) if words else _MORE) == Rag(embedder="embeddings")


def test_without_an_embedding_model_documents_are_found_by_words() -> None:
    assert _rag(SMALL, "demo") == Rag(embedder=None)
    assert [finding for finding in loaded(SMALL).findings if finding.rule > "C45"] == []


@pytest.mark.parametrize("words", ["false", "{enabled: false}", "{enabled: false, passages: 3}"])
def test_documents_can_be_switched_off(words: str) -> None:
    assert _rag(_with(words)) is None


def test_a_tenant_switches_on_or_off_what_the_defaults_say() -> None:
    off = _by_default("false")
    assert _rag(off, "client-a") is None
    assert _rag(_with("true", off)) == Rag(embedder="embeddings")
    assert _rag(_with("{passages: 3}", off)) == Rag(embedder="embeddings", passages=3)
    assert _rag(_with("false", _by_default("{passages: 3}"))) is None


def test_each_word_of_the_defaults_holds_where_the_tenant_says_nothing_else() -> None:
    text = _by_default("{urls: {hosts: [docs.example.org], refresh: 1d}, writers: tenant-admin, passages: 4}")
    assert _rag(_with("{urls: {refresh: 2d}, passages: 8}", text)) == Rag(
        embedder="embeddings",
        passages=8,
        writers=Role.TENANT_ADMIN,
        urls=Urls(hosts=frozenset({"docs.example.org"}), refresh=172_800.0),
    )


def test_a_tenant_takes_back_each_word_that_names_or_times_something() -> None:
    defaults = (
        "{model: assistant, embedder: embeddings, reranker: reranker, mode: text, conversations: {keep: 1d},"
        " urls: {hosts: [a.example], refresh: 1d}}"
    )
    words = (
        "{model: default, embedder: none, reranker: none, mode: auto, conversations: {keep: never},"
        " urls: {hosts: ['*'], refresh: never}}"
    )
    text = changed(", allow: [assistant, embeddings]", "", _by_default(defaults))
    assert _rag(_with(words, text)) == Rag(embedder=None)


def test_every_word_has_its_place() -> None:
    words = (
        "{model: assistant, embedder: other-embeddings, reranker: reranker, mode: hybrid, passages: 12, rewrite: false,"
        " chunks: {size: 800, overlap: 100}, urls: {hosts: [Docs.Example.ORG., '*.bücher.example', '2001:DB8::1'],"
        " deny: [203.0.113.0/24, '2001:db8::/32', 192.0.2.7], plain_http: false, refresh: 6h},"
        " links: ['*.example.org'], conversations: {keep: 90d}, writers: tenant-admin,"
        " limits: {collections: 7, documents: 70, file_size: 5 MiB}}"
    )
    assert _rag(_with(words)) == Rag(
        model="assistant",
        embedder="other-embeddings",
        reranker="reranker",
        mode=Mode.HYBRID,
        passages=12,
        rewrite=False,
        size=800,
        overlap=100,
        urls=Urls(
            hosts=frozenset({"docs.example.org", "*.xn--bcher-kva.example", "2001:db8::1"}),
            denied=frozenset({"203.0.113.0/24", "2001:db8::/32", "192.0.2.7/32"}),
            plain_http=False,
            refresh=21_600.0,
        ),
        links=frozenset({"*.example.org"}),
        keep=7_776_000.0,
        writers=Role.TENANT_ADMIN,
        collections=7,
        documents=70,
        file_size=5 * 1_048_576,
    )


@pytest.mark.parametrize(
    ("size", "count"), [("1", 1), ("500 kB", 500_000), ("1MiB", 1_048_576), ("64 MiB", 67_108_864)]
)
def test_sizes_are_bytes_or_have_a_unit(size: str, count: int) -> None:
    rag = _rag(_with(f"{{limits: {{file_size: {size}}}}}"))
    assert rag is not None
    assert rag.file_size == count


@pytest.mark.parametrize(
    ("words", "rule", "told"),
    [
        ("{model: asistant}", "C20", "assistant"),
        ("{model: embeddings}", "C46", "assistant"),
        ("{model: none}", "C20", "none"),
        ("{embedder: assistant}", "C46", "embeddings"),
        ("{embedder: default}", "C20", "default"),
        ("{reranker: embeddings}", "C46", "reranker"),
        ("{embedder: none, mode: dense}", "C48", "mode: text"),
        ("{embedder: none, mode: hybrid}", "C48", "embedder"),
        ("{mode: best}", "C06", "hybrid"),
        ("{passages: 21}", "C06", "20"),
        ("{passages: 0}", "C06", "1"),
        ("{rewrite: 1}", "C06", "true or false"),
        ("{chunks: {size: 100}}", "C06", "200"),
        ("{chunks: {overlap: 700}}", "C06", "half its size"),
        ("{chunk: {size: 500}}", "C03", "chunks"),
        ("{urls: {host: [a.example]}}", "C03", "hosts"),
        ("{urls: {hosts: []}}", "C06", "at least 1"),
        ("{urls: {hosts: ['https://a.example']}}", "C06", "without scheme"),
        ("{urls: {hosts: [a.example/docs]}}", "C06", "without scheme"),
        ("{urls: {hosts: ['a.example:8080']}}", "C49", "port"),
        ("{urls: {hosts: ['a*.example']}}", "C49", "*.example.org"),
        ("{urls: {hosts: ['0x7f.1']}}", "C49", "name of a host"),
        ("{urls: {deny: [a.example]}}", "C06", "203.0.113.0/24"),
        ("{urls: {deny: [203.0.113.7/24]}}", "C06", "203.0.113.0/24"),
        ("{urls: {refresh: 4m}}", "C06", "5m"),
        ("{urls: {refresh: sometimes}}", "C06", "10m"),
        ("{links: ['*']}", "C49", "*.example.org"),
        ("{links: ['http://a.example']}", "C06", "without scheme"),
        ("{conversations: {keep: 2y}}", "C06", "7d"),
        ("{conversations: {keep: 367d}}", "C06", "366d"),
        ("{conversations: true}", "C06", "mapping"),
        ("{writers: admin}", "C06", "tenant-admin"),
        ("{limits: {documents: 0}}", "C06", "1"),
        ("{limits: {file_size: 65 MiB}}", "C06", "64 MiB"),
        ("{limits: {file_size: 1.5 MiB}}", "C06", "32 MiB"),
        ("{limits: {file_size: true}}", "C06", "32 MiB"),
        ("maybe", "C06", "mapping"),
    ],
)
def test_a_mistake_is_told_once_with_its_line_and_the_way_out(words: str, rule: str, told: str) -> None:
    outcome = loaded(_with(words))

    assert outcome.exit_code == 2
    (first,) = outcome.errors
    assert first.rule == rule
    assert told in f"{first.message} {first.cure}"
    assert first.line == _with(words).splitlines().index(f"    rag: {words}") + 1


@pytest.mark.parametrize("word", ["model", "embedder", "reranker"])
def test_a_model_for_documents_is_one_of_the_tenants_own(word: str) -> None:
    tasks = {"model": "chat", "embedder": "embed", "reranker": "rerank"}
    text = changed(
        "  embeddings:\n",
        f"  far: {{task: {tasks[word]}, targets: [{{backend: offline, model: x}}]}}\n  embeddings:\n",
    )
    mine = changed("    policy: eu-only\n", f"    policy: eu-only\n    rag: {{{word}: far}}\n", text)
    shared = _by_default(f"{{{word}: far}}", text)
    assert ["'client-a'" in found.message for found in _found(mine, "C47")] == [True]
    assert ["every tenant" in found.message for found in _found(shared, "C47")] == [True]
    assert loaded(changed("embeddings]", "embeddings, far]", mine)).exit_code == 0


def test_a_policy_that_permits_no_target_of_an_embedder_is_an_error() -> None:
    text = changed(
        "  offline: {kind: builtin}\n", '  offline: {kind: builtin}\n  abroad: {kind: tei, url: "http://x"}\n'
    )
    text = changed("targets: [{backend: offline, model: all", "targets: [{backend: abroad, model: all", text)
    words = changed("    policy: eu-only\n", "    policy: eu-only\n    rag: {embedder: embeddings}\n", text)
    assert {finding.rule for finding in loaded(words).errors} == {"R01"}


def test_an_embedder_of_several_models_is_warned_of_where_it_is_named() -> None:
    assert [found.severity for found in _found(_with("{embedder: mixed}"), "C51")] == ["warning"]
    assert _found(_MORE, "C51") == []


def test_an_embedder_of_several_models_is_nobodys_unless_named() -> None:
    text = changed("model: all-MiniLM-L6-v2}]\n", "model: b}, {backend: hub, model: c}]\n")
    (told,) = {found.message for found in _found(text, "C51") if "client-b" in found.message}
    assert _rag(text) == Rag(embedder=None)
    assert "words only" in told
    assert [
        found for found in _found(_with("{embedder: none}", text), "C51") if "client-b" in found.message
    ] == []


def test_what_keeps_documents_from_being_answered_from_is_told() -> None:
    nobody = changed("    degraded: true\n", "    models: {allow: [embeddings]}\n    degraded: true\n", _MORE)
    assert _found(nobody, "C52") == []
    assert [found.severity for found in _found(_with("true", nobody), "C52")] == ["warning"]
    off = changed("model: all-MiniLM-L6-v2}]\n", "model: b}]\n", WHOLE).replace(
        "offline, model: b", "hub, model: b"
    )
    off = off.replace("hub, model: b", "away, model: b").replace(
        "  offline: {kind: builtin}\n",
        "  offline: {kind: builtin}\n  away: {kind: hf-providers, token: env:UNSET}\n",
    )
    (told,) = _found(_with("true", off), "C53")
    assert "'embeddings'" in told.message


def test_a_model_is_not_called_like_a_collection() -> None:
    text = changed("  embeddings:\n", "  rag/docs:\n")
    text = changed(", allow: [assistant, embeddings]", "", text)
    (told,) = _found(text, "C50")
    assert told.severity == "error"
    assert "`rag/`" in told.cure
    assert _found(changed("rag/docs:", "ragged/docs:", text), "C50") == []


def _changes(before: str, after: str) -> TenantDiff:
    old, new = loaded(before).catalog, loaded(after).catalog
    assert old is not None
    assert new is not None
    ((names, change),) = diff(old, new).tenants
    assert names == ("client-b",)
    return change


def _told(before: str, after: str) -> dict[str, tuple[Any, Any, str | None]]:
    return {field.name: (field.old, field.new, field.note) for field in _changes(before, after).settings}


def test_diff_says_what_follows_from_another_embedder_and_other_passages() -> None:
    told = _told(_MORE, _with("{embedder: other-embeddings, chunks: {size: 600}}"))
    stays = "collections keep theirs until they are indexed again"
    assert told == {
        "rag.embedder": ("embeddings", "other-embeddings", stays),
        "rag.chunks.size": (None, 600, stays),
    }


def test_diff_says_all_that_changes_about_documents() -> None:
    words = (
        "{model: assistant, reranker: reranker, mode: text, passages: 12, rewrite: false,"
        " urls: {hosts: [b.example, a.example], deny: [203.0.113.0/24], plain_http: false, refresh: 6h},"
        " links: [c.example], conversations: {keep: 90d}, writers: tenant-admin,"
        " limits: {collections: 7, documents: 70, file_size: 5 MiB}}"
    )
    told = {name: new for name, (_, new, _) in _told(_MORE, _with(words)).items()}
    assert told == {
        "rag.model": "assistant",
        "rag.reranker": "reranker",
        "rag.mode": "text",
        "rag.passages": 12,
        "rag.rewrite": False,
        "rag.urls.hosts": ("a.example", "b.example"),
        "rag.urls.deny": ("203.0.113.0/24",),
        "rag.urls.plain_http": False,
        "rag.urls.refresh": "21600s",
        "rag.links": ("c.example",),
        "rag.conversations.keep": "7776000s",
        "rag.writers": "tenant-admin",
        "rag.limits.collections": 7,
        "rag.limits.documents": 70,
        "rag.limits.file_size": 5_242_880,
    }
    assert _told(_MORE, _with("false"))["rag"] == (None, "off", None)
