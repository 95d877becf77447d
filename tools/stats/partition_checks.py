"""A partition against the daily partitions before it: each figure of it and of its columns, a day ahead of its past."""

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import cast

import numpy as np

from tools.records import PartitionRead, TrainingRun
from tools.stats.day_ahead import MIN_DAYS, Ahead, day_ahead
from tools.stats.floored import judged
from tools.stats.outcome import Check, Outcome
from tools.stats.partition_figures import SCALES, Figure, Figures, figures
from tools.stats.robust import departure

_MOST_DAYS = 400  # so that the same season of the year before is within reach
_MOST_NEW = 28
_RISES: frozenset[Figure] = frozenset({"nulls", "duplicates", "late"})
_FALLS: frozenset[Figure] = frozenset({"association"})
_EXACT = 1e-9
_TOGETHER = math.log(1.5)
_LEAST_PSI = 0.05  # what moved by less is nothing that a model would notice, however still it was before
WORDS: dict[Figure, str] = {
    "nulls": "null shares", "distinct": "distinct values", "mean": "means", "spread": "deviations",
    "least": "smallest values", "most": "largest values", "rank": "ranks", "shape": "distributions",
    "correlation": "correlations with the label",
}  # fmt: skip


def new_partitions(run: TrainingRun, earlier: Sequence[TrainingRun]) -> list[PartitionRead]:
    """The daily partitions that this run was the first to read, the newest 28 of them, oldest first."""
    read = {(p.dataset, p.partition) for r in earlier for p in r.partitions}
    new = {(p.dataset, p.partition): p for p in run.partitions if is_daily(p) and (p.dataset, p.partition) not in read}
    if not read:  # the first run there is: its newest partition is judged by its others
        newest = max(new.values(), key=lambda p: (_start(p), p.dataset, p.partition), default=None)
        return [newest] if newest else []
    return sorted(new.values(), key=lambda p: (_start(p), p.dataset, p.partition))[-_MOST_NEW:]


def is_daily(partition: PartitionRead) -> bool:
    """Whether a partition holds one day, give or take the hour of a clock change."""
    return partition.day is not None and 22 <= partition.day.seconds / 3600 <= 26


def before(target: PartitionRead, run: TrainingRun, earlier: Sequence[TrainingRun]) -> list[PartitionRead]:
    """The daily partitions of its dataset before it, one for a day, as they were first read; oldest first."""
    found: dict[float, PartitionRead] = {}
    for one in [*earlier, run]:
        for p in one.partitions:
            if p.dataset == target.dataset and is_daily(p) and 0 < _start(target) - _start(p) <= _MOST_DAYS * 86_400:
                found.setdefault(round(_start(p) / 86_400), p)
    return [found[day] for day in sorted(found)]


def partition_outcomes(target: PartitionRead, past: Sequence[PartitionRead], served: bool) -> list[Outcome]:
    """The outcome of every figure that can be predicted from at least 12 days; p values are of single checks.

    With `served` the labels are compared with those served on the same day elsewhere, which is sharper than their past.
    """
    if len(past) < MIN_DAYS:
        return []
    table = figures([*past, target])
    ahead = day_ahead(table.values, table.figures, table.noise)
    name = f"{target.dataset}/{target.partition}"
    found = _together(table, ahead, name)
    for at in np.flatnonzero(np.isfinite(ahead.p_value)):
        figure, column = table.figures[at], table.columns[at]
        if figure == "label_share" and served:
            continue
        now, usual = float(table.values[-1, at]), float(ahead.predicted[at])
        history = table.values[np.isfinite(table.values[:, at]), at][:-1]
        found.append(
            Outcome(
                figure,
                usual,
                now,
                now - usual - float(ahead.half[at]),
                now - usual + float(ahead.half[at]),
                _of_side(figure, now - usual, float(ahead.p_value[at])),
                int(ahead.days[at]),
                _matters(figure, usual, now),
                tuple(history[-60:].tolist()),
                column,
                partition=name,
                said=_said(figure, column, usual, now),
            )
        )
    return [*found, *_copied(target, past)]


def _of_side(figure: Figure, effect: float, p: float) -> float:
    """Half the two-sided p value of a figure that can go wrong in one direction only, or what is left of it."""
    if figure not in _RISES | _FALLS:
        return p
    return p / 2 if (effect > 0) == (figure in _RISES) else 1 - p / 2


def _start(partition: PartitionRead) -> float:
    return partition.day.start.timestamp() if partition.day else -math.inf


def _together(table: Figures, ahead: Ahead, name: str) -> list[Outcome]:
    """Do the columns depart together, each too little to be seen alone? For each figure that ten columns have, the mean
    square of their errors, on a log scale, against the same on the days before, whatever columns have in common."""
    found = []
    for figure in dict.fromkeys(table.figures):
        at = np.flatnonzero([f == figure and c is not None for f, c in zip(table.figures, table.columns, strict=True)])
        if len(at) < 10 or figure not in WORDS:
            continue
        z = ahead.z[:, at]
        counted = np.isfinite(z).sum(axis=1)
        drawn = np.nansum(np.minimum(z**2, 16.0), axis=1)
        mean = np.log(np.divide(drawn, counted, out=np.full(len(z), np.nan), where=(counted >= 10) & (drawn > 0)))
        d = departure(mean[-29:-1], float(mean[-1]), "high")
        if not d.known:
            continue
        p, half = judged(d, 0.1, "high")
        first = [str(table.columns[at[i]]) for i in np.argsort(-np.abs(np.nan_to_num(z[-1])))[:3]]
        said = (
            f"the {WORDS[figure]} of its {int(counted[-1])} columns are off together, by {math.exp(d.effect / 2):.3g} "
            f"times the usual errors, above all {', '.join(first)}"
        )
        large = d.effect >= _TOGETHER and d.beyond
        usual, now = float(mean[-1]) - d.effect, float(mean[-1])
        bounds = (d.effect - half, d.effect + half)
        history = tuple(mean[:-1][-28:].tolist())
        check = cast(Check, f"{figure}_together")
        found.append(Outcome(check, usual, now, *bounds, p, d.blocks, large, history, None, partition=name, said=said))
    return found


def _matters(figure: Figure, usual: float, now: float) -> bool:
    scale, effect = SCALES[figure], now - usual
    if (figure in _RISES and effect < 0) or (figure in _FALLS and effect > 0):
        return False
    if figure == "shape" and now < math.log(_LEAST_PSI):
        return False
    return abs(effect) >= scale.least and (not scale.share or abs(_share(now) - _share(usual)) >= scale.share)


def _copied(target: PartitionRead, past: Sequence[PartitionRead]) -> list[Outcome]:
    """A partition whose rows, means and variances are those of another day to the last digit is a copy of it."""
    mine = _fingerprint(target)
    if len(mine) < 3:
        return []
    twin = next((p for p in reversed(past) if p.rows == target.rows and _fingerprint(p) == mine), None)
    if twin is None:
        return []
    said = f"its rows and the statistics of its {len(mine)} columns are those of {twin.partition} to the last digit"
    name = f"{target.dataset}/{target.partition}"
    return [Outcome("copied", 0.0, 1.0, 1.0, 1.0, _EXACT, len(past), True, (), None, partition=name, said=said)]


def _fingerprint(partition: PartitionRead) -> dict[str, tuple[float, float]]:
    """Column → mean and variance, of columns that vary."""
    return {
        name: (told.mean, told.variance)
        for name, told in sorted(partition.columns.items())
        if told.mean is not None and told.variance is not None and told.variance > 0
    }


def missing_days(target: PartitionRead, past: Sequence[PartitionRead]) -> int:
    """How many days before the newest partition hold none, back to the one before it; gaps that are usual count not."""
    starts = [p.day.start for p in (*past, target) if p.day]
    gaps = [round((after - one) / timedelta(days=1)) - 1 for one, after in pairwise(starts)]
    usual = sum(gap > 0 for gap in gaps[:-1]) > 0.1 * len(gaps[:-1]) if len(gaps) > 1 else True
    return 0 if usual or not gaps else gaps[-1]


def _share(angle: float) -> float:
    """The share that has this arcsine of its root."""
    return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2


def _said(figure: Figure, column: str | None, usual: float, now: float) -> str:
    """One figure in words, in the units of the column where that is possible."""
    times, more = f"{math.exp(min(now - usual, 700.0)):.3g} times", now - usual
    match figure:
        case "rows":
            return f"it has {times} the rows that its weekday and its past predict"
        case "duplicates":
            return f"{_share(now):.1%} of its rows repeat another one, where {_share(usual):.1%} is usual"
        case "label_share":
            return f"{_share(now):.2%} of its labels are {column!r}, where {_share(usual):.2%} is predicted"
        case "association":
            return (
                f"its columns go with the label {now:.2f} times as closely as usual ({usual:.2f} is predicted), as if "
                f"{max(0.0, (1 - now / usual) / 2) if usual > 0 else 1.0:.0%} of its labels were wrong"
            )
        case "late":
            return f"it was complete {now:.1f} hours after its day, where {usual:.1f} is usual"
        case "nulls":
            return f"{_share(now):.1%} of column {column} is null, where {_share(usual):.1%} is predicted"
        case "distinct":
            return f"column {column} has {times} the usual distinct values"
        case "mean":
            return f"the mean of column {column} is {more:+.3g} deviations from where its past puts it"
        case "spread":
            return f"the deviation of column {column} is {times} the predicted one"
        case "least" | "most":
            return f"the {'smallest' if figure == 'least' else 'largest'} value of column {column} is out of its range"
        case "rank":
            return (
                f"a value of column {column} exceeds a usual one with chance {now:.3f}, where {usual:.3f} is predicted"
            )
        case "shape":
            return f"the distribution of column {column} moved by {times} the usual PSI"
        case "correlation":
            return (
                f"the correlation of column {column} with the label is {math.tanh(now):.3f}, not {math.tanh(usual):.3f}"
            )
        case "size":
            return f"the values of column {column} are {times} as large as predicted"
        case "clock":
            return f"the times of column {column} are {more:+.1f} hours from where they usually lie in a partition"
