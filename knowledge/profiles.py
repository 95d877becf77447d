"""Profiles on disk: one Parquet file per model and day, replaced whole, and the baseline that all of them share.

A row is the profile of one hour and snapshot, together with the fingerprints of the samples in it. Both stand in the
same file, so a crash leaves either the old day or the new one, and a sample that is sent again is known as such.
Histograms are bytes of the narrowest type that holds their counts: 5,000 features of 256 bins are read hour by hour.
"""

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from knowledge.files import move, replaced
from tools.ports import PortError
from tools.records import Window
from tools.stats.profile import COUNTS, SUMS, Floats, Profile
from tools.stats.value_counts import ValueCounts, Vocabulary

BINS = 256
_FLOATS = (*SUMS, "minimum", "maximum")
_TIME = pa.timestamp("us", tz="UTC")
_FLOAT_LIST, _COUNT_LIST = pa.list_(pa.float64()), pa.list_(pa.int64())
_BASELINE = "baseline.parquet"
_VALUES = pa.struct(
    [
        ("feature", pa.string()),
        ("heavy_counts", _COUNT_LIST),
        ("values", _FLOAT_LIST),
        ("value_counts", _COUNT_LIST),
        ("judged", pa.int64()),
        ("unseen", pa.int64()),
    ]
)
_SCHEMA = pa.schema(
    [
        ("start", _TIME),
        ("end", _TIME),
        ("snapshot", pa.string()),
        ("rows", pa.int64()),
        ("features", pa.list_(pa.string())),
        *((name, _COUNT_LIST) for name in COUNTS),
        *((name, _FLOAT_LIST) for name in _FLOATS),
        ("histogram", pa.large_binary()),
        ("categories", pa.list_(_VALUES)),
        ("seen", pa.list_(pa.uint64())),
    ]
)
_BASELINE_SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("edges", _FLOAT_LIST),
        ("settled", pa.bool_()),
        ("heavy", _FLOAT_LIST),
        ("known", _FLOAT_LIST),
        ("below", pa.uint64()),
    ]
)


class BaselineIsFixed(ValueError):
    """Profiles already lie on other bin edges; the message says of which feature and what to do."""


@dataclass(frozen=True)
class Baseline:
    """What the profiles of one feature lie on: inner bin edges float64[B-1], and the vocabulary of a categorical one.

    Until it is `settled` it is that of the first batch, and may be replaced while the samples are still there.
    """

    edges: Floats
    settled: bool
    vocabulary: Vocabulary | None = None

    def same_as(self, other: "Baseline") -> bool:
        """Whether profiles on both can be merged."""
        mine, others = (b.vocabulary.known if b.vocabulary else np.empty(0) for b in (self, other))
        alike = (self.vocabulary is None) == (other.vocabulary is None) and np.array_equal(mine, others)
        return alike and np.array_equal(self.edges, other.edges, equal_nan=True)


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
        self._finish()

    def baseline(self, model: str) -> dict[str, Baseline]:
        """Feature → what its profiles lie on, for every feature that was ever seen. Raises `PortError`."""
        path = self._of(model) / _BASELINE
        if not path.exists():
            return {}
        table = _read(path)
        columns = (_rows(table["edges"]), table["settled"].to_pylist(), _vocabularies(table))
        return {
            feature: Baseline(edges, settled, words)
            for feature, edges, settled, words in zip(table["feature"].to_pylist(), *columns, strict=True)
        }

    def fix(self, model: str, baseline: Mapping[str, Baseline]) -> None:
        """Fixes what the profiles of these features lie on, and keeps that of others.

        The same again changes nothing. Raises `BaselineIsFixed` where a feature has profiles on another baseline.
        """
        with self._lock:
            known = self.baseline(model)
            moved = sorted(f for f, one in baseline.items() if f in known and not known[f].same_as(one))
            if moved and self._days(model):
                raise BaselineIsFixed(
                    f"the bin edges of {model} were fixed from other samples (first difference: {moved[0]}), and "
                    "profiles on different edges cannot be compared. "
                    f"Keep them, or delete {self._of(model)} and send the samples again"
                )
            if moved or not baseline.keys() <= known.keys():
                _write(self._of(model) / _BASELINE, _encode_baseline({**known, **baseline}))

    def update(self, model: str, day: date, change: Callable[[Sequence[Folded]], Sequence[Folded]]) -> None:
        """Replaces a day's profiles by what `change` makes of them; nothing is written where it returns its argument.

        Durable on return. Raises `PortError` for a damaged file, and whatever `change` raises, with the day as it was.
        """
        with self._lock:
            path = self._of(model) / f"{day.isoformat()}.parquet"
            before = _decode(model, _read(path), self.baseline(model)) if path.exists() else []
            after = change(before)
            if after is not before:
                _write(path, _encode(after))

    def rebuild(
        self,
        model: str,
        change: Callable[[Sequence[Folded]], Sequence[Folded]],
        baseline: Mapping[str, Baseline],
    ) -> None:
        """Replaces the baseline of these features, and the profiles of every day by what `change` makes of them.

        After a crash all is as before, or all is as after it. Raises what `update` raises.
        """
        with self._lock:
            known = self.baseline(model)
            beside = self._beside(model)
            if beside.exists():
                shutil.rmtree(beside)
            for day in self._days(model):
                name = f"{day.isoformat()}.parquet"
                _write(beside / name, _encode(change(_decode(model, _read(self._of(model) / name), known))))
            _write(beside / _BASELINE, _encode_baseline({**known, **baseline}))
            self._swap(model)

    def _swap(self, model: str) -> None:
        """Put the folder that was made beside in the model's place. `_finish` ends what a crash interrupts here."""
        move(self._of(model), self._old(model))
        move(self._beside(model), self._of(model))
        shutil.rmtree(self._old(model))

    def _finish(self) -> None:
        for old in self._folder.glob("replaced/*"):
            place, beside = self._folder / old.name, self._folder / "rebuilt" / old.name
            if not place.exists():
                move(beside, place)
            shutil.rmtree(old)
        shutil.rmtree(self._folder / "rebuilt", ignore_errors=True)  # what was not whole when the process ended

    def profiles(self, model: str, window: Window, snapshot: str | None = None) -> Sequence[Profile]:
        """The profiles whose windows lie in `window`, by start and snapshot. Raises `PortError` for a damaged file."""
        first, last = window.start.date(), window.end.date()
        baseline = self.baseline(model)
        columns = [name for name in _SCHEMA.names if name != "seen"]
        found = [
            folded.profile
            for day in self._days(model)
            if first <= day <= last
            for folded in _decode(model, _read(self._of(model) / f"{day.isoformat()}.parquet", columns), baseline)
        ]
        inside = [p for p in found if window.start <= p.window.start and p.window.end <= window.end]
        return sorted((p for p in inside if snapshot in (None, p.snapshot)), key=_order)

    def _of(self, model: str) -> Path:
        return self._folder / f"model={quote(model, safe='')}"  # the prefix keeps a model called ".." in its place

    def _beside(self, model: str) -> Path:
        return self._folder / "rebuilt" / self._of(model).name

    def _old(self, model: str) -> Path:
        folder = self._folder / "replaced"
        folder.mkdir(exist_ok=True)
        return folder / self._of(model).name

    def _days(self, model: str) -> list[date]:
        names = sorted(path.stem for path in self._of(model).glob("*.parquet"))
        return [date.fromisoformat(name) for name in names if f"{name}.parquet" != _BASELINE]


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
        "histogram": [_packed(p.histogram) for p in profiles],
        "categories": [[_values_row(f, v) for f, v in sorted(p.categories.items())] for p in profiles],
        "seen": [folded.seen for folded in ordered],
    }
    columns |= {name: [getattr(p, name) for p in profiles] for name in (*COUNTS, *_FLOATS)}
    return pa.table(columns, schema=_SCHEMA)


def _values_row(feature: str, values: ValueCounts) -> dict[str, object]:
    return {"feature": feature, **{name: getattr(values, name) for name in _VALUES.names if name != "feature"}}


def _packed(histogram: NDArray[Any]) -> bytes:
    return histogram.astype(np.min_scalar_type(int(histogram.max(initial=0)))).tobytes()


def _unpacked(packed: bytes, features: int) -> NDArray[Any]:
    """The type is known by its width: there are always `BINS` bins."""
    width = len(packed) // (features * BINS)
    return np.frombuffer(packed, dtype=f"<u{width}").reshape(features, BINS)


def _decode(model: str, table: pa.Table, baseline: Mapping[str, Baseline]) -> list[Folded]:
    names = [tuple(row) for row in table["features"].to_pylist()]
    inner = {features: np.stack([baseline[f].edges for f in features]) for features in dict.fromkeys(names)}
    lists = {name: _rows(table[name]) for name in (*COUNTS, *_FLOATS)}
    seen = _rows(table["seen"]) if "seen" in table.column_names else [np.empty(0, dtype=np.uint64)] * len(table)
    starts, ends = (_times(table[name]) for name in ("start", "end"))
    snapshots, rows = table["snapshot"].to_pylist(), table["rows"].to_pylist()
    histograms, categories = table["histogram"].to_pylist(), table["categories"].to_pylist()
    return [
        Folded(
            Profile(
                model=model,
                snapshot=snapshots[i],
                window=Window(start=starts[i], end=ends[i]),
                features=features,
                rows=rows[i],
                edges=inner[features],
                **{name: values[i] for name, values in lists.items()},
                histogram=_unpacked(histograms[i], len(features)),
                categories={row["feature"]: _value_counts(row, baseline) for row in categories[i]},
            ),
            seen[i],
        )
        for i, features in enumerate(names)
    ]


def _value_counts(row: Mapping[str, Any], baseline: Mapping[str, Baseline]) -> ValueCounts:
    words = baseline[row["feature"]].vocabulary
    return ValueCounts(
        heavy=words.heavy if words else np.empty(0),
        heavy_counts=np.asarray(row["heavy_counts"], dtype=np.int64),
        values=np.asarray(row["values"], dtype=np.float64),
        value_counts=np.asarray(row["value_counts"], dtype=np.int64),
        judged=row["judged"],
        unseen=row["unseen"],
    )


def _encode_baseline(baseline: Mapping[str, Baseline]) -> pa.Table:
    ordered = [baseline[feature] for feature in sorted(baseline)]
    words = [one.vocabulary for one in ordered]
    columns = {
        "feature": sorted(baseline),
        "edges": [one.edges for one in ordered],
        "settled": [one.settled for one in ordered],
        **{name: [getattr(v, name) if v else None for v in words] for name in ("heavy", "known", "below")},
    }
    return pa.table(columns, schema=_BASELINE_SCHEMA)


def _vocabularies(table: pa.Table) -> list[Vocabulary | None]:
    below = table["below"].to_pylist()
    heavy, known = _rows(table["heavy"]), _rows(table["known"])
    return [None if limit is None else Vocabulary(heavy[i], known[i], limit) for i, limit in enumerate(below)]


def _rows(column: pa.ChunkedArray) -> list[NDArray[Any]]:
    """The lists of a column as arrays that share its memory."""
    lists = column.combine_chunks()
    lengths = pc.fill_null(lists.value_lengths(), 0).to_numpy()
    values, ends = np.asarray(lists.flatten()), np.cumsum(lengths)
    return np.split(values, ends[:-1]) if len(lists) else []


def _times(column: pa.ChunkedArray) -> list[datetime]:
    zero = datetime(1970, 1, 1, tzinfo=UTC)
    return [zero + timedelta(microseconds=int(us)) for us in column.combine_chunks().cast(pa.int64()).to_numpy()]


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        table = pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise PortError(
            f"{path} cannot be read: {error}. Move it away and send the samples of that day again; nothing else is lost"
        ) from error
    wanted = columns or (_BASELINE_SCHEMA if path.name == _BASELINE else _SCHEMA).names
    if lacking := set(wanted) - set(table.column_names):
        raise PortError(
            f"{path} has no {', '.join(sorted(lacking))}: another version wrote it. Delete {path.parent} and send the "
            "samples again"
        )
    return table


def _write(path: Path, table: pa.Table) -> None:
    with replaced(path) as file:
        pq.write_table(table, file, compression="zstd")
