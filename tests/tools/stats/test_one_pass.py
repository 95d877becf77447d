"""The compiled pass against numpy, bit for bit, on everyday and on hostile columns."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.stats.bin_table import bin_table
from tools.stats.eight_rows import WIDEST
from tools.stats.one_pass import COUNTED, SUMMED, sum_up
from tools.stats.profile import baseline_edges

N = 3000


def columns(kind: type[np.floating[Any]]) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    largest = 1e38 if kind is np.float32 else 1e200
    found = [
        rng.standard_normal(N),
        np.exp(rng.normal(0, 4, N)),
        np.full(N, 3.0),
        np.full(N, np.nan),
        np.where(rng.random(N) < 0.7, 0, rng.gamma(0.5, 0.2, N)),
        rng.uniform(-largest, largest, N),
        rng.standard_cauchy(N),
        rng.integers(0, 5, N).astype(float),
        1000 + rng.standard_normal(N) * 1e-3,
        -np.exp(rng.normal(0, 6, N)),
        np.where(rng.random(N) < 0.5, -0.0, 0.0),
        np.full(N, np.inf),
        np.where(rng.random(N) < 0.5, 1000 + rng.standard_normal(N) * 1e-2, rng.uniform(-1e30, 1e30, N)),
    ]
    table = np.stack(found, axis=1).astype(kind)
    table[:5] = [[np.nan], [np.inf], [-np.inf], [1e30], [-1e30]]
    return np.ascontiguousarray(table)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("baseline", [slice(100, 1500), slice(0, 50)])
@pytest.mark.parametrize("bins", [256, 8])
def test_every_sum_has_the_bits_that_numpy_gives(kind: type[np.floating[Any]], baseline: slice, bins: int) -> None:
    rng, table = np.random.default_rng(1), columns(kind)
    edges = baseline_edges(table[baseline].astype(np.float64), bins)
    prediction = rng.random(N)
    prediction[[7, 9]] = np.nan, np.inf
    groups = rng.choice(3, N, p=[0.02, 0.3, 0.68])  # the last one fills more than a block
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    found = sum_up(table, prediction, order, np.concatenate([[0], np.cumsum(sizes)]), edges, 0)
    for f in range(table.shape[1]):
        for name, values in expected(table[:, f].astype(np.float64), prediction, groups, edges[f]).items():
            mine = found.histogram[:, f] if name == "histogram" else found.fields[name][:, f]
            np.testing.assert_array_equal(mine, values, err_msg=f"{name} of column {f}")


def test_features_beyond_a_tile_and_a_piece_of_the_features_are_summed_as_if_alone() -> None:
    table = np.random.default_rng(2).standard_normal((11, WIDEST + 6), dtype=np.float32)
    edges, prediction = baseline_edges(table.astype(np.float64), 8), np.zeros(11)
    order, bounds = np.arange(11)[::-1].copy(), np.array([0, 0, 11])
    whole = sum_up(table, prediction, order, bounds, edges, 0)
    for f in (0, WIDEST - 1, WIDEST, WIDEST + 5):
        alone = sum_up(table, prediction, order, bounds, edges[f : f + 1], f)
        np.testing.assert_array_equal(whole.histogram[:, f], alone.histogram[:, 0])
        np.testing.assert_array_equal(whole.histogram[:, f].sum(axis=1), [0, 11])
        for name, values in whole.fields.items():
            np.testing.assert_array_equal(values[:, f], alone.fields[name][:, 0], err_msg=name)


def test_edges_that_crowd_in_one_place_are_searched() -> None:
    edges = baseline_edges(columns(np.float32).astype(np.float64))
    assert bin_table(edges, np.dtype(np.float32)).searched.tolist() == [False] * 12 + [True]


def expected(
    x: NDArray[np.float64], prediction: NDArray[np.float64], groups: NDArray[np.int64], edges: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """The sums of one column, by numpy; `np.bincount` adds in the order of the rows."""
    finite = np.isfinite(x)
    both = finite & np.isfinite(prediction)
    bins, some = len(edges) + 1, not np.isnan(edges[0])
    place = groups[finite] * bins + (np.searchsorted(edges, x[finite], side="left") if some else 0)
    weights = {
        "total": (finite, x),
        "cross": (both, np.where(both, x, 0) * np.where(both, prediction, 0)),
        "pair_total": (both, x),
        "pair_prediction": (both, prediction),
    }
    with np.errstate(over="ignore", invalid="ignore"):
        weights |= {
            "total2": (finite, x * x),
            "pair_total2": (both, x * x),
            "pair_prediction2": (both, prediction * prediction),
        }
    sums = {name: np.bincount(groups[at], values[at], 3) for name, (at, values) in weights.items()}
    counts = {"count": finite, "nulls": np.isnan(x), "nonfinite": np.isinf(x), "pairs": both}
    assert set(sums) == set(SUMMED)
    assert set(counts) == set(COUNTED)
    return {
        **sums,
        **{name: np.bincount(groups[at], minlength=3) for name, at in counts.items()},
        "histogram": np.bincount(place, minlength=3 * bins).reshape(3, bins),
        "minimum": np.array([x[finite & (groups == g)].min(initial=np.inf) for g in range(3)]),
        "maximum": np.array([x[finite & (groups == g)].max(initial=-np.inf) for g in range(3)]),
    }
