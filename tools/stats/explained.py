"""How much of the shift of a model's predictions goes with each of its features."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from tools.stats.compared import Compared
from tools.stats.correlation import without_hours_of_day
from tools.stats.departures import Departures, departures
from tools.stats.hourly import Hourly, ratio
from tools.stats.memory import chance_apart
from tools.stats.profile import Floats

_SURE = 0.05


@dataclass(frozen=True)
class PredictionShift:
    """The mean prediction was `usual` and is `now`; [low, high] is the 95% interval of the difference, and `moved` says
    that it leaves out zero. `earlier` blocks were compared with."""

    usual: float
    now: float
    low: float
    high: float
    p_value: float
    earlier: int

    @property
    def moved(self) -> bool:
        return self.p_value <= _SURE


@dataclass(frozen=True)
class Explained:
    """Shares of the prediction's shift, float64[F] with intervals, NaN where none can be given."""

    prediction: PredictionShift
    share: Floats
    low: Floats
    high: Floats


def explained(table: Hourly, whole: Compared) -> Explained:
    """For each feature: what its change would move the mean prediction by, as a share of what it did move by.

    A change of values counts by the slope of prediction on feature between the rows of one hour, as it was on the
    earlier days, times the move of the mean; only where that mean lies among the values that the slope was seen at,
    because a model need not be straight beyond. Missing values count by the contrast, in the same hours, of rows
    without the value to rows with it, times the rise of their share. The interval is the hull over the intervals of
    its factors, each at 98.3%, so that it holds at 95% (Bonferroni). Features that go together each get the share of
    all: it is no proof, and ablation is.
    """
    shift, prediction = _prediction(table, whole)
    shape = len(table.features)
    if not shift.moved:
        return Explained(shift, *(np.full(shape, np.nan) for _ in range(3)))
    moved = _bounds(prediction)
    values, missing = _by_value(table, whole), _by_missing(table, whole)
    both = values + np.nan_to_num(missing)
    corners = np.stack([part / bound for part in both[1:] for bound in moved[1:]])
    return Explained(shift, both[0] / moved[0], corners.min(axis=0), corners.max(axis=0))


def _prediction(table: Hourly, whole: Compared) -> tuple[PredictionShift, Departures]:
    total = np.nan_to_num(table.prediction) * table.predictions
    mean = np.array([ratio(total[block].sum(), table.predictions[block].sum()) for block in whole.blocks])[:, None]
    now = whole.blocks[-1]
    before = table.ts < table.ts[now].min()
    series = table.prediction[:, None]
    series = without_hours_of_day(series, table.ts) if whole.by_hour else series
    d = departures(mean[:-1], mean[-1]).at_least(chance_apart(series, table.ts, before, now))
    half, effect, at = float(d.half()[0]), float(d.effect[0]), float(mean[-1, 0])
    p = float(d.p_values("both")[0])
    return PredictionShift(at - effect, at, effect - half, effect + half, p, int(d.blocks[0])), d


def _bounds(d: Departures) -> Floats:
    """The effect and the ends of its 98.3% interval, float64[3, F]; the ends do not cross zero where the 95% one does
    not, so that a share stays a share."""
    half = -special.stdtrit(d.df, _SURE / 6) * d.scale
    ends = np.stack([d.effect - half, d.effect + half])
    narrow = np.stack([d.effect - d.half(), d.effect + d.half()])
    crosses = (ends[0] * ends[1] <= 0) & (narrow[0] * narrow[1] > 0)
    return np.stack([d.effect, *np.where(crosses, narrow, ends)])


def _by_value(table: Hourly, whole: Compared) -> Floats:
    """What the move of each mean would move the prediction by, and its ends, float64[3, F]."""
    sums = table.totals
    with np.errstate(invalid="ignore", over="ignore"):
        own = sums.pair_total2 - ratio(sums.pair_total**2, sums.pairs)
        own = np.where(own > 1e-9 * sums.pair_total2, own, 0.0)
        joint = sums.cross - ratio(sums.pair_total * sums.pair_prediction, sums.pairs)
        slopes = np.stack([ratio(np.nansum(joint[b], axis=0), np.nansum(own[b], axis=0)) for b in whole.blocks[:-1]])
        means = ratio(whole.sums.total, whole.sums.count)
    slope = _mean_of(slopes)
    move = departures(means[:-1], means[-1])
    earlier = whole.blocks[:-1].any(axis=0)
    least, most = table.minimum[earlier].min(axis=0), table.maximum[earlier].max(axis=0)
    known = (means[-1] >= least) & (means[-1] <= most)
    ends = _bounds(move)
    corners = np.stack([s * m for s in slope[1:] for m in ends[1:]])
    found = np.stack([slope[0] * move.effect, corners.min(axis=0), corners.max(axis=0)])
    return np.where(known, found, np.nan)


def _by_missing(table: Hourly, whole: Compared) -> Floats:
    """What the rise of each share of missing values moved the prediction by, and its ends, float64[3, F]."""
    now, sums = whole.blocks[-1], table.totals
    predictions = table.predictions[now, None]
    absent = np.maximum(predictions - sums.pairs[now], 0)
    gap = ratio((table.prediction * table.predictions)[now, None] - sums.pair_prediction[now], absent) - ratio(
        sums.pair_prediction[now], sums.pairs[now]
    )
    contrast = _mean_of(np.where((absent > 0) & (sums.pairs[now] > 0), gap, np.nan))
    share = ratio(whole.sums.rows - whole.sums.count, whole.sums.rows)
    rise = _bounds(departures(share[:-1], share[-1]))
    corners = np.stack([c * r for c in contrast[1:] for r in rise[1:]])
    return np.stack([contrast[0] * rise[0], corners.min(axis=0), corners.max(axis=0)])


def _mean_of(blocks: Floats) -> Floats:
    """The mean of each column of float64[K, F] and the ends of its 98.3% interval, float64[3, F]."""
    known = np.isfinite(blocks)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, blocks, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (blocks - mean) ** 2, 0.0).sum(axis=0) / (count - 1) / count)
        half = -special.stdtrit(np.maximum(count - 1.0, 1.0), _SURE / 6) * spread
    half = np.where(count > 1, half, np.nan)
    return np.stack([mean, mean - half, mean + half])
