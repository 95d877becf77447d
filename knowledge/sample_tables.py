"""Samples as tables, as they are kept, and as arrays, as they are read: numbers, and lists of them."""

from collections.abc import Collection, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knowledge.labels import Labels
from tools.records import Samples
from tools.stats.profile import PREDICTION

FEATURE = "f."
PRINT = "print"
REQUEST = "request"
LABEL = "label"

Hashes = NDArray[np.uint64]


def kept_columns(samples: pa.Table, prints: Hashes) -> pa.Table:
    """What is kept of a batch: float32 as it is, other numbers as float64, lists as lists of float64; of the request id
    only a hash."""
    names = [name for name in samples.column_names if name.startswith(FEATURE)]
    columns = {"ts": microseconds(samples["ts"]), "snapshot": samples["snapshot"].cast(pa.string())}
    columns |= {name: samples[name].cast(_kind(samples[name].type)) for name in (PREDICTION, *names)}
    label = samples[LABEL] if LABEL in samples.column_names else pa.nulls(len(samples))
    columns |= {LABEL: label.cast(pa.float64()), REQUEST: text_hashes(samples["request_id"])}
    return pa.table({**columns, PRINT: pa.array(prints)})


def text_hashes(column: pa.ChunkedArray) -> Hashes:
    """A hash of every text, uint64[n]."""
    coded = column.combine_chunks().dictionary_encode()
    hashes = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) for text in coded.dictionary.to_pylist()]
    found: Hashes = np.asarray(hashes, dtype=np.uint64)[coded.indices.to_numpy()]
    return found


def _kind(kind: pa.DataType) -> pa.DataType:
    if is_list(kind):
        return pa.list_(pa.float64())
    return kind if pa.types.is_float32(kind) else pa.float64()


def with_lists(table: pa.Table, lists: Collection[str]) -> pa.Table:
    """The table with these columns as lists: a feature that was a number once may be a sequence now."""
    for place, field in enumerate(table.schema):
        if field.name in lists and not is_list(field.type):
            one_each = pa.ListArray.from_arrays(
                np.arange(len(table) + 1, dtype=np.int32), table[place].combine_chunks()
            )
            table = table.set_column(place, field.name, one_each)
    return table


def samples_of(tables: Sequence[pa.Table], prints: Hashes, labels: Labels, model: str) -> Samples:
    """The rows of these tables as arrays, in the order of `prints`, which are those of all of them.

    A label that came by itself stands before the one that came with the sample.
    """
    found = np.concatenate([table[PRINT].to_numpy() for table in tables])
    order = np.argsort(found)[np.searchsorted(np.sort(found), prints)]
    requests = np.concatenate([table[REQUEST].to_numpy() for table in tables])
    late = labels.of(model, found, requests)
    names = sorted({name for table in tables for name in table.column_names if name.startswith(FEATURE)})
    return Samples(
        np.concatenate([table["ts"].to_numpy() for table in tables])[order] // 1_000_000,
        np.concatenate([table["snapshot"].to_numpy() for table in tables])[order].astype(str),
        {name.removeprefix(FEATURE): _stacked(tables, name)[order] for name in names},
        _stacked(tables, PREDICTION)[order],
        np.where(np.isnan(late), _stacked(tables, LABEL), late)[order],
    )


def _stacked(tables: Sequence[pa.Table], name: str) -> NDArray[np.float64]:
    """A column over all tables: float64[n], or float64[n, k] where any of them holds lists; NaN where it has none."""
    parts = [_values(table, name) for table in tables]
    widths = [part.shape[1] for part in parts if part.ndim == 2]
    if not widths:
        return np.concatenate(parts)
    return np.concatenate([_padded(part, max(widths)) for part in parts])


def _values(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    column = table[name].combine_chunks()
    if not is_list(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    padded = np.full((len(column), int(lengths.max(initial=0))), np.nan)
    values = column.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = values
    return padded


def _padded(part: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    wide = part[:, None] if part.ndim == 1 else part
    return np.pad(wide, ((0, 0), (0, width - wide.shape[1])), constant_values=np.nan)


def microseconds(times: pa.ChunkedArray) -> NDArray[np.int64]:
    """A column of timestamps without a null as int64[n] µs since 1970; what is finer is cut off."""
    found: NDArray[np.int64] = times.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    return found


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds sequences or bags."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
