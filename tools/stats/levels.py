"""Where a distribution lies, hour by hour, without units or outliers: mean normal scores of the baseline's ridits."""

import numpy as np
from scipy import special

from tools.stats import drift
from tools.stats.compared import Compared
from tools.stats.hourly import Hourly, ratio
from tools.stats.profile import Counts, Floats

_RAREST = 1e-4


def normal_scores(rank: Floats) -> Floats:
    """The score of each bin, given its ridit in the baseline (van der Waerden 1952). Unlike ridits, scores are not
    squeezed at their ends, so that a distribution that moves keeps its spread."""
    return np.asarray(special.ndtri(np.clip(rank, _RAREST, 1 - _RAREST)))


def baseline_ridits(histogram: Counts) -> Floats:
    """The ridits [..., B] of the earlier blocks of histograms [K + 1, ..., B]; one half where they hold nothing."""
    return np.nan_to_num(drift.ridits(histogram[:-1].sum(axis=0)), nan=0.5)


def hourly_levels(table: Hourly, whole: Compared) -> Floats:
    """The mean score of each hour, float64[T, F + 1], the prediction's last; NaN without values."""
    rank = np.vstack([baseline_ridits(whole.histogram), baseline_ridits(whole.prediction)[None]])
    return ratio(
        table.histograms.sums(normal_scores(rank)), np.hstack([table.totals.count, table.predictions[:, None]])
    )
