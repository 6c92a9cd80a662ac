"""`/v1/rag/collections`: made, described, indexed again and deleted, by those who may, within their tenant."""

from __future__ import annotations

from passerelle.domain.caller import Role
from passerelle.domain.rag import Rag as Rules
from tests.fakes.rag import RagFake, paper
from tests.serving import one_backend, serving
from tests.unit.http.rag_scene import DOCUMENTS, ask, code, running

_COLLECTIONS = "/v1/rag/collections"


async def test_a_collection_is_made_described_and_deleted_within_its_tenant() -> None:
    async with running() as served:
        new = {"name": "faq", "description": "Livraison", "embedder": "embeddings"}
        status, made = await ask(served, "member", "POST", _COLLECTIONS, new)
        assert (status, made["model"], made["embedder"]) == (201, "rag/faq", "embeddings")
        assert await code(served, "member", "POST", _COLLECTIONS, new) == (409, "collection_exists")
        assert (await ask(served, "member", "GET", f"{_COLLECTIONS}/faq"))[1] == made
        said = {"description": "Livraison, retours"}
        assert (await ask(served, "member", "PATCH", f"{_COLLECTIONS}/faq", said))[1]["description"] == said[
            "description"
        ]
        assert [each["name"] for each in (await ask(served, "member", "GET", _COLLECTIONS))[1]["data"]] == [
            "faq"
        ]
        for who, where in (("stranger", ""), ("operator", "?tenant=other")):
            assert (await ask(served, who, "GET", f"{_COLLECTIONS}{where}"))[1]["data"] == []
            for method, path, body in (
                ("GET", "", None), ("PATCH", "", said), ("DELETE", "", None), ("POST", "/reindex", None),
            ):  # fmt: skip
                asked = f"{_COLLECTIONS}/faq{path}{where}"
                assert await code(served, who, method, asked, body) == (404, "collection_not_found")
        assert await code(served, "operator", "GET", _COLLECTIONS) == (400, "missing_tenant")
        assert await code(served, "member", "GET", f"{_COLLECTIONS}?tenant=other") == (404, "unknown_tenant")
        assert (await ask(served, "operator", "DELETE", f"{_COLLECTIONS}/faq?tenant=acme"))[0] == 204
        assert await code(served, "member", "GET", f"{_COLLECTIONS}/faq") == (404, "collection_not_found")


async def test_words_only_leaves_out_the_embedder_and_excludes_another() -> None:
    async with running() as served:
        _, made = await ask(served, "member", "POST", _COLLECTIONS, {"name": "faq", "words_only": True})
        assert made["embedder"] is None
        both = {"name": "faq2", "words_only": True, "embedder": "embeddings"}
        assert await code(served, "member", "POST", _COLLECTIONS, both) == (400, "invalid_value")


async def test_indexing_again_is_a_job_where_there_is_something_to_index() -> None:
    rag = RagFake()
    async with running(rag) as served:
        await ask(served, "member", "POST", _COLLECTIONS, {"name": "empty"})
        assert (await ask(served, "member", "POST", f"{_COLLECTIONS}/empty/reindex"))[1]["job"] is None
        rag.books.put("acme", "faq", paper("doc_1"))
        assert (await ask(served, "member", "POST", f"{_COLLECTIONS}/faq/reindex"))[1]["job"] == "job_reindex"


async def test_a_collection_with_documents_for_others_is_not_a_members_to_delete_or_to_index_again() -> None:
    rag = RagFake()
    rag.books.put("acme", "faq", paper("doc_1", groups=("hr",)))
    async with running(rag) as served:
        for method, path in (("POST", f"{_COLLECTIONS}/faq/reindex"), ("DELETE", f"{_COLLECTIONS}/faq")):
            assert await code(served, "member", method, path) == (403, "group_not_yours")
        assert (await ask(served, "member-of-hr", "POST", f"{_COLLECTIONS}/faq/reindex"))[0] == 200
        assert (await ask(served, "chief", "DELETE", f"{_COLLECTIONS}/faq"))[0] == 204


async def test_a_name_that_no_path_can_carry_is_refused() -> None:
    async with running() as served:
        for name in (
            "",
            " faq",
            "faq ",
            "a/b",
            "a\\b",
            "..",
            ".hidden",
            "a?b",
            "a#b",
            "a\nb",
            "a\0b",
            "\ud800",
            "x" * 129,
            3,
        ):
            status, _ = await ask(served, "member", "POST", _COLLECTIONS, {"name": name})
            assert status == 400, name


async def test_names_may_be_in_any_script() -> None:
    async with running() as served:
        assert (await ask(served, "member", "POST", _COLLECTIONS, {"name": "questions fréquentes"}))[0] == 201
        assert (await ask(served, "member", "GET", f"{_COLLECTIONS}/questions fréquentes"))[0] == 200


async def test_members_only_read_where_the_rules_leave_writing_to_administrators() -> None:
    rag = RagFake()
    rag.books.put("acme", "faq", paper("doc_1"))
    async with running(rag, rules=Rules(writers=Role.TENANT_ADMIN)) as served:
        for method, path, body in (
            ("POST", _COLLECTIONS, {"name": "x"}),
            ("PATCH", f"{_COLLECTIONS}/faq", {"description": "x"}),
            ("DELETE", f"{_COLLECTIONS}/faq", None),
            ("POST", f"{_COLLECTIONS}/faq/reindex", None),
            ("POST", DOCUMENTS, {"text": "x"}),
            ("DELETE", f"{DOCUMENTS}/doc_1", None),
            ("POST", f"{DOCUMENTS}/doc_1/retry", None),
            ("POST", f"{DOCUMENTS}/retry", None),
        ):
            assert await code(served, "member", method, path, body) == (403, "not_a_writer"), path
        assert (await ask(served, "member", "GET", f"{DOCUMENTS}/doc_1"))[0] == 200
        assert (await ask(served, "chief", "POST", DOCUMENTS, {"text": "x"}))[0] == 202
        assert (await ask(served, "operator", "DELETE", f"{_COLLECTIONS}/faq?tenant=acme"))[0] == 204


async def test_nothing_is_reached_where_documents_are_switched_off() -> None:
    chat = {"collection": "faq", "question": "Combien ?"}
    async with running(rules=None) as served:
        for who, where in (("member", ""), ("operator", "?tenant=acme")):
            for method, path, body in (
                ("GET", _COLLECTIONS, None), ("POST", DOCUMENTS, {"text": "x"}), ("POST", "/v1/rag/chat", chat),
                ("GET", "/v1/rag/conversations", None),
            ):  # fmt: skip
                assert await code(served, who, method, f"{path}{where}", body) == (403, "rag_disabled")


async def test_a_process_without_documents_says_so() -> None:
    async with serving(one_backend("vllm", "http://localhost:1"), whole=True) as served:
        assert await code(served, served.key, "GET", _COLLECTIONS) == (503, "rag_unavailable")
