"""What is usual at a time of the day or the week, where a history shows that it depends on it."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_RUNS = 5  # at a time of the day, for a median of its own
DAYS, WEEKS = 3, 3  # of history, before a time of the day or the weekend can be told from chance
BETTER = 0.9  # the season must bring the typical distance from usual down to this
HOURS = 24
WEEKEND = 5  # the first day of it, counted from Monday


def usual(times: Sequence[datetime], values: Floats, history: NDArray[np.bool_]) -> Floats:
    """The median of the history for each run, float64[n]; `history` bool[n] marks what it is taken from.

    Runs within an hour of the same time of the day are taken together, on working days and weekends apart where there
    are weeks enough; the finer one is taken where it halves no less than a tenth of the typical distance from usual,
    corrected for the median's own freedom.
    """
    known = history & np.isfinite(values)
    everything = np.full(len(values), np.median(values[known]) if known.any() else np.nan)
    best, distance = everything, _distance(values, everything, known, len(values))
    for slots in _slots(times, known):
        fitted, size = _by_slot(values, slots, known, everything)
        found = _distance(values, fitted, known, size)
        if found < BETTER * distance:
            best, distance = fitted, found
    return best


def _slots(times: Sequence[datetime], known: NDArray[np.bool_]) -> list[Ints]:
    """The slot of each run by hour of the day, and by weekend and hour; none where the history is too short."""
    days = {time.date() for time, old in zip(times, known, strict=True) if old}
    span = (max(days) - min(days)).days + 1 if days else 0
    hour = np.array([time.hour for time in times], dtype=np.int64)
    weekend = np.array([time.weekday() >= WEEKEND for time in times], dtype=np.int64)
    found = [hour] if len(days) >= DAYS else []
    return [*found, hour + HOURS * weekend] if span >= WEEKS * 7 else found


def _by_slot(values: Floats, slots: Ints, known: NDArray[np.bool_], everything: Floats) -> tuple[Floats, int]:
    """The median by slot and its neighbours, and the usual number of runs behind one."""
    fitted, sizes = everything.copy(), []
    for slot in np.unique(slots):
        near = slot // HOURS * HOURS + (slot % HOURS + np.array([-1, 0, 1])) % HOURS
        alike = known & np.isin(slots, near)
        sizes.append(int(alike.sum()))
        if sizes[-1] >= MIN_RUNS:
            fitted[slots == slot] = np.median(values[alike])
    return fitted, int(np.median(sizes))


def _distance(values: Floats, fitted: Floats, known: NDArray[np.bool_], size: int) -> float:
    """The mean distance of the history, as it would be for a run that the median does not know yet."""
    if not known.any():
        return 0.0
    return float(np.abs(values - fitted)[known].mean()) * size / max(size - 1, 1)
