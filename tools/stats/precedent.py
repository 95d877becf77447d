"""Has a stretch of hours as bad as this one been there before, at whatever hour of the day?

The same hours of a few earlier days are a small sample of what a feature does: a reading that fails for an afternoon
once in three weeks fails in some other afternoon than this one.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tools.stats.profile import Counts, Floats

_FULL = 0.25


def worst_share(part: Counts, whole: Counts, hours: int) -> Floats:
    """The highest share part / whole, both [T, F], over any `hours` neighbouring times, float64[F].

    A stretch with less than a quarter of the usual samples is left out; zero where there is none.
    """
    p, w = (_moving_sums(counts, hours) for counts in (part, whole))
    usual = np.median(w, axis=0) if len(w) else 0.0
    full = (w > 0) & (w >= _FULL * usual)
    return np.asarray(np.divide(p, w, out=np.zeros(w.shape), where=full).max(axis=0, initial=0.0))


def range_of_medians(series: Floats, hours: int) -> tuple[float, float]:
    """The lowest and the highest median of `series` float64[T] over any `hours` neighbouring known times; NaN where
    there are fewer."""
    known = series[np.isfinite(series)]
    if len(known) < max(hours, 1):
        return float("nan"), float("nan")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(known, max(hours, 1)), axis=-1)
    return float(medians.min()), float(medians.max())


def _moving_sums(counts: Counts, hours: int) -> NDArray[np.float64]:
    upto = np.cumsum(np.vstack([np.zeros((1, counts.shape[1])), counts]), axis=0)
    hours = min(max(hours, 1), len(counts))
    return np.asarray(upto[hours:] - upto[: len(upto) - hours])


def chance_of_run(hours: Counts, ones: Counts, pairs: Counts, triples: Counts, length: Counts) -> Floats:
    """How likely a run of `length` hours of some kind is at a given hour, float64[F], all int64[F].

    Of `hours` hours that are known, `ones` were of this kind, `pairs` followed one of the kind and `triples` two. A run
    is taken for a Markov chain: it begins as often as hours were of the kind, and goes on as often as it did, counted
    after one or after two hours, whichever was more often. What never happened is not believed to stay either.
    """
    first = (ones + 1) / (hours + 2)
    after_two = np.where(pairs > 1, (triples + 1) / (pairs + 2), 0.0)
    stay = np.where(ones > 0, np.maximum((pairs + 1) / (ones + 2), after_two), first)
    with np.errstate(under="ignore"):
        return np.asarray(first * stay ** np.maximum(length - 1, 0))


def chance_of_bad_hours(before: NDArray[np.bool_], lead: NDArray[np.bool_], now: NDArray[np.bool_]) -> Floats:
    """How likely the bad hours of `now` bool[S, F] are, given those `before` bool[T, F]; float64[F].

    Either one run of as many, anywhere among the hours of `now`, or the run that goes on into `now` from the hours
    `lead` bool[L, F] ahead of it, in which a fault that is older than its alert began: the less likely of the two, paid
    for as two (union bounds). A share of missing values that comes in bursts has days that are all alike and one that
    is not; Student's t takes it for a break.
    """
    pairs = before[1:] & before[:-1]
    triples = pairs[1:] & pairs[:-1]
    habit = np.full(now.shape[1], len(before)), before.sum(axis=0), pairs.sum(axis=0), triples.sum(axis=0)
    count = now.sum(axis=0)
    anywhere = chance_of_run(*habit, count) * special.binom(len(now), count)
    gone_on = chance_of_run(*habit, _run_into(lead, now)) * len(now)
    return np.asarray(np.minimum(2 * np.minimum(anywhere, gone_on), 1.0))


def _run_into(lead: NDArray[np.bool_], now: NDArray[np.bool_]) -> Counts:
    """The longest run of bad hours that ends in `now`, wherever it began, int64[F]."""
    run = longest = np.zeros(now.shape[1], dtype=np.int64)
    for t, bad in enumerate(np.vstack([lead, now])):
        run = np.where(bad, run + 1, 0)
        longest = np.maximum(longest, run) if t >= len(lead) else longest
    return longest
