"""Samples become profiles here: checked, told apart from those seen before, and folded by model, snapshot and hour.
The newest ones are kept as rows besides.

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
from knowledge.sample_tables import FEATURE, is_list, microseconds
from knowledge.samples import RecentSamples
from tools.records import Window
from tools.stats.profile import PREDICTION, Floats, baseline_edges, merge, summarise

_NEEDED = ("ts", "request_id", "model", "snapshot", PREDICTION)
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
LARGEST_ID = 2**53
CLOCKS_DIFFER = timedelta(days=1)
"""How far ahead of ours a sender's clock may be."""

Hashes = NDArray[np.uint64]


class MalformedSamples(ValueError):
    """The batch is refused whole; the message lists everything that is wrong with it."""


@dataclass(frozen=True)
class _Batch:
    """Samples of one model: `ts` int64[n] unix s, `snapshot` str[n], `columns` float64[n, F], the prediction last.

    Sequences and bags have no profile: they are in the fingerprints, and not in the columns.
    """

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
    table = _by_model(samples, {model: store.edges(model).keys()}).get(model)
    if table is None:
        raise MalformedSamples(f"none of the {len(samples)} samples is of {model}, so its bin edges cannot be fixed")
    batch = _batch(table)
    store.fix_edges(model, dict(zip(batch.features, baseline_edges(batch.columns, BINS), strict=True)))


def fold(store: ProfileStore, samples: pa.Table, rows: RecentSamples | None = None) -> None:
    """Adds samples to the profiles of their models, snapshots and hours, and to the kept `rows`.

    A feature without bin edges gets them from the first batch that carries it. Raises `MalformedSamples`.
    """
    names = sorted(filter(None, pc.unique(samples["model"]).to_pylist())) if "model" in samples.column_names else []
    for model, table in _by_model(samples, {name: store.edges(name).keys() for name in names}).items():
        batch = _batch(table)
        if rows is not None:
            rows.keep(model, table, batch.prints)
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


def _by_model(samples: pa.Table, known: Mapping[str, Collection[str]]) -> dict[str, pa.Table]:
    """The samples by model, checked, each with its own columns; models in order.

    A column without any value, and that the model never had, is another model's feature.
    """
    _check(samples)
    names = sorted(n for n in samples.column_names if n.startswith(FEATURE))
    found = {}
    for model in sorted(pc.unique(samples["model"]).to_pylist()):
        if model in known:
            rows = samples.filter(pc.equal(samples["model"], model))
            own = [n for n in names if rows[n].null_count < len(rows) or n.removeprefix(FEATURE) in known[model]]
            found[model] = rows.select([*_NEEDED, *own])
    return found


def _batch(samples: pa.Table) -> _Batch:
    names = [field.name for field in samples.schema if field.name.startswith(FEATURE)]
    own = [name for name in names if not is_list(samples[name].type)]
    columns = np.stack([_floats(samples[name]) for name in [*own, PREDICTION]], axis=1)
    ts = microseconds(samples["ts"])
    lists = [_list_hashes(samples[name]) for name in names if name not in own]
    prints = _prints(samples, ts, columns, lists)
    features = (*(name.removeprefix(FEATURE) for name in own), PREDICTION)
    return _Batch(ts // 1_000_000, samples["snapshot"].to_numpy(), features, columns, prints)


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)  # nulls come as NaN


def _check(samples: pa.Table) -> None:
    missing = [name for name in _NEEDED if name not in samples.column_names]
    faults = [f"the column {name} is missing" for name in missing]
    there = [name for name in _NEEDED if name not in missing]
    empty = {name: samples[name].null_count for name in there if name != PREDICTION}
    faults += [f"{count} rows have no {name}" for name, count in empty.items() if count]
    if "ts" in there and (fault := _fault_of_times(samples["ts"])):
        faults.append(fault)
    numbers = [n for n in samples.column_names if n.startswith(FEATURE) or n == PREDICTION]
    faults += [fault for name in numbers if (fault := _fault_of_numbers(name, samples[name]))]
    if FEATURE + PREDICTION in numbers:
        faults.append(f"no feature may be called {PREDICTION!r}: the column {FEATURE + PREDICTION} has to be renamed")
    if faults:
        raise MalformedSamples(f"a batch of {len(samples)} samples is refused: {'; '.join(faults)}")


def _fault_of_times(column: pa.ChunkedArray) -> str | None:
    if not (pa.types.is_timestamp(column.type) and column.type.tz):
        return f"ts must be a timestamp with a zone, and is {column.type}"
    ahead = int((datetime.now(UTC) + CLOCKS_DIFFER).timestamp() * 1_000_000)
    future = int((microseconds(column.drop_null()) > ahead).sum())
    return f"{future} rows have a ts that is yet to come; check the sender's clock and unit" if future else None


def _fault_of_numbers(name: str, column: pa.ChunkedArray) -> str | None:
    kind = column.type
    if name != PREDICTION and is_list(kind):
        column, kind = pc.list_flatten(column), kind.value_type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        return f"{name} must be numbers (a categorical feature as its integer id), and is {column.type}"
    if pa.types.is_integer(kind) and kind.bit_width == 64:
        span = pc.min_max(column).as_py()
        if max(abs(span["min"] or 0), abs(span["max"] or 0)) > LARGEST_ID:
            return f"{name} holds ids beyond 2^53, which a float64 cannot tell apart: send them hashed to fewer bits"
    return None


def _prints(samples: pa.Table, ts: NDArray[np.int64], columns: Floats, lists: Sequence[Hashes]) -> Hashes:
    """A fingerprint of every row, different for equal rows of one batch."""
    prints = ts.astype(np.uint64)
    for name in ("request_id", "snapshot"):
        prints = _mixed(prints, _text_hashes(samples[name]))
    bits = np.where(np.isnan(columns), np.nan, columns + 0.0).view(np.uint64)  # one NaN and one zero
    for column in (*bits.T, *lists):
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


def _list_hashes(column: pa.ChunkedArray) -> Hashes:
    """A hash of every list, by its values in their order; a list that is null is as an empty one."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    values = _floats(pc.list_flatten(column))
    bits = np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)
    place = np.arange(len(values), dtype=np.int64) - np.repeat(ends - lengths, lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_mixed(place.astype(np.uint64), bits))])  # wraps
    return _mixed(lengths.astype(np.uint64), sums[ends] - sums[ends - lengths])


def _mixed(prints: Hashes, more: Hashes) -> Hashes:
    """Mixes a column into the fingerprints (SplitMix64's finaliser, Steele, Lea & Flood 2014); arithmetic wraps."""
    x = (prints * np.uint64(0x9E3779B97F4A7C15)) ^ more
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed
