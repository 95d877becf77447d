"""Where the badness that reaches the targets begins: bad values that are made of good ones."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program.graph import Argument, Node, Program
from tools.program.observation import Observation
from tools.program.slices import gives, reads

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Origin:
    """A bad value that is made of good ones only, in some rows (bool): a weight, an input, or a node's output."""

    value: str
    node: Node | None
    rows: "Tensor"


def alive(program: Program, seen: Observation, targets: Collection[str]) -> dict[str, "Tensor"]:
    """The badness that reaches the targets through bad values: value name → rows (bool)."""
    import torch

    live = {name: seen.bad[name].clone() for name in targets if name in seen.bad}
    for node in reversed(program.nodes):
        reached = [live[name] for name in gives(node) if name in live]
        if not reached:
            continue
        rows = torch.stack(reached).any(0)
        for name in set(reads(node)):
            taken = seen.of(name)
            if taken is None:
                continue
            # Where rows are mixed, a row may be spoiled by another one: then the badness of that other row is alive.
            own = taken & rows
            own = own if bool(own.any()) else taken
            live[name] = live[name] | own if name in live else own
    return live


def origins(
    program: Program,
    seen: Observation,
    live: dict[str, "Tensor"],
    excused: frozenset[str],
) -> list[Origin]:
    """The bad values that are made of good ones and reach the targets: weights, then inputs, then nodes in order.

    `excused` values (`on_purpose`) are passed over in the rows where another origin is found.
    """
    strict = _origins(program, seen, live, excused)
    covered = _rows_of(strict, seen.rows)
    every = [origin for origin in _origins(program, seen, live, frozenset()) if bool((origin.rows & ~covered).any())]
    if not strict:
        return every
    return strict + [Origin(origin.value, origin.node, origin.rows & ~covered) for origin in every]


def _origins(program: Program, seen: Observation, live: dict[str, "Tensor"], excused: frozenset[str]) -> list[Origin]:
    found = []
    for name in (*program.weights, *(tensor.name for tensor in program.inputs)):
        if name in live and name in seen.bad and name not in excused:
            found.append(Origin(name, None, live[name]))
    for node in program.nodes:
        names = [name for name in gives(node) if name in live and name in seen.bad and name not in excused]
        if not names:
            continue
        made = _made_here(node, names[0], seen, live, excused)
        if made is not None and bool(made.any()):
            found.append(Origin(names[0], node, made))
    return found


def _made_here(
    node: Node, name: str, seen: Observation, live: dict[str, "Tensor"], excused: frozenset[str]
) -> "Tensor | None":
    """The rows in which a node makes a bad value of good ones. A value without rows must have only good ones."""
    rows = live[name]
    for taken in set(reads(node)) - excused:
        spoiled = seen.of(taken)
        if spoiled is not None:
            rows = rows & ~spoiled
            if name in seen.shared and bool(spoiled.any()):
                return None
    return rows


def on_purpose(program: Program, seen: Observation, good: "Tensor", known: frozenset[str]) -> frozenset[str]:
    """The values whose infinities were put there on purpose, as those of an attention mask are; `known` ones too.

    They are infinite and not NaN, and are so in rows that turn out `good`, or are written in the graph, or come of
    others that are there on purpose.
    """
    excused = set(known)
    for name in (*program.weights, *(tensor.name for tensor in program.inputs)):
        if name in seen.infinite and name in seen.bad and bool((seen.bad[name] & good).any()):
            excused.add(name)
    for node in program.nodes:
        for name in gives(node):
            if name not in seen.infinite:
                continue
            spoiled = [taken for taken in reads(node) if seen.of(taken) is not None]
            if (
                bool((seen.bad[name] & good).any())
                or _names_infinity(node)
                or (spoiled and all(taken in excused for taken in spoiled))
            ):
                excused.add(name)
    return frozenset(excused)


def _names_infinity(node: Node) -> bool:
    def infinite(argument: Argument) -> bool:
        if isinstance(argument, tuple):
            return any(infinite(item) for item in argument)
        return isinstance(argument, float) and math.isinf(argument)

    return any(infinite(argument) for argument in (*node.arguments, *node.keywords.values()))


def _rows_of(found: Sequence[Origin], rows: int) -> "Tensor":
    import torch

    return torch.stack([origin.rows for origin in found]).any(0) if found else torch.zeros(rows, dtype=torch.bool)
