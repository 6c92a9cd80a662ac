"""Nothing that a chain asks or is answered goes to LangSmith, whatever the environment says.

LangChain sends whole prompts there as soon as a variable is set: a place that no tenant's policy was asked about.
Whoever runs a chain runs it within `untraced()`. Imported late: LangChain takes its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core.tracers.context import tracing_v2_callback_var
from langsmith.run_helpers import tracing_context


@contextmanager
def untraced() -> Iterator[None]:
    """For this task, and the tasks it starts."""
    token = tracing_v2_callback_var.set(None)
    try:
        with tracing_context(enabled=False):
            yield
    finally:
        tracing_v2_callback_var.reset(token)
