"""The surface as a whole: every route has a policy, a contract and one shape of error."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import Depends, FastAPI

from passerelle.domain.errors import (
    Blocked,
    CannotRun,
    Fault,
    OverLimit,
    PasserelleError,
    UpstreamFailed,
)
from passerelle.http.access import MEMBER, check_every_route
from passerelle.http.problems import problem_of
from passerelle.ledger.budgets import OverBudget
from passerelle.wire.fetched import FetchFailed, FetchRefused
from tests.serving import KEY, one_backend, serving


def test_a_route_without_a_policy_stops_the_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/guarded", dependencies=[Depends(MEMBER)])
    async def guarded() -> None: ...

    check_every_route(app)

    @app.get("/naked")
    async def naked() -> None: ...

    with pytest.raises(CannotRun, match="/naked"):
        check_every_route(app)


def test_a_mounted_application_stops_the_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("/other", FastAPI())

    with pytest.raises(CannotRun):
        check_every_route(app)


async def _document() -> dict[str, Any]:
    async with (
        serving(one_backend("vllm", "http://localhost:1"), whole=True) as served,
        served.client(None) as http,
    ):
        async with http.get("/openapi.json") as reply:
            document: dict[str, Any] = await reply.json()
    return document


async def test_the_document_describes_every_inference_route_and_how_to_send_a_key() -> None:
    document = await _document()

    for path in (
        "/v1/chat/completions",
        "/v1/chat",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/classify",
    ):
        operation = document["paths"][path]["post"]
        assert operation["security"] == [{"bearer": []}, {"key": []}]
        assert "requestBody" in operation
        assert {"200", "400", "401", "404", "413", "503"} <= set(operation["responses"])
    assert "security" not in document["paths"]["/health"]["get"]


async def test_the_documentation_pages_ask_nobody_else_for_anything() -> None:
    async with (
        serving(one_backend("vllm", "http://localhost:1"), whole=True) as served,
        served.client(None) as http,
    ):
        for page in ("/docs", "/redoc"):
            async with http.get(page) as reply:
                text = await reply.text()
            assert reply.status == 200
            assert "//" not in text.replace("http://www.w3.org", "").split("<body>")[0].replace(
                "<!DOCTYPE", ""
            )
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"):
            async with http.get(f"/docs/files/{name}") as reply:
                assert reply.status == 200
                assert len(await reply.read()) > 10_000
        async with http.get("/docs/files/..%2F__init__.py") as reply:
            assert reply.status == 404


async def test_health_answers_anybody_and_metrics_only_an_admin() -> None:
    async with serving(one_backend("vllm", "http://localhost:1"), whole=True) as served:
        async with served.client(None) as http:
            for path in ("/health", "/health/live", "/health/ready"):
                async with http.get(path) as reply:
                    assert (reply.status, (await reply.json())["status"]) == (200, "ok")
            async with http.get("/metrics") as reply:
                assert reply.status == 401
        async with served.client(KEY) as http, http.get("/metrics") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (403, "wrong_role")


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_has_a_status_a_code_and_words(fault: Fault) -> None:
    problem = problem_of(UpstreamFailed(fault, "It failed."))

    assert 400 <= problem.status <= 504
    assert problem.status != 401
    assert problem.code
    assert problem.message


def _every(kind: type[PasserelleError]) -> list[type[PasserelleError]]:
    return [kind, *(below for direct in kind.__subclasses__() for below in _every(direct))]


@pytest.mark.parametrize("kind", _every(PasserelleError)[1:], ids=lambda kind: kind.__name__)
def test_every_error_that_a_caller_can_meet_has_a_status(kind: type[PasserelleError]) -> None:
    if issubclass(kind, CannotRun | UpstreamFailed):
        return  # told on the command line; tested above
    if kind is OverBudget:
        error: PasserelleError = OverBudget(
            "Something.", budget="tenant", subject=None, amount=1, spent=1, ends=datetime.now(UTC)
        )
    elif kind is OverLimit:
        error = OverLimit("Something.", retry_after=1.0)
    elif kind is Blocked:
        error = Blocked("Something.", rule="words")
    elif kind is FetchRefused:
        error = FetchRefused("url_scheme", "Something.", "Do something else.")
    elif kind is FetchFailed:
        error = FetchFailed("url_timeout", "Something.")
    else:
        named = {"KeysUnavailable", "Destroyed", "Unreadable"}
        error = kind("Something.") if kind.__name__ not in named else kind()  # type: ignore[call-arg]

    assert problem_of(error).code != "internal_error"
