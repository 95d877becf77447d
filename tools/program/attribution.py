"""Which features push a finite value to its extreme: gradient × (value − baseline), confirmed by replacing them."""

from typing import TYPE_CHECKING

from tools.ports import PortError
from tools.program.bisection import bisect
from tools.program.trials import Trials
from tools.program.units import Units

if TYPE_CHECKING:
    from torch import Tensor

TRIED = (1, 2, 4, 8)
"""How many of the strongest features are replaced together, all four tried in one run."""


def heal(
    trials: Trials, units: Units, target: str, rows: "Tensor", candidates: "Tensor", most: int
) -> tuple["Tensor", "Tensor"]:
    """The units to replace so that the target is within its limits, and the rows (bool) that are still bad.

    The strongest features by gradient are replaced together until the row heals, and those among them that can be
    spared are put back. Where there is no gradient to follow (ids, steps, saturation) or following it does not heal,
    the answer comes from bisection over all candidates (rows × units).
    """
    import torch

    def spoiled(cases: "Tensor", replaced: "Tensor") -> "Tensor":
        return trials.spoiled((target,), rows[cases], replaced, units)

    none = torch.zeros(len(rows), len(units), dtype=torch.bool)
    strength = _strength(trials, units, target, rows)
    strength = strength.masked_fill(~candidates, -torch.inf).nan_to_num(-torch.inf, -torch.inf, -torch.inf)
    tried = [_strongest(strength, count) for count in TRIED]
    cases = torch.arange(len(rows)).repeat(len(TRIED))
    healed = (~spoiled(cases, torch.cat(tried))).reshape(len(TRIED), len(rows))
    enough = healed.int().argmax(0)  # the fewest that heal, where any do
    followed = torch.stack(tried)[enough, torch.arange(len(rows))]
    order = torch.where(healed.any(0)[:, None], followed, candidates)
    return bisect(spoiled, order, none, most)


def _strongest(strength: "Tensor", count: int) -> "Tensor":
    """True at the `count` largest positive strengths of each row."""
    import torch

    top = strength.topk(min(count, strength.shape[1]), dim=1)
    chosen = torch.zeros(strength.shape, dtype=torch.bool)
    return chosen.scatter(1, top.indices, top.values > 0)


def _strength(trials: Trials, units: Units, target: str, rows: "Tensor") -> "Tensor":
    """Rows × units: how far each unit pushes the row's most extreme element of the target outwards; 0 where unknown."""
    import torch

    nothing = torch.zeros(len(rows), len(units), dtype=torch.bool)
    inputs = trials.batch.select(rows, nothing, units)
    leaves = {
        place: inputs[place].detach().clone().requires_grad_()
        for place in trials.batch.by_row
        if inputs[place].is_floating_point()
    }
    answer = torch.zeros(len(rows), len(units))
    if not leaves:
        return answer
    try:
        count = max(len(rows), trials.batch.least())
        chosen = [leaves.get(place, value) for place, value in enumerate(inputs)]
        value = trials.values((target,), chosen, count, gradients=True)[target]
        excess = _excess(trials, target, value, len(rows))
        if excess is None or not excess.requires_grad:
            return answer
        gradients = torch.autograd.grad(excess, list(leaves.values()), allow_unused=True)
    except (PortError, RuntimeError):  # an operator without a derivative: bisection needs none
        return answer
    for (place, leaf), gradient in zip(leaves.items(), gradients, strict=True):
        if gradient is not None:
            push = gradient * (leaf.detach() - units.at_baseline(place, leaf.detach()))
            answer += units.total(place, push[: len(rows)])
    return answer


def _excess(trials: Trials, target: str, value: "Tensor", rows: int) -> "Tensor | None":
    """The sum over rows of how far each one's most extreme element is outside the limits."""
    import torch

    if value.dim() == 0 or value.shape[0] < rows:
        return None
    low, high = trials.bad.limits[target]
    flat = value[:rows].reshape(rows, -1)
    outside = torch.maximum(flat - high, low - flat)
    return outside.max(1).values.sum()
