"""Small, real, in-memory implementations of every port: dictionaries and lists, nothing remembered about the calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np

from tools.ports import Direction, PortError, Ports, UnreadableArtifact
from tools.program.graph import Program
from tools.records import (
    Change,
    Cube,
    DatasetStatistics,
    Feature,
    JobRun,
    LineageEdge,
    LineageNode,
    Model,
    Pipeline,
    PipelineState,
    Product,
    RolloutPoint,
    Samples,
    Snapshot,
    TrainingRun,
    Window,
)
from tools.stats.profile import Profile

T = TypeVar("T")

EMPTY = Cube(np.empty(0, dtype=np.int64), {}, np.empty(0), np.empty(0))


def sorted_cube(cube: Cube) -> Cube:
    """The cube in the order that the contract promises: by time, then by dimensions."""
    keys = [cube.dims[name] for name in sorted(cube.dims, reverse=True)]
    return cube.where(np.lexsort([*keys, cube.ts])) if len(cube) else cube


@dataclass
class InMemoryMetrics:
    """Cubes by (product, metric)."""

    products: dict[str, Product] = field(default_factory=dict)
    cubes: dict[tuple[str, str], Cube] = field(default_factory=dict)

    def product(self, product: str) -> Product | None:
        return self.products.get(product)

    def cube(self, product: str, metric: str, window: Window, where: Mapping[str, str] | None = None) -> Cube:
        cube = self.cubes.get((product, metric), EMPTY).within(window)
        for name, value in (where or {}).items():
            cube = cube.where(cube.dims[name] == value) if name in cube.dims else EMPTY
        return cube

    def span(self, product: str, metric: str) -> Window | None:
        cube = self.cubes.get((product, metric), EMPTY)
        if not len(cube):
            return None
        first, last = int(cube.ts.min()), int(cube.ts.max())
        return Window(start=datetime.fromtimestamp(first, UTC), end=datetime.fromtimestamp(last + 1, UTC))


@dataclass
class InMemoryModels:
    """Models by name; snapshots, rollout points and features in one list each."""

    by_name: dict[str, Model] = field(default_factory=dict)
    all_snapshots: list[Snapshot] = field(default_factory=list)
    all_rollouts: list[RolloutPoint] = field(default_factory=list)
    all_features: list[Feature] = field(default_factory=list)

    def names(self) -> Sequence[str]:
        return sorted({*self.by_name, *(snapshot.model for snapshot in self.all_snapshots)})

    def models(self, product: str) -> Sequence[Model]:
        return [self.by_name[name] for name in sorted(self.by_name) if self.by_name[name].product == product]

    def model(self, model: str) -> Model | None:
        return self.by_name.get(model)

    def snapshots(self, model: str) -> Sequence[Snapshot]:
        found = [s for s in self.all_snapshots if s.model == model]
        return sorted(found, key=lambda s: (s.published_at, s.snapshot))

    def snapshot(self, snapshot: str) -> Snapshot | None:
        return next((s for s in self.all_snapshots if s.snapshot == snapshot), None)

    def rollouts(self, model: str) -> Sequence[RolloutPoint]:
        found = [p for p in self.all_rollouts if p.model == model]
        return sorted(found, key=lambda p: (p.ts, p.arm, p.snapshot))

    def features(self, model: str) -> Sequence[Feature]:
        return sorted((f for f in self.all_features if f.model == model), key=lambda f: f.feature)


@dataclass
class InMemoryProfiles:
    """Profiles in a list."""

    all_profiles: list[Profile] = field(default_factory=list)

    def profiles(self, model: str, window: Window, snapshot: str | None = None) -> Sequence[Profile]:
        found = [
            p
            for p in self.all_profiles
            if p.model == model
            and snapshot in (None, p.snapshot)
            and window.start <= p.window.start
            and p.window.end <= window.end
        ]
        return sorted(found, key=lambda p: (p.window.start, p.snapshot))


@dataclass
class InMemoryWeights:
    """Tensors by snapshot. `unreadable` holds the errors that some snapshots raise."""

    by_snapshot: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    unreadable: dict[str, PortError] = field(default_factory=dict)

    def weights(self, snapshot: str) -> Mapping[str, np.ndarray] | None:
        if snapshot in self.unreadable:
            raise self.unreadable[snapshot]
        return self.by_snapshot.get(snapshot)

    def compared(
        self,
        before: str,
        after: str,
        analysis: Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], str],
        version: int,
    ) -> str | None:
        """Computed each time: nothing is remembered here."""
        old, new = self.weights(before), self.weights(after)
        return analysis(old, new) if old and new else None


@dataclass
class InMemoryPrograms:
    """Programs by snapshot, examined in this process. `failing` holds the errors that some snapshots raise."""

    by_snapshot: dict[str, Program] = field(default_factory=dict)
    failing: dict[str, PortError] = field(default_factory=dict)

    def examine(self, analysis: Callable[..., T], snapshots: Sequence[str], *arguments: Any) -> T:
        for snapshot in snapshots:
            if snapshot in self.failing:
                raise self.failing[snapshot]
            if snapshot not in self.by_snapshot:
                raise UnreadableArtifact(f"{snapshot} has no program to run; publish it with its artifact")
        return analysis([self.by_snapshot[snapshot] for snapshot in snapshots], *arguments)


@dataclass
class InMemorySamples:
    """Samples by model, sorted by time. `failing` holds the errors that some models raise."""

    by_model: dict[str, Samples] = field(default_factory=dict)
    failing: dict[str, PortError] = field(default_factory=dict)

    def recent(self, model: str, before: datetime, most: int, snapshot: str | None = None) -> Samples:
        if model in self.failing:
            raise self.failing[model]
        samples = self.by_model.get(model, Samples.none())
        kept = samples.ts < before.timestamp()
        samples = samples.where(kept if snapshot is None else kept & (samples.snapshot == snapshot))
        return samples.where(np.arange(len(samples)) >= len(samples) - most)


@dataclass
class InMemoryLineage:
    """Nodes by name; edges, statistics and changes in lists."""

    nodes: dict[str, LineageNode] = field(default_factory=dict)
    all_edges: list[LineageEdge] = field(default_factory=list)
    all_statistics: list[DatasetStatistics] = field(default_factory=list)
    all_changes: list[Change] = field(default_factory=list)
    all_features: list[Feature] = field(default_factory=list)
    all_runs: list[JobRun] = field(default_factory=list)

    def node(self, node: str) -> LineageNode | None:
        return self.nodes.get(node)

    def known(self, nodes: Sequence[str]) -> Mapping[str, LineageNode]:
        return {name: self.nodes[name] for name in sorted({*nodes}) if name in self.nodes}

    def edges(self) -> Sequence[LineageEdge]:
        return sorted(self.all_edges, key=lambda e: (e.upstream, e.downstream, e.upstream_column or ""))

    def edges_at(self, nodes: Sequence[str]) -> Sequence[LineageEdge]:
        return [e for e in self.edges() if e.upstream in nodes or e.downstream in nodes]

    def reach(self, nodes: Sequence[str], direction: Direction, hops: int | None = None) -> Sequence[LineageEdge]:
        up, found, front, seen = direction == "upstream", list[LineageEdge](), {*nodes}, {*nodes}
        while front and hops != 0:
            taken = [e for e in self.edges() if (e.downstream if up else e.upstream) in front]
            found += taken
            front = {e.upstream if up else e.downstream for e in taken} - seen
            seen |= front
            hops = None if hops is None else hops - 1
        return [e for e in self.edges() if e in found]

    def statistics(self, node: str, window: Window) -> Sequence[DatasetStatistics]:
        return sorted((s for s in self.all_statistics if s.node == node and window.contains(s.ts)), key=lambda s: s.ts)

    def changes(self, node: str, window: Window) -> Sequence[Change]:
        found = [c for c in self.all_changes if c.node == node and window.contains(c.ts)]
        return sorted(found, key=lambda c: (c.ts, c.kind))

    def runs(self, job: str, window: Window) -> Sequence[JobRun]:
        found = [r for r in self.all_runs if r.job == job and window.contains(r.started_at)]
        return sorted(found, key=lambda r: (r.started_at, r.run))

    def readers(self, nodes: Sequence[str]) -> Sequence[str]:
        return sorted({f.model for f in self.all_features if f.node in nodes})


@dataclass
class InMemoryTraining:
    """Training runs by name."""

    by_run: dict[str, TrainingRun] = field(default_factory=dict)

    def run(self, run: str) -> TrainingRun | None:
        return self.by_run.get(run)

    def runs(self, model: str, before: datetime) -> Sequence[TrainingRun]:
        found = [r for r in self.by_run.values() if r.model == model and r.started_at < before]
        return sorted(found, key=lambda r: (r.started_at, r.run))


@dataclass
class InMemoryPipelines:
    """Pipelines, and an orchestrator that remembers which are paused. One in `silent` does not answer."""

    by_name: dict[str, Pipeline] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)

    def pipeline(self, pipeline: str) -> Pipeline | None:
        return self.by_name.get(pipeline)

    def state(self, pipeline: str) -> PipelineState:
        if pipeline in self.silent or pipeline not in self.by_name:
            raise PortError(f"the orchestrator does not answer for {pipeline!r}; check that it runs")
        return PipelineState(pipeline=pipeline, paused=pipeline in self.paused)

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        self.state(pipeline)
        (self.paused.add if paused else self.paused.discard)(pipeline)
        return self.state(pipeline)

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        return self.state(pipeline)


@dataclass(frozen=True)
class InMemoryPorts(Ports):
    """Ports whose members are the in-memory ones, so that a test can fill them."""

    metrics: InMemoryMetrics = field(default_factory=InMemoryMetrics)
    models: InMemoryModels = field(default_factory=InMemoryModels)
    profiles: InMemoryProfiles = field(default_factory=InMemoryProfiles)
    weights: InMemoryWeights = field(default_factory=InMemoryWeights)
    programs: InMemoryPrograms = field(default_factory=InMemoryPrograms)
    samples: InMemorySamples = field(default_factory=InMemorySamples)
    lineage: InMemoryLineage = field(default_factory=InMemoryLineage)
    training: InMemoryTraining = field(default_factory=InMemoryTraining)
    pipelines: InMemoryPipelines = field(default_factory=InMemoryPipelines)
