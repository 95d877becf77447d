"""What has to be replaced in a bad row so that it turns good, and which of its values the fault needs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program import attribution
from tools.program.bisection import bisect
from tools.program.observation import add_weights
from tools.program.origin import Origin, alive, origins
from tools.program.slices import gives, reads
from tools.program.suspects import Case
from tools.program.trials import Trials

if TYPE_CHECKING:
    from torch import Tensor

MOST_CAUSES = 16
"""How many causes are looked for in one row."""
MOST_ROUNDS = 4
"""How often a row that is bad for another reason, once the first one is mended, is looked at again."""


@dataclass(frozen=True)
class Explained:
    """For some rows (indices of the batch): which units (rows × units) heal each, and which each fault needs.

    `healed` are the rows that turn good (bool). `reduced` are those of them of whose units none can be spared: with
    more than `MOST_CAUSES` causes that is not tried.
    """

    rows: "Tensor"
    sufficient: "Tensor"
    necessary: "Tensor"
    healed: "Tensor"
    reduced: "Tensor"

    def where(self, chosen: "Tensor") -> "Explained":
        """Only these of its rows (bool)."""
        parts = (self.rows, self.sufficient, self.necessary, self.healed, self.reduced)
        return Explained(*(part[chosen] for part in parts))


def explain(case: Case, rows: "Tensor") -> Explained:
    """Explain rows (indices of the batch), each by itself."""
    import torch

    chosen = torch.zeros(len(rows), len(case.units), dtype=torch.bool)
    bad, waiting = torch.ones(len(rows), dtype=torch.bool), torch.arange(len(rows))
    found = [Origin(origin.value, origin.node, origin.rows[rows]) for origin in case.found]
    for _ in range(MOST_ROUNDS):
        more = mend(case, rows[waiting], chosen[waiting], found)
        if not bool((more & ~chosen[waiting]).any()):
            break
        chosen[waiting] |= more
        bad[waiting] = case.trials.spoiled(case.targets, rows[waiting], chosen[waiting], case.units)
        waiting = waiting[bad[waiting]]
        if not len(waiting):
            break
        found = _look_again(case, rows[waiting], chosen[waiting])
    if len(waiting):  # what is bad on the way is not what spoils the target: look from the target itself
        everything = case.units.inside(case.trials.slice(case.targets).inputs).expand(len(waiting), -1)
        chosen[waiting], bad[waiting] = bisect(
            _at_targets(case, rows[waiting]), everything, chosen[waiting], MOST_CAUSES
        )
    return _reduce(case, rows, chosen, ~bad)


def mend(case: Case, rows: "Tensor", chosen: "Tensor", found: Sequence[Origin]) -> "Tensor":
    """What to replace (rows × units) so that each row's first origin turns good; the origins' rows are these rows."""
    import torch

    answer = torch.zeros_like(chosen)
    waiting = torch.ones(len(rows), dtype=torch.bool)
    for origin in found:
        group = (waiting & origin.rows[: len(rows)]).nonzero()[:, 0]
        waiting &= ~origin.rows[: len(rows)]
        if len(group):
            answer[group] = _mend_at(case, rows[group], chosen[group], origin)
    return answer


def _mend_at(case: Case, rows: "Tensor", chosen: "Tensor", origin: Origin) -> "Tensor":
    trials, units = case.trials, case.units
    places = {tensor.name: place for place, tensor in enumerate(trials.program.inputs)}
    if origin.value in places:
        place = places[origin.value]
        if place not in trials.batch.by_row:
            return chosen
        return units.holding(place, trials.bad.elements(origin.value, trials.batch.inputs[place][rows]))
    target = varying_target(trials, origin.value)
    if target is None:
        return chosen
    candidates = (units.inside(trials.slice((target,)).inputs) & ~chosen).expand(len(rows), -1)
    if trials.bad.problem == "extreme" and target in trials.bad.limits:
        mended, _ = attribution.heal(trials, units, target, rows, candidates, MOST_CAUSES)
        return mended

    def spoiled(cases: "Tensor", replaced: "Tensor") -> "Tensor":
        return trials.spoiled((target,), rows[cases], replaced, units)

    return bisect(spoiled, candidates, chosen, MOST_CAUSES)[0]


def varying_target(trials: Trials, value: str) -> str | None:
    """The first value made of this one that the inputs have a part in: that of a table is what is looked up in it."""
    if value in trials.varying:
        return value
    reached = {value}
    for node in trials.program.nodes:
        if reached.isdisjoint(reads(node)):
            continue
        for name in gives(node):
            if name in trials.varying:
                return name
            reached.add(name)
    return None


def _look_again(case: Case, rows: "Tensor", chosen: "Tensor") -> list[Origin]:

    program = case.trials.program
    seen = case.trials.observe(rows, chosen, case.units)
    add_weights(seen, program, case.bad_weights)
    live = alive(program, seen, case.targets)
    return origins(program, seen, live, case.excused)


def _reduce(case: Case, rows: "Tensor", chosen: "Tensor", healed: "Tensor") -> Explained:
    """Of the replaced units keep those that cannot be spared, and find which ones the fault needs."""
    import torch

    several = (healed & (chosen.sum(1) > 1)).nonzero()[:, 0]
    sufficient, reduced = chosen.clone(), torch.ones(len(rows), dtype=torch.bool)
    if len(several):
        none = torch.zeros_like(chosen[several])
        fewer, bad = bisect(_at_targets(case, rows[several]), chosen[several], none, MOST_CAUSES)
        sufficient[several] = torch.where(bad[:, None], chosen[several], fewer)
        reduced[several] = ~bad
    kept = _kept_alone(case, rows, sufficient)
    necessary = _necessary(case, rows, sufficient, kept, healed & reduced)
    return Explained(rows, sufficient, necessary, healed, reduced & healed)


def _kept_alone(case: Case, rows: "Tensor", sufficient: "Tensor") -> "Tensor":
    """A set of units that makes each row bad while all others are at their baseline (rows × units).

    The sufficient ones, where they do; else they and what else the fault needs, found by bisection. Each value that
    the fault needs is in every such set.
    """

    def harmless(cases: "Tensor", kept: "Tensor") -> "Tensor":
        return ~case.trials.spoiled(case.targets, rows[cases], ~kept, case.units)

    others = case.units.inside(case.trials.slice(case.targets).inputs) & ~sufficient
    kept, _ = bisect(harmless, others, sufficient, MOST_CAUSES)
    return kept


def _necessary(case: Case, rows: "Tensor", sufficient: "Tensor", kept: "Tensor", known: "Tensor") -> "Tensor":
    """The units whose replacement alone heals the row."""
    import torch

    alone = (sufficient.sum(1) == 1) & known
    answer = sufficient & alone[:, None]
    ask = kept & ~answer & (kept.sum(1) <= MOST_CAUSES)[:, None]
    at, unit = ask.nonzero(as_tuple=True)
    if len(at):
        single = torch.zeros(len(at), len(case.units), dtype=torch.bool)
        single[torch.arange(len(at)), unit] = True
        answer[at, unit] = ~_at_targets(case, rows)(at, single)
    return answer


def _at_targets(case: Case, rows: "Tensor") -> Callable[["Tensor", "Tensor"], "Tensor"]:
    return lambda cases, replaced: case.trials.spoiled(case.targets, rows[cases], replaced, case.units)


def like_examined(case: Case, rows: "Tensor", examined: Explained) -> Explained:
    """Try the fixes of examined rows on other rows, small and frequent ones first."""
    import torch

    fixes: dict[tuple[bytes, bytes], tuple[int, int]] = {}
    for place in examined.reduced.nonzero()[:, 0].tolist():
        key = (examined.sufficient[place].numpy().tobytes(), examined.necessary[place].numpy().tobytes())
        fixes[key] = (place, fixes.get(key, (place, 0))[1] + 1)
    order = sorted(fixes.items(), key=lambda item: (int(examined.sufficient[item[1][0]].sum()), -item[1][1], item[0]))
    none = torch.zeros(len(rows), len(case.units), dtype=torch.bool)
    sufficient, necessary, healed = none, none.clone(), torch.zeros(len(rows), dtype=torch.bool)
    for _, (place, _count) in order[:MOST_CAUSES]:
        waiting = (~healed).nonzero()[:, 0]
        if not len(waiting):
            break
        fix = examined.sufficient[place].expand(len(waiting), -1)
        good = waiting[~case.trials.spoiled(case.targets, rows[waiting], fix, case.units)]
        healed[good] = True
        sufficient[good], necessary[good] = examined.sufficient[place], examined.necessary[place]
    return Explained(rows, sufficient, necessary, healed, healed)


def join(parts: Collection[Explained]) -> Explained:
    """Several explanations as one."""
    import torch

    names = ("rows", "sufficient", "necessary", "healed", "reduced")
    return Explained(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
