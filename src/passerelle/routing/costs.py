"""What stands under `cost:` as a value, and as findings where it says what nobody could keep to.

A cost that nothing would look at is an error, like every word that is not enforced.
"""

from __future__ import annotations

from passerelle.config.cost import stated
from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Task
from passerelle.domain.prices import KINDS_WITH_A_LIST, Basis, Cost, Listed, Stated
from passerelle.routing.file import TargetFields
from passerelle.routing.notes import Notes
from passerelle.routing.source import Path


def cost_of_backend(name: str, options: BackendOptions, notes: Notes) -> Stated | None:
    """What a backend's targets cost; the provider's list, if the file does not say and the kind has one."""
    cost = stated(options.cost)
    if cost is None:
        return Listed.AUTO if options.kind in KINDS_WITH_A_LIST else None
    _listed(cost, options.kind, ("backends", name, "cost"), notes)
    return cost


def cost_of_target(
    target: TargetFields, options: BackendOptions, *, task: Task, path: Path, notes: Notes
) -> Stated | None:
    """What stands of a target alone, None where nothing does; `path` is where the target stands."""
    cost = stated(target.cost)
    _listed(cost, options.kind, (*path, "cost"), notes)
    if isinstance(cost, Cost) and cost.basis is Basis.HOUR:
        message = f"An hour of {target.backend!r} is paid once, whichever of its targets is asked."
        cure = f"Write per_hour in the `cost` of {target.backend!r}, or a price of tokens here."
        notes.add("error", "C14", (*path, "cost"), message, cure)
    effective = cost or stated(options.cost)
    if isinstance(effective, Cost) and effective.basis is Basis.IMAGE:
        message = f"The cost of {target.backend!r} is per image, and to {task.value} makes none."
        cure = "Write a price of tokens, of seconds or of hours."
        notes.add("error", "C15", (*path, "cost" if cost else "backend"), message, cure)
    return cost


def _listed(cost: Stated | None, kind: str, path: Path, notes: Notes) -> None:
    if isinstance(cost, Listed) and kind not in KINDS_WITH_A_LIST:
        message = f"A backend of kind {kind} has no list of prices, so that `auto` would find none."
        cure = "Write what it costs, such as {per_hour: 0.76, currency: EUR}, or remove `cost`."
        notes.add("error", "C13", path, message, cure)
