"""Profiles: what samples become. Additive summaries per feature that merge exactly, in a fixed order."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.one_pass import COUNTED, SUMMED, sum_up
from tools.stats.value_counts import ValueCounts, Vocabulary, count_values, merge_values

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_SHARE = 512
"""So many features are one piece of work for an executor."""

PREDICTION = "prediction"
"""The name under which the model's prediction stands, after its features."""


@dataclass(frozen=True)
class Profile:
    """Summary of one (model, snapshot, window). F features, the model's prediction last under the name "prediction".

    Shapes: `count`, `nulls`, `nonfinite` int64[F]; `total`, `total2`, `minimum`, `maximum` float64[F], over finite
    values (minimum is +inf and maximum -inf where there are none); `edges` float64[F, B-1], the inner bin edges of the
    model's baseline; `histogram` integers [F, B], counts of the finite values. A stored one may be of a narrow unsigned
    type: add it up in int64. `rows` is the number of samples. A null is NaN in the samples; non-finite means ±Inf.

    The co-moments are over the `pairs` int64[F] rows where feature and prediction are both finite, float64[F] each:
    `cross` Σ feature × prediction, `pair_total` and `pair_total2` Σ feature and Σ feature², `pair_prediction` and
    `pair_prediction2` the same of the prediction.

    `categories` is feature → counts of its values, for the categorical ones whose vocabulary the baseline fixed.
    """

    model: str
    snapshot: str
    window: Window
    features: tuple[str, ...]
    rows: int
    count: Counts
    nulls: Counts
    nonfinite: Counts
    total: Floats
    total2: Floats
    minimum: Floats
    maximum: Floats
    pairs: Counts
    cross: Floats
    pair_total: Floats
    pair_total2: Floats
    pair_prediction: Floats
    pair_prediction2: Floats
    edges: Floats
    histogram: NDArray[Any]
    categories: Mapping[str, ValueCounts] = field(default_factory=dict)

    @property
    def bins(self) -> int:
        return int(self.histogram.shape[1])


def baseline_edges(columns: Floats, bins: int = 256) -> Floats:
    """Inner bin edges, float64[F, bins - 1], from the baseline's samples `columns` float64[n, F].

    A bin holds the values in (lower edge, upper edge]. The first edge lies just below the smallest finite value and the
    last one on the largest, so that the two outer bins mean "outside of what the baseline saw". The edges between are
    quantiles: equal-width bins would leave a skewed feature in one bin. A value that takes up whole quantiles (a zero,
    a category) gets a bin of its own; edges that are left over repeat the next one, and their bins stay empty. A column
    without finite values gets edges of NaN, and all its values fall into the first bin.
    """
    if bins < 4:
        raise ValueError(f"a histogram needs at least 4 bins, not {bins}")
    return np.stack([_edges(column, bins - 1) for column in columns.T]) if columns.shape[1] else np.empty((0, bins - 1))


def _edges(column: Floats, count: int) -> Floats:
    finite = np.sort(column[np.isfinite(column)])
    if not len(finite):
        return np.full(count, np.nan)
    places = np.ceil(np.linspace(0, 1, count)[1:] * len(finite)).astype(np.int64) - 1
    edges = np.concatenate([finite[:1], finite[places]])
    repeated = edges[1:] == edges[:-1]
    first_of_run = np.append(repeated, False) & np.insert(~repeated, 0, True)
    first_of_run[0] = True
    return np.where(first_of_run, np.nextafter(edges, -np.inf), edges)


def summarise(
    model: str,
    keys: Sequence[tuple[Window, str]],
    groups: Counts,
    features: tuple[str, ...],
    columns: NDArray[Any],
    edges: Floats,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    executor: Executor | None = None,
) -> list[Profile]:
    """One profile for each (window, snapshot) of `keys`, in their order.

    `groups` int64[n] places each row under a key; `columns` [n, F], float32 or float64, holds the features and the
    prediction last;
    `edges` float64[F, B-1] is what `baseline_edges` gave; values are counted of features with a vocabulary. Sums
    run over the rows in their order, feature by feature, so that an `executor` changes no bit.
    Raises ValueError where the shapes do not fit.
    """
    if columns.shape != (len(groups), len(features)) or len(edges) != len(features) or features[-1:] != (PREDICTION,):
        raise ValueError(
            f"{len(features)} features ending in {PREDICTION!r}, {len(groups)} rows and edges for {len(edges)} "
            f"features do not fit samples of shape {columns.shape}"
        )
    rows = np.bincount(groups, minlength=len(keys))
    in_groups = np.argsort(groups, kind="stable")
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(rows)])
    stacked = _stacked(columns, in_groups, bounds, edges, executor)
    words = {f: v for f, v in (vocabularies or {}).items() if f in features}
    return [
        Profile(
            model,
            snapshot,
            window,
            features,
            int(rows[g]),
            edges=edges,
            **{k: v[g] for k, v in stacked.items()},
            categories={f: count_values(columns[groups == g, features.index(f)], v) for f, v in words.items()},
        )
        for g, (window, snapshot) in enumerate(keys)
    ]


def _stacked(
    columns: NDArray[Any], order: Counts, bounds: Counts, edges: Floats, executor: Executor | None
) -> dict[str, NDArray[Any]]:
    """What profiles hold of the samples, name → [G, F, …]; on an executor a share of the features at a time."""
    kind = columns.dtype if columns.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    table = np.ascontiguousarray(columns, dtype=kind)
    prediction = table[:, -1].astype(np.float64)
    if executor is None:
        parts = [sum_up(table, prediction, order, bounds, edges, 0)]
    else:
        firsts = range(0, len(edges), _SHARE)
        shared = isinstance(executor, ThreadPoolExecutor)  # others are sent their columns alone
        waiting = [
            executor.submit(
                sum_up,
                table if shared else np.ascontiguousarray(table[:, first : first + _SHARE]),
                prediction,
                order,
                bounds,
                edges[first : first + _SHARE],
                first if shared else 0,
            )
            for first in firsts
        ]
        parts = [one.result() for one in waiting]
    found: dict[str, NDArray[Any]] = {
        name: np.concatenate([part.fields[name] for part in parts], axis=1) for name in parts[0].fields
    }
    found["histogram"] = np.concatenate([part.histogram for part in parts], axis=1)
    return found


def empty(model: str, snapshot: str, window: Window, features: tuple[str, ...], edges: Floats) -> Profile:
    """The zero of `merge`: a profile of no samples."""
    none = np.empty((0, len(features)))
    return summarise(model, [(window, snapshot)], np.empty(0, dtype=np.int64), features, none, edges)[0]


def merge(left: Profile, right: Profile) -> Profile:
    """The profile of the samples of both: associative, commutative, and `empty` changes nothing.

    Counts and histograms are exact in any order; floating sums are the same bits in the same order, for which there is
    `fold`. The window covers both; different snapshots are joined by a comma. Raises ValueError where models, features
    or edges differ.
    """
    _same_shape(left, right)
    if not right.rows or not left.rows:
        if left.rows or right.rows:
            return left if left.rows else right
        return replace(_hull(left, right), categories={**left.categories, **right.categories})
    with np.errstate(over="ignore", invalid="ignore"):
        return replace(
            _hull(left, right),
            rows=left.rows + right.rows,
            minimum=np.minimum(left.minimum, right.minimum),
            maximum=np.maximum(left.maximum, right.maximum),
            histogram=np.add(left.histogram, right.histogram, dtype=np.int64),
            categories={
                feature: merge_values(values, right.categories[feature])
                for feature, values in left.categories.items()
                if feature in right.categories  # what one side did not count, both do not know
            },
            **{name: getattr(left, name) + getattr(right, name) for name in ADDITIVE},
        )


COUNTS, SUMS = COUNTED, SUMMED
ADDITIVE = (*COUNTS, *SUMS)


def _hull(left: Profile, right: Profile) -> Profile:
    window = Window(start=min(left.window.start, right.window.start), end=max(left.window.end, right.window.end))
    snapshots = sorted({*left.snapshot.split(","), *right.snapshot.split(",")})
    return replace(left, window=window, snapshot=",".join(snapshots))


def _same_shape(left: Profile, right: Profile) -> None:
    if left.model != right.model or left.features != right.features:
        raise ValueError(f"profiles of {left.model} and {right.model} have different features and cannot be merged")
    if left.edges is not right.edges and not np.array_equal(left.edges, right.edges, equal_nan=True):
        raise ValueError(f"profiles of {left.model} lie on different bin edges and cannot be merged; fold them anew")


def fold(profiles: Iterable[Profile]) -> Profile:
    """All merged, by window and snapshot, so that the bits are always the same. Raises ValueError on none."""
    ordered = sorted(profiles, key=lambda p: (p.window.start, p.window.end, p.snapshot))
    if not ordered:
        raise ValueError("there are no profiles to fold")
    return reduce(merge, ordered)
