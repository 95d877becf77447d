"""A table of prediction samples, checked and as columns: which model each row is of, and a fingerprint of every row.

A sample is known by its request id, time, snapshot, features and prediction (not by its label, which comes later), and
by its number among equal ones of its batch. So a batch that is sent again, whole or in part, changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knowledge.ingest.sample_rows import CLOCKS_DIFFER, LARGEST_ID
from knowledge.sample_tables import FEATURE, LABEL, Hashes, is_list, microseconds, text_hashes
from tools.stats.profile import PREDICTION, Floats

_NEEDED = ("ts", "request_id", "model", "snapshot", PREDICTION)


class MalformedSamples(ValueError):
    """The batch is refused whole; the message lists everything that is wrong with it."""


@dataclass(frozen=True)
class Batch:
    """Samples of one model: `ts` int64[n] unix s, `snapshot` str[n], `columns` float64[n, F], the prediction last.

    Sequences and bags have no profile: they are in the fingerprints `prints` uint64[n], and not in the columns.
    """

    ts: NDArray[np.int64]
    snapshot: NDArray[np.object_]
    features: tuple[str, ...]
    columns: Floats
    prints: Hashes

    def rows(self, keep: NDArray[np.bool_]) -> "Batch":
        """The rows where `keep` (bool[n]) holds."""
        return Batch(self.ts[keep], self.snapshot[keep], self.features, self.columns[keep], self.prints[keep])


def by_model(samples: pa.Table, known: Mapping[str, Collection[str]]) -> dict[str, pa.Table]:
    """The samples by model, checked, each with its own columns; models in order. `known` is model → its features.

    A column without any value, and that the model never had, is another model's feature. Raises `MalformedSamples`.
    """
    _check(samples)
    names = sorted(n for n in samples.column_names if n.startswith(FEATURE))
    found = {}
    for model in sorted(pc.unique(samples["model"]).to_pylist()):
        rows = samples.filter(pc.equal(samples["model"], model))
        features = known.get(model, ())
        own = [n for n in names if rows[n].null_count < len(rows) or n.removeprefix(FEATURE) in features]
        label = [LABEL] if LABEL in samples.column_names else []
        found[model] = rows.select([*_NEEDED, *label, *own])
    return found


def as_batch(samples: pa.Table) -> Batch:
    """The columns and fingerprints of the checked samples of one model."""
    names = [field.name for field in samples.schema if field.name.startswith(FEATURE)]
    own = [name for name in names if not is_list(samples[name].type)]
    columns = np.stack([floats(samples[name]) for name in [*own, PREDICTION]], axis=1)
    ts = microseconds(samples["ts"])
    lists = [_list_hashes(samples[name]) for name in names if name not in own]
    prints = _prints(samples, ts, columns, lists)
    features = (*(name.removeprefix(FEATURE) for name in own), PREDICTION)
    return Batch(ts // 1_000_000, samples["snapshot"].to_numpy(), features, columns, prints)


def floats(column: pa.ChunkedArray) -> Floats:
    """A column of numbers as float64[n], NaN where null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _check(samples: pa.Table) -> None:
    missing = [name for name in _NEEDED if name not in samples.column_names]
    faults = [f"the column {name} is missing" for name in missing]
    there = [name for name in _NEEDED if name not in missing]
    empty = {name: samples[name].null_count for name in there if name != PREDICTION}
    faults += [f"{count} rows have no {name}" for name, count in empty.items() if count]
    if "ts" in there and (fault := _fault_of_times(samples["ts"])):
        faults.append(fault)
    numbers = [n for n in samples.column_names if n.startswith(FEATURE) or n in (PREDICTION, LABEL)]
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
    if name.startswith(FEATURE) and is_list(kind):
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
        prints = _mixed(prints, text_hashes(samples[name]))
    bits = np.where(np.isnan(columns), np.nan, columns + 0.0).view(np.uint64)  # one NaN and one zero
    for column in (*bits.T, *lists):
        prints = _mixed(prints, column)
    _, place, counts = np.unique(prints, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    number = np.empty(len(prints), dtype=np.uint64)
    number[order] = np.arange(len(prints)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _mixed(prints, number)


def _list_hashes(column: pa.ChunkedArray) -> Hashes:
    """A hash of every list, by its values in their order; a list that is null is as an empty one."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    values = floats(pc.list_flatten(column))
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
