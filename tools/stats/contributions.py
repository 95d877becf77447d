"""How much of a shift of the predictions a feature explains: what it adds to them now, against what it added before."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ruling = Literal["confirmed", "cleared", "open"]

RESAMPLES = 1000
HOUR_S = 3600
LEAST_HOURS = 5
MATTERS = 0.1
"""The share of the shift that a feature has to explain to be confirmed."""
MATTERS_AT_ALL = 0.02
"""In standard deviations of the earlier predictions: a feature that moves them by less, before and now, is cleared."""


@dataclass(frozen=True)
class Contributions:
    """For each of F features what it adds to the shift of the mean prediction, float64[F], with the 95% interval over
    hours (NaN with fewer than five on either side). `shift` is that of the mean prediction itself. A ruling is
    `confirmed` where the mean shifted and a feature explains a share that matters (at 99%), and `cleared` where the
    snapshot hardly uses it, neither before nor now."""

    shift: float
    shift_low: float
    shift_high: float
    amount: Floats
    low: Floats
    high: Floats
    rulings: tuple[Ruling, ...]

    def share(self, place: int) -> float:
        """Of the shift; NaN where the predictions did not shift beyond doubt."""
        certain = self.shift_low > 0 or self.shift_high < 0
        return float(self.amount[place] / self.shift) if certain else float("nan")


def contributions(
    earlier: Floats, now: Floats, predicted_then: Floats, predicted_now: Floats, ts_then: Ints, ts_now: Ints
) -> Contributions:
    """From differences float64[n, F] (prediction minus the one without the feature) and predictions float64[n] of one
    snapshot, on rows of before and rows of now.

    Rows of one hour share weather, traffic and requests, so hours are drawn, not rows.
    """
    then_means = _drawn(np.column_stack([predicted_then, earlier]), ts_then, 0)
    now_means = _drawn(np.column_stack([predicted_now, now]), ts_now, 1)
    amount = now.mean(axis=0) - earlier.mean(axis=0)
    shift = float(predicted_now.mean() - predicted_then.mean())
    if then_means is None or now_means is None:
        nan = np.full(len(amount), np.nan)
        return Contributions(shift, np.nan, np.nan, amount, nan, nan, tuple("open" for _ in amount))
    low, high = np.quantile(now_means - then_means, (0.025, 0.975), axis=0)
    least, greatest = np.quantile(now_means - then_means, (0.005, 0.995), axis=0)[:, 1:]
    shifted = bool(low[0] > 0 or high[0] < 0)
    deviation = float(predicted_then.std())
    counts = np.maximum(_most(earlier, ts_then, 2), _most(now, ts_now, 3))
    enough = (np.abs(amount) >= max(MATTERS * abs(shift), MATTERS_AT_ALL * deviation)) & (amount * shift > 0)
    surely = shifted & enough & ((least > 0) | (greatest < 0))
    rulings: tuple[Ruling, ...] = tuple(
        "cleared" if count < MATTERS_AT_ALL * deviation else "confirmed" if sure else "open"
        for count, sure in zip(counts, surely, strict=True)
    )
    return Contributions(shift, float(low[0]), float(high[0]), amount, low[1:], high[1:], rulings)


def _most(differences: Floats, ts: Ints, seed: int) -> Floats:
    """The upper end of the 95% interval of each feature's mean absolute difference, float64[F]."""
    means = _drawn(np.abs(differences), ts, seed)
    assert means is not None  # asked only where there are hours enough
    most: Floats = np.quantile(means, 0.975, axis=0)
    return most


def _drawn(values: Floats, ts: Ints, seed: int) -> Floats | None:
    """Means float64[RESAMPLES, K] of values float64[n, K] over hours drawn with replacement."""
    hours, member = np.unique(ts // HOUR_S, return_inverse=True)
    if len(hours) < LEAST_HOURS:
        return None
    sums = np.zeros((len(hours), values.shape[1]))
    np.add.at(sums, member, values)
    sizes = np.bincount(member).astype(np.float64)
    drawn = np.random.default_rng(seed).multinomial(len(hours), np.full(len(hours), 1 / len(hours)), RESAMPLES)
    means: Floats = (drawn @ sums) / np.maximum(drawn @ sizes, 1.0)[:, None]
    return means
