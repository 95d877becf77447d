"""What would help against a bad value, where the walk shows the need: each tried out in the graph, on the same rows."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.ports import PortError
from tools.program import edits
from tools.program.bad_rows import by_row, run_judged
from tools.program.badness import Badness
from tools.program.causes import Cause, Trace
from tools.program.downstream import hold
from tools.program.graph import Node, Program, Ref
from tools.program.interpreter import Interpreter
from tools.program.slices import reads
from tools.records import Samples

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.runs import Run

SMALL = 1e-2
"""An epsilon is this share of the typical magnitude of what it keeps from zero."""
MOST_INPUTS = 3
POSITIVE_OPERAND = {"log", "log2", "log10", "sqrt", "rsqrt"}
SIGNED_OPERAND = {"reciprocal": 0, "div": 1, "true_divide": 1}
PRODUCTS = {"linear", "mm", "bmm", "addmm", "matmul", "baddbmm", "einsum"}

Outputs = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Suggestion:
    """A change to the model in words, the node or feature that it concerns, and what came of trying it.

    Of `rows` predictions `bad_before` were bad and `bad_after` still are. `moved` is the median change of the good
    ones as a share of their standard deviation, NaN where no row is good: where it is large, the model would have to
    be trained again with the change.
    """

    what: str
    node: str
    feature: str | None
    rows: int
    bad_before: int
    bad_after: int
    moved: float


def suggest(now: "Run", traced: Trace, first: Node | None, badness: Badness, usual: Samples) -> tuple[Suggestion, ...]:
    """The changes that fit what was found, those that heal most first. None for weights: they are to be mended.

    `usual` are samples from before: they say to what a feature may be clipped where no row of the batch is good.
    """
    if first is None or traced.origin in (None, "weight"):
        return ()
    tried = []
    for what, node, feature, attempt in _changes(now, traced, first, badness, usual):
        try:
            tried.append(_outcome(now, badness, what, node, feature, *attempt()))
        except PortError:  # the graph does not take this change, for example for its types
            continue
    return tuple(sorted(tried, key=lambda suggestion: (suggestion.bad_after, suggestion.moved)))


Attempt = tuple[str, Node, str | None, Callable[[], "tuple[Outputs, np.ndarray]"]]


def _changes(now: "Run", traced: Trace, first: Node, badness: Badness, usual: Samples) -> Iterator[Attempt]:
    good = np.ones(len(now.rows), dtype=bool)
    good[list(traced.rows_bad)] = False
    for cause in [cause for cause in traced.sufficient if cause.kind == "dense"][:MOST_INPUTS]:
        yield from _clip(now, cause, first, badness, good, usual)
    yield from _epsilon(now, first, badness)
    if any(weight.element_size() == 2 and weight.is_floating_point() for weight in now.program.weights.values()):
        yield (
            "compute in single precision instead of half precision (a larger accumulation type)",
            first,
            None,
            lambda: _run(
                edits.in_single_precision(now.program), edits.widened(now.rows.inputs), badness, len(now.rows)
            ),
        )
    if badness.problem == "extreme" and _kind(first) in PRODUCTS:
        yield from _normalise(now, first, badness)


def _clip(
    now: "Run", cause: Cause, first: Node, badness: Badness, good: np.ndarray, usual: Samples
) -> Iterator[Attempt]:
    place = [tensor.name for tensor in now.program.inputs].index(cause.input)
    values = now.rows.inputs[place].reshape(len(now.rows), -1)[:, list(cause.columns)].double().numpy()[good]
    values = values[np.isfinite(values)]
    if not len(values) and cause.feature in usual.features:
        values = np.asarray(usual.features[cause.feature], dtype=np.float64)
        values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())

    def clip(tensor: "Tensor") -> "Tensor":
        changed = tensor.clone()
        part = changed.reshape(len(now.rows), -1)
        for column, baseline in zip(cause.columns, cause.baseline, strict=True):
            part[:, column] = hold(part[:, column], low, high, baseline)
        return part.reshape(tensor.shape)

    def attempt() -> "tuple[Outputs, np.ndarray]":
        inputs = [clip(value) if at == place else value for at, value in enumerate(now.rows.inputs)]
        return _run(now.program, inputs, badness, len(now.rows))

    name = cause.feature or f"column {cause.columns[0]} of the input {cause.input}"
    what = f"clip {name} to [{low:.4g}, {high:.4g}], the range of good rows, and NaN to its baseline"
    yield what, first, cause.feature, attempt


def _epsilon(now: "Run", first: Node, badness: Badness) -> Iterator[Attempt]:
    kind = _kind(first)
    if kind not in POSITIVE_OPERAND and kind not in SIGNED_OPERAND:
        return
    place = SIGNED_OPERAND.get(kind, 0)
    operand = first.arguments[place] if len(first.arguments) > place else None
    if not isinstance(operand, Ref) or operand.name in now.program.weights:
        return
    value = now.interpreter.run(now.rows.inputs, keep=[operand.name])[operand.name]
    usual = value.detach().abs()
    usual = usual[usual.isfinite() & (usual > 0)]
    epsilon = SMALL * float(usual.double().median()) if usual.numel() else 1e-6
    signed = kind in SIGNED_OPERAND and bool((value < 0).any())
    what = f"an epsilon of {epsilon:.2g} under the {kind}: keep what goes into it at least so far from zero"
    program = edits.with_epsilon(now.program, first, operand.name, epsilon, signed)
    yield what, first, None, lambda: _run(program, now.rows.inputs, badness, len(now.rows))


def _normalise(now: "Run", first: Node, badness: Badness) -> Iterator[Attempt]:
    operand = next((name for name in reads(first) if name not in now.program.weights), None)
    if operand is None:
        return
    value = now.interpreter.run(now.rows.inputs, keep=[operand])[operand]
    if not value.is_floating_point() or value.dim() < 2 or value.shape[-1] < 2:
        return
    program = edits.with_layer_norm(now.program, first, operand, value.shape[-1])
    what = f"layer norm before the {_kind(first)}"
    yield what, first, None, lambda: _run(program, now.rows.inputs, badness, len(now.rows))


def _kind(node: Node) -> str:
    return node.operator.split(".")[1].rstrip("_")


def _run(
    program: Program, inputs: "list[Tensor] | tuple[Tensor, ...]", badness: Badness, rows: int
) -> "tuple[Outputs, np.ndarray]":
    return run_judged(Interpreter(program), inputs, rows, badness)


def _outcome(
    now: "Run",
    badness: Badness,
    what: str,
    node: Node,
    feature: str | None,
    outputs: Outputs,
    bad: np.ndarray,
) -> Suggestion:
    before = _run(now.program, now.rows.inputs, badness, len(now.rows))[1]
    return Suggestion(
        what=what,
        node=node.name,
        feature=feature,
        rows=len(now.rows),
        bad_before=int(before.sum()),
        bad_after=int(bad.sum()),
        moved=_moved(now.outputs, outputs, ~before, len(now.rows)),
    )


def _moved(before: Outputs, after: Outputs, good: np.ndarray, rows: int) -> float:
    """The median change of the good rows' predictions as a share of their standard deviation; the largest output's."""
    shares = []
    for name, value in before.items():
        if not by_row(value, rows) or not good.any():
            continue
        old, new = (part.detach().reshape(rows, -1).double().numpy()[good] for part in (value, after[name]))
        spread = float(old.std())
        change = float(np.median(np.abs(new - old).max(axis=1)))
        shares.append(change / spread if spread > 0 else (0.0 if change == 0 else math.inf))
    return max(shares, default=math.nan)
