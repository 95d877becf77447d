"""Whether bad values reach the outputs of the model, where, and which are absorbed on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program.observation import Observation
from tools.program.origin import alive
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
        rows = _moved(trials, tuple(last), torch.stack(list(last.values())).any(0))
        outputs = tuple(name for name, ends in last.items() if bool((ends & rows).any()))
    return Reach(outputs, rows, _absorbed(trials, seen, outputs))


def _last(trials: Trials, seen: Observation) -> dict[str, "Tensor"]:
    """The bad values of which, in some rows (bool), no bad value is made, on the way to an output."""
    ends = {name: rows.clone() for name, rows in seen.bad.items()}
    for node in trials.program.nodes:
        made = [rows for name in gives(node) if (rows := seen.of(name)) is not None]
        for name in reads(node) if made else ():
            if name in ends:
                for rows in made:
                    ends[name] &= ~rows
    nodes = trials.slice(trials.program.outputs).nodes
    names = [name for index in nodes for name in gives(trials.program.nodes[index])]
    return {name: ends[name] for name in names if name in ends and bool(ends[name].any())}


def _moved(trials: Trials, last: tuple[str, ...], rows: "Tensor") -> "Tensor":
    """Which of these rows (bool) move an output when these values are cut off at their limits."""
    import torch

    places = rows.nonzero()[:, 0]
    inputs = trials.batch.select(places)
    count = max(len(places), trials.batch.least())
    plain = trials.values(trials.program.outputs, inputs, count)
    cut = {name: _between(*trials.bad.limits[name]) for name in last}
    other = trials.values(trials.program.outputs, inputs, count, replace=cut)
    moved = torch.zeros(count, dtype=torch.bool)
    for name, value in plain.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            apart = ~torch.isclose(other[name], value, rtol=NOTICEABLE, atol=NOTICEABLE, equal_nan=True)
            by_row = value.dim() > 0 and len(value) == count
            moved |= apart.reshape(count, -1).any(1) if by_row else apart.any()
    answer = torch.zeros_like(rows)
    answer[places] = moved[: len(places)]
    return answer


def _between(low: float, high: float) -> Callable[["Tensor"], "Tensor"]:
    return lambda value: value.clamp(low, high)


def _absorbed(trials: Trials, seen: Observation, targets: tuple[str, ...]) -> tuple[int, ...]:
    live = alive(trials.program, seen, targets)
    begun = []
    for node in trials.program.nodes:
        dead = any(name in seen.bad and name not in live for name in gives(node))
        if dead and all(seen.of(name) is None for name in reads(node)):
            begun.append(node.index)
    return tuple(begun[:MOST_ABSORBED])
