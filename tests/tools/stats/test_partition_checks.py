"""A daily partition is accused of what was planted in it, and of nothing where it is sound."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tools.records import ColumnStatistics, Histogram, PartitionRead, TrainingRun, Window
from tools.stats.outcome import Outcome
from tools.stats.training_checks import checks

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
COLUMNS, DAYS = 20, 30
ROWS = np.array([9000, 10_000, 10_500, 10_200, 9800, 7000, 6500])
EDGES = (-np.inf, -1.0, 0.0, 1.0, np.inf)


def partitions(seed: int, days: int = DAYS + 1) -> list[PartitionRead]:
    """Sound ones: a week's rhythm in the rows, a label in a quarter, columns that wander a little."""
    rng = np.random.default_rng(seed)
    means = 5 + np.cumsum(0.01 * rng.normal(size=(days, COLUMNS)), axis=0)
    usual = 0.2 * rng.normal(size=COLUMNS)
    return [_partition(rng, day, means[day], usual) for day in range(days)]


def _partition(rng: np.random.Generator, day: int, means: np.ndarray, usual: np.ndarray) -> PartitionRead:
    rows = int(ROWS[day % 7] * np.exp(0.03 * rng.normal()))
    start = MONDAY + timedelta(days=day)
    columns = {}
    for column in range(COLUMNS):
        counts = rng.multinomial(rows, [0.16, 0.34, 0.34, 0.16])
        columns[f"c{column}"] = ColumnStatistics(
            null_count=int(rng.binomial(rows, 0.02 + 0.01 * column)),
            distinct_count=int(rows * 0.9),
            min=float(means[column] - 3.5 - 0.2 * rng.random()),
            max=float(means[column] + 3.5 + 0.2 * rng.random()),
            mean=float(means[column] + rng.normal() / np.sqrt(rows)),
            variance=float(1 + 0.02 * rng.normal()),
            histogram=Histogram(edges=EDGES, counts=tuple(int(n) for n in counts)),
        )
    late = int(rng.binomial(rows, 0.25))
    return PartitionRead(
        dataset="d",
        partition=f"{start:%Y-%m-%d}",
        rows=rows,
        day=Window(start=start, end=start + timedelta(days=1)),
        duplicates=int(rng.binomial(rows, 0.001)),
        label_counts={"late": late, "on_time": rows - late},
        label_correlations={f"c{i}": float(r + rng.normal() / np.sqrt(rows)) for i, r in enumerate(usual)},
        columns=columns,
        written_at=start + timedelta(days=1, hours=2 + float(rng.random())),
    )


def judged(days: list[PartitionRead]) -> list[Outcome]:
    """What is found in the last of them, each read by a run of its own."""
    runs = [
        TrainingRun(run=f"r{at}", model="m", started_at=MONDAY + timedelta(days=at + 1, hours=6), partitions=(one,))
        for at, one in enumerate(days)
    ]
    return [one for one in checks(runs[-1], days[-1], runs[:-1], days[:-1], {}, {}, runs[:-1]) if one.found]


@pytest.mark.parametrize("history", [14, DAYS])
@pytest.mark.parametrize("seed", range(6))
def test_sound_partitions_are_not_accused(seed: int, history: int) -> None:
    assert judged(partitions(seed)[-1 - history :]) == []


def _column(partition: PartitionRead, **fields: Any) -> PartitionRead:
    told = partition.columns["c3"].model_copy(update=fields)
    return partition.model_copy(update={"columns": {**partition.columns, "c3": told}})


def _nulls(one: PartitionRead) -> PartitionRead:
    return _column(one, null_count=int((one.nulls("c3") or 0) + 0.05 * one.rows))


def _unit(one: PartitionRead) -> PartitionRead:
    told = one.columns["c3"]
    assert told.mean is not None
    assert told.variance is not None
    return _column(one, mean=1000 * told.mean, variance=1e6 * told.variance)


def _flip(one: PartitionRead) -> PartitionRead:
    late, rows = one.label_counts["late"], one.rows
    flipped = int(0.9 * late + 0.1 * (rows - late))
    weaker = {name: 0.8 * r for name, r in one.label_correlations.items()}
    counts = {"late": flipped, "on_time": rows - flipped}
    return one.model_copy(update={"label_counts": counts, "label_correlations": weaker})


def _fewer(one: PartitionRead) -> PartitionRead:
    return one.model_copy(update={"rows": int(0.7 * one.rows)})


def _doubled(one: PartitionRead) -> PartitionRead:
    return one.model_copy(update={"rows": int(1.3 * one.rows), "duplicates": int(0.3 * one.rows)})


def _clock(one: PartitionRead) -> PartitionRead:
    return one.model_copy(update={"written_at": (one.written_at or MONDAY) + timedelta(hours=9)})


@pytest.mark.parametrize("history", [21, DAYS])
@pytest.mark.parametrize(
    ("fault", "check"),
    [(_nulls, "nulls"), (_unit, "spread"), (_flip, "association"), (_fewer, "rows"), (_doubled, "duplicates"),
     (_clock, "late")],
)  # fmt: skip
def test_a_planted_fault_is_found(fault: Callable[[PartitionRead], PartitionRead], check: str, history: int) -> None:
    *before, last = partitions(1)
    found = judged([*before[-history:], fault(last)])
    assert check in {one.check for one in found}
    assert all(one.partition == f"d/{last.partition}" for one in found)
    assert all(one.low <= one.now - one.usual <= one.high for one in found)


def test_fewer_nulls_than_usual_are_no_fault() -> None:
    *before, last = partitions(2)
    column = last.columns["c3"].model_copy(update={"null_count": 0})
    fewer = [one.model_copy(update={"columns": {**one.columns, "c3": _nulls(one).columns["c3"]}}) for one in before]
    assert judged([*fewer, last.model_copy(update={"columns": {**last.columns, "c3": column}})]) == []


def test_a_copy_of_another_day_is_found() -> None:
    *before, last = partitions(3)
    twin = before[-7]
    copied = last.model_copy(update={"rows": twin.rows, "columns": twin.columns})
    assert "copied" in {one.check for one in judged([*before, copied])}


def test_many_columns_of_times_are_followed_by_their_distance_from_the_day() -> None:
    days = []
    for one in partitions(4):
        assert one.day is not None
        at = one.day.start.timestamp()
        times = {f"t{i}": ColumnStatistics(min=at, max=at + 86_399, mean=at + 43_200) for i in range(12)}
        days.append(one.model_copy(update={"columns": times}))
    assert judged(days) == []


def test_odd_statistics_break_nothing() -> None:
    *before, last = partitions(5)
    odd = _column(last, mean=float("inf"), variance=-1.0, min=float("nan"), max=1e308)
    assert all(np.isfinite(one.p_value) for one in judged([*before, odd]))
    assert judged([*(_column(one, mean=None, variance=None, histogram=None) for one in before), last]) == []
