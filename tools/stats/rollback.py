"""Where to go back to, and what that is expected to cost: how predictions decayed with age for this model before."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.evidence import Estimate
from tools.records import MetricRole, Snapshot, Standing
from tools.stats.panel import Floats
from tools.stats.robust import MIN_HISTORY
from tools.stats.rollouts import RolloutTest

DAY_S = 86_400


@dataclass(frozen=True)
class Staleness:
    """What a day of age costs in the metric of `role`: `per_day` with its 95% interval, from `rollouts` concurrent
    comparisons of a snapshot with the one before; `days` is how much older the rollback target is."""

    role: MetricRole
    per_day: float
    low: float
    high: float
    rollouts: int
    days: float
    furthest_days: float

    @property
    def cost(self) -> Estimate:
        """The cost of going that far back, taken as linear in age."""
        unit = "" if self.role is MetricRole.topline else "log ratio"
        value, low, high = (v * self.days for v in (self.per_day, self.low, self.high))
        return Estimate(value=value, low=low, high=high, unit=unit)

    @property
    def extrapolated(self) -> bool:
        """Whether the target is older than any snapshot was beside its successor."""
        return self.days > self.furthest_days


def rollback_target(
    snapshots: Sequence[Snapshot], away_from: str | None, served: Collection[str], accused: Collection[str]
) -> Snapshot | None:
    """The newest stable snapshot that was published before another one; without stable ones, the newest candidate that
    has served.

    Never one that is suspect or bad or accused here, and none that neither served nor has an artifact to serve again.
    """
    names = [s.snapshot for s in snapshots]
    if away_from not in names:
        return None
    earlier = [s for s in snapshots[: names.index(away_from)] if s.snapshot not in accused]
    stable = [s for s in earlier if s.standing is Standing.stable and (s.artifact or s.snapshot in served)]
    tried = [s for s in earlier if s.standing is Standing.candidate and s.snapshot in served]
    return stable[-1] if stable else tried[-1] if tried else None


def why_no_target(snapshots: Sequence[Snapshot], away_from: str | None) -> str:
    """Why there is no snapshot to go back to."""
    names = [s.snapshot for s in snapshots]
    if away_from not in names:
        return f"{away_from} is not registered, so it is not known which snapshots are older; register its snapshots"
    if names[0] == away_from:
        return f"{away_from} is the oldest snapshot that is registered"
    return "every older snapshot is suspect or bad, or has neither served nor an artifact to serve again"


def staleness(test: RolloutTest, snapshots: Sequence[Snapshot], target: Snapshot) -> Staleness | None:
    """The decay per day of age: earlier rollouts' old against new snapshot, through the origin by how many days apart
    they were published (95% t interval). None below four such rollouts, or where publication times do not tell."""
    at = {s.snapshot: s.published_at.timestamp() / DAY_S for s in snapshots}
    gaps = np.array([_older_by(r.snapshot, snapshots, at) for r in test.earlier])
    worse = -test.history
    use = np.isfinite(worse) & np.isfinite(gaps) & (gaps > 0)
    leaving = test.rollout.snapshot
    if use.sum() < MIN_HISTORY or leaving not in at:
        return None
    slope, error = _through_origin(gaps[use], worse[use])
    half = float(stats.t.isf(0.025, int(use.sum()) - 1)) * error
    days = at[leaving] - at[target.snapshot]
    return Staleness(test.role, slope, slope - half, slope + half, int(use.sum()), days, float(gaps[use].max()))


def _older_by(snapshot: str, snapshots: Sequence[Snapshot], at: dict[str, float]) -> float:
    """How many days before a snapshot the one before it was published; NaN for the first and for unknown ones."""
    names = [s.snapshot for s in snapshots]
    place = names.index(snapshot) if snapshot in at else 0
    return at[snapshot] - at[names[place - 1]] if place > 0 else math.nan


def _through_origin(gaps: Floats, worse: Floats) -> tuple[float, float]:
    """The slope of a line through the origin, and its standard error."""
    square = float(gaps @ gaps)
    slope = float(gaps @ worse) / square
    left = worse - slope * gaps
    return slope, math.sqrt(float(left @ left) / (len(gaps) - 1) / square)
