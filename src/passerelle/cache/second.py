"""A second check on an answer that would be given: it may refuse it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passerelle.cache.entry import Kept, Near

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, the kept one that stands nearest to it, and the answer that would be given."""

    text: str
    vector: Vector
    near: Near
    kept: Kept


Check = Callable[[Pair], bool]  # False: the answer is not given. What it raises is a no.
