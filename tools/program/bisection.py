"""Which of many changes are needed to turn bad cases good: bisection over prefixes, all cases at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

RUN_ROWS = 64
"""How many rows one run holds: with fewer cases, several prefixes of each are tried in it."""


def bisect(
    spoiled: Callable[["Tensor", "Tensor"], "Tensor"],
    candidates: "Tensor",
    chosen: "Tensor",
    most: int,
    ways: int | None = None,
) -> tuple["Tensor", "Tensor"]:
    """A set of changes for each case, none of which can be spared, that turns it good together with those `chosen`.

    `spoiled(cases, changes)` answers, for cases (indices, repeated as one likes) with the changes (len(cases) ×
    changes, bool) made, which are bad. `candidates` and `chosen` are cases × changes. For each case the smallest prefix
    of its candidates that turns it good is searched; the last change of it is needed, given those before it; with it
    made, the search starts again until the chosen ones alone are enough, `most` times. One cause among F takes
    log(F) / log(ways + 1) runs, of `ways` prefixes for each case: as many as fill a run, where nothing else is said.
    (Delta debugging for the case that more changes never spoil what fewer have mended; Zeller and Hildebrandt,
    "Simplifying and isolating failure-inducing input", 2002; Junker, "QuickXplain", 2004.)

    Answers with the chosen changes (cases × changes) and with the cases that are still bad (bool).
    """
    import torch

    chosen = chosen.clone()
    every = torch.arange(len(candidates))
    bad = spoiled(every, chosen)
    rank = candidates.cumsum(1)
    bad_cases = every[bad]
    hopeless = spoiled(bad_cases, (chosen | candidates)[bad_cases]) if len(bad_cases) else bad[:0]
    active = bad_cases[~hopeless]
    for _ in range(most):
        if not len(active):
            break
        place = _smallest_prefix(spoiled, active, chosen, candidates, rank, ways)
        chosen[active] |= candidates[active] & (rank[active] == place[:, None])
        still = spoiled(active, chosen[active])
        bad[active] = still
        active = active[still]
    return chosen, bad


def _smallest_prefix(
    spoiled: Callable[["Tensor", "Tensor"], "Tensor"],
    cases: "Tensor",
    chosen: "Tensor",
    candidates: "Tensor",
    rank: "Tensor",
    ways: int | None,
) -> "Tensor":
    """For each case the length of the smallest prefix that turns it good: it is bad with none and good with all."""
    import torch

    low = torch.zeros(len(cases), dtype=torch.long)
    high = rank[cases, -1].clone()
    ways = ways or max(1, RUN_ROWS // len(cases) - 1)
    steps = torch.arange(1, ways + 1)
    while bool((low + 1 < high).any()):
        # Cuts inside (low, high); where there are fewer places than cuts some cuts are the same.
        cuts = (low[:, None] + ((high - low)[:, None] * steps) // (ways + 1)).clamp(min=low[:, None] + 1)
        cuts = torch.minimum(cuts, (high - 1).clamp(min=low + 1)[:, None])
        repeated = cases.repeat_interleave(ways)
        prefix = candidates[repeated] & (rank[repeated] <= cuts.reshape(-1, 1))
        still = spoiled(repeated, chosen[repeated] | prefix).reshape(cuts.shape)
        first = torch.where(still.all(1), ways, (~still).int().argmax(1))  # the first cut that turns it good
        open_ = low + 1 < high
        at = torch.arange(len(cases))
        above = torch.where(first < ways, cuts[at, first.clamp(max=ways - 1)], high)
        below = torch.where(first > 0, cuts[at, (first - 1).clamp(min=0)], low)
        low, high = torch.where(open_, below, low), torch.where(open_, above, high)
    return high
