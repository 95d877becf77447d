"""What became of a fall when its rollout was taken back: did it end, or does it go on without the snapshot?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.records import Cube, MetricRole
from tools.stats.blocks import DAY_H, Blocks
from tools.stats.panel import Panel
from tools.stats.robust import MIN_HISTORY, UNKNOWN, Departure, Tail
from tools.stats.rollout_timeline import SKEW_H, Rollout, Served
from tools.stats.rollouts import bad
from tools.stats.suspects import model_departure

MIN_AFTER_H = 3
HALF = 0.5
FELL = 0.05
MOST_SERVED = 0.5
"""The fall is measured while the snapshot served at least this part of the largest share that it had."""


@dataclass(frozen=True)
class Reversal:
    """The model against the other models, as on the same hours of earlier days, `during` the rollout and `after` it.
    `goes_on` is the confidence that more than half of the fall is still there after it."""

    rollout: Rollout
    role: MetricRole
    during: Departure
    after: Departure
    hours_after: int
    goes_on: float

    @property
    def ended(self) -> float:
        """The confidence that less than half of the fall is still there."""
        return 1.0 - self.goes_on


def reversals(
    cubes: Mapping[MetricRole, Cube],
    candidates: Sequence[Rollout],
    served: Served,
    model: str,
    end: int,
    tails: Mapping[MetricRole, Tail],
) -> list[Reversal]:
    """For each rollout that was taken back in favour of older snapshots, what the metric that had fallen most clearly
    did then. A rollout that is followed by fewer than three hours, or during which nothing fell, is left out."""
    found: list[Reversal] = []
    for rollout in candidates:
        if rollout.reverted and rollout.gone is not None and end - rollout.gone - SKEW_H >= MIN_AFTER_H:
            seen = [_reversal(cubes[role], role, tail, rollout, served, model, end) for role, tail in tails.items()]
            known = [r for r in seen if r is not None]
            found += sorted(known, key=lambda r: (r.during.p_value, r.role.value))[:1]
    return found


def _reversal(
    cube: Cube, role: MetricRole, tail: Tail, rollout: Rollout, served: Served, model: str, end: int
) -> Reversal | None:
    gone = rollout.gone or end
    share = served.of(rollout.snapshot)[max(rollout.start - served.first, 0) : gone - served.first]
    most = np.flatnonzero(share >= MOST_SERVED * share.max()) if len(share) else share
    if not len(most) or not share.max() > 0:
        return None
    first = rollout.start + int(most[0])
    hours_after = min(end - gone - SKEW_H, DAY_H)
    during = _against_days(cube, role, tail, model, first, gone - first, served.first)
    after = _against_days(cube, role, tail, model, gone + SKEW_H, hours_after, served.first)
    if during is None or after is None or not during.p_value < FELL:
        return None
    above = bad(after.effect, tail) - HALF * bad(during.effect, tail)
    scale = float(np.hypot(after.scale, HALF * during.scale))
    goes_on = float(stats.t.cdf(above / scale, min(after.df, during.df)))
    return Reversal(rollout, role, during, after, hours_after, goes_on)


def _against_days(
    cube: Cube, role: MetricRole, tail: Tail, model: str, start: int, hours: int, first: int
) -> Departure | None:
    """The model's contrast with the others in these hours, against the same hours of the days since unix hour `first`;
    None where it is not known."""
    step = DAY_H * -(-hours // DAY_H)
    starts = list(range(start - step, first - 1, -step))
    if hours < 1 or len(starts) < MIN_HISTORY:
        return None
    blocks = Blocks(np.array([*reversed(starts), start], dtype=np.int64), hours)
    panel = Panel(cube, blocks)
    found = model_departure(panel, role, tail, model) if len(panel) else UNKNOWN
    return found if found.known else None
