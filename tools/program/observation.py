"""Which values of a run are bad, and in which rows."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.program.badness import Badness
from tools.program.graph import Node, Program
from tools.program.slices import reads

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.interpreter import Interpreter


@dataclass
class Observation:
    """The bad values of one run: for each the rows (bool) in which it is bad.

    A value without a row of its own for each row of the batch is bad in all rows where it is bad at all: these are in
    `shared`, those with rows in `by_row`. `infinite` are the bad values that hold no NaN (a weight: nothing bad but
    minus infinity). `seen_through` has, for a value that is not judged, the rows in which it is made of bad ones.
    """

    rows: int
    bad: dict[str, "Tensor"] = field(default_factory=dict)
    infinite: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    by_row: set[str] = field(default_factory=set)
    seen_through: dict[str, "Tensor"] = field(default_factory=dict)

    def of(self, name: str) -> "Tensor | None":
        """The rows in which a value is bad, or made of bad values; None where there are none."""
        return self.bad.get(name, self.seen_through.get(name))


def observe(
    interpreter: "Interpreter",
    inputs: Sequence["Tensor"],
    bad: Badness,
    rows: int,
    varying: Collection[str],
) -> Observation:
    """Run once and look at every value: inputs first, then the outputs of the nodes in their order.

    `varying` are the values that depend on the inputs (`slices.forward`). Weights are not looked at: `add_weights`.
    """
    import torch

    seen = Observation(rows)
    for tensor, value in zip(interpreter.program.inputs, inputs, strict=True):
        if bad.judges(tensor.name, value):
            _look(seen, bad, tensor.name, value, varying)

    def watch(node: Node, result: Any) -> None:
        results = result if isinstance(result, (tuple, list)) else (result,)
        for name, value in zip(_places(node), results, strict=False):  # a check has no output, and None as result
            if name is None or not isinstance(value, torch.Tensor):
                continue
            if bad.judges(name, value):
                _look(seen, bad, name, value, varying)
            elif bad.problem == "extreme" and value.is_floating_point():
                _place_rows(seen, name, value, varying)
                _see_through(seen, name, node)

    interpreter.run(inputs, watch=watch)
    return seen


def scan_weights(program: Program, bad: Badness, names: Collection[str]) -> dict[str, "Tensor"]:
    """The bad ones among these weights: value name → True at each bad element."""
    weights = {name: program.weights[name] for name in names}
    found = {
        name: weight for name, weight in weights.items() if bad.judges(name, weight) and bad.anywhere(name, weight)
    }
    return {name: bad.elements(name, weight) for name, weight in found.items()}


def add_weights(seen: Observation, program: Program, weights: Mapping[str, "Tensor"]) -> None:
    """Enter bad weights (`scan_weights`) in an observation. A weight has no rows: it is bad in all."""
    import torch

    for name, elements in weights.items():
        seen.bad[name] = torch.ones(seen.rows, dtype=torch.bool)
        seen.shared.add(name)
        weight = program.weights[name].detach()
        if not weight.is_complex() and bool((weight.double()[elements] == -math.inf).all()):
            seen.infinite.add(name)


def bad_rows(bad: Badness, name: str, value: "Tensor", rows: int, with_rows: bool = True) -> "Tensor":
    """The rows (bool) in which a value is bad; all of them where it has no rows of its own, or is not to have them."""
    import torch

    axis = _row_axis(value, rows) if with_rows else None
    if axis is None:
        return torch.tensor(bad.anywhere(name, value)).expand(rows)
    return bad.by_row(name, value.movedim(axis, 0).reshape(rows, -1))


def _row_axis(value: "Tensor", rows: int) -> int | None:
    """The dimension that stands for the rows: the first, or the second where time comes first."""
    return next((axis for axis in (0, 1) if value.dim() > axis and value.shape[axis] == rows), None)


def _look(seen: Observation, bad: Badness, name: str, value: "Tensor", varying: Collection[str]) -> None:
    with_rows = _place_rows(seen, name, value, varying)
    if not bad.perhaps(name, value):
        return
    value = value.float() if value.element_size() == 1 else value  # torch can do little with 8-bit floats
    rows = bad_rows(bad, name, value, seen.rows, with_rows)
    if not bool(rows.any()):
        return
    seen.bad[name] = rows
    axis = _row_axis(value, seen.rows)
    spoiled = value.movedim(axis, 0) if with_rows and axis is not None else value[None]
    places = rows.nonzero()[:, 0] if len(spoiled) == seen.rows else rows.nonzero()[:1, 0]
    # One row tells, as a rule: all of them are copied and looked at only where it holds no NaN.
    if not bool(spoiled[places[:1]].isnan().any()) and not bool(spoiled[places].isnan().any()):
        seen.infinite.add(name)


def _place_rows(seen: Observation, name: str, value: "Tensor", varying: Collection[str]) -> bool:
    with_rows = name in varying and _row_axis(value, seen.rows) is not None
    (seen.by_row if with_rows else seen.shared).add(name)
    return with_rows


def _see_through(seen: Observation, name: str, node: Node) -> None:
    import torch

    spoiled = [rows for taken in set(reads(node)) if (rows := seen.of(taken)) is not None]
    if spoiled:
        seen.seen_through[name] = torch.stack(spoiled).any(0)


def _places(node: Node) -> list[str | None]:
    """The names of a node's results, one for each: None where a result is not kept."""
    if len(node.outputs) == 1 and isinstance(node.outputs[0], tuple):
        return list(node.outputs[0])
    return [output for output in node.outputs if not isinstance(output, tuple)]
