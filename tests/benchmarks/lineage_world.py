"""Random lineages with statistics run by run, and a root that is planted in them or not: worlds that know their truth.

A world has sources, datasets that jobs make of them, and one that a feature is read from, at the end. Row counts, nulls
and means have levels, days, weekends, memory and bursts of their own, flow from column to column with a weight, and
lose or gain on the way. A fault is put in at one column of one dataset, from some run on, and flows on as everything
does, so that it may be faint or gone where it is felt. Some datasets send no statistics, some column lineage and some
edges are missing, some jobs change without harm, some datasets are off for reasons of their own, and some are read by
way of an extract, a sample of another dataset whose origin nobody reported: it shows a part of what is wrong there.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.tools.ports import InMemoryLineage, InMemoryModels, InMemoryPorts
from tools.lineage_walk import LineageWalkParams
from tools.records import (
    Change,
    ChangeKind,
    ColumnStatistics,
    DatasetStatistics,
    Feature,
    LineageEdge,
    LineageNode,
    Model,
    Window,
)

Floats = NDArray[np.float64]
Fault = Literal["nulls", "volume", "shift", "schema"]
START = datetime(2024, 1, 1, tzinfo=UTC)
FAULTS: tuple[Fault, ...] = ("nulls", "nulls", "volume", "shift", "shift", "schema")


@dataclass(frozen=True)
class World:
    """What the platform knows, the question, and the truth: the dataset that was planted, or None."""

    ports: InMemoryPorts
    params: LineageWalkParams
    root: str | None
    fault: Fault | None


@dataclass
class Dataset:
    """A dataset as it is being made: figures by run, and for each column where it comes from."""

    name: str
    inputs: list["Dataset"] = field(default_factory=list)
    rows: Floats = field(default_factory=lambda: np.empty(0))
    nulls: dict[str, Floats] = field(default_factory=dict)
    means: dict[str, Floats] = field(default_factory=dict)
    gone: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    extract_of: "Dataset | None" = None
    sources: dict[str, list[tuple["Dataset", str, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Planted:
    """A fault of a dataset's column: `size` in the unit of its kind, `runs` float64[n] how much of it each run has."""

    dataset: str
    column: str
    kind: Fault
    size: float
    runs: Floats


class Calendar:
    """The runs of a world, the first of the window, and when the fault begins."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.every = timedelta(hours=float(rng.choice([1, 6, 24], p=[0.3, 0.45, 0.25])))
        self.history = int(rng.choice([8, 15, 30, 60], p=[0.15, 0.25, 0.35, 0.25]))
        self.asked = int(rng.integers(2, 9))
        self.count = self.history + self.asked
        self.times = [START + self.every * i for i in range(self.count)]
        self.onset = self.history + int(rng.integers(-1, max(self.asked // 2, 1)))
        self.until = self.count if rng.random() < 0.8 else min(self.onset + max(self.asked // 2, 1), self.count)

    def broken(self, rng: np.random.Generator) -> Floats:
        """How much of the fault each run has: it comes and goes with the traffic that runs into it."""
        index = np.arange(self.count)
        swing = np.exp(rng.normal(0, float(rng.uniform(0, 0.9)), self.count))
        return np.asarray(np.where((index >= self.onset) & (index < self.until), swing, 0.0))

    def season(self, rng: np.random.Generator, size: float) -> Floats:
        hours = np.array([t.hour for t in self.times])
        weekend = np.array([t.weekday() >= 5 for t in self.times])
        phase, weekly = rng.uniform(0, 2 * np.pi), rng.normal(0, size) * (rng.random() < 0.3)
        wave: Floats = size * np.sin(2 * np.pi * hours / 24 + phase) + weekly * weekend
        return wave


def world(seed: int, kind: Literal["planted", "null"]) -> World:
    """A world of this seed. In a null world nothing that is off reaches the feature: there is noise, there are changes
    that did no harm, and now and then an upstream dataset is off in a column that the feature is not made of."""
    rng = np.random.default_rng([seed, kind == "null"])
    calendar = Calendar(rng)
    shape = _shape(rng)
    way = _way(shape[-1])
    planted = [_fault(rng, calendar, *way[int(rng.integers(len(way)))])] if kind == "planted" else []
    aside = [_aside(rng, calendar, shape, way) for _ in range(int(rng.poisson(1.2)))]
    for dataset in shape:
        _fill(rng, calendar, dataset, [p for p in (*planted, *aside) if p is not None and p.dataset == dataset.name])
    ports = _ports(rng, calendar, shape, planted)
    window = Window(start=calendar.times[calendar.history], end=calendar.times[-1] + calendar.every)
    column = None if rng.random() < 0.1 else "c0"
    question = LineageWalkParams(
        node=shape[-1].name, column=column, window=window, baseline=Window(start=START, end=window.start)
    )
    return World(ports, question, planted[0].dataset if planted else None, planted[0].kind if planted else None)


def _shape(rng: np.random.Generator) -> list[Dataset]:
    """Sources first, each later dataset made of one to three earlier ones, the last of the latest of them."""
    sources = int(rng.integers(1, 6))
    shape = [Dataset(f"source{i}") for i in range(sources)]
    for i in range(int(rng.integers(1, 9))):
        near = shape[-4:] if rng.random() < 0.7 else shape
        made = Dataset(f"made{i}", _some(rng, near, int(rng.integers(1, 4))))
        if rng.random() < 0.3:
            extract = Dataset(f"extract{i}", extract_of=made.inputs[0])
            shape.append(extract)
            made.inputs.append(extract)
        shape.append(made)
    for dataset in shape:
        if dataset.extract_of:
            dataset.sources = {column: [] for column in dataset.extract_of.sources}
            continue
        for c in range(int(rng.integers(2, 4))):
            above = _some(rng, dataset.inputs, 1 + int(rng.random() < 0.3)) if dataset.inputs else []
            above = [a.extract_of if a.extract_of and rng.random() < 0.5 else a for a in above]
            dataset.sources[f"c{c}"] = [
                (a, str(rng.choice(sorted(a.sources))), float(rng.uniform(0.3, 1))) for a in above
            ]
    return shape


def _some(rng: np.random.Generator, among: list[Dataset], count: int) -> list[Dataset]:
    picked = rng.choice(len(among), size=min(count, len(among)), replace=False)
    return [among[i] for i in sorted(picked)]


def _way(last: Dataset) -> list[tuple[Dataset, str]]:
    """Every place that the column of the feature is made of, itself included."""
    found: dict[tuple[str, str], tuple[Dataset, str]] = {}
    queue = [(last, "c0")]
    while queue:
        dataset, column = queue.pop()
        dataset = dataset.extract_of or dataset
        if (dataset.name, column) not in found:
            found[(dataset.name, column)] = (dataset, column)
            queue.extend((above, name) for above, name, _ in dataset.sources[column])
    return [found[key] for key in sorted(found)]


def _fault(rng: np.random.Generator, calendar: Calendar, dataset: Dataset, column: str) -> Planted:
    kind = FAULTS[int(rng.integers(len(FAULTS)))]
    size = {
        "nulls": float(np.exp(rng.uniform(np.log(0.01), np.log(0.9)))),
        "volume": float(rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(0.3), np.log(4)))),
        "shift": float(rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(0.5), np.log(30)))),
        "schema": 1.0,
    }[kind]
    return Planted(dataset.name, column, kind, size, calendar.broken(rng))


def _aside(
    rng: np.random.Generator, calendar: Calendar, shape: list[Dataset], way: list[tuple[Dataset, str]]
) -> Planted | None:
    """Something that is off for a reason of its own, at any time, in a column that the feature is not made of."""
    places = [
        (d, c) for d in shape if not d.extract_of for c in d.sources if not any(d is w and c == name for w, name in way)
    ]
    places = [(d, c) for d, c in places if not _feeds(d, c, way)]
    if not places:
        return None
    dataset, column = places[int(rng.integers(len(places)))]
    first = calendar.history + int(rng.integers(-3, calendar.asked))
    kind: Fault = "nulls" if rng.random() < 0.5 else "shift"
    size = float(rng.uniform(0.02, 0.8) if kind == "nulls" else rng.uniform(-5, 5))
    return Planted(dataset.name, column, kind, size, np.where(np.arange(calendar.count) >= first, 1.0, 0.0))


def _feeds(dataset: Dataset, column: str, way: list[tuple[Dataset, str]]) -> bool:
    return any(above is dataset and name == column for d, c in way for above, name, _ in d.sources[c])


def _fill(rng: np.random.Generator, calendar: Calendar, dataset: Dataset, faults: list[Planted]) -> None:
    whole = dataset.extract_of
    if whole:
        dataset.rows = np.maximum(rng.binomial(whole.rows.astype(int), float(rng.uniform(0.05, 0.5))), 1).astype(float)
        dataset.nulls, dataset.means, dataset.gone = whole.nulls, whole.means, whole.gone
        return
    dataset.rows = _rows(rng, calendar, dataset) * np.exp(_of(faults, "volume", None, calendar.count))
    for column, above in dataset.sources.items():
        nulls = _bursts(rng, calendar.count, float(rng.choice([0.0, 0.0, 0.001, 0.01, 0.05])))
        mean = np.zeros(calendar.count)
        gone = _of(faults, "schema", column, calendar.count) > 0
        for d, name, weight in above:
            lost = np.where(d.gone[name], 1.0, d.nulls[name])
            nulls = 1 - (1 - nulls) * (1 - weight * lost)
            mean = mean + weight * np.where(d.gone[name], 0.0, d.means[name])
            mean = mean + weight * _thinned(d)  # whoever loses rows seldom loses a fair sample of them
        own = 1.0 if not above else 0.2
        mean = mean + own * _walk(rng, calendar) + _of(faults, "shift", column, calendar.count)
        added = _of(faults, "nulls", column, calendar.count)
        added = np.minimum(added, 0.95)
        dataset.nulls[column], dataset.means[column] = 1 - (1 - nulls) * (1 - added), mean
        dataset.gone[column] = gone


def _thinned(dataset: Dataset) -> Floats:
    """How a mean moves where rows are lost: not at all on ordinary days."""
    usual = float(np.median(dataset.rows))
    ratio = np.clip(dataset.rows / max(usual, 1.0), 0.02, 50)
    moved: Floats = np.where(np.abs(np.log(ratio)) > 0.9, 0.3 * np.log(ratio), 0.0)
    return moved


def _of(faults: list[Planted], kind: Fault, column: str | None, count: int) -> Floats:
    total = np.zeros(count)
    for fault in faults:
        if fault.kind == kind and column in (None, fault.column):
            total = total + fault.size * fault.runs
    return total


def _rows(rng: np.random.Generator, calendar: Calendar, dataset: Dataset) -> Floats:
    """Of a source its own; of a made one those of its main input, or of a part of them."""
    noise = float(np.exp(rng.uniform(np.log(0.005), np.log(0.1))))
    swing = rng.normal(0, noise, calendar.count)
    if not dataset.inputs:
        level = float(np.exp(rng.uniform(np.log(60), np.log(1e5))))
        season = calendar.season(rng, 0.3 * (rng.random() < 0.5))
        return np.maximum(rng.poisson(level * np.exp(season + swing)), 1).astype(float)
    kept = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.05, 1))
    return np.maximum(np.round(dataset.inputs[0].rows * kept * np.exp(swing / 3)), 1)


def _bursts(rng: np.random.Generator, count: int, share: float) -> Floats:
    """A share that swings by itself, the more the heavier its tail."""
    heavy = rng.standard_t(5, count) * rng.uniform(0, 0.4)
    swung: Floats = np.clip(share * np.exp(heavy), 0, 0.5)
    return swung


def _walk(rng: np.random.Generator, calendar: Calendar) -> Floats:
    """A mean in standard deviations of the column: season, memory, heavy tails."""
    size, memory = float(np.exp(rng.uniform(np.log(0.02), np.log(0.3)))), float(rng.uniform(0, 0.8))
    shocks = rng.standard_t(6, calendar.count) * size * np.sqrt(1 - memory**2)
    level = np.empty(calendar.count)
    level[0] = shocks[0]
    for i in range(1, calendar.count):
        level[i] = memory * level[i - 1] + shocks[i]
    return level + calendar.season(rng, size * 2 * (rng.random() < 0.5))


def _ports(rng: np.random.Generator, calendar: Calendar, shape: list[Dataset], planted: list[Planted]) -> InMemoryPorts:
    jobs = {f"job.{d.name}" for d in shape if d.inputs}
    names = sorted({d.name for d in shape} | jobs)
    nodes = {n: LineageNode(node=n, kind="job" if n in jobs else "dataset") for n in names}
    blind = {d.name for d in shape[:-1] if rng.random() < 0.12}
    statistics = [s for d in shape if d.name not in blind for s in _statistics(rng, calendar, d)]
    features = [Feature(model="model", feature="f", kind="dense", node=shape[-1].name, column="c0")]
    models = {"model": Model(model="model", product="product", title="a model", pipeline="train")}
    lineage = InMemoryLineage(nodes, _edges(rng, shape), statistics, _changes(rng, calendar, shape, planted), features)
    return InMemoryPorts(lineage=lineage, models=InMemoryModels(by_name=models, all_features=features))


def _edges(rng: np.random.Generator, shape: list[Dataset]) -> list[LineageEdge]:
    found = []
    for dataset in shape:
        mapped, job = rng.random() < 0.7, f"job.{dataset.name}"
        if dataset.inputs:
            found.append(LineageEdge(upstream=job, downstream=dataset.name))
        for above in dataset.inputs:
            if rng.random() < 0.06:
                continue  # an input that nobody reported
            found.append(LineageEdge(upstream=above.name, downstream=job))
            for column, sources in dataset.sources.items():
                for d, name, _ in sources if mapped else []:
                    if d is above:
                        ends = {"upstream_column": name, "downstream_column": column}
                        found.append(LineageEdge(upstream=d.name, downstream=dataset.name, **ends))
    return found


def _statistics(rng: np.random.Generator, calendar: Calendar, dataset: Dataset) -> list[DatasetStatistics]:
    within = rng.random() < 0.75  # whether the producer sends variances
    unit, zero = float(np.exp(rng.normal(0, 2))), float(rng.normal(0, 10))
    found = []
    for i, time in enumerate(calendar.times):
        rows = int(dataset.rows[i])
        columns = {}
        for column in dataset.sources:
            if dataset.gone[column][i]:
                continue
            nulls = int(rng.binomial(rows, float(np.clip(dataset.nulls[column][i], 0, 1))))
            filled = max(rows - nulls, 1)
            mean = unit * (zero + dataset.means[column][i] + float(rng.normal(0, 1 / np.sqrt(filled))))
            variance = unit**2 if within else None
            columns[column] = ColumnStatistics(null_count=nulls, mean=mean if nulls < rows else None, variance=variance)
        found.append(DatasetStatistics(node=dataset.name, ts=time, row_count=rows, columns=columns))
    return found


def _changes(
    rng: np.random.Generator, calendar: Calendar, shape: list[Dataset], planted: list[Planted]
) -> list[Change]:
    """Of the job that broke its data mostly one right before; of others now and then one that did no harm."""
    found: list[Change] = []
    if rng.random() < 0.25:
        return found  # a platform that does not tell of changes
    broken = {fault.dataset for fault in planted}
    for dataset in (d for d in shape if d.inputs):
        if dataset.name in broken and rng.random() < 0.7:
            found.append(
                _change(dataset.name, calendar.times[calendar.onset] - calendar.every * float(rng.uniform(0, 1)))
            )
        for _ in range(int(rng.poisson(0.15))):
            back = float(rng.uniform(-calendar.asked, 2 * calendar.asked))
            found.append(_change(dataset.name, calendar.times[calendar.history] - calendar.every * back))
    return found


def _change(dataset: str, ts: datetime) -> Change:
    return Change(node=f"job.{dataset}", ts=ts, kind=ChangeKind.code, before="v1", after="v2")
