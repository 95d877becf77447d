"""Which weights make a value extreme that the stable snapshot does not: they are swapped for the stable ones.

On the same rows through the same graph, only the weights differ between two snapshots. So where the stable one shows
nothing extreme, weights are the cause, and the ones whose return to the stable values heals every row are named.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tools.program.bad_rows import run_judged
from tools.program.badness import Badness
from tools.program.causes import Trace, WeightCause
from tools.program.downstream import Effect, effect
from tools.program.graph import Program
from tools.program.healing import Healer
from tools.program.slices import reads
from tools.program.tensor_statistics import range_of
from tools.program.yardstick import twin_weights

if TYPE_CHECKING:
    from torch import Tensor

MOST_TRIED = 16
MOST_PLACES = 16


def by_weights(healer: Healer, badness: Badness) -> Trace | None:
    """The trace to one weight that heals every bad row by itself, or else to the fewest, those that grew most first,
    that do so together; None where up to `MOST_TRIED` of them do not."""
    now, stable = healer.now, healer.stable
    if stable is None:
        return None
    swaps = _swaps(now.program, stable.program)
    growth = _growth(now.program, swaps)
    ranked = sorted(swaps, key=lambda name: (-growth[name], name))[:MOST_TRIED]
    for guilty in [*([name] for name in ranked), *(ranked[:count] for count in range(2, len(ranked) + 1))]:
        given = {name: swaps[name] for name in guilty}
        if not run_judged(now.interpreter, now.rows.inputs, len(now.rows), badness, given)[1].any():
            return _trace(healer, badness, guilty)
    return None


def by_lost_weights(healer: Healer) -> tuple[Trace, Effect] | None:
    """The weights that hold what is no number where the stable snapshot's do not, and move predictions though all of
    these are numbers: a gate inside one operator saturates, so that nothing else shows. None where there are none."""
    now, stable, badness = healer.now, healer.stable, Badness("non_finite")
    if stable is None:
        return None
    swaps = _swaps(now.program, stable.program)
    lost = [n for n in swaps if badness.anywhere(n, now.program.weights[n]) and not badness.anywhere(n, swaps[n])]
    if not lost:
        return None
    after = now.interpreter.run(now.rows.inputs, given={name: swaps[name] for name in lost})
    names = ", ".join(now.program.weight_names.get(name, name) for name in lost)
    moved = effect(now.outputs, after, len(now.rows), names, "the stable snapshot's weights")
    if moved is None or not moved.moved:
        return None
    return _of_weights(healer, badness, lost, tuple(moved.spoiled.nonzero()[0].tolist())), moved


def _swaps(now: Program, stable: Program) -> "dict[str, Tensor]":
    """The stable snapshot's weights by the names of those that they can stand in for."""
    return {
        name: stable.weights[other]
        for name, other in twin_weights(now, stable).items()
        if stable.weights[other].shape == now.weights[name].shape
    }


def _growth(now: Program, swaps: "Mapping[str, Tensor]") -> dict[str, float]:
    """How many times as large as the stable one each weight is. One that was zero, as a bias may be, has no such
    number: it is held against the median of all."""
    largest = {name: (_largest(now.weights[name]), _largest(stable)) for name, stable in swaps.items()}
    sizes = sorted(then for _, then in largest.values() if 0 < then < math.inf)
    usual = sizes[len(sizes) // 2] if sizes else 1.0
    return {name: after / (then if 0 < then < math.inf else usual) for name, (after, then) in largest.items()}


def _largest(weight: "Tensor") -> float:
    found = range_of(weight)
    if found is None:
        return 0.0
    return math.inf if found.non_finite else found.largest


def _trace(healer: Healer, badness: Badness, guilty: list[str]) -> Trace:
    now = healer.now
    spoiled = run_judged(now.interpreter, now.rows.inputs, len(now.rows), badness)[1]
    return _of_weights(healer, badness, guilty, tuple(spoiled.nonzero()[0].tolist()))


def _of_weights(healer: Healer, badness: Badness, guilty: list[str], rows: tuple[int, ...]) -> Trace:
    now = healer.now
    node = next(node.index for node in now.program.nodes if not set(guilty).isdisjoint(reads(node)))
    return Trace(
        problem=badness.problem,
        origin="weight",
        node=node,
        weights=tuple(_cause(healer, badness, name, rows) for name in guilty),
        rows_bad=rows,
        rows_explained=rows,
    )


def _cause(healer: Healer, badness: Badness, name: str, rows: tuple[int, ...]) -> WeightCause:
    weight = healer.now.program.weights[name]
    elements, places = 0, tuple[int, ...]()
    if badness.judges(name, weight):
        bad = badness.elements(name, weight)
        elements = int(bad.sum())
        flat = bad.reshape(len(bad), -1).any(1) if bad.dim() else bad.reshape(1)
        places = tuple(flat.nonzero()[:, 0].tolist()[:MOST_PLACES])
    return WeightCause(healer.now.program.weight_names.get(name, name), name, elements, places, rows)
