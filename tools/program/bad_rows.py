"""The rows of a batch that are bad in a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.program.badness import Badness
from tools.program.graph import Node
from tools.program.values import output_names

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.interpreter import Interpreter


def by_row(value: "Tensor", rows: int) -> bool:
    """Whether a value has an entry for each row."""
    return value.dim() > 0 and value.shape[0] == rows and value.numel() > 0 and not value.is_complex()


def non_finite_rows(outputs: "Mapping[str, Tensor]", rows: int) -> np.ndarray:
    """bool[n]: the rows of which any output is no number. An output without rows counts for all of them."""
    bad = np.zeros(rows, dtype=bool)
    for value in outputs.values():
        finite = value.isfinite()
        bad |= ~finite.reshape(rows, -1).all(dim=1).numpy() if by_row(value, rows) else not bool(finite.all())
    return bad


def run_judged(
    interpreter: "Interpreter",
    inputs: "Sequence[Tensor]",
    rows: int,
    badness: Badness,
    given: "Mapping[str, Tensor] | None" = None,
) -> "tuple[dict[str, Tensor], np.ndarray]":
    """The outputs of a run, and its bad rows (bool[n]): with a prediction that is no number, or, where extremes are
    asked for, with any value beyond its limits."""
    bad = np.zeros(rows, dtype=bool)

    def watch(node: Node, result: Any) -> None:
        for name, value in zip(output_names(node), result if isinstance(result, tuple) else (result,), strict=False):
            if name is None or not badness.judges(name, value) or not badness.anywhere(name, value):
                continue
            spoiled = badness.elements(name, value)
            bad[:] |= spoiled.reshape(rows, -1).any(dim=1).numpy() if by_row(value, rows) else bool(spoiled.any())

    outputs = interpreter.run(inputs, watch=watch if badness.problem == "extreme" else None, given=given)
    return outputs, bad | non_finite_rows(outputs, rows)
