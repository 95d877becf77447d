"""How long a feature has kept one single value, and how likely that is by its habit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.hourly import Hourly
from tools.stats.precedent import chance_of_run, worst_share
from tools.stats.profile import Counts, Floats


@dataclass(frozen=True)
class Runs:
    """Of each feature: the `length` in hours of the run with one value that the window ends with, and the `rows` in it;
    the `longest` such run of the baseline; the chance `p_value` of a run of this length at a given hour, NaN where the
    baseline has less than `least` hours. Arrays [F]."""

    length: Counts
    rows: Counts
    longest: Counts
    p_value: Floats


def runs(table: Hourly, inside: NDArray[np.bool_], before: NDArray[np.bool_], least: int) -> Runs:
    """The runs of a window and of its baseline, bool[T] each; hours without values are passed over.

    Likely as `chance_of_run` takes it: a feature that never held one value for an hour is not believed to keep one.
    """
    length, rows = _last(table, inside)
    h = _habit(table, before)
    p = chance_of_run(h.hours, h.singles, h.pairs, h.triples, length)
    return Runs(length, rows, h.longest, np.where((h.hours > least) & (length > 0), p, np.nan))


def _last(table: Hourly, inside: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    features = len(table.features)
    length, rows = np.zeros(features, dtype=np.int64), np.zeros(features, dtype=np.int64)
    value, going = np.full(features, np.nan), np.ones(features, dtype=bool)
    for t in np.flatnonzero(inside)[::-1]:
        filled = table.totals.count[t] > 0
        value = np.where(np.isnan(value) & filled, table.minimum[t], value)
        same = (table.minimum[t] == value) & (table.maximum[t] == value)
        going &= same | ~filled
        length += going & filled
        rows += np.where(going & filled, table.totals.count[t], 0)
    return length, rows


def others_expected(table: Hourly, i: int, inside: NDArray[np.bool_], before: NDArray[np.bool_], found: Runs) -> float:
    """How many samples of the run would hold another value, if those were as rare as in the stretch of the baseline
    that is as long and had the fewest: a rare flag may well not be raised for a day."""
    counts, filled = table.histograms.of(i), table.totals.count[:, i]
    last = np.flatnonzero(inside & (filled > 0))[-1]
    held = counts[:, [int(np.argmax(counts[last]))]]
    return float(found.rows[i] * (1 - worst_share(held[before], filled[before, None], int(found.length[i]))[0]))


@dataclass(frozen=True)
class _Habit:
    """Of each feature: hours with values, of these with one value, with the value of the hour before too, and with that
    of the two before; the longest run. int64[F]."""

    hours: Counts
    singles: Counts
    pairs: Counts
    triples: Counts
    longest: Counts


def _habit(table: Hourly, before: NDArray[np.bool_]) -> _Habit:
    run, longest, singles, pairs, triples, hours = (np.zeros(len(table.features), dtype=np.int64) for _ in range(6))
    value = np.full(len(table.features), np.nan)
    for t in np.flatnonzero(before):
        filled = table.totals.count[t] > 0
        single = filled & (table.minimum[t] == table.maximum[t])
        kept = single & (table.minimum[t] == value)
        run = np.where(kept, run + 1, np.where(filled, single.astype(np.int64), run))
        value = np.where(filled, np.where(single, table.minimum[t], np.nan), value)
        longest = np.maximum(longest, run)
        hours, singles = hours + filled, singles + single
        pairs, triples = pairs + kept, triples + (kept & (run > 2))
    return _Habit(hours, singles, pairs, triples, longest)
