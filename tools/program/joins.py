"""Which values only go into a concatenation next: there they stand side by side, and are measured in one pass."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program.graph import Node, Program, Ref

if TYPE_CHECKING:
    from torch import Tensor

JOINS = ("aten.cat.default", "aten.concat.default", "aten.stack.default")


@dataclass(frozen=True)
class Join:
    """A node that puts values side by side along a dimension: its parts in order, and those to be measured here."""

    parts: tuple[str, ...]
    own: frozenset[str]
    dim: int
    stacks: bool

    def width(self, part: "Tensor") -> int:
        """How many columns the part fills, where the joined tensor is seen as a matrix split at the dimension."""
        rank = part.dim() + self.stacks
        return math.prod(part.shape[self.dim % rank :])

    def matrix(self, joined: "Tensor") -> "Tensor":
        """The joined tensor with the parts side by side in its columns: [elements before the dimension, the others]."""
        return joined.reshape(math.prod(joined.shape[: self.dim % joined.dim()]), -1)

    def filled(self, widths: Mapping[str, int], columns: int) -> list[int]:
        """The width of each part, in order. What has no width fills what the others leave."""
        rest = columns - sum(widths.get(part, 0) for part in self.parts)
        return [widths.get(part, rest) for part in self.parts]


def find_joins(program: Program) -> dict[int, Join]:
    """Node index → join, for those whose parts can be measured there instead of where they are computed.

    A part belongs to the first join that it goes into. At most one part of a join may be something else (an input, a
    weight, a part of an earlier one), since its width is then what the others leave. A program that writes in place has
    no joins: its values may change between the two places.
    """
    if any(node.operator.split(".")[1].endswith("_") for node in program.nodes):
        return {}
    free = {node.outputs[0] for node in program.nodes if len(node.outputs) == 1 and isinstance(node.outputs[0], str)}
    joins: dict[int, Join] = {}
    for node in program.nodes:
        join = _join(node, free) if node.operator in JOINS else None
        if join is not None and len(join.parts) - len(join.own) <= 1:
            joins[node.index] = join
            free -= join.own
    return joins


def _join(node: Node, free: Collection[str]) -> Join | None:
    parts: Sequence[object] | object = node.arguments[0] if node.arguments else None
    dim = node.arguments[1] if len(node.arguments) > 1 else node.keywords.get("dim", 0)
    if not isinstance(parts, tuple) or not isinstance(dim, int) or dim == 0:
        return None  # along the first dimension the parts are no columns
    names = tuple(part.name for part in parts if isinstance(part, Ref))
    if not len(parts) == len(names) == len(set(names)) > 1:
        return None
    return Join(names, frozenset(name for name in names if name in free), dim, node.operator.startswith("aten.stack"))
