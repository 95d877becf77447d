"""The first tier of statistics: the range and the sum of every value that a program computes, as it is computed.

Nothing that the program computes is kept: three numbers stay of each value. What only looks at another value's memory
(a view) is left out, since it holds nothing new.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.program.graph import Node, Program
from tools.program.joins import Join, find_joins
from tools.program.values import is_view, output_names

if TYPE_CHECKING:
    from torch import Tensor

    Figures = tuple[Tensor, Tensor, Tensor]

CHUNK = 1 << 17
"""Elements of a piece that stays in a core's cache while one statistic after the other passes over it."""


@dataclass(frozen=True)
class Range:
    """What the first tier knows of a value. All three are NaN where any element is. `total` is summed in the value's
    own precision (half precision in single): it is for orientation, and recomputed before it is reported."""

    low: float
    high: float
    total: float
    elements: int

    @property
    def non_finite(self) -> bool:
        """Whether any element is NaN or infinite."""
        return not (math.isfinite(self.low) and math.isfinite(self.high))

    @property
    def largest(self) -> float:
        """The largest magnitude; NaN where any element is NaN."""
        return math.nan if math.isnan(self.low) else max(abs(self.low), abs(self.high))


class FirstTier:
    """Watches a run (`Interpreter.run(..., watch=this)`) and keeps the range and sum of each value that is no view.

    What only goes into a concatenation next is measured there, together with the others that do.
    """

    def __init__(self, program: Program) -> None:
        import torch

        self._tensor = torch.Tensor
        self._plain = (torch.float32, torch.float64, torch.int64, torch.int32, torch.bool)
        self._order = [name for node in program.nodes for name in output_names(node) if name is not None]
        self._views = {node.outputs[0] for node in program.nodes if is_view(node)}
        self._names = [() if is_view(node) else output_names(node) for node in program.nodes]
        self._joins = find_joins(program)
        owner = {part: join for join in self._joins.values() for part in join.own}
        self._part_of = [owner.get(str(node.outputs[0])) if len(node.outputs) == 1 else None for node in program.nodes]
        self._widths: dict[str, int] = {}
        self._scalars: list[tuple[str, Figures, int]] = []
        self._matrices: list[tuple[list[str | None], list[int], Figures, int]] = []

    def __call__(self, node: Node, result: Any) -> None:
        """Take the figures of what a node has given: a tensor, or a tuple of them."""
        names, part_of = self._names[node.index], self._part_of[node.index]
        if isinstance(result, self._tensor):
            join = self._joins.get(node.index)
            if part_of is not None:
                self._widths[str(node.outputs[0])] = part_of.width(result)
            if join is not None and result.numel():
                self._take_joined(node, join, result)
            elif part_of is None and names and names[0] is not None and result.numel():
                self._take(node, names[0], result)
        elif isinstance(result, tuple):
            for name, value in zip(names, result, strict=False):  # a view has no names here
                if name is not None and isinstance(value, self._tensor) and value.numel():
                    self._take(node, name, value)

    def _take(self, node: Node, name: str, value: "Tensor") -> None:  # noqa: ARG002 - a second tier asks for the node
        if value.dtype not in self._plain:
            value = ordered(value)
        self._scalars.append((name, _figures(value), value.numel()))

    def _take_joined(self, node: Node, join: Join, value: "Tensor") -> None:
        """The figures of the columns, from which those of the parts and of the whole follow."""
        matrix = join.matrix(value if value.dtype in self._plain else ordered(value))
        names = [part if part in join.own and part not in self._views else None for part in join.parts]
        widths = join.filled(self._widths, matrix.shape[1])
        figures = _figures_of_columns(matrix)
        self._matrices.append((names, widths, figures, matrix.shape[0]))
        if self._part_of[node.index] is None:
            self._matrices.append(([str(node.outputs[0])], [matrix.shape[1]], figures, matrix.shape[0]))

    def ranges(self) -> dict[str, Range]:
        """Value name → its range, in the order of computation."""
        columns = [_floats([figures[place] for _, figures, _ in self._scalars]) for place in range(3)]
        found = {
            name: Range(low, high, total, size)
            for (name, _, size), low, high, total in zip(self._scalars, *columns, strict=True)
        }
        for names, widths, figures, rows in self._matrices:
            found |= _by_part(names, widths, figures, rows)
        return {name: found[name] for name in self._order if name in found}


def _by_part(names: list[str | None], widths: list[int], columns: "Figures", rows: int) -> dict[str, Range]:
    """The ranges of values that lie side by side, from the figures of their columns."""
    lows, highs, totals = (figure.numpy() for figure in columns)
    filled = [(name, width) for name, width in zip(names, widths, strict=True) if width]
    starts = np.cumsum([0, *(width for _, width in filled[:-1])])
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs have no sum
        figures = tuple(
            reduce.reduceat(figure, starts)
            for reduce, figure in ((np.minimum, lows), (np.maximum, highs), (np.add, totals))
        )
    return {
        name: Range(float(low), float(high), float(total), rows * width)
        for (name, width), low, high, total in zip(filled, *figures, strict=True)
        if name is not None
    }


def range_of(value: "Tensor") -> Range | None:
    """The range of one tensor, for example a weight or an input; None of an empty one."""
    if not value.numel():
        return None
    value = ordered(value)
    low, high, total = _figures(value)
    return Range(float(low), float(high), float(total), value.numel())


def ordered(value: "Tensor") -> "Tensor":
    """In a type that torch can order and sum: complex numbers as pairs, half precision and the rare types as wider."""
    import torch

    value = value.detach()
    if value.is_complex():
        return torch.view_as_real(value.resolve_conj())
    if value.is_floating_point():
        return value.float() if value.element_size() < 4 else value
    return value if value.dtype in (torch.int64, torch.int32, torch.bool) else value.long()


def _figures(value: "Tensor") -> "Figures":
    """Minimum, maximum and sum of a tensor. NaN goes through all three."""
    import torch

    if value.numel() <= CHUNK or not value.is_contiguous():
        return (*value.aminmax(), value.sum())  # one call less, which is what counts for small ones
    pieces = [(piece.amin(), piece.amax(), piece.sum()) for piece in torch.split(value.view(-1), CHUNK)]
    lows, highs, totals = (torch.stack(parts) for parts in zip(*pieces, strict=True))
    return lows.amin(), highs.amax(), totals.sum()


def _figures_of_columns(matrix: "Tensor") -> "Figures":
    """The same of each column: tensors of [columns]."""
    import torch

    rows = max(1, 2 * CHUNK // matrix.shape[1])
    pieces = [(piece.amin(0), piece.amax(0), piece.sum(0)) for piece in torch.split(matrix, rows)]
    if len(pieces) == 1:
        return pieces[0]
    lows, highs, totals = (torch.stack(parts) for parts in zip(*pieces, strict=True))
    return lows.amin(0), highs.amax(0), totals.sum(0)


def _floats(scalars: "list[Tensor]") -> list[float]:
    """Scalars of any types as floats. Stacked by type: one call for each would cost more than the statistics."""
    import torch

    by_type: dict[torch.dtype, list[int]] = {}
    for place, scalar in enumerate(scalars):
        by_type.setdefault(scalar.dtype, []).append(place)
    floats = [math.nan] * len(scalars)
    for places in by_type.values():
        for place, value in zip(places, torch.stack([scalars[p] for p in places]).tolist(), strict=True):
            floats[place] = float(value)
    return floats
