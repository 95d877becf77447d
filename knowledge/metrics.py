"""Metric points: additive (numerator, denominator) pairs by time and dimensions, so that any ratio can be regrouped."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from sqlite_utils import Database

from knowledge.store import Store
from tools.records import Cube, Product, Window


class Metrics:
    """Implements `tools.ports.MetricsPort` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_product(self, product: Product) -> None:
        row = {"product": product.product, "record": product.model_dump_json()}
        self._store.write(lambda db: db.table("products").upsert(row, pk="product"))

    def product(self, product: str) -> Product | None:
        row = self._store.reader().execute("SELECT record FROM products WHERE product = ?", [product]).fetchone()
        return Product.model_validate_json(row[0]) if row else None

    def products(self) -> list[str]:
        """The ids of all known products, sorted."""
        return [row[0] for row in self._store.reader().execute("SELECT product FROM products ORDER BY product")]

    def put(self, product: str, metric: str, cube: Cube) -> None:
        """Store a batch; a point that was there with the same time and dimensions is replaced."""
        if len(cube):
            self._store.write(lambda db: _insert(db, product, metric, cube))

    def cube(self, product: str, metric: str, window: Window, where: Mapping[str, str] | None = None) -> Cube:
        """The points of a metric in a window, by time and then by dimensions."""
        db = self._store.reader()
        series = _series(db, product, metric, where or {})
        rows = db.execute(
            "SELECT ts, series, numerator, denominator FROM series JOIN points ON points.series = series.id "
            "WHERE product = ? AND metric = ? AND ts >= ? AND ts < ?",
            [product, metric, _ceil(window.start), _ceil(window.end)],
        ).fetchall()
        return _as_cube(rows, series)

    def span(self, product: str, metric: str) -> Window | None:
        """From the first point to one second after the last; None without points."""
        first, last = (
            self._store.reader()
            .execute(
                "SELECT min(ts), max(ts) FROM series JOIN points ON points.series = series.id "
                "WHERE product = ? AND metric = ?",
                [product, metric],
            )
            .fetchone()
        )
        if first is None:
            return None
        return Window(start=datetime.fromtimestamp(first, UTC), end=datetime.fromtimestamp(last + 1, UTC))


def _ceil(ts: datetime) -> int:
    return int(np.ceil(ts.timestamp()))


def _insert(db: Database, product: str, metric: str, cube: Cube) -> None:
    names = sorted(cube.dims)
    keys = [_key(names, values) for values in zip(*(cube.dims[name] for name in names), strict=True)]
    keys = keys or ["{}"] * len(cube)
    distinct = sorted(set(keys))
    db.conn.executemany(
        "INSERT OR IGNORE INTO series (product, metric, dimensions) VALUES (?, ?, ?)",
        [(product, metric, key) for key in distinct],
    )
    ids = dict(db.conn.execute("SELECT dimensions, id FROM series WHERE product = ? AND metric = ?", [product, metric]))
    # SQLite stores NaN as NULL, which `_as_cube` reads back as NaN: the trip is the same.
    columns = ([ids[key] for key in keys], cube.ts.tolist(), cube.numerator.tolist(), cube.denominator.tolist())
    points = zip(*columns, strict=True)
    db.conn.executemany(
        "INSERT OR REPLACE INTO points (series, ts, numerator, denominator) VALUES (?, ?, ?, ?)", points
    )


def _key(names: Sequence[str], values: Sequence[str]) -> str:
    """The canonical text of a combination; a dimension with an empty value counts as absent."""
    return json.dumps({name: str(value) for name, value in zip(names, values, strict=True) if value != ""})


def _series(db: Database, product: str, metric: str, where: Mapping[str, str]) -> dict[int, dict[str, str]]:
    rows = db.execute("SELECT id, dimensions FROM series WHERE product = ? AND metric = ?", [product, metric])
    all_series = {int(row[0]): json.loads(row[1]) for row in rows}
    return {
        number: dimensions
        for number, dimensions in all_series.items()
        if all(dimensions.get(name, "") == value for name, value in where.items())
    }


def _as_cube(rows: Sequence[tuple[int, int, float | None, float | None]], series: Mapping[int, dict[str, str]]) -> Cube:
    """Rank the series by their canonical text, so that the order does not depend on the order of arrival."""
    names = sorted({name for dimensions in series.values() for name in dimensions})
    order = sorted(series, key=lambda number: json.dumps(series[number]))
    rank = {number: position for position, number in enumerate(order)}
    table = np.array([[series[number].get(name, "") for name in names] for number in order], dtype=object)
    kept = [row for row in rows if row[1] in rank]
    ts = np.array([row[0] for row in kept], dtype=np.int64)
    which = np.array([rank[row[1]] for row in kept], dtype=np.int64)
    pairs = np.array([(row[2], row[3]) for row in kept], dtype=np.float64).reshape(-1, 2)
    sort = np.lexsort((which, ts))
    dims = {name: table[which[sort], column].astype(str) for column, name in enumerate(names)} if kept else {}
    return Cube(ts[sort], dims, pairs[sort, 0], pairs[sort, 1])
