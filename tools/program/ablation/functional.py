"""Programs that write in place, turned into ones that do not."""

from dataclasses import replace

from tools.program.graph import Argument, Node, Program, Ref
from tools.program.operators import ALLOWED
from tools.program.slices import Memory, gives, reads
from tools.program.values import is_view


def functional(program: Program) -> Program:
    """The same computation without writes, as far as that can be told: an activation in place becomes a plain one, and
    what reads the value afterwards reads the new one.

    A write stays where the value is an input, a weight, or seen through a view that was taken before it.
    """
    memory = Memory(program)
    writes = {node.index: memory.writes(node) for node in program.nodes if memory.writes(node)}
    if not writes:
        return program
    sharing: dict[str, list[str]] = {}
    for name in (*(tensor.name for tensor in program.inputs), *program.weights, *_given(program)):
        sharing.setdefault(memory.of(name), []).append(name)
    makers = {name: node for node in program.nodes for name in gives(node)}
    new_names: dict[str, str] = {}
    nodes = []
    for node in program.nodes:
        renamed = _renamed(node, new_names)
        if node.index in writes and _replaceable(node, writes, sharing[memory.of(writes[node.index][0])], makers):
            twin = node.operator.replace("_.", ".", 1)
            written, own = renamed.arguments[0], gives(node)[0]
            assert isinstance(written, Ref)
            new_names = {old: own if new == written.name else new for old, new in new_names.items()}
            new_names[written.name] = own
            renamed = replace(renamed, operator=twin)
        nodes.append(renamed)
    outputs = tuple(new_names.get(name, name) for name in program.outputs)
    return replace(program, nodes=tuple(nodes), outputs=outputs)


def _given(program: Program) -> list[str]:
    return [name for node in program.nodes for name in gives(node)]


def _replaceable(node: Node, writes: dict[int, list[str]], sharing: list[str], makers: dict[str, Node]) -> bool:
    """Whether the write is the operator's twin, on its first argument, and no view sees it from before."""
    twin = node.operator.replace("_.", ".", 1)
    if twin == node.operator or twin not in ALLOWED or not node.arguments or not isinstance(node.arguments[0], Ref):
        return False
    if writes[node.index] != [node.arguments[0].name]:
        return False
    if any(name not in makers for name in sharing):
        return False
    last = max(index for index in writes if not set(writes[index]).isdisjoint(sharing))
    before = [makers[name] for name in sharing if makers[name].index < last]
    return not any(is_view(maker) and not set(reads(maker)).isdisjoint(sharing) for maker in before)


def _renamed(node: Node, names: dict[str, str]) -> Node:
    if set(reads(node)).isdisjoint(names):
        return node
    return replace(
        node,
        arguments=tuple(_new(argument, names) for argument in node.arguments),
        keywords={key: _new(argument, names) for key, argument in node.keywords.items()},
    )


def _new(argument: Argument, names: dict[str, str]) -> Argument:
    if isinstance(argument, tuple):
        return tuple(_new(item, names) for item in argument)
    return Ref(names.get(argument.name, argument.name)) if isinstance(argument, Ref) else argument
