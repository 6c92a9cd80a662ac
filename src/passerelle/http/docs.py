"""`/docs` and `/redoc` from files of our own: a reader's browser asks nobody else."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from passerelle.domain.errors import NotFound
from passerelle.http.access import PUBLIC

router = APIRouter(include_in_schema=False, dependencies=[])

_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}


def _folder() -> Path:
    """Where the package `fastapi-offline` keeps the pages' scripts; it is found, not imported."""
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("The documentation's files are not installed.")
    return Path(spec.submodule_search_locations[0]) / "static"


@router.get("/openapi.json", dependencies=[Depends(PUBLIC)])
async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", dependencies=[Depends(PUBLIC)])
async def docs(request: Request) -> HTMLResponse:
    """The document to try out."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=request.app.title,
        swagger_js_url="/docs/files/swagger-ui-bundle.js",
        swagger_css_url="/docs/files/swagger-ui.css",
        swagger_favicon_url="/docs/files/favicon.png",
    )


@router.get("/redoc", dependencies=[Depends(PUBLIC)])
async def redoc(request: Request) -> HTMLResponse:
    """The document to read."""
    return get_redoc_html(
        openapi_url="/openapi.json",
        title=request.app.title,
        redoc_js_url="/docs/files/redoc.standalone.js",
        redoc_favicon_url="/docs/files/favicon.png",
        with_google_fonts=False,
    )


@router.get("/docs/files/{name}", dependencies=[Depends(PUBLIC)])
async def file(name: str) -> FileResponse:
    """A script or style of the pages above."""
    if name not in _FILES:
        raise NotFound(f"There is no file {name[:100]!r}.")
    return FileResponse(_folder() / name, media_type=_FILES[name])
