"""States carried along the moves of an operator, and put together where several meet."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tools.program.ablation.states import Ints, Places, alike, chosen, on_device

if TYPE_CHECKING:
    from torch import Tensor

NOWHERE = -1


def moved(state: Places, to: Ints) -> Places | None:
    """A state at the places where its elements go; None where none of them goes anywhere.

    `to` int64[N, copies] as in `Moves`. Variants that lose all of their places are dropped; where one has fewer than
    another, `NOWHERE` stands at the end of its places.
    """
    if state.index.shape[1] == to.shape[1] == 1:
        alone = to[state.index[:, 0]]
        there = alone[:, 0] != NOWHERE
        if not there.any():
            return None
        state = chosen(state, there)
        return Places(state.variants, alone[there], state.values)
    index = to[state.index]  # [V, m, copies]
    variants, count, copies = index.shape
    index = index.reshape(variants, count * copies)
    there = index != NOWHERE
    if copies == 1 and there.all():
        return Places(state.variants, index, state.values)
    kept = there.any(axis=1)
    if not kept.any():
        return None
    state, index, there = chosen(state, kept), index[kept], there[kept]
    order = np.argsort(~there, axis=1, kind="stable")[:, : int(there.sum(axis=1).max())]
    values = _columns(state, order // copies)
    return Places(state.variants, np.take_along_axis(index, order, axis=1), values)


def _columns(state: Places, columns: Ints) -> "Tensor":
    if alike(columns):
        return state.values.index_select(2, on_device(columns[0], state.values))
    rows = state.values.shape[1]
    index = on_device(columns, state.values)[:, None, :].expand(-1, rows, -1)
    return state.values.gather(2, index)


def together(parts: Sequence[Places]) -> Places:
    """Several states of one value, at places of their own."""
    import torch

    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    if all(np.array_equal(part.variants, first.variants) for part in parts):
        index = np.concatenate([part.index for part in parts], axis=1)
        return Places(first.variants, index, torch.cat([part.values for part in parts], 2))
    variants = np.concatenate([part.variants for part in parts])
    if len({part.index.shape[1] for part in parts}) == 1 and len(np.unique(variants)) == len(variants):
        order = np.argsort(variants)
        index = np.concatenate([part.index for part in parts])[order]
        values = torch.cat([part.values for part in parts])
        if not (np.diff(order) == 1).all():
            values = values.index_select(0, on_device(order, values))
        return Places(variants[order], index, values)
    every = np.unique(variants)
    return together([for_all(part, every) for part in parts])


def for_all(part: Places, every: Ints) -> Places:
    """The same with all of these variants: `NOWHERE` is where those change a place that it did not have."""
    at = np.searchsorted(every, part.variants)
    count = part.index.shape[1]
    index = np.full((len(every), count), NOWHERE, dtype=np.int64)
    index[at] = part.index
    values = part.values.new_zeros(len(every), part.values.shape[1], count)
    values[on_device(at, values)] = part.values
    return Places(every, index, values)


def without_gaps(state: Places, width: int, held: "Callable[[Ints], Tensor]") -> Places | None:
    """Gaps filled with other places of a row of `width`; None where there are too few. `held` says what is held at
    places int64[V, m] by variants that do not change them."""
    import torch

    gaps = state.index == NOWHERE
    if not gaps.any():
        return state
    count = state.index.shape[1]
    if count > width:
        return None
    used = np.zeros((len(state.variants), width), dtype=bool)
    for line, row in enumerate(state.index):
        used[line, row[row != NOWHERE]] = True
    free = np.argsort(used, axis=1, kind="stable")
    rank = np.cumsum(gaps, axis=1) - 1
    index = np.where(gaps, np.take_along_axis(free, np.maximum(rank, 0), axis=1), state.index)
    mask = on_device(gaps, state.values)[:, None, :]
    return Places(state.variants, index, torch.where(mask, held(index), state.values))
