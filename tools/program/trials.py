"""Runs of some rows of a batch with some features at their baseline, and what is bad then."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tools.program.badness import Badness
from tools.program.batch import Batch
from tools.program.observation import Observation, bad_rows, observe
from tools.program.slices import Slice, backward, forward
from tools.program.units import Units

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.interpreter import Interpreter

MOST_ROWS_PER_RUN = 512


class Trials:
    """Counts what it spends, in plain runs of the whole batch: rows × nodes run."""

    def __init__(self, interpreter: "Interpreter", batch: Batch, bad: Badness) -> None:
        self.interpreter, self.batch, self.bad = interpreter, batch, bad
        self.program = interpreter.program
        self.varying = forward(self.program, [tensor.name for tensor in self.program.inputs])
        self.forwards = 0.0
        self._slices: dict[tuple[str, ...], Slice] = {}

    def slice(self, targets: tuple[str, ...]) -> Slice:
        """What the targets depend on."""
        if targets not in self._slices:
            self._slices[targets] = backward(self.program, targets)
        return self._slices[targets]

    def observe(
        self, rows: "Tensor | None" = None, replaced: "Tensor | None" = None, units: Units | None = None
    ) -> Observation:
        """Every value of a run of these rows, and of the copies that fill it up; of all rows where none are named."""
        inputs = self.batch.inputs if rows is None else self.batch.select(rows, replaced, units)
        count = self.batch.rows if rows is None else max(len(rows), self.batch.least())
        self._spend(count, len(self.program.nodes))
        return observe(self.interpreter, inputs, self.bad, count, self.varying)

    def spoiled(self, targets: tuple[str, ...], rows: "Tensor", replaced: "Tensor", units: Units) -> "Tensor":
        """Whether any target is bad, for each of these rows with these units (rows × units) at their baseline."""
        import torch

        most = self.batch.rows if self.batch.fixed else MOST_ROWS_PER_RUN
        pieces = zip(torch.split(rows, most), torch.split(replaced, most), strict=True)
        return torch.cat([self._spoiled(targets, part, mask, units) for part, mask in pieces])

    def _spoiled(self, targets: tuple[str, ...], rows: "Tensor", replaced: "Tensor", units: Units) -> "Tensor":
        import torch

        if not len(rows):
            return torch.zeros(0, dtype=torch.bool)
        count = max(len(rows), self.batch.least())
        values = self.values(targets, self.batch.select(rows, replaced, units), count)
        found = [bad_rows(self.bad, name, values[name], count) for name in targets]
        return torch.stack(found).any(0)[: len(rows)]

    def spoiled_with(self, targets: tuple[str, ...], weights: Mapping[str, "Tensor"]) -> "Tensor":
        """The rows (bool) of the batch as it is in which a target is bad with these weights for the stored ones."""
        import torch

        replace = {name: _constantly(weight) for name, weight in weights.items()}
        values = self.values(targets, self.batch.inputs, self.batch.rows, replace=replace)
        return torch.stack([bad_rows(self.bad, name, values[name], self.batch.rows) for name in targets]).any(0)

    def values(
        self,
        targets: tuple[str, ...],
        inputs: Sequence["Tensor"],
        rows: int,
        replace: Mapping[str, Callable[["Tensor"], "Tensor"]] | None = None,
        gradients: bool = False,
    ) -> dict[str, "Tensor"]:
        """The targets of a run of these inputs, with so many rows, and no more of the program than is quick."""
        if not gradients and set(targets) <= set(self.program.outputs):  # the whole program has its plan made
            self._spend(rows, len(self.program.nodes))
            return self.interpreter.run(inputs, replace=replace)
        nodes = self.slice(targets).nodes
        self._spend(rows, len(nodes))
        return self.interpreter.run(inputs, nodes=nodes, keep=targets, replace=replace, gradients=gradients)

    def _spend(self, rows: int, nodes: int) -> None:
        self.forwards += rows / max(self.batch.rows, 1) * nodes / max(len(self.program.nodes), 1)


def _constantly(value: "Tensor") -> Callable[["Tensor"], "Tensor"]:
    return lambda _: value
