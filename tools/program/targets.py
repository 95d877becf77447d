"""Whether bad values reach the outputs of the model, where, and which are absorbed on the way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program.origin import Observation, alive
from tools.program.slices import gives, reads
from tools.program.trials import Trials

if TYPE_CHECKING:
    from torch import Tensor

MOST_ABSORBED = 16
"""How many nodes with absorbed badness are named."""
NOTICEABLE = 1e-6
"""An output that moves by less, relative to its size, when an extreme is cut off does not depend on it."""


@dataclass(frozen=True)
class Reach:
    """`targets`: the values in which badness has to end for the model to be healthy; none where nothing reaches an
    output. `rows` (bool) are bad there. `absorbed`: nodes where badness begins that goes nowhere."""

    targets: tuple[str, ...]
    rows: "Tensor"
    absorbed: tuple[int, ...]


def reaching(trials: Trials, seen: Observation) -> Reach:
    """The bad outputs; where extremes are not bad in themselves at an output, the last ones that outputs depend on.

    Whether they depend on them is tried: cut off at the limits, the outputs have to move.
    """
    import torch

    outputs = tuple(name for name in dict.fromkeys(trials.program.outputs) if name in seen.bad)
    rows = torch.zeros(seen.rows, dtype=torch.bool)
    if outputs:
        rows = torch.stack([seen.bad[name] for name in outputs]).any(0)
    elif trials.bad.problem == "extreme" and (last := _last(trials, seen)):
        rows = _moved(trials, last) & torch.stack([seen.bad[name] for name in last]).any(0)
        outputs = last if bool(rows.any()) else ()
    return Reach(outputs, rows, _absorbed(trials, seen, outputs))


def _last(trials: Trials, seen: Observation) -> tuple[str, ...]:
    """The bad values of which no bad value is made, on the way to an output."""
    followed: set[str] = set()
    for node in trials.program.nodes:
        if any(seen.of(name) is not None for name in gives(node)):
            followed.update(reads(node))
    nodes = trials.slice(trials.program.outputs).nodes
    names = [name for index in nodes for name in gives(trials.program.nodes[index])]
    return tuple(name for name in names if name in seen.bad and name not in followed)


def _moved(trials: Trials, last: tuple[str, ...]) -> "Tensor":
    """The rows in which an output moves when these values are cut off at their limits."""
    import torch

    limits = trials.bad.limits
    plain = trials.interpreter.run(trials.batch.inputs)
    cut = {name: _clamp(*limits[name]) for name in last}
    other = trials.interpreter.run(trials.batch.inputs, replace=cut)
    trials.forwards += 2
    moved = torch.zeros(trials.batch.rows, dtype=torch.bool)
    for name, value in plain.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            apart = ~torch.isclose(other[name], value, rtol=NOTICEABLE, atol=NOTICEABLE, equal_nan=True)
            by_row = value.dim() and value.shape[0] == trials.batch.rows
            moved |= apart.reshape(trials.batch.rows, -1).any(1) if by_row else apart.any()
    return moved


def _clamp(low: float, high: float):  # type: ignore[no-untyped-def]
    return lambda value: value.clamp(low, high)


def _absorbed(trials: Trials, seen: Observation, targets: tuple[str, ...]) -> tuple[int, ...]:
    live = alive(trials.program, seen, targets)
    begun = []
    for node in trials.program.nodes:
        dead = any(name in seen.bad and name not in live for name in gives(node))
        if dead and all(seen.of(name) is None for name in reads(node)):
            begun.append(node.index)
    return tuple(begun[:MOST_ABSORBED])
