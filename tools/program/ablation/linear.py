"""Linear layers: only what the changed places contribute is computed anew."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.ablation.reference import Reference, called
from tools.program.ablation.states import Ints, Places, Whole, alike, as_whole, chosen, gathered, on_device
from tools.program.graph import Ref
from tools.program.steps import Step

if TYPE_CHECKING:
    from torch import Tensor

LINEAR = {
    "aten.linear.default": (0, 1, True),
    "aten.addmm.default": (1, 2, False),
    "aten.mm.default": (0, 1, False),
    "aten.matmul.default": (0, 1, False),
}
"""Operator → places of the input and the matrix, and whether the matrix is [out, in]."""
MOST_CANCELLED = 8.0
"""Where what goes away is this many times as much as what stays, the difference would cost what stays a digit: then the
layer is computed anew."""


def operands(step: Step, first: int, second: int) -> tuple[str, str] | None:
    """The names of two operands, where both are values."""
    if len(step.node.arguments) <= max(first, second):
        return None
    one, other = step.node.arguments[first], step.node.arguments[second]
    return (one.name, other.name) if isinstance(one, Ref) and isinstance(other, Ref) else None


@dataclass(frozen=True)
class Layer:
    """The place of a layer's input, the name of its matrix, and the matrix as [in, out]; the mean and the largest
    absolute weight of each input, [in, 2]; and the size of what each plain row sums up, by mean weights, [rows]."""

    given: int
    name: str
    matrix: "Tensor"
    weights: "Tensor"
    size: "Tensor"


class Layers:
    """The linear layers of a program, each made ready once for all blocks."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._known: dict[int, Layer | None] = {}

    def of(self, step: Step) -> Layer | None:
        """None where the step is no layer of rows with numbers, or its matrix is not fixed."""
        if step.node.index not in self._known:
            self._known[step.node.index] = self._read(step)
        return self._known[step.node.index]

    def _read(self, step: Step) -> Layer | None:
        import torch

        reference = self._reference
        if step.node.operator not in LINEAR or step.node.keywords or step.output is None:
            return None
        first, second, transposed = LINEAR[step.node.operator]
        names = operands(step, first, second)
        if names is None or step.node.arguments.count(Ref(names[0])) > 1:
            return None
        given, at = (reference.layout.places[name] for name in names)
        value, weight = reference.frame[given], reference.frame[at]
        if value.dim() != 2 or weight.dim() != 2 or not value.is_floating_point() or reference.grows[at] is not False:
            return None
        matrix = weight.t().contiguous() if transposed else weight.contiguous()
        weights = torch.stack([matrix.abs().mean(1), matrix.abs().amax(1)], 1)
        size = value.double().nan_to_num(0.0, 0.0, 0.0).abs() @ weights[:, 0].double()
        return Layer(given, names[1], matrix, weights, size)


def linear(reference: Reference, step: Step, layer: Layer, state: Places) -> Whole:
    """h' = h + (x' - x) W, with only the places that differ."""
    import torch

    value, plain = reference.frame[layer.given], reference.frame[step.output]  # type: ignore[index]
    before = gathered(value, state.index)
    difference = state.values - before
    exact = keeps_digits(layer, before.abs(), state.values, state.index).cpu().numpy()
    if exact.all():
        return Whole(state.variants, added(plain, difference, state.index, layer.matrix).reshape(-1, plain.shape[1]))
    parts: list[Tensor] = []
    if exact.any():
        sound = chosen(Places(state.variants, state.index, difference), exact)
        parts.append(added(plain, sound.values, sound.index, layer.matrix))
    parts.append(_anew(reference, step, layer, chosen(state, ~exact)).reshape(int((~exact).sum()), *plain.shape))
    order = np.argsort(np.concatenate([np.flatnonzero(exact), np.flatnonzero(~exact)]))
    result = torch.cat(parts).index_select(0, on_device(order, plain))
    return Whole(state.variants, result.reshape(-1, plain.shape[1]))


def keeps_digits(layer: Layer, sizes: "Tensor", values: "Tensor", index: Ints) -> "Tensor":
    """bool[V]: whether a layer's result, with the difference added, is as precise as one that is computed anew.

    It is not where in any row the places int64[V, m] held so much, `sizes` [V, rows, m], that the rest of the row and
    the new `values` are small beside it; and never where any of these is no number.
    """
    weights = layer.weights[on_device(index, values)]  # [V, m, 2]
    gone, new = sizes @ weights, values.abs() @ weights[:, :, :1]
    left = layer.size - gone[:, :, 0] + new[:, :, 0]
    kept: Tensor = ((gone[:, :, 1] <= MOST_CANCELLED * left) & left.isfinite()).all(1)
    return kept


def added(base: "Tensor", difference: "Tensor", index: Ints, matrix: "Tensor") -> "Tensor":
    """[V, rows, out]: a result, [rows, out] or [V, rows, out], and what the differences [V, rows, m] add to it."""
    import torch

    variants, rows, count = difference.shape
    base = base.expand(variants, *base.shape[-2:])
    if alike(index):
        weights = matrix.index_select(0, on_device(index[0], matrix))
        lines = difference.reshape(variants * rows, count)
        return torch.addmm(base.reshape(variants * rows, -1), lines, weights).reshape(base.shape)
    weights = matrix.index_select(0, on_device(index.reshape(-1), matrix)).reshape(variants, count, -1)
    if count == 1:
        return torch.addcmul(base, difference, weights)
    return torch.baddbmm(base, difference, weights)


def _anew(reference: Reference, step: Step, layer: Layer, state: Places) -> "Tensor":
    frame = reference.layout.initial.copy()
    for place in step.reads:
        frame[place] = reference.frame[place]
    frame[layer.given] = as_whole(state, reference.frame[layer.given]).values
    result: Tensor = called(step, frame)
    return result
