from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.metrics import Metrics
from knowledge.store import Store
from tools.records import Cube, Window

START = datetime(2013, 5, 1, tzinfo=UTC)
DAY = Window(start=START, end=START + timedelta(days=1))


def _cube(rows: list[tuple[int, str, str, float, float]]) -> Cube:
    ts = np.array([int(START.timestamp()) + r[0] for r in rows], dtype=np.int64)
    dims = {
        "model": np.array([r[1] for r in rows], dtype=str),
        "infra.region": np.array([r[2] for r in rows], dtype=str),
    }
    return Cube(ts, dims, np.array([r[3] for r in rows]), np.array([r[4] for r in rows]))


def _rows(cube: Cube) -> list[tuple[int, str, str, float, float]]:
    empty = np.full(len(cube), "")
    columns = (cube.ts, cube.dims.get("model", empty), cube.dims.get("infra.region", empty))
    return [
        (int(t), str(m), str(r), float(a), float(b))
        for t, m, r, a, b in zip(*columns, cube.numerator, cube.denominator, strict=True)
    ]


_NUMBER = count()  # a new metric for each example: they share one store
row = st.tuples(
    st.integers(0, 86399),
    st.sampled_from(["a", "b", ""]),
    st.sampled_from(["x", ""]),
    st.floats(width=64),
    st.floats(0, 9),
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, max_size=20), seed=st.integers(0, 9))
def test_order_of_arrival_and_repeats_do_not_matter(
    store: Store, rows: list[tuple[int, str, str, float, float]], seed: int
) -> None:
    metrics, number = Metrics(store), next(_NUMBER)
    by_key = {r[:3]: r for r in rows}
    rows = list(by_key.values())
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    metrics.put("p", f"once{number}", _cube(rows))
    metrics.put("p", f"twice{number}", _cube(shuffled))
    metrics.put("p", f"twice{number}", _cube(rows[::-1]))
    once, twice = (metrics.cube("p", f"{name}{number}", DAY) for name in ("once", "twice"))
    assert [r[:3] for r in _rows(once)] == [r[:3] for r in _rows(twice)]
    np.testing.assert_array_equal(once.numerator, twice.numerator)
    np.testing.assert_array_equal(once.denominator, twice.denominator)
    assert len(once) == len(rows)


def test_the_window_is_half_open_and_where_filters(store: Store) -> None:
    metrics = Metrics(store)
    metrics.put("p", "m", _cube([(0, "a", "x", 1.0, 2.0), (86399, "b", "x", 3.0, 4.0), (86400, "a", "x", 5.0, 6.0)]))
    assert metrics.cube("p", "m", DAY).numerator.tolist() == [1.0, 3.0]
    assert metrics.cube("p", "m", DAY, {"model": "b"}).numerator.tolist() == [3.0]
    assert len(metrics.cube("p", "m", DAY, {"model": "unheard of"})) == 0
    assert len(metrics.cube("q", "m", DAY)) == 0
    span = metrics.span("p", "m")
    assert span is not None
    assert span.start == START
    assert metrics.span("p", "other") is None


def test_nan_survives_and_a_later_point_replaces(store: Store) -> None:
    metrics = Metrics(store)
    metrics.put("p", "m", _cube([(0, "a", "x", float("nan"), 2.0), (1, "a", "x", float("inf"), 2.0)]))
    assert np.isnan(metrics.cube("p", "m", DAY).numerator[0])
    assert np.isinf(metrics.cube("p", "m", DAY).numerator[1])
    metrics.put("p", "m", _cube([(0, "a", "x", 7.0, 8.0)]))
    assert metrics.cube("p", "m", DAY).numerator.tolist()[0] == 7.0
