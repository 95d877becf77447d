"""A partition's file becomes the record of it; what cannot be read is refused in plain words."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knowledge.partitions import UnreadablePartition, profile_partition, quantile_edges
from tools.records import Window

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = Window(start=START, end=START + timedelta(days=1))


def table(rows: int = 400) -> pa.Table:
    rng = np.random.default_rng(1)
    x = rng.normal(size=rows)
    return pa.table(
        {
            "id": np.r_[np.arange(rows - 10), np.arange(10)],
            "x": pa.array(np.where(np.arange(rows) < 20, np.nan, x)),
            "kind": pa.array(["a", "b"] * (rows // 2)),
            "at": pa.array([START] * rows, pa.timestamp("us", tz="UTC")),
            "bag": pa.array([[1, 2]] * rows),
            "label": (x + rng.normal(size=rows) > 0).astype(np.int64),
        }
    )


def test_counts_moments_and_how_columns_go_with_the_label(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "2026-01-05.parquet")
    edges = quantile_edges(table())
    told = profile_partition(
        tmp_path / "2026-01-05.parquet", dataset="d", partition="p", day=DAY, label="label", key=["id"], edges=edges
    )
    assert (told.rows, told.duplicates, sum(told.label_counts.values())) == (400, 10, 400)
    assert told.nulls("x") == 20
    assert told.columns["kind"].distinct_count == 2
    assert told.columns["at"].min == START.timestamp()
    assert told.columns["id"].mean is None
    histogram = told.columns["x"].histogram
    assert histogram is not None
    assert sum(histogram.counts) == 380
    assert 0.4 < told.label_correlations["x"] < 0.8


def test_what_cannot_be_profiled_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    for source in (tmp_path / "broken.parquet", tmp_path / "missing.parquet"):
        with pytest.raises(UnreadablePartition, match="Parquet"):
            profile_partition(source, dataset="d", partition="p")
    with pytest.raises(UnreadablePartition, match="no column 'y'"):
        profile_partition(table(), dataset="d", partition="p", label="y")
    assert profile_partition(table().slice(0, 0), dataset="d", partition="p", label="label").rows == 0
