"""`passerelle rag`: what is handed in and how, what is told of it, and the status that scripts go by."""

from __future__ import annotations

import email.parser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.cli import rag_files
from passerelle.cli.rag_files import About, Source, batches, find, metadata_of, request_of
from passerelle.domain.errors import CannotRun
from tests.unit.cli.conftest import Done, Verb
from tests.unit.cli.test_jobs import Service, given
from tests.unit.cli.test_progress import TROUBLE, finished, item

HANDED = "POST /v1/rag/collections/faq/documents"
LISTED = "GET /v1/rag/collections/faq/documents"


def card(number: int, key: str, state: str = "queued", **more: Any) -> dict[str, Any]:
    nothing = {"pages": 0, "chunks": 0, "warnings": [], "error": None, "duplicate_of": None}
    return {"id": f"doc_{number}", "key": key, "state": state, **nothing, **more}


def taken(*cards: dict[str, Any], job: str | None = "job_1", unchanged: Sequence[str] = ()) -> dict[str, Any]:
    return {"job": job, "documents": list(cards), "unchanged": list(unchanged)}


def parts_of(body: bytes, kind: str) -> list[tuple[str, str | None, bytes]]:
    """A form's parts, as another reader of forms sees them: name, file name, content."""
    message = email.parser.BytesParser().parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    found = []
    for part in message.walk():
        if not part.is_multipart():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append((str(name), part.get_filename(), content))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents, one of them in a folder of its own, and what is none."""
    made = tmp_path / "docs"
    for name in ("b.md", "a.PDF", "sub/a.PDF", ".hidden.md", ".git/c.md", "logo.png"):
        file = made / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return made


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service()
    given(monkeypatch, found, "rag", "rag_ingest", "rag_ask")
    return found


@pytest.fixture
def rag(verb: Verb, tmp_path: Path) -> Any:
    where = ("--collection", "faq", "--tenant", "acme", "--data", str(tmp_path))
    return lambda *words: verb("rag", *words, *where)


def test_a_folder_s_documents_are_named_by_their_paths_in_it(folder: Path) -> None:
    sources, left = find([str(folder), "https://exemple.fr/é"])
    assert [source.key for source in sources] == ["a.PDF", "b.md", "sub/a.PDF", "https://exemple.fr/é"]
    assert [file.name for file in left] == ["logo.png"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(folder: Path) -> None:
    sources, left = find([str(folder / "logo.png"), str(folder / ".hidden.md")])
    assert [source.key for source in sources] == ["logo.png", ".hidden.md"]
    assert left == []


def test_two_documents_of_a_name_would_replace_each_other(folder: Path) -> None:
    with pytest.raises(CannotRun, match=r"a\.PDF"):
        find([str(folder / "a.PDF"), str(folder / "sub")])
    with pytest.raises(CannotRun, match="no file or folder"):
        find([str(folder / "nothing")])


def test_a_link_out_of_a_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.md").write_text("x")
    (folder / "out").symlink_to(tmp_path / "secret")
    assert "out/x.md" not in [source.key for source in find([str(folder)])[0]]


def test_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag_files, "_MOST_BYTES", 10)
    monkeypatch.setattr(rag_files, "_MOST_FILES", 2)
    monkeypatch.setattr(rag_files, "_MOST_ADDRESSES", 1)
    files = [
        Source(name, Path(name), size) for name, size in (("a", 4), ("b", 7), ("c", 1), ("d", 1), ("e", 99))
    ]
    pages = [Source("https://x/1"), Source("https://x/2")]
    found = [[source.key for source in batch] for batch in batches([*files, *pages])]
    assert found == [["https://x/1"], ["https://x/2"], ["a"], ["b", "c"], ["d"], ["e"]]


def test_files_are_sent_as_a_form_with_their_keys(folder: Path) -> None:
    (folder / 'é "x".md').write_bytes(b"--quoted\r\n")
    sources = [source for source in find([str(folder)])[0] if source.key != "b.md"]
    body, kind = request_of(sources, About(groups=("hr", "it"), metadata={"year": 2026}, language="fr"))
    parts = parts_of(body, kind)
    assert [(name, content) for name, file, content in parts if file is None] == [
        ("language", b"fr"),
        ("groups", b"hr"),
        ("groups", b"it"),
        ("metadata", b'{"year":2026}'),
        ("key", b"a.PDF"),
        ("key", 'é "x".md'.encode()),
        ("key", b"sub/a.PDF"),
    ]
    assert [content for name, file, content in parts if name == "file"] == [
        b"a.PDF",
        b"--quoted\r\n",
        b"sub/a.PDF",
    ]


def test_files_of_one_folder_are_called_by_their_names(folder: Path) -> None:
    sources, _ = find([str(folder / "a.PDF"), str(folder / "b.md")])
    assert [name for name, _, _ in parts_of(*request_of(sources, About()))] == ["file", "file"]
    assert [name for name, _, _ in parts_of(*request_of(sources[:1], About()))] == ["key", "file"]


def test_addresses_are_sent_as_they_are() -> None:
    body, kind = request_of([Source("https://x/1")], About(title="T", refresh="24h"))
    assert kind == "application/json"
    assert body == {"documents": [{"url": "https://x/1", "title": "T", "refresh": "24h"}]}


def test_metadata_are_numbers_truths_and_texts() -> None:
    assert metadata_of(["year=2026", "draft=true", "zip=01000", "note=a=b", "list=[1]", "empty="]) == {
        "year": 2026, "draft": True, "zip": "01000", "note": "a=b", "list": "[1]", "empty": "",
    }  # fmt: skip
    for wrong in ("year", "=1"):
        with pytest.raises(CannotRun, match="metadata"):
            metadata_of([wrong])


def _given(service: Service, *cards: dict[str, Any]) -> None:
    """These documents come in, and stand so in the end."""
    service.replies[HANDED] = taken(*({**each, "state": "queued"} for each in cards))
    service.replies[LISTED] = {"data": list(cards), "has_more": False}
    done = sum(each["state"] != "failed" for each in cards)
    service.events = [("created", {"items": len(cards)}), finished("done", done=done)]


def test_what_became_of_each_is_told(service: Service, rag: Any, folder: Path) -> None:
    _given(
        service,
        card(1, "a.PDF", "ready", pages=12, chunks=40),
        card(2, "b.md", "duplicate", duplicate_of="doc_1"),
        card(3, "sub/a.PDF", "failed", error=TROUBLE),
    )
    service.events.insert(1, item("item-failed", "doc_3", 0, 1, 3, **TROUBLE))
    done: Done = rag("ingest", str(folder))

    assert done.status == 1
    assert done.out.splitlines() == [
        "ready      a.PDF  12 pages, 40 passages",
        "duplicate  b.md: the same as doc_1",
        "failed     sub/a.PDF: It asks for a password. (document_encrypted)",
        "1 files were left out: their endings are not those of documents.",
    ]
    assert "  sub/a.PDF: failed: It asks for a password. (document_encrypted)" in done.err
    assert service.works


def test_all_is_well_when_all_are_read(service: Service, rag: Any, folder: Path) -> None:
    _given(service, card(1, "b.md", "ready", chunks=1))
    done: Done = rag("ingest", str(folder / "b.md"), "--json")

    assert done.status == 0
    shown = orjson.loads(done.out)
    assert (shown["jobs"], shown["failed"], shown["documents"][0]["state"]) == (["job_1"], 0, "ready")
    assert done.err == ""


def test_the_same_again_is_said_to_be_unchanged(service: Service, rag: Any, folder: Path) -> None:
    service.replies[HANDED] = taken(card(1, "b.md", "ready", chunks=1), job=None, unchanged=["doc_1"])
    done: Done = rag("ingest", str(folder / "b.md"))

    assert (done.status, done.out) == (0, "unchanged  b.md  1 passages\n")
    assert not service.works


def test_nobody_need_wait(service: Service, rag: Any, folder: Path) -> None:
    service.replies[HANDED] = taken(card(1, "b.md"))
    done: Done = rag("ingest", str(folder / "b.md"), "--no-wait")

    assert done.status == 0
    assert done.out.splitlines() == ["queued     b.md", "They are read by job_1: passerelle jobs follow."]


def test_a_document_that_is_refused_stands_in_nobody_s_way(
    service: Service, rag: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _given(service, card(1, "b.md", "ready", chunks=1))

    def reply(method: str, path: str, body: Any = None, *, kind: str = "") -> Any:
        if method == "POST" and b"a.PDF" in body:
            raise CannotRun("File 1 is longer than the limit.")
        return Service.order(service, method, path, body)

    monkeypatch.setattr(service, "order", reply)
    done: Done = rag("ingest", str(folder))

    assert done.status == 1
    assert done.out.splitlines()[:3] == [
        "ready      b.md  1 passages",
        "refused    a.PDF: File 1 is longer than the limit.",
        "refused    sub/a.PDF: File 1 is longer than the limit.",
    ]


@pytest.mark.parametrize("words", [("--title", "T"), ("--refresh", "24h"), ("--metadata", "x")])
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    service: Service, rag: Any, folder: Path, words: tuple[str, ...]
) -> None:
    assert rag("ingest", str(folder), *words).status == 2
    assert service.orders == []


SOURCE = {
    "number": 1, "document": "doc_1", "title": "Livraison", "page": 3, "url": None, "quote": "Sous\n trois jours.",
    "supported": True,
}  # fmt: skip
ANSWER = {
    "answer": "Trois jours [1].", "citations": [SOURCE], "nearest": [], "refused": False, "model": "assistant",
    "cost": "0.001 EUR", "latency": {"total": 1.25},
}  # fmt: skip


def test_an_answer_comes_with_its_sources(service: Service, rag: Any) -> None:
    service.events = [
        ("delta", {"text": "Trois \x1b[2J"}),
        ("delta", {"text": "jours [1]."}),
        ("citation", SOURCE),
        ("answer", ANSWER),
    ]
    done: Done = rag("ask", "Sous combien de jours ?", "--group", "hr")

    assert done.status == 0
    assert done.out.splitlines() == [
        "Trois ?[2Jjours [1].",
        "",
        "[1] Livraison, page 3",
        "    “Sous trois jours.”",
    ]
    assert "assistant, 1.2 s, 0.001 EUR" in done.err
    assert service.orders[0][2] == {
        "collection": "faq", "question": "Sous combien de jours ?", "stream": True, "groups": ["hr"],
    }  # fmt: skip


def test_no_answer_is_said_with_the_nearest_passages(service: Service, rag: Any) -> None:
    refused = {**ANSWER, "refused": True, "citations": [], "nearest": [{**SOURCE, "supported": False}]}
    service.events = [("delta", {"text": "Je ne sais pas."}), ("answer", refused)]
    service.replies["POST /v1/rag/chat"] = refused
    done: Done = rag("ask", "Quoi ?")

    assert done.status == 1
    assert "The nearest passages:" in done.out
    assert rag("ask", "Quoi ?", "--json").status == 1


def test_an_answer_that_breaks_off_is_none(service: Service, rag: Any) -> None:
    service.events = [("delta", {"text": "Trois"})]
    assert rag("ask", "Quoi ?").status == 2


def test_passages_are_found(service: Service, rag: Any) -> None:
    hit = {**SOURCE, "text": "x" * 400, "score": 0.5, "url": "https://x/1"}
    service.replies["POST /v1/rag/search"] = {"data": [hit]}
    lines = rag("search", "jours", "-k", "3", "--mode", "text").out.splitlines()

    assert lines[0] == "1. Livraison, page 3  https://x/1  0.500"
    assert len(lines[1]) == 303
    assert service.orders[0][2] == {"collection": "faq", "query": "jours", "k": 3, "mode": "text"}


def test_documents_are_lines(service: Service, rag: Any) -> None:
    service.replies[LISTED] = {"data": [card(3, "c.pdf", "failed", error=TROUBLE)], "has_more": True}
    assert rag("documents", "--state", "failed").out.splitlines() == [
        "doc_3  failed         0 passages  c.pdf: It asks for a password. (document_encrypted)",
        "There are more: --before doc_3",
    ]


def test_collections_are_lines(service: Service, verb: Verb, tmp_path: Path) -> None:
    shelf = {"name": "faq", "embedder": None, "documents": 2, "chunks": 9, "description": "Questions"}
    service.replies["GET /v1/rag/collections"] = {"data": [shelf]}
    out = verb("rag", "collections", "--tenant", "acme", "--data", str(tmp_path)).out
    assert out == "faq                       2 documents, 9 passages, words only  Questions\n"


def test_documents_and_collections_are_deleted_on_a_clear_word(service: Service, rag: Any) -> None:
    service.replies["DELETE /v1/rag/collections/faq"] = None
    service.replies["DELETE /v1/rag/collections/faq/documents/doc_1"] = None
    assert rag("delete").status == 2
    assert rag("delete", "doc_1", "--all").status == 2
    assert rag("delete", "doc_1").out == "doc_1 is deleted.\n"
    assert rag("delete", "--all").out == "faq is deleted.\n"
    assert [path for _, path, _ in service.orders] == [
        "/v1/rag/collections/faq/documents/doc_1?tenant=acme",
        "/v1/rag/collections/faq?tenant=acme",
    ]
