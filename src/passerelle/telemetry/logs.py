"""Structured logs on standard error: one JSON object a line, or text for a terminal. No bodies, no secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def set_up_logs(*, level: str, json: bool) -> None:
    """Send our log and that of the libraries to standard error, in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    if json:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in (
        "uvicorn.access",
        "uvicorn.error",
        "aiohttp.access",
        "alembic",
        "sqlalchemy.engine",
        "httpx",
        "httpx2",
        "huggingface_hub",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
