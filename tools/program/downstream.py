"""What a bad value does to the predictions: the same rows once as they are, and once with the value replaced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.bad_rows import by_row

if TYPE_CHECKING:
    from torch import Tensor

MOVED = 0.1
"""A prediction has moved if it differs by this share of the predictions' standard deviation."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """`share` of the predictions that moved, `moved` of `rows`; `non_finite` of them were no numbers before.

    `change` is the mean absolute difference of those that are numbers both times, in the unit of `output`; None where
    there are none. `replaced` is the value that was replaced, `by` what it was replaced with.
    """

    replaced: str
    by: str
    output: str
    rows: int
    moved: int
    non_finite: int
    share: Interval
    change: Interval | None
    spoiled: np.ndarray
    """Which rows moved (bool[n])."""


def effect(
    before: Mapping[str, "Tensor"], after: Mapping[str, "Tensor"], rows: int, replaced: str, by: str
) -> Effect | None:
    """Compare two sets of outputs, tensors of [rows, ...] by name. None where no output has rows.

    With several outputs a row has moved where any of them has; `change` is of the one of which most rows moved.
    """
    compared = {
        name: _compare(_matrix(before[name], rows), _matrix(after[name], rows))
        for name in before
        if name in after and by_row(before[name], rows) and by_row(after[name], rows)
    }
    if not compared:
        return None
    output = max(compared, key=lambda name: int(compared[name][0].sum()))
    moved = np.any([found[0] for found in compared.values()], axis=0)
    lost = np.any([found[1] for found in compared.values()], axis=0)
    count = int(moved.sum())
    return Effect(
        replaced=replaced,
        by=by,
        output=output,
        rows=rows,
        moved=count,
        non_finite=int(lost.sum()),
        share=wilson(count, rows),
        change=bootstrap_mean(compared[output][2]),
        spoiled=moved,
    )


def _matrix(value: "Tensor", rows: int) -> np.ndarray:
    return np.asarray(value.detach().reshape(rows, -1).double().numpy())


def _compare(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows moved, which were no numbers before, and by how much the others changed (float64[m])."""
    finite_before, finite_after = np.isfinite(before).all(axis=1), np.isfinite(after).all(axis=1)
    both = finite_before & finite_after
    change = np.zeros(len(before))
    change[both] = np.abs(before[both] - after[both]).max(axis=1)
    usual = float(np.std(after[finite_after])) if finite_after.any() else 0.0
    least = max(MOVED * usual, 1e-6 * float(np.abs(after[finite_after]).max(initial=0.0)))
    return ~finite_before | (change > least), ~finite_before, change[both]


def wilson(count: int, n: int) -> Interval:
    """A share with its interval (Wilson 1927)."""
    z = 1.959964
    share = count / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def bootstrap_mean(values: np.ndarray) -> Interval | None:
    """The mean with its interval by resampling rows (percentiles; the same resamples every time)."""
    if not len(values):
        return None
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


def hold(value: "Tensor", low: float, high: float, middle: float | None = None) -> "Tensor":
    """A value held between two limits; NaN becomes `middle`, or else half way between them."""
    import torch

    centre = (low + high) / 2 if middle is None else middle
    return torch.nan_to_num(value, nan=centre, posinf=high, neginf=low).clamp(low, high)
