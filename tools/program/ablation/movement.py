"""Operators that only move elements of a row about: where each element of a row goes.

Found by running the operator once on the numbers of the places themselves, so that one rule holds for views, choices,
transpositions and concatenations alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.program.ablation.reference import NotByRow, Reference, called
from tools.program.ablation.states import Ints
from tools.program.graph import Argument, Ref
from tools.program.interpreter import FAILURES
from tools.program.steps import Step
from tools.program.values import VIEWS

_JOINS = """
    cat.default concat.default concatenate.default stack.default hstack.default column_stack.default
"""
JOINS = frozenset(f"aten.{name}" for name in _JOINS.split())
_MOVES = """
    index.Tensor index_select.default clone.default contiguous.default squeeze.dims flip.default roll.default
    repeat.default tile.default view_copy.default select_copy.int slice_copy.Tensor transpose_copy.int
    permute_copy.default unbind_copy.int split_copy.Tensor broadcast_to.default
"""
MOVES = (VIEWS | frozenset(f"aten.{name}" for name in _MOVES.split())) - {"aten.view.dtype", "aten.as_strided.default"}
MOST_COPIES = 4


@dataclass(frozen=True)
class Moves:
    """For one output: from each place that is read (of the frame) to int64[N, copies], where in the output's row each
    element of its row goes; -1 where nowhere."""

    to: Mapping[int, Ints]
    still: bool
    """Whether everything stays where it is."""

    def to_of(self, place: int) -> Ints:
        """Of a place; the moves of one tensor may have been found with another one in its stead."""
        return self.to[place] if place in self.to else next(iter(self.to.values()))


def moves_of(reference: Reference, step: Step) -> tuple[Moves | None, ...] | None:
    """The moves of a step, for each of its outputs; None where it is no move, or mixes rows."""
    data = _data(reference, step)
    if data is None:
        return None
    if step.node.operator == "aten.select.int" and reference.frame[data[0]].dim() == 2:
        return _column(step.node.arguments[1:], data[0], reference.frame[data[0]].shape[1])
    try:
        outputs = _on_places(reference, step, data)
    except (NotByRow, *FAILURES):
        return None
    return tuple(_moves(reference, data, output) for output in outputs)


def _column(chosen: tuple[Argument, ...], place: int, width: int) -> tuple[Moves] | None:
    """One column of a matrix: models have hundreds of these, one for each table of ids."""
    if len(chosen) != 2 or chosen[0] not in (1, -1) or not isinstance(chosen[1], int):
        return None
    to = np.full((width, 1), -1, dtype=np.int64)
    to[chosen[1], 0] = 0
    return (Moves({place: to}, still=False),)


def recipe(reference: Reference, step: Step) -> tuple[object, ...] | None:
    """What a move of one tensor is known by: steps with the same one move alike, but for the place that they read."""
    node = step.node
    if node.operator in JOINS or node.keywords or any(isinstance(one, (Ref, tuple)) for one in node.arguments[1:]):
        return None
    if not node.arguments or not isinstance(node.arguments[0], Ref):
        return None
    place = reference.layout.places[node.arguments[0].name]
    return (node.operator, reference.grows[place], tuple(reference.frame[place].shape), *node.arguments[1:])


def _data(reference: Reference, step: Step) -> list[int] | None:
    """The places of the frame whose elements move: those of the rows, with all else fixed."""
    operator, arguments = step.node.operator, step.node.arguments
    if operator in JOINS:
        parts = arguments[0]
        names = [part.name for part in parts if isinstance(part, Ref)] if isinstance(parts, tuple) else []
        if not isinstance(parts, tuple) or len(names) != len(parts):
            return None
    elif operator in MOVES and arguments and isinstance(arguments[0], Ref):
        names = [arguments[0].name]
    else:
        return None
    data = list(dict.fromkeys(reference.layout.places[name] for name in names))
    moving = all(reference.grows[place] is True and len(reference.frame[place]) == reference.rows for place in data)
    numbers = reference.numbers(reference.rows)
    fixed = all(reference.grows[place] is False or place in numbers for place in step.reads - set(data))
    return data if moving and fixed else None


def _on_places(reference: Reference, step: Step, data: Sequence[int]) -> Sequence[NDArray[np.int64]]:
    """The step's outputs when each element holds the number of its own place: rows one after another, and in a row
    the tensors that are read."""
    import torch

    rows = 2 if reference.open else reference.rows
    numbers = reference.numbers(rows)
    frame = reference.layout.initial.copy()
    for place in step.reads:
        frame[place] = numbers.get(place, reference.frame[place])
    total = sum(reference.frame[place][:1].numel() for place in data)
    start = 0
    for place in data:
        shape = reference.frame[place].shape[1:]
        width = reference.frame[place][:1].numel()
        own = torch.arange(rows)[:, None] * total + torch.arange(start, start + width)
        frame[place] = own.reshape(rows, *shape)
        start += width
    result = called(step, frame)
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    lines = []
    for output in outputs:
        if output.dim() == 0 or len(output) != rows:
            raise NotByRow("rows are put together")
        line = output.reshape(rows, -1).cpu().numpy()
        if not (line == line[:1] + total * np.arange(rows)[:, None]).all():
            raise NotByRow("rows are mixed")
        lines.append(line[0])
    return lines


def _moves(reference: Reference, data: Sequence[int], source: NDArray[np.int64]) -> Moves | None:
    to: dict[int, Ints] = {}
    start = 0
    for place in data:
        width = reference.frame[place][:1].numel()
        there = np.flatnonzero((source >= start) & (source < start + width))
        inverse = _inverse(source[there] - start, there, width)
        if inverse.size > MOST_COPIES * (width + len(source)):
            return None
        to[place] = inverse
        start += width
    still = len(data) == 1 and len(source) == start and bool((source == np.arange(start)).all())
    return Moves(to, still)


def _inverse(source: NDArray[np.int64], target: NDArray[np.int64], width: int) -> Ints:
    """int64[width, copies]: the targets of each source, -1 where there are no more."""
    counts = np.bincount(source, minlength=width)
    inverse = np.full((width, max(int(counts.max(initial=0)), 1)), -1, dtype=np.int64)
    order = np.argsort(source, kind="stable")
    ends = np.cumsum(counts)
    rank = np.arange(len(source)) - np.repeat(ends - counts, counts)
    inverse[source[order], rank] = target[order]
    return inverse
