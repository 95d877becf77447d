"""Samples become profiles here: checked, told apart from those seen before, and folded by model, snapshot and hour.
The newest ones are kept as rows besides.

An hour's counts do not depend on how its samples were batched; its floating sums may differ in their last bits.

What the profiles of a feature lie on (its bin edges, and the vocabulary of a categorical one) is at first that of the
first batch that carries it. It is settled when a snapshot was declared stable and `ENOUGH` samples of it are kept, or
else with the first `LATEST` samples of the model: made of these rows, and what was folded until then is folded again.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knowledge.profiles import BINS, Baseline, Folded, ProfileStore
from knowledge.samples import RecentSamples
from knowledge.telemetry.batches import Batch, MalformedSamples, as_batch, by_model
from knowledge.telemetry.folded_again import FoldedAgain, RowsAreGone, column_of, summarised
from tools.records import Window
from tools.stats.profile import Floats, baseline_edges, merge
from tools.stats.value_counts import vocabulary

ENOUGH = 4 * BINS
"""So many samples of a stable snapshot settle the baseline: four for a quantile."""
LATEST = 10_000
_TRY_EVERY = ENOUGH // 4
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


def _none(_: str) -> Collection[str]:
    return ()


class Collector:
    """Folds samples into `profiles`, and keeps the newest as `rows`.

    `categorical` gives the categorical features of a model, and `stable` its snapshots that were declared stable. Large
    batches are summed up on `heavy`.
    """

    def __init__(
        self,
        profiles: ProfileStore,
        rows: RecentSamples | None = None,
        categorical: Callable[[str], Collection[str]] = _none,
        stable: Callable[[str], Collection[str]] = _none,
        heavy: Executor | None = None,
    ) -> None:
        self._profiles, self._rows = profiles, rows
        self._categorical, self._stable, self._heavy = categorical, stable, heavy
        self._untried: dict[str, int] = {}
        self._lock = threading.Lock()  # a baseline must not be replaced while samples are folded onto it

    def fix_baseline(self, model: str, samples: pa.Table) -> None:
        """Settles the baseline of a model's features from these samples.

        Raises `MalformedSamples`, also where none of them is of this model, and `BaselineIsFixed`.
        """
        table = by_model(samples, {model: self._profiles.baseline(model).keys()}).get(model)
        if table is None:
            raise MalformedSamples(
                f"none of the {len(samples)} samples is of {model}, so its bin edges cannot be fixed"
            )
        batch = as_batch(table)
        with self._lock:
            self._profiles.fix(model, self._baseline(model, batch.features, batch.columns, settled=True))

    def fold(self, samples: pa.Table) -> None:
        """Adds samples to the profiles of their models, snapshots and hours, and to the kept rows. Durable on return.

        Raises `MalformedSamples`.
        """
        names = sorted(filter(None, pc.unique(samples["model"]).to_pylist())) if "model" in samples.column_names else []
        with self._lock:
            features = {name: self._profiles.baseline(name).keys() for name in names}
            for model, table in by_model(samples, features).items():
                self._fold(model, table)

    def _fold(self, model: str, table: pa.Table) -> None:
        batch = as_batch(table)
        if self._rows is not None:
            self._rows.keep(model, table, batch.prints)
        known = self._known(model, batch)
        days = batch.ts // _DAY_S
        for day in np.unique(days):
            self._fold_day(model, date(1970, 1, 1) + timedelta(days=int(day)), batch.rows(days == day), known)
        self._untried[model] = self._untried.get(model, 0) + len(batch.ts)
        if self._untried[model] >= _TRY_EVERY:
            self._untried[model] = 0
            self._settle(model)

    def settle(self, model: str) -> None:
        """Settles what is not settled of a model's baseline, where there are samples enough; see above.

        Call it when a snapshot was declared stable; `fold` does so by itself.
        """
        with self._lock:
            self._settle(model)

    def _settle(self, model: str) -> None:
        known = self._profiles.baseline(model)
        loose = sorted(feature for feature, baseline in known.items() if not baseline.settled)
        kept = self._rows.table(model) if loose and self._rows is not None else None
        if kept is None:
            return
        stable = pc.is_in(kept["snapshot"], pa.array(sorted(self._stable(model)), pa.string())).to_numpy()
        fresh: dict[str, Baseline] = {}
        for feature in loose:
            basis = _basis(column_of(kept, feature), stable)
            if len(basis):
                fresh |= self._baseline(model, [feature], basis[:, None], settled=True)
        if not fresh:
            return
        with contextlib.suppress(RowsAreGone):
            self._profiles.rebuild(model, FoldedAgain(model, kept, known | fresh, fresh.keys()), fresh)
            return
        self._profiles.rebuild(model, list, {feature: replace(known[feature], settled=True) for feature in fresh})

    def _baseline(self, model: str, features: Sequence[str], columns: Floats, *, settled: bool) -> dict[str, Baseline]:
        """What samples `columns` float64[n, F] give."""
        categorical = self._categorical(model)
        return {
            feature: Baseline(edges, settled, vocabulary(column) if feature in categorical else None)
            for feature, edges, column in zip(features, baseline_edges(columns, BINS), columns.T, strict=True)
        }

    def _known(self, model: str, batch: Batch) -> dict[str, Baseline]:
        """The baseline of all features of a batch; those that are new get it from the batch."""
        known = self._profiles.baseline(model)
        new = [i for i, feature in enumerate(batch.features) if feature not in known]
        if new:
            names = [batch.features[i] for i in new]
            known |= self._baseline(model, names, batch.columns[:, new], settled=self._rows is None)
            self._profiles.fix(model, known)
        return known

    def _fold_day(self, model: str, day: date, batch: Batch, known: Mapping[str, Baseline]) -> None:
        def change(before: Sequence[Folded]) -> Sequence[Folded]:
            seen = np.concatenate([folded.seen for folded in before]) if before else np.empty(0, dtype=np.uint64)
            fresh = batch.rows(~np.isin(batch.prints, seen))
            if not len(fresh.ts):
                return before
            return _joined([*before, *_fold_hours(model, fresh, known, self._heavy)])

        self._profiles.update(model, day, change)


def _basis(column: Floats, stable: NDArray[np.bool_]) -> Floats:
    """The rows of a kept column float64[n] to make a baseline of, none where it is too early; `stable` bool[n] says
    which are of a stable snapshot. Rows before its first value are from before there was the feature."""
    begun = np.cumsum(~np.isnan(column)) > 0
    best = column[begun & stable]
    return best if len(best) >= ENOUGH else column[begun] if begun.sum() >= LATEST else column[:0]


def _fold_hours(model: str, batch: Batch, known: Mapping[str, Baseline], heavy: Executor | None) -> list[Folded]:
    hours, hour = np.unique(batch.ts // _HOUR_S, return_inverse=True)
    snapshots, snapshot = np.unique(batch.snapshot, return_inverse=True)
    codes, group = np.unique(hour * len(snapshots) + snapshot, return_inverse=True)
    order = np.lexsort((batch.prints, group))  # floating sums must not depend on the order of the batch
    keys = [(_hour(int(hours[c // len(snapshots)])), str(snapshots[c % len(snapshots)])) for c in codes]
    profiles = summarised(model, keys, group[order], batch.features, batch.columns[order], known, heavy)
    prints = np.split(batch.prints[order], np.cumsum([p.rows for p in profiles])[:-1])
    return [Folded(profile, seen) for profile, seen in zip(profiles, prints, strict=True)]


def _joined(folded: Sequence[Folded]) -> list[Folded]:
    """Merges what is of the same hour, snapshot and features."""
    kept: dict[tuple[datetime, str, tuple[str, ...]], Folded] = {}
    for one in folded:
        key = one.profile.window.start, one.profile.snapshot, one.profile.features
        there = kept.get(key)
        kept[key] = (
            one if there is None else Folded(merge(there.profile, one.profile), np.concatenate([there.seen, one.seen]))
        )
    return list(kept.values())


def _hour(hours: int) -> Window:
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    return Window(start=start, end=start + timedelta(hours=1))
