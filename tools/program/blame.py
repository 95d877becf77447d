"""Puts names to what was found: features and their values, weights and their places."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tools.program.causes import Cause, WeightCause
from tools.program.explanation import Explained
from tools.program.graph import Node
from tools.program.origin import Origin
from tools.program.slices import gives, reads
from tools.program.suspects import Case

if TYPE_CHECKING:
    from torch import Tensor

MOST_PLACES = 16
"""How many bad places of a weight are named."""
LOOKUPS = (
    "embedding",
    "embedding_bag",
    "_embedding_bag",
    "_embedding_bag_forward_only",
    "index",
    "index_select",
    "gather",
)
"""Operators that read only some places of a weight, by ids: a bad place is reached by an id of a feature."""


def first_origins(found: Sequence[Origin], rows: "Tensor") -> list[Origin | None]:
    """For each of these rows (indices) the origin that comes first in it."""
    return [next((origin for origin in found if origin.rows[row]), None) for row in rows.tolist()]


def commonest(first: Sequence[Origin | None]) -> Origin | None:
    """The origin that is the first one in most rows; of equals the earlier one."""
    known = [origin for origin in first if origin is not None]
    counts = Counter(map(id, known))
    return max(known, key=lambda origin: counts[id(origin)], default=None)


def named_causes(case: Case, explained: Explained) -> tuple[Cause, ...]:
    """The features that are causes in these rows, those with most rows first.

    Where a row is bad for a weight that every row reads, no feature of it is accused.
    """
    first = first_origins(case.found, explained.rows)
    accused = [origin is None or origin.value not in case.bad_weights or _looked_up(case, origin) for origin in first]
    rows: dict[tuple[int, bool, bool], list[int]] = {}
    for place, row in enumerate(explained.rows.tolist()):
        for unit in (explained.sufficient[place] | explained.necessary[place]).nonzero()[:, 0].tolist():
            if accused[place]:
                role = (unit, bool(explained.sufficient[place, unit]), bool(explained.necessary[place, unit]))
                rows.setdefault(role, []).append(row)
    names = [tensor.name for tensor in case.trials.program.inputs]
    causes = []
    for (number, sufficient, necessary), held in rows.items():
        unit = case.units.all[number]
        values = tuple(case.units.values(unit, row) for row in sorted(held))
        causes.append(
            Cause(unit.feature, names[unit.input], unit.columns, unit.kind, tuple(sorted(held)), values,
                  case.units.baseline(unit), sufficient, necessary)
        )  # fmt: skip
    return tuple(sorted(causes, key=lambda cause: (not cause.sufficient, -len(cause.rows), cause.input, cause.columns)))


def bad_weights(case: Case, causes: Sequence[Cause]) -> tuple[WeightCause, ...]:
    """The bad weights that reach the targets, each with the rows that it spoils.

    Of a table the places come first that are ids of an accused feature.
    """
    ids = {int(value) for cause in causes if cause.kind != "dense" for values in cause.values for value in values}
    named = []
    for origin in case.found:
        if origin.value not in case.bad_weights:
            continue
        elements = case.bad_weights[origin.value]
        by_place = elements.reshape(len(elements), -1).any(1) if elements.dim() else elements.reshape(1)
        places = sorted(by_place.nonzero()[:, 0].tolist(), key=lambda place: (place not in ids, place))
        rows = tuple((origin.rows & case.bad).nonzero()[:, 0].tolist())
        name = case.trials.program.weight_names.get(origin.value, origin.value)
        named.append(WeightCause(name, origin.value, int(elements.sum()), tuple(places[:MOST_PLACES]), rows))
    return tuple(named)


def weights_of(case: Case, origin: Origin) -> tuple[WeightCause, ...]:
    """The weights that the origin's operator reads, directly or through operators that read nothing but weights."""
    program, trials = case.trials.program, case.trials
    makers = {name: node for node in program.nodes for name in gives(node)}
    waiting = list(reads(origin.node)) if origin.node else []
    found: list[str] = []
    while waiting:
        name = waiting.pop(0)
        if name in program.weights and name not in found:
            found.append(name)
        elif name in makers and name not in trials.varying:
            waiting += reads(makers[name])
    rows = tuple((origin.rows & case.bad).nonzero()[:, 0].tolist())
    return tuple(WeightCause(program.weight_names.get(name, name), name, 0, (), rows) for name in found)


def first_reader(case: Case, origin: Origin) -> Node | None:
    """The operator itself, or the first that makes a bad value of a bad input or weight."""
    if origin.node is not None:
        return origin.node
    for node in case.trials.program.nodes:
        if origin.value in reads(node) and any(case.seen.of(name) is not None for name in gives(node)):
            return node
    return None


def _looked_up(case: Case, origin: Origin) -> bool:
    reader = first_reader(case, origin)
    return reader is not None and reader.operator.split(".")[1] in LOOKUPS
