"""What a value is when features are taken away: each variant of a block takes another one away.

A value that no variant changes has no state. The first size of every tensor is that of the plain run's rows (or a
multiple of it); what lies behind it is counted as one flat row.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Whole:
    """All of the value, in the `variants` (int64[V], ascending) that change it: `values` [V × rows, ...]."""

    variants: Ints
    values: "Tensor"


@dataclass(frozen=True)
class Places:
    """A value that differs from the plain run's in few places of each row: `index` int64[V, m], `values` [V, rows, m].

    The places of a variant are distinct.
    """

    variants: Ints
    index: Ints
    values: "Tensor"


@dataclass(frozen=True, eq=False)
class Basis:
    """What each of k numbers adds to every place of a row: `matrix` [k, N], place by place times `scale` [rows, N] (or
    [1, N]; None for one). The same in all variants."""

    matrix: "Tensor"
    scale: "Tensor | None"


@dataclass(frozen=True)
class Span:
    """What a variant adds: `amounts` [V, rows, k] of a basis."""

    basis: Basis
    amounts: "Tensor"

    def written_out(self) -> "Tensor":
        """[V, rows, N]."""
        added = self.amounts @ self.basis.matrix
        return added if self.basis.scale is None else added * self.basis.scale

    def at(self, index: Ints) -> "Tensor":
        """The same at the places int64[V, m] of each variant: [V, rows, m]."""
        matrix, scale = self.basis.matrix, self.basis.scale
        if alike(index):
            added = self.amounts @ matrix.index_select(1, on_device(index[0], matrix))
        else:
            added = self.amounts @ matrix[:, on_device(index, matrix)].permute(1, 0, 2)
        return added if scale is None else added * gathered(scale, index)


@dataclass(frozen=True)
class Spread:
    """The plain value and what `spans` add to it, in all places; but at `places`, what stands there."""

    variants: Ints
    spans: tuple[Span, ...]
    places: Places | None


State = Whole | Places | Spread


def on_device(index: Ints, like: "Tensor") -> "Tensor":
    """Numbers of places as a tensor, where the values are."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(index)).to(like.device)


def alike(index: Ints) -> bool:
    """Whether all variants have the same places."""
    return len(index) == 1 or bool((index == index[:1]).all())


def flat(value: "Tensor") -> "Tensor":
    """[rows, N]: each row as one line."""
    return value.reshape(len(value), -1)


def gathered(plain: "Tensor", index: Ints) -> "Tensor":
    """What a tensor holds at the places of each variant: [V, rows, m]."""
    lines = flat(plain)
    if alike(index):
        return lines.index_select(1, on_device(index[0], plain)).expand(len(index), -1, -1)
    found = lines.index_select(1, on_device(index.reshape(-1), plain))
    return found.reshape(len(lines), *index.shape).permute(1, 0, 2)


def scattered(base: "Tensor", index: Ints, values: "Tensor") -> "Tensor":
    """`base` [rows, N] or [V, rows, N] for each variant, with its values at its places: [V, rows, N]."""
    variants, rows, _ = values.shape
    filled = base.expand(variants, rows, base.shape[-1]).clone()
    return filled.scatter_(2, on_device(index, values)[:, None, :].expand(values.shape), values)


def as_whole(state: State, plain: "Tensor") -> Whole:
    """The same state with all of the value written out."""
    if isinstance(state, Whole):
        return state
    if isinstance(state, Spread):
        whole = flat(plain) + sum(span.written_out() for span in state.spans)
        if state.places is not None:
            whole = scattered(whole, state.places.index, state.places.values)
    else:
        width = plain[:1].numel()
        whole = state.values if width == 1 else scattered(flat(plain), state.index, state.values)
    return Whole(state.variants, whole.reshape(len(state.variants) * len(plain), *plain.shape[1:]))


def as_places(state: Whole | Places, plain: "Tensor") -> Places:
    """The same state place by place."""
    if isinstance(state, Places):
        return state
    variants, width = len(state.variants), plain[:1].numel()
    index = np.broadcast_to(np.arange(width), (variants, width))
    return Places(state.variants, index, state.values.reshape(variants, len(plain), width))


def settled(state: State, plain: "Tensor") -> State:
    """As places only where they are few: beyond half of a row, all of it is as easily computed."""
    if isinstance(state, Places) and 2 * state.index.shape[1] > plain[:1].numel():
        return as_whole(state, plain)
    return state


def chosen(state: Places, kept: NDArray[np.bool_]) -> Places:
    """Some of the variants (bool[V])."""
    if kept.all():
        return state
    places = np.flatnonzero(kept)
    values = state.values.index_select(0, on_device(places, state.values))
    return Places(state.variants[kept], state.index[kept], values)
