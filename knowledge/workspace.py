"""Everything that stands in one data folder, opened together and closed together."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from knowledge.alerts import Alerts
from knowledge.artifacts import Artifacts
from knowledge.compared_weights import ComparedWeights
from knowledge.connectors.connect import connect
from knowledge.connectors.connection import EMBEDDED, Connection
from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.executor import executor
from knowledge.investigations import InvestigationLog
from knowledge.lineage import Lineage
from knowledge.metrics import Metrics
from knowledge.models import Models
from knowledge.pipelines import Orchestrator, Pipelines, PipelineSettings
from knowledge.profiles import ProfileStore
from knowledge.programs import SnapshotPrograms
from knowledge.receiver import Receiver
from knowledge.samples import KEPT, RecentSamples
from knowledge.snapshot_checks import SnapshotChecks
from knowledge.store import Store
from knowledge.training_runs import TrainingRuns
from tools.ports import Ports

ORCHESTRATOR = "orchestrator.json"
PROFILES = "profiles"
SAMPLES = "samples"
SNAPSHOTS = "snapshots"
COMPARED = "compared"


@dataclass(frozen=True)
class Workspace:
    """The opened data folder: what tools read (`ports`), what the platform sends to (`receiver`), and the logs.

    Heavy work may run on `heavy`, which lives as long as the workspace (`held`).
    """

    store: Store
    ports: Ports
    models: Models
    pipelines: Pipelines
    artifacts: Artifacts
    lineage: Lineage
    receiver: Receiver
    alerts: Alerts
    checks: SnapshotChecks
    log: InvestigationLog
    programs: SnapshotPrograms
    heavy: Executor
    held: ExitStack

    @classmethod
    def open(
        cls,
        folder: Path,
        snapshot_roots: Sequence[Path] = (),
        baseline_days: int = 14,
        samples_kept: int = KEPT,
        factories: Mapping[str, str] | None = None,
        orchestrators: Mapping[str, Connection] | None = None,
        pipelines_told: Mapping[str, PipelineSettings] | None = None,
        cluster: str | None = None,
    ) -> "Workspace":
        """Open a data folder. Raises `knowledge.store.StoreError` with the reason and what to do, and
        `knowledge.executor.NoCluster`.

        `snapshot_roots` are the folders that artifacts may lie in, besides `snapshots/` of the data folder.
        `samples_kept` is how many samples of each model are kept as rows. `factories` are model → function that makes
        its module. `orchestrators` are the platform's, by the names that pipeline records give them;
        `pipelines_told` is what the settings say about pipelines.
        """
        held = ExitStack()
        heavy = held.enter_context(executor(cluster))
        try:
            store = Store.open(folder)
        except BaseException:
            held.close()
            raise
        metrics, models, lineage = Metrics(store), Models(store), Lineage(store)
        samples = RecentSamples(folder / SAMPLES, samples_kept)
        training, profiles, alerts = TrainingRuns(store), ProfileStore(folder / PROFILES), Alerts(store)
        connected: dict[str, Orchestrator] = {n: connect(n, one) for n, one in (orchestrators or {}).items()}
        embedded = EmbeddedOrchestrator(folder / ORCHESTRATOR)
        pipelines = Pipelines(store, {EMBEDDED: embedded, **connected}, pipelines_told)
        artifacts = Artifacts([folder / SNAPSHOTS, *snapshot_roots], models)
        programs = SnapshotPrograms(artifacts, factories)
        ports = Ports(
            metrics=metrics,
            models=models,
            profiles=profiles,
            weights=ComparedWeights(artifacts, folder / COMPARED),
            programs=programs,
            samples=samples,
            lineage=lineage,
            training=training,
            pipelines=pipelines,
        )
        receiver = Receiver(
            metrics=metrics,
            models=models,
            lineage=lineage,
            training=training,
            pipelines=pipelines,
            profiles=profiles,
            samples=samples,
            alerts=alerts,
            baseline=timedelta(days=baseline_days),
            heavy=heavy,
        )
        checks, log = SnapshotChecks(store), InvestigationLog(store)
        return cls(
            store, ports, models, pipelines, artifacts, lineage, receiver, alerts, checks, log, programs, heavy, held
        )

    def close(self) -> None:
        """Give the folder back, and stop the process that runs snapshots."""
        self.programs.close()
        self.store.close()
        self.held.close()
