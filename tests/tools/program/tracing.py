"""Tracing in tests: a run, and what is looked at in its answer."""

from torch import Tensor

from tools.program.badness import Badness
from tools.program.causes import Trace
from tools.program.graph import Program
from tools.program.interpreter import Interpreter
from tools.program.upstream import trace

NAN, INF = float("nan"), float("inf")


def run(program: Program, *inputs: Tensor, bad: Badness | None = None) -> Trace:
    """The trace of non-finite values, where nothing else is bad. The inputs must stay as they are."""
    kept = [value.clone() for value in inputs]
    answer = trace(Interpreter(program), inputs, bad or Badness())
    assert all(
        value.equal(before) or value.isnan().equal(before.isnan()) for value, before in zip(inputs, kept, strict=True)
    )
    return answer


def causes(answer: Trace) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Feature or input, columns and rows of each cause."""
    return [(cause.feature or cause.input, cause.columns, cause.rows) for cause in answer.causes]


def operator(program: Program, index: int | None) -> str:
    """The short name of a node's operator."""
    assert index is not None
    return program.nodes[index].operator.split(".")[1]
