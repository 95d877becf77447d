"""Which weights make a value extreme that the stable snapshot does not: they are swapped for the stable ones.

On the same rows through the same graph, only the weights differ between two snapshots. So where the stable one shows
nothing extreme, weights are the cause, and the ones whose return to the stable values heals every row are named.
"""

from typing import TYPE_CHECKING

from tools.program.bad_rows import run_judged
from tools.program.badness import Badness
from tools.program.causes import Trace, WeightCause
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
    swaps = {
        name: stable.program.weights[other]
        for name, other in twin_weights(now.program, stable.program).items()
        if stable.program.weights[other].shape == now.program.weights[name].shape
    }
    ranked = sorted(swaps, key=lambda name: (-_growth(now.program.weights[name], swaps[name]), name))[:MOST_TRIED]
    for guilty in [*([name] for name in ranked), *(ranked[:count] for count in range(2, len(ranked) + 1))]:
        given = {name: swaps[name] for name in guilty}
        if not run_judged(now.interpreter, now.rows.inputs, len(now.rows), badness, given)[1].any():
            return _trace(healer, badness, guilty)
    return None


def _growth(value: "Tensor", before: "Tensor") -> float:
    now, then = range_of(value), range_of(before)
    if now is None or then is None or not then.largest > 0:
        return 0.0
    return now.largest / then.largest


def _trace(healer: Healer, badness: Badness, guilty: list[str]) -> Trace:
    now = healer.now
    spoiled = run_judged(now.interpreter, now.rows.inputs, len(now.rows), badness)[1]
    rows = tuple(spoiled.nonzero()[0].tolist())
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
