"""From a partition's rows to the record of it: counts, statistics of its columns, and how they go with the label."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats

from tools.records import ColumnStatistics, Histogram, PartitionRead, Window
from tools.stats.profile import Floats

MOST_CLASSES = 20
"""A label with more values than this is continuous, and is counted as a column only."""
MOST_ROWS = 50_000_000


class UnreadablePartition(ValueError):
    """A partition's file cannot be profiled; the message says why and what to do."""


def profile_partition(
    source: Path | pa.Table,
    *,
    dataset: str,
    partition: str,
    day: Window | None = None,
    label: str | None = None,
    key: Sequence[str] = (),
    edges: Mapping[str, Sequence[float]] | None = None,
    written_at: datetime | None = None,
) -> PartitionRead:
    """The record of a partition in a Parquet file, a folder of them, or a table.

    `key` are the columns that name a row; rows that repeat one are duplicates (all columns, where none are given).
    `edges` are column → bin edges of its histogram (see `quantile_edges`); use the same ones every day. NaN counts as
    null; infinite values are left out of the moments. Correlations with the label are Spearman's, so that heavy tails
    do not rule them. Raises `UnreadablePartition`.
    """
    table = _table(source)
    for name in (*([label] if label else []), *key):
        if name not in table.column_names:
            raise UnreadablePartition(f"{partition} has no column {name!r}; it has {', '.join(table.column_names)}")
    target = _numbers(table[label]) if label else None
    columns, correlations = {}, {}
    for name in table.column_names:
        if name == label:
            continue
        values = _numbers(table[name])
        if name in key:  # it names rows: its values say nothing
            columns[name] = _statistics(table[name], None, None)
            continue
        columns[name] = _statistics(table[name], values, (edges or {}).get(name))
        r = _correlation(values, target)
        if r is not None:
            correlations[name] = r
    return PartitionRead(
        dataset=dataset,
        partition=partition,
        rows=table.num_rows,
        day=day,
        duplicates=_duplicates(table, key),
        columns=columns,
        label_counts=_label_counts(table[label]) if label else {},
        label_correlations=correlations,
        written_at=written_at,
    )


def quantile_edges(source: Path | pa.Table, bins: int = 10) -> dict[str, tuple[float, ...]]:
    """Numeric column → bin edges at its quantiles, open at both ends; of a healthy partition, to be kept."""
    table, found = _table(source), {}
    for name in table.column_names:
        values = _numbers(table[name])
        known = values[np.isfinite(values)] if values is not None else np.empty(0)
        if len(known):
            inner = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
            found[name] = (-np.inf, *inner.tolist(), np.inf)
    return found


def _table(source: Path | pa.Table) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    try:
        table = pq.read_table(source)
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadablePartition(
            f"{source} is no Parquet that can be read ({reason}); name a file or a folder"
        ) from None
    if table.num_rows > MOST_ROWS:
        raise UnreadablePartition(f"{source} has more than {MOST_ROWS:,} rows; profile a sample of it")
    return table


def _numbers(column: pa.ChunkedArray) -> Floats | None:
    """Values as float64[n], NaN where null; times in unix seconds; None for what is no number."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64())
        return np.asarray(pc.divide(pc.cast(column, pa.float64()), 1e6).to_numpy(), dtype=np.float64)
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _statistics(column: pa.ChunkedArray, values: Floats | None, edges: Sequence[float] | None) -> ColumnStatistics:
    distinct = None if pa.types.is_nested(column.type) else int(pc.count_distinct(column, mode="only_valid").as_py())
    if values is None:
        return ColumnStatistics(null_count=column.null_count, distinct_count=distinct)
    finite = values[np.isfinite(values)]
    told: dict[str, object] = {"null_count": int(np.isnan(values).sum()), "distinct_count": distinct}
    if not len(finite):
        return ColumnStatistics.model_validate(told)
    with np.errstate(over="ignore"):
        moments = {"min": finite.min(), "max": finite.max(), "mean": finite.mean(), "variance": finite.var()}
    told |= {name: float(value) for name, value in moments.items()}
    if edges is not None and len(edges) > 1:
        counts = np.histogram(finite, np.asarray(edges, dtype=np.float64))[0]
        told["histogram"] = Histogram(edges=tuple(edges), counts=tuple(int(n) for n in counts))
    return ColumnStatistics.model_validate(told)


def _correlation(values: Floats | None, target: Floats | None) -> float | None:
    if values is None or target is None:
        return None
    both = np.isfinite(values) & np.isfinite(target)
    if both.sum() < 30 or np.ptp(values[both]) == 0 or np.ptp(target[both]) == 0:
        return None
    first, second = stats.rankdata(values[both]), stats.rankdata(target[both])
    return float(np.corrcoef(first, second)[0, 1])


def _label_counts(column: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(column.drop_null()).to_pylist()
    if len(counted) > MOST_CLASSES:
        return {}
    return {_class_name(one["values"]): int(one["counts"]) for one in counted}


def _class_name(value: object) -> str:
    """1.0, 1 and True are the same label."""
    if (isinstance(value, float) and value.is_integer()) or isinstance(value, bool):
        return str(int(value))
    return str(value)


def _duplicates(table: pa.Table, key: Sequence[str]) -> int | None:
    names = list(key) or [f.name for f in table.schema if not pa.types.is_nested(f.type)]
    if not names or not table.num_rows:
        return None
    return int(table.num_rows - table.select(names).group_by(names).aggregate([]).num_rows)


def profile_file(
    file: Path,
    dataset: str,
    partition: str,
    *,
    day: Window | None = None,
    label: str | None = None,
    key: Sequence[str] = (),
    bins: Path | None = None,
) -> PartitionRead:
    """`profile_partition` of a file, with the quantiles of another one as bins. Raises `UnreadablePartition`."""
    edges = quantile_edges(bins) if bins else None
    return profile_partition(file, dataset=dataset, partition=partition, day=day, label=label, key=key, edges=edges)
