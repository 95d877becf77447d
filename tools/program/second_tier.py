"""The second tier of statistics, as it is computed: for outputs of relu and sigmoid always, for every value on request.

Sums are taken around the first element of each channel, so that a mean that is large beside its spread does not cancel
it. Quantiles are of a sample of each value. What is bad is described again in double precision
(`tools.program.description`) before it is reported.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.program.description import Channels, Statistics, by_channel, quantiles
from tools.program.graph import Node, Program
from tools.program.joins import Join
from tools.program.tensor_statistics import CHUNK, FirstTier, Range, ordered

if TYPE_CHECKING:
    from torch import Tensor

MOST_SAMPLED = 1024
SATURATING = ("aten.relu.default", "aten.relu_.default", "aten.sigmoid.default", "aten.sigmoid_.default")
"""Operators whose outputs are always looked at: a unit that gives only zeros, or only ones, is dead."""


@dataclass(frozen=True)
class Moments:
    """Sums around `shift` of each column of a matrix of `rows` rows, and some of its elements."""

    rows: int
    shift: "Tensor"
    total: "Tensor"
    squares: "Tensor"


class SecondTier(FirstTier):
    """The first tier for every value, and more for the outputs of some nodes: of relu and sigmoid, or of all."""

    def __init__(self, program: Program, everything: bool = False) -> None:
        super().__init__(program)
        self._everything = everything
        self._closer = {node.index for node in program.nodes if everything or node.operator in SATURATING}
        self._nonzero: dict[str, Tensor] = {}
        self._samples: dict[str, np.ndarray] = {}
        self._moments: dict[str, tuple[Moments, slice]] = {}

    def __call__(self, node: Node, result: Any) -> None:
        """As the first tier; what is a part of a join is counted and sampled here, and summed there."""
        super().__call__(node, result)
        if self._part_of[node.index] is None or node.index not in self._closer or node.outputs[0] in self._views:
            return
        if self._everything:
            self._count(str(node.outputs[0]), result)
        else:
            self._look(str(node.outputs[0]), result)

    def _take(self, node: Node, name: str, value: "Tensor") -> None:
        super()._take(node, name, value)
        if node.index in self._closer:
            self._look(name, value)

    def _look(self, name: str, value: "Tensor") -> None:
        if value.numel() and not value.is_complex():
            self._count(name, value)
            matrix = by_channel(ordered(value))
            self._moments[name] = (_moments(matrix), slice(0, matrix.shape[1]))

    def _take_joined(self, node: Node, join: Join, value: "Tensor") -> None:
        super()._take_joined(node, join, value)
        if not self._everything:
            return
        matrix = join.matrix(ordered(value))
        moments = _moments(matrix)
        start = 0
        for part, width in zip(join.parts, join.filled(self._widths, matrix.shape[1]), strict=True):
            if part in join.own and part in self._nonzero:
                self._moments[part] = (moments, slice(start, start + width))
            start += width
        if self._part_of[node.index] is None:
            name = str(node.outputs[0])
            self._count(name, value)
            self._moments[name] = (moments, slice(0, start))

    def _count(self, name: str, value: "Tensor") -> None:
        import torch

        if value.numel() and not value.is_complex():
            self._nonzero[name] = torch.count_nonzero(ordered(value))
            self._samples[name] = _sample(value)

    def statistics(self, ranges: dict[str, Range]) -> dict[str, Statistics]:
        """Value name → statistics of those that were looked at more closely. Of a value with NaN or infinities only the
        range and the counts hold; the sums do not."""
        names = [name for name in self._moments if name in ranges]
        levels = _quantiles([self._samples[name] for name in names])
        return {name: self._of(name, ranges[name], level) for name, level in zip(names, levels, strict=True)}

    def _of(self, name: str, found: Range, levels: tuple[float, ...]) -> Statistics:
        moments, span = self._moments[name]
        total, squares = (part[span].double().numpy() for part in (moments.total, moments.squares))
        with np.errstate(invalid="ignore", over="ignore"):
            offset = total / moments.rows
            mean = moments.shift[span].double().numpy() + offset
            variance = np.maximum(squares / moments.rows - offset**2, 0.0)
            middle = float(mean.mean())
            spread = math.sqrt(float((variance + (mean - middle) ** 2).mean()))
        unknown = np.full(len(mean), np.nan)
        return Statistics(
            elements=found.elements,
            nan=0,
            infinite=0,
            zeros=1 - float(self._nonzero[name]) / found.elements,
            low=found.low,
            high=found.high,
            mean=middle,
            std=spread,
            quantiles=levels,
            sampled=len(self._samples[name]),
            channels=Channels(mean, np.sqrt(variance), unknown, unknown, np.zeros(len(mean))),
        )


def _moments(matrix: "Tensor") -> Moments:
    """In pieces that stay in the cache. Integers are summed in double precision."""
    import torch

    if not matrix.is_floating_point():
        matrix = matrix.double()
    shift, rows = matrix[0].clone(), max(1, CHUNK // matrix.shape[1])
    total, squares = torch.zeros_like(shift), torch.zeros_like(shift)
    for piece in torch.split(matrix, rows):
        around = piece - shift
        total += around.sum(0)
        squares += around.mul_(around).sum(0)
    return Moments(len(matrix), shift, total, squares)


def _sample(value: "Tensor") -> np.ndarray:
    """Some elements, evenly spread: the step shares no factor with their number, so every channel has its share."""
    flat = ordered(value).reshape(-1)
    step = max(1, -(-len(flat) // MOST_SAMPLED))
    while step > 1 and math.gcd(step, len(flat)) > 1:
        step += 1
    return np.asarray(flat[::step].clone().numpy())


def _quantiles(samples: list[np.ndarray]) -> list[tuple[float, ...]]:
    """Those of each sample; all are sorted at once."""
    if not samples:
        return []
    table = np.full((len(samples), max(map(len, samples))), np.nan)
    for place, sample in enumerate(samples):
        table[place, : len(sample)] = sample
    table.sort(axis=1)  # NaN comes last
    return [quantiles(row[: np.count_nonzero(~np.isnan(row))]) for row in table]
