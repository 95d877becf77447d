"""The JSON graph of a `.pt2` file as nodes: every name is known before it is read, and every argument is plain data."""

from knowledge.pt2.arguments import argument_of, output_of
from knowledge.pt2.inlining import written_out
from knowledge.pt2.places import module_of, source_of
from knowledge.pt2.raw import NODES_LIMIT, Malformed, RawNode, text_at
from knowledge.stored_tensor import plain_name
from tools.program.graph import Argument, Node

POSITIONAL, KEYWORD = 1, 2


def nodes_of(raw: list[RawNode], known: set[str]) -> tuple[Node, ...]:
    """The nodes in their order. `known` are the names of weights and inputs, and gets those of the outputs.

    Raises `Malformed` naming the node, for a name that is not known or is given twice, and for arguments that are no
    plain data.
    """
    nodes: list[Node] = []
    names: set[str] = set()
    for index, node in enumerate(written_out(raw)):
        if index == NODES_LIMIT:
            raise Malformed(f"it has more than {NODES_LIMIT} nodes")
        try:
            nodes.append(_node(index, node, known))
        except Malformed as error:
            named = f"{(node.name or 'without a name')[:40]}, {node.target[:80]}"
            raise Malformed(f"node {index} ({named}): {error}") from None
        if nodes[-1].name in names:
            raise Malformed(f"the node {nodes[-1].name!r} is there twice")
        names.add(nodes[-1].name)
    return tuple(nodes)


def _node(index: int, raw: RawNode, known: set[str]) -> Node:
    if not plain_name(raw.target):
        raise Malformed("its operator has no plain name")
    if raw.target.startswith("torch.ops.higher_order."):
        raise Malformed("it is control flow or another operator on graphs, which is not interpreted here")
    positional: list[Argument] = []
    keywords: dict[str, Argument] = {}
    for given in raw.inputs:
        argument = argument_of(given.arg, known)
        if given.kind == KEYWORD or (given.kind is None and raw.target.startswith("torch.ops.")):
            if given.name in keywords:
                raise Malformed(f"the argument {given.name!r} is there twice")
            keywords[given.name] = argument
        elif given.kind in (POSITIONAL, None):
            positional.append(argument)
        else:
            raise Malformed(f"the argument {given.name!r} is of the unknown kind {given.kind}")
    outputs = tuple(output_of(output) for output in raw.outputs)
    flat = [name for output in outputs for name in (output if isinstance(output, tuple) else (output,)) if name]
    for name in flat:
        if name in known:
            raise Malformed(f"the value {name!r} is given twice")
        known.add(name)
    module, module_class = module_of(raw.metadata.get("nn_module_stack", ""))
    return Node(
        index=index,
        name=text_at({"name": raw.name}, "name") if raw.name else flat[0] if flat else f"node_{index}",
        operator=raw.target.removeprefix("torch.ops.").removeprefix("_"),
        arguments=tuple(positional),
        keywords=keywords,
        outputs=outputs,
        module=module,
        module_class=module_class,
        source=source_of(raw.metadata.get("stack_trace", "")),
    )
