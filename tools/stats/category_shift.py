"""Has the mix of a categorical feature's values moved? Ids have no order, so there are no ranks of them."""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from tools.stats.compared import Compared
from tools.stats.departures import departures
from tools.stats.drift import psi, total_variation
from tools.stats.hourly import Hourly
from tools.stats.profile import Counts, Floats
from tools.stats.robust import MIN_HISTORY
from tools.stats.value_counts import merge_values

_FIRST = 3


@dataclass(frozen=True)
class Mix:
    """How far the mix of values lies from every earlier one: `p_value`; `psi` over the heavy values and all others, and
    the share of samples that hold `other` values than the baseline's, beyond that of a usual day."""

    p_value: float
    psi: float
    other: float
    days: int


def mix_shift(table: Hourly, whole: Compared, feature: str) -> Mix | None:
    """A day is as new as it is far, by the Hellinger distance, from the day before it that is most alike: so Saturdays
    are held against Saturdays. The window's newness is tested against that of earlier days, each against those before
    it. None with fewer than seven days with values.
    """
    counts = block_counts(table, whole, feature)
    counts = counts[counts.sum(axis=1) > 0] if counts[-1].sum() else counts[:0]
    if len(counts) < _FIRST + MIN_HISTORY + 1:
        return None
    root = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    distance = np.sqrt(np.maximum(1 - root @ root.T, 0.0))
    newness = np.array([distance[k, :k].min() for k in range(_FIRST, len(counts))])[:, None]
    d = departures(newness[:-1], newness[-1])
    baseline = counts[:-1].sum(axis=0)
    apart = total_variation(baseline, counts)
    other = max(float(apart[-1] - np.median(apart[:-1])), 0.0)
    return Mix(float(d.p_values("high", 0.01)[0]), float(psi(baseline, counts[-1])), other, len(newness) - 1)


def block_counts(table: Hourly, whole: Compared, feature: str) -> Counts:
    """The counts of each heavy value, and of all others last, int64[K + 1, V + 1]."""
    parts = table.values[feature]
    found = np.zeros((len(whole.blocks), len(parts[0][1].heavy) + 1), dtype=np.int64)
    for t, counted in parts:
        held = np.append(counted.heavy_counts, 0)
        found[whole.blocks[:, t]] += held
    count = table.totals.count[:, table.features.index(feature)]
    found[:, -1] = np.maximum([int(count[block].sum()) for block in whole.blocks] - found.sum(axis=1), 0)
    return found


def described(table: Hourly, whole: Compared, feature: str) -> str:
    """Which value's share changed most, and how many different values there are."""
    counts = block_counts(table, whole, feature)
    heavy = table.values[feature][0][1].heavy
    before, now = (_shares(part) for part in (counts[:-1].sum(axis=0), counts[-1]))
    most = int(np.argmax(np.abs(now - before)))
    name = f"value {heavy[most]:g}" if most < len(heavy) else "values that are not frequent"
    usual = np.median([_distinct(table, block, feature) for block in whole.blocks[:-1]])
    return (
        f"{name} went from {before[most]:.1%} to {now[most]:.1%}; {_distinct(table, whole.blocks[-1], feature):.0f} "
        f"different values, where {usual:.0f} are usual"
    )


def _shares(counts: Counts) -> Floats:
    return np.asarray(counts / max(int(counts.sum()), 1))


def _distinct(table: Hourly, block: Floats, feature: str) -> float:
    parts = [counted for t, counted in table.values[feature] if block[t]]
    return reduce(merge_values, parts).distinct if parts else 0.0
