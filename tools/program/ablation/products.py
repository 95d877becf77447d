"""Batched products: only the lines and columns that hold a changed place are computed anew."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tools.program.ablation.linear import operands
from tools.program.ablation.reference import Reference
from tools.program.ablation.states import Ints, Places, State, gathered, on_device, scattered
from tools.program.steps import Step

if TYPE_CHECKING:
    from torch import Tensor

BATCHED = ("aten.bmm.default", "aten.matmul.default")


def batched_product(reference: Reference, step: Step, touched: Mapping[int, State]) -> Places | None:
    """Of A[rows, n, k] B[rows, k, p]: the lines of A and the columns of B that hold a changed place.

    In a matrix of pairwise products of vectors, a changed vector is one line and one column.
    """
    names = operands(step, 0, 1)
    if names is None or step.output is None:
        return None
    left_at, right_at = (reference.layout.places[name] for name in names)
    left, right, plain = reference.frame[left_at], reference.frame[right_at], reference.frame[step.output]
    states = [touched.get(left_at), touched.get(right_at)]
    if left.dim() != 3 or right.dim() != 3 or any(reference.grows[at] is not True for at in (left_at, right_at)):
        return None
    if any(state is not None and not isinstance(state, Places) for state in states):
        return None
    known = [state for state in states if isinstance(state, Places)]
    if any(not np.array_equal(state.variants, known[0].variants) for state in known):
        return None
    lines = _lines(states[0], left) if isinstance(states[0], Places) else None
    columns = _lines(_turned(states[1], right), right.transpose(1, 2)) if isinstance(states[1], Places) else None
    if (states[0] is not None and lines is None) or (states[1] is not None and columns is None):
        return None
    return _crossed(known[0].variants, left, right, plain, lines, columns)


def _turned(state: Places, right: "Tensor") -> Places:
    """The places of the transposed matrices."""
    height, width = right.shape[1:]
    return Places(state.variants, state.index % width * height + state.index // width, state.values)


def _lines(state: Places, value: "Tensor") -> tuple[Ints, "Tensor"] | None:
    """The lines of [rows, n, k] that a state changes, int64[V, r], and what they hold: [V, rows, r, k].

    None where the variants change different numbers of lines.
    """
    width = value.shape[2]
    touched = np.zeros((len(state.index), value.shape[1]), dtype=bool)
    np.put_along_axis(touched, state.index // width, True, axis=1)
    if len(set(touched.sum(axis=1).tolist())) != 1:
        return None
    lines = np.nonzero(touched)[1].reshape(len(touched), -1)
    places = (lines[:, :, None] * width + np.arange(width)).reshape(len(lines), -1)
    if np.array_equal(places, state.index):
        held = state.values
    else:
        rank = np.stack([np.searchsorted(one, row // width) for one, row in zip(lines, state.index, strict=True)])
        held = scattered(gathered(value, places), rank * width + state.index % width, state.values)
    return lines, held.reshape(*held.shape[:2], lines.shape[1], width)


def _crossed(
    variants: Ints,
    left: "Tensor",
    right: "Tensor",
    plain: "Tensor",
    lines: tuple[Ints, "Tensor"] | None,
    columns: tuple[Ints, "Tensor"] | None,
) -> Places:
    import torch

    count, (rows, height, width) = len(variants), plain.shape
    index, values = [], []
    if lines is not None:
        at, held = lines
        product = _spread(held, right)  # [V, rows, r, p]
        if columns is not None:
            crossing = torch.einsum("vrlk,vrck->vrlc", held, columns[1])
            where = on_device(columns[0], plain)[:, None, None, :].expand(crossing.shape)
            product = product.scatter(3, where, crossing)
        index.append((at[:, :, None] * width + np.arange(width)).reshape(count, -1))
        values.append(product.reshape(count, rows, -1))
    if columns is not None:
        at, held = columns
        product = _spread(held, left.transpose(1, 2))  # [V, rows, c, n]
        others = np.broadcast_to(np.arange(height), (count, height))
        if lines is not None:
            others = _others(lines[0], height)
            where = on_device(others, plain)[:, None, None, :].expand(*product.shape[:3], -1)
            product = product.gather(3, where)
        index.append((others[:, None, :] * width + at[:, :, None]).reshape(count, -1))
        values.append(product.reshape(count, rows, -1))
    return Places(variants, np.concatenate(index, axis=1), torch.cat(values, 2))


def _others(lines: Ints, height: int) -> Ints:
    """The lines of each variant that are not among its own, int64[V, height - r]."""
    free = np.ones((len(lines), height), dtype=bool)
    np.put_along_axis(free, lines, False, axis=1)
    return np.nonzero(free)[1].reshape(len(lines), -1)


def _spread(held: "Tensor", matrices: "Tensor") -> "Tensor":
    """[V, rows, r, k] times [rows, k, p], row by row: [V, rows, r, p]."""
    variants, rows, count, width = held.shape
    stacked = held.permute(1, 0, 2, 3).reshape(rows, variants * count, width)
    return (stacked @ matrices).reshape(rows, variants, count, -1).permute(1, 0, 2, 3)
