"""What all visits share, made once: stores, the semantic side, who keeps in the background, who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from passerelle.cache.flights import Flights
from passerelle.cache.seams import Clock, Told

if TYPE_CHECKING:
    from passerelle.cache.keeper import Keeper
    from passerelle.cache.secrets import Secrets
    from passerelle.cache.semantics import Semantics
    from passerelle.cache.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Commons:
    """The open parts."""

    shelf: Shelf
    secrets: Secrets
    semantics: Semantics
    keeper: Keeper
    told: Told
    clock: Clock
    flights: Flights = field(default_factory=Flights)
