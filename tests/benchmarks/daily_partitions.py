"""Daily partitions of a training set as they are: a week's rhythm, drift, days like their neighbours, heavy tails
between days and within columns, nulls that come and go, and features that are joined from a table of the day."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from knowledge.partitions import profile_partition, quantile_edges
from tools.records import PartitionRead, Window

COLUMNS, JOINED, ENTITIES = 50, 6, 300
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
Table = dict[str, np.ndarray]


def _walk(rng: np.random.Generator, days: int, size: int, keep: float, scale: float, df: float = 4.0) -> np.ndarray:
    """Deviations by day, [days, size]: an autoregression with Student-t shocks."""
    found = np.zeros((days, size))
    for day in range(1, days):
        found[day] = keep * found[day - 1] + scale * rng.standard_t(df, size)
    return found


@dataclass
class Stream:
    """The source of the partitions of a seed; `rows` is the usual number on a day."""

    seed: int
    days: int
    rows: int = 10_000

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 0])
        days, plain = self.days, COLUMNS - JOINED
        self._week_of_rows = np.exp(rng.normal(0, 0.15, 7))
        self._traffic = _walk(rng, days, 1, 0.5, 0.025)[:, 0] + 0.002 * np.arange(days) * rng.normal()
        self._served = np.cumsum(self._week_of_rows[np.arange(days) % 7] * np.exp(self._traffic))
        self._week = 0.3 * rng.normal(size=(7, plain)) * (rng.random(plain) < 0.7)
        self._moves = _walk(rng, days, plain, 0.6, 0.02) + np.arange(days)[:, None] * 0.002 * rng.normal(size=plain)
        self._null_odds = rng.normal(-4, 1.5, COLUMNS) + _walk(rng, days, COLUMNS, 0.4, 0.04)
        self._never_null = rng.random(COLUMNS) < 0.4
        self._label_odds = -1.2 + _walk(rng, days, 1, 0.5, 0.05)[:, 0] + 0.15 * rng.normal(size=7)[np.arange(days) % 7]
        self._weights = np.where(rng.random(COLUMNS) < 0.3, 0.35 * rng.normal(size=COLUMNS), 0.0)
        self._weights[plain:] = 0.3 * np.sign(rng.normal(size=JOINED))
        self._entities = np.stack([_walk(rng, days + 1, JOINED, 0.5, 0.6, df=8.0) for _ in range(ENTITIES)])
        self._season = 0.4 * rng.normal(size=(7, JOINED))
        self._shapes = rng.integers(0, 5, plain)

    def day(self, day: int, fault: "Fault | None" = None) -> Table:
        """The rows of a day; the fault, where there is one, is planted where it would happen."""
        rng = np.random.default_rng([self.seed, 1, day])
        count = int(self.rows * self._week_of_rows[day % 7] * np.exp(self._traffic[day]))
        plain = rng.normal(size=(count, COLUMNS - JOINED)) + self._week[day % 7] + self._moves[day]
        entity = rng.integers(0, ENTITIES, count)
        joined = self._joined(day, entity)
        logit = self._label_odds[day] + np.hstack([plain, joined]) @ self._weights
        label = (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int64)
        if fault and fault.joins_day is not None:
            joined = self._joined(day + fault.joins_day, entity)
        table: Table = {f"c{i:02d}": self._shaped(plain[:, i], int(self._shapes[i])) for i in range(plain.shape[1])}
        table |= {f"joined{i}": joined[:, i] for i in range(JOINED)}
        for i, name in enumerate(table):
            if not self._never_null[i]:
                table[name] = np.where(
                    rng.random(count) < 1 / (1 + np.exp(-self._null_odds[day, i])), np.nan, table[name]
                )
        start = MONDAY + timedelta(days=day)
        table |= {"id": np.arange(count) + day * 1_000_000, "label": label}
        table["serial"] = np.arange(count) + np.int64(self.rows * self._served[day])
        table["at"] = start.timestamp() + 86_400 * rng.random(count)
        return fault.spoil(table, rng) if fault and fault.spoil else table

    def _joined(self, day: int, entity: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._entities[entity, day + 1] + self._season[day % 7]
        return found

    @staticmethod
    def _shaped(values: np.ndarray, shape: int) -> np.ndarray:
        """A normal column as one of money, of heavy tails, of counts, or of shares."""
        shaped: list[np.ndarray] = [
            5 + values,
            np.exp(values),
            np.sign(values) * (np.exp(np.abs(values) ** 1.3) - 1),
            np.floor(3 * np.exp(0.5 * values)),
            1 / (1 + np.exp(-values)),
        ]
        return shaped[shape]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one partition: a change of its rows, or the day that its features are joined from."""

    kind: str
    spoil: Callable[[Table, np.random.Generator], Table] | None = None
    joins_day: int | None = None


def _flip(table: Table, rng: np.random.Generator) -> Table:
    hit = rng.random(len(table["label"])) < 0.1
    return {**table, "label": np.where(hit, 1 - table["label"], table["label"])}


def _some_column(table: Table, rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in table if name.startswith("c")]))


def _nulls(table: Table, rng: np.random.Generator) -> Table:
    name = _some_column(table, rng)
    known = np.isfinite(table[name])
    hit = rng.random(len(known)) < 0.05 / max(known.mean(), 0.05)
    return {**table, name: np.where(hit, np.nan, table[name])}


def _unit(table: Table, rng: np.random.Generator) -> Table:
    name = _some_column(table, rng)
    return {**table, name: 1000 * table[name]}


def _picked(table: Table, places: np.ndarray) -> Table:
    return {name: values[places] for name, values in table.items()}


def _duplicated(table: Table, rng: np.random.Generator) -> Table:
    rows = np.arange(len(table["label"]))
    return _picked(table, np.concatenate([rows, rng.choice(rows, int(0.3 * len(rows)), replace=False)]))


def _truncated(table: Table, _rng: np.random.Generator) -> Table:
    return _picked(table, np.arange(int(0.7 * len(table["label"]))))


FAULTS = (
    Fault("labels flipped in a tenth", _flip),
    Fault("nulls up by 5 points", _nulls),
    Fault("unit × 1000", _unit),
    Fault("duplicated by 30%", _duplicated),
    Fault("truncated by 30%", _truncated),
    Fault("joined a day off", joins_day=-1),
)


class Profiles:
    """The records of a stream's partitions, as a platform would send them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._edges = quantile_edges(pa.table(stream.day(0)))

    def of(self, day: int, fault: Fault | None = None) -> PartitionRead:
        """The record of one day."""
        start = MONDAY + timedelta(days=day)
        rng = np.random.default_rng([self._stream.seed, 2, day])
        return profile_partition(
            pa.table(self._stream.day(day, fault)),
            dataset="training",
            partition=f"{start:%Y-%m-%d}",
            day=Window(start=start, end=start + timedelta(days=1)),
            label="label",
            key=["id"],
            edges=self._edges,
            written_at=start + timedelta(days=1, hours=2 + float(rng.gamma(3.0, 0.3))),
        )
