"""Documents are handed in as text, pages, passages or files, bounded and checked, and seen by whom they are for."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from passerelle.domain.jobs import Trouble
from passerelle.domain.rag import DocumentState
from passerelle.domain.rag import Rag as Rules
from passerelle.http.intake import Limits
from tests.fakes.rag import LibraryFake, RagFake, paper
from tests.serving import Served
from tests.unit.http.rag_scene import DOCUMENTS, ask, code, running


def _form(*files: tuple[str, bytes], **fields: str | list[str]) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for name, said in fields.items():
        for value in said if isinstance(said, list) else [said]:
            form.add_field(name, value)
    for name, content in files:
        form.add_field("file", content, filename=name, content_type="text/plain")
    return form


async def _send(served: Served, who: str, form: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    async with served.client(who) as http, http.post(DOCUMENTS, data=form, headers=headers) as reply:
        return reply.status, json.loads(await reply.read())


async def test_a_text_is_taken_read_by_a_job_and_unchanged_the_second_time() -> None:
    rag = RagFake()
    body = {
        "text": "Livré en deux jours.",
        "key": "livraison",
        "title": "Livraison",
        "metadata": {"year": 2026},
    }
    async with running(rag) as served:
        status, taken = await ask(served, "member", "POST", DOCUMENTS, body)
        assert (status, taken["job"], taken["unchanged"]) == (202, "job_1", [])
        (card,) = taken["documents"]
        assert (card["key"], card["state"], card["metadata"]) == ("livraison", "queued", {"year": 2026})
        status, again = await ask(served, "member", "POST", DOCUMENTS, body)
        assert (status, again["job"], again["unchanged"]) == (200, None, [card["id"]])


async def test_pages_come_one_or_many_with_what_they_share() -> None:
    rag = RagFake()
    async with running(rag) as served:
        one = {"url": "https://example.com/faq", "refresh": "24h", "title": "FAQ"}
        assert (await ask(served, "member", "POST", DOCUMENTS, one))[0] == 202
        assert (rag.books.given[0].url, rag.books.given[0].refresh) == ("https://example.com/faq", 86_400.0)
        many = {"urls": ["https://e.com/a", "https://e.com/b", "https://e.com/a"], "language": "fr"}
        assert (await ask(served, "member", "POST", DOCUMENTS, many))[0] == 202
        assert [(each.url, each.language) for each in rag.books.given] == [
            ("https://e.com/a", "fr"),
            ("https://e.com/b", "fr"),
        ]


async def test_passages_and_lists_of_documents_come_as_they_were_cut() -> None:
    rag = RagFake()
    chunk = {
        "text": "Two days.",
        "headings": ["Delivery"],
        "page": 2,
        "start": 4,
        "end": 13,
        "metadata": {"a": ["x", 1]},
    }
    body = {"documents": [{"chunks": [chunk], "key": "a"}, {"text": "b", "key": "b"}]}
    async with running(rag) as served:
        assert (await ask(served, "member", "POST", DOCUMENTS, body))[0] == 202
    first, second = rag.books.given
    assert first.chunks is not None
    assert (first.chunks[0].text, first.chunks[0].headings, first.chunks[0].page) == (
        "Two days.",
        ("Delivery",),
        2,
    )
    assert second.text == "b"


_NO_ONE_THING: list[Any] = [
        {}, {"text": "a", "url": "https://e.com"}, {"text": ""}, {"text": "a\0b"}, {"text": "a", "colour": "red"},
        {"text": 3}, {"url": "ftp://e.com"}, {"url": "file:///etc/passwd"}, {"text": "a", "refresh": "24h"},
        {"url": "https://e.com", "refresh": "1s"}, {"url": "https://e.com", "refresh": "often"},
        {"url": "https://e.com", "refresh": True}, {"url": "https://e.com", "media_type": "text/html"},
        {"urls": []}, {"urls": ["https://e.com"], "key": "k"}, {"documents": []}, {"documents": [{}]},
        {"documents": [{"text": "a"}], "language": "fr"}, {"documents": [{"text": "a", "chunks": [{"text": "b"}]}]},
        {"chunks": []}, {"chunks": [{"text": "a", "metadata": {"groups": ["hr"]}}]}, {"text": "a", "language": "français"},
        {"text": "a", "metadata": {"tenant_id": "other"}}, {"text": "a", "metadata": {"a": {"b": 1}}},
        {"text": "a", "metadata": {"a": None}}, {"text": "a", "metadata": {"a\0": 1}}, {"text": "a", "metadata": {"a": "\0"}},
        {"text": "a", "metadata": {"a": 2**63}}, {"text": "a", "metadata": [1]}, {"text": "a", "groups": ["hr "]},
        {"text": "a", "groups": "hr"}, {"text": "a", "media_type": "application/pdf"}, [], "text",
    ]  # fmt: skip


async def test_what_says_no_one_thing_is_refused_and_nothing_is_taken() -> None:
    rag = RagFake()
    async with running(rag) as served:
        for body in _NO_ONE_THING:
            status, said = await ask(served, "chief", "POST", DOCUMENTS, body)
            assert (status, set(said["error"])) == (400, {"message", "type", "param", "code"}), body
    assert rag.books.given == []


async def test_json_that_means_nothing_or_two_things_is_refused() -> None:
    async with running() as served, served.client("member") as http:
        headers = {"content-type": "application/json"}
        for body in (
            b'{"metadata": {"a": NaN}}',
            b'{"text": "\\ud800"}',
            b'{"text": "a", "text": "b"}',
            b"{",
        ):
            async with http.post(DOCUMENTS, data=body, headers=headers) as reply:
                assert reply.status == 400, body


async def test_a_body_of_another_type_is_refused() -> None:
    async with running() as served:
        headers = {"content-type": "text/plain"}
        async with served.client("member") as http, http.post(DOCUMENTS, data=b"x", headers=headers) as reply:
            assert reply.status == 415


async def test_files_come_with_their_names_and_what_they_share() -> None:
    rag = RagFake()
    form = _form(
        ("C:\\docs\\contrat.txt", b"one"), ("../../notes\u202e.md", b"two"),
        groups=["hr", "it"], metadata='{"year": 2026}', language="fr",
    )  # fmt: skip
    async with running(rag) as served:
        status, taken = await _send(served, "chief", form)
    assert (status, len(taken["documents"])) == (202, 2)
    assert [(each.name, each.content, each.media_type) for each in rag.books.given] == [
        ("contrat.txt", b"one", "text/plain"),
        ("notes.md", b"two", "text/plain"),
    ]
    assert all(each.groups == {"hr", "it"} and each.metadata == {"year": 2026} for each in rag.books.given)


async def test_one_file_may_have_a_title_and_a_key_and_groups_as_one_list() -> None:
    rag = RagFake()
    async with running(rag) as served:
        form = _form(("a.txt", b"one"), title="Contrat", key="contracts/1", groups='["hr"]')
        assert (await _send(served, "member-of-hr", form))[0] == 202
    (given,) = rag.books.given
    assert (given.title, given.key, given.groups) == ("Contrat", "contracts/1", frozenset({"hr"}))


_FORMS: list[tuple[list[tuple[str, bytes]], dict[str, Any]]] = [
    ([], {"title": "x"}), ([("a", b"1"), ("b", b"2")], {"title": "x"}), ([("a", b"1")], {"colour": "red"}),
    ([("a", b"1")], {"metadata": "{"}), ([("a", b"1")], {"metadata": "[1]"}),
    ([("a", b"1")], {"groups": "[1]"}), ([("a", b"1")], {"title": ["x", "y"]}), ([("a", b"1")], {"title": "x" * 70_000}),
    ([(f"{number}", b"") for number in range(101)], {}), ([("/", b"1")], {}),
]  # fmt: skip


async def test_a_form_that_says_something_else_is_refused() -> None:
    rag = RagFake()
    async with running(rag) as served:
        for files, fields in _FORMS:
            status, _ = await _send(served, "chief", _form(*files, **fields))
            assert status == 400, (files[:2], list(fields))
    assert rag.books.given == []


async def test_a_form_that_is_none_or_broken_off_is_refused() -> None:
    async with running() as served, served.client("member") as http:
        for kind, body in (
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=b", b"nothing of the kind"),
            ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf'),
            ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="other"; filename="a"\r\n\r\n1\r\n--b--\r\n'),
        ):  # fmt: skip
            async with http.post(DOCUMENTS, data=body, headers={"content-type": kind}) as reply:
                assert reply.status == 400, body


async def test_files_may_be_longer_than_other_bodies_but_not_without_end() -> None:
    rag = RagFake()
    limits = Limits(body=10_000, upload=50_000)
    async with running(rag, rules=Rules(file_size=30_000), limits=limits) as served:
        assert (await _send(served, "member", _form(("a", b"x" * 30_000))))[0] == 202
        status, error = await _send(served, "member", _form(("a", b"x" * 30_001)))
        assert (status, error["error"]["code"]) == (413, "file_too_large")
        status, error = await _send(served, "member", _form(("a", b"x" * 29_000), ("b", b"x" * 29_000)))
        assert (status, error["error"]["code"]) == (413, "request_too_large")
        assert await code(served, "member", "POST", DOCUMENTS, {"text": "x" * 10_001}) == (
            413,
            "request_too_large",
        )
        elsewhere = _form(("a", b"x" * 20_000))
        async with served.client("member") as http, http.post("/v1/rag/search", data=elsewhere) as reply:
            assert reply.status == 413
        async with (
            served.client("nobody") as http,
            http.post(DOCUMENTS, data=_form(("a", b"x" * 30_000))) as reply,
        ):
            assert reply.status == 401


class _Slow(LibraryFake):
    """Takes documents once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.inside = self.most = 0

    async def take(self, tenant: Any, collection: str, given: Any, **named: Any) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.let.wait()
            return await super().take(tenant, collection, given, **named)
        finally:
            self.inside -= 1


async def test_only_a_few_uploads_are_in_memory_and_too_many_are_told_to_come_back() -> None:
    library = _Slow()
    async with running(RagFake(books=library)) as served:
        sent = [
            asyncio.create_task(_send(served, "member", _form((f"{number}", b"x")))) for number in range(33)
        ]
        await served.until(lambda: any(task.done() for task in sent))
        refused = next(task for task in sent if task.done()).result()
        assert (refused[0], refused[1]["error"]["code"]) == (503, "overloaded")
        library.let.set()
        statuses = sorted([(await task)[0] for task in sent])
    assert statuses == [202] * 32 + [503]
    assert library.most == 4


async def test_documents_are_for_groups_that_their_sender_may_speak_for() -> None:
    rag = RagFake()
    body = {"text": "Salaires", "key": "s", "groups": ["hr"]}
    async with running(rag) as served:
        assert await code(served, "member", "POST", DOCUMENTS, body) == (403, "group_not_yours")
        status, error = await _send(served, "member", _form(("s", b"x"), groups="hr"))
        assert (status, error["error"]["code"]) == (403, "group_not_yours")
        assert rag.books.given == []
        for who in ("member-of-hr", "speaks-for-all", "chief"):
            assert (await ask(served, who, "POST", DOCUMENTS, body))[0] in (200, 202)


async def test_documents_in_groups_that_one_is_not_in_do_not_exist() -> None:
    rag = RagFake()
    rag.books.put("acme", "faq", paper("doc_hr", groups=("hr",)))
    rag.books.put("acme", "faq", paper("doc_all"))
    rag.books.contents |= {"doc_hr": (b"x", "text/plain"), "doc_all": (b"x", "text/plain")}
    async with running(rag) as served:
        for who, sees in (
            ("member", ["doc_all"]), ("member-of-hr", ["doc_all", "doc_hr"]), ("speaks-for-all", ["doc_all", "doc_hr"]),
            ("chief", ["doc_all", "doc_hr"]),
        ):  # fmt: skip
            _, listed = await ask(served, who, "GET", DOCUMENTS)
            assert [each["id"] for each in listed["data"]] == sees
        for method, path in (
            ("GET", ""),
            ("GET", "/content"),
            ("GET", "/passages"),
            ("POST", "/retry"),
            ("DELETE", ""),
        ):
            asked = f"{DOCUMENTS}/doc_hr{path}"
            assert await code(served, "member", method, asked) == (404, "document_not_found")
            assert await code(served, "stranger", method, asked) == (404, "collection_not_found")
        assert (await ask(served, "operator", "GET", f"{DOCUMENTS}/doc_hr?tenant=acme"))[0] == 200
        assert (await ask(served, "member-of-hr", "DELETE", f"{DOCUMENTS}/doc_hr"))[0] == 204


async def test_documents_are_listed_by_state_page_by_page() -> None:
    rag = RagFake()
    broken: dict[str, Any] = {
        "state": DocumentState.FAILED,
        "trouble": Trouble("encrypted", "The file is encrypted."),
    }
    for number in range(3):
        rag.books.put("acme", "faq", paper(f"doc_{number}", **(broken if number else {})))
    async with running(rag) as served:
        _, first = await ask(served, "member", "GET", f"{DOCUMENTS}?limit=2")
        assert ([each["id"] for each in first["data"]], first["has_more"]) == (["doc_2", "doc_1"], True)
        _, rest = await ask(served, "member", "GET", f"{DOCUMENTS}?limit=2&before=doc_1")
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (["doc_0"], False)
        _, failed = await ask(served, "member", "GET", f"{DOCUMENTS}?state=failed")
        assert {each["error"]["code"] for each in failed["data"]} == {"encrypted"}
        assert (await ask(served, "member", "GET", f"{DOCUMENTS}?state=lost"))[0] == 400


async def test_a_failed_document_is_read_again_and_a_member_asks_for_those_it_sees() -> None:
    rag = RagFake()
    failed: dict[str, Any] = {"state": DocumentState.FAILED}
    rag.books.put("acme", "faq", paper("doc_hr", groups=("hr",), **failed))
    rag.books.put("acme", "faq", paper("doc_all", **failed))
    rag.books.put("acme", "fine", paper("doc_fine", collection="fine"))
    async with running(rag) as served:
        status, taken = await ask(served, "member", "POST", f"{DOCUMENTS}/doc_all/retry")
        assert (status, taken["job"]) == (202, "job_2")
        _, taken = await ask(served, "member", "POST", f"{DOCUMENTS}/retry")
        assert [each["id"] for each in taken["documents"]] == ["doc_all"]
        some = {"documents": ["doc_hr"]}
        assert await code(served, "member", "POST", f"{DOCUMENTS}/retry", some) == (404, "document_not_found")
        assert (await ask(served, "member", "POST", "/v1/rag/collections/fine/documents/retry"))[0] == 200
        await ask(served, "chief", "POST", f"{DOCUMENTS}/retry")
    assert rag.books.retried == [["doc_all"], ["doc_all"], None]


@pytest.mark.parametrize(
    ("key", "media_type", "sent_as", "saved_as"),
    [
        ("page.html", "text/html; charset=utf-8", "text/html", "page.html"),
        ('a"b\r\nx: y.svg', "image/svg+xml", "image/svg+xml", "a_bx_y.svg"),
        ("../../été.pdf", "application/pdf\r\nx: y", "application/octet-stream", "t_.pdf"),
        ("日本", "", "application/octet-stream", "document"),
    ],
)
async def test_a_document_is_saved_and_never_shown_by_a_browser(
    key: str, media_type: str, sent_as: str, saved_as: str
) -> None:
    rag = RagFake()
    rag.books.put("acme", "faq", replace(paper("doc_1"), key=key))
    rag.books.contents["doc_1"] = (b"<script>", media_type)
    async with running(rag) as served, served.client("member") as http:
        async with http.get(f"{DOCUMENTS}/doc_1/content") as reply:
            assert (reply.status, await reply.read()) == (200, b"<script>")
            headers = reply.headers
    assert headers["content-type"] == sent_as
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"].startswith(f'attachment; filename="{saved_as}"; filename*=UTF-8')
    assert "x" not in headers


async def test_passages_are_shown_with_their_places() -> None:
    rag = RagFake()
    rag.books.put("acme", "faq", paper("doc_1", title="Delivery"))
    async with running(rag) as served:
        _, shown = await ask(served, "member", "GET", f"{DOCUMENTS}/doc_1/passages")
    (passage,) = shown["data"]
    assert (passage["text"], passage["title"], passage["page"], passage["end"]) == (
        "Delivery takes two days.",
        "Delivery",
        2,
        24,
    )
