"""A gateway over a fake engine, and one who asks it in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from passerelle.pipelines.models.asker import Asker
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import one_backend
from tests.unit.gateway.internal import Inside, inside

CONFIGURATION = dict[str, object]


def over(engine: OpenAiLike, **tenant: object) -> CONFIGURATION:
    """One backend, a tenant."""
    configuration = one_backend("openai", engine.url, model=engine.model)
    configuration["tenants"] = {"acme": tenant}
    return configuration


def asker_of(gateway: Inside, tenant: str = "acme", patience: float | None = None) -> Asker:
    """As a job asks."""
    return Asker.within(
        gateway.gateway.ask, gateway.editions, tenant=tenant, pipeline="rag", patience=patience
    )


@asynccontextmanager
async def asking(
    configuration: Mapping[str, object] | None = None, **tenant: object
) -> AsyncIterator[tuple[OpenAiLike, Inside, Asker]]:
    """An engine, the gateway over it, and one who asks."""
    async with OpenAiLike(OPENAI) as engine:
        async with inside(configuration or over(engine, **tenant)) as gateway:
            yield engine, gateway, asker_of(gateway)
        assert not gateway.ledger.open()  # every try that began has ended
        assert engine.live == 0 or await _quiet(engine)


async def _quiet(engine: OpenAiLike) -> bool:
    await engine.until(lambda: engine.live == 0)
    return True
