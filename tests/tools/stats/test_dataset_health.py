"""The health of a dataset: small counts, null days, contradictions, and how often healthy days look ill."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tools.records import ColumnStatistics, DatasetStatistics, Histogram, Window
from tools.stats.dataset_figures import contradiction
from tools.stats.dataset_health import Health, health, split

START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
RUNS, ASKED = 300, 5


def judged(rows: list[int], nulls: list[int], means: list[float] | None = None) -> Health:
    """A dataset of runs five minutes apart, the last five of which are the window."""
    statistics = [
        DatasetStatistics(
            node="n",
            ts=START + STEP * i,
            row_count=r,
            columns={"c": ColumnStatistics(null_count=k, mean=means[i] if means else None)},
        )
        for i, (r, k) in enumerate(zip(rows, nulls, strict=True))
    ]
    edge = START + STEP * (len(rows) - ASKED)
    window = Window(start=edge, end=edge + STEP * ASKED)
    return health(split(statistics, window, Window(start=START, end=edge)), ["c"], with_values=True)


def test_few_nulls_of_many_rows_are_off_and_the_same_share_of_few_rows_is_not() -> None:
    many = judged([1000] * (RUNS + ASKED), [0] * RUNS + [0, 25, 31, 28, 0])
    few = judged([40] * (RUNS + ASKED), [0] * RUNS + [0, 1, 1, 1, 0])
    assert [a.kind for a in many.anomalies] == ["nulls"]
    assert many.anomalies[0].onset == START + STEP * (RUNS + 1)
    assert not few.anomalies


def test_a_history_that_swings_is_believed() -> None:
    rng = np.random.default_rng(0)
    rows = [1000] * (RUNS + ASKED)
    share = np.exp(rng.normal(np.log(0.03), 0.6, RUNS + ASKED))
    calm = judged(rows, [int(k) for k in rng.binomial(1000, share)])
    assert not calm.anomalies


@pytest.mark.parametrize("heavy", [3, 30])
def test_healthy_days_seldom_look_ill(heavy: int) -> None:
    ill = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        rows = [int(r) for r in rng.poisson(300, 40 + ASKED)]
        nulls = [int(k) for k in rng.binomial(rows, 0.02)]
        means = [float(m) for m in rng.standard_t(heavy, 40 + ASKED)]
        ill += bool(judged(rows, nulls, means).anomalies)
    assert ill <= 3


def test_a_number_of_rows_that_is_not_known_is_no_zero() -> None:
    statistics = [
        DatasetStatistics(node="n", ts=START + STEP * i, columns={"c": ColumnStatistics(mean=float(i % 3))})
        for i in range(40)
    ]
    window = Window(start=START + STEP * 35, end=START + STEP * 40)
    found = health(split(statistics, window, Window(start=START, end=window.start)), ["c"], with_values=True)
    assert (found.anomalies, found.unchecked) == ((), None)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (ColumnStatistics(null_count=11), "more nulls than rows"),
        (ColumnStatistics(null_count=-1), "fewer than no nulls"),
        (ColumnStatistics(distinct_count=12), "more distinct values than rows"),
        (ColumnStatistics(min=2, max=1), "a minimum above the maximum"),
        (ColumnStatistics(min=0, max=1, mean=3), "a mean outside of its range"),
        (ColumnStatistics(variance=-1), "a negative variance"),
        (ColumnStatistics(histogram=Histogram(edges=(0, 2, 1), counts=(1, 1))), "a histogram that is none"),
        (ColumnStatistics(histogram=Histogram(edges=(0, 1), counts=(1, 1))), "a histogram that is none"),
        (ColumnStatistics(null_count=10, mean=float("nan"), min=float("inf"), max=1), None),
        (ColumnStatistics(null_count=2, distinct_count=3, min=0, max=1, mean=1, variance=0), None),
    ],
)
def test_what_cannot_be_true_is_named(column: ColumnStatistics, why: str | None) -> None:
    assert contradiction(DatasetStatistics(node="n", ts=START, row_count=10, columns={"c": column}), "c") == why


def test_what_moved_while_nobody_looked_is_no_news_and_what_moves_after_it_is() -> None:
    def after_a_gap(now: list[float]) -> Health:
        rng = np.random.default_rng(5)
        times = [START + STEP * i for i in range(100)]
        times += [times[-1] + timedelta(hours=20) + STEP * i for i in range(5)]
        means = [*(10 + rng.normal(0, 0.1, 100)), *now]
        statistics = [
            DatasetStatistics(node="n", ts=time, row_count=100, columns={"c": ColumnStatistics(mean=float(mean))})
            for time, mean in zip(times, means, strict=True)
        ]
        window = Window(start=times[100], end=times[-1] + STEP)
        return health(split(statistics, window, Window(start=START, end=window.start)), ["c"], with_values=True)

    moved = after_a_gap([14.0, 14.1, 13.9, 14.0, 14.1])
    assert not moved.anomalies
    assert [text for text in moved.caveats if "mean of column c came back at 14 after 20 hours" in text]
    assert not after_a_gap([10.0, 10.1, 9.9, 10.0, 10.1]).caveats
    news = after_a_gap([14.0, 14.1, 20.0, 20.2, 19.9]).anomalies
    assert [a.kind for a in news] == ["shift"]
