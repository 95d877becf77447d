"""The graph as a picture that a person can read: collapsed by module, with the ranges of what each gives."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tools.program.graph import Node, Program
from tools.program.runs import Run
from tools.program.slices import gives, reads
from tools.program.tensor_statistics import Range
from tools.program.yardstick import Yardstick

MOST = 60
"""Boxes of a picture: beyond that, modules are shown by their parents."""


@dataclass(frozen=True)
class Box:
    """A module, or several that are alike (`emb.*`, `copies` of them), or the inputs.

    `low` and `high` are over all values that the module's operators give, here and (`stable_…`) in the stable snapshot
    on the same rows; NaN where there are none. `zeros` is the largest share of zeros that one of its relus gives, NaN
    where it has none. `bad` counts its values that are not finite or beyond their limits.
    `depth` is how many boxes lie before it on the longest way from the inputs.
    """

    module: str
    module_class: str | None
    copies: int
    operators: int
    low: float
    high: float
    stable_low: float
    stable_high: float
    zeros: float
    bad: int
    depth: int


@dataclass(frozen=True)
class Picture:
    """Boxes in the order of computation, and how many values go from one to another: (from, to, number)."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str, int], ...]


INPUTS = "inputs"
_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
ALIKE_LEAST = 4


def picture(now: Run, stable: Run | None = None, yardstick: Yardstick | None = None) -> Picture:
    """Collapse a program by module; `stable` is the stable snapshot on the same rows.

    Modules that are numbered and alike are one box, unless one of them has a bad value. Operators outside of every
    module stand by their own names.
    """
    program, ranges = now.program, now.ranges
    bad = {name for name, found in ranges.items() if _is_bad(name, found, yardstick)}
    box_of = _named(program, {node.index for node in program.nodes if not bad.isdisjoint(gives(node))})
    source = {tensor.name: INPUTS for tensor in program.inputs}
    depth, nodes = {INPUTS: 0}, {INPUTS: list[Node]()}
    edges: Counter[tuple[str, str]] = Counter()
    for node in program.nodes:
        box = box_of[node.index]
        feeding = [source[name] for name in reads(node) if name in source]
        depth.setdefault(box, 1 + max((depth[other] for other in feeding if other != box), default=0))
        nodes.setdefault(box, []).append(node)
        edges.update((other, box) for other in feeding if other != box)
        source |= dict.fromkeys(gives(node), box)
    values = {box: [name for node in held for name in gives(node)] for box, held in nodes.items()}
    values[INPUTS] = [tensor.name for tensor in program.inputs]
    twin = yardstick.twin if yardstick else {}
    boxes = tuple(_box(box, held, values[box], depth[box], bad, (now, stable), twin) for box, held in nodes.items())
    return Picture(boxes, tuple((a, b, edges[a, b]) for a, b in sorted(edges, key=lambda edge: (depth[edge[0]], edge))))


def _box(
    name: str,
    nodes: list[Node],
    values: list[str],
    depth: int,
    bad: set[str],
    runs: tuple[Run, Run | None],
    twin: Mapping[str, str],
) -> Box:
    now, stable = runs
    low, high = _over(now.ranges, values)
    stable_low, stable_high = _over(stable.ranges if stable else {}, [twin[value] for value in values if value in twin])
    relus = [value for node in nodes if ".relu" in node.operator for value in gives(node) if value in now.statistics]
    return Box(
        module=name,
        module_class=next((node.module_class for node in nodes if node.module_class), None),
        copies=len({node.module for node in nodes}) or 1,
        operators=len(nodes),
        low=low,
        high=high,
        stable_low=stable_low,
        stable_high=stable_high,
        zeros=max((now.statistics[value].zeros for value in relus), default=math.nan),
        bad=sum(value in bad for value in values),
        depth=depth,
    )


def _is_bad(name: str, found: Range, yardstick: Yardstick | None) -> bool:
    limits = yardstick.limits.get(name) if yardstick else None
    return found.non_finite or (limits is not None and not limits[0] <= found.low <= found.high <= limits[1])


def _over(ranges: Mapping[str, Range], names: list[str]) -> tuple[float, float]:
    found = [ranges[name] for name in names if name in ranges]
    if any(math.isnan(one.low) for one in found) or not found:
        return math.nan, math.nan
    return min(one.low for one in found), max(one.high for one in found)


def _named(program: Program, apart: set[int]) -> dict[int, str]:
    """Node index → box. `apart` are nodes whose modules are shown by themselves."""
    own = {node.index: node.module or node.name for node in program.nodes}
    alike: dict[str, set[str]] = {}
    for name in set(own.values()):
        alike.setdefault(_NUMBER.sub("*", name), set()).add(name)
    keep = {own[index] for index in apart}
    folded = {
        index: name if name in keep or len(alike[_NUMBER.sub("*", name)]) < ALIKE_LEAST else _NUMBER.sub("*", name)
        for index, name in own.items()
    }
    levels = max((name.count(".") for name in folded.values()), default=0)
    while len(set(folded.values())) > MOST and levels:
        folded = {index: name if name in keep else ".".join(name.split(".")[:levels]) for index, name in folded.items()}
        levels -= 1
    return folded
