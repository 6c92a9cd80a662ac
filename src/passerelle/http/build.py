"""Builds the application: routes with their policies, one error shape, the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from passerelle import __version__
from passerelle.domain.ask import Route
from passerelle.domain.errors import (
    BadRequest,
    MethodNotAllowed,
    PasserelleError,
    TooLarge,
    Unavailable,
)
from passerelle.http import (
    admin,
    audit,
    backends,
    cache,
    content,
    content_export,
    content_items,
    content_jobs,
    contract,
    costs,
    docs,
    health,
    jobs,
    ledger,
    metrics,
    models,
    privacy,
    privacy_disclosure,
    privacy_prompts,
    rag,
    rag_answers,
    rag_documents,
    residency,
    surveys,
)
from passerelle.http.access import MEMBER, PUBLIC, check_every_route, every_route, policy_of
from passerelle.http.audited import audited
from passerelle.http.front import App, Front
from passerelle.http.inference import Inference
from passerelle.http.problems import Problem, internal, problem_of, unknown_route
from passerelle.http.services import Services, services_of
from passerelle.stores.database import Outage

_log = structlog.get_logger(__name__)

_HOT: dict[str, tuple[Route, Callable[..., Any], type]] = {
    "/v1/chat/completions": (Route.CHAT, contract.chat, contract.ChatReply),
    "/v1/chat": (Route.CHAT, contract.chat, contract.ChatReply),
    "/v1/completions": (Route.COMPLETIONS, contract.completions, contract.CompletionReply),
    "/v1/embeddings": (Route.EMBEDDINGS, contract.embeddings, contract.EmbeddingReply),
    "/v1/rerank": (Route.RERANK, contract.rerank, contract.RerankReply),
    "/v1/classify": (Route.CLASSIFY, contract.classify, contract.ClassifyReply),
}

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": contract.ErrorReply}
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 431, 502, 503, 504)
}


def build_app(services: Services) -> Front:
    """The ASGI application. Raises CannotRun when a route has no access policy."""
    app = FastAPI(
        title="Passerelle",
        version=__version__,
        summary="One OpenAI-style API over every place a Hugging Face model can run.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_ERRORS,
    )
    app.state.services = services
    hot = hot_routes(services)
    for path, (route, description, reply) in _HOT.items():
        streams = route in (Route.CHAT, Route.COMPLETIONS)
        _add_hot(app, path, description=description, reply=reply, endpoint=hot[path], streams=streams)
    rooms = (
        models,
        rag,
        rag_documents,
        rag_answers,
        content,
        content_jobs,
        content_items,
        content_export,
        surveys,
        privacy,
        jobs,
        costs,
        cache,
        health,
        metrics,
        admin,
        backends,
        ledger,
        audit,
        privacy_disclosure,
        privacy_prompts,
        residency,
        docs,
    )
    for room in rooms:
        app.include_router(room.router, dependencies=[Depends(audited)])
    _shape_errors(app)
    check_every_route(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return Front(
        app,
        hot,
        keys=services.keys,
        limits=services.limits,
        origins=lambda: services.editions.catalog.cors_origins,
        around=services.around,
    )


def hot_routes(services: Services) -> dict[str, App]:
    """The endpoints of the inference routes by their path."""
    return {
        path: Inference(
            route,
            ask=services.asking.ask,
            keys=services.keys,
            limits=services.limits,
            vigil=services.vigil,
            mark=services.asking.mark,
        )
        for path, (route, _, _) in _HOT.items()
    }


def _add_hot(
    app: FastAPI, path: str, *, description: Callable[..., Any], reply: type, endpoint: App, streams: bool
) -> None:
    """A route that is documented like any other and answered by a lean endpoint."""
    app.add_api_route(
        path,
        description,
        methods=["POST"],
        response_model=reply,
        tags=["OpenAI"],
        dependencies=[Depends(MEMBER)],
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
        if streams
        else None,
        operation_id=path.strip("/").replace("/", "_"),
    )
    route = app.router.routes[-1]
    assert isinstance(route, APIRoute)  # just added  # noqa: S101
    route.app = endpoint


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with the two ways to send a key, on the routes that want one."""
    document: dict[str, Any] | None = app.openapi_schema
    if document is None:
        document = FastAPI.openapi(app)
        document.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        public = {
            route.path
            for route in every_route(app)
            if isinstance(route, APIRoute) and policy_of(route) is PUBLIC
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if path not in public:
                    operation["security"] = [{"bearer": []}, {"key": []}]
    return document


def _shape_errors(app: FastAPI) -> None:
    """Whatever goes wrong in any route, the caller gets the one shape."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, PasserelleError)  # registered for it  # noqa: S101
        return _reply(problem_of(error))

    async def away(_: Request, error: Exception) -> JSONResponse:
        _log.warning("database_away", error=type(error).__name__)
        return _reply(problem_of(Unavailable("The database does not answer.", code="database_unavailable")))

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # registered for it  # noqa: S101
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        return _reply(
            problem_of(BadRequest(f"`{where}`: {first['msg']}.", code="invalid_value", param=where or None))
        )

    async def framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # registered for it  # noqa: S101
        if error.status_code == 404:
            return _reply(problem_of(unknown_route()))
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            reply = _reply(
                problem_of(
                    MethodNotAllowed(f"This route does not take {request.method[:20]}; it takes {allowed}.")
                )
            )
            reply.headers["allow"] = allowed
            return reply
        if error.status_code == 413:
            limit = services_of(request).limits.body
            return _reply(problem_of(TooLarge(f"The body is longer than the limit of {limit} bytes.")))
        return _reply(
            Problem(error.status_code, str(error.detail), "invalid_request_error", code="invalid_json")
        )

    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        request_id = request.scope.get("passerelle.request_id")
        _log.error("request_failed", request_id=request_id, error=type(error).__name__, exc_info=error)
        return _reply(internal())

    app.add_exception_handler(PasserelleError, ours)
    for outage in set(Outage) - {OSError}:  # which may be about anything
        app.add_exception_handler(outage, away)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, unforeseen)


def _reply(problem: Problem) -> JSONResponse:
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return JSONResponse(problem.payload(), status_code=problem.status, headers=headers)
