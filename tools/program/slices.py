"""Which nodes a value is made of, and which it reaches: the dependencies of a program, never too few."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from tools.program.calls import resolve, written_arguments
from tools.program.graph import Argument, Node, Program, Ref


@dataclass(frozen=True)
class Slice:
    """The nodes to run (indices, ascending) and the inputs and weights to bind so that some values come out right."""

    nodes: tuple[int, ...]
    inputs: frozenset[str]
    weights: frozenset[str]


def reads(node: Node) -> list[str]:
    """The names of the values that a node takes, in their order; a name as often as it is given."""
    names: list[str] = []
    _collect(node.arguments, names)
    if node.keywords:
        _collect(tuple(node.keywords.values()), names)
    return names


def gives(node: Node) -> list[str]:
    """The names of the values that a node gives, those of its lists included."""
    if len(node.outputs) == 1 and isinstance(node.outputs[0], str):
        return [node.outputs[0]]
    names: list[str] = []
    for output in node.outputs:
        if isinstance(output, str):
            names.append(output)
        elif output is not None:
            names += [name for name in output if name is not None]
    return names


def backward(program: Program, values: Collection[str]) -> Slice:
    """All that these values depend on.

    A node that writes into a tensor in place belongs to the slice of every value that shares memory with it (by the
    operators' own declarations), so that nothing is missed in graphs that were exported before they were made
    functional.
    """
    memory = Memory(program)
    needed = set(values)
    touched = {memory.of(name) for name in needed}
    kept = []
    for node in reversed(program.nodes):
        written = [memory.of(name) for name in memory.writes(node)]
        if needed.isdisjoint(gives(node)) and touched.isdisjoint(written):
            continue
        kept.append(node.index)
        taken = reads(node)
        needed.update(taken)
        touched.update(map(memory.of, taken))
    inputs = frozenset(tensor.name for tensor in program.inputs)
    return Slice(tuple(reversed(kept)), inputs & needed, frozenset(program.weights) & needed)


def forward(program: Program, values: Collection[str]) -> frozenset[str]:
    """The names of all values that depend on these, themselves included."""
    memory = Memory(program)
    reached = set(values)
    spoiled: set[str] = set()  # memory that something reached was written into: all that is read of it later is reached
    for node in program.nodes:
        taken = reads(node)
        if reached.isdisjoint(taken) and spoiled.isdisjoint(map(memory.of, taken)):
            continue
        reached.update(gives(node))
        spoiled.update(memory.of(name) for name in memory.writes(node))
    if spoiled:
        known = [*(tensor.name for tensor in program.inputs), *program.weights]
        known += [name for node in program.nodes for name in gives(node)]
        reached.update(name for name in known if memory.of(name) in spoiled)
    return frozenset(reached)


class Memory:
    """Which values may share memory: each has a root. Every value is its own where nothing is written in place."""

    def __init__(self, program: Program) -> None:
        self._parents: dict[str, str] = {}
        self._writes = {node.index: written for node in program.nodes if (written := _written(node))}
        if self._writes:
            for node in program.nodes:
                self._share(_shared(node))

    def of(self, name: str) -> str:
        while name in self._parents:
            name = self._parents[name]
        return name

    def writes(self, node: Node) -> list[str]:
        return self._writes.get(node.index, [])

    def _share(self, names: list[str]) -> None:
        roots = sorted({self.of(name) for name in names})
        for root in roots[1:]:
            self._parents[root] = roots[0]


def _written(node: Node) -> list[str]:
    """The values that a node writes into."""
    if not _may_write(node.operator):
        return []
    names: list[str] = []
    _collect(tuple(written_arguments(node, resolve(node.operator))), names)
    return names


@cache
def _may_write(operator: str) -> bool:
    """Asked once per operator: schemas are slow. Norms may write their statistics, which their schemas do not say."""
    schema = getattr(resolve(operator), "_schema", None)
    declared = schema is not None and any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    return declared or operator.endswith("_norm.default")


def _shared(node: Node) -> list[str]:
    """The values that are one memory after this node: its outputs and what they are views of."""
    schema = getattr(resolve(node.operator), "_schema", None)
    if schema is None:  # Python's own: an item of a list of tensors shares that list's memory
        return [*reads(node), *gives(node)] if node.operator == "operator.getitem" else []
    if all(given.alias_info is None for given in schema.returns):
        return []
    named = dict(zip((argument.name for argument in schema.arguments), node.arguments, strict=False))
    named.update(node.keywords)
    aliased = tuple(named.get(argument.name) for argument in schema.arguments if argument.alias_info is not None)
    names = gives(node)
    _collect(aliased, names)
    return names


def _collect(arguments: tuple[Argument, ...], names: list[str]) -> None:
    for argument in arguments:
        if isinstance(argument, Ref):
            names.append(argument.name)
        elif isinstance(argument, tuple):
            _collect(argument, names)
