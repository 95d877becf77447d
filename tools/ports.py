"""What a tool may ask of the outside world. `knowledge` implements these; tests use small in-memory ones.

A port answers with records, arrays or profiles, in a fixed order. It answers with an empty list, an empty cube or None
where there is nothing, and never invents a zero.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

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
Direction = Literal["upstream", "downstream"]


class MetricsPort(Protocol):
    """Additive metric points."""

    def product(self, product: str) -> Product | None: ...
    def cube(self, product: str, metric: str, window: Window, where: Mapping[str, str] | None = None) -> Cube:
        """The points of a metric in a window; `where` keeps the points whose dimensions have these values."""
        ...

    def span(self, product: str, metric: str) -> Window | None:
        """From the first point of a metric to the last."""
        ...


class ModelsPort(Protocol):
    """Models, their snapshots, rollouts and features."""

    def names(self) -> Sequence[str]:
        """Every model that is known, be it only by a snapshot, sorted."""
        ...

    def models(self, product: str) -> Sequence[Model]: ...
    def model(self, model: str) -> Model | None: ...
    def snapshots(self, model: str) -> Sequence[Snapshot]:
        """Oldest first, by time of publication."""
        ...

    def snapshot(self, snapshot: str) -> Snapshot | None: ...
    def rollouts(self, model: str) -> Sequence[RolloutPoint]:
        """Oldest first."""
        ...

    def features(self, model: str) -> Sequence[Feature]: ...


class ProfilesPort(Protocol):
    """Profiles of what a model was served, per snapshot and window."""

    def profiles(self, model: str, window: Window, snapshot: str | None = None) -> Sequence[Profile]:
        """The stored profiles whose windows lie in `window`, by start and snapshot."""
        ...


class WeightsPort(Protocol):
    """The weights of a snapshot, read without running any code from the file."""

    def weights(self, snapshot: str) -> Mapping[str, np.ndarray] | None:
        """Tensor name → array, in the order of the file. None where the snapshot has no artifact.

        Raises `UnreadableArtifact` with the reason for a damaged, hostile or unsupported file.
        """
        ...

    def compared(
        self,
        before: str,
        after: str,
        analysis: Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], str],
        version: int,
    ) -> str | None:
        """`analysis` of the weights of two snapshots; None where one of them has no artifact.

        The answer may be a kept one, since artifacts do not change: of the same function, of this version of it, on
        the same two files. Raises `UnreadableArtifact`.
        """
        ...


class ProgramsPort(Protocol):
    """The computation of snapshots, read without running any code from their files."""

    def examine(self, analysis: Callable[..., T], snapshots: Sequence[str], *arguments: Any) -> T:
        """`analysis(programs, *arguments)` with one `tools.program.graph.Program` for each snapshot, in their order.

        It runs in a process of its own, which is stopped at a limit of time and of memory. So `analysis` is a function
        at the top of a module, and what goes in and comes out can be pickled. Raises `UnreadableArtifact` where a
        snapshot has no program or its file is refused, and `PortError` where the process was stopped.
        """
        ...


class SamplesPort(Protocol):
    """The rows that models were served, as the platform sampled them."""

    def recent(self, model: str, before: datetime, most: int, snapshot: str | None = None) -> Samples:
        """The newest `most` samples before a time, oldest first; of one snapshot, or of all. Empty where none is."""
        ...


class LineagePort(Protocol):
    """Where data comes from, how it looked, and what changed."""

    def node(self, node: str) -> LineageNode | None: ...
    def known(self, nodes: Sequence[str]) -> Mapping[str, LineageNode]:
        """Those of these nodes that are known, by name."""
        ...

    def edges(self) -> Sequence[LineageEdge]: ...
    def edges_at(self, nodes: Sequence[str]) -> Sequence[LineageEdge]:
        """The edges that begin or end at one of these nodes."""
        ...

    def reach(self, nodes: Sequence[str], direction: Direction, hops: int | None = None) -> Sequence[LineageEdge]:
        """The edges on all ways that lead from these nodes against the flow or with it, `hops` edges far or to the end.

        Each edge once, however the ways cross or close to a circle.
        """
        ...

    def statistics(self, node: str, window: Window) -> Sequence[DatasetStatistics]:
        """Oldest first."""
        ...

    def changes(self, node: str, window: Window) -> Sequence[Change]: ...
    def runs(self, job: str, window: Window) -> Sequence[JobRun]:
        """The runs of a job that started in a window, oldest first."""
        ...

    def readers(self, nodes: Sequence[str]) -> Sequence[str]:
        """The models with a feature that is read from one of these datasets, sorted."""
        ...


class TrainingPort(Protocol):
    """Training runs with their partitions and curves."""

    def run(self, run: str) -> TrainingRun | None: ...
    def runs(self, model: str, before: datetime) -> Sequence[TrainingRun]:
        """The runs of a model that started before a time, oldest first."""
        ...


class PipelinesPort(Protocol):
    """Pipelines and, through a connector, their orchestrators."""

    def pipeline(self, pipeline: str) -> Pipeline | None: ...
    def state(self, pipeline: str) -> PipelineState:
        """Read from the orchestrator now. Raises `PortError` with the reason where it does not answer."""
        ...

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Pause or resume, and answer with the state that was read back. Raises `PortError`."""
        ...

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        """End these runs before they are through, and answer with the state that was read back. Raises `PortError`."""
        ...


class PortError(Exception):
    """The outside world did not answer; the message says what and what to do."""


class Unconfirmed(PortError):
    """An order was sent, and whether it was carried out cannot be read back."""


class UnreadableArtifact(PortError):
    """A snapshot's file is refused; the message names the entry and the reason."""


@dataclass(frozen=True)
class Ports:
    """All that a tool may reach."""

    metrics: MetricsPort
    models: ModelsPort
    profiles: ProfilesPort
    weights: WeightsPort
    programs: ProgramsPort
    samples: SamplesPort
    lineage: LineagePort
    training: TrainingPort
    pipelines: PipelinesPort
