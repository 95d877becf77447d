"""Does an exported program leave the rows open, and answer as the module does?"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from knowledge.exporting.batches import Inputs, called_with
from tools.program.interpreter import SEED
from tools.program.operators import ALLOWED

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Kernels may add in another order: so much may an output differ, of its own size and of the tensor's largest value."""


TAKEN_APART = "operator.getitem"
"""Takes one of several outputs; in a file these have names of their own."""


def answer(module: Any, inputs: Inputs) -> list[Any]:
    """All outputs of a module or function, flat; random operators draw from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return _answer(module, inputs)


def _answer(module: Any, inputs: Inputs) -> list[Any]:
    positional, named = called_with(inputs)
    with torch.no_grad():
        return pytree.tree_leaves(module(*positional, **named))


def drawn(module: nn.Module, inputs: Inputs) -> str | None:
    """How a module's answers to the same rows differ, where it draws random numbers of torch's; None otherwise."""
    with torch.random.fork_rng(devices=[]):
        return difference(_answer(module, inputs), _answer(module, inputs))


def not_run(program: ExportedProgram) -> str | None:
    """The operators of a program that are not run where snapshots are examined; None where all are."""
    calls = {node.target for node in program.graph.nodes if node.op == "call_function"}
    names = {str(c) if isinstance(c, OpOverload) else f"{c.__module__}.{c.__name__}".removeprefix("_") for c in calls}
    refused = sorted(names - ALLOWED - {TAKEN_APART})
    return f"it calls operators that are not run here: {', '.join(refused)}" if refused else None


def closed(program: ExportedProgram, opened: list[tuple[int, ...]]) -> str | None:
    """The first dimension that was to be open and has been fixed; `Dim.AUTO` fixes dimensions without a word."""
    for where, size, limits in _open_sizes(program, opened):
        if not limits or any(limit is None or limit.lower == limit.upper for limit in limits):
            return f"{where} was fixed at {size} instead of being left open"
    return None


def limited(program: ExportedProgram, opened: list[tuple[int, ...]]) -> list[str]:
    """The open dimensions that may only be so large: beyond, the model would take another path."""
    return [
        f"{where} may be {limit.lower} to {limit.upper} only"
        for where, _, limits in _open_sizes(program, opened)
        for limit in limits
        if limit.upper.is_Integer
    ]


def _open_sizes(program: ExportedProgram, opened: list[tuple[int, ...]]) -> Iterator[tuple[str, Any, list[Any]]]:
    """Each dimension that was to be open: where it is, its size, and the range of each symbol of it."""
    given = set(program.graph_signature.user_inputs)
    nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in given]
    tensors = [node for node in nodes if isinstance(node.meta.get("val"), Tensor)]
    for node, dimensions in zip(tensors, opened, strict=True):
        for d in dimensions:
            size = node.meta["val"].shape[d]
            symbols = set() if isinstance(size, int) else size.node.expr.free_symbols
            limits = [program.range_constraints.get(symbol) for symbol in symbols]
            yield f"dimension {d} of input {node.name!r}", size, limits


def difference(expected: list[Any], actual: list[Any]) -> str | None:
    """What differs between two flat lists of outputs; None where they agree to within float rounding."""
    if len(expected) != len(actual):
        return f"{len(expected)} outputs became {len(actual)}"
    for place, (one, two) in enumerate(zip(expected, actual, strict=True)):
        if isinstance(one, Tensor) and isinstance(two, Tensor):
            reason = _tensor_difference(one, two)
        else:
            reason = None if type(one) is type(two) and one == two else f"{one!r} became {two!r}"
        if reason:
            return f"output {place}: {reason}"
    return None


def _tensor_difference(expected: Tensor, actual: Tensor) -> str | None:
    if expected.dtype != actual.dtype or expected.shape != actual.shape:
        return f"{expected.dtype}{list(expected.shape)} became {actual.dtype}{list(actual.shape)}"
    if not expected.dtype.is_floating_point:
        return None if torch.equal(expected, actual) else "its values differ"
    one, two = expected.double(), actual.double()
    finite = one[one.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    narrow = max(1.0, math.sqrt(torch.finfo(expected.dtype).eps / torch.finfo(torch.float32).eps))
    if torch.allclose(one, two, rtol=RELATIVE * narrow, atol=ABSOLUTE * narrow * scale, equal_nan=True):
        return None
    return f"its values differ by up to {float((one - two).abs().nan_to_num(math.inf).max()):.3g}"
