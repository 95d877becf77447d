"""Labels that came without their sample, or after it: joined to the kept samples when these are read.

A label is told by a 64-bit hash, of a request id or of a whole sample. So it does not matter whether it or the sample
comes first. Of several labels the last one stands.
"""

import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from knowledge.files import replaced
from tools.ports import PortError

MOST = 200_000
"""So many labels of a model are kept, the last ones."""
_MOST_FILES = 32

_Known = tuple[NDArray[np.uint64], NDArray[np.float64]]


class Labels:
    """Labels below a folder, one small Parquet file for a batch; now and then they are written together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def put(self, model: str, keys: NDArray[np.uint64], labels: NDArray[np.float64]) -> None:
        """Keep the finite `labels` float64[n] under their `keys` uint64[n]. Durable on return. Raises `PortError` where
        a file of the model is damaged."""
        with self._lock:
            files = self._files(model)
            known = _known(files)
            new = np.isfinite(labels) & (_last(known, keys)[1] != labels)
            if not new.any():
                return
            number = int(files[-1].stem) + 1 if files else 0
            together = len(files) >= _MOST_FILES
            written = (
                _newest(np.concatenate([known[0], keys[new]]), np.concatenate([known[1], labels[new]]))
                if together
                else (keys[new], labels[new])
            )
            with replaced(self._of(model) / f"{number:012d}.parquet") as file:
                pq.write_table(pa.table({"key": written[0], "label": written[1]}), file, compression="zstd")
            for path in files if together else ():
                path.unlink()

    def of(self, model: str, *keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """The label of every row, which has one of each of the `keys` uint64[n]: the last one told of any of them;
        NaN where there is none."""
        with self._lock:
            known = _known(self._files(model))
        found = [_last(known, one) for one in keys]
        best = np.argmax([at for at, _ in found], axis=0)
        return np.asarray(np.choose(best, [label for _, label in found]), dtype=np.float64)

    def _of(self, model: str) -> Path:
        return self._folder / f"model={quote(model, safe='')}"

    def _files(self, model: str) -> list[Path]:
        return sorted(self._of(model).glob("*.parquet"))


def _known(files: list[Path]) -> _Known:
    """All that was told, in that order."""
    tables = []
    for path in files:
        try:
            tables.append(pq.read_table(path, partitioning=None))
        except (pa.ArrowException, OSError) as error:
            raise PortError(f"{path} cannot be read: {error}. Delete it and send its labels again") from error
    if not tables:
        return np.empty(0, dtype=np.uint64), np.empty(0)
    whole = pa.concat_tables(tables)
    return whole["key"].to_numpy(), whole["label"].to_numpy()


def _newest(keys: NDArray[np.uint64], labels: NDArray[np.float64]) -> _Known:
    _, from_end = np.unique(keys[::-1], return_index=True)
    last = np.sort(len(keys) - 1 - from_end)[-MOST:]
    return keys[last], labels[last]


def _last(known: _Known, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each key was told of last, -1 for never, and the label that it was told."""
    if not len(known[0]):
        return np.full(len(keys), -1), np.full(len(keys), np.nan)
    order = np.argsort(known[0], kind="stable")
    place = np.searchsorted(known[0][order], keys, side="right") - 1
    there = (place >= 0) & (known[0][order][place] == keys)
    at = np.where(there, order[place], -1)
    return at, np.where(there, known[1][at], np.nan)
