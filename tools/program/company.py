"""Rows that are bad because of other rows: found by giving bad rows another company."""

from functools import partial
from typing import TYPE_CHECKING

from tools.program.bisection import bisect
from tools.program.explanation import MOST_CAUSES, Explained, mend
from tools.program.graph import Node
from tools.program.observation import Observation, bad_rows
from tools.program.origin import Origin
from tools.program.slices import gives, reads
from tools.program.suspects import Case

if TYPE_CHECKING:
    from torch import Tensor

MOST_CULPRITS = 2
"""How many rows are looked for, where rows spoil the whole batch and nothing is bad in them by themselves."""
COMPANIONS = 3
"""How many rows with everything at baseline stand beside a culprit when its features are looked for."""
MOVERS = ("view", "reshape", "flatten", "unflatten", "transpose", "permute", "clone", "contiguous", "_unsafe_view", "t")
"""Operators that put values elsewhere: what comes out has the rows in another place, and mixes none of them."""


def spreads(case: Case, rows: "Tensor") -> bool | None:
    """Whether the badness of a row depends on the rows beside it.

    The bad rows are run beside two rows with everything at baseline. False: the bad ones are bad and the others good.
    True: the others have become bad, or a bad one good. None: rows at baseline are bad by themselves.
    """
    import torch

    first = rows[:1].expand(2)
    together = torch.cat([first, rows])
    replaced = torch.zeros(len(together), len(case.units), dtype=torch.bool)
    replaced[:2] = True
    bad = case.trials.spoiled(case.targets, together, replaced, case.units)
    if not bool(bad[:2].any()):
        return not bool(bad[2:].all())
    alone = case.trials.spoiled(case.targets, first, replaced[:2], case.units)
    return None if bool(alone.any()) else True


def mixing_node(case: Case) -> Node | None:
    """The operator through which rows spoil others: the first that gives a bad value in a row where it takes only good
    ones, because of other rows; where none does, the first before the origin that makes one value of all rows."""
    trials, seen = case.trials, case.seen
    nodes = [trials.program.nodes[index] for index in trials.slice(case.targets).nodes]
    for node in nodes:
        spoiled = [rows for name in set(reads(node)) if (rows := seen.of(name)) is not None and not bool(rows.all())]
        if any(bool((seen.bad[name] & ~rows).any()) for name in gives(node) if name in seen.bad for rows in spoiled):
            return node
    if not case.found or case.found[0].node is None:
        return None
    for index in trials.slice((case.found[0].value,)).nodes:
        node = trials.program.nodes[index]
        by_row = any(name in trials.varying and name in seen.by_row for name in reads(node))
        if by_row and node.operator.split(".")[1] not in MOVERS and all(name in seen.shared for name in gives(node)):
            return node
    return None


def explain_company(case: Case) -> Explained | None:
    """The rows that spoil the batch, explained; None where there are none: then the rows are bad in each other's
    company only."""
    import torch

    own = [origin for origin in case.found if _made_alone(case.seen, origin)]
    rows = torch.stack([case.bad & False, *(origin.rows for origin in own)]).any(0).nonzero()[:, 0]
    if len(rows):
        here = [Origin(origin.value, origin.node, origin.rows[rows]) for origin in own]
        chosen = mend(case, rows, torch.zeros(len(rows), len(case.units), dtype=torch.bool), here)
        if not bool(_whole(case, rows, chosen).any()):
            return _explained(rows, chosen)
    return _by_bisection(case, len(case.bad))


def _by_bisection(case: Case, count: int) -> Explained | None:
    """Search the rows without which the batch is good, then the features of each that spoil rows at baseline."""
    import torch

    def spoiled(_: "Tensor", rows: "Tensor") -> "Tensor":
        return torch.stack([_whole(case, row.nonzero()[:, 0], None).any() for row in rows])

    every = torch.ones(1, count, dtype=torch.bool)
    replaced, still = bisect(spoiled, every, ~every, MOST_CULPRITS, ways=1)
    if bool(still):
        return None
    culprits = replaced[0].nonzero()[:, 0]
    none = torch.zeros(1, len(case.units), dtype=torch.bool)
    chosen = []
    for row in culprits:
        fix, unhealed = bisect(partial(_beside_baseline, case, row), ~none, none, MOST_CAUSES, ways=1)
        if bool(unhealed) or not bool(fix.any()):
            return None
        chosen.append(fix[0])
    return _explained(culprits, torch.stack(chosen))


def _whole(case: Case, rows: "Tensor", chosen: "Tensor | None") -> "Tensor":
    """The rows (bool) of the whole batch that are bad when these rows have these units, or all, at baseline."""
    import torch

    count = case.trials.batch.rows
    replaced = torch.zeros(count, len(case.units), dtype=torch.bool)
    replaced[rows] = True if chosen is None else chosen
    every = torch.arange(count)
    values = case.trials.values(case.targets, case.trials.batch.select(every, replaced, case.units), count)
    return torch.stack([bad_rows(case.trials.bad, name, values[name], count) for name in case.targets]).any(0)


def _beside_baseline(case: Case, row: "Tensor", _: "Tensor", units: "Tensor") -> "Tensor":
    """For each set of units (sets × units): whether the row, with these at baseline, spoils a run beside such rows."""
    import torch

    beside = torch.ones(COMPANIONS, len(case.units), dtype=torch.bool)
    rows = row.expand(1 + COMPANIONS)
    answers = [case.trials.spoiled(case.targets, rows, torch.cat([one[None], beside]), case.units) for one in units]
    return torch.stack([answer.any() for answer in answers])


def _made_alone(seen: Observation, origin: Origin) -> bool:
    """Whether something goes in bad, or is made bad, row by row, of values that are good in all rows."""
    if origin.node is None:
        return True
    return origin.value not in seen.shared and all(seen.of(name) is None for name in reads(origin.node))


def _explained(rows: "Tensor", chosen: "Tensor") -> Explained:
    """All of these rows have to be mended, so a feature is necessary only where one row and one feature are enough."""
    import torch

    healed = torch.ones(len(rows), dtype=torch.bool)
    only = len(rows) == 1 and int(chosen.sum()) == 1
    return Explained(rows, chosen, chosen if only else chosen & False, healed, healed)
