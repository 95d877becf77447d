"""Weights that stand where others should: older ones, another tensor's, or a table's own rows in another order."""

from collections.abc import Mapping, Sequence

import numpy as np

from tools.stats.tensor_change import TensorChange
from tools.stats.tensor_pass import CHUNK
from tools.stats.weight_change import Weights
from tools.stats.weight_pattern import SMALLEST

Changes = Mapping[str, TensorChange]

ALIKE = 0.7  # cosine: a day's training leaves a tensor more like itself than that
SAMPLED_ROWS = 64
MOST_ROWS = 1 << 20  # a table with more rows is not searched for its own ones


def older_copies(current: Changes, past: Sequence[tuple[str, Changes]]) -> dict[str, str]:
    """Tensor → the newest earlier snapshot that has the same fingerprint for it, of those that changed since.

    `past` names each earlier update by the snapshot that it led to, oldest first. A tensor that came back to an
    earlier value before is left out: it does so by itself. A fingerprint says where to look; `equal` then says whether
    it is so.
    """
    found: dict[str, str] = {}
    for name, change in current.items():
        marks = {snapshot: step[name].mark for snapshot, step in past if name in step}
        returns = len(set(marks.values())) < len(marks)
        alike = [snapshot for snapshot, mark in marks.items() if mark == change.mark]
        if change.changed and change.elements >= SMALLEST and alike and not returns:
            found[name] = alike[-1]
    return found


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers, a chunk at a time. NaN equals NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    left, right = one.reshape(-1), other.reshape(-1)
    return all(
        np.array_equal(left[start : start + CHUNK], right[start : start + CHUNK], equal_nan=left.dtype.kind == "f")
        for start in range(0, left.size, CHUNK)
    )


def whence(before: Weights, after: Weights, strangers: Sequence[str]) -> str | None:
    """Where the values of tensors that are unlike their earlier selves come from, in words; None where none is seen."""
    swapped = [name for name in strangers if _double(before, after[name], name, strangers)]
    if swapped:
        return f"{', '.join(swapped[:3])} hold values of one another"
    shuffled = [name for name in strangers if reshuffled(before[name], after[name])]
    return f"the rows of {', '.join(shuffled[:3])} are the earlier ones in another order" if shuffled else None


def _double(before: Weights, values: np.ndarray, name: str, strangers: Sequence[str]) -> bool:
    """Whether a tensor looks like the earlier self of another one of the strangers."""
    others = [other for other in strangers if other != name and before[other].shape == values.shape]
    return any(_cosine(before[other], values) > ALIKE for other in others)


def reshuffled(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the rows of a table are its earlier rows in another order: each of a sample of rows has a near double
    among the earlier ones, at another place."""
    if after.ndim != 2 or not 2 <= len(after) <= MOST_ROWS or after.shape[1] < 3:
        return False
    places = np.unique(np.linspace(0, len(after) - 1, SAMPLED_ROWS).astype(int))
    rows = _directions(after[places])
    best, where = np.full(len(rows), -1.0), np.zeros(len(rows), dtype=int)
    step = max(1, CHUNK // after.shape[1])
    for start in range(0, len(before), step):
        likeness = rows @ _directions(before[start : start + step]).T
        nearest = likeness.argmax(axis=1)
        better = likeness[np.arange(len(rows)), nearest] > best
        best[better], where[better] = likeness[np.arange(len(rows)), nearest][better], start + nearest[better]
    doubles = best > 0.99
    return bool(doubles.mean() > 0.5 and (where[doubles] != places[doubles]).mean() > 0.5)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    left, right = one.reshape(-1), other.reshape(-1)
    sums = np.zeros(3)
    for start in range(0, left.size, CHUNK):
        a, b = (part[start : start + CHUNK].astype(np.float64) for part in (left, right))
        sums += (a @ b, a @ a, b @ b)
    product = float(np.sqrt(sums[1] * sums[2]))
    return float(sums[0]) / product if 0 < product < np.inf else 0.0


def _directions(rows: np.ndarray) -> np.ndarray:
    wide = np.nan_to_num(rows.astype(np.float64))
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: np.ndarray = wide / np.where(lengths > 0, lengths, 1.0)
    return unit
