"""Parts of a graph that only switch gradients off are written out where they stand: the values are the same.

`with torch.no_grad()` in a model becomes one node with a graph of its own. No other operator on graphs is interpreted.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from knowledge.pt2.raw import Malformed, RawGraph, RawNode, Union, member, text_at

GRADIENT_SWITCH = "torch.ops.higher_order.wrap_with_set_grad_enabled"
DEPTH_LIMIT = 8
VALUES = ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool")
NAME_KEYS = ("name", "as_name")


def written_out(nodes: list[RawNode], depth: int = 0) -> Iterator[RawNode]:
    """The nodes, with each gradient switch replaced by what is in it. Raises `Malformed`."""
    for node in nodes:
        if node.target != GRADIENT_SWITCH:
            yield node
            continue
        if depth == DEPTH_LIMIT:
            raise Malformed(f"it lies more than {DEPTH_LIMIT} graphs deep")
        yield from written_out(list(_inside(node)), depth + 1)


def _inside(switch: RawNode) -> Iterator[RawNode]:
    prefix = text_at({"name": switch.name}, "name")
    graph, operands = _graph(switch)
    if len(graph.inputs) != len(operands) or len(graph.outputs) != len(switch.outputs):
        raise Malformed(f"{prefix!r} and the graph in it do not have the same inputs and outputs")
    names = {_name(inner): _name(outer) for inner, outer in zip(graph.inputs, operands, strict=True)}
    copies = []
    for inner, outer in zip(graph.outputs, switch.outputs, strict=True):
        if _name(inner) in names:  # an input, or a value that is given twice
            copies.append((names[_name(inner)], outer))
        else:
            names[_name(inner)] = _name(outer)
    for node in graph.nodes:
        for output in node.outputs:
            for name in _names(output):
                names.setdefault(name, f"{prefix}.{name}")
        yield RawNode(
            target=node.target,
            inputs=[given.model_copy(update={"arg": _renamed(given.arg, names)}) for given in node.inputs],
            outputs=[_renamed(output, names) for output in node.outputs],
            metadata=node.metadata,
            name=f"{prefix}.{node.name}",
        )
    for name, outer in copies:
        yield RawNode.model_validate(
            {
                "target": "torch.ops.aten.alias.default",
                "inputs": [{"name": "self", "arg": {"as_tensor": {"name": name}}, "kind": 1}],
                "outputs": [outer],
                "name": f"{prefix}.{_name(outer)}",
            }
        )


def _graph(switch: RawNode) -> tuple[RawGraph, list[Union]]:
    """The graph in a gradient switch, and what it is called with."""
    given = [argument.arg for argument in switch.inputs]
    if len(given) < 2 or "as_bool" not in given[0] or "as_graph" not in given[1]:
        raise Malformed("a gradient switch must be given a flag and a graph")
    try:
        return RawGraph.model_validate(given[1]["as_graph"].get("graph")), given[2:]
    except (ValidationError, AttributeError):
        raise Malformed("the graph in a gradient switch is not what the format says") from None


def _name(union: Union) -> str:
    kind, value = member(union)
    if kind not in VALUES:
        raise Malformed(f"a gradient switch is given or gives a value of the kind {kind!r}, which is not supported")
    return text_at(value, "name" if kind == "as_tensor" else "as_name")


def _names(union: Any) -> Iterator[str]:
    """Every name in a tagged value."""
    if isinstance(union, dict):
        for key, value in union.items():
            if key in NAME_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _names(value)
    elif isinstance(union, list):
        for value in union:
            yield from _names(value)


def _renamed(union: Any, names: dict[str, str]) -> Any:
    """The tagged value with other names. A name that nothing in the graph gives is one that nothing gives."""
    if isinstance(union, dict):
        return {
            key: names.get(value, f"{value}, which is not in the graph")
            if key in NAME_KEYS and isinstance(value, str)
            else _renamed(value, names)
            for key, value in union.items()
        }
    return [_renamed(value, names) for value in union] if isinstance(union, list) else union
