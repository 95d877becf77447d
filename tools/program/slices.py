"""Which nodes a value is made of, and which it reaches: the dependencies of a program, never too few."""

from collections.abc import Collection, Iterator
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
    return [name for argument in (*node.arguments, *node.keywords.values()) for name in _references(argument)]


def gives(node: Node) -> list[str]:
    """The names of the values that a node gives, those of its lists included."""
    return [name for output in node.outputs for name in _names(output)]


def backward(program: Program, values: Collection[str]) -> Slice:
    """All that these values depend on.

    A node that writes into a tensor in place belongs to the slice of every value that shares memory with it (by the
    operators' own declarations), so that nothing is missed in graphs that were exported before they were made
    functional.
    """
    memory = _Memory(program)
    needed = set(values)
    touched = {memory.of(name) for name in needed}
    kept = []
    for node in reversed(program.nodes):
        written = {memory.of(name) for name in memory.writes(node)}
        if needed.isdisjoint(gives(node)) and touched.isdisjoint(written):
            continue
        kept.append(node.index)
        needed.update(reads(node))
        touched.update(memory.of(name) for name in reads(node))
    inputs = frozenset(tensor.name for tensor in program.inputs)
    return Slice(tuple(reversed(kept)), inputs & needed, frozenset(program.weights) & needed)


def forward(program: Program, values: Collection[str]) -> frozenset[str]:
    """The names of all values that depend on these, themselves included."""
    memory = _Memory(program)
    reached = set(values)
    spoiled: set[str] = set()  # memory that something reached was written into: all that is read of it later is reached
    for node in program.nodes:
        taken = reads(node)
        if reached.isdisjoint(taken) and spoiled.isdisjoint(map(memory.of, taken)):
            continue
        reached.update(gives(node))
        spoiled.update(memory.of(name) for name in memory.writes(node))
    return frozenset(reached)


class _Memory:
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
    return [name for argument in written_arguments(node, resolve(node.operator)) for name in _references(argument)]


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
    aliased = [named.get(argument.name) for argument in schema.arguments if argument.alias_info is not None]
    return [*(name for argument in aliased for name in _references(argument)), *gives(node)]


def _references(argument: Argument) -> Iterator[str]:
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, tuple):
        for item in argument:
            yield from _references(item)


def _names(output: str | tuple[str | None, ...] | None) -> Iterator[str]:
    if isinstance(output, tuple):
        yield from (name for name in output if name is not None)
    elif output is not None:
        yield output
