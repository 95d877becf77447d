"""Are the labels that a model learned from distributed as those that it is served with, and if not, by how much?

Rows of a day share their day, so counts are first divided by how much more days differ than chance would have it (the
design effect of Rao & Scott 1981): a million rows of two days are no million observations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

from tools.records import Confusion
from tools.stats.profile import Floats

LEAST_V, LEAST_RANK, LEAST_SHARE = 0.1, 0.05, 0.05
"""The smallest effects that matter: Cramér's V (Cohen's small one), distance of the rank from one half, and a share."""
_WORST_CONDITION = 20.0
_DRAWS = 400
Method = Literal["chi-square", "rank", "black-box shift estimation"]


@dataclass(frozen=True)
class Drift:
    """How far apart two distributions of labels are: `size` with its 95% interval, the p value, the effective number of
    rows of both sides, and whether it is beyond the smallest size that matters. `says` is it in words."""

    method: Method
    size: float
    low: float
    high: float
    p_value: float
    n_effective: float
    large: bool
    says: str


def design_effect(by_day: Floats) -> float:
    """How much more the days of counts float64[D, L] differ than multinomial draws of one distribution; at least 1."""
    used = by_day[by_day.sum(axis=1) > 0]
    used = used[:, used.sum(axis=0) > 0]
    if len(used) < 2 or used.shape[1] < 2:
        return 1.0
    expected = used.sum(axis=1, keepdims=True) * used.sum(axis=0) / used.sum()
    square = float(((used - expected) ** 2 / expected).sum())
    return float(max(1.0, square / ((len(used) - 1) * (used.shape[1] - 1))))


def compared(labels: Sequence[str], trained: Floats, served: Floats, effects: tuple[float, float]) -> Drift | None:
    """Counts float64[L] on both sides, with their design effects. Labels that are more than two numbers are ordered and
    compared by rank, others by chi-square. None where a side has next to nothing."""
    ours, theirs = trained / effects[0], served / effects[1]
    if min(ours.sum(), theirs.sum()) < 10:
        return None
    numbers = as_numbers(labels)
    if numbers is not None and len(labels) > 2:
        order = np.argsort(numbers)
        return _by_rank(ours[order], theirs[order])
    return _by_chi_square(labels, ours, theirs)


def as_numbers(labels: Sequence[str]) -> Floats | None:
    """Labels as float64[L]; None where one of them is no finite number."""
    try:
        found = np.array([float(label) for label in labels])
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None


def _by_chi_square(labels: Sequence[str], ours: Floats, theirs: Floats) -> Drift | None:
    table = np.stack([ours, theirs])[:, ours + theirs > 0]
    if table.shape[1] < 2:
        return None
    total = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / total
    square, df = float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1
    size = math.sqrt(square / total)  # of two rows, Cramér's V is phi
    low, high = (math.sqrt(_noncentral(square, df, level) / total) for level in (0.975, 0.025))
    shares = np.stack([ours / ours.sum(), theirs / theirs.sum()])
    most = int(np.argmax(np.abs(shares[1] - shares[0])))
    ours_said, theirs_said = (f"{share:.1%}" for share in shares[:, most])
    says = f"{theirs_said} of the served labels are {labels[most]!r}, and {ours_said} of those trained on"
    return Drift("chi-square", size, low, high, float(stats.chi2.sf(square, df)), float(total), size >= LEAST_V, says)


def _noncentral(square: float, df: int, level: float) -> float:
    """The noncentrality at which this chi-square lies at this level; 0 where even the central one is beyond it."""
    if stats.chi2.cdf(square, df) <= level:
        return 0.0
    return float(optimize.brentq(lambda x: stats.ncx2.cdf(square, df, x) - level, 1e-9, 4 * square + 100))


def _by_rank(ours: Floats, theirs: Floats) -> Drift:
    """Mann-Whitney's test of two histograms over the same ordered values, ties counting half."""
    m, n = float(ours.sum()), float(theirs.sum())
    below = np.cumsum(ours) - ours / 2
    chance = float(below @ theirs) / (m * n)
    every = ours + theirs
    ties = float((every**3 - every).sum()) / ((m + n) * (m + n - 1))
    error = math.sqrt(max((m + n + 1 - ties) / (12 * m * n), 1e-12))
    shift = chance - 0.5
    p, half = 2 * float(stats.norm.sf(abs(shift) / error)), 1.96 * error
    says = f"a served label exceeds one that was trained on with chance {chance:.3f}"
    return Drift("rank", shift, shift - half, shift + half, p, m + n, abs(shift) >= LEAST_RANK, says)


def from_predictions(confusion: Confusion, trained: Floats, answered: Floats, effect: float) -> Drift | None:
    """The labels that are being served, from what the model answers: black-box shift estimation (Lipton et al. 2018).

    `trained` float64[L] are the label counts of the training, `answered` float64[L] how often each label was answered
    while serving. If only the shares of the labels have changed, the answers are a mixture of what the model answers
    for each; that is solved for the shares. None where the model tells the labels apart too badly for that.
    """
    counts = np.array(confusion.counts, dtype=np.float64)
    if (counts.sum(axis=1) < 10).any() or answered.sum() / effect < 10 or trained.sum() <= 0:
        return None
    estimate = _solved(counts, answered)
    if estimate is None:
        return None
    rng = np.random.default_rng(0)  # the same answer each time
    n = max(int(answered.sum() / effect), 1)
    draws = [
        _solved(
            np.stack([rng.multinomial(int(row.sum()), row / row.sum()) for row in counts]).astype(np.float64),
            rng.multinomial(n, answered / answered.sum()).astype(np.float64),
        )
        for _ in range(_DRAWS)
    ]
    known = np.array([draw for draw in draws if draw is not None])
    if len(known) < _DRAWS / 2:
        return None
    usual = trained / trained.sum()
    most = int(np.argmax(np.abs(estimate - usual)))
    shift, spread = float(estimate[most] - usual[most]), max(float(known[:, most].std()), 1e-9)
    p = min(1.0, 2 * float(stats.norm.sf(abs(shift) / spread)) * len(usual))
    low, high = (float(q) - float(usual[most]) for q in np.quantile(known[:, most], [0.025, 0.975]))
    label = confusion.labels[most]
    says = f"from its answers, {estimate[most]:.1%} of what is served is {label!r}; of the training {usual[most]:.1%}"
    return Drift("black-box shift estimation", shift, low, high, p, float(n), abs(shift) >= LEAST_SHARE, says)


def _solved(counts: Floats, answered: Floats) -> Floats | None:
    """Shares of the labels, not negative and of sum one, whose mixture of answers is nearest to the ones seen."""
    if (counts.sum(axis=1) == 0).any():
        return None
    given = (counts / counts.sum(axis=1, keepdims=True)).T  # answer by label
    if np.linalg.cond(given) > _WORST_CONDITION:
        return None
    found, _ = optimize.nnls(given, answered / answered.sum())
    total = float(found.sum())
    shares: Floats = found / total if total > 0 else np.full(len(found), 1 / len(found))
    return shares
