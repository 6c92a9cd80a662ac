"""Questions that Passerelle asks for itself, as a caller of the tenant whom they are for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller, Role
from passerelle.gateway.recalled import Given
from passerelle.gateway.record import Outcome

Asking = Callable[[Caller, Ask], Awaitable[Given]]


async def told(asking: Asking, ask: Ask, *, tenant: str) -> bytes:
    """The whole answer, settled and closed. `ask.use` says what it is for. Raises PasserelleError."""
    answer = await asking(Caller(f"internal:{ask.use}", tenant, Role.MEMBER, ask.use), ask)
    try:
        said = answer.body
        answer.settle(Outcome.ANSWERED)
    finally:
        answer.close()
    return said
