"""How large the values of a program usually are: learnt from the stable snapshot, on the same rows and on earlier ones.

A value is extreme beyond ten times the largest magnitude that the stable snapshot shows, so that what is large but
usual is not accused. Rows that are themselves out of all proportion must not set the measure: where the stable
snapshot shows more on these rows than on those before, the earlier ones count, with what the tail of their
distribution leaves room for.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.program.graph import Node, Program
from tools.program.slices import gives, reads
from tools.program.tensor_statistics import Range, range_of
from tools.program.values import output_names

if TYPE_CHECKING:
    from torch import Tensor

FACTOR = 10.0
INPUT_SHARE = 1e-3
"""A value is measured by no less than this share of what it is made from: an operator that usually gives (nearly)
nothing, such as a difference of equals, would make everything extreme."""
LEAST_ROWS = 100
"""Fewer earlier rows do not show a tail."""
_NEVER_ENLARGE = """
    relu relu_ sigmoid sigmoid_ tanh tanh_ clamp clamp_ clamp_min clamp_max hardtanh dropout softmax _softmax
    leaky_relu leaky_relu_ elu gelu silu where masked_fill nan_to_num
"""
NEVER_ENLARGE = frozenset(_NEVER_ENLARGE.split())
"""Operators whose results are no larger than what goes in (or than one): they are measured by that."""


@dataclass(frozen=True)
class Yardstick:
    """`limits`: the lowest and highest value that is not extreme, by value name of the program that is examined.

    `twin` gives the stable snapshot's name of a value. `unmatched` is the number of operators without one. `earlier` is
    the number of earlier rows that had a say.
    """

    limits: Mapping[str, tuple[float, float]]
    twin: Mapping[str, str]
    unmatched: int = 0
    earlier: int = 0


class RowMaxima:
    """Watches a run and keeps the largest magnitude of each value in each row, where a value has rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.of: dict[str, np.ndarray] = {}

    def __call__(self, node: Node, result: Any) -> None:
        values = result if isinstance(result, tuple) else (result,)
        for name, value in zip(output_names(node), values, strict=False):
            if name is not None:
                self.take(name, value)

    def take(self, name: str, value: "Tensor") -> None:
        """Inputs too, which no node gives. What is no tensor of fractions is passed over."""
        import torch

        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.numel():
            return
        if value.dim() and value.shape[0] == self.rows:
            self.of[name] = value.detach().reshape(self.rows, -1).abs().amax(dim=1).double().numpy()


def measure(program: Program, stable: Program, same_rows: Mapping[str, Range], earlier: RowMaxima | None) -> Yardstick:
    """The yardstick for `program`. `same_rows` are the ranges of the stable snapshot's inputs and values on the rows
    that are examined, `earlier` its values on rows from before; None where there are none."""
    twin = twins(program, stable)
    sizes = {name: _usual(same_rows[other], earlier, other) for name, other in twin.items() if other in same_rows}
    for node in program.nodes:
        made_from = [sizes[name] for name in reads(node) if name in sizes and name not in program.weights]
        share = 1.0 if node.operator.split(".")[1] in NEVER_ENLARGE else INPUT_SHARE
        for name in gives(node):
            if name in sizes and made_from:
                sizes[name] = max(sizes[name], share * max(made_from))
    for name, other in twin_weights(program, stable).items():
        found = range_of(stable.weights[other])
        if found is not None and found.largest > 0:
            sizes[name] = found.largest
    limits = {name: (-FACTOR * size, FACTOR * size) for name, size in sizes.items() if math.isfinite(size) and size > 0}
    values = [name for node in program.nodes for name in gives(node)]
    return Yardstick(limits, twin, sum(name not in twin for name in values), 0 if earlier is None else earlier.rows)


def twins(program: Program, stable: Program) -> dict[str, str]:
    """Each value of one program with its counterpart in the other, where there is one: inputs by their names, nodes by
    operator, module and count, so that a node more or less elsewhere does not shift the others."""
    named = {tensor.name for tensor in stable.inputs}
    found = {tensor.name: tensor.name for tensor in program.inputs if tensor.name in named}
    places = {key: node for node, key in _keyed(stable)}
    for node, key in _keyed(program):
        other = places.get(key)
        if other is not None:
            found |= {
                mine: theirs
                for mine, theirs in zip(output_names(node), output_names(other), strict=False)
                if mine is not None and theirs is not None
            }
    return found


def _keyed(program: Program) -> list[tuple[Node, tuple[str | None, str, int]]]:
    seen: Counter[tuple[str | None, str]] = Counter()
    keyed = []
    for node in program.nodes:
        kind = (node.module, node.operator)
        keyed.append((node, (*kind, seen[kind])))
        seen[kind] += 1
    return keyed


def twin_weights(program: Program, stable: Program) -> dict[str, str]:
    """Weights of fractions by their names in the model."""
    theirs = {name: value for value, name in stable.weight_names.items()}
    return {
        value: theirs[name]
        for value, name in program.weight_names.items()
        if name in theirs and program.weights[value].is_floating_point()
    }


def _usual(same_rows: Range, earlier: RowMaxima | None, name: str) -> float:
    """The largest usual magnitude of a value of the stable snapshot. Infinite where it is not finite itself."""
    largest = math.inf if same_rows.non_finite else same_rows.largest
    before = None if earlier is None else earlier.of.get(name)
    if before is None or len(before) < LEAST_ROWS or not np.isfinite(before).all():
        return largest
    return min(largest, max(float(before.max()), tail_bound(before) / FACTOR))


def tail_bound(maxima: np.ndarray) -> float:
    """A magnitude that none of some thousand rows like these exceeds: on the scale of logarithms, the 99th percentile
    and twice its distance from the median. Under a power law with exponent a, a row exceeds it with odds of
    exp(-4.6 - 2 * 3.9) = 4e-6 for every a; the normal distribution, whose tails are lighter, with far lower ones.
    """
    middle, high = np.quantile(maxima[maxima > 0], (0.5, 0.99)) if (maxima > 0).any() else (0.0, 0.0)
    return float(high * (high / middle) ** 2) if middle > 0 else 0.0
