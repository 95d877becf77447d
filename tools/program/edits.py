"""Changes to a program's graph, to try out what a change to the model would do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tools.program.graph import Argument, Kind, Node, Program, Ref

if TYPE_CHECKING:
    from torch import Tensor

HALVES = ("float16", "bfloat16")
NEW = "hawkeye_inserted"


def with_epsilon(program: Program, node: Node, operand: str, epsilon: float, signed: bool) -> Program:
    """What goes into one operator held away from zero: at least `epsilon`, or so in magnitude where it has a sign."""
    own = Ref(operand)
    if not signed:
        return _before(program, node, operand, [("aten.clamp_min.default", (own, epsilon))])
    magnitude, least = Ref(f"{NEW}_0"), Ref(f"{NEW}_1")
    calls: list[tuple[str, tuple[Argument, ...]]] = [
        ("aten.abs.default", (own,)),
        ("aten.clamp_min.default", (magnitude, epsilon)),
        ("aten.copysign.Tensor", (least, own)),
    ]
    return _before(program, node, operand, calls)


def with_layer_norm(program: Program, node: Node, operand: str, width: int) -> Program:
    """What goes into one operator normalised over its last dimension, of that width."""
    return _before(program, node, operand, [("aten.layer_norm.default", (Ref(operand), (width,)))])


def in_single_precision(program: Program) -> Program:
    """The same computation with single precision wherever it has half precision."""
    import torch

    halves = (torch.float16, torch.bfloat16)
    nodes = tuple(
        replace(
            node,
            arguments=tuple(_widened(argument) for argument in node.arguments),
            keywords={name: _widened(argument) for name, argument in node.keywords.items()},
        )
        for node in program.nodes
    )
    inputs = tuple(
        replace(tensor, dtype="float32" if tensor.dtype in HALVES else tensor.dtype) for tensor in program.inputs
    )
    weights = {name: value.float() if value.dtype in halves else value for name, value in program.weights.items()}
    return replace(program, nodes=nodes, inputs=inputs, weights=weights)


def widened(values: "Sequence[Tensor]") -> "list[Tensor]":
    """Tensors of half precision in single precision; the others as they are."""
    import torch

    return [value.float() if value.dtype in (torch.float16, torch.bfloat16) else value for value in values]


def _before(program: Program, node: Node, operand: str, calls: Sequence[tuple[str, tuple[Argument, ...]]]) -> Program:
    """The program with some calls inserted before a node, which takes the last one's result in place of an operand."""
    names = [f"{NEW}_{place}" for place in range(len(calls))]
    inserted = [
        Node(0, name, operator, arguments, {}, (name,), node.module, node.module_class, node.source)
        for name, (operator, arguments) in zip(names, calls, strict=True)
    ]
    fed = replace(
        node,
        arguments=tuple(_renamed(argument, operand, names[-1]) for argument in node.arguments),
        keywords={name: _renamed(argument, operand, names[-1]) for name, argument in node.keywords.items()},
    )
    nodes = [*program.nodes[: node.index], *inserted, fed, *program.nodes[node.index + 1 :]]
    return replace(program, nodes=tuple(replace(each, index=place) for place, each in enumerate(nodes)))


def _renamed(argument: Argument, old: str, new: str) -> Argument:
    if isinstance(argument, tuple):
        return tuple(_renamed(item, old, new) for item in argument)
    return Ref(new) if argument == Ref(old) else argument


def _widened(argument: Argument) -> Argument:
    if isinstance(argument, tuple):
        return tuple(_widened(item) for item in argument)
    if isinstance(argument, Kind) and argument.what == "dtype" and argument.name in HALVES:
        return Kind("dtype", "float32")
    return argument
