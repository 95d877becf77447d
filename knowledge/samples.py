"""The newest samples of every model, kept as rows, for the tools that run a snapshot again.

A batch becomes a small Parquet file beside the others of its model, and many small ones are now and then written
together. A row is known by its fingerprint, so nothing that is there twice, after a crash or because it was sent again,
counts twice. Only what a run needs is kept: time, snapshot, features, prediction, label and a hash of the request id;
no request id and no segment. Labels that come late are kept beside, see `labels.py`.
"""

import hashlib
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from knowledge.files import replaced
from knowledge.labels import Labels
from knowledge.sample_tables import LABEL, PRINT, REQUEST, is_list, kept_columns, samples_of, text_hashes, with_lists
from tools.ports import PortError
from tools.records import Samples
from tools.stats.profile import PREDICTION

KEPT = 20_000
OLDEST = timedelta(days=30)
"""Rows that are this much older than the newest one of their model are dropped, however few there are."""

_ORDER = [("ts", "ascending"), (PRINT, "ascending")]
_KEYS = ("ts", "snapshot", PRINT)
_WHOLE = {*_KEYS, PREDICTION, LABEL, REQUEST}
_MOST_FILES = 32
_ROW_GROUP = 4096


@dataclass(frozen=True)
class _Rows:
    """Which rows the files of a model hold: `ts` int64[n] in µs, `file` and `place` where each one stands."""

    files: tuple[Path, ...]
    ts: NDArray[np.int64]
    snapshot: NDArray[np.object_]
    prints: NDArray[np.uint64]
    file: NDArray[np.int64]
    place: NDArray[np.int64]

    def where(self, chosen: NDArray[np.generic]) -> "_Rows":
        columns = (getattr(self, name)[chosen] for name in ("ts", "snapshot", "prints", "file", "place"))
        return _Rows(self.files, *columns)

    def newest(self, most: int) -> "_Rows":
        """Each row once, oldest first: at most so many, and none that is too old."""
        _, first = np.unique(self.prints, return_index=True)
        once = self.where(first)
        ordered = once.where(np.lexsort((once.prints, once.ts)))
        young = ordered.where(ordered.ts > ordered.ts.max(initial=0) - OLDEST // timedelta(microseconds=1))
        return young.where(np.arange(len(young.ts)) >= len(young.ts) - most)


class RecentSamples:
    """Implements `tools.ports.SamplesPort` on Parquet files below `folder`; threads may share it.

    `kept` is how many rows a model has, at most; 0 keeps none, and removes those that were kept.
    """

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder, self._kept = folder, kept
        self._labels = Labels(folder / "labels")
        self._lock = threading.Lock()
        if kept == 0 and folder.exists():
            shutil.rmtree(folder)

    def keep(self, model: str, samples: pa.Table, prints: NDArray[np.uint64]) -> None:
        """Keep the rows of a checked batch of one model; `prints` uint64[n] are their fingerprints.

        Durable on return. Raises `PortError` where a file of the model is damaged.
        """
        if self._kept == 0 or not len(samples):
            return
        with self._lock:
            there = self._rows(model)
            fresh = ~np.isin(prints, there.prints)
            columns = kept_columns(samples, prints)
            self._labels.put(model, prints[~fresh], columns[LABEL].to_numpy()[~fresh])
            if not fresh.any():
                return
            self._write(model, columns.filter(pa.array(fresh)))
            if len(there.files) >= _MOST_FILES:
                self._write_together(model)

    def recent(self, model: str, before: datetime, most: int, snapshot: str | None = None) -> Samples:
        """The newest `most` samples before a time, oldest first; of one snapshot, or of all. Empty where none is.

        Raises `PortError` where a file of the model is damaged.
        """
        with self._lock:
            rows = self._rows(model).newest(self._kept)
            asked = rows.ts < int(before.timestamp() * 1_000_000)
            if snapshot is not None:
                asked &= rows.snapshot == snapshot
            asked_rows = rows.where(asked)
            chosen = asked_rows.where(np.arange(len(asked_rows.ts)) >= len(asked_rows.ts) - most)
            tables = list(_tables(chosen))
            return samples_of(tables, chosen.prints, self._labels, model) if len(chosen.ts) else Samples.none()

    def label(self, labels: pa.Table) -> None:
        """Keep labels that came by themselves: request_id, model and label, the texts as strings. They are joined to
        the samples of the request, whichever comes first. Durable on return. Raises `PortError`."""
        if self._kept == 0:
            return
        for model in sorted(pc.unique(labels["model"]).to_pylist()):
            own = labels.filter(pc.equal(labels["model"], model))
            values = own[LABEL].cast(pa.float64()).to_numpy()
            self._labels.put(model, text_hashes(own["request_id"]), values)

    def table(self, model: str) -> pa.Table | None:
        """All kept rows of a model with their fingerprints, oldest first; None where there is none. Raises `PortError`
        where a file of the model is damaged."""
        with self._lock:
            rows = self._rows(model).newest(self._kept)
            tables = list(_tables(rows))
            return _together(tables) if tables else None

    def _of(self, model: str) -> Path:
        return self._folder / f"model={quote(model, safe='')}"  # the prefix keeps a model called ".." in its place

    def _rows(self, model: str) -> _Rows:
        files = tuple(sorted(self._of(model).glob("*.parquet")))
        tables = [_read(path, _KEYS) for path in files]
        if not tables:
            none = np.empty(0, dtype=np.int64)
            return _Rows((), none, none.astype(object), none.astype(np.uint64), none, none)
        whole = pa.concat_tables(tables)
        lengths = [len(table) for table in tables]
        return _Rows(
            files,
            whole["ts"].to_numpy(),
            whole["snapshot"].to_numpy(),
            whole[PRINT].to_numpy(),
            np.repeat(np.arange(len(files)), lengths),
            np.concatenate([np.arange(length) for length in lengths]),
        )

    def _write(self, model: str, table: pa.Table) -> Path:
        """A file is named by the rows that it holds, so that the same samples make the same folder."""
        ordered = table.sort_by(_ORDER)
        path = self._of(model) / f"{hashlib.sha256(ordered[PRINT].to_numpy().tobytes()).hexdigest()[:32]}.parquet"
        with replaced(path) as file:
            pq.write_table(ordered, file, compression="zstd", row_group_size=_ROW_GROUP)
        return path

    def _write_together(self, model: str) -> None:
        """One file instead of many, with what is still to be kept. After a crash in between, rows are there twice,
        which does no harm."""
        kept = self._rows(model).newest(self._kept)
        tables = list(_tables(kept))
        written = self._write(model, _together(tables))
        for path in kept.files:
            if path != written:
                path.unlink()


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    lists = {field.name for table in tables for field in table.schema if is_list(field.type)}
    return pa.concat_tables([with_lists(table, lists) for table in tables], promote_options="permissive")


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        _demand(path, pq.read_schema(path).names, columns)
        return pq.read_table(path, columns=list(columns), partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise PortError(_damaged(path, error)) from error


def _demand(path: Path, names: Collection[str], wanted: Collection[str]) -> None:
    """Raises `PortError` where the file does not have these columns."""
    if lacking := set(wanted) - set(names):
        raise PortError(
            f"{path} has no {', '.join(sorted(lacking))}: another version wrote it. Delete {path.parent}; only the "
            "newest rows of its model are kept there, and rows come again with its next samples"
        )


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} cannot be read: {error}. Delete it; only the newest rows of its model are kept there"


def _tables(rows: _Rows) -> Iterator[pa.Table]:
    """The chosen rows, file by file, each in the order of its places; only the row groups that hold any are read."""
    for number in np.unique(rows.file):
        path, places = rows.files[number], np.sort(rows.place[rows.file == number])
        groups = np.unique(places // _ROW_GROUP)
        try:
            file = pq.ParquetFile(path)
            _demand(path, file.schema_arrow.names, _WHOLE)
            table = file.read_row_groups([int(group) for group in groups])
        except (pa.ArrowException, OSError) as error:
            raise PortError(_damaged(path, error)) from error
        within = np.searchsorted(groups, places // _ROW_GROUP) * _ROW_GROUP + places % _ROW_GROUP
        yield table.take(pa.array(within))
