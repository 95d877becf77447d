"""Values that a variant changes in all of their places, by few numbers: x0 * (W d) + x, where d is small.

A layer with few inputs and many outputs gives such a value, and so does a column that is stretched beside a matrix.
It stays as it is through sums, through products with what is changed in few places only, and through moves, until a
linear layer adds it up: what each of the few numbers comes to there, W diag(x0) W', is multiplied out once for all
variants. Deep and cross networks (Wang et al. 2017, arXiv:1708.05123; 2021, arXiv:2008.13535) are made of this.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.program.ablation.linear import LINEAR, MOST_CANCELLED, Layer, added, keeps_digits
from tools.program.ablation.merging import NOWHERE, for_all, moved, together, without_gaps
from tools.program.ablation.movement import JOINS, MOVES, Moves
from tools.program.ablation.pointwise import beside
from tools.program.ablation.reference import Reference
from tools.program.ablation.states import Basis, Ints, Places, Span, Spread, State, Whole, flat, gathered, on_device
from tools.program.graph import Argument, Ref
from tools.program.steps import Step

if TYPE_CHECKING:
    from torch import Tensor

SUMS = {"aten.add.Tensor": 1.0, "aten.sub.Tensor": -1.0}
PRODUCTS = ("aten.mul.Tensor",)
_CARRIES = frozenset((*SUMS, *PRODUCTS, *MOVES, *JOINS))
NARROW = 2
"""A value with more than 1 / so much of the places that it spreads to is as well written out."""
MOST_BYTES = 64 << 20
"""Of one multiplied-out layer."""


@dataclass(frozen=True)
class _Operand:
    """An argument of a sum or product: `value` in the plain run (a tensor, or a number) and what becomes of it."""

    value: Any
    place: int | None = None
    state: Places | Spread | None = None

    @property
    def places(self) -> Places | None:
        return self.state.places if isinstance(self.state, Spread) else self.state


class SpreadRules:
    """The rules for one plain run. What is multiplied out is kept for the blocks to come."""

    def __init__(self, reference: Reference, variants: int) -> None:
        """`variants` is how many there will be in all blocks together: for a few, nothing is multiplied out."""
        self._reference, self._variants = reference, variants
        self._bases: dict[tuple[object, ...], Basis] = {}
        self._multiplied: dict[tuple[int, Basis], Tensor] = {}
        self._carried = _carried(reference)

    def layer(self, step: Step, layer: Layer, state: Whole | Spread) -> Whole | Spread | None:
        """A linear layer that adds up what is spread, or spreads a small value."""
        if isinstance(state, Spread):
            return self._added_up(step, layer, state)
        inputs, outputs = layer.matrix.shape
        if step.output not in self._carried or inputs * NARROW > outputs:
            return None
        value = self._reference.frame[layer.given]
        values = state.values.reshape(-1, *value.shape)
        if not bool(keeps_digits(layer, value.abs()[None], values, np.arange(inputs)[None]).all()):
            return None
        basis = self._basis((step.node.index,), lambda: Basis(layer.matrix, None))
        return Spread(state.variants, (Span(basis, values - value),), None)

    def elementwise(self, step: Step, touched: Mapping[int, State]) -> Spread | None:
        """A sum, or a product with what is not spread."""
        node = step.node
        if step.output not in self._carried or node.keywords or len(node.arguments) != 2 or not _alike(touched):
            return None
        plain = self._reference.frame[step.output]
        operands = [self._operand(argument, touched, plain) for argument in node.arguments]
        left, right = operands
        if left is None or right is None:
            return None
        spread = [one.state for one in (left, right) if isinstance(one.state, Spread)]
        if not spread or (node.operator in PRODUCTS and len(spread) > 1):
            return None
        spans = self._product(step, left, right) if node.operator in PRODUCTS else _sum(step, left, right)
        places = [one.places for one in (left, right) if one.places is not None]
        if spans is None or any(not np.array_equal(one.index, places[0].index) for one in places):
            return None
        if not places:
            return Spread(spread[0].variants, spans, None)
        index = places[0].index
        values = [self._at(one, plain, index) for one in (left, right)]
        if any(value is None for value in values):
            return None
        return Spread(spread[0].variants, spans, Places(spread[0].variants, index, step.call(*values)))

    def move(self, out: int, touched: Mapping[int, State], moves: Moves) -> Spread | None:
        """A value whose elements come from others, of which one is spread. `out` is its place in the frame."""
        if not _alike(touched):
            return None
        width = self._reference.frame[out][:1].numel()
        spans: list[Span] = []
        parts: list[Places | None] = []
        for at, state in touched.items():
            to = moves.to_of(at)
            kept = self._stretched(at, state, self._reference.frame[at].shape, width)
            if kept is None:
                return None
            if isinstance(kept, Spread):
                spans += [Span(self._moved(out, at, span.basis, to, width), span.amounts) for span in kept.spans]
            places = kept.places if isinstance(kept, Spread) else kept
            parts.append(None if places is None else moved(places, to))
        variants = next(iter(touched.values())).variants
        there = [part for part in parts if part is not None]
        if not there:
            return Spread(variants, tuple(spans), None)
        held = partial(_held, self._reference.frame[out], spans)
        merged = without_gaps(for_all(together(there), variants), width, held)
        return None if merged is None else Spread(variants, tuple(spans), merged)

    def _operand(self, argument: Argument, touched: Mapping[int, State], plain: "Tensor") -> _Operand | None:
        if not isinstance(argument, Ref):
            return _Operand(argument) if isinstance(argument, (int, float)) else None
        place = self._reference.layout.places[argument.name]
        value = self._reference.frame[place]
        if place not in touched:
            return _Operand(value, place)
        state = self._stretched(place, touched[place], plain.shape, plain[:1].numel())
        fits = value.dtype == plain.dtype and (isinstance(touched[place], Whole) or value.shape == plain.shape)
        return _Operand(value, place, state) if state is not None and fits else None

    def _stretched(self, at: int, state: State, shape: Sequence[int], width: int) -> Places | Spread | None:
        """A value that is not to be written out to a `width` of so many places; a small one is stretched to the shape,
        as arithmetic does it. None where it is too large."""
        import torch

        if not isinstance(state, Whole):
            return state
        value = self._reference.frame[at]
        count = value[:1].numel()
        if self._reference.grows[at] is not True or value.dim() != len(shape) or not value.is_floating_point():
            return None
        if count * NARROW > width:
            return None
        before, now = flat(value), state.values.reshape(len(state.variants), len(value), count)
        largest = now.abs().amax(2)  # [V, rows]
        usual = torch.maximum(largest, largest.median(1, keepdim=True).values)
        if not bool(((before.abs().amax(1) <= MOST_CANCELLED * usual) & usual.isfinite()).all()):
            return None  # what goes away would cost what stays its digits

        def stretch() -> Basis:
            each = torch.eye(count, dtype=value.dtype, device=value.device).reshape(count, *value.shape[1:])
            return Basis(each.expand(count, *shape[1:]).reshape(count, -1), None)

        return Spread(state.variants, (Span(self._basis((at, *shape), stretch), now - before),), None)

    def _product(self, step: Step, left: _Operand, right: _Operand) -> tuple[Span, ...] | None:
        one, other = (left, right) if isinstance(left.state, Spread) else (right, left)
        assert isinstance(one.state, Spread)
        factor = self._factor(other, self._reference.frame[step.output])  # type: ignore[index]
        if factor is None:
            return None
        return tuple(
            Span(self._basis((step.node.index, span.basis), partial(_scaled, span.basis, factor)), span.amounts)
            for span in one.state.spans
        )

    def _factor(self, one: _Operand, plain: "Tensor") -> "Tensor | None":
        """The plain value of the other operand of a product, [rows, N] or [1, N]; None where it is not all numbers."""
        import torch

        if one.place is None or not isinstance(one.value, torch.Tensor) or one.value.dim() == 0:
            factor = torch.as_tensor(one.value, dtype=plain.dtype, device=plain.device).expand(1, plain[:1].numel())
        elif self._reference.grows[one.place] is True and one.value.dim() == plain.dim():
            factor = flat(one.value.expand(plain.shape))
        elif self._reference.grows[one.place] is False and (one.value.dim() < plain.dim() or len(one.value) == 1):
            factor = flat(one.value.expand(1, *plain.shape[1:]))
        else:
            return None
        return factor if factor.is_floating_point() and bool(factor.isfinite().all()) else None

    def _at(self, one: _Operand, plain: "Tensor", index: Ints) -> Any:
        """What stands at the places of the other operand."""
        if one.places is not None:
            return one.places.values
        if one.place is None:
            return one.value
        if one.state is None:
            return beside(self._reference, one.place, one.value, plain, index)
        assert isinstance(one.state, Spread)
        return _held(one.value.expand(plain.shape), one.state.spans, index)

    def _moved(self, out: int, at: int, basis: Basis, to: Ints, width: int) -> Basis:
        def move() -> Basis:
            which, copy = np.nonzero(to != NOWHERE)
            source, target = on_device(which, basis.matrix), on_device(to[which, copy], basis.matrix)
            matrix = basis.matrix.new_zeros(len(basis.matrix), width).index_copy(1, target, basis.matrix[:, source])
            if basis.scale is None:
                return Basis(matrix, None)
            ones = basis.scale.new_ones(len(basis.scale), width)
            return Basis(matrix, ones.index_copy(1, target, basis.scale[:, source]))

        return self._basis((out, at, basis), move)

    def _basis(self, key: tuple[object, ...], make: Callable[[], Basis]) -> Basis:
        """A basis that is the same in all blocks: made once."""
        if key not in self._bases:
            self._bases[key] = make()
        return self._bases[key]

    def _added_up(self, step: Step, layer: Layer, state: Spread) -> Whole | None:
        """W (x + what the spans add) = W x + what each of their numbers comes to, and the places as they are."""
        import torch

        value, plain = self._reference.frame[layer.given], self._reference.frame[step.output]  # type: ignore[index]
        sums = torch.zeros_like(plain)
        for span in state.spans:
            through = self._through(step, layer, span)
            if through is None:
                return None
            sums = sums + through
        if not bool(sums.isfinite().all()):
            return None
        result = plain + sums
        if state.places is not None:
            index, values = state.places.index, state.places.values
            before, spread = gathered(value, index), _at_places(state.spans, index)
            if not bool(keeps_digits(layer, before.abs() + spread.abs(), values, index).all()):
                return None
            result = added(result, values - before - spread, index, layer.matrix)
        return Whole(state.variants, result.reshape(-1, plain.shape[1]))

    def _through(self, step: Step, layer: Layer, span: Span) -> "Tensor | None":
        """What a span adds to a layer's result, [V, rows, out]; None where that is not worth multiplying out."""
        import torch

        key = (step.node.index, span.basis)
        if key not in self._multiplied:
            matrix, scale = span.basis.matrix, span.basis.scale
            each = 1 if scale is None else len(scale)
            if len(matrix) > self._variants or each * len(matrix) * layer.matrix[0].nbytes > MOST_BYTES:
                return None
            rows = [matrix] if scale is None else [matrix * row for row in scale]
            self._multiplied[key] = torch.stack([row @ layer.matrix for row in rows])
        through = self._multiplied[key]  # [rows, k, out], or [1, k, out]
        if len(through) == 1:
            return span.amounts @ through[0]
        return (span.amounts.transpose(0, 1) @ through).transpose(0, 1)


def _sum(step: Step, left: _Operand, right: _Operand) -> tuple[Span, ...]:
    ahead = left.state.spans if isinstance(left.state, Spread) else ()
    behind = right.state.spans if isinstance(right.state, Spread) else ()
    return (*ahead, *(Span(span.basis, SUMS[step.node.operator] * span.amounts) for span in behind))


def _at_places(spans: Sequence[Span], index: Ints) -> "Tensor":
    first, *others = (span.at(index) for span in spans)
    return sum(others, start=first)


def _held(plain: "Tensor", spans: Sequence[Span], index: Ints) -> "Tensor":
    """What a value that is spread over these plain ones holds at places, [V, rows, m]."""
    return gathered(plain, index) + _at_places(spans, index)


def _scaled(basis: Basis, factor: "Tensor") -> Basis:
    return Basis(basis.matrix, factor if basis.scale is None else basis.scale * factor)


def _alike(touched: Mapping[int, State]) -> bool:
    """Whether the same variants change all of them."""
    first, *others = touched.values()
    return all(np.array_equal(first.variants, other.variants) for other in others)


def _carried(reference: Reference) -> frozenset[int]:
    """The values that only linear layers read, in the end: after sums, products and moves."""
    readers: dict[int, list[Step]] = {}
    ends = {reference.layout.places[name] for name in reference.program.outputs}
    carried: set[int] = set()

    def takes(step: Step, place: int) -> bool:
        if step.node.operator in LINEAR:
            given = step.node.arguments[LINEAR[step.node.operator][0]]
            return isinstance(given, Ref) and reference.layout.places[given.name] == place
        return step.node.operator in _CARRIES and carried.issuperset(step.gives)

    for step in reversed(reference.steps):
        for place in step.gives:
            if place not in ends and place in readers and all(takes(reader, place) for reader in readers[place]):
                carried.add(place)
        for place in step.reads:
            readers.setdefault(place, []).append(step)
    return frozenset(carried)
