"""Samples become profiles here: checked, told apart from those seen before, and folded by model, snapshot and hour.

A sample is known by its request id, time, snapshot, features and prediction (not by its label, which comes later), and
by its number among equal ones of its batch. So a batch that is sent again, whole or in part, changes nothing. An hour's
counts do not depend on how its samples were batched; its floating sums may differ in their last bits.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knowledge.profiles import BINS, Folded, ProfileStore
from tools.records import Window
from tools.stats.profile import PREDICTION, Floats, baseline_edges, merge, summarise

FEATURE = "f."
_NEEDED = ("ts", "request_id", "model", "snapshot", PREDICTION)
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S

Hashes = NDArray[np.uint64]


class MalformedSamples(ValueError):
    """The batch is refused whole; the message lists everything that is wrong with it."""


@dataclass(frozen=True)
class _Batch:
    """Samples of one model: `ts` int64[n] unix s, `snapshot` str[n], `columns` float64[n, F], the prediction last."""

    ts: NDArray[np.int64]
    snapshot: NDArray[np.object_]
    features: tuple[str, ...]
    columns: Floats
    prints: Hashes

    def rows(self, keep: NDArray[np.bool_]) -> "_Batch":
        return _Batch(self.ts[keep], self.snapshot[keep], self.features, self.columns[keep], self.prints[keep])


def fix_baseline(store: ProfileStore, model: str, samples: pa.Table) -> None:
    """Fixes the bin edges of a model's profiles from the finite values of these samples.

    Raises `MalformedSamples`, also where none of them is of this model, and `EdgesAreFixed`.
    """
    batch = _batches(samples, {model: store.edges(model).keys()}).get(model)
    if batch is None:
        raise MalformedSamples(f"none of the {len(samples)} samples is of {model}, so its bin edges cannot be fixed")
    store.fix_edges(model, dict(zip(batch.features, baseline_edges(batch.columns, BINS), strict=True)))


def fold(store: ProfileStore, samples: pa.Table) -> None:
    """Adds samples to the profiles of their models, snapshots and hours.

    A feature without bin edges gets them from the first batch that carries it. Raises `MalformedSamples`.
    """
    names = sorted(filter(None, pc.unique(samples["model"]).to_pylist())) if "model" in samples.column_names else []
    for model, batch in _batches(samples, {name: store.edges(name).keys() for name in names}).items():
        known = store.edges(model)
        new = [i for i, feature in enumerate(batch.features) if feature not in known]
        if new:
            found = baseline_edges(batch.columns[:, new], BINS)
            known |= dict(zip((batch.features[i] for i in new), found, strict=True))
            store.fix_edges(model, known)
        edges = np.stack([known[feature] for feature in batch.features])
        days = batch.ts // _DAY_S
        for day in np.unique(days):
            _fold_day(store, model, date(1970, 1, 1) + timedelta(days=int(day)), batch.rows(days == day), edges)


def _fold_day(store: ProfileStore, model: str, day: date, batch: _Batch, edges: Floats) -> None:
    def change(before: Sequence[Folded]) -> Sequence[Folded]:
        seen = np.concatenate([folded.seen for folded in before]) if before else np.empty(0, dtype=np.uint64)
        fresh = batch.rows(~np.isin(batch.prints, seen))
        if not len(fresh.ts):
            return before
        return _joined([*before, *_fold_hours(model, fresh, edges)])

    store.update(model, day, change)


def _fold_hours(model: str, batch: _Batch, edges: Floats) -> list[Folded]:
    hours, hour = np.unique(batch.ts // _HOUR_S, return_inverse=True)
    snapshots, snapshot = np.unique(batch.snapshot, return_inverse=True)
    codes, group = np.unique(hour * len(snapshots) + snapshot, return_inverse=True)
    order = np.lexsort((batch.prints, group))  # floating sums must not depend on the order of the batch
    keys = [(_hour(int(hours[c // len(snapshots)])), str(snapshots[c % len(snapshots)])) for c in codes]
    profiles = summarise(model, keys, group[order], batch.features, batch.columns[order], edges)
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


def _batches(samples: pa.Table, known: Mapping[str, Collection[str]]) -> dict[str, _Batch]:
    """The samples by model, checked; models in order."""
    _check(samples)
    found = {}
    for model in sorted(pc.unique(samples["model"]).to_pylist()):
        if model in known:
            found[model] = _batch(samples.filter(pc.equal(samples["model"], model)), known[model])
    return found


def _batch(samples: pa.Table, known: Collection[str]) -> _Batch:
    """A model's samples. A column without any value, and that the model never had, is another model's feature."""
    names = sorted(n for n in samples.column_names if n.startswith(FEATURE))
    own = [n for n in names if samples[n].null_count < len(samples) or n.removeprefix(FEATURE) in known]
    columns = np.stack([_floats(samples[name]) for name in [*own, PREDICTION]], axis=1)
    ts = samples["ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    prints = _prints(samples, ts, columns)
    snapshot = samples["snapshot"].to_numpy()
    features = (*(name.removeprefix(FEATURE) for name in own), PREDICTION)
    return _Batch(ts // 1_000_000, snapshot, features, columns, prints)


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)  # nulls come as NaN


def _check(samples: pa.Table) -> None:
    missing = [name for name in _NEEDED if name not in samples.column_names]
    faults = [f"the column {name} is missing" for name in missing]
    there = [name for name in _NEEDED if name not in missing]
    empty = {name: samples[name].null_count for name in there if name != PREDICTION}
    faults += [f"{count} rows have no {name}" for name, count in empty.items() if count]
    if "ts" in there and not (pa.types.is_timestamp(samples["ts"].type) and samples["ts"].type.tz):
        faults.append(f"ts must be a timestamp with a zone, and is {samples['ts'].type}")
    numbers = [n for n in samples.column_names if n.startswith(FEATURE) or n == PREDICTION]
    for name in numbers:
        kind = samples[name].type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            faults.append(f"{name} must be numbers (a categorical feature as its integer id), and is {kind}")
    if FEATURE + PREDICTION in numbers:
        faults.append(f"no feature may be called {PREDICTION!r}: the column {FEATURE + PREDICTION} has to be renamed")
    if faults:
        raise MalformedSamples(f"a batch of {len(samples)} samples is refused: {'; '.join(faults)}")


def _prints(samples: pa.Table, ts: NDArray[np.int64], columns: Floats) -> Hashes:
    """A fingerprint of every row, different for equal rows of one batch."""
    prints = ts.astype(np.uint64)
    for name in ("request_id", "snapshot"):
        prints = _mixed(prints, _text_hashes(samples[name]))
    bits = np.where(np.isnan(columns), np.nan, columns + 0.0).view(np.uint64)  # one NaN and one zero
    for column in bits.T:
        prints = _mixed(prints, column)
    _, place, counts = np.unique(prints, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    number = np.empty(len(prints), dtype=np.uint64)
    number[order] = np.arange(len(prints)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _mixed(prints, number)


def _text_hashes(column: pa.ChunkedArray) -> Hashes:
    coded = column.combine_chunks().dictionary_encode()
    hashes = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) for text in coded.dictionary.to_pylist()]
    found: Hashes = np.asarray(hashes, dtype=np.uint64)[coded.indices.to_numpy()]
    return found


def _mixed(prints: Hashes, more: Hashes) -> Hashes:
    """Mixes a column into the fingerprints (SplitMix64's finaliser, Steele, Lea & Flood 2014); arithmetic wraps."""
    x = (prints * np.uint64(0x9E3779B97F4A7C15)) ^ more
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed
