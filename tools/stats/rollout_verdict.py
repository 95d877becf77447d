"""Which rollout explains a model's fall, if any, and what it would cost to go back.

The confidence of an accusation is `probability_of_effect` of its q value. That of a clearance is one less the p value
of "the new snapshot is worse by at least half of the model's fall".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.evidence import Estimate
from tools.records import MetricRole, Snapshot, Standing
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.panel import Floats
from tools.stats.robust import MIN_HISTORY, Departure, Tail
from tools.stats.rollouts import Rollout, RolloutTest

ALPHA = 0.01
MOST_SURE = 0.99
HALF = 0.5
FELL = 0.05
"""Below this p value a model did fall, and there is something to explain."""
SMALL_LOG_RATIO = 0.03
"""A snapshot that is worse by less than this on a ratio metric is not worth a rollback."""


@dataclass(frozen=True)
class Staleness:
    """What one snapshot of age costs: `per_snapshot` with [low, high], from `rollouts` concurrent comparisons."""

    role: MetricRole
    per_snapshot: float
    low: float
    high: float
    rollouts: int

    def times(self, snapshots: int) -> Estimate:
        """The cost of going that many snapshots back, taken as linear in age."""
        unit = "" if self.role is MetricRole.topline else "log ratio"
        low, high = self.low * snapshots, self.high * snapshots
        return Estimate(value=self.per_snapshot * snapshots, low=low, high=high, unit=unit)


def guilty(tests: Sequence[RolloutTest], tails: Mapping[MetricRole, Tail]) -> list[RolloutTest]:
    """The tests that accuse a rollout, the strongest first.

    A rollout is accused when its snapshot is worse than the others of its model in the same hours, beyond what earlier
    rollouts showed (q below 0.01), by enough to matter, and when nothing else about it points the other way: the other
    metric's contrast, and the dose-response where there is one.
    """
    found = [t for t in tests if _stands_out(t) and _supported(t, tests, tails)]
    return sorted(found, key=lambda t: (t.q_value, t.concurrent.p_value, t.role.value))


def _stands_out(test: RolloutTest) -> bool:
    big = test.role is MetricRole.topline or abs(test.concurrent.effect) > SMALL_LOG_RATIO
    return test.concurrent.known and test.concurrent.beyond and test.q_value < ALPHA and big


def _supported(test: RolloutTest, tests: Sequence[RolloutTest], tails: Mapping[MetricRole, Tail]) -> bool:
    mine = [t for t in tests if t.rollout == test.rollout]
    signs = [bad(t.concurrent.effect, tails[t.role]) for t in mine if t.concurrent.known]
    slopes = [bad(t.dose.effect, tails[t.role]) for t in mine if t.dose.known]
    return min(signs) > 0 and (not slopes or max(slopes) > 0)


def bad(effect: float, tail: Tail) -> float:
    """The effect as "how much worse"."""
    return abs(effect) if tail == "both" else -effect if tail == "low" else effect


def cleared(
    tests: Sequence[RolloutTest], fall: Mapping[MetricRole, Departure], tails: Mapping[MetricRole, Tail]
) -> float:
    """The confidence that no tested rollout explains the model's fall; 0 where that cannot be said.

    `fall` is the model's own contrast with the other models. A rollout that explains it would be worse than the old
    snapshots by about that fall, so each must be found to be worse by less than half of it (a one-sided t test), on a
    metric on which the model did fall.
    """
    sure = dict.fromkeys((t.rollout for t in tests), 0.0)
    for t in tests:
        seen = fall.get(t.role)
        if t.concurrent.known and seen is not None and seen.p_value < FELL and bad(seen.effect, tails[t.role]) > 0:
            short = HALF * abs(seen.effect) - bad(t.concurrent.effect, tails[t.role])
            sure[t.rollout] = max(sure[t.rollout], float(stats.t.cdf(short / t.concurrent.scale, t.concurrent.df)))
    return min(min(sure.values(), default=0.0), MOST_SURE)


def precedes(onset: ContrastOnset | None, rollouts: Sequence[Rollout]) -> bool | None:
    """Whether the onset lies before every rollout that could have caused it.

    A rollout that had reached everybody before the onset's interval cannot have caused it, so only the others count.
    None where there is no onset.
    """
    if onset is None or not onset.found:
        return None
    open_then = [r for r in rollouts if r.full is None or r.full >= onset.low]
    return all(r.start > onset.high for r in open_then)


def rollback_target(snapshots: Sequence[Snapshot], away_from: str | None) -> Snapshot | None:
    """The newest stable snapshot that was published before another one; without stable ones, the newest unsuspected."""
    names = [s.snapshot for s in snapshots]
    if away_from not in names:
        return None
    earlier = snapshots[: names.index(away_from)]
    for standings in ((Standing.stable,), (Standing.stable, Standing.candidate)):
        usable = [s for s in earlier if s.standing in standings]
        if usable:
            return usable[-1]
    return None


def staleness(role: MetricRole, history: Floats) -> Staleness | None:
    """The mean of old minus new over earlier rollouts, with its 95% t interval; None below four rollouts."""
    effects = -history[np.isfinite(history)]
    if len(effects) < MIN_HISTORY:
        return None
    mean, error = float(effects.mean()), float(effects.std(ddof=1)) / math.sqrt(len(effects))
    half = float(stats.t.isf(0.025, len(effects) - 1)) * error
    return Staleness(role, mean, mean - half, mean + half, len(effects))
