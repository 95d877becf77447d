"""Ids that a program's tables do not have: serving would crash on them, or read memory that is not the table's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.columns import NO_ID
from tools.program.graph import Column, Node, Program, Ref
from tools.program.slices import backward, forward

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.interpreter import Interpreter
    from tools.program.rows import Rows

_INDEX_ARGUMENT = {
    "aten.embedding.default": 1,
    "aten.embedding_bag.default": 1,
    "aten.embedding_bag.padding_idx": 1,
    "aten._embedding_bag.default": 1,
    "aten._embedding_bag_forward_only.default": 1,
    "aten.index_select.default": 2,
    "aten.index.Tensor": 1,
}
MOST_IDS = 5


@dataclass(frozen=True)
class Lookup:
    """A node that takes rows of a table by their ids. `lowest` is 0, or negative where ids may count from the end."""

    node: Node
    table: str
    index: str
    lowest: int
    size: int


@dataclass(frozen=True)
class UnknownIds:
    """Ids beyond the end of a table. `feature` is None where no single input column accounts for them.

    `rows` (bool[n]) are the batch's rows that hold one, `ids` the first few of them by value.
    """

    feature: str | None
    table: str
    size: int
    module: str | None
    rows: np.ndarray
    ids: tuple[int, ...]

    def __str__(self) -> str:
        ids = ", ".join("a value that is no whole number" if i == NO_ID else str(i) for i in self.ids)
        of = f"feature {self.feature}" if self.feature else f"the ids that are looked up in {self.table}"
        return (
            f"{of} has ids that the snapshot does not have: {ids} in {int(self.rows.sum())} of {len(self.rows)} rows, "
            f"while {self.table} has {self.size} rows (0 to {self.size - 1})"
        )


def unknown_ids(interpreter: "Interpreter", rows: "Rows") -> list[UnknownIds]:
    """What the rows ask of the program's tables that these do not have, in the order of computation.

    Only what the ids are made of is run. Tables whose ids come out of another table are not looked at.
    """
    program = interpreter.program
    lookups = list(_lookups(program))
    if not lookups:
        return []
    late = forward(program, [name for lookup in lookups for name in lookup.node.outputs if isinstance(name, str)])
    lookups = [lookup for lookup in lookups if lookup.index not in late]
    names = list(dict.fromkeys(lookup.index for lookup in lookups))
    values = interpreter.run(rows.inputs, nodes=backward(program, names).nodes, keep=names)
    return [found for lookup in lookups if (found := _of(interpreter, lookup, rows, values[lookup.index]))]


def _lookups(program: Program) -> Iterator[Lookup]:
    for node in program.nodes:
        place = _INDEX_ARGUMENT.get(node.operator)
        if place is None or len(node.arguments) <= place:
            continue
        table, index = node.arguments[0], node.arguments[place]
        if isinstance(index, tuple):
            index = index[0] if len(index) == 1 else None
        if not isinstance(table, Ref) or not isinstance(index, Ref) or table.name not in program.weights:
            continue
        dim = node.arguments[1] if place == 2 else 0
        size = program.weights[table.name].shape[dim if isinstance(dim, int) else 0]
        lowest = -size if node.operator == "aten.index.Tensor" else 0
        yield Lookup(node, table.name, index.name, lowest, size)


def _of(interpreter: "Interpreter", lookup: Lookup, rows: "Rows", index: "Tensor") -> UnknownIds | None:
    import torch

    if index.dtype == torch.bool or not index.numel():
        return None
    unknown = (index < lookup.lowest) | (index >= lookup.size)
    if not bool(unknown.any()):
        return None
    program = interpreter.program
    ids = tuple(torch.unique(index[unknown]).tolist()[:MOST_IDS])
    return UnknownIds(
        feature=_feature(interpreter, lookup, rows),
        table=program.weight_names.get(lookup.table, lookup.table),
        size=lookup.size,
        module=lookup.node.module,
        rows=_by_row(program, unknown, rows),
        ids=ids,
    )


def _by_row(program: Program, unknown: "Tensor", rows: "Rows") -> np.ndarray:
    """bool[n]: the rows with an unknown id. Where the ids of all rows lie in one flat list, each bag is asked."""
    flat = unknown.numpy()
    if len(flat) == len(rows) and flat.ndim >= 1:
        return np.asarray(flat.reshape(len(rows), -1).any(axis=1))
    names = [tensor.name for tensor in program.inputs]
    for column in program.columns:
        if column.offsets is not None:
            ids, starts = (rows.inputs[names.index(name)].numpy() for name in (column.input, column.offsets))
            if len(ids) == flat.size:
                spoiled = np.zeros(len(rows), dtype=bool)
                spoiled[np.searchsorted(starts, np.flatnonzero(flat.reshape(-1)), side="right") - 1] = True
                return spoiled
    return np.ones(len(rows), dtype=bool)


def _feature(interpreter: "Interpreter", lookup: Lookup, rows: "Rows") -> str | None:
    """The one feature whose baseline in place of its values leaves no unknown id."""
    program = interpreter.program
    needed = backward(program, [lookup.index])
    for column in _columns_of(program):
        if column.input not in needed.inputs:
            continue
        inputs = _at_baseline(program, rows, column)
        index = interpreter.run(inputs, nodes=needed.nodes, keep=[lookup.index])[lookup.index]
        if not bool(((index < lookup.lowest) | (index >= lookup.size)).any()):
            return column.feature
    return None


def _columns_of(program: Program) -> Sequence[Column]:
    """The columns that are described, or else every place of every input."""
    if program.columns:
        return [column for column in program.columns if column.kind != "dense"]
    return [
        Column(tensor.name, place, f"{tensor.name}.{place}", "categorical", 0.0)
        for tensor in program.inputs
        for place in range((tensor.sizes[1] if len(tensor.sizes) > 1 else 1) or 0)
    ]


def _at_baseline(program: Program, rows: "Rows", column: Column) -> "list[Tensor]":
    inputs = list(rows.inputs)
    place = [tensor.name for tensor in program.inputs].index(column.input)
    changed = inputs[place].clone()
    if column.kind in ("bag", "sequence") or changed.dim() == 1:
        changed[...] = column.baseline
    else:
        changed[:, column.column] = column.baseline
    inputs[place] = changed
    return inputs
