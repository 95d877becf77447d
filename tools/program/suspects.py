"""What is known of a case before any row is changed: its targets, its bad weights, and where badness begins."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program.observation import Observation, add_weights, scan_weights
from tools.program.origin import Origin, alive, on_purpose, origins
from tools.program.targets import Reach
from tools.program.trials import Trials
from tools.program.units import Units

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Case:
    """A batch with bad rows (`bad`, bool) at the targets, as one run of it has shown it.

    `bad_weights` has, for each bad weight that the targets depend on, its bad elements; `excused` are values whose
    infinities are there on purpose; `found` are the origins, in the order of precedence.
    """

    trials: Trials
    units: Units
    targets: tuple[str, ...]
    bad: "Tensor"
    seen: Observation
    bad_weights: dict[str, "Tensor"]
    excused: frozenset[str]
    found: tuple[Origin, ...]


def suspects(trials: Trials, units: Units, seen: Observation, reach: Reach) -> Case:
    """Scan the weights that the targets depend on, and find the origins of what is bad there."""
    program, good = trials.program, ~reach.rows
    scanned = trials.slice(reach.targets).weights
    bad_weights = scan_weights(program, trials.bad, sorted(scanned))
    add_weights(seen, program, bad_weights)
    live = alive(program, seen, reach.targets)
    masks = frozenset(name for name in bad_weights if name in live and _is_mask(trials, seen, reach, bad_weights, name))
    excused = on_purpose(program, seen, good, masks)
    found = origins(program, seen, live, excused)
    return Case(trials, units, reach.targets, reach.rows, seen, bad_weights, excused, tuple(found))


def _is_mask(trials: Trials, seen: Observation, reach: Reach, weights: dict[str, "Tensor"], name: str) -> bool:
    """Whether a weight that holds minus infinity has no part in it: no row heals with zeros in their place."""
    import torch

    if name not in seen.infinite:
        return False
    mended = torch.where(weights[name], 0.0, trials.program.weights[name]).to(trials.program.weights[name].dtype)
    still = trials.spoiled_with(reach.targets, {name: mended})
    return bool(still[reach.rows].all())
