"""Profiles on disk: one Parquet file per model and day, replaced whole, and the bin edges that all of them share.

A row is the profile of one hour and snapshot, together with the fingerprints of the samples in it. Both stand in the
same file, so a crash leaves either the old day or the new one, and a sample that is sent again is known as such.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from knowledge.files import replaced
from tools.ports import PortError
from tools.records import Window
from tools.stats.profile import Floats, Profile

BINS = 64
_COUNTS = ("count", "nulls", "nonfinite", "histogram")
_FLOATS = ("total", "total2", "minimum", "maximum", "cross")
_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("start", _TIME),
        ("end", _TIME),
        ("snapshot", pa.string()),
        ("rows", pa.int64()),
        ("features", pa.list_(pa.string())),
        *((name, pa.list_(pa.int64())) for name in _COUNTS),
        *((name, pa.list_(pa.float64())) for name in _FLOATS),
        ("seen", pa.list_(pa.uint64())),
    ]
)
_EDGES_SCHEMA = pa.schema([("feature", pa.string()), ("edges", pa.list_(pa.float64()))])


class EdgesAreFixed(ValueError):
    """Profiles already lie on other bin edges; the message says of which feature and what to do."""


@dataclass(frozen=True)
class Folded:
    """A profile and the fingerprints, uint64[rows], of the samples that are in it."""

    profile: Profile
    seen: NDArray[np.uint64]


class ProfileStore:
    """Profiles below a folder. One process writes; threads may share the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def edges(self, model: str) -> dict[str, Floats]:
        """Feature → its inner bin edges float64[B-1], for every feature that was ever seen. Raises `PortError`."""
        path = self._of(model) / "edges.parquet"
        if not path.exists():
            return {}
        table = _read(path)
        values = np.asarray(table["edges"].combine_chunks().flatten()).reshape(len(table), -1)
        return dict(zip(table["feature"].to_pylist(), values, strict=True))

    def fix_edges(self, model: str, edges: Mapping[str, Floats]) -> None:
        """Fixes the bin edges of these features, and keeps those of others.

        The same edges again change nothing. Raises `EdgesAreFixed` where a feature has profiles on other edges.
        """
        with self._lock:
            known = self.edges(model)
            moved = sorted(f for f in edges if f in known and not np.array_equal(known[f], edges[f], equal_nan=True))
            if moved and self._days(model):
                raise EdgesAreFixed(
                    f"the bin edges of {model} were fixed from other samples (first difference: {moved[0]}), and "
                    "profiles on different edges cannot be compared. "
                    f"Keep them, or delete {self._of(model)} and send the samples again"
                )
            both = {**known, **edges}
            if sorted(both) != sorted(known) or moved:
                columns = [sorted(both), [both[name] for name in sorted(both)]]
                _write(self._of(model) / "edges.parquet", pa.table(columns, schema=_EDGES_SCHEMA))

    def update(self, model: str, day: date, change: Callable[[Sequence[Folded]], Sequence[Folded]]) -> None:
        """Replaces a day's profiles by what `change` makes of them; nothing is written where it returns its argument.

        Durable on return. Raises `PortError` for a damaged file, and whatever `change` raises, with the day as it was.
        """
        with self._lock:
            path = self._of(model) / f"{day.isoformat()}.parquet"
            before = _decode(model, _read(path), self.edges(model)) if path.exists() else []
            after = change(before)
            if after is not before:
                _write(path, _encode(after))

    def profiles(self, model: str, window: Window, snapshot: str | None = None) -> Sequence[Profile]:
        """The profiles whose windows lie in `window`, by start and snapshot. Raises `PortError` for a damaged file."""
        first, last = window.start.date(), window.end.date()
        edges = self.edges(model)
        columns = [name for name in _SCHEMA.names if name != "seen"]
        found = [
            folded.profile
            for day in self._days(model)
            if first <= day <= last
            for folded in _decode(model, _read(self._of(model) / f"{day.isoformat()}.parquet", columns), edges)
        ]
        inside = [p for p in found if window.start <= p.window.start and p.window.end <= window.end]
        return sorted((p for p in inside if snapshot in (None, p.snapshot)), key=_order)

    def _of(self, model: str) -> Path:
        return self._folder / f"model={quote(model, safe='')}"  # the prefix keeps a model called ".." in its place

    def _days(self, model: str) -> list[date]:
        names = sorted(path.stem for path in self._of(model).glob("*.parquet"))
        return [date.fromisoformat(name) for name in names if name != "edges"]


def _order(profile: Profile) -> tuple[datetime, str, datetime, tuple[str, ...]]:
    return profile.window.start, profile.snapshot, profile.window.end, profile.features


def _encode(day: Sequence[Folded]) -> pa.Table:
    ordered = sorted(day, key=lambda folded: _order(folded.profile))
    profiles = [folded.profile for folded in ordered]
    columns: dict[str, list[object]] = {
        "start": [p.window.start for p in profiles],
        "end": [p.window.end for p in profiles],
        "snapshot": [p.snapshot for p in profiles],
        "rows": [p.rows for p in profiles],
        "features": [p.features for p in profiles],
        "seen": [folded.seen for folded in ordered],
    }
    columns |= {name: [getattr(p, name).ravel() for p in profiles] for name in (*_COUNTS, *_FLOATS)}
    return pa.table(columns, schema=_SCHEMA)


def _decode(model: str, table: pa.Table, edges: Mapping[str, Floats]) -> list[Folded]:
    names = [tuple(row) for row in table["features"].to_pylist()]
    inner = {features: np.stack([edges[f] for f in features]) for features in dict.fromkeys(names)}
    lists = {name: _rows(table[name]) for name in (*_COUNTS, *_FLOATS)}
    seen = _rows(table["seen"]) if "seen" in table.column_names else [np.empty(0, dtype=np.uint64)] * len(table)
    starts, ends = (_times(table[name]) for name in ("start", "end"))
    snapshots, rows = table["snapshot"].to_pylist(), table["rows"].to_pylist()
    return [
        Folded(
            Profile(
                model=model,
                snapshot=snapshots[i],
                window=Window(start=starts[i], end=ends[i]),
                features=features,
                rows=rows[i],
                edges=inner[features],
                **{name: values[i] for name, values in lists.items() if name != "histogram"},
                histogram=lists["histogram"][i].reshape(len(features), -1),
            ),
            seen[i],
        )
        for i, features in enumerate(names)
    ]


def _rows(column: pa.ChunkedArray) -> list[NDArray[Any]]:
    """The lists of a column as arrays that share its memory."""
    lists = column.combine_chunks()
    values, ends = np.asarray(lists.flatten()), np.cumsum(lists.value_lengths().to_numpy())
    return np.split(values, ends[:-1]) if len(lists) else []


def _times(column: pa.ChunkedArray) -> list[datetime]:
    zero = datetime(1970, 1, 1, tzinfo=UTC)
    return [zero + timedelta(microseconds=int(us)) for us in column.combine_chunks().cast(pa.int64()).to_numpy()]


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise PortError(
            f"{path} cannot be read: {error}. Move it away and send the samples of that day again; nothing else is lost"
        ) from error


def _write(path: Path, table: pa.Table) -> None:
    with replaced(path) as file:
        pq.write_table(table, file, compression="zstd")
