"""Which rollout explains a model's fall, if any.

The confidence of an accusation is `probability_of_effect` of its q value. That of a clearance is, for each rollout, the
best of: one less the p value of "the new snapshot is worse by so much that it makes half of the model's fall"; the
coverage of the onset's interval, where the rollout did not move in it; and the confidence that the fall goes on
without the snapshot.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from tools.records import MetricRole
from tools.stats.changepoint import LEVEL
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.robust import Departure, Tail
from tools.stats.rollout_reversal import FELL, HALF, Reversal
from tools.stats.rollout_timeline import SKEW_H, Rollout, time_of
from tools.stats.rollouts import RolloutTest, Yardstick, bad

ALPHA = 0.01
MOST_SURE = 0.99
SURE_ENOUGH = 0.95
TOO_LITTLE = "it is worse than the other snapshots, but served too little to make half of the fall"
SMALL_LOG_RATIO = 0.03
"""A snapshot that is worse by less than this on a ratio metric is not worth a rollback."""


@dataclass(frozen=True)
class Case:
    """What is known about a fall: the tests of the rollouts, how far the model fell against the other models on each
    metric, which share of its traffic in the window each rollout served, when it began, and what rollbacks did."""

    tests: Sequence[RolloutTest]
    candidates: Sequence[Rollout]
    tails: Mapping[MetricRole, Tail]
    falls: Mapping[MetricRole, Departure]
    shares: Mapping[str, float]
    onset: ContrastOnset | None
    reversals: Sequence[Reversal]

    def fell(self, role: MetricRole) -> float | None:
        """By how much the model is worse on a metric; None where it did not fall there."""
        seen = self.falls.get(role)
        if seen is None or not seen.p_value < FELL:
            return None
        size = bad(seen.effect, self.tails[role])
        return size if size > 0 else None

    @property
    def any_fall(self) -> bool:
        """Whether there is something to explain: a fall over the window, at some hour, or until a rollback."""
        found = self.onset is not None and self.onset.found
        return found or bool(self.reversals) or any(self.fell(role) is not None for role in self.tails)

    def falls_short(self, test: RolloutTest) -> float:
        """The confidence that the snapshot, with the traffic that it served in the window, makes less than half of the
        model's fall: a t test of effect x share against it. 0 where there is no fall, or the effect is not known."""
        size, share = self.fell(test.role), self.shares.get(test.rollout.snapshot, math.nan)
        if size is None or not (test.concurrent.known and math.isfinite(share)):
            return 0.0
        if share == 0:
            return 1.0
        fall = self.falls[test.role]
        scale = math.hypot(share * test.concurrent.scale, HALF * fall.scale)
        short = HALF * size - share * bad(test.concurrent.effect, self.tails[test.role])
        return float(stats.t.cdf(short / scale, min(fall.df, test.concurrent.df)))


@dataclass(frozen=True)
class Clearance:
    """Why a rollout does not explain the fall, and how sure that is."""

    rollout: Rollout
    confidence: float
    why: str


def guilty(case: Case) -> list[RolloutTest]:
    """The tests that accuse a rollout, the strongest first.

    A rollout is accused when its snapshot is worse than the others of its model in the same hours (q below 0.01),
    beyond what earlier rollouts showed, by enough to matter, and when nothing else about it points the other way: the
    other metric's contrast, the dose-response where there is one, a share too small to make the fall, and a fall that
    goes on after a rollback.
    """
    lasting = {r.rollout for r in case.reversals if r.goes_on >= SURE_ENOUGH}
    found = [t for t in case.tests if t.rollout not in lasting and stands_out(t) and _supported(t, case)]
    found = [
        t for t in found if (case.any_fall or t.yardstick is not Yardstick.hours) and case.falls_short(t) < SURE_ENOUGH
    ]
    return sorted(found, key=lambda t: (t.q_value, t.concurrent.p_value, t.role.value))


def stands_out(test: RolloutTest) -> bool:
    """Whether the snapshot is worse than the others, by enough to matter."""
    big = test.role is MetricRole.topline or abs(test.concurrent.effect) > SMALL_LOG_RATIO
    return test.concurrent.known and test.concurrent.beyond and test.q_value < ALPHA and big


def _supported(test: RolloutTest, case: Case) -> bool:
    """Whether every metric points the same way, and the dose-response does on one metric where it could tell."""
    mine = [t for t in case.tests if t.rollout == test.rollout and t.concurrent.known]
    sizes = {t.role: bad(t.concurrent.effect, case.tails[t.role]) for t in mine}
    telling = [t for t in mine if t.dose.known and t.dose.scale < HALF * sizes[t.role]]
    slopes = [bad(t.dose.effect, case.tails[t.role]) for t in telling]
    return min(sizes.values()) > 0 and (not slopes or max(slopes) > 0)


def clearances(case: Case) -> list[Clearance]:
    """For each candidate its best excuse; a confidence of 0 where there is none."""
    return [_best_excuse(case, r) for r in case.candidates]


def _best_excuse(case: Case, rollout: Rollout) -> Clearance:
    """Timing clears no snapshot that the same hours show to be worse: only too little traffic on every metric does."""
    tests = [t for t in case.tests if t.rollout == rollout]
    short = [case.falls_short(t) for t in tests if case.fell(t.role) is not None]
    if any(stands_out(t) for t in tests):
        return Clearance(rollout, min([*short, MOST_SURE]) if short else 0.0, TOO_LITTLE)
    excuses = [Clearance(rollout, 0.0, ""), *_by_timing(case.onset, rollout)]
    excuses += [Clearance(rollout, case.falls_short(t), _alike(t)) for t in tests]
    excuses += [
        Clearance(rollout, r.goes_on, f"the fall goes on {r.hours_after} h after it was rolled back")
        for r in case.reversals
        if r.rollout == rollout
    ]
    best = max(excuses, key=lambda c: c.confidence)
    sure = dict.fromkeys(c.why for c in excuses if c.confidence >= SURE_ENOUGH)
    return Clearance(rollout, min(best.confidence, MOST_SURE), "; ".join(sure) or best.why)


def _alike(test: RolloutTest) -> str:
    against = f"the model outside of {test.place}" if test.place else "the other snapshots"
    return f"in the same hours it is not enough worse than {against} to make half of the fall"


def _by_timing(onset: ContrastOnset | None, rollout: Rollout) -> list[Clearance]:
    """Excuses by the clock, which may be off by an hour: it started after the onset's interval, or had come to rest, or
    gone, before it."""
    if onset is None or not onset.found:
        return []
    low, high = time_of(onset.low), time_of(onset.high)
    if rollout.start > onset.high + SKEW_H:
        why = f"it started at {time_of(rollout.start):%Y-%m-%d %H:%M}, the fall by {high:%m-%d %H:%M} UTC"
        return [Clearance(rollout, LEVEL, why)]
    if rollout.gone is not None and rollout.gone + SKEW_H < onset.low:
        why = f"it was gone at {time_of(rollout.gone):%Y-%m-%d %H:%M}, the fall began from {low:%m-%d %H:%M} UTC on"
        return [Clearance(rollout, LEVEL, why)]
    if rollout.full is not None and rollout.full + SKEW_H < onset.low:
        why = f"it served everybody from {time_of(rollout.full):%Y-%m-%d %H:%M}, the fall began from "
        return [Clearance(rollout, LEVEL, f"{why}{low:%m-%d %H:%M} UTC on")]
    return []


def precedes(onset: ContrastOnset | None, rollouts: Sequence[Rollout]) -> bool | None:
    """Whether the onset lies before every rollout that could have caused it, by more than clocks may differ.

    A rollout that had reached everybody before the onset's interval cannot have caused it, so only the others count.
    None where there is no onset.
    """
    if onset is None or not onset.found:
        return None
    open_then = [r for r in rollouts if r.full is None or r.full + SKEW_H >= onset.low]
    return all(r.start > onset.high + SKEW_H for r in open_then)
